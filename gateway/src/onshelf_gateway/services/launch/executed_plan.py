"""What to expect of a decided launch: the forecast of the executed action, week by week."""

import datetime as dt
from typing import Any

import numpy as np

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.planning.candidates import Candidates, cross
from onshelf_gateway.planning.constraints import too_early
from onshelf_gateway.planning.prices import PriceLimits
from onshelf_gateway.planning.scored import Scored, score
from onshelf_gateway.planning.support import ComparableLaunches
from onshelf_gateway.product.understanding import UnderstoodProduct, understand
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.plan_question import DEFAULT_MAX_DISCOUNT
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.evaluate_plan import parse_evaluation
from onshelf_gateway.services.launch.update_forecast import executed_candidates
from onshelf_gateway.store import answers
from onshelf_release.candidates import CHANNEL_SLOTS, HORIZONS
from onshelf_release.life_cycle import WEEKS

L = launch_pb2
SHARED_FIELDS = ("costs", "objective", "stock_policy")


def request_of(row: Any) -> L.PlanLaunchRequest | L.EvaluatePlanRequest:
    """The question of a row of `answers`."""
    if row.kind == answers.PLAN:
        return L.PlanLaunchRequest.FromString(row.request)
    return L.EvaluatePlanRequest.FromString(row.request)


def evaluation_of(row: Any, action: types_pb2.Action) -> L.EvaluatePlanRequest:
    """The question of an action under a remembered question's product and costs."""
    asked = request_of(row)
    request = L.EvaluatePlanRequest(
        product=asked.product, population_scale=asked.population_scale, time_zone=asked.time_zone
    )
    request.action.CopyFrom(action)
    request.action.ClearField("sale_price")
    for name in SHARED_FIELDS:
        if asked.HasField(name):
            getattr(request, name).CopyFrom(getattr(asked, name))
    return request


async def executed_plan(
    gateway: Gateway, call: Call, row: Any, action: types_pb2.Action, release: ModelRelease
) -> tuple[L.LaunchPlan, list[float]]:
    """The plan of an action under a remembered question's product and costs, and its units of each week [8].

    Raises:
        GatewayError: a model does not answer, or the release cannot read the question.
    """
    request = evaluation_of(row, action)
    question, executed, costing, _ = parse_evaluation(request, release, dt.date.fromisoformat(row.today))
    product = await understand(call, release, gateway.models, gateway.settings, question)
    candidates = executed_candidates(executed, release, product, advise=True)
    raw = await gateway.models.score_candidates(
        call, release, product.encoded.embedding, product.ids, product.attributes, candidates.features(release)
    )
    metrics.candidates.inc(len(candidates))
    economics, value, stocking = score(release, product, candidates, raw, costing)
    scored = Scored(
        release=release,
        candidates=candidates,
        economics=economics,
        objective=costing.objective,
        stocking=stocking,
        value=value,
        feasible=too_early(candidates, costing.costs, costing.stock, candidates.days[0]),
        history=ComparableLaunches(release, product),
        nearest=None,
        price_limits=PriceLimits(0.0, max(DEFAULT_MAX_DISCOUNT, executed.discount), None, None),
    )
    plan = scored.plan(0, 0)
    if release.has_users:
        plan.buyers_without_promotion = await _plain_buyers(gateway, call, release, product, candidates, costing.scale)
    weekly = float(economics.forecasts.mean(WEEKS)[0]) * scored.shares(0)
    return plan, weekly.tolist()


async def _plain_buyers(
    gateway: Gateway, call: Call, release: ModelRelease, product: UnderstoodProduct, executed: Candidates, scale: float
) -> float:
    """Buyers expected within 8 weeks of the first candidate without promotion, coupon and discount."""
    price = executed.prices[executed.price[0]]
    plain = cross(list(executed.days), np.zeros((1, CHANNEL_SLOTS)), [price], [0.0], [False])
    raw = await gateway.models.score_candidates(
        call, release, product.encoded.embedding, product.ids, product.attributes, plain.features(release)
    )
    return float(raw.buyers[0, HORIZONS.index(WEEKS)]) * scale
