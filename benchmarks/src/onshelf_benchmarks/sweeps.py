"""How latency and memory grow with candidates, and with products of a stream.

    python -m onshelf_benchmarks.sweeps        starts its own Triton and gateways; a part of `make bench`

A step's growth is the ratio of two medians over the ratio of two sizes: 1 is linear, less is better. Sizes are measured
in alternating rounds; a step's growth is the median over the rounds, its noise half of what the rounds span. Memory is
the highest resident set of the gateway and of Triton's processes while a size is measured, read in one pass from the
smallest size to the largest before the rounds, which also warms up. Caches are off, every product is another one.
"""

import asyncio
import csv
import datetime as dt
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.progress import track

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_benchmarks import pages, servers
from onshelf_benchmarks.command import command
from onshelf_benchmarks.load import Milliseconds, closed_loop, percentiles, steady, turns
from onshelf_benchmarks.memory import family, forget_peak, peak
from onshelf_benchmarks.plans import plan_launch, requests_of
from onshelf_benchmarks.products import products_of
from onshelf_benchmarks.record import Document, child, newest_release

PERCENTILES = (50, 95)
STREAM_WARM_UP = 50
STREAM_ROUNDS = 3  # of all streams but the longest
T = TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """What is measured, and how often."""

    candidates: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)  # 10,000 is the default limit
    streamed: tuple[int, ...] = (100, 1_000, 10_000)
    plans: int = 20  # of a size and round, at most
    rounds: int = 5


QUICK = Sizes((10, 100), (20, 60), plans=4, rounds=2)


def held(triton: servers.Server, gateway: servers.Server, work: Callable[[], T]) -> tuple[T, Document]:
    """What `work` returns, and the megabytes of both servers while it goes on."""
    families = {"gateway": family(gateway.pid), "triton": family(triton.pid)}
    for pids in families.values():
        forget_peak(pids)
    result = work()
    return result, {f"{name}_peak_mb": peak(pids) for name, pids in families.items()}


def steps(sizes: Sequence[float], rounds: Sequence[Sequence[Milliseconds]]) -> list[dict[str, float]]:
    """The growth of the median in each step; `rounds` has the rounds of each size."""
    found = []
    for (small, before), (large, after) in pairwise(zip(sizes, rounds, strict=True)):
        each = [
            float(np.median(late) / np.median(early)) * small / large for early, late in zip(before, after, strict=True)
        ]
        growth = {"growth_p50": statistics.median(each), "noise_p50": (max(each) - min(each)) / 2}
        found.append({"from": small, "to": large} | growth)
    return found


def verdict(found: Sequence[dict[str, float]]) -> Document:
    """The steps, the worst of them with its noise, and whether all are within theirs."""
    worst = max(found, key=lambda step: step["growth_p50"])
    return {
        "steps": found,
        "worst_step": worst["growth_p50"],
        "noise": worst["noise_p50"],
        "no_worse_than_linear": all(step["growth_p50"] <= 1 + step["noise_p50"] for step in found),
    }


def candidates(triton: servers.Server, gateway: servers.Server, sizes: Sizes) -> Document:
    """PlanLaunch with more candidate actions, one caller; for a window of a year, which has so many."""
    release = newest_release()
    first = dt.date.fromisoformat(json.loads((release / "manifest.json").read_text())["as_of"])
    last = first + dt.timedelta(days=364)
    window = types_pb2.DateWindow(start_date=first.isoformat(), end_date=last.isoformat())
    scored: dict[int, int] = {}

    async def plans(size: int, seed: int) -> Milliseconds:
        async with plan_launch(gateway.address) as plan:

            async def ask(request: launch_pb2.PlanLaunchRequest) -> None:
                answer = await plan(request)
                scored[size] = max(scored.get(size, 0), answer.candidates_scored)

            asked = requests_of(release, max(2, min(sizes.plans, 200_000 // size)), seed, size)
            for request in asked:
                request.window.CopyFrom(window)
                request.constraints.max_discount = 0.9
                request.constraints.allow_coupon = True
            return steady(await closed_loop(ask, asked, callers=1))[1]

    def measure(size: int, turn: int) -> Milliseconds:
        return asyncio.run(plans(size, 1000 * (turn + 1) + size % 997))

    memory = {size: held(triton, gateway, partial(measure, size, -1))[1] for size in sizes.candidates}
    found: dict[int, list[Milliseconds]] = {size: [] for size in sizes.candidates}
    for turn, size in turns(sizes.candidates, sizes.rounds, "candidates"):
        found[size].append(measure(size, turn))
    rows = [
        {"asked_for": size, "size": scored[size], **percentiles(np.concatenate(each), PERCENTILES), **memory[size]}
        for size, each in found.items()
    ]
    return {
        "of": "candidate actions of a plan",
        "latency": "PlanLaunch, one caller",
        "rows": rows,
        **verdict(steps([scored[size] for size in found], list(found.values()))),
    }


def stream(triton: servers.Server, sizes: Sizes) -> Document:
    """More products on one stream, each on a fresh gateway as shipped and from a fresh client.

    All but the longest are streamed again after it, so that a change of the machine is not taken for growth.
    """
    runs: dict[int, list[Document]] = {size: [] for size in sizes.streamed}
    turns = [*sizes.streamed, *(STREAM_ROUNDS - 1) * sizes.streamed[:-1]]
    with tempfile.TemporaryDirectory() as folder:
        path, warm = Path(folder) / "products.csv", Path(folder) / "warm.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["title", "price"])
            for one in products_of(newest_release(), max(sizes.streamed), 31):
                writer.writerow([one.title, one.list_price.amount if one.list_price else "1"])
        warm.write_text(path.read_text())
        for size in track(turns, description="stream"):
            with servers.gateway("shipped", triton.address) as gateway:
                child("stream", gateway.address, str(warm), str(STREAM_WARM_UP))
                work = partial(child, "stream", gateway.address, str(path), str(size))
                found, peaks = held(triton, gateway, work)
            runs[size].append(found | peaks)
    return streamed(runs)


def streamed(runs: dict[int, list[Document]]) -> Document:
    """The sweep of streams: time between two answers, and peaks of memory beside those of the shortest stream."""
    rows = [
        {"size": size, "answers": sum(one["answers"] for one in some), "failed": sum(one["failed"] for one in some)}
        | {name: float(np.median([one[name] for one in some])) for name in ("p50_ms", "p95_ms", "plans_per_second")}
        | {name: max(one[name] for one in some) for name in some[0] if name.endswith("_mb")}
        | {"ms_between_answers": [float(np.median(one["ms_between_answers"])) for one in some]}
        for size, some in runs.items()
    ]
    grown = []
    for small, large in pairwise(rows):
        before, after = small["ms_between_answers"], large["ms_between_answers"]
        middle = float(np.median(before))
        noise = max(max(each) - min(each) for each in (before, after)) / 2 / middle
        growth = {"growth_p50": float(np.median(after)) / middle, "noise_p50": noise}
        grown.append({"from": small["size"], "to": large["size"]} | growth)
    return {
        "of": "products of one stream",
        "latency": "StreamPlans, 8 on the way",
        "growth_of": "the time of the whole stream",
        "rows": rows,
        **verdict(grown),
        "peak_memory": {
            name: rows[-1][f"{name}_peak_mb"] / rows[0][f"{name}_peak_mb"] for name in ("gateway", "client")
        },
    }


def measure(*, quick: bool = False) -> Document:
    """One sweep after the other.

    Args:
        quick: few sizes and rounds, to see that it works.
    """
    sizes = QUICK if quick else Sizes()
    with servers.triton() as triton:
        with servers.gateway("ours", triton.address, "--max-candidates", "100000") as gateway:
            found = {"candidates": candidates(triton, gateway, sizes)}
        return {"rounds": sizes.rounds, "sweeps": found | {"stream": stream(triton, sizes)}}


if __name__ == "__main__":
    command("sweeps", measure, pages.sweeps)
