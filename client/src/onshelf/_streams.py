"""StreamPlans for both clients: what is sent, how answers find back to their requests, and their order."""

import collections
from collections.abc import Iterable, Iterator

from onshelf import _config, _inputs, _results
from onshelf._errors import InvalidRequest
from onshelf._rpcs import PLAN_LAUNCH
from onshelf._status import from_stream_error
from onshelf.v1 import launch_pb2

AT_ONCE = 8


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


class Order:
    """Gives answers back as they come or, where `in_order`, in the order of their requests."""

    def __init__(self, in_order: bool) -> None:
        self._in_order = in_order
        self._asked: collections.deque[str] = collections.deque()
        self._early: dict[str, _results.StreamedPlan] = {}

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
        self._early[answer.request_id] = answer
        while self._asked and self._asked[0] in self._early:
            yield self._early.pop(self._asked.popleft())
