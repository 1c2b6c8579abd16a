"""Money of every candidate: price paid, promotion cost, gross profit, and the value that plans are ranked by.

A discount runs for the first two weeks of the horizon; the share of units sold in them is half the first four weeks'
share of the forecast. Costs per unit count on the units of the horizon.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.planning.forecasts import Forecasts
from onshelf_gateway.requests.questions import CostQuestion, ObjectiveQuestion
from onshelf_release.candidates import CHANNEL_SLOTS

Floats = NDArray[np.float64]
T = types_pb2


def unit_cost_of(unit_cost: Decimal | None, costs: CostQuestion, list_price: Decimal) -> float | None:
    """What a unit costs: as given, or the product's list price less the assumed margin; None where neither is known."""
    if unit_cost is not None:
        return float(unit_cost)
    return float(list_price) * (1.0 - costs.assumed_margin) if costs.assumed_margin is not None else None


@dataclass(frozen=True, kw_only=True)
class Economics:
    """Prices and costs of n candidates.

    Attributes:
        list_price, discount: [n].
        upfront: [n] cost of channels, of their coverage and of the coupon, whatever is sold. per_unit: [n] the same per
            unit sold.
        unit_cost: cost of one unit; None where not known.
        forecasts: outcomes of the same candidates.
    """

    list_price: Floats
    discount: Floats
    upfront: Floats
    per_unit: Floats
    unit_cost: float | None
    forecasts: Forecasts

    def paid(self, weeks: int) -> Floats:
        """Average price paid over a horizon [n]."""
        return self.list_price * (1.0 - self.discount * self.forecasts.early_share(weeks))

    def promotion_cost(self, weeks: int) -> Floats:
        """Expected cost of channels and coupons [n], as shown and budgeted; `value` has its parts."""
        return self.upfront + self.per_unit * self.forecasts.mean(weeks)

    def discount_cost(self, weeks: int) -> Floats:
        """Expected discount given away [n]."""
        return self.list_price * self.discount * self.forecasts.early_share(weeks) * self.forecasts.mean(weeks)

    def value(self, objective: ObjectiveQuestion) -> Floats:
        """The value that is ranked by [n], after promotion cost: expected, or at the risk quantile of units.

        Gross profit here is after promotion; that of a forecast (`OutcomeForecast`) is before.
        """
        weeks, risk = objective.horizon_weeks, objective.risk_quantile
        mean = self.forecasts.mean(weeks)
        if objective.metric in (T.OBJECTIVE_METRIC_UNITS, T.OBJECTIVE_METRIC_BUYERS):
            value = mean if risk is None else self.forecasts.units_at(risk, weeks)
            if objective.metric == T.OBJECTIVE_METRIC_BUYERS:
                value = value * self.forecasts.buyers(weeks) / np.maximum(mean, 1e-9)
            return value
        margin = self.paid(weeks) - self.per_unit
        if objective.metric == T.OBJECTIVE_METRIC_GROSS_PROFIT:
            if self.unit_cost is None:
                raise ValueError("gross profit without a unit cost")
            margin = margin - self.unit_cost
        if risk is None:
            return margin * mean - self.upfront
        # A loss per unit turns the distribution round: the careful quantile is then the high one.
        return margin * self.forecasts.units_at(np.where(margin >= 0, risk, 1.0 - risk), weeks) - self.upfront


def cost_candidates(
    candidates: Candidates, forecasts: Forecasts, costs: CostQuestion, unit_cost: float | None
) -> Economics:
    """Prices and costs of candidates."""
    fixed, coverage, per_unit = np.zeros(CHANNEL_SLOTS), np.zeros(CHANNEL_SLOTS), np.zeros(CHANNEL_SLOTS)
    for slot in costs.fixed:
        fixed[slot], coverage[slot], per_unit[slot] = costs.fixed[slot], costs.coverage[slot], costs.per_unit[slot]
    used = candidates.sets > 0
    by_set = used @ fixed + candidates.sets @ coverage
    return Economics(
        list_price=candidates.amounts,
        discount=candidates.discount,
        upfront=by_set[candidates.channel_set] + float(costs.coupon) * candidates.coupon,
        per_unit=(used @ per_unit)[candidates.channel_set] + float(costs.coupon_per_unit) * candidates.coupon,
        unit_cost=unit_cost,
        forecasts=forecasts,
    )
