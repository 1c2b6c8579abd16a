"""A gateway on a free port of this machine, over fake models."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from onshelf_gateway.server.assembly import Server
from onshelf_gateway.settings import Settings
from onshelf_gateway.testing.fake_backend import FakeBackend


@asynccontextmanager
async def running_gateway(
    releases: Path,
    *,
    delays: Mapping[str, float] | None = None,
    failing: Mapping[str, Exception] | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[Server, FakeBackend]]:
    """Serve the releases below a folder; `settings` are rows of `Settings` that differ from their defaults.

    The store is a new one beside the releases, unless it is given. The encoder is product_encoder_int8, unless another
    one or "auto" is asked for. `delays` and `failing` are those of `FakeBackend` from the start.
    """
    chosen: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "metrics_port": -1,
        "probe_interval_ms": 50,
        "reload_seconds": 0.0,
        "encoder_model": "product_encoder_int8",
        "store": f"sqlite:///{releases.parent / f'store-{uuid.uuid4().hex}.db'}",
        **settings,
    }
    backend = FakeBackend(releases)
    backend.delays |= delays or {}
    backend.failing |= failing or {}
    async with Server(Settings(releases=releases, **chosen), backend) as server:
        yield server, backend
