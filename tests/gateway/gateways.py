"""A gateway over fake models that a client is connected to, and waiting for what it does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from onshelf.v1 import catalog_pb2_grpc, launch_pb2_grpc, recommendation_pb2_grpc
from onshelf_gateway.server.assembly import Server
from onshelf_gateway.testing import FakeBackend, running_gateway


class Running:
    """A running gateway with its stubs."""

    def __init__(self, server: Server, backend: FakeBackend, channel: grpc.aio.Channel) -> None:
        self.server, self.backend, self.channel = server, backend, channel
        self.launch = launch_pb2_grpc.LaunchServiceStub(channel)
        self.recommend = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)


@asynccontextmanager
async def connected(releases: Path, options: Any = None, **settings: Any) -> AsyncIterator[Running]:
    """Serve the releases below a folder as `running_gateway` does; `options` are those of the channel."""
    async with (
        running_gateway(releases, **settings) as (server, backend),
        grpc.aio.insecure_channel(server.address, options=options) as channel,
    ):
        yield Running(server, backend, channel)


async def until(condition: Callable[[], bool], what: str = "", seconds: float = 30.0) -> None:
    """Wait until a condition holds."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, what or "waited in vain"
        await asyncio.sleep(0.01)
