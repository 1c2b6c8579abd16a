"""ReplayPlan: a remembered plan computed again from what was stored, and compared bit for bit."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from onshelf.v1 import launch_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.evaluate_plan import evaluate
from onshelf_gateway.services.launch.offering import offering_then
from onshelf_gateway.services.launch.plan_launch import plan
from onshelf_gateway.services.launch.stored_plan import check_plan_id, not_found
from onshelf_gateway.services.response import response_info
from onshelf_gateway.store import answers

L = launch_pb2
MOST = 100
NOT_COMPARED = ("plan_id", "info.timings", "info.attribution_token")


async def replay_plan(gateway: Gateway, call: Call, request: L.ReplayPlanRequest) -> L.ReplayPlanResponse:
    """Answer ReplayPlan.

    Raises:
        GatewayError: PLAN_NOT_FOUND; MODEL_RELEASE_NOT_FOUND where the plan's model release is served no more.
    """
    with call.stage("validate"):
        check_plan_id(request.plan_id)
        row = await gateway.memory.find_plan(request.plan_id)
        if row is None:
            raise not_found(request.plan_id)
        release = gateway.release(call, row.model_release)
    own = call.part()
    with gateway.permits.hold(call):
        today = dt.date.fromisoformat(row.today)
        if row.kind == answers.PLAN:
            remembered: Any = L.PlanLaunchResponse.FromString(row.response)
            asked = L.PlanLaunchRequest.FromString(row.request)
            offering = offering_then(remembered, asked.product)
            replayed: Any = await plan(gateway, own, asked, release, today, offering)
        else:
            remembered = L.EvaluatePlanResponse.FromString(row.response)
            replayed = await evaluate(gateway, own, L.EvaluatePlanRequest.FromString(row.request), release, today)
    call.stages += own.stages
    with call.stage("compare"):
        found = [row for row in differences(remembered, replayed) if not row.field.startswith(NOT_COMPARED)]
    response = L.ReplayPlanResponse(same=not found, differences=found[:MOST])
    response.info.CopyFrom(response_info(call, release))
    return response


def differences(one: Message, other: Message, path: str = "") -> Iterator[L.PlanDifference]:
    """The values in which two messages of a type differ, by path."""
    for field in one.DESCRIPTOR.fields:
        name = f"{path}{field.name}"
        if field.is_repeated:
            yield from _lists(list(getattr(one, field.name)), list(getattr(other, field.name)), name)
        elif field.message_type is not None:
            both = one.HasField(field.name), other.HasField(field.name)
            if all(both):
                yield from differences(getattr(one, field.name), getattr(other, field.name), f"{name}.")
            elif any(both):
                yield _difference(name, *("set" if has else "unset" for has in both))
        elif repr(getattr(one, field.name)) != repr(getattr(other, field.name)):
            yield _difference(name, getattr(one, field.name), getattr(other, field.name))


def _lists(one: list[Any], other: list[Any], name: str) -> Iterator[L.PlanDifference]:
    if len(one) != len(other):
        yield _difference(name, f"{len(one)} entries", f"{len(other)} entries")
        return
    for n, (a, b) in enumerate(zip(one, other, strict=True)):
        if isinstance(a, Message):
            yield from differences(a, b, f"{name}[{n}].")
        elif repr(a) != repr(b):
            yield _difference(f"{name}[{n}]", a, b)


def _difference(field: str, remembered: object, replayed: object) -> L.PlanDifference:
    return L.PlanDifference(field=field, remembered=str(remembered), replayed=str(replayed))
