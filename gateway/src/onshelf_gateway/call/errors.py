"""The exception that carries a reason of the contract, its fields at fault and when to try again."""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from onshelf.reasons import REASONS

DOMAIN = "onshelf.v1"
MAX_VIOLATIONS = 16
MAX_DETAIL_BYTES = 3_000  # of all violations; gRPC drops trailing metadata beyond 8 KiB, and the reason with it
MAX_MESSAGE = 1_000  # characters

STATUS: dict[str, grpc.StatusCode] = {reason.name: code for reason, (code, _) in REASONS.items()}


@dataclass(frozen=True)
class Violation:
    """One field that breaks a rule: its reason, its path, and what to do about it."""

    reason: str
    field: str
    message: str


class GatewayError(Exception):
    """A refusal or failure that the contract names.

    Attributes:
        reason: a key of `STATUS`.
        violations: the fields at fault, at most 16, of which the status carries those that fit; may be empty.
        retry_after_ms: when to try again; None where that does not help.
    """

    def __init__(
        self, reason: str, message: str, violations: Sequence[Violation] = (), retry_after_ms: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.violations = tuple(violations)[:MAX_VIOLATIONS]
        self.retry_after_ms = retry_after_ms

    @property
    def code(self) -> grpc.StatusCode:
        """The status code of the reason."""
        return STATUS[self.reason]

    def status(self) -> status_pb2.Status:
        """The error as google.rpc.Status with ErrorInfo, BadRequest and RetryInfo in its details."""
        details = [error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN)]
        if self.violations:
            details[0].metadata["field"] = self.violations[0].field
            details.append(error_details_pb2.BadRequest(field_violations=self._rows()))
        if self.retry_after_ms is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(self.retry_after_ms)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        packed = []
        for detail in details:
            any_detail = any_pb2.Any()
            any_detail.Pack(detail)
            packed.append(any_detail)
        number = getattr(code_pb2, self.code.name)
        return status_pb2.Status(code=number, message=_cut(self.message), details=packed)

    def _rows(self) -> list[error_details_pb2.BadRequest.FieldViolation]:
        """The violations that fit, at least the first."""
        rows: list[error_details_pb2.BadRequest.FieldViolation] = []
        size = 0
        for v in self.violations:
            row = error_details_pb2.BadRequest.FieldViolation(
                field=v.field, description=_cut(v.message), reason=v.reason
            )
            size += row.ByteSize()
            if rows and size > MAX_DETAIL_BYTES:
                break
            rows.append(row)
        return rows


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 3] + "..."


def refuse(reason: str, field: str, message: str) -> GatewayError:
    """An error about one field."""
    return GatewayError(reason, f"{field}: {message}", [Violation(reason, field, message)])


def model_unavailable(model: str, retry_after_ms: int) -> GatewayError:
    """A model that the answer cannot do without does not answer; why is for the log, as it may hold addresses."""
    return GatewayError(
        "MODEL_UNAVAILABLE", f"model {model} is not being served; retry later", retry_after_ms=retry_after_ms
    )


def without_users(version: int, field: str = "") -> GatewayError:
    """A question about users to a model release that knows none."""
    message = f"model release {version} was learned from data without users; it knows demand, not who buys"
    return refuse("NOT_LEARNED", field, message) if field else GatewayError("NOT_LEARNED", message)


def draining(retry_after_ms: int) -> GatewayError:
    """The gateway shuts down."""
    return GatewayError("DRAINING", "the gateway is shutting down; call another one", retry_after_ms=retry_after_ms)


def not_implemented(method: str) -> GatewayError:
    """A call of the contract that this version does not serve."""
    return GatewayError("NOT_IMPLEMENTED", f"{method} is part of the contract and not served by this version")
