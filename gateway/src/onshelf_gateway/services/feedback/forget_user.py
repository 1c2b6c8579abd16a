"""ForgetUser: a user's events and answers deleted at once, with a receipt."""

import contextlib
import uuid
from functools import partial
from typing import Any

from sqlalchemy import Connection

from onshelf.v1 import feedback_pb2, launch_pb2, recommendation_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.stored_plan import timestamp
from onshelf_gateway.store.answers import AUDIENCE, responses_of, utc_now
from onshelf_gateway.store.database import StoreError
from onshelf_gateway.store.events import audiences_with, forget_user, replace_response

F = feedback_pb2
AT_ONCE = 50  # answers that are written back in one transaction


async def forget(gateway: Gateway, call: Call, request: F.ForgetUserRequest) -> F.ForgetUserResponse:
    """Answer ForgetUser. A user that nobody knows gets a receipt of zeros."""
    with call.stage("validate"):
        release = gateway.release(call, 0)
        check = Checker()
        user_id = check.user_id("user_id", request.user_id, required=True)
        check.done()
    receipt_id = f"forgotten-{uuid.uuid4().hex}"
    with call.stage("store"):
        deleted = await gateway.memory.write(lambda c: forget_user(c, user_id, receipt_id))
        with contextlib.suppress(StoreError):  # it is looked for again a moment later
            await gateway.forgotten.refresh()
        # from here on this process names the user in no answer; what it named before is taken out
        found = await gateway.memory.read(lambda c: audiences_with(c, user_id))
        changed = 0
        for start in range(0, len(found), AT_ONCE):
            part = found[start : start + AT_ONCE]
            changed += await gateway.memory.write(partial(_take_out, answer_ids=part, user_id=user_id))
        await gateway.memory.wipe()
    return F.ForgetUserResponse(
        receipt_id=receipt_id,
        forgotten_at=timestamp(utc_now()),
        events_deleted=deleted["events"],
        refused_events_deleted=deleted["refused_events"],
        answers_deleted=deleted["answers"],
        audiences_changed=changed,
        in_served_release=user_id in release.user_rows,
        model_releases=gateway.forgotten.holding(user_id),
    )


def _take_out(connection: Connection, answer_ids: list[str], user_id: str) -> int:
    """Take a user out of some answers' audiences; returns of how many."""
    changed = 0
    for row in responses_of(connection, answer_ids).values():
        response = _without(row, user_id)
        if response is not None:
            replace_response(connection, row.answer_id, response)
            changed += 1
    return changed


def _without(row: Any, user_id: str) -> bytes | None:
    """A response without a user; None where it has not got the user: the id is a part of something else."""
    response: Any
    if row.kind == AUDIENCE:
        response = recommendation_pb2.FindAudienceResponse.FromString(row.response)
        members = response.users
    else:
        response = launch_pb2.PlanLaunchResponse.FromString(row.response)
        members = response.audience
    kept = [member for member in members if member.user_id != user_id]
    if len(kept) == len(members):
        return None
    del members[:]
    members.extend(kept)
    return bytes(response.SerializeToString())
