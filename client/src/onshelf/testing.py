"""A fake Onshelf service for tests: a real gRPC server on a real local port that answers with canned typed values.

    with FakeServer() as server, Client(server.address) as client:
        server.fail("plan_launch", Overloaded("busy", reason=ErrorReason.OVERLOADED, retry_after=0.1), times=1)
        client.plan_launch(Product(title="sea salt chips"))
        assert [call.method for call in server.calls] == ["plan_launch", "plan_launch"]

Calls that were not told what to answer get `sample_answer(method)`. A row of `stream_plans` is a call of "plan_launch":
answered, failed and recorded as one; so is a message of `stream_events` of "record_events".
"""

from __future__ import annotations

import dataclasses
import inspect
import queue
import threading
import typing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer
from grpc_status import rpc_status

from onshelf import _event_stream
from onshelf._client import Client
from onshelf._convert import read_field, to_message
from onshelf._enums import HealthStatus
from onshelf._errors import OnshelfError, ServiceFault
from onshelf._rpcs import BY_METHOD, PLAN_LAUNCH, RPCS, STREAM_PLANS, Rpc
from onshelf._samples import sample_answer
from onshelf._status import to_status, to_stream_error
from onshelf.v1 import feedback_pb2, launch_pb2

RECORD_EVENTS = BY_METHOD["record_events"]
__all__ = ["Call", "FakeServer", "sample_answer"]


@dataclasses.dataclass(frozen=True)
class Call:
    """A call that the server received: the client's method, its arguments as the client's types, and the caller's
    metadata.
    """

    method: str
    arguments: dict[str, Any]
    metadata: dict[str, str]


Answer = Callable[[dict[str, Any]], Any]


class FakeServer:
    """Serves until `stop` or the end of the `with` block. address: where; calls: what was asked, in order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._answers: dict[str, Answer] = {}
        self._failures: dict[str, list[OnshelfError]] = {}
        self._hanging: set[str] = set()
        self._lock = threading.Lock()
        self._health = HealthServicer()
        self._server = grpc.server(ThreadPoolExecutor(max_workers=16))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service, handlers in self._handlers().items():
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self.set_health(HealthStatus.SERVING)
        self._server.start()

    def answer(self, method: str, answer: Any) -> None:
        """What a method ("plan_launch") answers from now on: a result, or a function from the call's arguments to one.

        The function may raise an OnshelfError. Raises ValueError for a method that the client does not have.
        """
        self._answers[_known(method)] = answer if callable(answer) else lambda _: answer

    def fail(self, method: str, error: OnshelfError, *, times: int = 1) -> None:
        """Lets the next calls of a method fail, with the status that the service would send for this error."""
        with self._lock:
            self._failures.setdefault(_known(method), []).extend([error] * times)

    def hang(self, method: str) -> None:
        """Lets calls of a method wait until their deadline or cancellation."""
        self._hanging.add(_known(method))

    def set_health(self, status: HealthStatus, service: str = "") -> None:
        """What health says from now on, to watchers too."""
        self._health.set(service, getattr(health_pb2.HealthCheckResponse, status.name))

    def stop(self) -> None:
        """Ends the server and all its calls at once."""
        self._health.enter_graceful_shutdown()
        self._server.stop(None).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _handlers(self) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        for rpc in RPCS:
            service, name = rpc.path.strip("/").split("/")
            services.setdefault(service, {})[name] = grpc.unary_unary_rpc_method_handler(
                self._handler(rpc),
                request_deserializer=rpc.request.FromString,
                response_serializer=rpc.response.SerializeToString,
            )
        service, name = STREAM_PLANS.strip("/").split("/")
        services[service][name] = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=launch_pb2.StreamPlansRequest.FromString,
            response_serializer=launch_pb2.StreamPlansResponse.SerializeToString,
        )
        service, name = _event_stream.PATH.strip("/").split("/")
        services[service][name] = grpc.stream_stream_rpc_method_handler(
            self._events,
            request_deserializer=feedback_pb2.StreamEventsRequest.FromString,
            response_serializer=feedback_pb2.StreamEventsResponse.SerializeToString,
        )
        return services

    def _events(
        self, requests: Iterator[feedback_pb2.StreamEventsRequest], context: grpc.ServicerContext
    ) -> Iterator[feedback_pb2.StreamEventsResponse]:
        """Each message answered as a call of "record_events"."""
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        total = feedback_pb2.StreamEventsResponse()
        for request in requests:
            batch = feedback_pb2.RecordEventsRequest(events=request.events)
            try:
                answer = self._answered(RECORD_EVENTS, batch, metadata, threading.Event())
            except OnshelfError as told:
                _abort(context, told)
            total.acknowledged += len(request.events)
            total.stored += answer.stored
            total.duplicates += answer.duplicates
            yield feedback_pb2.StreamEventsResponse(
                acknowledged=total.acknowledged,
                stored=total.stored,
                duplicates=total.duplicates,
                errors=answer.errors,
            )

    def _stream(
        self, requests: Iterator[launch_pb2.StreamPlansRequest], context: grpc.ServicerContext
    ) -> Iterator[launch_pb2.StreamPlansResponse]:
        """Rows answered side by side, as they are ready."""
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        answers: queue.SimpleQueue[launch_pb2.StreamPlansResponse | None] = queue.SimpleQueue()
        ended = threading.Event()
        if not context.add_callback(ended.set):
            return

        def answer(request: launch_pb2.StreamPlansRequest) -> None:
            response = launch_pb2.StreamPlansResponse(request_id=request.plan.request_id)
            try:
                response.plan.CopyFrom(self._answered(PLAN_LAUNCH, request.plan, metadata, ended))
            except OnshelfError as told:
                response.error.CopyFrom(to_stream_error(told))
            except Exception as broken:  # noqa: BLE001  (the test's own function: its caller must hear of it)
                response.error.CopyFrom(to_stream_error(ServiceFault(f"the answer function failed: {broken!r}")))
            answers.put(response)

        def read() -> None:
            with ThreadPoolExecutor() as pool:
                try:
                    for request in requests:
                        pool.submit(answer, request)
                except grpc.RpcError:
                    pass  # the caller went away; nobody waits for answers
            answers.put(None)

        threading.Thread(target=read, daemon=True).start()
        while (response := answers.get()) is not None:
            yield response

    def _handler(self, rpc: Rpc) -> Callable[[Message, grpc.ServicerContext], Any]:
        def handle(request: Message, context: grpc.ServicerContext) -> Any:
            metadata = {key: str(value) for key, value in context.invocation_metadata()}
            ended = threading.Event()
            if not context.add_callback(ended.set):
                ended.set()
            try:
                return self._answered(rpc, request, metadata, ended)
            except OnshelfError as told:
                _abort(context, told)

        return handle

    def _answered(self, rpc: Rpc, request: Message, metadata: dict[str, str], ended: threading.Event) -> Any:
        """The answer to one request. Raises the OnshelfError that it is to fail with."""
        arguments = request_arguments(rpc, request)
        with self._lock:
            self.calls.append(Call(rpc.method, arguments, metadata))
            failures = self._failures.get(rpc.method)
            error = failures.pop(0) if failures else None
        if error is not None:
            raise error
        if rpc.method in self._hanging:
            ended.wait()
        answer = self._answers.get(rpc.method)
        return to_message(answer(arguments) if answer is not None else sample_answer(rpc.method))


def request_arguments(rpc: Rpc, request: Message) -> dict[str, Any]:
    """The arguments with which the client's method makes this request; those not sent are None or empty."""
    hints = typing.get_type_hints(getattr(Client, rpc.method))
    names = [
        name for name in inspect.signature(getattr(Client, rpc.method)).parameters if name not in ("self", "timeout")
    ]
    return {name: read_field(request, name, hints[name]) for name in names}


def _abort(context: grpc.ServicerContext, error: OnshelfError) -> typing.NoReturn:
    _, status = to_status(error)
    to_grpc: Any = rpc_status.to_status
    context.abort_with_status(to_grpc(status))
    raise AssertionError("abort_with_status returned")


def _known(method: str) -> str:
    methods = [rpc.method for rpc in RPCS]
    if method not in methods:
        raise ValueError(f"the client has no method {method!r}; it has {', '.join(methods)}")
    return method
