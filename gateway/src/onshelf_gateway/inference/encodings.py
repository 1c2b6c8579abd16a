"""Encode once: products already read are kept, rows that wait go to the encoder together, equal ones only once.

Rows of one model release form a queue; where its encoder computes padding, too, each length in tokens has its own.
At most `DEPTH` batches are under way. Where none is, a row leaves at once; beside one of up to `SMALL` rows, once as
many wait: two alike cost less than a large one and the few rows that came since. The queue of the row that waits
longest leaves, all of it, at most `MOST` rows at a time. So batches grow with the load, and nobody waits for a clock.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from onshelf_gateway.call import metrics, side_by_side
from onshelf_gateway.call.recent import Recent
from onshelf_gateway.inference.backend import Array
from onshelf_gateway.releases.model_release import ModelRelease

DEPTH = 2  # batches under way: one for each of the encoder's instances, or one computed while the next one waits there
SMALL = 16  # rows of a batch that is soon back; it takes tens of milliseconds on a CPU
MOST = 64  # max_batch_size of the encoder
NAMES = ("input_ids", "attention_mask", "categorical_ids", "attributes")
Row = dict[str, Array]  # one product's inputs and outputs, without the batch dimension
Encode = Callable[[ModelRelease, dict[str, Array], float], Awaitable[dict[str, Array]]]
Check = Callable[[Row], None]
Mixes = Callable[[ModelRelease], bool]


@dataclass(kw_only=True)
class _Waiting:
    """A row that waits for its answer, until when, and who wants it."""

    key: tuple[str, bytes]
    row: Row
    deadline: float
    answer: asyncio.Future[Row] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    wanted: int = 0
    batch: "_Batch | None" = None
    since: float = field(default_factory=time.monotonic)

    def failed(self) -> bool:
        """Whether it has no answer and gets none."""
        return self.answer.done() and (self.answer.cancelled() or self.answer.exception() is not None)

    def ends_too_early(self, deadline: float) -> bool:
        """Whether its batch, which has left, is given up in less than half of the time that a later caller has."""
        now = time.monotonic()
        return self.batch is not None and self.batch.deadline - now < (deadline - now) / 2


@dataclass
class _Batch:
    """Rows that are being read together."""

    rows: list[_Waiting]
    deadline: float
    task: "asyncio.Task[None] | None" = None

    def stopped(self) -> bool:
        """Stop the work where nobody waits for it any more; whether it was."""
        return self.task is not None and not any(one.wanted for one in self.rows) and self.task.cancel()


@dataclass
class _Queue:
    """Rows of one release that wait, of one length where lengths do not mix."""

    release: ModelRelease
    rows: list[_Waiting] = field(default_factory=list)


class Encodings:
    """What the encoder said, bounded in entries and bytes; used on one event loop only.

    Args:
        encode: runs one batch: release, inputs [n, ...], seconds -> outputs [n, ...]. It may raise anything; all rows
            of the batch then fail with it.
        check: raises for the outputs of one row that are no answer; that row alone then fails with it.
        entries: products kept; 0 keeps none.
        room: bytes that they may take.
        mixes: whether a release's encoder does no work for padding, so that rows of any lengths may go together.
    """

    def __init__(
        self, *, encode: Encode, check: Check, entries: int, room: int, mixes: Mixes = lambda _: False
    ) -> None:
        self._encode = encode
        self._check = check
        self._mixes = mixes
        self._kept: Recent[tuple[str, bytes], Row] = Recent(entries, room)
        self._under_way: dict[tuple[str, bytes], _Waiting] = {}
        self._queues: dict[tuple[str, int], _Queue] = {}
        self._batches = self._rows = 0  # under way

    async def get(self, release: ModelRelease, rows: Sequence[Row], deadline: float) -> tuple[list[Row], int]:
        """The outputs of rows, and how many of them were kept from before.

        Args:
            release: the model release.
            rows: the encoder's inputs of each product.
            deadline: time.monotonic() by which the answer is wanted; the batch is abandoned at the latest of its rows'.
        """
        found: list[Row | _Waiting] = []
        hits = 0
        for row in rows:
            key = (release.fingerprint, b"".join(row[name].tobytes() for name in NAMES))
            known = self._kept.get(key)
            if known is not None:
                hits += 1
                found.append(known)
                continue
            waiting = self._under_way.get(key)
            if waiting is None or waiting.ends_too_early(deadline):
                waiting = self._under_way[key] = _Waiting(key=key, row=row, deadline=deadline)
                size = (release.fingerprint, 0 if self._mixes(release) else len(row["input_ids"]))
                self._queues.setdefault(size, _Queue(release)).rows.append(waiting)
            waiting.deadline = max(waiting.deadline, deadline)
            waiting.wanted += 1
            found.append(waiting)
        metrics.encoder_cache(hits, len(rows) - hits)
        self._leave()
        mine = [one for one in found if isinstance(one, _Waiting)]
        try:
            if mine:
                await asyncio.wait([one.answer for one in mine], return_when=asyncio.FIRST_EXCEPTION)
            failed = next((one.answer for one in mine if one.failed()), None)
            if failed is not None:  # what waits for its turn is withdrawn, what was sent may come back
                self._unwant([one for one in mine if one.batch is None])
                mine = [one for one in mine if one.batch is not None]
                await side_by_side.come_back([one.answer for one in mine], deadline - time.monotonic())
                failed.result()
            answers = [one if isinstance(one, dict) else one.answer.result() for one in found]
        finally:
            self._unwant(mine)
        return answers, hits

    def _unwant(self, rows: Sequence[_Waiting]) -> None:
        """One caller no longer waits for rows; batches that nobody waits for are stopped."""
        for one in rows:
            one.wanted -= 1
            if one.batch is not None and one.batch.stopped():
                for left in one.batch.rows:  # who asks from now on starts anew
                    if self._under_way.get(left.key) is left:
                        del self._under_way[left.key]

    def _leave(self) -> None:
        while self._queues and self._batches < DEPTH and not self._waits_for_more():
            size = min(self._queues, key=lambda key: self._queues[key].rows[0].since)
            queue = self._queues[size]
            batch = [one for one in queue.rows[:MOST] if one.wanted]
            for gone in (one for one in queue.rows[:MOST] if not one.wanted):
                if self._under_way.get(gone.key) is gone:
                    del self._under_way[gone.key]
                gone.answer.cancel()
            del queue.rows[:MOST]
            if not queue.rows:
                del self._queues[size]  # it holds its model release
            if batch:
                self._batches += 1
                self._rows += len(batch)
                together = _Batch(batch, max(one.deadline for one in batch))
                for one in batch:
                    one.batch = together
                together.task = asyncio.create_task(self._run(queue.release, together))
                # also where it is cancelled before its first step
                together.task.add_done_callback(partial(self._came_back, together))

    def _waits_for_more(self) -> bool:
        return sum(len(queue.rows) for queue in self._queues.values()) < self._rows <= SMALL

    async def _run(self, release: ModelRelease, batch: _Batch) -> None:
        try:
            inputs = {name: _stacked([one.row[name] for one in batch.rows]) for name in NAMES}
            outputs = await self._encode(release, inputs, batch.deadline - time.monotonic())
            for number, one in enumerate(batch.rows):
                self._settle(one, {name: np.array(values[number]) for name, values in outputs.items()})
        except Exception as error:  # noqa: BLE001  (whatever it is, it belongs to those who wait)
            for one in batch.rows:
                _fail(one, error)

    def _settle(self, one: _Waiting, answer: Row) -> None:
        try:
            self._check(answer)
        except Exception as error:  # noqa: BLE001  (it belongs to those who wait for this row)
            _fail(one, error)
            return
        self._keep(one.key, answer)
        if not one.answer.done():
            one.answer.set_result(answer)

    def _came_back(self, batch: _Batch, _: "asyncio.Task[None]") -> None:
        for one in batch.rows:
            if self._under_way.get(one.key) is one:
                del self._under_way[one.key]
            one.answer.cancel()  # nothing where there is an answer
        self._batches -= 1
        self._rows -= len(batch.rows)
        self._leave()

    def _keep(self, key: tuple[str, bytes], answer: Row) -> None:
        size = len(key[1]) + sum(value.nbytes for value in answer.values())
        self._kept.put(key, answer, size)
        metrics.encoder_cache_bytes.set(self._kept.weight)
        metrics.encoder_cache_entries.set(len(self._kept))


def _stacked(rows: Sequence[Array]) -> Array:
    """Rows [n] of one dtype as a matrix, the shorter ones with zeros at their ends, which their masks leave out."""
    lengths = np.array([len(row) for row in rows])
    matrix = np.zeros((len(rows), lengths.max()), dtype=rows[0].dtype)
    matrix[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(rows)
    return matrix


def _fail(one: _Waiting, error: Exception) -> None:
    if not one.answer.done():
        one.answer.set_exception(error)
        one.answer.exception()  # looked at: nobody may be left to
