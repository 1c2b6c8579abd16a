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
from onshelf_gateway.services.feedback.launch_course import Launch, Sales, bands, read_launch
from onshelf_gateway.services.feedback.read_courses import read_sales
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
    course: Sales
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
        courses = read_sales(connection, launches)
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


def _judged(launch: Launch, course: Sales, row: Any) -> Judged:
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
    """Sums over the launches that have completed a week, week by week."""
    if not judged:
        return []
    complete = np.array([one.course.complete(one.launch) for one in judged])
    practised = np.array([one.practice is not None for one in judged])
    none = np.zeros(WEEKS)
    parts = ([one.proposed, none if one.practice is None else one.practice] for one in judged)
    proposed, practice = np.cumsum(np.array([*parts]), axis=2).transpose(1, 0, 2)
    executed = np.cumsum([one.launch.weekly for one in judged], axis=1)
    actual = np.cumsum([one.course.units for one in judged], axis=1)
    low, high = bands(executed, np.repeat([[one.launch.size] for one in judged], WEEKS, axis=1))
    within = (low <= actual) & (actual <= high)
    weeks = []
    for week in range(WEEKS):
        done = complete > week
        if not done.any():
            break
        both = done & practised
        weeks.append(
            F.ScoreboardWeek(
                week=week + 1,
                launches=int(done.sum()),
                proposed_units=float(proposed[done, week].sum()),
                practice_units=float(practice[both, week].sum()),
                practice_launches=int(both.sum()),
                executed_units=float(executed[done, week].sum()),
                actual_units=float(actual[done, week].sum()),
                practice_actual_units=float(actual[both, week].sum()),
                within_band=int(within[done, week].sum()),
            )
        )
    return weeks


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
