"""Answers remembered: what was offered, in which order, with which probability, by which model release."""

import asyncio
import contextlib
import datetime as dt
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import structlog
from google.protobuf.message import Message
from sqlalchemy import Connection

from onshelf.v1 import types_pb2
from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.settings import Settings
from onshelf_gateway.store import answers
from onshelf_gateway.store.answers import Answer
from onshelf_gateway.store.database import Store, StoreError
from onshelf_gateway.store.group_commit import GroupCommit

log = structlog.get_logger(__name__)
T = TypeVar("T")
BEST_FIRST = "best_first"  # the policy: nothing is drawn, so each offer has the probability 1
CLEANING_SECONDS = 3600.0
FLUSH_SECONDS = 0.2  # from an answer until it is written; what a killed process may lose
RETRY_SECONDS = 1.0
MOST_WAITING = 2_000  # answers, some 40 MB
OLD_AT_ONCE = 500  # answers forgotten in one transaction, so that calls need not wait for long


class Memory:
    """The store as calls use it. Answers are written together, a moment after they were given; the rest at once.

    While the store does not take answers, new ones say so, and those that wait are kept for when it does.

    Args:
        settings: whether and for how long answers are remembered.
        store: the database, open.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._commits = GroupCommit(store)
        self._waiting: list[Answer] = []
        self._flushing = asyncio.Lock()
        self._due: asyncio.Task[None] | None = None
        self._failing = False
        self._unwiped = False

    def remember(
        self,
        call: Call,
        release: ModelRelease,
        *,
        kind: str,
        today: dt.date,
        request: Message,
        response: Any,
        offered: Sequence[dict[str, object]],
        answer_id: str = "",
        product_id: str = "",
        title: str = "",
        user_id: str = "",
        policy: str = BEST_FIRST,
    ) -> None:
        """Have an answer written, and put its id into `response.info.attribution_token`.

        While the store takes none, a notice of the answer says so.

        Args:
            call: of the answer.
            release: that made it.
            kind: plan, evaluation, recommendation or audience.
            today: the day that counted as today.
            request: the question.
            response: the answer, complete but for the token.
            offered: what was offered, best first; the position is added, and the probability 1 where none is given.
            answer_id: id of the answer; a new one where empty.
            product_id: that was planned or asked about.
            title: its title.
            user_id: whom products were recommended to.
            policy: how offers were chosen.
        """
        if not self._settings.remember:
            return
        if self._failing or len(self._waiting) >= MOST_WAITING:
            metrics.not_remembered.inc()
            response.info.notices.add(
                code=types_pb2.NOTICE_CODE_NOT_REMEMBERED,
                message="the store takes no answers now: this one cannot be read back or decided, and events cannot "
                "name it",
            )
            return
        answer_id = answer_id or f"{kind}-{uuid.uuid4().hex}"
        response.info.attribution_token = answer_id
        with call.stage("remember"):
            pinned = type(request)()
            pinned.CopyFrom(request)
            pinned.model_release = release.version  # type: ignore[attr-defined]
            rows = [{"position": n, "probability": 1.0, **offer} for n, offer in enumerate(offered, start=1)]
            self._waiting.append(
                Answer(
                    answer_id=answer_id,
                    kind=kind,
                    created_at=answers.utc_now(),
                    model_release=release.version,
                    policy=policy,
                    today=today,
                    product_id=product_id,
                    title=title,
                    user_id=user_id,
                    offered=json.dumps(rows, separators=(",", ":")),
                    request=pinned.SerializeToString(),
                    response=response.SerializeToString(),
                )
            )
        if self._due is None or self._due.done():
            self._due = asyncio.create_task(self._flush_soon())

    async def find_plan(self, plan_id: str) -> Any:
        """The row of a remembered plan, or None; another process that has just given it may be writing it."""
        row = await self.read(lambda connection: answers.find_plan(connection, plan_id))
        if row is None:
            await asyncio.sleep(2 * FLUSH_SECONDS)
            row = await self.read(lambda connection: answers.find_plan(connection, plan_id))
        return row

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What a transaction returns, once it is durable.

        Raises:
            GatewayError: STORE_UNAVAILABLE; nothing was written.
        """
        await self._flush()
        return await self._asked(self._commits.write(work), "did not take the change; nothing was changed")

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What is read of one moment.

        Raises:
            GatewayError: STORE_UNAVAILABLE.
        """
        await self._flush()
        return await self._asked(self._commits.read(work), "does not answer")

    async def forget_old(self) -> int:
        """Delete answers without a decision that are older than the setting allows; returns how many."""
        before = answers.utc_now() - dt.timedelta(days=self._settings.remember_days)
        deleted = 0
        while True:
            some = await self._commits.write(lambda c: answers.forget_old(c, before, OLD_AT_ONCE))
            deleted += some
            if some < OLD_AT_ONCE:
                return deleted

    async def wipe(self) -> None:
        """Let nothing of what was deleted stay in the store's files; where readers are in the way, a little later."""
        self._unwiped = True
        with contextlib.suppress(StoreError):  # `run` tries again
            self._unwiped = not await asyncio.to_thread(self._store.wipe)

    async def run(self) -> None:
        """Delete old answers now and then, and wipe what could not be wiped at once; until cancelled."""
        due = 0.0
        while True:
            now = asyncio.get_running_loop().time()
            try:
                if now >= due:
                    due = now + CLEANING_SECONDS
                    if deleted := await self.forget_old():
                        log.info("old_answers_deleted", answers=deleted)
            except StoreError as error:
                log.error("store_failed", reason=str(error))
            if self._unwiped:
                await self.wipe()
            await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        """Write what waits."""
        if self._due is not None:
            self._due.cancel()
            await asyncio.gather(self._due, return_exceptions=True)
        await self._flush()
        if self._waiting:
            log.error("answers_lost", answers=len(self._waiting))
        await self._commits.close()

    async def _flush_soon(self) -> None:
        """Write what waits a moment later, so that many share a transaction; again and again while the store fails."""
        while self._waiting:
            await asyncio.sleep(RETRY_SECONDS if self._failing else FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        """Write what waits; goes on where its caller is cancelled, so that no answer is in nobody's hands."""
        await asyncio.shield(asyncio.create_task(self._flush_all()))

    async def _flush_all(self) -> None:
        async with self._flushing:
            rows = self._waiting
            if not rows:
                return
            self._waiting = []
            try:
                await self._add(rows)
            except StoreError as error:
                log.error("answers_not_remembered", answers=len(rows), reason=str(error))
                if error.of_values:
                    await self._add_singly(rows)
                else:
                    self._failing = True
                    self._waiting = rows + self._waiting

    async def _add(self, rows: list[Answer]) -> None:
        await self._commits.write(lambda connection: answers.add_answers(connection, rows))
        self._failing = False
        metrics.remembered.inc(len(rows))

    async def _add_singly(self, rows: list[Answer]) -> None:
        """Write rows one by one: one that can never be written must not keep the others."""
        for n, row in enumerate(rows):
            try:
                await self._add([row])
            except StoreError as error:
                if not error.of_values:
                    self._failing = True
                    self._waiting = rows[n:] + self._waiting
                    return
                metrics.not_remembered.inc()
                log.error("answer_dropped", kind=row.kind, answer_id=row.answer_id, reason=str(error))

    async def _asked(self, asking: Awaitable[T], failure: str) -> T:
        try:
            return await asking
        except StoreError as error:
            log.error("store_failed", reason=str(error))
            raise GatewayError(
                "STORE_UNAVAILABLE", f"the store {failure}", retry_after_ms=self._settings.retry_after_ms
            ) from error
