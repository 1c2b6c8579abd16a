"""What both clients are made with."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message

from onshelf import addresses
from onshelf._convert import fill, from_message
from onshelf._enums import ErrorReason, HealthStatus
from onshelf._errors import InvalidRequest, ServiceFault
from onshelf._inputs import Product
from onshelf._results import Health
from onshelf._rpcs import Rpc

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 10.0
DEFAULT_RETRIES = 3

Metadata: TypeAlias = Sequence[tuple[str, str]] | Callable[[], Sequence[tuple[str, str]]]
ChannelOptions: TypeAlias = Sequence[tuple[str, Any]]

# The client retries by itself, with the caller's deadline in view; a channel reconnects about as fast as the client
# asks again.
_OPTIONS: dict[str, Any] = {
    "grpc.enable_retries": 0,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 2_000,  # what one attempt may take on a busy machine
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.max_receive_message_length": 64 * 2**20,
    "grpc.service_config": json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """Address, deadline (seconds), retries, metadata or a function that gives it anew for each call, credentials,
    options.
    """

    address: str
    timeout: float
    retries: int
    metadata: Metadata
    credentials: grpc.ChannelCredentials | None
    channel_options: ChannelOptions

    def __post_init__(self) -> None:
        addresses.checked(self.address)
        if not self.timeout > 0:
            raise ValueError(f"timeout is {self.timeout!r}; give seconds above 0 (float('inf') for no deadline)")
        if self.retries < 0:
            raise ValueError(f"retries is {self.retries!r}; give 0 or more")

    def options(self) -> list[tuple[str, Any]]:
        """The options of the channel, the caller's over the defaults."""
        return list((_OPTIONS | dict(addresses.channel_options(self.address)) | dict(self.channel_options)).items())

    def call_metadata(self) -> tuple[tuple[str, str], ...]:
        """Metadata for one call."""
        return tuple(self.metadata() if callable(self.metadata) else self.metadata)


def build_request(rpc: Rpc, arguments: Mapping[str, Any]) -> Message:
    """The request of a call. Raises InvalidRequest for a value that the contract's field cannot hold, TypeError for a
    wrong type.
    """
    try:
        return fill(rpc.request(), arguments)
    except ValueError as error:
        field = str(error).partition(":")[0]
        raise InvalidRequest(str(error), reason=ErrorReason.VALUE_OUT_OF_RANGE, field=field) from None


def read_answer(rpc: Rpc, response: Message, address: str) -> Any:
    """The typed result of a call. Raises ServiceFault for an answer that breaks the contract."""
    try:
        return from_message(rpc.result, response)
    except ValueError as error:
        raise ServiceFault(
            f"the answer of {address} to {rpc.method} cannot be read: {error}", address=address
        ) from error


def read_health(number: int, service: str) -> Health:
    """The typed health of a `grpc.health.v1` status number."""
    known = {1: HealthStatus.SERVING, 2: HealthStatus.NOT_SERVING, 3: HealthStatus.SERVICE_UNKNOWN}
    return Health(known.get(number, HealthStatus.UNKNOWN), service)


def subject(product: Product | None, product_id: str | None) -> dict[str, Any]:
    """The product that a search is about. Raises InvalidRequest unless exactly one of the two is given."""
    if (product is None) == (product_id is None):
        given = "both are" if product is not None else "neither is"
        raise InvalidRequest(
            f"give either a product or a product_id; {given} given", reason=ErrorReason.FIELDS_CONFLICT, field="product"
        )
    return {"product": product, "product_id": product_id}
