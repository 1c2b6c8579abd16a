"""ForgetUser: a user's events and answers deleted at once, with a receipt."""

import uuid
from typing import Any

from sqlalchemy import Connection

from onshelf.v1 import feedback_pb2, launch_pb2, recommendation_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.stored_plan import timestamp
from onshelf_gateway.store.answers import AUDIENCE, EVALUATION, utc_now
from onshelf_gateway.store.events import audiences_with, forget_user, replace_response

F = feedback_pb2


async def forget(gateway: Gateway, call: Call, request: F.ForgetUserRequest) -> F.ForgetUserResponse:
    """Answer ForgetUser. A user that nobody knows gets a receipt of zeros."""
    with call.stage("validate"):
        release = gateway.release(call, 0)
        check = Checker()
        user_id = check.user_id("user_id", request.user_id, required=True)
        check.done()
    receipt = F.ForgetUserResponse(
        receipt_id=f"forgotten-{uuid.uuid4().hex}", in_served_release=user_id in release.user_rows
    )

    def write(connection: Connection) -> None:
        deleted = forget_user(connection, user_id, receipt.receipt_id)
        receipt.events_deleted = deleted["events"]
        receipt.refused_events_deleted = deleted["refused_events"]
        receipt.answers_deleted = deleted["answers"]
        for row in audiences_with(connection, user_id):
            changed = _without(row, user_id)
            if changed is not None:
                replace_response(connection, row.answer_id, changed)
                receipt.audiences_changed += 1

    with call.stage("store"):
        await gateway.memory.write(write)
        await gateway.memory.wipe()
    gateway.answers.clear()  # plans that are kept for a repeated request id have audiences, too
    receipt.forgotten_at.CopyFrom(timestamp(utc_now()))
    return receipt


def _without(row: Any, user_id: str) -> bytes | None:
    """A response without a user; None where it has not got the user: the id is a part of something else."""
    response: Any
    if row.kind == AUDIENCE:
        response = recommendation_pb2.FindAudienceResponse.FromString(row.response)
        members = response.users
    elif row.kind == EVALUATION:
        return None
    else:
        response = launch_pb2.PlanLaunchResponse.FromString(row.response)
        members = response.audience
    kept = [member for member in members if member.user_id != user_id]
    if len(kept) == len(members):
        return None
    del members[:]
    members.extend(kept)
    return bytes(response.SerializeToString())
