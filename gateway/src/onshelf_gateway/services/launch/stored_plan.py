"""A remembered plan as the contract's message, from its rows."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from onshelf.v1 import launch_pb2
from onshelf_gateway.call.errors import GatewayError, refuse
from onshelf_gateway.feedback.memory import Memory
from onshelf_gateway.requests.checks import Checker, shown
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.store import answers
from onshelf_gateway.store.events import newest_day

L = launch_pb2
STATES = {name.removeprefix("LAUNCH_STATE_").lower(): number for name, number in L.LaunchState.items()}


def check_plan_id(plan_id: str) -> None:
    """Refuse what is no plan's id.

    Raises:
        GatewayError: FIELD_REQUIRED, TEXT_TOO_LONG or TEXT_INVALID.
    """
    check = Checker()
    check.text("plan_id", plan_id, 128, required=True)
    check.done()


def not_found(plan_id: str) -> GatewayError:
    """No such plan."""
    return refuse(
        "PLAN_NOT_FOUND",
        "plan_id",
        f"no plan {shown(plan_id)} is remembered: it was never given, is too old, or nothing is kept (--remember)",
    )


async def day_of_states(gateway: Gateway, memory: Memory) -> dt.date:
    """Which day it is for the states of launches: the gateway's today, or the newest event's day if that is later."""
    release = gateway.releases.get(0)
    newest = await memory.read(newest_day)
    return max(gateway.today(release), newest or dt.date.min)


def stored_plan(row: Any, decisions: Sequence[Any], today: dt.date) -> L.StoredPlan:
    """The message of a row of `answers` with the revisions of its decision, oldest first."""
    plan = L.StoredPlan(
        plan_id=row.answer_id,
        created_at=timestamp(row.created_at),
        state=STATES[answers.state_of(row, today)],  # type: ignore[arg-type]
    )
    if row.kind == answers.PLAN:
        plan.request.ParseFromString(row.request)
        plan.response.ParseFromString(row.response)
    else:
        plan.evaluate_request.ParseFromString(row.request)
        plan.evaluate_response.ParseFromString(row.response)
    revisions = [L.LaunchDecision.FromString(one.decision) for one in decisions]
    if revisions:
        plan.decision.CopyFrom(revisions[-1])
        plan.earlier_decisions.extend(revisions[:-1])
        if decisions[-1].plan:
            plan.executed_plan.ParseFromString(decisions[-1].plan)
            plan.executed_weekly_units.extend(json.loads(decisions[-1].weekly_units))
    return plan


def offered_plans(row: Any) -> list[L.LaunchPlan]:
    """The plans that a row of `answers` offered, best first."""
    if row.kind == answers.PLAN:
        return list(L.PlanLaunchResponse.FromString(row.response).plans)
    return [L.EvaluatePlanResponse.FromString(row.response).plan]


def timestamp(time: dt.datetime) -> Timestamp:
    """A time of the database (UTC) as the contract's."""
    result = Timestamp()
    result.FromDatetime(time)
    return result
