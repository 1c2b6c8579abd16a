"""Candidates of one product with all that is known of them: outcomes, money, objective; and plans made of them."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.inference.outputs import RawOutcomes
from onshelf_gateway.planning import messages
from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.planning.constraints import Feasibility
from onshelf_gateway.planning.economics import Economics, cost_candidates, unit_cost_of
from onshelf_gateway.planning.explanation import neighbours, summary
from onshelf_gateway.planning.forecasts import Forecasts
from onshelf_gateway.planning.prices import (
    LEVELS,
    Elasticities,
    PriceLimits,
    Pricing,
    Season,
    covered_weeks,
    demand_levels,
    weekly_units,
)
from onshelf_gateway.planning.stock import Stocking, stocking
from onshelf_gateway.planning.support import ComparableLaunches
from onshelf_gateway.product.understanding import UnderstoodProduct
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.plan_question import ConstraintQuestion
from onshelf_gateway.requests.questions import CostQuestion, ObjectiveQuestion, StockQuestion
from onshelf_release.calendar import WEEK
from onshelf_release.life_cycle import DAYS, WEEKS

T = types_pb2
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Candidates of one product with all that is known of them; shared by PlanLaunch and EvaluatePlan.

    Attributes:
        value: what is ranked by [n].
        feasible: which keep the constraints [n].
        history: what the plans are compared with.
        nearest: similarity of the most similar past launch; None when it is not known.
        price_limits: what bounds markdowns.
    """

    release: ModelRelease
    candidates: Candidates
    economics: Economics
    objective: ObjectiveQuestion
    stocking: Stocking
    value: Floats
    feasible: Feasibility
    history: ComparableLaunches
    nearest: float | None
    price_limits: PriceLimits
    _demand: dict[int, tuple[Floats, Floats]] = field(default_factory=dict, repr=False, compare=False)

    def demand(self, row: int) -> tuple[Floats, Floats]:
        """Demand of one candidate in the days which its stock covers: at the stock's fractile [1], at LEVELS [5]."""
        if row not in self._demand:
            self.prepare([row])
        return self._demand[row]

    def prepare(self, rows: list[int]) -> None:
        """Compute the demand of several candidates at once."""
        at, count = np.array(rows, dtype=np.int64), len(LEVELS)
        many = np.repeat(at, count)
        wanted, part = np.tile(np.array(LEVELS), len(rows)), self.stocking.part[many]
        levels = self.economics.forecasts.units_at(wanted, self.stocking.horizon, many, part).reshape(-1, count)
        fractile = self.stocking.demand(at)
        self._demand.update({row: (fractile[n : n + 1], levels[n]) for n, row in enumerate(rows)})

    @cached_property
    def actions(self) -> messages.Actions:
        """Candidates as the contract's actions."""
        return messages.Actions(self.release, self.candidates)

    @cached_property
    def elasticities(self) -> Elasticities:
        """How units follow the price, over 8 weeks."""
        return Elasticities(self.candidates, self.economics.forecasts.mean(WEEKS))

    def shares(self, row: int) -> Floats:
        """Share [8] of the units that each week has, for one candidate."""
        return np.asarray(self.stocking.shares[int(self.stocking.promoted[row])])

    def price_path(
        self, row: int, demand: Floats, levels: Floats, first: int, stock: float
    ) -> tuple[list[launch_pb2.PriceStep], launch_pb2.PriceResponse]:
        """Prices of the weeks from `first` on (1 for a launch), of expected `demand` [weeks], with this stock."""
        candidates, economics, question = self.candidates, self.economics, self.stocking.question
        elasticity = self.elasticities.of(row)
        day = candidates.days[candidates.day[row]] + WEEK * (first - 1)
        spent = float(economics.promotion_cost(WEEKS)[row] + economics.discount_cost(WEEKS)[row])
        season = Season(
            demand=demand,
            levels=levels,
            first=first,
            day=day,
            discount=float(candidates.discount[row]),
            stock=stock,
            spent=spent,
        )
        pricing = Pricing(
            currency=self.release.manifest.currency,
            week_start=self.release.manifest.week_start,
            metric=self.objective.metric,
            unit_cost=economics.unit_cost,
            salvage=salvage_of(question, economics.unit_cost),
            holding=float(question.holding),
            limits=self.price_limits,
        )
        list_price = candidates.prices[candidates.price[row]]
        steps = pricing.path(list_price, season, elasticity.used, float(economics.per_unit[row]))
        return steps, elasticity.message()

    def plan(self, row: int, rank: int, explain: bool = True) -> launch_pb2.LaunchPlan:
        """One candidate as a plan."""
        weeks, currency = self.objective.horizon_weeks, self.release.manifest.currency
        forecasts = self.economics.forecasts
        fractile, levels = self.demand(row)
        stock, levels = self.stocking.advice(row, fractile), demand_levels(levels)
        demand = covered_weeks(weekly_units(forecasts, row, self.shares(row)), stock.covers_days)
        steps, response = self.price_path(row, demand, levels, 1, float(stock.units))
        quantiles = forecasts.quantiles(weeks, row)
        band = (float(np.interp(0.1, forecasts.levels, quantiles)), float(np.interp(0.9, forecasts.levels, quantiles)))
        mean = forecasts.mean(weeks)
        effects: list[launch_pb2.ActionEffect] = [
            launch_pb2.ActionEffect(
                change=change.words,
                field=change.field,
                units_difference=float(mean[change.row] - mean[row]),
                objective_difference=float(self.value[change.row] - self.value[row]),
                action=self.actions.of(change.row),
                feasible=bool(self.feasible.mask[change.row]),
            )
            for change in (neighbours(self.candidates, row, self.release) if explain else [])
        ]
        effects.sort(key=lambda effect: -abs(effect.objective_difference))
        return launch_pb2.LaunchPlan(
            rank=rank,
            action=self.actions.of(row),
            forecasts=messages.forecasts(self.release, self.economics, row),
            objective_value=float(self.value[row]),
            promotion_cost=money.to_money(float(self.economics.promotion_cost(weeks)[row]), currency),
            discount_cost=money.to_money(float(self.economics.discount_cost(weeks)[row]), currency),
            stock=stock,
            effects=effects,
            support=self.history.verdict(self.candidates, row, self.nearest),
            summary=summary(self.candidates, row, self.release, weeks, float(mean[row]), band, stock.units),
            price_path=steps,
            price_response=response,
            broken_constraints=self.feasible.of(row),
        )


def price_limits(limits: ConstraintQuestion) -> PriceLimits:
    """What constraints say of markdowns."""
    return PriceLimits(
        float(limits.min_price or 0),
        limits.max_discount,
        limits.min_margin,
        None if limits.budget is None else float(limits.budget),
    )


def salvage_of(question: StockQuestion, unit_cost: float | None) -> float | None:
    """Worth of a unit that is left: as given; nothing where it perishes within 8 weeks; what it cost; None: unknown."""
    if question.salvage is not None:
        return float(question.salvage)
    return 0.0 if 0 < question.shelf_days < WEEKS * DAYS else unit_cost


@dataclass(frozen=True)
class Costing:
    """What turns outcomes into money."""

    costs: CostQuestion
    objective: ObjectiveQuestion
    stock: StockQuestion
    scale: float


def score(
    release: ModelRelease, product: UnderstoodProduct, candidates: Candidates, raw: RawOutcomes, costing: Costing
) -> tuple[Economics, Floats, Stocking]:
    """Money, objective and stock of scored candidates."""
    forecasts = Forecasts(raw, np.array(release.manifest.quantile_levels), costing.scale)
    unit_cost = unit_cost_of(product.question.unit_cost, costing.costs, product.price)
    result = cost_candidates(candidates, forecasts, costing.costs, unit_cost)
    life = release.life_cycle.of(product.ids)
    return result, result.value(costing.objective), stocking(candidates, forecasts, costing.stock, life)
