"""EvaluatePlan: the forecast of one given action, with its neighbours as explanation."""

import asyncio
import datetime as dt
from decimal import Decimal

import numpy as np

from onshelf.v1 import launch_pb2
from onshelf_gateway.call import metrics, side_by_side
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.idempotency import plan_id
from onshelf_gateway.call.optional import optional
from onshelf_gateway.planning import messages, notices
from onshelf_gateway.planning.candidates import Candidates, cross, join
from onshelf_gateway.planning.constraints import too_early
from onshelf_gateway.planning.prices import PriceLimits
from onshelf_gateway.planning.scored import Costing, Scored, score
from onshelf_gateway.planning.support import ComparableLaunches
from onshelf_gateway.product.understanding import UnderstoodProduct, understand
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.requests.plan_question import DEFAULT_MAX_DISCOUNT
from onshelf_gateway.requests.questions import (
    ActionQuestion,
    ProductQuestion,
    needs_buyers,
    parse_action,
    parse_costs,
    parse_objective,
    parse_product,
    parse_scale,
    parse_stock,
)
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.response import response_info
from onshelf_gateway.store.answers import EVALUATION
from onshelf_release.calendar import WEEK, first_day_of_week
from onshelf_release.candidates import CHANNEL_SLOTS

MORE_CHANNELS = 3
Evaluation = tuple[ProductQuestion, ActionQuestion, Costing, int]


def parse_evaluation(request: launch_pb2.EvaluatePlanRequest, release: ModelRelease, today: dt.date) -> Evaluation:
    """Check a request.

    Raises:
        GatewayError: the reason of the first violation, with all of them.
    """
    check = Checker()
    for name in ("product", "action"):
        if not request.HasField(name):
            check.fail("FIELD_REQUIRED", name, "is missing and required")
    product = parse_product(check, request.product, release)
    action = parse_action(check, request.action, release, today)
    costs = parse_costs(check, request, release)
    objective = parse_objective(
        check, request.objective, product.unit_cost is not None or costs.assumed_margin is not None
    )
    stock = parse_stock(check, request.stock_policy, release, product)
    scale = parse_scale(check, request.population_scale)
    check.time_zone("time_zone", request.time_zone)
    similar = (
        int(check.number("similar_launches", request.similar_launches, 0, 50))
        if request.HasField("similar_launches")
        else 5
    )
    check.done()
    needs_buyers(objective, release)
    return product, action, Costing(costs, objective, stock, scale), similar


def star(action: ActionQuestion, release: ModelRelease, product: UnderstoodProduct, today: dt.date) -> Candidates:
    """The action (first row) and its neighbours in each part."""
    day = max(first_day_of_week(action.day, release.manifest.week_start), today)
    price = action.price if action.price is not None else product.price
    coverage = np.zeros(CHANNEL_SLOTS)
    for slot, share in action.coverage.items():
        coverage[slot] = share
    sets = [coverage]
    for slot in action.coverage:
        without = coverage.copy()
        without[slot] = 0.0
        sets.append(without)
    propensity = product.encoded.channel_propensity
    unused = sorted((c for c in release.plannable if c.slot not in action.coverage), key=lambda c: -propensity[c.slot])
    for channel in unused[:MORE_CHANNELS]:
        more = coverage.copy()
        more[channel.slot] = channel.typical_coverage
        sets.append(more)
    steps = [money.price_like(price * Decimal(step), price, release.manifest.currency) for step in ("0.9", "1.1")]
    discounts = [value for value in (action.discount - 0.1, action.discount + 0.1) if -1e-9 <= value <= 0.9 + 1e-9]
    days = [other for other in (day - WEEK, day + WEEK) if other >= today]
    here, base = [day], np.array(sets[:1])
    result = cross(here, base, [price], [action.discount], [action.coupon])
    parts = [
        cross(days, base, [price], [action.discount], [action.coupon]) if days else None,
        cross(here, np.array(sets[1:]), [price], [action.discount], [action.coupon]) if len(sets) > 1 else None,
        cross(here, base, [step for step in steps if step > 0], [action.discount], [action.coupon]),
        cross(here, base, [price], [max(0.0, value) for value in discounts], [action.coupon]),
        cross(here, base, [price], [action.discount], [not action.coupon]),
    ]
    for part in parts:
        if part is not None and len(part):
            result = join(result, part)
    return result


async def evaluate_plan(
    gateway: Gateway, call: Call, request: launch_pb2.EvaluatePlanRequest
) -> launch_pb2.EvaluatePlanResponse:
    """Answer EvaluatePlan."""
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        today = gateway.today(release)
        question = parse_evaluation(request, release, today)
    with gateway.permits.hold(call):
        response = await _evaluate(gateway, call, question, release, today)
        response.plan_id = plan_id("", "", release.version)
        gateway.memory.remember(
            call,
            release,
            kind=EVALUATION,
            today=today,
            request=request,
            response=response,
            offered=[{"launch_date": response.plan.action.launch_date}],
            answer_id=response.plan_id,
            product_id=request.product.product_id,
            title=request.product.title,
        )
    return response


async def evaluate(
    gateway: Gateway, call: Call, request: launch_pb2.EvaluatePlanRequest, release: ModelRelease, today: dt.date
) -> launch_pb2.EvaluatePlanResponse:
    """The answer as it would be given on a day; without an id, a permit, and what is kept."""
    return await _evaluate(gateway, call, parse_evaluation(request, release, today), release, today)


async def _evaluate(
    gateway: Gateway, call: Call, asked: Evaluation, release: ModelRelease, today: dt.date
) -> launch_pb2.EvaluatePlanResponse:
    question, action, costing, similar = asked
    product = await understand(call, release, gateway.models, gateway.settings, question)
    encoded = product.encoded
    candidates = star(action, release, product, today)
    features = candidates.features(release)
    finding = asyncio.create_task(
        optional(call, gateway.models.find_launches(call, release, encoded.embedding), "similar launches are")
    )
    try:
        raw = await gateway.models.score_candidates(
            call, release, encoded.embedding, product.ids, product.attributes, features
        )
        launches = await finding
    finally:
        await side_by_side.end([finding], call.remaining())
    metrics.candidates.inc(len(candidates))
    with call.stage("objective", len(candidates)):
        economics, value, stocking = score(release, product, candidates, raw, costing)
    with call.stage("explanation"):
        nearest = float(launches.scores[0]) if launches is not None and len(launches.scores) else None
        feasible = too_early(candidates, costing.costs, costing.stock, today)
        scored = Scored(
            release=release,
            candidates=candidates,
            economics=economics,
            objective=costing.objective,
            stocking=stocking,
            value=value,
            feasible=feasible,
            history=ComparableLaunches(release, product),
            nearest=nearest,
            price_limits=PriceLimits(0.0, max(DEFAULT_MAX_DISCOUNT, action.discount), None, None),
        )
        plan = scored.plan(0, 0)
    with call.stage("response"):
        notices.notice_projection(call, release, action.day, action.day)
        notices.notice_plan(call, release, [plan], costing)
        response = launch_pb2.EvaluatePlanResponse(
            plan=plan,
            objective_metric=costing.objective.metric,  # type: ignore[arg-type]
            category=product.category.message(),
        )
        if launches is not None:
            response.similar_launches.extend(messages.past_launches(release, launches, similar))
    response.info.CopyFrom(response_info(call, release, costing.scale))
    return response
