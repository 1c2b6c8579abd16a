"""Answers kept by request id, so that a repeated call gets the same plan."""

import hashlib
import uuid
from typing import Generic, TypeVar

from google.protobuf.message import Message

from onshelf_gateway import metrics
from onshelf_gateway.errors import refuse
from onshelf_gateway.recent import Recent


def content_hash(request: Message) -> str:
    """SHA-256 of a request's content."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()


def plan_id(request_id: str, content: str, version: int) -> str:
    """Id of an answer: new for each call; the same for the same request id, content and model release."""
    if not request_id:
        return f"plan-{uuid.uuid4().hex}"
    return f"plan-{uuid.uuid5(uuid.NAMESPACE_URL, f'{version}/{request_id}/{content}').hex}"


M = TypeVar("M", bound=Message)


class Answers(Generic[M]):
    """The last `size` answers by request id, as many of them as take no more than `room` bytes serialized."""

    def __init__(self, size: int, room: int) -> None:
        self._kept: Recent[str, tuple[str, M]] = Recent(size, room)

    def get(self, request_id: str, content: str) -> M | None:
        """The answer given before; None for a new id.

        Raises:
            GatewayError: REQUEST_ID_REUSED when the id came with another content.
        """
        kept = self._kept.get(request_id) if request_id else None
        if kept is None:
            return None
        if kept[0] != content:
            raise refuse("REQUEST_ID_REUSED", "request_id", "was used for a different request; use a new id")
        metrics.replays.inc()
        return kept[1]

    def put(self, request_id: str, content: str, answer: M) -> None:
        """Keep an answer."""
        if request_id:
            self._kept.put(request_id, (content, answer), answer.ByteSize())
