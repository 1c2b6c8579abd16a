"""StreamPlans for both clients: what is sent, how answers find back to their requests, and their order."""

import asyncio
import collections
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from onshelf import _config, _inputs, _results
from onshelf._errors import DeadlineExceeded, InvalidRequest
from onshelf._retry import Deadline
from onshelf._rpcs import PLAN_LAUNCH
from onshelf._status import from_stream_error
from onshelf.v1 import launch_pb2

AT_ONCE = 8
LOOK_SECONDS = 0.1


def message(request: _inputs.PlanRequest) -> launch_pb2.StreamPlansRequest:
    """One row of the stream. Raises InvalidRequest, TypeError."""
    plan = _config.build_request(PLAN_LAUNCH, vars(request))
    return launch_pb2.StreamPlansRequest(plan=plan)  # type: ignore[arg-type]


def refused(request: _inputs.PlanRequest, error: InvalidRequest) -> _results.StreamedPlan:
    """The answer to a request that could not be sent."""
    return _results.StreamedPlan(request_id=request.request_id, error=error)


def streamed(answer: launch_pb2.StreamPlansResponse, address: str) -> _results.StreamedPlan:
    """One answer of the stream."""
    if answer.HasField("error"):
        error = from_stream_error(answer.error, address)
        return _results.StreamedPlan(request_id=answer.request_id, error=error)
    plan = _config.read_answer(PLAN_LAUNCH, answer.plan, address)
    return _results.StreamedPlan(request_id=answer.request_id, plan=plan)


def checked(at_once: int, timeout: float | None) -> float | None:
    """The timeout as gRPC takes it. Raises ValueError for an at_once that would never send anything."""
    if at_once < 1:
        raise ValueError(f"at_once is {at_once!r}; give 1 or more")
    return None if timeout is None else Deadline(timeout).left()


class Waiting:
    """How long no answer has come while some were on the way; None: for as long as it takes."""

    def __init__(self, patience: float | None) -> None:
        self._patience = patience
        self._out, self._since = 0, time.monotonic()
        self._late = False

    def sent(self) -> None:
        """One more is on the way."""
        if self._out == 0:
            self._since = time.monotonic()
        self._out += 1

    def answered(self) -> None:
        """One less."""
        self._out -= 1
        self._since = time.monotonic()

    def watch(self, ended: threading.Event, give_up: Callable[[], object]) -> None:
        """Give up when it takes too long; in a thread of its own."""
        while not ended.wait(LOOK_SECONDS):
            if self._too_long():
                give_up()
                return

    async def watching(self, give_up: Callable[[], object]) -> None:
        """The same as a task."""
        while self._patience is not None:
            await asyncio.sleep(LOOK_SECONDS)
            if self._too_long():
                give_up()
                return

    def late(self, address: str) -> DeadlineExceeded | None:
        """The error where it was given up."""
        if not self._late:
            return None
        return DeadlineExceeded(
            f"no answer from {address} for {self._patience:g} s; see whether the service is healthy", address=address
        )

    def _too_long(self) -> bool:
        over = self._out > 0 and self._patience is not None and time.monotonic() - self._since > self._patience
        self._late = self._late or over
        return over


class Order:
    """Gives answers back as they come or, where `in_order`, in the order of their requests."""

    def __init__(self, in_order: bool) -> None:
        self._in_order = in_order
        self._asked: collections.deque[str] = collections.deque()
        self._early: dict[str, list[_results.StreamedPlan]] = {}

    def asked(self, requests: Iterable[_inputs.PlanRequest]) -> Iterator[_inputs.PlanRequest]:
        """The requests as they pass by."""
        for request in requests:
            if self._in_order:
                self._asked.append(request.request_id)
            yield request

    def ready(self, answer: _results.StreamedPlan) -> Iterator[_results.StreamedPlan]:
        """What can be given back after this answer."""
        if not self._in_order:
            yield answer
            return
        self._early.setdefault(answer.request_id, []).append(answer)
        while self._asked and self._early.get(self._asked[0]):
            yield self._early[self._asked[0]].pop(0)
            name = self._asked.popleft()
            if not self._early[name]:
                del self._early[name]
