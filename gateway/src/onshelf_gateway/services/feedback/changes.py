"""The actions that a launch could still change to, scored together by the model release that made its plan."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import launch_pb2
from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.planning.candidates import Candidates, cross, join
from onshelf_gateway.planning.constraints import too_early
from onshelf_gateway.planning.prices import PriceLimits
from onshelf_gateway.planning.scored import Scored, price_limits, score
from onshelf_gateway.planning.support import ComparableLaunches
from onshelf_gateway.product.understanding import understand
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.plan_question import DEFAULT_MAX_DISCOUNT, ConstraintQuestion, parse_plan
from onshelf_gateway.requests.questions import CostQuestion
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.evaluate_plan import MORE_CHANNELS, parse_evaluation
from onshelf_gateway.services.launch.executed_plan import evaluation_of, request_of
from onshelf_gateway.services.launch.update_forecast import executed_candidates
from onshelf_gateway.store import answers
from onshelf_release.channels import Channel
from onshelf_release.life_cycle import DAYS, WEEKS

L = launch_pb2
Floats = NDArray[np.float64]
DEEPER = (0.1, 0.2)  # shares off the list price


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Scored changes of an executed action.

    Attributes:
        scored: the action (first row), other list prices, then what follows.
        channels: row and channel of each channel more. discounts: row and share off the list price of each deeper one.
        constraints: of the plan's question; None where it stated none.
    """

    scored: Scored
    costs: CostQuestion
    channels: list[tuple[int, Channel]]
    discounts: list[tuple[int, float]]
    constraints: ConstraintQuestion | None

    def lift(self, row: int) -> float:
        """Units of a row over those of the action, less 1; over 8 weeks, as forecast."""
        mean = self.scored.economics.forecasts.mean(WEEKS)
        return float(mean[row] / max(float(mean[0]), 1e-12)) - 1.0


async def scored_changes(
    gateway: Gateway, call: Call, row: Any, plan: L.LaunchPlan, release: ModelRelease, days_left: int
) -> Changes:
    """Score them, in one call of the model.

    Args:
        gateway: the parts that answer.
        call: of the report.
        row: of `answers`.
        plan: that is executed.
        release: whose models are asked.
        days_left: of the 8 weeks; a channel that takes longer to run is left out.

    Raises:
        GatewayError: a model does not answer, or the release cannot read the question.
    """
    today = dt.date.fromisoformat(row.today)
    question, executed, costing, _ = parse_evaluation(evaluation_of(row, plan.action), release, today)
    limits = _limits(row, release, today, gateway.settings.max_candidates)
    product = await understand(call, release, gateway.models, gateway.settings, question)
    candidates = executed_candidates(executed, release, product, advise=True)
    base = candidates.sets[candidates.channel_set[0]]
    here, prices = [candidates.days[0]], [candidates.prices[candidates.price[0]]]
    propensity = product.encoded.channel_propensity
    more = _more_channels(release, base, propensity, limits, costing.costs, days_left)
    deepest = DEFAULT_MAX_DISCOUNT if limits is None else limits.max_discount
    deeper = [step for step in DEEPER if executed.discount + step <= deepest + 1e-9]
    channels: list[tuple[int, Channel]] = []
    discounts: list[tuple[int, float]] = []
    for channel in more:
        channels.append((len(candidates), channel))
        wider = base.copy()
        wider[channel.slot] = channel.typical_coverage
        candidates = join(candidates, cross(here, wider[None, :], prices, [executed.discount], [executed.coupon]))
    for step in deeper:
        discounts.append((len(candidates), step))
        lower = cross(here, base[None, :], prices, [executed.discount + step], [executed.coupon])
        candidates = join(candidates, lower)
    return Changes(
        scored=await _score(gateway, call, release, product, candidates, costing, limits),
        costs=costing.costs,
        channels=channels,
        discounts=discounts,
        constraints=limits,
    )


async def _score(
    gateway: Gateway,
    call: Call,
    release: ModelRelease,
    product: Any,
    candidates: Candidates,
    costing: Any,
    limits: ConstraintQuestion | None,
) -> Scored:
    raw = await gateway.models.score_candidates(
        call, release, product.encoded.embedding, product.ids, product.attributes, candidates.features(release)
    )
    metrics.candidates.inc(len(candidates))
    economics, value, stocking = score(release, product, candidates, raw, costing)
    discount = float(candidates.discount[0])
    unlimited = PriceLimits(0.0, max(DEFAULT_MAX_DISCOUNT, discount), None, None)
    return Scored(
        release=release,
        candidates=candidates,
        economics=economics,
        objective=costing.objective,
        stocking=stocking,
        value=value,
        feasible=too_early(candidates, costing.costs, costing.stock, candidates.days[0]),
        history=ComparableLaunches(release, product),
        nearest=None,
        price_limits=unlimited if limits is None else price_limits(limits),
    )


def unit_cost(row: Any, plan: L.LaunchPlan) -> float | None:
    """What a unit costs by the plan's question; None where it does not say."""
    asked = request_of(row)
    if asked.product.HasField("unit_cost"):
        return float(money.to_decimal(asked.product.unit_cost))
    if asked.costs.HasField("assumed_gross_margin"):
        return float(money.to_decimal(plan.action.list_price)) * (1.0 - asked.costs.assumed_gross_margin)
    return None


def unit_worth(row: Any, plan: L.LaunchPlan) -> float | None:
    """What a unit is worth that is left in the end, as the contract's `salvage_value` says; None where not known."""
    policy, shelf_days = request_of(row).stock_policy, request_of(row).stock_policy.shelf_life_days
    if policy.HasField("salvage_value"):
        return float(money.to_decimal(policy.salvage_value))
    return 0.0 if 0 < shelf_days < WEEKS * DAYS else unit_cost(row, plan)


def _limits(row: Any, release: ModelRelease, today: dt.date, most: int) -> ConstraintQuestion | None:
    """The constraints of a PlanLaunch; an EvaluatePlan has none."""
    if row.kind != answers.PLAN:
        return None
    return parse_plan(L.PlanLaunchRequest.FromString(row.request), release, today, most).constraints


def _more_channels(
    release: ModelRelease,
    base: Floats,
    propensity: Floats,
    limits: ConstraintQuestion | None,
    costs: CostQuestion,
    days_left: int,
) -> list[Channel]:
    """Channels that the action does not use, and may; those that past practice liked best first."""
    if limits is not None and limits.max_channels is not None and int((base > 0).sum()) >= limits.max_channels:
        return []
    open_ = [
        channel
        for channel in release.plannable
        if base[channel.slot] <= 0
        and (limits is None or channel.slot in limits.allowed)
        and costs.lead_days.get(channel.slot, channel.lead_time_days or 0) < days_left
    ]
    return sorted(open_, key=lambda channel: -propensity[channel.slot])[:MORE_CHANNELS]
