"""ListEvents: recorded events, in the order in which they were recorded."""

from onshelf.v1 import feedback_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.feedback.pages import page_token, parse_page_token
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.requests.event import event_message
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.store.events import list_events

F = feedback_pb2
DEFAULT, MOST = 1_000, 10_000


async def list_recorded(gateway: Gateway, call: Call, request: F.ListEventsRequest) -> F.ListEventsResponse:
    """Answer ListEvents."""
    with call.stage("validate"):
        release = gateway.release(call, 0)
        check = Checker()
        size = int(check.number("page_size", request.page_size or DEFAULT, 1, MOST))
        check.text("product_id", request.product_id, 128)
        after = parse_page_token(check, request)
        check.done()
    with call.stage("store"):
        rows = await gateway.memory.read(lambda c: list_events(c, size + 1, after, request.product_id))
    currency = release.manifest.currency
    response = F.ListEventsResponse(events=[event_message(row, currency) for row in rows[:size]])
    if len(rows) > size:
        response.next_page_token = page_token(request, rows[size - 1].sequence)
    return response
