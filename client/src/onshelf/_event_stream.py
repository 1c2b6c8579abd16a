"""StreamEvents for both clients: what is sent, and how far it is."""

import itertools
from collections.abc import Iterable, Iterator

from onshelf import _config, _convert, _feedback_results, _inputs
from onshelf._rpcs import BY_METHOD
from onshelf.v1 import feedback_pb2

PATH = "/onshelf.v1.FeedbackService/StreamEvents"
TOGETHER = 500  # events of one message
Request = feedback_pb2.StreamEventsRequest


def messages(events: Iterable[_inputs.Event], together: int) -> Iterator[Request]:
    """The messages of a stream.

    Raises:
        InvalidRequest, TypeError: for an event that cannot be sent.
        ValueError: `together` would never send anything.
    """
    if not 1 <= together <= 1000:
        raise ValueError(f"together is {together!r}; give 1 to 1,000")
    left = iter(events)
    while part := list(itertools.islice(left, together)):
        batch = _config.build_request(BY_METHOD["record_events"], {"events": part})
        yield Request(events=batch.events)  # type: ignore[attr-defined]


def acknowledged(answer: feedback_pb2.StreamEventsResponse) -> _feedback_results.StreamEventsResponse:
    """One answer of the stream."""
    return _convert.from_message(_feedback_results.StreamEventsResponse, answer)
