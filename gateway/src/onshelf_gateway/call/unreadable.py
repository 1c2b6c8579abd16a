"""Requests that are no message of their type: gRPC would end them without a reason, a log line or a count."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from onshelf_gateway.call.errors import GatewayError


@dataclass(frozen=True)
class Unreadable:
    """Stands for a request that could not be read; `why` names its type."""

    why: str


def reader(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A deserializer that gives `Unreadable` instead of raising, so that the handler is called and can say so."""

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError as error:
            return Unreadable(str(error))

    return read


def readable(request: Any, which: str = "the request") -> Any:
    """The request.

    Raises:
        GatewayError: MESSAGE_INVALID.
    """
    if isinstance(request, Unreadable):
        raise GatewayError("MESSAGE_INVALID", f"{which} cannot be read: {request.why}")
    return request


async def all_readable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The requests of a stream.

    Raises:
        GatewayError: MESSAGE_INVALID, with the place of the first that is none.
    """
    count = 0
    async for request in requests:
        count += 1
        yield readable(request, f"request {count} of the stream")
