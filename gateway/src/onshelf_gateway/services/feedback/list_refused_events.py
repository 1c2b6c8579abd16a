"""ListRefusedEvents: events that broke a rule, newest first."""

from typing import Any

from onshelf.v1 import feedback_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.feedback.pages import page_token, parse_page_token
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.stored_plan import timestamp
from onshelf_gateway.store.events import list_refused

F = feedback_pb2
DEFAULT, MOST = 100, 1_000


async def list_refused_events(
    gateway: Gateway, call: Call, request: F.ListRefusedEventsRequest
) -> F.ListRefusedEventsResponse:
    """Answer ListRefusedEvents."""
    with call.stage("validate"):
        check = Checker()
        size = int(check.number("page_size", request.page_size or DEFAULT, 1, MOST))
        before = parse_page_token(check, request)
        check.done()
    with call.stage("store"):
        rows, total, dropped = await gateway.memory.read(lambda c: list_refused(c, size + 1, before))
    response = F.ListRefusedEventsResponse(events=[_message(row) for row in rows[:size]], total=total, dropped=dropped)
    if len(rows) > size:
        response.next_page_token = page_token(request, rows[size - 1].sequence)
    return response


def _message(row: Any) -> F.RefusedEvent:
    event = F.Event.FromString(row.event)
    try:
        event.time.ToDatetime()
    except ValueError:  # seconds that are milliseconds: readers could not read it either
        event.ClearField("time")
    return F.RefusedEvent(
        event=event,
        error=F.EventError(event_id=row.event_id, reason=row.reason, field=row.field, message=row.message),
        refused_at=timestamp(row.refused_at),
    )
