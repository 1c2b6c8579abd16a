"""Quantiles of the negative binomial by a constant table, so that a graph needs no special functions.

A count y is spread evenly over (y - 1, y], which makes its distribution function continuous and linear between
integers: exactly the randomised probability integral transform (Czado, Gneiting and Held 2009). Quantiles below 0 are
0; the ceiling of a quantile is the usual integer quantile.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import nbinom
from torch import Tensor, nn

LOG_MEAN = (-6.0, 9.0, 0.125)
LOG_SIZE = (-3.5, 4.0, 0.25)


def nb_cdf(counts: NDArray[np.float64], mean: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(Y <= counts) of the negative binomial with `mean` and `size` r (variance mean + mean^2 / r); 0 below 0."""
    value: NDArray[np.float64] = nbinom.cdf(counts, size, size / (size + mean))
    return value


def randomised_pit(
    counts: NDArray[np.float64], mean: NDArray[np.float64], size: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """P(Y < y) + v P(Y = y) with v uniform from a fixed seed: uniform where the forecast distribution is right."""
    below, upto = nb_cdf(counts - 1, mean, size), nb_cdf(counts, mean, size)
    pit: NDArray[np.float64] = below + np.random.default_rng(seed).random(len(counts)) * (upto - below)
    return pit


def nb_quantile(levels: NDArray[np.float64], mean: float, size: float) -> NDArray[np.float64]:
    """Continuous quantiles (see the module) at `levels` [n], clamped at 0."""
    probability = size / (size + mean)
    upper = nbinom.ppf(levels, size, probability)
    below, upto = nbinom.cdf(upper - 1, size, probability), nbinom.cdf(upper, size, probability)
    result: NDArray[np.float64] = np.maximum(
        upper - 1 + np.clip((levels - below) / np.maximum(upto - below, 1e-300), 0, 1), 0.0
    )
    return result


def quantile_grid(levels: NDArray[np.float64]) -> NDArray[np.float32]:
    """[log means, log sizes, levels] continuous quantiles over the grid of LOG_MEAN x LOG_SIZE."""
    means, sizes = np.exp(_axis(LOG_MEAN)), np.exp(_axis(LOG_SIZE))
    mean, size = means[:, None, None], sizes[None, :, None]
    level = np.asarray(levels, dtype=np.float64)[None, None, :]
    probability = size / (size + mean)
    upper = nbinom.ppf(level, size, probability)
    below, upto = nbinom.cdf(upper - 1, size, probability), nbinom.cdf(upper, size, probability)
    share = np.clip((level - below) / np.maximum(upto - below, 1e-300), 0, 1)
    grid: NDArray[np.float32] = np.maximum(upper - 1 + share, 0.0).astype(np.float32)
    return grid


def _axis(spec: tuple[float, float, float]) -> NDArray[np.float64]:
    start, stop, step = spec
    return np.arange(round((stop - start) / step) + 1).astype(np.float64) * step + start


class QuantileTable(nn.Module):
    """Bilinear interpolation in the grid of `quantile_grid`; outside the grid its edge counts."""

    def __init__(self, levels: NDArray[np.float64]) -> None:
        super().__init__()
        grid = torch.from_numpy(quantile_grid(levels))
        self.columns = grid.shape[1]
        self.rows = grid.shape[0]
        self.register_buffer("grid", grid.reshape(self.rows * self.columns, grid.shape[2]))

    def forward(self, log_mean: Tensor, log_size: Tensor) -> Tensor:
        """Two tensors of one shape [...] -> [..., levels]."""
        row = ((log_mean - LOG_MEAN[0]) / LOG_MEAN[2]).clamp(0.0, self.rows - 1.001)
        column = ((log_size - LOG_SIZE[0]) / LOG_SIZE[2]).clamp(0.0, self.columns - 1.001)
        i, j = torch.floor(row), torch.floor(column)
        a, b = (row - i).unsqueeze(-1), (column - j).unsqueeze(-1)
        base = i.long() * self.columns + j.long()
        grid = self.get_buffer("grid")
        low = grid[base] * (1 - b) + grid[base + 1] * b
        high = grid[base + self.columns] * (1 - b) + grid[base + self.columns + 1] * b
        return low * (1 - a) + high * a
