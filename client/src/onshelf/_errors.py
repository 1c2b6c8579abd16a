"""Errors of the client, as a tree:

* OnshelfError
  - InvalidRequest
  - NoFeasiblePlan
  - NotFound
  - Conflict
  - AccessDenied
  - Overloaded
  - Unavailable
  - DeadlineExceeded
  - Cancelled
  - NotServed
  - ServiceFault
"""

from __future__ import annotations

import dataclasses

import grpc

from onshelf._enums import ErrorReason


@dataclasses.dataclass(frozen=True)
class FieldViolation:
    """A field of the request that is at fault, as a path ("product.list_price"), and the rule that it breaks."""

    field: str
    message: str
    reason: ErrorReason | None = None


class OnshelfError(Exception):
    """Base of all errors of the service and of the way to it.

    message: for people. reason: the contract's, or None where the fault is not the service's own. field: path of the
    field at fault, or None. violations: all fields at fault. code: name of the gRPC status code. retry_after: seconds
    after which the service asks to be tried again, or None. address: the service that was called.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: ErrorReason | None = None,
        field: str | None = None,
        violations: tuple[FieldViolation, ...] = (),
        code: str | None = None,
        retry_after: float | None = None,
        address: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.field = field
        self.violations = violations
        self.code = code
        self.retry_after = retry_after
        self.address = address

    def __str__(self) -> str:
        return self.message if self.field is None or self.field in self.message else f"{self.field}: {self.message}"


class InvalidRequest(OnshelfError):  # noqa: N818
    """A field of the request breaks a rule; `field`, `reason` and `message` say which."""


class NoFeasiblePlan(OnshelfError):  # noqa: N818
    """No candidate action satisfies the constraints."""


class NotFound(OnshelfError):  # noqa: N818
    """The service does not know the user, product, plan or model release."""


class Conflict(OnshelfError):  # noqa: N818
    """The request id was used for a different request."""


class AccessDenied(OnshelfError):  # noqa: N818
    """The service refuses the caller's credentials."""


class Overloaded(OnshelfError):  # noqa: N818
    """The service answers as many requests as it may; try again later."""


class Unavailable(OnshelfError):  # noqa: N818
    """Nothing answers at the address, or the service cannot answer at the moment."""


class DeadlineExceeded(OnshelfError):  # noqa: N818
    """No answer came in time."""


class Cancelled(OnshelfError):  # noqa: N818
    """The call was cancelled."""


class NotServed(OnshelfError):  # noqa: N818
    """The service does not serve this call."""


class ServiceFault(OnshelfError):  # noqa: N818
    """The service failed in a way that is its own fault."""


# The one table, read from both ends: the client looks up the class, the fake server the status code.
REASONS: dict[ErrorReason, tuple[grpc.StatusCode, type[OnshelfError]]] = {
    ErrorReason.FIELD_REQUIRED: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.TEXT_TOO_LONG: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.TEXT_INVALID: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.TEXT_NOT_UNDERSTOOD: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.PRICE_INVALID: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.CURRENCY_MISMATCH: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.UNIT_COST_REQUIRED: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.DATE_INVALID: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.WINDOW_INVALID: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.WINDOW_OUT_OF_RANGE: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.CHANNEL_UNKNOWN: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.VALUE_OUT_OF_RANGE: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.TOO_MANY: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.FIELDS_CONFLICT: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.IDENTIFIER_INVALID: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.USER_ID_PERSONAL: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.NO_FEASIBLE_PLAN: (grpc.StatusCode.FAILED_PRECONDITION, NoFeasiblePlan),
    ErrorReason.USER_NOT_FOUND: (grpc.StatusCode.NOT_FOUND, NotFound),
    ErrorReason.PRODUCT_NOT_FOUND: (grpc.StatusCode.NOT_FOUND, NotFound),
    ErrorReason.PLAN_NOT_FOUND: (grpc.StatusCode.NOT_FOUND, NotFound),
    ErrorReason.MODEL_RELEASE_NOT_FOUND: (grpc.StatusCode.NOT_FOUND, NotFound),
    ErrorReason.REQUEST_ID_REUSED: (grpc.StatusCode.ALREADY_EXISTS, Conflict),
    ErrorReason.OVERLOADED: (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
    ErrorReason.MODEL_UNAVAILABLE: (grpc.StatusCode.UNAVAILABLE, Unavailable),
    ErrorReason.DEADLINE_EXCEEDED: (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
    ErrorReason.NOT_IMPLEMENTED: (grpc.StatusCode.UNIMPLEMENTED, NotServed),
    ErrorReason.DRAINING: (grpc.StatusCode.UNAVAILABLE, Unavailable),
    ErrorReason.MODEL_OUTPUT_INVALID: (grpc.StatusCode.INTERNAL, ServiceFault),
    ErrorReason.MODEL_NOT_FOUND: (grpc.StatusCode.NOT_FOUND, NotFound),
    ErrorReason.TENSOR_INVALID: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.MESSAGE_INVALID: (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.CATALOGUE_FULL: (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
    ErrorReason.STORE_UNAVAILABLE: (grpc.StatusCode.UNAVAILABLE, Unavailable),
    ErrorReason.MODEL_RELEASE_TOO_OLD: (grpc.StatusCode.FAILED_PRECONDITION, InvalidRequest),
    ErrorReason.NOT_LEARNED: (grpc.StatusCode.FAILED_PRECONDITION, InvalidRequest),
}

# For errors without a reason that this version knows: those of gRPC itself, of proxies and of newer services.
CODES: dict[grpc.StatusCode, type[OnshelfError]] = {
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNKNOWN: ServiceFault,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.PERMISSION_DENIED: AccessDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequest,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.UNIMPLEMENTED: NotServed,
    grpc.StatusCode.INTERNAL: ServiceFault,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DATA_LOSS: ServiceFault,
    grpc.StatusCode.UNAUTHENTICATED: AccessDenied,
}
