"""GetScoreboard: plans, past practice and what came, over all launches; and how people's changes did."""

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from onshelf.v1 import feedback_pb2, launch_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.planning.forecasts import nb_quantile
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.feedback.launch_course import Course, Launch, band, read_courses, read_launch
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.list_plans import parse_time
from onshelf_gateway.services.response import response_info
from onshelf_gateway.store import answers
from onshelf_gateway.store.events import newest_day
from onshelf_release.life_cycle import WEEKS

F, L = feedback_pb2, launch_pb2
Floats = NDArray[np.float64]
Z = 1.96  # of a 95 % interval


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A launch beside what was proposed.

    Attributes:
        proposed: [8] units expected of the plan that was ranked first. practice: [8] of past practice, None without.
        size: dispersion of the proposed units.
    """

    launch: Launch
    course: Course
    proposed: Floats
    practice: Floats | None
    size: float


async def get_scoreboard(gateway: Gateway, call: Call, request: F.GetScoreboardRequest) -> F.GetScoreboardResponse:
    """Answer GetScoreboard."""
    with call.stage("validate"):
        release = gateway.release(call, 0)
        check = Checker()
        since = parse_time(check, request, "created_from")
        before = parse_time(check, request, "created_before")
        check.done()

    def read(connection: Connection) -> tuple[dt.date | None, list[Judged]]:
        rows = answers.executed_launches(connection, created_from=since, created_before=before)
        launches = [read_launch(row, gateway.releases.loaded, release) for row in rows]
        offered = answers.responses_of(connection, [row.answer_id for row in rows])
        courses = read_courses(connection, launches)
        return newest_day(connection), [
            _judged(launch, course, offered[launch.row.answer_id])
            for launch, course in zip(launches, courses, strict=True)
        ]

    with call.stage("store"):
        until, judged = await gateway.memory.read(read)
    with call.stage("report"):
        response = F.GetScoreboardResponse(weeks=_weeks(judged), decisions=_decisions(judged))
        if until is not None:
            response.observed_until = until.isoformat()
    response.info.CopyFrom(response_info(call, release))
    return response


def _judged(launch: Launch, course: Course, row: Any) -> Judged:
    if row.kind == answers.PLAN:
        answer = L.PlanLaunchResponse.FromString(row.response)
        first = answer.plans[0]
        practice = answer.practice_plan if answer.HasField("practice_plan") else None
    else:
        first, practice = L.EvaluatePlanResponse.FromString(row.response).plan, None
    units = first.forecasts[-1].units
    return Judged(
        launch=launch,
        course=course,
        proposed=units.mean * launch.shares,
        practice=None if practice is None else practice.forecasts[-1].units.mean * launch.shares,
        size=units.dispersion,
    )


def _weeks(judged: list[Judged]) -> list[F.ScoreboardWeek]:
    weeks = []
    for week in range(1, WEEKS + 1):
        done = [one for one in judged if one.course.complete(one.launch) >= week]
        if not done:
            break
        practised = [one for one in done if one.practice is not None]
        weeks.append(
            F.ScoreboardWeek(
                week=week,
                launches=len(done),
                proposed_units=sum(float(one.proposed[:week].sum()) for one in done),
                practice_units=sum(float(one.practice[:week].sum()) for one in practised if one.practice is not None),
                practice_launches=len(practised),
                executed_units=sum(float(one.launch.weekly[:week].sum()) for one in done),
                actual_units=sum(float(one.course.units[:week].sum()) for one in done),
                practice_actual_units=sum(float(one.course.units[:week].sum()) for one in practised),
                within_band=sum(_within(one, week) for one in done),
            )
        )
    return weeks


def _within(one: Judged, weeks: int) -> bool:
    low, high = band(float(one.launch.weekly[:weeks].sum()), one.launch.size)
    return low <= float(one.course.units[:weeks].sum()) <= high


def _decisions(judged: list[Judged]) -> list[F.DecisionScore]:
    counted: dict[tuple[int, int], list[bool]] = {}
    for one in judged:
        seen = one.course.complete(one.launch)
        if not seen:
            continue
        expected = float(one.proposed[:seen].sum())
        median = float(nb_quantile(np.array([0.5]), np.array([expected]), np.array([one.size]))[0])
        better = float(one.course.units[:seen].sum()) > median
        counted.setdefault((one.launch.decision.kind, one.launch.decision.reason), []).append(better)
    scores = []
    for (kind, reason), results in sorted(counted.items(), key=lambda entry: -len(entry[1])):
        low, high = wilson(sum(results), len(results))
        scores.append(
            F.DecisionScore(
                kind=kind,  # type: ignore[arg-type]
                reason=reason,  # type: ignore[arg-type]
                launches=len(results),
                better=sum(results),
                share=sum(results) / len(results),
                share_low=low,
                share_high=high,
            )
        )
    return scores


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927, "Probable inference, the law of succession")."""
    share = hits / count
    middle = (share + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count)) / (1 + Z * Z / count)
    return max(0.0, middle - half), min(1.0, middle + half)
