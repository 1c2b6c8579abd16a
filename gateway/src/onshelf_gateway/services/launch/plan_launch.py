"""PlanLaunch: a product, a window, constraints and an objective -> ranked plans with the evidence for them."""

import asyncio
import datetime as dt
import time
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call import metrics, side_by_side
from onshelf_gateway.call.call import Call, Stage
from onshelf_gateway.call.idempotency import content_hash, plan_id
from onshelf_gateway.call.optional import optional
from onshelf_gateway.feedback.memory import BEST_FIRST
from onshelf_gateway.inference.outputs import RawOutcomes, Retrieved
from onshelf_gateway.planning import messages, notices, timing
from onshelf_gateway.planning.candidates import Candidates, join
from onshelf_gateway.planning.constraints import feasibility, no_plan
from onshelf_gateway.planning.grid import Grid, build_grid
from onshelf_gateway.planning.practice_plan import practice_action
from onshelf_gateway.planning.ranking import diverse, frontier_plans, frontier_rows
from onshelf_gateway.planning.scored import Costing, Scored, price_limits, score
from onshelf_gateway.planning.support import ComparableLaunches
from onshelf_gateway.planning.timing import launch_days
from onshelf_gateway.product.understanding import UnderstoodProduct, understand
from onshelf_gateway.recommendation import audience
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.plan_question import PlanQuestion, parse_plan
from onshelf_gateway.requests.questions import needs_buyers
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.offering import Offering, held_out_words, offering_of, offers
from onshelf_gateway.services.response import response_info
from onshelf_gateway.store.answers import PLAN

STEPS_TO_SEND = 3  # of the event loop, until a call of the model server is on its way
T = types_pb2
Floats = NDArray[np.float64]


async def plan_launch(
    gateway: Gateway,
    call: Call,
    request: launch_pb2.PlanLaunchRequest,
    patient: bool = False,
    admitted: bool = False,
) -> launch_pb2.PlanLaunchResponse:
    """Answer PlanLaunch.

    Args:
        gateway: the parts that answer.
        call: of this request alone.
        request: the question.
        patient: as a row of a stream, which waits for a permit, and whose answer is not kept.
        admitted: as a row of a batch, for which its caller holds a permit.
    """
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        today = gateway.today(release)
        question = parse_plan(request, release, today, gateway.settings.max_candidates)
        needs_buyers(question.objective, release)
        content = content_hash(request)
        known = None if patient else gateway.answers.get(request.request_id, content)
    if known is not None:
        return known

    def remembered(response: launch_pb2.PlanLaunchResponse) -> launch_pb2.PlanLaunchResponse:
        response.plan_id = plan_id(request.request_id, content, release.version)
        gateway.memory.remember(
            call,
            release,
            kind=PLAN,
            today=today,
            request=request,
            response=response,
            offered=offers(response),
            policy=response.exploration.policy or BEST_FIRST,
            answer_id=response.plan_id,
            product_id=request.product.product_id,
            title=request.product.title,
        )
        return response

    offering = offering_of(gateway.settings, request.product)

    async def make() -> launch_pb2.PlanLaunchResponse:
        if patient:
            async with gateway.permits.wait(call):
                call.shorten(gateway.settings.default_deadline_ms / 1000, "the time of one plan")
                async with asyncio.timeout(call.remaining()):
                    return await _plan(gateway, call, question, release, today, offering)
        with nullcontext() if admitted else gateway.permits.hold(call):
            return await _plan(gateway, call, question, release, today, offering)

    if patient or call.trace:
        return remembered(await make())
    async with gateway.answers.claim(request.request_id, content) as known:
        if known is not None:
            return known
        began, receipts = time.monotonic_ns(), gateway.forgotten.receipts
        made, shared = await gateway.shared.once(content, release.version, make)
        if shared and made.info.degraded:  # there may be time for what the other call missed
            made, shared = await make(), False
        if shared:
            waited = time.monotonic_ns() - began
            call.stages.append(
                Stage(
                    name="shared",
                    start_ns=began - call.started_ns,
                    deadline_left_ns=None,
                    duration_ns=waited,
                    cached=True,
                )
            )
        response = remembered(_own(call, made) if shared else made)
        kept = bool(response.info.attribution_token) or not gateway.settings.remember
        kept &= receipts == gateway.forgotten.receipts  # otherwise it may name a user who was forgotten meanwhile
        if kept and not response.info.degraded:  # the same request may get the missing part a moment later
            gateway.answers.put(request.request_id, content, response)
        return response


def _own(call: Call, made: launch_pb2.PlanLaunchResponse) -> launch_pb2.PlanLaunchResponse:
    """Another call's answer as this call's: with its own timings."""
    metrics.shared_plans.inc()
    response = launch_pb2.PlanLaunchResponse()
    response.CopyFrom(made)
    call.degraded = response.info.degraded
    del response.info.timings[:]
    response.info.timings.extend(call.timings())
    return response


async def plan(
    gateway: Gateway,
    call: Call,
    request: launch_pb2.PlanLaunchRequest,
    release: ModelRelease,
    today: dt.date,
    offering: Offering,
) -> launch_pb2.PlanLaunchResponse:
    """A plan as it would be made on a day; without an id, a permit, and what is kept."""
    question = parse_plan(request, release, today, gateway.settings.max_candidates)
    return await _plan(gateway, call, question, release, today, offering)


async def _plan(
    gateway: Gateway, call: Call, question: PlanQuestion, release: ModelRelease, today: dt.date, offering: Offering
) -> launch_pb2.PlanLaunchResponse:
    most = gateway.settings.max_candidates
    product = await understand(call, release, gateway.models, gateway.settings, question.product)
    encoded, models = product.encoded, gateway.models
    retrieving: asyncio.Task[Retrieved | None] | None = None
    if question.audience_size and release.has_users:
        users_of = models.find_audience(call, release, encoded.embedding, encoded.product_vector, product.ids)
        retrieving = asyncio.create_task(optional(call, users_of, "the audience is"))  # the longest: asked first
    finding = asyncio.create_task(
        optional(call, models.find_launches(call, release, encoded.embedding), "similar launches are")
    )  # also where none are to be shown: how alike the nearest is decides a plan's support
    tasks: list[asyncio.Task[Any]] = [finding, *([retrieving] if retrieving else [])]
    try:
        for _ in range(STEPS_TO_SEND):
            await asyncio.sleep(0)
        grid, candidates = _candidates(call, question, release, product, today, most)
        scoring = asyncio.create_task(
            models.score_candidates(
                call, release, encoded.embedding, product.ids, product.attributes, candidates.features(release)
            )
        )
        tasks.append(scoring)
        raw, launches = await scoring, await finding
        answer = await _plans(call, question, release, product, grid, candidates, raw, launches, today)
        offering.explore(call, answer, question.objective.horizon_weeks)
        users = await retrieving if retrieving else None  # plans are made while it lasts
        if users is not None:
            users = await gateway.forgotten.without(release, users)
        if users is not None and offering.holdout > 0:
            users = await gateway.holdout.without(release, users, offering.holdout)
            call.notice(T.NOTICE_CODE_HELD_OUT, held_out_words(offering.holdout))
            answer.holdout_share = offering.holdout
    finally:
        await side_by_side.end(tasks, call.remaining())
    with call.stage("response"):
        if users is not None:
            answer.audience.extend(audience.members(release, users, question.audience_size))
            answer.segments.extend(audience.segments(release, users, question.audience_size))
    answer.info.CopyFrom(response_info(call, release, question.scale))
    return answer


def _candidates(
    call: Call, question: PlanQuestion, release: ModelRelease, product: UnderstoodProduct, today: dt.date, most: int
) -> tuple[Grid, Candidates]:
    """The grid, and its candidates with the one that past practice would have chosen after them. `most` is what a
    request may ask for."""
    with call.stage("candidates") as stage:
        grid = build_grid(
            question,
            release,
            product.price,
            product.encoded.channel_propensity,
            max(1, question.max_candidates - 1),
            today,
        )
        candidates = grid.candidates
        if question.max_candidates > 1:
            practice = practice_action(question, release, product.encoded, candidates, float(product.price))
            candidates = join(candidates, practice)
        stage.items = len(candidates)
    if grid.limited:
        call.notice(
            T.NOTICE_CODE_CANDIDATES_LIMITED,
            f"the grid was thinned evenly to {len(grid.candidates):,} candidates; "
            + ("raise max_candidates, or narrow the window" if question.max_candidates < most else "narrow the window"),
            "max_candidates",
        )
    return grid, candidates


async def _plans(
    call: Call,
    question: PlanQuestion,
    release: ModelRelease,
    product: UnderstoodProduct,
    grid: Grid,
    candidates: Candidates,
    raw: RawOutcomes,
    launches: Retrieved | None,
    today: dt.date,
) -> launch_pb2.PlanLaunchResponse:
    """The answer but for its audience and info."""
    metrics.candidates.inc(len(candidates))
    with call.stage("objective", len(candidates)):
        costing = Costing(question.costs, question.objective, question.stock, question.scale)
        economics, value, stocking = score(release, product, candidates, raw, costing)
    with call.stage("constraints", len(candidates)):
        feasible = feasibility(question, candidates, economics, stocking, today)
        if not feasible.mask.any():
            raise no_plan(feasible)
    nearest = float(launches.scores[0]) if launches is not None and len(launches.scores) else None
    scored = Scored(
        release=release,
        candidates=candidates,
        economics=economics,
        objective=question.objective,
        stocking=stocking,
        value=value,
        feasible=feasible,
        history=ComparableLaunches(release, product),
        nearest=nearest,
        price_limits=price_limits(question.constraints),
    )
    with call.stage("ranking"):
        frontier, rows, free = _rank(question, product, scored)
    with call.stage("explanation"):
        practice = list(range(len(grid.candidates), len(candidates)))
        scored.prepare([*rows, *practice])
        plans = await _explain(scored, rows, list(range(1, len(rows) + 1)))
        practised = await _explain(scored, practice, [0])
    with call.stage("plans"):
        notices.notice_launch(call, question, release, plans, free)
        response = launch_pb2.PlanLaunchResponse(
            plans=plans,
            practice_plan=next(iter(practised), None),
            frontier=_frontier(scored, frontier),
            frontier_instead_of_winner=free,
            objective_metric=question.objective.metric,  # type: ignore[arg-type]
            category=product.category.message(),
            timing=timing.evidence(
                launch_days(question.start, question.end, release.manifest.week_start),
                release.manifest.week_start,
                question.objective.horizon_weeks,
                product.facts,
                product.encoded,
            ),
            candidates_scored=len(candidates),
            candidates_feasible=int(feasible.mask.sum()),
        )
        if launches is not None:
            response.similar_launches.extend(messages.past_launches(release, launches, question.similar_launches))
    return response


async def _explain(scored: Scored, rows: list[int], ranks: list[int]) -> list[launch_pb2.LaunchPlan]:
    """The plans of rows, in order; other calls and health get their turn after each, as one takes milliseconds."""
    plans = []
    for row, rank in zip(rows, ranks, strict=False):
        plans.append(scored.plan(row, rank))
        await asyncio.sleep(0)
    return plans


def _rank(question: PlanQuestion, product: UnderstoodProduct, scored: Scored) -> tuple[list[int], list[int], bool]:
    """Rows of the frontier, rows of the plans, and whether promotion is free."""
    candidates, objective, value = scored.candidates, question.objective, scored.value
    open_rows = scored.feasible.mask  # practice's own action among them, where it breaks no constraint
    free = not question.costs.stated and question.constraints.budget is None
    units = scored.economics.forecasts.mean(objective.horizon_weeks)
    balanced = objective.metric == T.OBJECTIVE_METRIC_GROSS_PROFIT
    points = frontier_rows(candidates, value, units, open_rows, float(product.price), balanced)
    if free:
        return points, frontier_plans(candidates, points, value, open_rows, objective, question.max_plans), True
    return points, diverse(candidates, value, open_rows, question.max_plans), False


def _frontier(scored: Scored, rows: list[int]) -> list[launch_pb2.FrontierPoint]:
    weeks, currency = scored.objective.horizon_weeks, scored.release.manifest.currency
    candidates, economics = scored.candidates, scored.economics
    units = economics.forecasts.mean(weeks)
    revenue = economics.paid(weeks) * units
    promotion, discount = economics.promotion_cost(weeks), economics.discount_cost(weeks)
    points = []
    for n, row in enumerate(rows):
        before = rows[n - 1] if n else None
        more = 0 if before is None else int(candidates.channel_count[row] - candidates.channel_count[before])
        gain = 0.0 if before is None or more <= 0 else float(units[row] - units[before]) / more
        points.append(
            launch_pb2.FrontierPoint(
                action=scored.actions.of(row),
                channels=int(candidates.channel_count[row]),
                units=float(units[row]),
                revenue=money.to_money(float(revenue[row]), currency),
                promotion_cost=money.to_money(float(promotion[row]), currency),
                discount_cost=money.to_money(float(discount[row]), currency),
                promotion_effort=float(candidates.effort[row]),
                marginal_units=gain,
            )
        )
    return points
