"""Candidates of one product with all that is known of them: outcomes, money, objective; and plans made of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway import messages, money
from onshelf_gateway.calls import Call
from onshelf_gateway.candidates import Candidates
from onshelf_gateway.economics import Economics, economics, unit_cost_of
from onshelf_gateway.explain import neighbours, summary
from onshelf_gateway.forecasts import Forecasts
from onshelf_gateway.models import RawOutcomes
from onshelf_gateway.product import UnderstoodProduct
from onshelf_gateway.questions import CostQuestion, ObjectiveQuestion, StockQuestion
from onshelf_gateway.release import ModelRelease
from onshelf_gateway.stock import advice, advised_units
from onshelf_gateway.support import History

T = types_pb2
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """Candidates of one product with all that is known of them; shared by PlanLaunch and EvaluatePlan.

    Attributes:
        value: what is ranked by [n].
        feasible: which keep the constraints [n].
        nearest: similarity of the most similar past launch; None when it is not known.
    """

    release: ModelRelease
    candidates: Candidates
    economics: Economics
    objective: ObjectiveQuestion
    stock: StockQuestion
    value: Floats
    feasible: NDArray[np.bool_]
    history: History
    nearest: float | None

    def plan(self, row: int, rank: int, explain: bool = True) -> launch_pb2.LaunchPlan:
        """One candidate as a plan."""
        weeks, currency = self.objective.horizon_weeks, self.release.manifest.currency
        forecasts = self.economics.forecasts
        units = int(advised_units(forecasts, self.stock, np.array([row]))[0])
        quantiles = forecasts.quantiles(weeks, row)
        band = (float(np.interp(0.1, forecasts.levels, quantiles)), float(np.interp(0.9, forecasts.levels, quantiles)))
        mean = forecasts.mean(weeks)
        effects: list[launch_pb2.ActionEffect] = [
            launch_pb2.ActionEffect(
                change=change.words,
                field=change.field,
                units_difference=float(mean[change.row] - mean[row]),
                objective_difference=float(self.value[change.row] - self.value[row]),
                action=messages.action(self.release, self.candidates, change.row),
                feasible=bool(self.feasible[change.row]),
            )
            for change in (neighbours(self.candidates, row, self.release) if explain else [])
        ]
        effects.sort(key=lambda effect: -abs(effect.objective_difference))
        return launch_pb2.LaunchPlan(
            rank=rank,
            action=messages.action(self.release, self.candidates, row),
            forecasts=messages.forecasts(self.release, self.economics, row),
            objective_value=float(self.value[row]),
            promotion_cost=money.to_money(float(self.economics.promotion_cost(weeks)[row]), currency),
            discount_cost=money.to_money(float(self.economics.discount_cost(weeks)[row]), currency),
            stock=advice(forecasts, self.stock, row),
            effects=effects,
            support=self.history.verdict(self.candidates, row, self.nearest),
            summary=summary(self.candidates, row, self.release, weeks, float(mean[row]), band, units),
        )


@dataclass(frozen=True)
class Costing:
    """What turns outcomes into money."""

    costs: CostQuestion
    objective: ObjectiveQuestion
    stock: StockQuestion
    scale: float


def score(
    release: ModelRelease, product: UnderstoodProduct, candidates: Candidates, raw: RawOutcomes, costing: Costing
) -> tuple[Economics, Floats]:
    """Money and objective of scored candidates."""
    forecasts = Forecasts(raw, np.array(release.manifest.quantile_levels), costing.scale)
    unit_cost = unit_cost_of(product.question.unit_cost, costing.costs, product.price)
    result = economics(candidates, forecasts, costing.costs, unit_cost)
    return result, result.value(costing.objective)


def notice_plan(call: Call, release: ModelRelease, plans: list[launch_pb2.LaunchPlan], costing: Costing) -> None:
    """Remarks that follow from plans; shared by PlanLaunch and EvaluatePlan."""
    if costing.stock.assumed:
        call.notice(
            T.NOTICE_CODE_CRITICAL_FRACTILE_ASSUMED,
            "no costs of stock were given; it suffices with a probability of 0.8, by assumption",
            "stock_policy",
        )
    if costing.scale != 1.0:
        call.notice(
            T.NOTICE_CODE_POPULATION_SCALED,
            f"units are for {costing.scale:g} times the data's ({release.manifest.units_basis.description}); "
            "intervals follow the negative binomial of that mean",
            "population_scale",
        )
    bare = [plan for plan in plans if not plan.action.channels and not plan.action.coupon]
    if bare:
        call.notice(
            T.NOTICE_CODE_UNPROMOTED_EXTRAPOLATED,
            "launches without promotion enter the history only by being sold; a forecast without channels extrapolates",
        )
    if plans and plans[0].support.level in (T.SUPPORT_LEVEL_NONE, T.SUPPORT_LEVEL_LOW):
        count = plans[0].support.comparable_launches
        how_many = "no past launch is" if count == 0 else f"of past launches, only {count} are"
        call.notice(
            T.NOTICE_CODE_LOW_SUPPORT, f"{how_many} comparable with the first plan in category, price and promotion"
        )
    if any(plan.effects for plan in plans):
        call.notice(
            T.NOTICE_CODE_ASSOCIATION,
            "effects of price and promotion are associations in the history, not identified causes; test them",
        )
