"""A price for each week: the launch's discount, then the markdowns that pay, chosen among all paths that never rise.

After the promotion's two weeks the price starts at the list price and may only fall. All such paths over a few prices
are enumerated, at most 1,716 for six weeks and eight prices, so that the best one is found exactly. A path is worth
what it earns on average over five equally likely levels of demand (the calibrated 10, 30, 50, 70 and 90 % quantiles),
sales being limited by the stock; what is left has its salvage value (Gallego and van Ryzin 1994; open loop).
"""

import datetime as dt
import functools
import itertools
import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.planning.forecasts import Forecasts
from onshelf_gateway.requests import money
from onshelf_release.calendar import WEEK, first_day_of_week
from onshelf_release.life_cycle import DAYS, WEEKS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
T = types_pb2
L = launch_pb2
PROMOTED_WEEKS = 2
PRICES = 8  # of a path, the list price among them
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # of demand, equally likely
STRENGTH = 4.0  # prices of the plan's own that the elasticity over all actions counts for
MAX_ELASTICITY = 10.0
COUNTS = (T.OBJECTIVE_METRIC_UNITS, T.OBJECTIVE_METRIC_BUYERS)


@functools.cache
def falling(prices: int, weeks: int) -> Ints:
    """Every path of price numbers that never goes back: [paths, weeks], 0 is the highest price; the level one first."""
    rows = list(itertools.combinations_with_replacement(range(prices), weeks))
    return np.array(rows, dtype=np.int64).reshape(len(rows), weeks)


@dataclass(frozen=True)
class PriceLimits:
    """What bounds a markdown.

    Attributes:
        lowest: lowest price paid; 0 without a limit. max_discount: deepest share off the list price.
        min_margin: least gross margin of the price paid; needs a unit cost.
        budget: most that promotion may cost, markdowns included; None for no limit.
    """

    lowest: float
    max_discount: float
    min_margin: float | None
    budget: float | None


@dataclass(frozen=True, kw_only=True)
class Elasticity:
    """How units fall with the price: the plan's own neighbours, shrunk to all scored actions of the product."""

    used: float
    plan: float
    category: float
    weight: float
    prices: int

    def message(self) -> L.PriceResponse:
        """The contract's message."""
        if self.prices < 2:
            basis = "only one price was scored: demand is taken not to follow the price, and nothing is marked down"
        else:
            basis = (
                f"the forecasts of {self.prices} list prices, shrunk to all scored actions; an association in the "
                "history of the category's regular prices, leaning on an assumed elasticity where they hardly moved, "
                "not an identified cause, and not measured on markdowns: test it"
            )
            if self.used <= 1.0:
                basis += "; at an elasticity of 1 or less a lower price never earns more"
        return L.PriceResponse(
            elasticity=self.used,
            plan_elasticity=self.plan,
            category_elasticity=self.category,
            weight=self.weight,
            basis=basis,
        )


@dataclass(frozen=True)
class Elasticities:
    """Elasticities of scored candidates; `units` are expected, [n]."""

    candidates: Candidates
    units: Floats

    @cached_property
    def _overall(self) -> float:
        """Slope over all candidates, each group that differs by the price only around its own mean."""
        c = self.candidates
        keys = ((c.day * len(c.sets) + c.channel_set) * len(c) + c.discount_number) * 2 + c.coupon
        _, group = np.unique(keys, return_inverse=True)
        return _slope(np.log(c.amounts), np.log(np.maximum(self.units, 1e-9)), group)

    def of(self, row: int) -> Elasticity:
        """The elasticity for one candidate."""
        rows = np.flatnonzero(self.candidates.same_but(row, "price"))
        prices = len(np.unique(self.candidates.price[rows]))
        log_price = np.log(self.candidates.amounts[rows])
        own = _slope(log_price, np.log(np.maximum(self.units[rows], 1e-9)), np.zeros(len(rows), dtype=np.int64))
        weight = prices / (prices + STRENGTH) if prices > 1 else 0.0
        used = float(np.clip(weight * own + (1 - weight) * self._overall, 0.0, MAX_ELASTICITY))
        everywhere = prices if prices > 1 else len(np.unique(self.candidates.price))
        return Elasticity(used=used, plan=own, category=self._overall, weight=weight, prices=everywhere)


def _slope(x: Floats, y: Floats, group: Ints) -> float:
    """Minus the slope of y on x within groups; 0 where x does not vary in any."""
    count = np.maximum(np.bincount(group), 1)
    x = x - (np.bincount(group, x) / count)[group]
    y = y - (np.bincount(group, y) / count)[group]
    spread = float((x * x).sum())
    return -float((x * y).sum()) / spread if spread > 1e-12 else 0.0


@dataclass(frozen=True, kw_only=True)
class Season:
    """What is sold at the list price, and with what.

    Attributes:
        demand: [weeks] expected units of each week at its first price: the launch's or the list price.
        levels: [5] equally likely levels of demand around it, mean 1.
        first: number of the first week, 1 for a launch. day: its first day.
        discount: the launch's, in the weeks up to the second.
        stock: units there at the start.
        spent: what promotion costs without markdowns.
    """

    demand: Floats
    levels: Floats
    first: int
    day: dt.date
    discount: float
    stock: float
    spent: float


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """The question of one product: what units cost, what is left is worth, and what bounds prices.

    Attributes:
        metric: what is optimised. unit_cost: None where not known. per_unit: promotion cost of a unit sold.
        salvage: worth of a unit that is left; None: that of the list price. holding: cost of a unit and week.
    """

    currency: str
    week_start: str
    metric: int
    unit_cost: float | None
    salvage: float | None
    holding: float
    limits: PriceLimits

    def path(self, list_price: Decimal, season: Season, elasticity: float, per_unit: float) -> list[L.PriceStep]:
        """The best path as the contract's messages."""
        weeks = len(season.demand)
        promoted = max(0, min(PROMOTED_WEEKS + 1 - season.first, weeks))
        if self._level_is_best(elasticity):
            wanted = season.levels[:, None] * np.cumsum(season.demand)
            total = np.minimum(wanted, season.stock).mean(axis=0)
            level = np.zeros(weeks - promoted, dtype=np.int64)
            units = total.copy()
            units[1:] -= total[:-1]
            return self._steps(season, promoted, [list_price], level, units, season.stock - total)
        prices = self.prices(list_price)
        amounts = np.array([float(price) for price in prices])
        full = amounts[0]
        later = falling(len(prices), weeks - promoted)
        rate = season.demand[:, None] * (amounts / full) ** -elasticity  # [weeks, prices]
        asked = np.broadcast_to(amounts, rate.shape).copy()
        rate[:promoted], asked[:promoted] = season.demand[:promoted, None], full * (1 - season.discount)
        levels = season.levels[:, None] / len(season.levels)
        most = season.stock / len(season.levels)
        shape = (weeks, len(later))
        expected, left, wanted = np.empty(shape), np.empty(shape), np.zeros(len(later))
        revenue, given, sold = np.zeros(len(later)), np.zeros(len(later)), np.zeros(len(later))
        for week in range(weeks):
            place = later[:, week - promoted] if week >= promoted else np.zeros(len(later), dtype=np.int64)
            wanted = wanted + rate[week][place]
            total = np.minimum(levels * wanted, most).sum(axis=0)
            expected[week], left[week] = total - sold, season.stock - total
            sold, paid = total, asked[week][place]
            revenue += expected[week] * paid
            if week >= promoted:
                given += expected[week] * (full - paid)
        if self.metric in COUNTS:
            value = sold + 1e-6 * revenue / max(full, 1e-9)
        else:
            salvage = full if self.salvage is None else self.salvage
            value = revenue - per_unit * sold
            value += salvage * left[-1] - self.holding * left.sum(axis=0)
        if self.limits.budget is not None:
            value = np.where(given <= max(self.limits.budget - season.spent, 0.0) + 1e-9, value, -np.inf)
        good = np.flatnonzero(value >= value.max() - 1e-9 * max(1.0, abs(float(value.max()))))
        best = int(good[given[good].argmin()])
        return self._steps(season, promoted, prices, later[best], expected[:, best], left[:, best])

    def _level_is_best(self, elasticity: float) -> bool:
        """Whether no markdown can pay, so that the other paths need not be looked at.

        Up to an elasticity of 1 a lower price never takes in more than the list price would, neither from demand nor
        from a limited stock, and leaves less behind. Where what is left is worth its list price, no sale below it is
        worth more at any elasticity. Holding costs, or units as the objective, may still ask for one.
        """
        return self.metric not in COUNTS and not self.holding and (self.salvage is None or elasticity <= 1.0)

    def prices(self, list_price: Decimal) -> list[Decimal]:
        """Prices of a path, falling from the list price to the lowest that the limits allow."""
        limits = self.limits
        lowest = max(limits.lowest, float(list_price) * (1.0 - limits.max_discount))
        if limits.min_margin is not None and self.unit_cost is not None:
            lowest = max(lowest, self.unit_cost / max(1.0 - limits.min_margin, 1e-9))
        deepest = Decimal(repr(max(0.0, 1.0 - lowest / float(list_price))))
        steps = [list_price * (1 - deepest * n / (PRICES - 1)) for n in range(PRICES)]
        unit = money.minor_unit(self.currency)
        rounded = [money.price_like(step, list_price, self.currency) for step in steps[1:]]
        kept = sorted({p for p in rounded if unit <= p < list_price and float(p) >= lowest - 1e-9}, reverse=True)
        return [list_price, *kept]

    def _steps(
        self, season: Season, promoted: int, prices: list[Decimal], later: Ints, units: Floats, left: Floats
    ) -> list[L.PriceStep]:
        first, full = first_day_of_week(season.day, self.week_start), prices[0]
        discount = Decimal(repr(round(season.discount, 6)))
        asked = [full * (1 - discount)] * promoted + [prices[n] for n in later.tolist()]
        amounts = {price: (float(1 - price / full), money.to_money(price, self.currency)) for price in asked}
        steps = []
        for n, (price, sold, rest) in enumerate(zip(asked, units.tolist(), left.tolist(), strict=True)):
            phase = L.PRICE_PHASE_REGULAR if price == full else L.PRICE_PHASE_MARKDOWN
            if n < promoted and discount:
                phase = L.PRICE_PHASE_LAUNCH_PROMOTION
            off, amount = amounts[price]
            steps.append(
                L.PriceStep(
                    week=season.first + n,
                    week_start_date=(first + WEEK * n).isoformat(),
                    phase=phase,
                    discount=off,
                    price=amount,
                    units=sold,
                    stock_left=rest,
                )
            )
        return steps


def weekly_units(forecasts: Forecasts, row: int, shares: Floats) -> Floats:
    """Expected units [8] of each week: the forecasts of 4 and 8 weeks, spread by the life cycle's shares [8]."""
    early, whole = float(forecasts.mean(4)[row]), float(forecasts.mean(8)[row])
    parts = (shares[:4] / max(float(shares[:4].sum()), 1e-12), shares[4:] / max(float(shares[4:].sum()), 1e-12))
    return np.concatenate([early * parts[0], max(whole - early, 0.0) * parts[1]])


def covered_weeks(demand: Floats, days: int) -> Floats:
    """Demand [weeks] of the days that the stock covers; the last week perhaps in part."""
    weeks = min(math.ceil(days / DAYS), WEEKS)
    return np.asarray(demand[:weeks] * np.clip(days / DAYS - np.arange(weeks), 0.0, 1.0))


def demand_levels(quantiles: Floats) -> Floats:
    """Equally likely levels of demand [5], mean 1, from its quantiles at `LEVELS` [5]."""
    mean = float(quantiles.mean())
    return quantiles / mean if mean > 1e-9 else np.ones(len(quantiles))
