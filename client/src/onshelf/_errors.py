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
