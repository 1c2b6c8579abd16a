"""Writes of many calls in one transaction: they share the wait for the disk; each is durable when its call goes on."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection

from onshelf_gateway.store.database import Store

T = TypeVar("T")
TOGETHER = 256  # works in one transaction
READERS = 2  # threads: a long report keeps no write, and no short read


class GroupCommit:
    """Writes to a store, in the order in which they are asked for. Used on one event loop, with threads of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writes")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reads")
        self._writing: asyncio.Task[None] | None = None

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once the transaction that it was a part of is durable.

        A caller that is cancelled meanwhile has written all the same. An error of one work undoes that work alone; the
        others of its transaction are done again, so that a work must leave the same when it is called twice.

        Raises:
            StoreError: the database failed; nothing of this work was written.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await asyncio.shield(done)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns of one moment of the database.

        Raises:
            StoreError: the database failed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await self._writing
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._readers.shutdown)

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
            results = await loop.run_in_executor(self._thread, self._together, [work for work, _ in group])
            for (_, done), result in zip(group, results, strict=True):
                if done.cancelled():
                    continue
                if isinstance(result, BaseException):
                    done.set_exception(result)
                    done.exception()  # looked at: its caller may have gone
                else:
                    done.set_result(result)

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._store.reading() as connection:
            return work(connection)

    def _together(self, works: list[Callable[[Connection], Any]]) -> list[Any]:
        """What each work returns or raises: all in one transaction or, where one of them fails, each in its own.

        No savepoints: SQLite may have rolled back the whole transaction on its own when a statement fails.
        """
        try:
            with self._store.writing() as connection:
                return [work(connection) for work in works]
        except Exception as error:  # noqa: BLE001  (given to the caller, or found again below)
            return [error] if len(works) == 1 else [self._alone(work) for work in works]

    def _alone(self, work: Callable[[Connection], Any]) -> Any:
        try:
            with self._store.writing() as connection:
                return work(connection)
        except Exception as error:  # noqa: BLE001  (given to its caller)
            return error
