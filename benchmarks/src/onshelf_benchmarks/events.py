"""Events and memory: events a second that become durable, what remembering answers costs, how long reports take.

    python -m onshelf_benchmarks.events --triton localhost:8001        a part of `make bench`

Starts gateways of its own with new stores: SQLite on this disk, and a PostgreSQL that the package pgserver brings. What
is counted of events was answered, so it is durable. Remembering: two gateways, with and without it, in turn, each asked
for distinct plans by `CALLERS` callers. Reports: `launches` launches are planned and decided, `events` events recorded,
then GetLaunchReport is asked for launch after launch by one caller.
"""

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from onshelf.v1 import feedback_pb2, feedback_pb2_grpc, launch_pb2, launch_pb2_grpc, recommendation_pb2
from onshelf_benchmarks import servers
from onshelf_benchmarks.command import command
from onshelf_benchmarks.load import closed_loop, percentiles, steady, turns, whole
from onshelf_benchmarks.plans import plan_launch, requests_of
from onshelf_benchmarks.record import RELEASES, Document, newest_release

F, L, R = feedback_pb2, launch_pb2, recommendation_pb2
CALLERS = 4
A_CALL, A_MESSAGE = 500, 200  # events
START = 1_515_000_000  # seconds since 1970: in January 2018
DAY = 86_400
FLAGS = (*servers.COLD, *servers.MANY, "--encoder-model", "product_encoder_int8")


def made_up(first: int, count: int, products: int) -> list[F.Event]:
    """Events: of five one is a purchase, the others are impressions; over 8 weeks, users and products in turn."""
    events = []
    for n in range(first, first + count):
        bought = n % 5 == 0
        event = F.Event(
            event_id=f"e-{n}",
            kind=R.EVENT_KIND_PURCHASE if bought else R.EVENT_KIND_IMPRESSION,
            user_id=f"u{n * 7919 % 20_000}",
            product_id=f"launch-{n % products}",
        )
        event.time.seconds = START + n * 104_729 % (56 * DAY)
        if bought:
            event.quantity = 1.0
            event.revenue.currency_code, event.revenue.units = "USD", 3
        events.append(event)
    return events


async def record(address: str, first: int, count: int, products: int = 500) -> float:
    """Events a second through RecordEvents."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = feedback_pb2_grpc.FeedbackServiceStub(channel)
        batches = [
            F.RecordEventsRequest(events=made_up(n, min(A_CALL, first + count - n), products))
            for n in range(first, first + count, A_CALL)
        ]

        async def ask(batch: F.RecordEventsRequest) -> None:
            answer = await stub.RecordEvents(batch)
            if answer.stored != len(batch.events):
                raise SystemExit(f"{answer.stored} of {len(batch.events)} events were stored")

        rate, _ = whole(await closed_loop(ask, batches, CALLERS))
        return rate * count / len(batches)


async def stream(address: str, first: int, count: int) -> float:
    """Events a second through one StreamEvents."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = feedback_pb2_grpc.FeedbackServiceStub(channel)
        call = stub.StreamEvents()
        messages = [
            F.StreamEventsRequest(events=made_up(n, min(A_MESSAGE, first + count - n), 500))
            for n in range(first, first + count, A_MESSAGE)
        ]
        begin = time.perf_counter()

        async def send() -> None:
            for message in messages:
                await call.write(message)
            await call.done_writing()

        sending = asyncio.create_task(send())
        async for answer in call:
            last = answer
        await sending
        if last.stored != count:
            raise SystemExit(f"{last.stored} of {count} events were stored")
        return count / (time.perf_counter() - begin)


async def remembering(release: Path, addresses: dict[str, str], rounds: int, plans: int) -> Document:
    """Plans a second with and without memory, in turn."""
    rates: dict[str, list[float]] = {name: [] for name in addresses}
    for turn, name in turns(list(addresses), rounds, "remembering", warm_up=1):
        async with plan_launch(addresses[name]) as ask:
            rate, _ = steady(await closed_loop(ask, requests_of(release, plans, turn + 10), CALLERS))
        if turn >= 0:
            rates[name].append(rate)
    ratios = [without / with_ - 1.0 for with_, without in zip(rates["with"], rates["without"], strict=True)]
    return {"plans_per_second": {name: statistics.median(found) for name, found in rates.items()}} | {
        "cost": statistics.median(ratios),
        "costs": ratios,
    }


async def reports(address: str, release: Path, launches: int, events: int, looks: int) -> Document:
    """How long GetLaunchReport, ListLaunches and GetScoreboard take among so many launches and events."""
    async with grpc.aio.insecure_channel(address) as channel:
        launch = launch_pb2_grpc.LaunchServiceStub(channel)
        feedback = feedback_pb2_grpc.FeedbackServiceStub(channel)
        decided: list[str] = []

        async def decide(numbered: tuple[int, L.PlanLaunchRequest]) -> None:
            number, request = numbered
            request.max_candidates, request.audience_size = 64, 0
            plan = await launch.PlanLaunch(request)
            decision = L.LaunchDecision(
                kind=L.DECISION_KIND_ACCEPTED, decided_by="benchmark", product_id=f"launch-{number}"
            )
            await launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision))
            decided.append(plan.plan_id)

        await closed_loop(decide, enumerate(requests_of(release, launches, 3)), CALLERS)
        await record(address, 0, events, launches)

        async def look(plan_id: str) -> None:
            await feedback.GetLaunchReport(F.GetLaunchReportRequest(plan_id=plan_id))

        chosen = itertools.islice(itertools.cycle(decided), looks)
        _, taken = whole(await closed_loop(look, chosen, 1))
        begin = time.perf_counter()
        listed = await feedback.ListLaunches(F.ListLaunchesRequest(page_size=1000))
        found = {"launches": len(listed.launches), "events": events, "list_ms": 1000 * (time.perf_counter() - begin)}
        begin = time.perf_counter()
        await feedback.GetScoreboard(F.GetScoreboardRequest())
        found["scoreboard_ms"] = 1000 * (time.perf_counter() - begin)
        return found | percentiles(np.array(taken), (50, 99))


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, str]]:
    """URLs of new databases: SQLite, and PostgreSQL where pgserver is installed."""
    found = {"sqlite": f"sqlite:///{folder / 'store.db'}"}
    try:
        import pgserver
    except ImportError:
        yield found
        return
    server = pgserver.get_server(folder / "postgresql")  # type: ignore[attr-defined]
    try:
        yield found | {"postgresql": str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")}
    finally:
        server.cleanup()


def measure(
    *,
    triton: str,
    releases: Path = RELEASES,
    count: int = 100_000,
    rounds: int = 8,
    plans: int = 120,
    launches: int = 1_000,
    events: int = 1_000_000,
    looks: int = 500,
) -> Document:
    """All of it.

    Args:
        triton: host:port of a Triton that serves the model release.
        releases: folder of model releases.
        count: events that are timed, of each way and store.
        rounds: of remembering.
        plans: of a round.
        launches: that are reported of.
        events: recorded before the reports.
        looks: reports that are timed.
    """
    release = newest_release(releases)
    flags = ["--triton", triton, *FLAGS]
    found: Document = {"model_release": int(release.name), "events_per_second": {}}
    with tempfile.TemporaryDirectory() as made, ExitStack() as running:
        folder = Path(made)
        urls = running.enter_context(stores(folder))
        for name, url in urls.items():
            with servers.started(name, flags, folder, url, releases) as server:
                unary = asyncio.run(record(server.address, 0, count))
                streamed = asyncio.run(stream(server.address, count, count))
            found["events_per_second"][name] = {"record_events": unary, "stream_events": streamed}
        addresses = {
            name: running.enter_context(
                servers.started(name, [*flags, "--remember", value], folder, folder / f"{name}.db", releases)
            ).address
            for name, value in (("with", "true"), ("without", "false"))
        }
        found["remembering"] = asyncio.run(remembering(release, addresses, rounds, plans))
        with servers.started("reports", flags, folder, folder / "reports.db", releases) as server:
            found["reports"] = asyncio.run(reports(server.address, release, launches, events, looks))
    return found


if __name__ == "__main__":
    command("events", measure)
