"""PlanLaunchRequest as checked values: window, constraints, limits, and fields that contradict each other."""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal

from onshelf.v1 import launch_pb2
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.checks import MAX_COST, Checker
from onshelf_gateway.requests.questions import (
    CostQuestion,
    ObjectiveQuestion,
    ProductQuestion,
    StockQuestion,
    equal_sites,
    known_channel,
    parse_costs,
    parse_objective,
    parse_product,
    parse_scale,
    parse_stock,
)
from onshelf_release.channels import COUPON_KIND

DEFAULT_WINDOW = dt.timedelta(weeks=12) - dt.timedelta(days=1)
DEFAULT_MAX_DISCOUNT = 0.4
DEFAULT_CANDIDATES = 2048


@dataclass(frozen=True, kw_only=True)
class ConstraintQuestion:
    """Limits that every plan keeps; channels as slots, without coupon channels."""

    allowed: frozenset[int]
    required: frozenset[int]
    max_channels: int | None
    allowed_named: bool
    min_price: Decimal | None
    max_price: Decimal | None
    prices: tuple[Decimal, ...]
    max_discount: float
    budget: Decimal | None
    max_stock: int
    blackouts: tuple[tuple[dt.date, dt.date], ...]
    min_margin: float | None
    allow_coupon: bool
    require_coupon: bool
    names_coupon: bool


@dataclass(frozen=True, kw_only=True)
class PlanQuestion:
    """A checked PlanLaunchRequest."""

    product: ProductQuestion
    start: dt.date
    end: dt.date
    constraints: ConstraintQuestion
    costs: CostQuestion
    objective: ObjectiveQuestion
    stock: StockQuestion
    max_plans: int
    max_candidates: int
    audience_size: int
    similar_launches: int
    scale: float
    ignored: tuple[str, ...]


def parse_plan(
    request: launch_pb2.PlanLaunchRequest, release: ModelRelease, today: dt.date, most_candidates: int
) -> PlanQuestion:
    """Check a request against the release; `today` is the first day that may be launched on.

    Raises:
        GatewayError: the reason of the first violation, with all of them.
    """
    check = Checker()
    check.text("request_id", request.request_id, 128)
    if not request.HasField("product"):
        check.fail("FIELD_REQUIRED", "product", "is missing and required")
    product = parse_product(check, request.product, release)
    start, end = _window(check, request, today)
    costs = parse_costs(check, request, release)
    cost_known = product.unit_cost is not None or costs.assumed_margin is not None
    constraints = parse_constraints(check, request.constraints, release, cost_known)
    objective = parse_objective(check, request.objective, cost_known)
    stock = parse_stock(check, request.stock_policy, release, product)
    max_plans = int(check.number("max_plans", request.max_plans, 0, 50)) or 5
    usual = min(DEFAULT_CANDIDATES, most_candidates)
    max_candidates = int(check.number("max_candidates", request.max_candidates, 0, most_candidates)) or usual
    audience = (
        int(check.number("audience_size", request.audience_size, 0, 1000)) if request.HasField("audience_size") else 20
    )
    similar = (
        int(check.number("similar_launches", request.similar_launches, 0, 50))
        if request.HasField("similar_launches")
        else 5
    )
    scale = parse_scale(check, request.population_scale)
    check.time_zone("time_zone", request.time_zone)
    ignored = [*product.ignored, *_context(check, request)]
    stock = _with_sites(check, stock, request.constraints)
    check.done()
    return PlanQuestion(
        product=product,
        start=start,
        end=end,
        constraints=constraints,
        costs=costs,
        objective=objective,
        stock=stock,
        max_plans=max_plans,
        max_candidates=max_candidates,
        audience_size=audience,
        similar_launches=similar,
        scale=scale,
        ignored=tuple(ignored),
    )


def _with_sites(check: Checker, stock: StockQuestion, limits: launch_pb2.PlanConstraints) -> StockQuestion:
    """The stock with the sites of the constraints, where the policy names none; both must name the same ones."""
    if not limits.site_ids:
        return stock
    check.unique("constraints.site_ids", limits.site_ids)
    if not stock.sites.ids:
        return replace(stock, sites=equal_sites(limits.site_ids))
    if set(stock.sites.ids) != set(limits.site_ids):
        check.fail("FIELDS_CONFLICT", "stock_policy.sites", "names other sites than constraints.site_ids")
    return stock


def _window(check: Checker, request: launch_pb2.PlanLaunchRequest, today: dt.date) -> tuple[dt.date, dt.date]:
    if not request.HasField("window"):
        return today, today + DEFAULT_WINDOW
    span = check.span("window", request.window.start_date, request.window.end_date)
    if span is None:
        return today, today + DEFAULT_WINDOW
    if check.within_reach("window.start_date", span[0], today):
        check.within_reach("window.end_date", span[1], today)
    return span


def _slots(check: Checker, field: str, ids: object, release: ModelRelease) -> tuple[set[int], bool]:
    slots: set[int] = set()
    coupon = False
    if check.count(field, ids, 32):  # type: ignore[arg-type]
        for n, channel_id in enumerate(ids):  # type: ignore[arg-type, var-annotated]
            channel = known_channel(check, f"{field}[{n}]", channel_id, release)
            if channel is not None and channel.kind == COUPON_KIND:
                coupon = True
            elif channel is not None:
                slots.add(channel.slot)
    return slots, coupon


def parse_constraints(
    check: Checker, limits: launch_pb2.PlanConstraints, release: ModelRelease, cost_known: bool
) -> ConstraintQuestion:
    """Check constraints; `cost_known` is whether a margin can be computed."""
    path, currency = "constraints", release.manifest.currency
    allowed, coupon_allowed = _slots(check, f"{path}.allowed_channel_ids", limits.allowed_channel_ids, release)
    excluded, coupon_excluded = _slots(check, f"{path}.excluded_channel_ids", limits.excluded_channel_ids, release)
    required, coupon_required = _slots(check, f"{path}.required_channel_ids", limits.required_channel_ids, release)
    named = bool(limits.allowed_channel_ids)
    usable = allowed if named else {channel.slot for channel in release.plannable}
    allow_coupon = limits.allow_coupon if limits.HasField("allow_coupon") else True
    if coupon_required and (not allow_coupon or coupon_excluded):
        check.fail(
            "FIELDS_CONFLICT", f"{path}.required_channel_ids", "requires a coupon channel that the constraints rule out"
        )
    if required & excluded or not required <= usable:
        check.fail("FIELDS_CONFLICT", f"{path}.required_channel_ids", "names channels that are excluded or not allowed")
    limit = (
        int(check.number(f"{path}.max_channels", limits.max_channels, 0, 32))
        if limits.HasField("max_channels")
        else None
    )
    if limit is not None and limit < len(required):
        check.fail(
            "FIELDS_CONFLICT", f"{path}.max_channels", f"{limit} is less than the {len(required)} required channels"
        )
    low = check.optional_amount(limits, "min_price", path, currency, price=True)
    high = check.optional_amount(limits, "max_price", path, currency, price=True)
    prices: list[Decimal] = []
    if check.count(f"{path}.prices", limits.prices, 16):
        prices = [
            check.amount(f"{path}.prices[{n}]", price, currency, price=True) for n, price in enumerate(limits.prices)
        ]
    if prices and (low is not None or high is not None):
        check.fail("FIELDS_CONFLICT", f"{path}.prices", "excludes min_price and max_price; send one or the other")
    if low is not None and high is not None and low > high:
        check.fail("FIELDS_CONFLICT", f"{path}.min_price", f"{low} is above max_price {high}")
    discount = (
        check.number(f"{path}.max_discount", limits.max_discount, 0, 0.9)
        if limits.HasField("max_discount")
        else DEFAULT_MAX_DISCOUNT
    )
    budget = check.optional_amount(limits, "promotion_budget", path, currency, MAX_COST)
    stock = int(check.number(f"{path}.max_stock_units", limits.max_stock_units, 0, 2**53))
    blackouts: list[tuple[dt.date, dt.date]] = []
    if check.count(f"{path}.blackout_windows", limits.blackout_windows, 32):
        for n, window in enumerate(limits.blackout_windows):
            span = check.span(f"{path}.blackout_windows[{n}]", window.start_date, window.end_date)
            blackouts += [span] if span else []
    margin = None
    if limits.HasField("min_gross_margin"):
        margin = check.number(f"{path}.min_gross_margin", limits.min_gross_margin, 0, 1)
        if not cost_known:
            check.fail(
                "UNIT_COST_REQUIRED",
                f"{path}.min_gross_margin",
                "needs product.unit_cost or costs.assumed_gross_margin",
            )
    if check.count(f"{path}.site_ids", limits.site_ids, 1000):
        for n, site in enumerate(limits.site_ids):
            check.text(f"{path}.site_ids[{n}]", site, 128, required=True)
    return ConstraintQuestion(
        allowed=frozenset(usable - excluded),
        required=frozenset(required),
        max_channels=limit,
        allowed_named=named,
        min_price=low,
        max_price=high,
        prices=tuple(sorted(set(prices))),
        max_discount=discount,
        budget=budget,
        max_stock=stock,
        blackouts=tuple(blackouts),
        min_margin=margin,
        allow_coupon=allow_coupon
        and not coupon_excluded
        and (not named or coupon_allowed or limits.HasField("allow_coupon")),
        require_coupon=coupon_required,
        names_coupon=coupon_required or coupon_allowed or limits.HasField("allow_coupon"),
    )


def _context(check: Checker, request: launch_pb2.PlanLaunchRequest) -> list[str]:
    """Check market signals and events; returns the fields that have no effect in this model release."""
    if check.count("market_signals", request.market_signals, 16):
        for n, signal in enumerate(request.market_signals):
            path = f"market_signals[{n}]"
            check.text(f"{path}.name", signal.name, 64, required=True)
            check.count(f"{path}.values", signal.values, 60)
            if len(signal.values) != len(signal.week_start_dates):
                check.fail(
                    "FIELDS_CONFLICT",
                    f"{path}.values",
                    f"{len(signal.values)} values for {len(signal.week_start_dates)} weeks",
                )
            for value in signal.values[:60]:
                check.number(f"{path}.values", value, -1e300, 1e300)
            for day in signal.week_start_dates[:60]:
                check.date(f"{path}.week_start_dates", day)
    if check.count("calendar_events", request.calendar_events, 32):
        for n, event in enumerate(request.calendar_events):
            check.text(f"calendar_events[{n}].name", event.name, 64, required=True)
            check.span(f"calendar_events[{n}].window", event.window.start_date, event.window.end_date)
    return [name for name in ("market_signals", "calendar_events") if getattr(request, name)]
