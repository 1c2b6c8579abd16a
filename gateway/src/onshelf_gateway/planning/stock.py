"""First stock by the newsvendor rule (Arrow, Harris and Marschak 1951): demand's quantile at the critical fractile.

Demand is that of the days which the stock covers: 4 or 8 weeks as forecast, or the shelf life where it is shorter. For
other spans than the forecast ones, the life cycle says which share of the units falls into them, and the negative
binomial of that share of the mean keeps its dispersion (a part of a Gamma-Poisson count is one again).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.planning.allocation import allocate, least_units
from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.planning.forecasts import Forecasts
from onshelf_gateway.requests.questions import StockQuestion
from onshelf_release.candidates import HORIZONS
from onshelf_release.life_cycle import DAYS, share_until

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rounded_up(units: Floats | float, multiple: int) -> Floats:
    """Whole units, then the order multiple, both upwards."""
    whole = np.ceil(np.asarray(units, dtype=np.float64) - 1e-9)
    return np.asarray(np.ceil(whole / multiple) * multiple)


@dataclass(frozen=True)
class Stocking:
    """The stock of n candidates.

    Attributes:
        shares: [2, 8] life cycle of the product without and with promotion.
        promoted: [n] whether a candidate has any promotion channel or coupon.
    """

    forecasts: Forecasts
    question: StockQuestion
    shares: Floats
    promoted: NDArray[np.bool_]

    @property
    def horizon(self) -> int:
        """The forecast horizon, in weeks, that holds the days which the stock covers."""
        return HORIZONS[0] if self.question.cover_days <= HORIZONS[0] * DAYS else HORIZONS[-1]

    @cached_property
    def part(self) -> Floats:
        """Share [n] of that horizon's units that is sold in the days which the stock covers; 1 where they are equal."""
        days, whole = self.question.cover_days, self.horizon * DAYS
        if days == whole:
            return np.ones(len(self.promoted))
        by_promotion = share_until(self.shares, days) / np.maximum(share_until(self.shares, whole), 1e-12)
        return np.asarray(by_promotion[self.promoted.astype(np.int64)])

    def demand(self, rows: Ints | None = None) -> Floats:
        """Demand [n] at the fractile in the days which the stock covers."""
        part = self.part if rows is None else self.part[rows]
        return self.forecasts.units_at(self.question.fractile, self.horizon, rows, part)

    def units(self, rows: Ints | None = None) -> Floats:
        """Units [n] to stock, at least what the sites must have."""
        return self._units(self.demand(rows))

    def _units(self, demand: Floats) -> Floats:
        multiple = self.question.order_multiple
        return np.maximum(rounded_up(demand, multiple), rounded_up(float(self._least), multiple))

    def expected(self, row: int) -> float:
        """Expected units sold in the days which the stock covers."""
        return float(self.forecasts.mean(self.horizon)[row] * self.part[row])

    @cached_property
    def _least(self) -> int:
        sites = self.question.sites
        return int(least_units(sites.minimums, sites.multiples).sum())

    def advice(self, row: int, demand: Floats | None = None) -> types_pb2.StockAdvice:
        """The advice for one candidate; its `demand` [1] where it is known already."""
        question = self.question
        demand = self.demand(np.array([row])) if demand is None else demand
        units = int(self._units(demand)[0])
        advice = types_pb2.StockAdvice(
            units=units,
            critical_fractile=question.fractile,
            critical_fractile_assumed=question.assumed,
            covers_weeks=math.ceil(question.cover_days / DAYS),
            covers_days=question.cover_days,
            expected_units=self.expected(row),
            limited_by_shelf_life=question.limited_by_shelf_life,
            raised_to_minimum=units > int(rounded_up(demand, question.order_multiple)[0]),
        )
        sites = question.sites
        if sites.ids:
            each, advice.central_units = allocate(units, sites.weights, sites.multiples, sites.minimums)
            advice.sites.extend(
                types_pb2.SiteStock(site_id=site, units=count)
                for site, count in zip(sites.ids, each.tolist(), strict=True)
            )
        return advice


def stocking(candidates: Candidates, forecasts: Forecasts, question: StockQuestion, shares: Floats) -> Stocking:
    """The stock of candidates."""
    return Stocking(forecasts, question, shares, (candidates.channel_count > 0) | candidates.coupon)
