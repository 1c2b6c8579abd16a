"""Answers kept by request id: a repeated call gets the same plan, also while the first one is being answered; and
answers shared by calls that ask the same thing at the same time.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from google.protobuf.message import Message

from onshelf_gateway.call import metrics
from onshelf_gateway.call.errors import GatewayError, refuse
from onshelf_gateway.call.recent import Recent


def content_hash(request: Message) -> str:
    """SHA-256 of a request's content without its request id."""
    bare = type(request)()
    bare.CopyFrom(request)
    bare.ClearField("request_id")
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def plan_id(request_id: str, content: str, version: int) -> str:
    """Id of an answer: new for each call; the same for the same request id, content and model release."""
    if not request_id:
        return f"plan-{uuid.uuid4().hex}"
    return f"plan-{uuid.uuid5(uuid.NAMESPACE_URL, f'{version}/{request_id}/{content}').hex}"


M = TypeVar("M", bound=Message)
OF_CONTENT = ("NO_FEASIBLE_PLAN", "TEXT_NOT_UNDERSTOOD", "MODEL_OUTPUT_INVALID")  # failures by what was asked


class Shared(Generic[M]):
    """Answers that are being made: who asks the same meanwhile waits for the first, and goes alone where that fails."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], asyncio.Future[M]] = {}

    async def once(self, content: str, version: int, make: Callable[[], Awaitable[M]]) -> tuple[M, bool]:
        """The answer to a content by a model release, and whether it is another call's."""
        key = (content, version)
        if key in self._under_way:
            try:
                return await asyncio.shield(self._under_way[key]), True
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise  # this call was cancelled, not the one that it waits for
            return await make(), False  # who waited has waited enough
        answer: asyncio.Future[M] = asyncio.get_running_loop().create_future()
        self._under_way[key] = answer
        try:
            made = await make()
            answer.set_result(made)
            return made, False
        except GatewayError as error:
            if error.reason in OF_CONTENT:  # it would be the same for all
                answer.set_exception(error)
                answer.exception()  # looked at: nobody may wait
            raise
        finally:
            del self._under_way[key]
            answer.cancel()  # nothing where there is a result


class Answers(Generic[M]):
    """The last `size` answers by request id, as many of them as take no more than `room` bytes serialized."""

    def __init__(self, size: int, room: int) -> None:
        self._kept: Recent[str, tuple[str, M]] = Recent(size, room)
        self._under_way: dict[str, tuple[str, asyncio.Event]] = {}

    def get(self, request_id: str, content: str) -> M | None:
        """The answer given before; None for a new id, and for one whose answer is being made.

        Raises:
            GatewayError: REQUEST_ID_REUSED when the id came with another content, or is being answered for another.
        """
        under_way = self._under_way.get(request_id)
        kept = self._kept.get(request_id) if request_id else None
        if (kept is not None and kept[0] != content) or (under_way is not None and under_way[0] != content):
            raise refuse("REQUEST_ID_REUSED", "request_id", "was used for a different request; use a new id")
        if kept is None:
            return None
        metrics.replays.inc()
        return kept[1]

    @asynccontextmanager
    async def claim(self, request_id: str, content: str) -> AsyncIterator[M | None]:
        """None, and nobody else answers this id until the block ends; or the answer that another call has just given.

        Raises:
            GatewayError: as `get`.
        """
        if not request_id:
            yield None
            return
        while True:
            known = self.get(request_id, content)
            if known is not None:
                yield known
                return
            if request_id not in self._under_way:
                break
            await self._under_way[request_id][1].wait()
        done = asyncio.Event()
        self._under_way[request_id] = (content, done)
        try:
            yield None
        finally:
            del self._under_way[request_id]
            done.set()

    def put(self, request_id: str, content: str, answer: M) -> None:
        """Keep an answer."""
        if request_id:
            self._kept.put(request_id, (content, answer), answer.ByteSize())

    def clear(self) -> None:
        """Keep nothing of what was answered so far."""
        self._kept.clear()
