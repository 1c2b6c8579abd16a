"""Growth: what a step from one size to the next costs, beside how much larger the next size is.

A step's growth is the ratio of the two medians over the ratio of the two sizes: 1 is linear, less is better. Sizes are
measured in alternating rounds; a step's growth is the median over the rounds, its noise half of what the rounds span.
"""

import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Latencies = NDArray[np.float64]  # milliseconds
PERCENTILES = (50, 95)


def alternate(
    sizes: Sequence[int], rounds: int, measure: Callable[[int, int], Latencies]
) -> dict[int, list[Latencies]]:
    """`measure(size, round)` for each size in turn, in every second round from the largest on."""
    found: dict[int, list[Latencies]] = {size: [] for size in sizes}
    for turn in range(rounds):
        for size in sizes if turn % 2 == 0 else reversed(sizes):
            found[size].append(measure(size, turn))
    return found


def row(size: float, rounds: Sequence[Latencies]) -> dict[str, Any]:
    """One size: percentiles over the answers of all rounds."""
    every = np.concatenate(rounds)
    return {"size": size, "answers": len(every)} | {f"p{p}_ms": float(np.percentile(every, p)) for p in PERCENTILES}


def steps(sizes: Sequence[float], rounds: Sequence[Sequence[Latencies]]) -> list[dict[str, float]]:
    """The growth of each step; `rounds` has the rounds of each size."""
    found = []
    for at, (small, large) in enumerate(pairwise(sizes)):
        step: dict[str, float] = {"from": small, "to": large}
        for p in PERCENTILES:
            each = [
                float(np.percentile(after, p) / np.percentile(before, p)) * small / large
                for before, after in zip(rounds[at], rounds[at + 1], strict=True)
            ]
            step[f"growth_p{p}"] = statistics.median(each)
            step[f"noise_p{p}"] = (max(each) - min(each)) / 2
        found.append(step)
    return found


def sweep(of: str, unit: str, rows: list[dict[str, Any]], rounds: Sequence[Sequence[Latencies]]) -> dict[str, Any]:
    """A sweep as a document: its rows, its steps, and the worst of them.

    Args:
        of: what grows, as the plot's axis says it. unit: of the latency.
        rows: one for each size, from `row`, with whatever else was measured of it.
        rounds: latencies of the rounds of each row.
    """
    found = steps([one["size"] for one in rows], rounds)
    worst = max(found, key=lambda step: step["growth_p50"])
    return {
        "of": of,
        "latency": unit,
        "rows": rows,
        "steps": found,
        "worst_step": worst["growth_p50"],
        "noise": worst["noise_p50"],
        "worst_step_p95": max(step["growth_p95"] for step in found),
        "no_worse_than_linear": all(step["growth_p50"] <= 1 + step["noise_p50"] for step in found),
    }
