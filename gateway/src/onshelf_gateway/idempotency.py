"""Answers kept by request id, so that a repeated call gets the same plan."""

import hashlib
import uuid
from collections import OrderedDict
from typing import Generic, TypeVar

from google.protobuf.message import Message

from onshelf_gateway import metrics
from onshelf_gateway.errors import refuse


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
    """The last `size` answers by request id."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[str, tuple[str, M]] = OrderedDict()

    def get(self, request_id: str, content: str) -> M | None:
        """The answer given before; None for a new id.

        Raises:
            GatewayError: REQUEST_ID_REUSED when the id came with another content.
        """
        if not request_id or request_id not in self._kept:
            return None
        known, answer = self._kept[request_id]
        if known != content:
            raise refuse("REQUEST_ID_REUSED", "request_id", "was used for a different request; use a new id")
        self._kept.move_to_end(request_id)
        metrics.replays.inc()
        return answer

    def put(self, request_id: str, content: str, answer: M) -> None:
        """Keep an answer."""
        if request_id and self._size:
            self._kept[request_id] = (content, answer)
            self._kept.move_to_end(request_id)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
