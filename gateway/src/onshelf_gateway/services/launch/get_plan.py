"""GetPlan: a remembered plan, with what was decided."""

from onshelf.v1 import launch_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.stored_plan import check_plan_id, day_of_states, not_found, stored_plan
from onshelf_gateway.store import answers

L = launch_pb2


async def get_plan(gateway: Gateway, call: Call, request: L.GetPlanRequest) -> L.GetPlanResponse:
    """Answer GetPlan."""
    with call.stage("validate"):
        check_plan_id(request.plan_id)
    with call.stage("store"):
        row = await gateway.memory.find_plan(request.plan_id)
        if row is None:
            raise not_found(request.plan_id)
        decisions = await gateway.memory.read(lambda c: answers.decisions_of(c, request.plan_id))
        today = await day_of_states(gateway, gateway.memory)
    return L.GetPlanResponse(plan=stored_plan(row, decisions, today))
