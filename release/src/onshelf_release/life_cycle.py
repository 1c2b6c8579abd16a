"""The life of a launch: which share of its units falls into which week, and what its first weeks say of the others.

Both come from the table `life_cycle` of the model release: shares by category, with and without promotion; weights and
dispersions that past launches gave. A launch's own rate relative to its forecast is Gamma(r, r) with the forecast's
dispersion r; given that rate, weeks are Poisson around rate times forecast times share. So the forecast of the weeks
that remain is again a negative binomial (Gamma-Poisson conjugacy; Gelman et al., Bayesian Data Analysis, 3rd edition,
chapter 2). Units come in lumps, so the likelihood of what was seen is raised to a power w below 1 (a power posterior;
Ibrahim and Chen 2000), and the weeks that remain scatter around their rate with a dispersion phi.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Numbers = TypeVar("Numbers", float, NDArray[np.float64])
WEEKS = 8
DAYS = 7
ALL = ("all", 0)
SHARES = tuple(f"share_w{week}" for week in range(1, WEEKS + 1))
EVIDENCE = tuple(f"evidence_w{week}" for week in range(1, WEEKS))
SIZES = tuple(f"size_w{week}" for week in range(1, WEEKS))
COLUMNS = ("level", "id", "promoted", *SHARES, *EVIDENCE, *SIZES)
LEAST_MEAN = 1e-6


@dataclass(frozen=True)
class LifeCycle:
    """The table in memory.

    Attributes:
        shares: by (level, id): [2, 8] shares of the 8 weeks' units, first without and then with promotion, sums 1.
        evidence: [7] weight of a unit seen in the first 1..7 weeks. size: [7] dispersion of the weeks that follow.
    """

    shares: dict[tuple[str, int], Floats]
    evidence: Floats
    size: Floats

    def after(
        self, shares: Floats, *, mean: float, size: float, observed: Sequence[float], scale: float = 1.0
    ) -> "Posterior[float]":
        """Update the forecast of one launch after its first 1 to 7 weeks; see `posterior`.

        Args:
            shares: [8] expected share of each week.
            mean, size: of the forecast of all 8 weeks, for the data's own population.
            observed: units of each week so far, of the population asked about.
            scale: that population over the data's own. Observations then count as so many times fewer units, which
                leaves the interval rather too wide than too narrow.
        """
        weeks = len(observed)
        found = posterior(
            mean=np.array(mean),
            size=np.array(size),
            units=np.array(sum(observed) / scale),
            share=shares[:weeks].sum(),
            evidence=self.evidence[weeks - 1],
            dispersion=self.size[weeks - 1],
        )
        return Posterior(scale * float(found.mean), float(found.size), float(found.weight))

    def of(self, ids: Sequence[int]) -> Floats:
        """Shares [2, 8] of (department, category, ...): of the narrowest that the table has."""
        found = [("category", int(ids[1])), ("department", int(ids[0])), ALL]
        return next(self.shares[key] for key in found if key in self.shares)


def read_life_cycle(table: pa.Table) -> LifeCycle:
    """Check the table.

    Raises:
        ValueError: a rule is broken; says which.
    """
    shares = np.stack([table[name].to_numpy() for name in SHARES], axis=1).astype(np.float64)
    evidence = np.array([table[name][0].as_py() for name in EVIDENCE])
    size = np.array([table[name][0].as_py() for name in SIZES])
    if not (np.isfinite(shares).all() and (shares >= 0).all() and np.allclose(shares.sum(axis=1), 1.0, atol=1e-6)):
        raise ValueError("the shares of a row must not be negative and add up to 1")
    if not ((evidence >= 0).all() and np.isfinite(evidence).all() and (size > 0).all()):
        raise ValueError("evidence must not be negative, and size above 0")
    rows: dict[tuple[str, int], dict[int, Floats]] = {}
    for n, (level, number, promoted) in enumerate(
        zip(table["level"].to_pylist(), table["id"].to_pylist(), table["promoted"].to_pylist(), strict=True)
    ):
        rows.setdefault((level, number), {})[int(promoted)] = shares[n]
    if ALL not in rows or any(set(pair) != {0, 1} for pair in rows.values()):
        raise ValueError("needs the row ('all', 0), and each (level, id) with promoted 0 and 1")
    return LifeCycle({key: np.stack([pair[0], pair[1]]) for key, pair in rows.items()}, evidence, size)


def share_until(shares: Floats, days: int) -> Floats:
    """Share [...] of the units that is sold in the first `days` of weekly shares [..., 8], evenly within a week."""
    parts = np.clip(days / DAYS - np.arange(WEEKS), 0.0, 1.0)
    return np.asarray(shares @ parts)


class Posterior(NamedTuple, Generic[Numbers]):
    """What remains after the first weeks, numbers or arrays of one shape.

    mean, size: of the negative binomial of the remaining units. weight: share of the observation in the updated rate,
    0 to 1.
    """

    mean: Numbers
    size: Numbers
    weight: Numbers


def posterior(
    *,
    mean: Floats,
    size: Floats,
    units: Floats,
    share: Floats,
    evidence: ArrayLike,
    dispersion: ArrayLike,
    entered: ArrayLike = 0.0,
) -> Posterior[Floats]:
    """Update a forecast after the first weeks on sale.

    With n units in weeks whose expected share is S: a = r + w n, b = r + w m S; what remains has the mean
    m (1 - S) a / b and the size 1 / (1 / a + 1 / phi).

    Args:
        mean, size: of the forecast of all 8 weeks: m and r.
        units: sold so far.
        share: share of the 8 weeks' units that falls into the weeks so far.
        evidence: w, the weight of a unit seen.
        dispersion: phi, of the remaining weeks around their rate.
        entered: 1 where a launch entered by a sale: its first unit is certain and tells nothing. Serving has 0.
    """
    mean = np.maximum(mean - np.asarray(entered), LEAST_MEAN)
    weight = np.asarray(evidence, dtype=np.float64)
    a = size + weight * np.maximum(units - np.asarray(entered), 0.0)
    b = size + weight * mean * share
    rest = mean * (1.0 - share) * a / b
    return Posterior(rest, 1.0 / (1.0 / a + 1.0 / np.asarray(dispersion)), weight * mean * share / b)
