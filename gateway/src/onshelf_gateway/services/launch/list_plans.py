"""ListPlans: remembered plans, newest first."""

import datetime as dt
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from onshelf.v1 import launch_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.feedback.pages import page_token, parse_page_token
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.stored_plan import STATES, day_of_states, offered_plans, timestamp
from onshelf_gateway.store import answers

L = launch_pb2
DEFAULT, MOST = 50, 200
NAMES = {number: name for name, number in STATES.items()}


async def list_plans(gateway: Gateway, call: Call, request: L.ListPlansRequest) -> L.ListPlansResponse:
    """Answer ListPlans."""
    with call.stage("validate"):
        check = Checker()
        size = int(check.number("page_size", request.page_size or DEFAULT, 1, MOST))
        check.text("product_id", request.product_id, 128)
        state = check.enum("state", request.state, NAMES)
        before = parse_page_token(check, request)
        created_from = parse_time(check, request, "created_from")
        created_before = parse_time(check, request, "created_before")
        check.done()
    with call.stage("store"):
        today = await day_of_states(gateway, gateway.memory)

        def read(connection: Any) -> tuple[list[Any], list[L.PlanSummary]]:
            rows = answers.list_plans(
                connection,
                most=size + 1,
                before=before,
                product_id=request.product_id,
                state=NAMES[state] if state else "",
                today=today,
                created_from=created_from,
                created_before=created_before,
            )
            decisions = answers.last_decisions(connection, [row.answer_id for row in rows])
            return rows, [_summary(row, decisions.get(row.answer_id), today) for row in rows[:size]]

        rows, summaries = await gateway.memory.read(read)
    response = L.ListPlansResponse(plans=summaries)
    if len(rows) > size:
        response.next_page_token = page_token(request, rows[size - 1].sequence)
    return response


def _summary(row: Any, decision: Any, today: dt.date) -> L.PlanSummary:
    summary = L.PlanSummary(
        plan_id=row.answer_id,
        created_at=timestamp(row.created_at),
        product_id=row.decided_product_id or row.product_id,
        title=row.title,
        state=STATES[answers.state_of(row, today)],  # type: ignore[arg-type]
        model_release=row.model_release,
    )
    chosen = offered_plans(row)[0]
    if decision is not None:
        summary.decision.ParseFromString(decision.decision)
    if decision is not None and decision.plan:
        chosen = L.LaunchPlan.FromString(decision.plan)
    summary.action.CopyFrom(chosen.action)
    summary.units = chosen.forecasts[-1].units.mean
    return summary


def parse_time(check: Checker, request: Any, name: str) -> dt.datetime | None:
    """A time of a request, where it is set."""
    if not request.HasField(name):
        return None
    return to_datetime(check, name, getattr(request, name))


def to_datetime(check: Checker, field: str, value: Timestamp) -> dt.datetime | None:
    """A time as the database keeps it; None where it is none."""
    try:
        return value.ToDatetime()
    except ValueError:
        check.fail(
            "DATE_INVALID", field, f"{value.seconds} s and {value.nanos} ns is no time between the years 1 and 9999"
        )
        return None
