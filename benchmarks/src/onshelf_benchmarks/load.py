"""The load that benchmarks make: callers in a closed loop, or Poisson arrivals in an open one; rounds of it.

Closed loop: a number of callers, each sending its next request when the last is answered. Open loop: requests are sent
at their planned time whether or not earlier ones are answered, and latency counts from the planned time, so that a
stall is not hidden by the requests that it delays.
"""

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

PERCENTILES = (50, 95, 99)
FEWEST = 4  # requests of a caller, so that some count in `steady`
Span = tuple[float, float]  # when a request was sent, when it was answered
Milliseconds = NDArray[np.float64]
R = TypeVar("R")
Ask = Callable[[R], Awaitable[object]]


async def closed_loop(ask: Ask[R], requests: Iterable[R], callers: int, seconds: float = math.inf) -> list[list[Span]]:
    """What each caller sent and got, until no request is left or, after `seconds`, none is sent any more."""
    queue, end = iter(requests), time.perf_counter() + seconds

    async def caller() -> list[Span]:
        spans: list[Span] = []
        while time.perf_counter() < end and (request := next(queue, None)) is not None:
            start = time.perf_counter()
            await ask(request)
            spans.append((start, time.perf_counter()))
        return spans

    return await asyncio.gather(*(caller() for _ in range(callers)))


async def open_loop(ask: Ask[R], requests: Sequence[R], rate: float, seed: int) -> Milliseconds:
    """Latencies [n] from the planned arrival, arrivals Poisson at `rate` a second."""
    arrivals = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, len(requests))).tolist()
    start = time.perf_counter()

    async def one(request: R, arrival: float) -> float:
        await asyncio.sleep(max(0.0, start + arrival - time.perf_counter()))
        await ask(request)
        return 1000 * (time.perf_counter() - start - arrival)

    return np.array(await asyncio.gather(*map(one, requests, arrivals)))


def whole(callers: Sequence[Sequence[Span]]) -> tuple[float, Milliseconds]:
    """Answers a second of a closed loop, from its first request to its last answer, and all latencies [n]."""
    sent, answered = np.array([span for own in callers for span in own]).T
    return float(len(sent) / (answered.max() - sent.min())), 1000 * (answered - sent)


def steady(callers: Sequence[Sequence[Span]]) -> tuple[float, Milliseconds]:
    """Answers a second, and latencies [n], while all callers ask: not when all begin at once, or few are left.

    A caller's first and last answer do not count. The rate is that of the answers after all callers had their first
    and before the last request was sent. Where none are left so, all count.
    """
    rate, latencies = whole(callers)
    kept = [1000 * (answered - sent) for own in callers for sent, answered in own[1:-1]]
    begin, end = max(own[0][1] for own in callers if own), max(own[-1][0] for own in callers if own)
    counted = sum(begin < answered <= end for own in callers for _, answered in own)
    return counted / (end - begin) if counted else rate, np.array(kept) if kept else latencies


def percentiles(latencies: Milliseconds, of: Sequence[int] = PERCENTILES) -> dict[str, float]:
    """`p50_ms` and so on."""
    return {f"p{p}_ms": float(np.percentile(latencies, p)) for p in of}


def turns(cases: Sequence[R], rounds: int, what: str, *, warm_up: int = 0) -> Iterator[tuple[int, R]]:
    """Round and case: all cases in each round, in every second one from the last on; rounds below 0 warm up."""
    for turn in track(range(-warm_up, rounds), description=what):
        for case in cases if turn % 2 == 0 else reversed(cases):
            yield turn, case


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
