"""Around every call: its identity and deadline, errors to status, one log line, metrics, none while draining."""

import asyncio
import inspect
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import grpc
import structlog
from grpc_status import rpc_status

from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import NS, Call
from onshelf_gateway.call.errors import GatewayError, draining, not_implemented
from onshelf_gateway.call.logs import UserHash
from onshelf_gateway.call.unreadable import all_readable, readable, reader
from onshelf_gateway.settings import Settings

log = structlog.get_logger(__name__)
PREFIXES = ("/onshelf.v1.", "/inference.")
CALL_ID_KEY = "x-request-id"
STREAM_SECONDS = 7 * 24 * 3600.0  # longest stream; its rows have the deadlines of calls
TRACE_KEY = "x-onshelf-trace"
_CURRENT: ContextVar[Call] = ContextVar("onshelf_call")
_CALL_ID = re.compile(r"[\w.:/-]{1,128}", re.ASCII)


def current_call() -> Call:
    """The call that this task answers."""
    return _CURRENT.get()


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps the handlers of onshelf.v1 and of Triton's protocol; health and reflection pass untouched."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hash = UserHash(settings.log_key)
        self.draining = False
        self.in_flight = 0

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(details)
        if handler is None or not details.method.startswith(PREFIXES):
            return handler
        metadata = dict(details.invocation_metadata or ())
        method = details.method.removeprefix(PREFIXES[0]).removeprefix(PREFIXES[1])
        if handler.unary_unary and inspect.iscoroutinefunction(handler.unary_unary):
            inner = handler.unary_unary
        else:  # the generated base class: synchronous, and not served

            async def inner(_request: Any, _context: Any) -> Any:
                raise not_implemented(method)

        read = reader(handler.request_deserializer)

        async def answer(request: Any, context: Any) -> Any:
            async with self._call(method, metadata, context, request) as call:
                return await self._within_deadline(call, inner, readable(request), context)

        if handler.stream_stream and inspect.isasyncgenfunction(handler.stream_stream):
            stream = handler.stream_stream

            async def answers(requests: Any, context: Any) -> AsyncIterator[Any]:
                async with self._call(method, metadata, context, stream=True):
                    async for response in stream(all_readable(requests), context):
                        yield response

            return grpc.stream_stream_rpc_method_handler(answers, read, handler.response_serializer)

        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        return make(answer, read, handler.response_serializer)

    @asynccontextmanager
    async def _call(
        self, method: str, metadata: dict[str, Any], context: Any, request: Any = None, stream: bool = False
    ) -> AsyncIterator[Call]:
        """Around one call, or one stream: it may last as long as its caller's deadline allows, each row has its own."""
        call = self._start(metadata, context, stream)
        _CURRENT.set(call)
        self.in_flight += 1
        metrics.in_flight.inc()
        code, failure = "OK", None
        try:
            if self.draining:
                raise draining(self._settings.retry_after_ms)
            yield call
            context.set_trailing_metadata(((CALL_ID_KEY, call.call_id),))
        except GatewayError as error:
            code, failure = error.code.name, error
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except Exception:
            code = "INTERNAL"
            log.exception("call_failed", method=method, call_id=call.call_id)
        finally:
            ended = (method, code, failure, call, request, time.monotonic_ns())
            if code == "OK":  # the answer leaves first
                asyncio.get_running_loop().call_soon(self._finish, *ended)
            else:
                self._finish(*ended)
        if code != "OK":
            await self._abort(context, call, failure)

    async def _abort(self, context: Any, call: Call, failure: GatewayError | None) -> None:
        if failure is None:  # what went wrong is in the log; its text may hold what callers must not see
            await context.abort(
                grpc.StatusCode.INTERNAL, f"unexpected failure; the log has it under call id {call.call_id}"
            )
        else:
            await context.abort_with_status(rpc_status.to_status(failure.status()))

    def _start(self, metadata: dict[str, Any], context: Any, stream: bool) -> Call:
        remaining = context.time_remaining()
        margin = self._settings.deadline_margin_ms / 1000
        own = self._settings.default_deadline_ms / 1000
        longest = self._settings.max_deadline_ms / 1000
        given = str(metadata.get(CALL_ID_KEY, ""))
        call_id = given if _CALL_ID.fullmatch(given) else uuid.uuid4().hex
        if stream:
            own = longest = STREAM_SECONDS
        allowed = own if remaining is None else remaining - margin
        call = Call(
            call_id=call_id, deadline=time.monotonic() + min(allowed, longest), caller_deadline=remaining is not None
        )
        call.trace = metadata.get(TRACE_KEY) == "1"
        if remaining is not None:
            call.margin = remaining - min(allowed, longest)
        if allowed > longest:
            call.deadline_name = f"the gateway's limit of {self._settings.max_deadline_ms} ms (max_deadline_ms)"
        elif remaining is not None:
            call.deadline_name = "the deadline, less the gateway's margin,"
        return call

    async def _within_deadline(self, call: Call, inner: Any, request: Any, context: Any) -> Any:
        late = GatewayError("DEADLINE_EXCEEDED", f"{call.deadline_name} passed before the answer was ready")
        if call.remaining() <= 0:
            raise late
        timeout = asyncio.timeout(call.remaining())
        try:
            async with timeout:
                return await inner(request, context)
        except TimeoutError as error:
            if timeout.expired():
                raise late from error
            raise

    def _finish(
        self, method: str, code: str, failure: GatewayError | None, call: Call, request: Any, ended_ns: int
    ) -> None:
        self.in_flight -= 1
        metrics.in_flight.dec()
        call.error_reason = failure.reason if failure else ""
        seconds = (ended_ns - call.started_ns) / NS
        metrics.call_done(method, code, call, seconds)
        fields: dict[str, object] = {
            "method": method,
            "code": code,
            "ms": round(seconds * 1000, 2),
            "call_id": call.call_id,
            "model_release": call.release_version,
            "stages": {name: round(spent / 1e6, 2) for name, spent in call.spent().items()},
        }
        if failure is not None:
            fields["reason"] = failure.reason
            fields["fields"] = [violation.field for violation in failure.violations]
        if call.degraded:
            fields["degraded"] = True
        user_id = getattr(request, "user_id", "")
        if user_id:
            fields["user"] = self._hash(user_id)
        level = "error" if code == "INTERNAL" else "info"
        getattr(log, level)("call", **fields)
