"""Permits: as many calls at once as the setting allows; the others are refused instead of waiting.

Rows of streams wait: each stream has few of them on the way, and reads no further while they do. An eighth of the
permits is kept for calls, so that streams do not turn them away. A batch of Triton's protocol takes as many permits as
are free, at least one; its rows wait for one another.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError


class Permits:
    """A bound on calls that are being answered. Used on one event loop only."""

    def __init__(self, count: int, retry_after_ms: int) -> None:
        self._count = count
        self._free = count
        self._rows, self._most_rows = 0, count - max(count > 1, count // 8)  # some are for calls alone
        self._retry_after_ms = retry_after_ms
        self._waiting: deque[asyncio.Future[None]] = deque()
        metrics.permits.set(count)

    @contextmanager
    def hold(self, call: Call) -> Iterator[None]:
        """Hold a permit; getting it is the stage "admit".

        Raises:
            GatewayError: OVERLOADED when none is free.
        """
        with call.stage("admit"):
            if self._free == 0:
                metrics.refused_permits.inc()
                raise GatewayError(
                    "OVERLOADED",
                    f"{self._count} requests are being answered, as many as --max-in-flight allows; retry later",
                    retry_after_ms=self._retry_after_ms,
                )
            self._free -= 1
        metrics.permits.set(self._free)
        try:
            yield
        finally:
            self._give_back()

    @contextmanager
    def hold_some(self, call: Call, most: int) -> Iterator[int]:
        """Hold as many permits as are free, at least 1 and at most `most`; gives how many.

        Raises:
            GatewayError: as `hold`.
        """
        with self.hold(call):
            more = min(most - 1, self._free)
            self._free -= more
            metrics.permits.set(self._free)
            try:
                yield 1 + more
            finally:
                for _ in range(more):
                    self._give_back()

    @asynccontextmanager
    async def wait(self, call: Call) -> AsyncIterator[None]:
        """Hold a permit, after those who waited before; getting it is the stage "admit"."""
        with call.stage("admit"):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            self._hand_out()
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # it came at the same moment: the next one's turn
                    self._row_done()
                raise
        try:
            yield
        finally:
            self._row_done()

    def _row_done(self) -> None:
        self._rows -= 1
        self._give_back()

    def _give_back(self) -> None:
        self._free += 1
        self._hand_out()

    def _hand_out(self) -> None:
        """Free permits to the rows that have waited longest, as long as rows may have more."""
        while self._waiting and self._free and self._rows < self._most_rows:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._free -= 1
                self._rows += 1
        metrics.permits.set(self._free)
