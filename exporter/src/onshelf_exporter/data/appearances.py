"""First appearances: how many products that a shop had long before are first met late, and from when on few are.

A product that sells in one week of ten is first met ten weeks after the data begin, on average, and looks like a
launch. How often that happens can be seen in the data: let them begin anew at a later week, at which the assortment
is known from the weeks before, and count when its products are met again. That curve, scaled to the first weeks of
the data, is how many old products are first met in each week; what is above it came new.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_BURN_IN = 4  # weeks
UNMEASURED_BURN_IN = 8  # weeks, where the data tell nothing; a quarter of them where they are short
MOST_BURN_IN = 1 / 4  # of the data: what lies in it is not learned from as a launch
FEW_LATE = 0.05  # share of launches that look like late first meetings from which on a burn-in is long enough
MANY_LATE = 0.1  # the same above which the report warns
SCALE_WEEKS = 4  # first weeks, in which nearly all first appearances are of old products
RESTARTS = 6  # weeks at which the data begin anew, spread over their middle third
LEAST_WEEKS = 12  # shorter data tell nothing of this kind


@dataclass(frozen=True)
class Appearances:
    """First appearances by week, from `first_week` on.

    Attributes:
        first_week: the first whole week.
        met: products first seen in each week; the first entry counts earlier ones, too.
        late: how many of them were on sale before, as the assortment's curve tells; None where the data are too few.
    """

    first_week: int
    met: Ints
    late: Floats | None

    def after(self, burn_in: int) -> tuple[int, float]:
        """Products first seen after `burn_in` whole weeks, and how many of them look like late first meetings."""
        late = 0.0 if self.late is None else float(self.late[burn_in:].sum())
        return int(self.met[burn_in:].sum()), late


def appearances(product: Ints, week: Ints, first_week: int, last_week: int) -> Appearances:
    """Count first appearances and estimate how many are late.

    Args:
        product: number of a product for each week in which it was sold or promoted.
        week: that week.
        first_week: first whole week of the data.
        last_week: last whole week of the data.
    """
    weeks = last_week - first_week + 1
    kept = week <= last_week
    when = np.maximum(week[kept] - first_week, 0)
    seen = np.zeros((int(product.max()) + 1 if len(product) else 0, max(weeks, 0)), dtype=bool)
    seen[product[kept], when] = True
    seen = seen[seen.any(axis=1)]
    met = np.bincount(seen.argmax(axis=1), minlength=weeks) if len(seen) else np.zeros(max(weeks, 0), dtype=np.int64)
    return Appearances(first_week, met.astype(np.int64), _late(seen, met.astype(np.float64)))


def _late(seen: NDArray[np.bool_], met: Floats) -> Floats | None:
    """How many of the products first seen in each week were on sale before, at most all of them."""
    weeks = len(met)
    if weeks < LEAST_WEEKS:
        return None
    starts = np.unique(np.linspace(weeks // 3, 2 * weeks // 3, RESTARTS).astype(np.int64))
    sums, times = np.zeros(weeks), np.zeros(weeks)
    for start in starts:
        before = seen[:, :start].sum(axis=1)
        after = seen[:, start:]
        again = (before > 0) & after.any(axis=1)
        share = before[again] / start
        weight = 1.0 / (1.0 - (1.0 - share) ** start)  # slow products that were not seen before the start
        sums[: weeks - start] += np.bincount(after[again].argmax(axis=1), weight, minlength=weeks - start)
        times[: weeks - start] += 1
    first = float(sums[:SCALE_WEEKS].sum())
    if first <= 0:
        return None
    curve = np.divide(sums, times, out=np.zeros(weeks), where=times > 0)
    scale = met[:SCALE_WEEKS].sum() / (first / len(starts))
    late: Floats = np.minimum(met, curve * scale)
    return late


def burn_in_for(found: Appearances) -> int:
    """Whole weeks at the beginning in which a first appearance tells nothing: the fewest after which at most FEW_LATE
    of the first appearances look late, from LEAST_BURN_IN to MOST_BURN_IN of the data."""
    most = int(len(found.met) * MOST_BURN_IN)
    if found.late is None:
        return min(UNMEASURED_BURN_IN, most)
    for burn_in in range(min(LEAST_BURN_IN, most), most):
        launches, late = found.after(burn_in)
        if late <= FEW_LATE * launches:
            return burn_in
    return most
