"""Distributional conformal calibration (Chernozhukov, Wüthrich and Zhu 2021) of the levels at which quantiles are read.

On launches that the model has not seen, the randomised PIT says where outcomes really fall within the forecast
distribution. The level that stands for tau is the empirical tau-quantile of these PITs, so that a fraction tau of such
launches falls below it.
"""

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.models.launch_outcome import LEVELS
from onshelf_exporter.models.quantiles import nb_cdf

SHRINK = 60.0  # launches that the uncalibrated level counts for
DRAWS = 25


def calibrated_levels(
    counts: NDArray[np.float64], mean: NDArray[np.float64], size: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """The level to read for each of LEVELS, increasing within (0, 1); LEVELS themselves where there are no launches."""
    levels = np.array(LEVELS)
    if len(counts) == 0:
        return levels
    below, upto = nb_cdf(counts - 1, mean, size), nb_cdf(counts, mean, size)
    draws = np.random.default_rng(seed).random((DRAWS, len(counts)))
    pit = (below + draws * (upto - below)).ravel()
    n = len(counts)
    empirical = np.quantile(pit, np.minimum(levels * (n + 1) / n, 1.0))
    mixed = (n * empirical + SHRINK * levels) / (n + SHRINK)
    mixed = np.maximum.accumulate(np.clip(mixed, 0.002, 0.998))
    result: NDArray[np.float64] = mixed + np.arange(len(levels)) * 1e-9
    return result


def coverage(
    counts: NDArray[np.float64],
    mean: NDArray[np.float64],
    size: NDArray[np.float64],
    low: float,
    high: float,
    seed: int,
) -> float:
    """Share of the randomised PIT within [low, high]."""
    if len(counts) == 0:
        return float("nan")
    below, upto = nb_cdf(counts - 1, mean, size), nb_cdf(counts, mean, size)
    pit = below + np.random.default_rng(seed).random(len(counts)) * (upto - below)
    return float(np.mean((pit >= low) & (pit <= high)))
