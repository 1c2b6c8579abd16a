"""StreamPlans: many products on one stream, some at a time, each answered as soon as its plan is ready.

Flow control is the transport's: the next request is read when fewer than `--stream-in-flight` are being answered, and
none is while an answer waits to be taken. So a stream of any length needs the memory of a few plans: ids are compared
with those of the rows being answered only.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import structlog
from google.rpc import code_pb2

from onshelf.v1 import launch_pb2
from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError, draining, refuse
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.plan_launch import plan_launch

log = structlog.get_logger(__name__)
IDLE = 0.5  # seconds without a row after which a draining gateway ends a stream
Request = launch_pb2.StreamPlansRequest
Response = launch_pb2.StreamPlansResponse


async def stream_plans(gateway: Gateway, call: Call, requests: AsyncIterator[Request]) -> AsyncIterator[Response]:
    """Answer StreamPlans; once the gateway drains, rows are refused, so that their sender ends the stream.

    Raises:
        GatewayError: DRAINING, where no row comes that could be refused; MESSAGE_INVALID, once all rows before the one
            that cannot be read are answered: it has no id to answer under.
    """
    source = aiter(requests)
    running: dict[asyncio.Task[Response], str] = {}  # with the ids that they keep from other rows
    stopping = asyncio.create_task(gateway.draining.wait())
    reading: asyncio.Task[Request | None] | None = None
    ended, failure = False, None
    try:
        while running or not ended:
            if reading is None and not ended and len(running) < gateway.settings.stream_in_flight:
                reading = asyncio.create_task(_next(source))
            waiting: set[asyncio.Task[Any]] = {*running, *([reading] if reading else [])}
            stop = gateway.draining.is_set()
            if not stop:
                waiting.add(stopping)
            done, _ = await asyncio.wait(waiting, timeout=IDLE if stop else None, return_when=asyncio.FIRST_COMPLETED)
            if stop and not done and not running:  # nothing comes: its sender would keep it open for ever
                raise draining(gateway.settings.retry_after_ms)
            if reading is not None and reading.done():
                try:
                    request = reading.result()
                except GatewayError as error:
                    request, failure = None, error
                reading, ended = None, request is None
                if request is not None:
                    name = request.plan.request_id
                    taken = name in running.values()
                    running[asyncio.create_task(_answer(gateway, call, request, taken))] = "" if taken else name
            for task in [task for task in running if task.done()]:
                yield task.result()
                del running[task]  # once the answer is taken
        if failure is not None:
            raise failure
    finally:
        left: list[asyncio.Task[Any]] = [*running, stopping, *([reading] if reading else [])]
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _next(source: AsyncIterator[Request]) -> Request | None:
    return await anext(source, None)


async def _answer(gateway: Gateway, stream: Call, request: Request, taken: bool) -> Response:
    """One row: its plan, or why there is none; the stream goes on. `taken`: a row being answered has its id."""
    plan = request.plan
    own = stream.part()
    response = Response(request_id=plan.request_id)
    try:
        if gateway.draining.is_set():
            raise draining(gateway.settings.retry_after_ms)
        _check_id(plan.request_id, taken)
        response.plan.CopyFrom(await plan_launch(gateway, own, plan, patient=True))
        code = "OK"
    except TimeoutError:
        late = GatewayError("DEADLINE_EXCEEDED", f"{own.deadline_name} passed before the plan was ready")
        code = _tell(response, late)
    except GatewayError as error:
        code = _tell(response, error)
    except Exception:
        log.exception("row_failed", call_id=stream.call_id)
        response.error.code = code_pb2.INTERNAL
        response.error.message = f"unexpected failure; the log has it under call id {stream.call_id}"
        code = "INTERNAL"
    metrics.streamed_plans.labels(code).inc()
    return response


def _check_id(request_id: str, taken: bool) -> None:
    check = Checker()
    check.text("plan.request_id", request_id, 128, required=True)
    check.done()
    if taken:
        raise refuse("REQUEST_ID_REUSED", "plan.request_id", "is that of a row being answered; use a new id")


def _tell(response: Response, error: GatewayError) -> str:
    told = response.error
    told.code, told.reason = getattr(code_pb2, error.code.name), error.reason
    told.field = error.violations[0].field if error.violations else ""
    told.message = error.message
    return error.code.name
