"""Plans by the service's own messages, which take a client less than the library does."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import grpc

from onshelf.v1 import launch_pb2, launch_pb2_grpc, types_pb2
from onshelf_benchmarks.products import products_of
from onshelf_gateway.requests.money import to_money

CANDIDATES = 1000  # of a plan
SECONDS = 60.0  # that a plan may take
Ask = Callable[[launch_pb2.PlanLaunchRequest], Awaitable[launch_pb2.PlanLaunchResponse]]


def plan_request(
    title: str, price: Decimal | float, path: Sequence[str] = (), candidates: int = CANDIDATES
) -> launch_pb2.PlanLaunchRequest:
    """A request that says no more of the product: without a path the encoder has to find the category."""
    product = types_pb2.Product(title=title, category_path=path, list_price=to_money(price, "USD"))
    return launch_pb2.PlanLaunchRequest(product=product, max_candidates=candidates)


def requests_of(
    release: Path, count: int, seed: int, candidates: int = CANDIDATES
) -> list[launch_pb2.PlanLaunchRequest]:
    """Requests for distinct products of a release."""
    some = products_of(release, count, seed)
    return [plan_request(one.title, one.list_price.amount, (), candidates) for one in some if one.list_price]


@asynccontextmanager
async def plan_launch(address: str) -> AsyncIterator[Ask]:
    """PlanLaunch of a gateway."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield partial(launch_pb2_grpc.LaunchServiceStub(channel).PlanLaunch, timeout=SECONDS)
