"""Latency and throughput of PlanLaunch on a running gateway, every product a different one.

    python -m onshelf_benchmarks.latency        the gateway of `make run`; a part of `make bench`

Closed loop: a number of callers, each sending its next request when the last is answered. Open loop: Poisson arrivals
at a share of saturation, the best rate of closed loops, as the median of three passes before the rounds; latency counts
from the planned arrival. Loads take turns, round by round; percentiles are over the answers of all rounds, rates are
medians.
"""

import statistics
from pathlib import Path

import numpy as np

from onshelf import AsyncClient, Product
from onshelf_benchmarks import pages
from onshelf_benchmarks.command import command
from onshelf_benchmarks.load import FEWEST, Milliseconds, closed_loop, open_loop, percentiles, steady, turns
from onshelf_benchmarks.products import products_of
from onshelf_benchmarks.record import RELEASES, Document, newest_release, running_gateway

SHARES = (0.25, 0.5, 0.75)  # of saturation
PASSES = 3  # over the closed loops, to find saturation


async def measure(
    *,
    address: str = "",
    releases: Path = RELEASES,
    requests: int = 200,
    callers: tuple[int, ...] = (1, 4, 16, 64),
    rounds: int = 5,
    candidates: int | None = None,
) -> Document:
    """All loads in one run.

    Args:
        address: host:port of the gateway; empty: that of `make run`.
        releases: folder of model releases.
        requests: plans of a load and round.
        callers: of the closed loops.
        rounds: turns of all loads.
        candidates: candidate actions of a plan; none: all.
    """
    release = newest_release(releases)
    async with AsyncClient(address or running_gateway(), timeout=60) as client:

        async def ask(product: Product) -> None:
            await client.plan_launch(product, max_candidates=candidates)

        async def closed(number: int, seed: int) -> tuple[float, Milliseconds]:
            some = products_of(release, max(requests, FEWEST * number), seed)
            return steady(await closed_loop(ask, some, number))

        probe = await client.plan_launch(products_of(release, 1, 0)[0], max_candidates=candidates)
        passes = [  # the first warms up
            max([(await closed(n, 10 * turn + place))[0] for place, n in enumerate(callers)])
            for turn in range(1 + PASSES)
        ]
        saturation = statistics.median(passes[1:])
        loads: list[Document] = [
            *({"load": f"closed loop, concurrency {number}", "callers": number} for number in callers),
            *({"load": f"open loop, {share:.0%} of saturation", "share": share} for share in SHARES),
        ]
        rates: list[list[float]] = [[] for _ in loads]
        taken: list[list[Milliseconds]] = [[] for _ in loads]
        for turn, (place, load) in turns(list(enumerate(loads)), rounds, "rounds"):
            seed = 100 * (turn + 1) + place
            if "callers" in load:
                rate, latencies = await closed(load["callers"], seed)
            else:
                rate = load["share"] * saturation
                latencies = await open_loop(ask, products_of(release, requests, seed), rate, seed)
            rates[place].append(rate)
            taken[place].append(latencies)
    return {
        "model_release": probe.info.model_release.version,
        "candidates": probe.candidates_scored,
        "requests": requests,
        "rounds": rounds,
        "saturation_plans_per_second": saturation,
        "saturation_of_passes": passes[1:],
        "rows": [row(load, rate, of) for load, rate, of in zip(loads, rates, taken, strict=True)],
    }


def row(load: Document, rates: list[float], rounds: list[Milliseconds]) -> Document:
    """One line of the result."""
    every = np.concatenate(rounds)
    return load | {
        "plans_per_second": statistics.median(rates),
        "answers": len(every),
        **percentiles(every),
        "p50_ms_of_rounds": [float(np.median(one)) for one in rounds],
    }


if __name__ == "__main__":
    command("latency", measure, pages.latency)
