"""Forecasts of candidates: calibrated quantiles at any level, scaled to another population by the negative binomial.

Scaling keeps the dispersion r and takes the mean s times: variance s*mu + (s*mu)^2 / r. A calibrated quantile is
    carried over at its own probability under the model's negative binomial, so that the calibration stays and an
    interval's ends are never just multiplied. The continuous distribution function is the regularised incomplete beta
    I_p(r, k + 1), p = r / (r + mu) (Johnson, Kemp and Kotz, Univariate Discrete Distributions, chapter 5).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from onshelf_gateway.inference.outputs import RawOutcomes
from onshelf_release.candidates import HORIZONS

Floats = NDArray[np.float64]


def _clean(values: Floats) -> Floats:
    return np.nan_to_num(np.maximum(values, 0.0), nan=0.0, posinf=0.0)


def nb_quantile(level: Floats | float, mean: Floats, size: Floats) -> Floats:
    """Continuous quantile of the negative binomial with this mean and size r, 0 where the level lies below P(0)."""
    mean = np.maximum(mean, 1e-12)
    return _clean(special.nbdtrik(level, size, size / (size + mean)))


def nb_level(value: Floats, mean: Floats, size: Floats) -> Floats:
    """Continuous distribution function at `value` >= 0."""
    mean = np.maximum(mean, 1e-12)
    return np.asarray(special.betainc(size, value + 1.0, size / (size + mean)))


@dataclass(frozen=True)
class Forecasts:
    """Outcomes of n candidates for a population `scale` times the data's.

    Attributes:
        raw: as the model gave them, for the data's population.
        levels: [k] levels of the raw quantiles.
        scale: factor of the population.
    """

    raw: RawOutcomes
    levels: Floats
    scale: float
    _kept: dict[tuple[str, int], Floats] = field(default_factory=dict, repr=False, compare=False)

    def mean(self, weeks: int) -> Floats:
        """Expected units [n] over a horizon."""
        kept = self._kept.get(("mean", weeks))
        if kept is None:
            kept = self._kept["mean", weeks] = self.raw.mean[:, HORIZONS.index(weeks)] * self.scale
        return kept

    def dispersion(self, weeks: int) -> Floats:
        """Dispersion r [n]."""
        return self.raw.dispersion[:, HORIZONS.index(weeks)]

    def buyers(self, weeks: int) -> Floats:
        """Expected buyers [n]."""
        return self.raw.buyers[:, HORIZONS.index(weeks)] * self.scale

    def early_share(self, weeks: int) -> Floats:
        """Share [n] of the horizon's units that is sold in the first two weeks: half of the first four weeks' share."""
        kept = self._kept.get(("early", weeks))
        if kept is None:
            first = self.raw.mean[:, 0] / np.maximum(self.raw.mean[:, HORIZONS.index(weeks)], 1e-9)
            kept = self._kept["early", weeks] = 0.5 * np.clip(first, HORIZONS[0] / weeks * 0.5, 1.0)
        return kept

    def units_at(
        self,
        level: float | Floats,
        weeks: int,
        rows: NDArray[np.int64] | None = None,
        part: float | Floats = 1.0,
    ) -> Floats:
        """Quantile of units at `level`, a number or one for each row; beyond the outermost by the binomial's shape.

        `part`, a number or one for each row, is the share of the horizon's units that counts.
        """
        column = HORIZONS.index(weeks)
        chosen = slice(None) if rows is None else rows
        quantiles, mean = self.raw.quantiles[chosen, column], self.raw.mean[chosen, column]
        size = self.raw.dispersion[chosen, column]
        wanted = np.broadcast_to(np.asarray(level, dtype=np.float64), mean.shape)
        inside = np.clip(wanted, self.levels[0], self.levels[-1])
        right = np.clip(np.searchsorted(self.levels, inside, side="left"), 1, len(self.levels) - 1)
        low, high = self.levels[right - 1], self.levels[right]
        position = np.arange(len(mean))
        share = (inside - low) / (high - low)
        value = quantiles[position, right - 1] * (1 - share) + quantiles[position, right] * share
        beyond = wanted != inside
        if beyond.any():
            ends = nb_quantile(inside[beyond], mean[beyond], size[beyond])
            far = nb_quantile(wanted[beyond], mean[beyond], size[beyond])
            value = value.copy()
            value[beyond] *= np.where(ends > 0, far / np.maximum(ends, 1e-9), 1.0)
        factor = np.broadcast_to(np.asarray(self.scale * np.asarray(part), dtype=np.float64), mean.shape)
        if (factor == 1.0).all():
            return value
        probability = np.where(
            value > 0, nb_level(value, mean, size), np.minimum(wanted, nb_level(np.zeros_like(mean), mean, size))
        )
        return np.where(factor == 1.0, value, nb_quantile(probability, mean * factor, size))

    def quantiles(self, weeks: int, row: int) -> Floats:
        """All quantiles of one candidate [k], ascending."""
        if self.scale == 1.0:
            return np.asarray(self.raw.quantiles[row, HORIZONS.index(weeks)])
        rows = np.array([row])
        return np.maximum.accumulate(np.concatenate([self.units_at(level, weeks, rows) for level in self.levels]))
