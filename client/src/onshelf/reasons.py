"""The contract's error reasons: the status code that each comes with, and the client's error for it.

The one table of reasons, read from both ends: a service looks up the code, the client the class. A reason of the
contract that has no row here fails the tests.
"""

from __future__ import annotations

from grpc import StatusCode

from onshelf._enums import ErrorReason
from onshelf._errors import (
    AccessDenied,
    Cancelled,
    Conflict,
    DeadlineExceeded,
    InvalidRequest,
    NoFeasiblePlan,
    NotFound,
    NotServed,
    OnshelfError,
    Overloaded,
    ServiceFault,
    Unavailable,
)

Error = type[OnshelfError]
REASONS: dict[ErrorReason, tuple[StatusCode, Error]] = {
    ErrorReason.FIELD_REQUIRED: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.TEXT_TOO_LONG: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.TEXT_INVALID: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.TEXT_NOT_UNDERSTOOD: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.PRICE_INVALID: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.CURRENCY_MISMATCH: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.UNIT_COST_REQUIRED: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.DATE_INVALID: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.WINDOW_INVALID: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.WINDOW_OUT_OF_RANGE: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.CHANNEL_UNKNOWN: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.VALUE_OUT_OF_RANGE: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.TOO_MANY: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.FIELDS_CONFLICT: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.IDENTIFIER_INVALID: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.USER_ID_PERSONAL: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.NO_FEASIBLE_PLAN: (StatusCode.FAILED_PRECONDITION, NoFeasiblePlan),
    ErrorReason.USER_NOT_FOUND: (StatusCode.NOT_FOUND, NotFound),
    ErrorReason.PRODUCT_NOT_FOUND: (StatusCode.NOT_FOUND, NotFound),
    ErrorReason.PLAN_NOT_FOUND: (StatusCode.NOT_FOUND, NotFound),
    ErrorReason.MODEL_RELEASE_NOT_FOUND: (StatusCode.NOT_FOUND, NotFound),
    ErrorReason.REQUEST_ID_REUSED: (StatusCode.ALREADY_EXISTS, Conflict),
    ErrorReason.OVERLOADED: (StatusCode.RESOURCE_EXHAUSTED, Overloaded),
    ErrorReason.MODEL_UNAVAILABLE: (StatusCode.UNAVAILABLE, Unavailable),
    ErrorReason.DEADLINE_EXCEEDED: (StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
    ErrorReason.NOT_IMPLEMENTED: (StatusCode.UNIMPLEMENTED, NotServed),
    ErrorReason.DRAINING: (StatusCode.UNAVAILABLE, Unavailable),
    ErrorReason.MODEL_OUTPUT_INVALID: (StatusCode.INTERNAL, ServiceFault),
    ErrorReason.MODEL_NOT_FOUND: (StatusCode.NOT_FOUND, NotFound),
    ErrorReason.TENSOR_INVALID: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.MESSAGE_INVALID: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ErrorReason.CATALOG_FULL: (StatusCode.RESOURCE_EXHAUSTED, Overloaded),
    ErrorReason.STORE_UNAVAILABLE: (StatusCode.UNAVAILABLE, Unavailable),
    ErrorReason.MODEL_RELEASE_TOO_OLD: (StatusCode.FAILED_PRECONDITION, InvalidRequest),
    ErrorReason.NOT_LEARNED: (StatusCode.FAILED_PRECONDITION, InvalidRequest),
    ErrorReason.EVENT_ID_REUSED: (StatusCode.ALREADY_EXISTS, Conflict),
    ErrorReason.DECISION_CHANGED: (StatusCode.ABORTED, Conflict),
    ErrorReason.NOT_EXECUTED: (StatusCode.FAILED_PRECONDITION, InvalidRequest),
    ErrorReason.PAGE_TOKEN_INVALID: (StatusCode.INVALID_ARGUMENT, InvalidRequest),
}

# For errors without a reason that this version knows: those of gRPC itself, of proxies and of newer services.
CODES: dict[StatusCode, Error] = {
    StatusCode.CANCELLED: Cancelled,
    StatusCode.UNKNOWN: ServiceFault,
    StatusCode.INVALID_ARGUMENT: InvalidRequest,
    StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    StatusCode.NOT_FOUND: NotFound,
    StatusCode.ALREADY_EXISTS: Conflict,
    StatusCode.PERMISSION_DENIED: AccessDenied,
    StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    StatusCode.FAILED_PRECONDITION: InvalidRequest,
    StatusCode.ABORTED: Conflict,
    StatusCode.OUT_OF_RANGE: InvalidRequest,
    StatusCode.UNIMPLEMENTED: NotServed,
    StatusCode.INTERNAL: ServiceFault,
    StatusCode.UNAVAILABLE: Unavailable,
    StatusCode.DATA_LOSS: ServiceFault,
    StatusCode.UNAUTHENTICATED: AccessDenied,
}
