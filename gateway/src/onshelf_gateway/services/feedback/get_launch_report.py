"""GetLaunchReport: what was planned of a launch beside what came of it, and what to change now."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from onshelf.v1 import feedback_pb2, launch_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import refuse
from onshelf_gateway.call.optional import optional
from onshelf_gateway.feedback.daily_sales import DailySales
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.reviews.summary import summarise
from onshelf_gateway.services.feedback.cannibalization import Around, Kin, add_effects, kin_of, read_around
from onshelf_gateway.services.feedback.changes import Changes, scored_changes, unit_cost, unit_worth
from onshelf_gateway.services.feedback.holdout_effect import holdout_effect
from onshelf_gateway.services.feedback.launch_course import (
    KINDS,
    Course,
    Launch,
    band,
    count_forecast,
    exceptions,
    launch_message,
    read_launch,
    remaining,
    stock_end,
)
from onshelf_gateway.services.feedback.read_courses import read_courses
from onshelf_gateway.services.feedback.suggestions import Reached, position, suggestions
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.stored_plan import check_plan_id, day_of_states, not_found
from onshelf_gateway.services.response import response_info
from onshelf_gateway.store import answers, events
from onshelf_release.calendar import WEEK
from onshelf_release.life_cycle import WEEKS
from onshelf_release.signatures import REVIEW_SENTIMENT

F, L, T = feedback_pb2, launch_pb2, types_pb2
Floats = NDArray[np.float64]
MOST_REVIEWS = 500  # the newest of a launch, that are read


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What the store says of a launch, of one moment."""

    launch: Launch
    course: Course
    buyers: int
    again: int
    attributed: tuple[int, int, int]
    written: list[Any]
    written_in_all: int
    reached: Reached | None
    around: Around | None


async def get_launch_report(
    gateway: Gateway, call: Call, request: F.GetLaunchReportRequest
) -> F.GetLaunchReportResponse:
    """Answer GetLaunchReport.

    Raises:
        GatewayError: PLAN_NOT_FOUND, or NOT_EXECUTED where nothing is to be reported of the plan.
    """
    with call.stage("validate"):
        check_plan_id(request.plan_id)
        row = await gateway.memory.find_plan(request.plan_id)
        if row is None:
            raise not_found(request.plan_id)
        if row.decision not in answers.EXECUTED:
            state = f"was {row.decision}" if row.decision else "is not decided"
            raise refuse("NOT_EXECUTED", "plan_id", f"the plan {state}: there is no launch to report of")
        serving = gateway.release(call, 0)
        release = gateway.releases.loaded.get(row.model_release, serving)
        call.release_version = release.version
    with call.stage("store"):
        today = await day_of_states(gateway, gateway.memory)
        window = gateway.settings.attribution_days
        shelf = gateway.catalog.shelf(call, release)
        kin = kin_of(shelf, row.decided_product_id)
        counted = await gateway.memory.read(
            lambda c: _count(c, request.plan_id, gateway.releases.loaded, serving, window, gateway.daily_sales, kin)
        )
        if counted is None:  # rejected at this moment
            raise refuse("NOT_EXECUTED", "plan_id", "the plan is executed no more: there is no launch to report of")
        if row.model_release not in gateway.releases.loaded:
            call.notice(
                T.NOTICE_CODE_OTHER_MODEL_RELEASE,
                f"model release {row.model_release}, which made the plan, is not loaded; what remains is computed by "
                f"{serving.version}",
            )
        holdout = await holdout_effect(gateway, row, counted.launch, release)
    changes = await _changes(gateway, call, row, counted, release)
    with call.stage("report"):
        response = _report(counted, release, today)
        launch, course = counted.launch, counted.course
        now = position(launch, course, unit_cost(row, launch.plan), unit_worth(row, launch.plan))
        if now is not None:
            response.suggestions.extend(suggestions(now, changes, counted.reached))
        if holdout is not None:
            response.holdout.CopyFrom(holdout)
        add_effects(response, call, shelf, counted.course, counted.launch, kin, counted.around)
        call.notice(
            T.NOTICE_CODE_SALES_FOR_DEMAND,
            "sales are taken for demand: weeks in which the product was sold out understate it",
        )
        if counted.course.until is None:
            call.notice(T.NOTICE_CODE_NO_EVENTS, "no event was recorded yet, of whatever product")
        elif counted.course.last is None:
            call.notice(
                T.NOTICE_CODE_NO_EVENTS,
                f"no event of product {counted.launch.row.decided_product_id} was recorded since its launch",
            )
    if counted.written:
        await _add_reviews(gateway, call, serving, counted, response)
    response.info.CopyFrom(response_info(call, release, counted.launch.scale))
    return response


async def _add_reviews(
    gateway: Gateway, call: Call, serving: ModelRelease, counted: Counted, response: F.GetLaunchReportResponse
) -> None:
    """What reviews say, by the newest model release: reading does not change what was planned."""
    if REVIEW_SENTIMENT not in serving.manifest.models:
        call.notice(
            T.NOTICE_CODE_REVIEWS_NOT_READ,
            f"model release {serving.version} has no model {REVIEW_SENTIMENT}: reviews are counted, not read",
        )
        return
    reading = summarise(gateway.reader, call, serving, counted.written, counted.written_in_all)
    summary = await optional(call, reading, "what reviews say is")
    if summary is not None:
        response.review_summary.CopyFrom(summary)


def _count(
    connection: Connection,
    plan_id: str,
    loaded: Mapping[int, ModelRelease],
    serving: ModelRelease,
    window_days: float,
    daily: DailySales,
    kin: Kin,
) -> Counted | None:
    rows = answers.executed_launches(connection, plan_id)
    if not rows:
        return None
    row, launch = rows[0], read_launch(rows[0], loaded, serving)
    (course,) = read_courses(connection, [launch])
    product, first, end = row.decided_product_id, launch.first.isoformat(), launch.end.isoformat()
    buyers, again = events.count_buyers(connection, product, first, end)
    attributed = events.count_attributed(connection, product, first, end, window_days)
    written, in_all = events.written_reviews(connection, product, first, end, MOST_REVIEWS)
    reached = None
    if launch.release.has_users:
        population = round(launch.release.users.num_rows * launch.scale)
        reached = Reached(*events.count_reached(connection, product, first, end), buyers, population)
    return Counted(
        launch=launch,
        course=course,
        buyers=buyers,
        again=again,
        attributed=attributed,
        reached=reached,
        written=written,
        written_in_all=in_all,
        around=read_around(connection, daily, launch, course, kin),
    )


async def _changes(gateway: Gateway, call: Call, row: Any, counted: Counted, release: ModelRelease) -> Changes | None:
    """What models say of changes; None where no week is complete or left, or (with a notice) they do not answer."""
    seen = counted.course.complete(counted.launch)
    if not 1 <= seen < WEEKS:
        return None

    async def ask() -> Changes:
        with gateway.permits.hold(call):
            return await scored_changes(gateway, call, row, counted.launch.plan, release, (WEEKS - seen) * WEEK.days)

    return await optional(call, ask(), "suggestions of prices and promotion are")


def _report(counted: Counted, release: ModelRelease, today: dt.date) -> F.GetLaunchReportResponse:
    launch, course = counted.launch, counted.course
    levels = np.array(release.manifest.quantile_levels)
    seen = course.complete(launch)
    rest = remaining(launch, course)
    left, ends = stock_end(launch, course, rest)
    totals = dict(zip(KINDS, course.counts.sum(axis=0).tolist(), strict=True))
    by_token, by_touch, unattributed = counted.attributed
    response = F.GetLaunchReportResponse(
        launch=launch_message(launch, course, exceptions(launch, course, rest, today), today),
        decision=launch.decision,
        forecasts=launch.plan.forecasts,
        observed_until="" if course.until is None else course.until.isoformat(),
        weeks=[_week(n, launch, course, release, levels) for n in range(WEEKS)],
        buyers=counted.buyers,
        attribution=F.Attribution(by_token=by_token, by_last_touch=by_touch, unattributed=unattributed),
        reviews=totals["review"],
    )
    sold = float(course.units[:seen].sum())
    if seen:
        low, high = band(float(launch.weekly[:seen].sum()), launch.size)
        response.within_band = low <= sold <= high
    if rest is not None:
        response.remaining.CopyFrom(rest.forecast(levels, 0.0))
        response.total.CopyFrom(rest.forecast(levels, sold))
    if left is not None:
        response.stock_left = left
    if ends is not None:
        response.stock_ends_on = ends.isoformat()
    if totals["impression"]:
        response.click_through_rate = totals["click"] / totals["impression"]
    if totals["click"]:
        response.conversion_rate = totals["purchase"] / totals["click"]
    if counted.buyers:
        response.repeat_rate = counted.again / counted.buyers
    if course.ratings:
        response.mean_rating = float(np.mean(course.ratings))
    return response


def _week(n: int, launch: Launch, course: Course, release: ModelRelease, levels: Floats) -> F.LaunchReportWeek:
    counts = dict(zip(KINDS, course.counts[n].tolist(), strict=True))
    complete = n < course.complete(launch)
    low, high = band(float(launch.weekly[n]), launch.size)
    return F.LaunchReportWeek(
        week=n + 1,
        week_start_date=(launch.first + WEEK * n).isoformat(),
        complete=complete,
        planned_units=count_forecast(float(launch.weekly[n]), launch.size, levels),
        units=float(course.units[n]),
        within_band=complete and low <= course.units[n] <= high,
        revenue=money.to_money(float(course.revenue[n]), release.manifest.currency),
        impressions=counts["impression"],
        clicks=counts["click"],
        carts=counts["cart"],
        purchases=counts["purchase"],
        returns=counts["return"],
    )
