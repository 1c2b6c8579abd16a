"""How errors end a command: one clear line each, and an exit status."""

from onshelf import _errors as e
from onshelf._cli._terminal import clean
from onshelf._enums import ErrorReason

OK, OTHER, BAD_INPUT, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 130

STATUSES = (
    "exit status: 0 done; 1 another failure; 2 bad input (or, of a file, rows that were refused); "
    "3 the service is not available or too slow; 130 interrupted"
)

# Which option holds a field of a request.
OPTIONS = {
    "product.title": "--title",
    "product.product_id": "--product-id",
    "product_id": "--product-id",
    "product.brand": "--brand",
    "product.category_path": "--category",
    "product.attributes": "--attribute",
    "product.list_price": "--price",
    "product.unit_cost": "--unit-cost",
    "product.package_size": "--size",
    "product.language": "--language",
    "window": "--start/--end",
    "window.start_date": "--start",
    "window.end_date": "--end",
    "costs.channel_costs": "--channel-cost",
    "costs.coupon_cost": "--coupon-cost",
    "costs.assumed_gross_margin": "--margin",
    "objective.metric": "--metric",
    "objective.horizon_weeks": "--horizon",
    "objective.risk_quantile": "--risk-quantile",
    "constraints.allowed_channel_ids": "--allow-channel",
    "constraints.excluded_channel_ids": "--exclude-channel",
    "constraints.required_channel_ids": "--require-channel",
    "constraints.max_channels": "--max-channels",
    "constraints.min_price": "--min-price",
    "constraints.max_price": "--max-price",
    "constraints.max_discount": "--max-discount",
    "constraints.promotion_budget": "--budget",
    "constraints.max_stock_units": "--max-stock",
    "constraints.blackout_windows": "--blackout",
    "constraints.min_gross_margin": "--min-margin",
    "stock_policy.critical_fractile": "--fractile",
    "stock_policy.order_multiple": "--order-multiple",
    "stock_policy.lead_time_days": "--lead-time",
    "stock_policy.covers_weeks": "--covers",
    "stock_policy.shelf_life_days": "--shelf-life",
    "stock_policy.salvage_value": "--salvage-value",
    "stock_policy.holding_cost": "--holding-cost",
    "stock_policy.sites": "--site",
    "observed_weekly_units": "--sold",
    "stock_units": "--on-hand",
    "action.launch_date": "--date",
    "action.channels": "--channel",
    "action.discount": "--discount",
    "max_plans": "--plans",
    "max_candidates": "--candidates",
    "audience_size": "--audience",
    "similar_launches": "--similar",
    "population_scale": "--population-scale",
    "model_release": "--model-release",
    "time_zone": "--time-zone",
    "user_id": "USER",
    "history": "--history",
    "categories": "--category",
    "count": "--count",
}

_BAD_INPUT = (e.InvalidRequest, e.NoFeasiblePlan, e.NotFound, e.Conflict)
_AWAY = (e.Unavailable, e.Overloaded, e.DeadlineExceeded)


class UsageError(Exception):
    """The command line or an input file is wrong; the message says where and what to do."""


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
    where = field_option(violation.field)
    return (f"{where}: " if where else "") + message + _code(violation.reason)


def field_option(field: str) -> str:
    """The option of a field with its path: "--price (product.list_price)"; the path alone where no option holds it."""
    path = field.partition("[")[0]
    option = OPTIONS.get(path)
    return f"{option} ({field})" if option else field


def _code(reason: ErrorReason | None) -> str:
    return f" [{reason.name}]" if reason is not None else ""
