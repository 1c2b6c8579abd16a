"""A fake Onshelf service for tests: a real gRPC server on a real local port that answers with canned typed values.

    with FakeServer() as server, Client(server.address) as client:
        server.fail("plan_launch", Overloaded("busy", reason=ErrorReason.OVERLOADED, retry_after=0.1), times=1)
        client.plan_launch(Product(title="sea salt chips"))
        assert [call.method for call in server.calls] == ["plan_launch", "plan_launch"]

Calls that were not told what to answer get `sample_answer(method)`.
"""

from __future__ import annotations

import dataclasses
import inspect
import threading
import typing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer
from grpc_status import rpc_status

from onshelf._client import Client
from onshelf._convert import read_field, to_message
from onshelf._enums import HealthStatus
from onshelf._errors import OnshelfError
from onshelf._rpcs import RPCS, Rpc
from onshelf._samples import sample_answer
from onshelf._status import to_status

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
        return services

    def _handler(self, rpc: Rpc) -> Callable[[Message, grpc.ServicerContext], Message]:
        def handle(request: Message, context: grpc.ServicerContext) -> Message:
            arguments = request_arguments(rpc, request)
            metadata = {key: str(value) for key, value in context.invocation_metadata()}
            with self._lock:
                self.calls.append(Call(rpc.method, arguments, metadata))
                failures = self._failures.get(rpc.method)
                error = failures.pop(0) if failures else None
            if error is not None:
                _abort(context, error)
            if rpc.method in self._hanging:
                ended = threading.Event()
                if context.add_callback(ended.set):
                    ended.wait()
            answer = self._answers.get(rpc.method)
            try:
                return to_message(answer(arguments) if answer is not None else sample_answer(rpc.method))
            except OnshelfError as told:
                _abort(context, told)

        return handle


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
