"""Translates between gRPC statuses with google.rpc details and the errors of `_errors`, both ways."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from onshelf import addresses
from onshelf._enums import ErrorReason
from onshelf._errors import FieldViolation, OnshelfError
from onshelf.reasons import CODES, REASONS
from onshelf.v1 import launch_pb2

DOMAIN = "onshelf.v1"
_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
DETAILS_KEY = "grpc-status-details-bin"
_NOTHING_LISTENS = ("failed to connect", "connection refused", "dns resolution failed", "name resolution")
# gRPC refuses an oversized message on the client's side with RESOURCE_EXHAUSTED, which is not an overload.
_TOO_LARGE = "larger than max"


def from_rpc_error(error: grpc.RpcError, address: str, timeout: float | None = None) -> OnshelfError:
    """The client's error for a failed call (of either kind of channel). timeout: seconds that the call was given."""
    code: grpc.StatusCode = error.code()
    text: str = error.details() or ""
    info, bad_request, retry = _details(error)
    reason = _reason(info)
    kind = REASONS[reason][1] if reason is not None else CODES[code]
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and reason is None and _TOO_LARGE in text.lower():
        kind = CODES[grpc.StatusCode.INVALID_ARGUMENT]
    violations = tuple(
        FieldViolation(v.field, v.description, ErrorReason.__members__.get(v.reason))
        for v in (bad_request.field_violations if bad_request else ())
    )
    field = violations[0].field or None if violations else None
    return kind(
        _message(code, text, info is not None, address, timeout).removeprefix(f"{field}: "),
        reason=reason,
        field=field,
        violations=violations,
        code=code.name,
        retry_after=retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9 if retry else None,
        address=address,
    )


def from_stream_error(error: launch_pb2.StreamError, address: str) -> OnshelfError:
    """The client's error for a row of a stream that got no plan."""
    code = _BY_NUMBER.get(error.code, grpc.StatusCode.UNKNOWN)
    reason = ErrorReason.__members__.get(error.reason)
    kind = REASONS[reason][1] if reason is not None else CODES[code]
    field = error.field or None
    text = error.message or f"the service at {address} answered {code.name} without a message"
    told = (FieldViolation(error.field, text, reason),) if field else ()
    return kind(
        text.removeprefix(f"{field}: "), reason=reason, field=field, violations=told, code=code.name, address=address
    )


def to_stream_error(error: OnshelfError) -> launch_pb2.StreamError:
    """The row's error with which a service reports it."""
    _, status = to_status(error)
    return launch_pb2.StreamError(
        code=status.code,
        reason=error.reason.name if error.reason is not None else "",
        field=error.field or "",
        message=error.message,
    )


def _reason(info: error_details_pb2.ErrorInfo | None) -> ErrorReason | None:
    if info is None or info.domain != DOMAIN:
        return None
    return ErrorReason.__members__.get(info.reason)


def _message(code: grpc.StatusCode, text: str, from_service: bool, address: str, timeout: float | None) -> str:
    if from_service:
        return text
    if code is grpc.StatusCode.UNAVAILABLE:
        if (by := addresses.proxy_to(address)) is not None:
            return (
                f"nothing answers at {address} by way of the proxy {by[1]}, which {by[0]} names "
                f"({text or 'no details'}); set no_proxy={address.rpartition(':')[0]} to go there directly"
            )
        if any(sign in text.lower() for sign in _NOTHING_LISTENS):
            return f"nothing answers at {address}; start the service with `make gateway`, or name another address"
        return f"the connection to {address} was lost ({text or 'no details'}); try again"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        given = f" within {timeout:g} s" if timeout is not None else ""
        return f"no answer from {address}{given}; allow more time, or see whether the service is healthy"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"the service at {address} does not know this call ({text or 'no details'}); is it an Onshelf gateway?"
    return text or f"the service at {address} answered {code.name} without a message"


def _details(
    error: grpc.RpcError,
) -> tuple[error_details_pb2.ErrorInfo | None, error_details_pb2.BadRequest | None, error_details_pb2.RetryInfo | None]:
    info = bad_request = retry = None
    for detail in _status(error).details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info := error_details_pb2.ErrorInfo())
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            detail.Unpack(bad_request := error_details_pb2.BadRequest())
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            detail.Unpack(retry := error_details_pb2.RetryInfo())
    return info, bad_request, retry


def _status(error: grpc.RpcError) -> status_pb2.Status:
    # Read from the trailers themselves: grpc_status.rpc_status.from_call raises where the details are malformed or a
    # proxy changed the code, and then the error behind them would be lost.
    trailers: Any = error.trailing_metadata() or ()
    for key, value in trailers:
        if key == DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return status_pb2.Status()
    return status_pb2.Status()


def to_status(error: OnshelfError) -> tuple[grpc.StatusCode, status_pb2.Status]:
    """The status with which a service reports an error: by its reason, or else by its code or class."""
    if error.reason is not None:
        code = REASONS[error.reason][0]
    elif error.code is not None:
        code = grpc.StatusCode[error.code]
    else:
        table = [*((code, kind) for code, kind in CODES.items()), *REASONS.values()]
        code = next((code for code, kind in table if isinstance(error, kind)), grpc.StatusCode.UNKNOWN)
    status = status_pb2.Status(code=code.value[0], message=error.message)
    if error.reason is not None:
        _pack(status, error_details_pb2.ErrorInfo(reason=error.reason.name, domain=DOMAIN))
    told = (FieldViolation(error.field, error.message, error.reason),) if error.field else ()
    violations = error.violations or told
    if violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in violations:
            name = violation.reason.name if violation.reason is not None else ""
            bad_request.field_violations.add(field=violation.field, description=violation.message, reason=name)
        _pack(status, bad_request)
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(round(error.retry_after * 1e9))
        _pack(status, retry)
    return code, status


def _pack(
    status: status_pb2.Status,
    detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
