"""RecordEvents and StreamEvents: events that keep the rules become durable, the others are refused one by one."""

import asyncio
import time
import unicodedata
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from onshelf.v1 import feedback_pb2
from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError, draining
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.requests.event import check_event, event_row
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.store.events import Recorded, RefusedRow, add_events

F = feedback_pb2
MOST = 10_000  # events of a call
MOST_STREAMED = 1_000  # of a message of a stream
AT_ONCE = 250  # events that are checked in one go, some milliseconds
WAITING = 4  # messages of a stream that may wait for the disk


async def record_events(gateway: Gateway, call: Call, request: F.RecordEventsRequest) -> F.RecordEventsResponse:
    """Answer RecordEvents."""
    with call.stage("validate", len(request.events)):
        _check_size("events", request.events, MOST)
    with gateway.permits.hold(call):
        recorded = await _record(gateway, call, request.events)
    return F.RecordEventsResponse(
        stored=recorded.stored, duplicates=recorded.duplicates, errors=[_error(row) for row in recorded.refused]
    )


async def stream_events(
    gateway: Gateway, call: Call, requests: AsyncIterator[F.StreamEventsRequest]
) -> AsyncIterator[F.StreamEventsResponse]:
    """Answer StreamEvents: an answer for each message, in order, once its events are durable.

    Raises:
        GatewayError: of a message that is no batch, once those before it are answered; DRAINING where nothing more
            comes; STORE_UNAVAILABLE.
    """
    source = aiter(requests)
    waiting: deque[tuple[int, asyncio.Task[Recorded]]] = deque()
    total = F.StreamEventsResponse()
    stopping = asyncio.create_task(gateway.draining.wait())
    reading: asyncio.Task[F.StreamEventsRequest | None] | None = None
    ended, failure = False, None
    try:
        while waiting or not ended:
            if reading is None and not ended and len(waiting) < WAITING:
                reading = asyncio.create_task(_next(source))
            stop = gateway.draining.is_set()
            if not stop or waiting:
                tasks: set[asyncio.Task[Any]] = {*([] if stop else [stopping])}
                tasks |= {*([reading] if reading and not stop else []), *([waiting[0][1]] if waiting else [])}
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stop and not ended:  # no further message is read; what waits is acknowledged
                ended, failure = True, draining(gateway.settings.retry_after_ms)
            if reading is not None and reading.done():
                try:
                    request = None if failure is not None else reading.result()
                    if request is not None:
                        _check_size("events", request.events, MOST_STREAMED)
                        part = asyncio.create_task(_record(gateway, call.part(), request.events))
                        waiting.append((len(request.events), part))
                    ended = request is None
                except GatewayError as error:
                    ended, failure = True, error
                reading = None
            while waiting and waiting[0][1].done():
                count, part = waiting.popleft()
                yield _acknowledged(total, count, part.result())
        if failure is not None:
            raise failure
    finally:
        left: list[asyncio.Task[Any]] = [stopping, *([reading] if reading else []), *(part for _, part in waiting)]
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _next(source: AsyncIterator[F.StreamEventsRequest]) -> F.StreamEventsRequest | None:
    return await anext(source, None)


def _acknowledged(total: F.StreamEventsResponse, count: int, recorded: Recorded) -> F.StreamEventsResponse:
    """Add a message's events to the stream's total; returns the answer."""
    errors = [_error(row, total.acknowledged) for row in recorded.refused]
    total.acknowledged += count
    total.stored += recorded.stored
    total.duplicates += recorded.duplicates
    return F.StreamEventsResponse(
        acknowledged=total.acknowledged, stored=total.stored, duplicates=total.duplicates, errors=errors
    )


async def _record(gateway: Gateway, call: Call, events: Sequence[F.Event]) -> Recorded:
    """Check events, write them, and count what became of them."""
    release = gateway.release(call, 0)
    zone, now = release.zone, time.time()
    rows: list[tuple[int, dict[str, Any], bytes]] = []
    refused: list[RefusedRow] = []
    with call.stage("events", len(events)):
        for index, event in enumerate(events):
            if index % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)  # other calls and health get their turn
            check = Checker()
            check_event(check, event, release, now)
            if check.violations:
                refused.append(_refused(index, event, check))
            else:
                rows.append((index, event_row(event, zone), event.SerializeToString()))
    most = gateway.settings.refused_events
    with call.stage("store", len(rows)):
        recorded = await gateway.memory.write(lambda connection: add_events(connection, rows, refused, most))
    metrics.events.labels("stored").inc(recorded.stored)
    metrics.events.labels("duplicate").inc(recorded.duplicates)
    metrics.events.labels("refused").inc(len(recorded.refused))
    return recorded


def _check_size(field: str, events: Sequence[F.Event], most: int) -> None:
    check = Checker()
    if not events:
        check.fail("FIELD_REQUIRED", field, "is empty and required")
    check.count(field, events, most)
    check.done()


def _refused(index: int, event: F.Event, check: Checker) -> RefusedRow:
    """The event as it is kept: without a user id that was refused."""
    of_user = [one for one in check.violations if one.field == "user_id"]
    first = (of_user or check.violations)[0]
    kept = F.Event()
    kept.CopyFrom(event)
    if of_user:  # it may be personal, whatever else is wrong with it
        kept.user_id = ""
    return RefusedRow(
        index=index,
        event_id=_plain(event.event_id),
        user_id=_plain(kept.user_id),
        reason=first.reason,
        field=first.field,
        message=first.message,
        event=kept.SerializeToString(),
    )


def _plain(text: str) -> str:
    """At most 128 characters without control characters, which not every database keeps."""
    return "".join(char for char in text[:128] if unicodedata.category(char) != "Cc")


def _error(row: RefusedRow, start: int = 0) -> F.EventError:
    return F.EventError(
        index=start + row.index, event_id=row.event_id, reason=row.reason, field=row.field, message=row.message
    )
