"""ListLaunches: launches that are executed, those that need attention first."""

from typing import Any

from onshelf.v1 import feedback_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.feedback.pages import page_token, parse_page_token
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.feedback.launch_course import exceptions, launch_message, read_launch, remaining
from onshelf_gateway.services.feedback.read_courses import read_sales
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.list_plans import NAMES
from onshelf_gateway.services.launch.stored_plan import day_of_states
from onshelf_gateway.store import answers

F = feedback_pb2
DEFAULT, MOST = 50, 1_000
EXECUTED_STATES = {
    number: name for number, name in NAMES.items() if name in ("unspecified", "decided", "on_sale", "completed")
}


async def list_launches(gateway: Gateway, call: Call, request: F.ListLaunchesRequest) -> F.ListLaunchesResponse:
    """Answer ListLaunches."""
    with call.stage("validate"):
        release = gateway.release(call, 0)
        check = Checker()
        size = int(check.number("page_size", request.page_size or DEFAULT, 1, MOST))
        check.enum("state", request.state, EXECUTED_STATES)
        after = parse_page_token(check, request)
        check.done()
    with call.stage("store"):
        today = await day_of_states(gateway, gateway.memory)

        def read(connection: Any) -> list[tuple[int, F.Launch]]:
            launches = [
                read_launch(row, gateway.releases.loaded, release) for row in answers.executed_launches(connection)
            ]
            if request.state:
                wanted = EXECUTED_STATES[request.state]
                launches = [one for one in launches if answers.state_of(one.row, today) == wanted]
            listed = []
            for launch, sales in zip(launches, read_sales(connection, launches), strict=True):
                found = exceptions(launch, sales, remaining(launch, sales), today)
                listed.append((_place(launch.row.sequence, bool(found)), launch_message(launch, sales, found, today)))
            return sorted(listed, key=lambda one: -one[0])

        rows = await gateway.memory.read(read)
    page = [one for one in rows if after is None or one[0] < after][: size + 1]
    response = F.ListLaunchesResponse(launches=[launch for _, launch in page[:size]])
    if len(page) > size:
        response.next_page_token = page_token(request, page[size - 1][0])
    return response


def _place(sequence: int, grave: bool) -> int:
    """Where a launch stands in the list: those that need attention first, then the newest; higher comes first."""
    return sequence + (1 << 62 if grave else 0)
