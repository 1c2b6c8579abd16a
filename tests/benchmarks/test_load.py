"""The load that benchmarks make: a closed loop counts its answers, an open one from the planned arrival."""

import asyncio
import time
from itertools import repeat

import numpy as np
import pytest

from onshelf_benchmarks.load import closed_loop, medians, open_loop, percentiles, steady, turns, whole


async def slow(_: bytes) -> bytes:
    await asyncio.sleep(0.02)
    return b""


async def test_a_closed_loop_counts_what_its_callers_got() -> None:
    rate, latencies = whole(await closed_loop(slow, repeat(b""), 4, 0.5))
    assert 60 < rate <= 4 / 0.02
    assert latencies.min() >= 20
    assert len(latencies) == pytest.approx(rate * 0.5, rel=0.3)
    spans = await closed_loop(slow, [b""] * 6, 4, 60)
    assert sum(map(len, spans)) == 6, "it ends with the requests, too"


async def test_an_open_loop_counts_from_the_planned_arrival() -> None:
    """A server with one place that stalls once: every request planned meanwhile bears its share of the stall."""
    place, served = asyncio.Lock(), 0

    async def stalls(_: bytes) -> bytes:
        nonlocal served
        async with place:
            served += 1
            await asyncio.sleep(0.5 if served == 1 else 0.0)
        return b""

    latencies = await open_loop(stalls, [b""] * 100, rate=100, seed=0)
    assert len(latencies) == served == 100
    delayed = latencies[latencies > 100]
    assert len(delayed) > 20, "not only the one that stalled"
    assert delayed.max() >= 500
    assert np.percentile(latencies, 50) < 500


async def test_an_open_loop_that_starts_late_says_so() -> None:
    async def blocks(_: bytes) -> bytes:
        time.sleep(0.02)  # holds up the client itself
        return b""

    latencies = await open_loop(blocks, [b""] * 100, rate=200, seed=1)
    assert latencies.max() > 0.5 * 20 * len(latencies), "100 arrivals within 0.5 s take 2 s"


def test_the_first_and_the_last_answer_of_a_caller_do_not_count() -> None:
    # two callers: a slow beginning, then 0.1 s an answer, and a fast end
    spans = [(0.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.3), (1.3, 1.31)]
    rate, latencies = steady([spans, spans])
    assert latencies.tolist() == pytest.approx([100.0] * 6)
    assert rate == pytest.approx(2 / 0.1)


def test_callers_need_not_have_the_same_number_of_answers() -> None:
    rate, latencies = steady([[(0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.0)], [(0.0, 0.4)], []])
    assert latencies.tolist() == pytest.approx([500.0, 500.0])
    assert rate == pytest.approx(2.0)


def test_few_answers_count_all() -> None:
    for count in (steady, whole):
        rate, latencies = count([[(0.0, 0.5)], [(0.0, 1.0)]])
        assert latencies.tolist() == pytest.approx([500.0, 1000.0])
        assert rate == pytest.approx(2.0)


def test_percentiles() -> None:
    assert percentiles(np.arange(101.0)) == {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}


def test_rounds_alternate() -> None:
    assert list(turns("abc", 2, "x")) == [(0, "a"), (0, "b"), (0, "c"), (1, "c"), (1, "b"), (1, "a")]
    assert list(turns("ab", 1, "x", warm_up=1)) == [(-1, "b"), (-1, "a"), (0, "a"), (0, "b")]


def test_medians_of_each_figure() -> None:
    assert medians([{"rps": rps, "p99_ms": 10.0} for rps in (5.0, 90.0, 7.0)]) == {"rps": 7.0, "p99_ms": 10.0}
