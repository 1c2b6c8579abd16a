"""What related products sold since a launch, against what they would have sold: a difference in differences.

Without the launch a product would have gone as the shop's other products went. Given what a product sold before and
since, the part since then is binomial with the odds lift times (others since / others before). Its interval is that of
a beta distribution (Jeffreys) of the counts divided by how much more they scatter from week to week than Poisson counts
around the others' course: quasi-likelihood, one scatter for all products of a report. A drift of its own, a season that
is not the shop's, or a promotion of the product is not in it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
LEVELS = (0.025, 0.975)
LEAST_BEFORE = 10.0  # units before the launch, for a product to be judged
LEAST_WEEKS = 4  # weeks before the launch that hold events
WEEKS_BEFORE = 8
JEFFREYS = 0.5


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a product, or several together, sold: `before` and `units` since the launch, beside `expected`."""

    before: float
    expected: float
    units: float
    lift: float
    low: float
    high: float


def scatter(before: Floats, since: Floats, others_before: Floats, others_since: Floats) -> float:
    """How many times more the products' weekly units scatter than Poisson counts around the others' course, at least 1.

    Args:
        before, since: units of the products by week [products, weeks].
        others_before, others_since: of the others [weeks].
    """
    squares = freedom = 0.0
    for units, others in ((before, others_before), (since, others_since)):
        usual = units.sum(axis=1, keepdims=True) * (others / max(float(others.sum()), 1e-12))
        enough = usual > 0
        squares += float((((units - usual) ** 2)[enough] / usual[enough]).sum())
        freedom += float(enough.sum() - enough.any(axis=1).sum())
    return max(1.0, squares / freedom) if freedom > 0 else 1.0


def effect(before: float, since: float, others_before: float, others_since: float, over: float) -> Effect:
    """The effect on units `before` and `since`, where the others went from one number to the other."""
    course = others_since / others_before
    expected = before * course
    low, high = (
        float(p / (1.0 - p) / course)
        for p in (stats.beta.ppf(level, since / over + JEFFREYS, before / over + JEFFREYS) for level in LEVELS)
    )
    return Effect(before=before, expected=expected, units=since, lift=since / expected, low=low, high=high)
