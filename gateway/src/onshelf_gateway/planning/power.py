"""How large a test must be: users or sites until a difference between two plans is seen with a stated probability.

Users: two proportions, compared by the z-test with the pooled share (Fleiss, Levin and Paik 2003, "Statistical Methods
for Rates and Proportions", chapter 4, without continuity correction). Sites: two means of negative binomial counts with
a common dispersion r, compared by the logarithm of their ratio; its variance at no difference is that of the pooled
mean (Zhu and Lakkis 2014, "Sample size calculation for comparing two negative binomial rates", Statistics in Medicine
33). Tests are two-sided. `tests/gateway/test_power.py` simulates both.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import special

LEAST = 2  # units of each group
MOST = 10**12  # more are none
STEPS = 60  # of a bisection


@dataclass(frozen=True)
class Odds:
    """Probability to see the difference, and to see one where there is none."""

    power: float = 0.8
    significance: float = 0.05

    @property
    def alpha(self) -> float:
        """The normal quantile of the two-sided test."""
        return float(special.ndtri(1.0 - self.significance / 2.0))

    @property
    def beta(self) -> float:
        """The normal quantile of the power."""
        return float(special.ndtri(self.power))


@dataclass(frozen=True)
class Shares:
    """Users who buy or do not."""

    odds: Odds

    def needed(self, first: float, second: float) -> int:
        """Users of both groups together that see the difference of two shares; 0 where no number does."""
        gap = abs(second - first)
        return 0 if gap <= 0 else _both((self._spread(first, second, 1.0, 1.0) / gap) ** 2)

    def visible(self, first: float, users: float, others: float) -> float:
        """The smallest difference above a share that groups of these sizes see; 0 where none is seen."""
        if users <= 0 or others <= 0:
            return 0.0
        return _smallest(lambda gap: gap >= self._spread(first, first + gap, users, others), 1.0 - first)

    def _spread(self, first: float, second: float, users: float, others: float) -> float:
        """What the difference must reach: the test's part at no difference, and the power's at this one."""
        pooled = (first * users + second * others) / (users + others)
        none = pooled * (1 - pooled) * (1 / users + 1 / others)
        some = first * (1 - first) / users + second * (1 - second) / others
        return self.odds.alpha * math.sqrt(none) + self.odds.beta * math.sqrt(some)


@dataclass(frozen=True)
class Counts:
    """Sites that sell negative binomial counts of this dispersion."""

    odds: Odds
    size: float

    def needed(self, first: float, second: float) -> int:
        """Sites of both groups together that see the difference of two means; 0 where no number does."""
        if first <= 0 or second <= 0 or first == second:
            return 0
        return _both((self._spread(first, second) / math.log(second / first)) ** 2)

    def visible(self, first: float, sites: float, others: float) -> float:
        """The smallest difference above a mean that groups of these sizes see; 0 where none is seen."""
        each = min(sites, others)
        if first <= 0 or each <= 0:
            return 0.0
        most = first * 1e6

        def seen(gap: float) -> bool:
            return math.log1p(gap / first) >= self._spread(first, first + gap) / math.sqrt(each)

        return _smallest(seen, most)

    def _spread(self, first: float, second: float) -> float:
        none = 2.0 * (2.0 / (first + second) + 1.0 / self.size)
        some = 1.0 / first + 1.0 / second + 2.0 / self.size
        return self.odds.alpha * math.sqrt(none) + self.odds.beta * math.sqrt(some)


def _both(each: float) -> int:
    return 0 if each > MOST else 2 * max(LEAST, math.ceil(each - 1e-9))


def _smallest(seen: Callable[[float], bool], most: float) -> float:
    """The smallest difference up to `most` that is seen, by bisection; 0 where not even the largest is."""
    low, high = 0.0, most
    if most <= 0 or not seen(high):
        return 0.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high
