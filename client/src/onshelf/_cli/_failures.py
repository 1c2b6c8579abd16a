"""How errors of the service end a command: one clear line each, and an exit status."""

import dataclasses
import typing

from cyclopts import Parameter

from onshelf import _errors as e
from onshelf._cli import _options as o
from onshelf._cli._terminal import clean
from onshelf._cli._usage import BAD_INPUT, OTHER, UNAVAILABLE


def _named(kind: type, prefix: str = "") -> dict[str, str]:
    """Option by field of a request."""
    hints = typing.get_type_hints(kind, include_extras=True)
    found = {}
    for field in dataclasses.fields(kind):
        names = [note.name for note in hints[field.name].__metadata__ if isinstance(note, Parameter) and note.name]
        found[prefix + field.name] = next(iter(names[0])) if names else f"--{field.name.replace('_', '-')}"
    return found


# Which option holds a field of a request.
OPTIONS = {
    **_named(o.ProductOptions, "product."),
    **_named(o.Constraints, "constraints."),
    **_named(o.ObjectiveOptions, "costs."),
    **_named(o.ObjectiveOptions, "objective."),
    **_named(o.SpreadStockOptions, "stock_policy."),
    **_named(o.ActionOptions, "action."),
    **_named(o.PlanAnswerOptions),
    "product.unit_cost": "--unit-cost",
    "product_id": "--product-id",
    "window": "--start/--end",
    "window.start_date": "--start",
    "window.end_date": "--end",
    "observed_weekly_units": "--sold",
    "stock_units": "--on-hand",
    "user_id": "USER",
    "history": "--history",
    "categories": "--category",
    "count": "--count",
}

_BAD_INPUT = (e.InvalidRequest, e.NoFeasiblePlan, e.NotFound, e.Conflict)
_AWAY = (e.Unavailable, e.Overloaded, e.DeadlineExceeded)


def exit_status(error: e.OnshelfError) -> int:
    """The exit status of a command that this error ended."""
    if isinstance(error, _BAD_INPUT):
        return BAD_INPUT
    return UNAVAILABLE if isinstance(error, _AWAY) else OTHER


def describe(error: e.OnshelfError) -> list[str]:
    """The lines for an error: one, or one for each field at fault, with the option that holds the field."""
    told = error.violations or (e.FieldViolation(error.field or "", error.message, error.reason),)
    if len(told) == 1:
        told = (e.FieldViolation(told[0].field, error.message, told[0].reason or error.reason),)
    return [_line(violation) for violation in told]


def _line(violation: e.FieldViolation) -> str:
    message = clean(violation.message).removeprefix(f"{violation.field}: ")
    where = f"{field_option(violation.field)}: " if violation.field else ""
    return where + message + (f" [{violation.reason.name}]" if violation.reason is not None else "")


def field_option(field: str) -> str:
    """The option of a field with its path: "--price (product.list_price)"; the path alone where no option holds it."""
    option = OPTIONS.get(field.partition("[")[0])
    return f"{option} ({field})" if option else field
