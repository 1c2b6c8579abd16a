"""A gateway over fake models on a real port, and short words for requests."""

import datetime as dt
import io
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2
from google.type.money_pb2 import Money
from grpc_status import rpc_status

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call import logs
from onshelf_gateway.testing import write_fake_release

sys.path.insert(0, str(Path(__file__).parent))  # `import gateways`

from gateways import Running, connected

TITLE = "Honey lime tortilla chips, 12 oz"


def money(amount: float, currency: str = "USD") -> Money:
    nanos = round(amount * 1_000_000_000)
    sign = -1 if nanos < 0 else 1
    return Money(currency_code=currency, units=sign * (abs(nanos) // 10**9), nanos=sign * (abs(nanos) % 10**9))


@dataclass
class Refusal:
    """What a call was refused with."""

    code: grpc.StatusCode
    reason: str
    fields: list[str]
    message: str
    retry: error_details_pb2.RetryInfo | None


@dataclass
class Words:
    """Short words for requests and refusals."""

    title: str = TITLE

    def money(self, amount: float, currency: str = "USD") -> Money:
        return money(amount, currency)

    def product(self, **fields: Any) -> types_pb2.Product:
        chosen = {"title": TITLE, "category_path": ["Grocery", "Bag snacks"], "list_price": money(2.99), **fields}
        return types_pb2.Product(**{name: value for name, value in chosen.items() if value is not None})

    def plan(self, **fields: Any) -> launch_pb2.PlanLaunchRequest:
        return launch_pb2.PlanLaunchRequest(**{"product": self.product(), **fields})

    def evaluate(self, **action: Any) -> launch_pb2.EvaluatePlanRequest:
        chosen = types_pb2.Action(**{"launch_date": "2018-02-05", **action})
        return launch_pb2.EvaluatePlanRequest(product=self.product(), action=chosen)

    async def refusal(self, call: Any) -> Refusal:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        status = rpc_status.from_call(caught.value)
        assert status is not None, f"no details: {caught.value.code()} {caught.value.details()}"
        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        had_retry = False
        for detail in status.details:
            detail.Unpack(info) or detail.Unpack(bad)
            had_retry = detail.Unpack(retry) or had_retry
        assert info.domain == "onshelf.v1"
        fields = [violation.field for violation in bad.field_violations]
        return Refusal(caught.value.code(), info.reason, fields, status.message, retry if had_retry else None)

    def notices(self, response: Any) -> list[str]:
        return [types_pb2.NoticeCode.Name(notice.code).removeprefix("NOTICE_CODE_") for notice in response.info.notices]


@pytest.fixture(scope="session")
def words() -> Words:
    return Words()


@pytest.fixture(scope="session", autouse=True)
def quiet_logs() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The log lines since the test began, of all levels."""
    captured = io.StringIO()
    before = structlog.get_config()
    logs.configure("debug")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=captured))
    yield lambda: [json.loads(line) for line in captured.getvalue().splitlines()]
    structlog.configure(**before)


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases: 2 is the replay one, 3 in production."""
    root = tmp_path_factory.mktemp("gateway") / "releases"
    write_fake_release(root, 2, role="replay", as_of=dt.date(2017, 7, 3))
    write_fake_release(root, 3)
    return root


@pytest.fixture(scope="session")
async def _shared(releases: Path) -> AsyncIterator[Running]:
    async with connected(releases, encoder_cache_entries=0) as gateway:
        yield gateway


@pytest.fixture(scope="session")
async def on_sqlite(releases: Path) -> AsyncIterator[Running]:
    """A gateway whose catalog and store may be changed."""
    async with connected(releases, encoder_cache_entries=0) as gateway:
        yield gateway


@pytest.fixture(scope="session")
async def on_postgresql(releases: Path, postgresql: str) -> AsyncIterator[Running]:
    """The same with PostgreSQL."""
    async with connected(releases, encoder_cache_entries=0, store=postgresql) as gateway:
        yield gateway


@pytest.fixture
async def running(_shared: Running) -> Running:
    """The shared gateway with its backend healthy and no calls counted."""
    backend = _shared.backend
    backend.failing.clear()
    backend.praised.clear()
    backend.blocking.clear()
    backend.cancelled.clear()
    backend.entered.clear()
    backend.down = False
    backend.delay = 0.0
    backend.delays.clear()
    await _shared.server.models.trials.settled()
    backend.calls.clear()
    return _shared
