"""Intervals by a paired bootstrap that respects clusters.

Launches of one manufacturer, and launches of one type, share their luck. The pigeonhole bootstrap (Owen 2007, The
pigeonhole bootstrap) draws manufacturers and types independently, both with replacement; a launch's weight is the
product of how often its two clusters were drawn. Both models of a pair are weighted alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


def cluster_weights(clusters: list[NDArray[np.int64]], draws: int, seed: int) -> Floats:
    """Weights [draws, n] of the pigeonhole bootstrap.

    Args:
        clusters: one int64 [n] of cluster numbers (0..) per way of clustering; n may be 0.
        draws: number of resamples.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    n = len(clusters[0])
    if not n:
        return np.ones((draws, 0))
    weights = np.ones((draws, n))
    for cluster in clusters:
        size = int(cluster.max()) + 1
        drawn = rng.multinomial(size, np.full(size, 1.0 / size), size=draws)
        weights = weights * drawn[:, cluster]
    empty = weights.sum(axis=1) == 0
    weights[empty] = 1.0
    return weights


def interval(value: float, samples: Floats, level: float = 0.95) -> Interval:
    """Percentile interval around an estimate; NaN draws are left out. Where all are NaN, so are the ends."""
    if np.isnan(samples).all():
        return Interval(value, float("nan"), float("nan"))
    tail = (1.0 - level) / 2 * 100
    low, high = np.nanpercentile(samples, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def mean(values: Floats) -> float:
    """Mean of `values` [n] without NaN values; NaN where there is no other."""
    return float(weighted_means(values, np.ones((1, len(values))))[0])


def weighted_means(values: Floats, weights: Floats) -> Floats:
    """Mean of `values` [n] under each row of `weights` [draws, n]; NaN values are left out."""
    present = ~np.isnan(values)
    total = weights[:, present].sum(axis=1)
    sums = weights[:, present] @ values[present]
    means: Floats = np.divide(sums, total, out=np.full(len(weights), np.nan), where=total > 0)
    return means


def resampled(metric: Callable[[Floats], float], weights: Floats) -> Floats:
    """A metric under each row of `weights` [draws, n]; a draw in which it has no value gives NaN."""
    return np.array([value_of(metric, row) for row in weights])


def value_of(metric: Callable[..., float], weight: Floats | None) -> float:
    """A metric under one weight for each row, None for equal ones; NaN where it has no value: nothing was sold, or no
    buyer bought again."""
    try:
        return metric(weight)
    except ValueError:
        return float("nan")
