"""The life of a launch: which share of its units falls into which week, and what its first weeks say of the others.

Both come from the table `life_cycle` of the model release: shares by category, with and without promotion; weights and
dispersions that past launches gave. The update is a Gamma-Poisson posterior with tempered evidence (a power posterior:
Ibrahim and Chen 2000): a launch's own rate relative to its forecast is Gamma(r, r), weeks are Poisson around rate times
forecast times share, and a unit seen counts w units, because units come in lumps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
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


@dataclass(frozen=True)
class Posterior:
    """What remains after the first weeks.

    Attributes:
        mean, size: of the negative binomial of the remaining units; 0 units remain where `mean` is 0.
        weight: share of the observation in the updated rate, 0 to 1.
    """

    mean: float
    size: float
    weight: float


def posterior(
    life: LifeCycle, shares: Floats, mean: float, size: float, observed: Sequence[float], scale: float = 1.0
) -> Posterior:
    """Update a forecast after the first 1 to 7 weeks on sale.

    With n units in k weeks whose expected share is S: a = r + w_k n / s, b = r + w_k m S; what remains has the mean
    s m (1 - S) a / b and the size 1 / (1 / a + 1 / phi_k).

    Args:
        shares: [8] expected share of each week.
        mean, size: of the forecast of all 8 weeks, for the data's own population: m and r.
        observed: units of each week so far, of the population asked about.
        scale: s, that population over the data's own. Observations then count as s times fewer units, which leaves the
            interval rather too wide than too narrow.
    """
    weeks = len(observed)
    seen = float(shares[:weeks].sum())
    weight, mean = float(life.evidence[weeks - 1]), max(mean, LEAST_MEAN)
    a = size + weight * float(sum(observed)) / scale
    b = size + weight * mean * seen
    return Posterior(
        scale * mean * (1.0 - seen) * a / b,
        1.0 / (1.0 / a + 1.0 / float(life.size[weeks - 1])),
        weight * mean * seen / b,
    )
