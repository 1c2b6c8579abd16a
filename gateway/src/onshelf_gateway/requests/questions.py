"""Requests as checked values: products, channels and what the RPCs share. Parsing is validation."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call.errors import without_users
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.checks import MAX_AMOUNT, MAX_COST, Checker, shown
from onshelf_release.channels import COUPON_KIND, Channel

T = types_pb2
PRICE_TAX = {number: name for name, number in T.PriceTax.items()}
BRAND_CLASS = {number: name for name, number in T.BrandClass.items()}
METRICS = {number: name for name, number in T.ObjectiveMetric.items()}
HORIZON_CHOICES = (0, 4, 8)
MAX_SITES = 1000


@dataclass(frozen=True, kw_only=True)
class ProductQuestion:
    """A product to plan. Prices in the release's currency; None where not given."""

    title: str
    brand: str = ""
    category_path: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    list_price: Decimal | None = None
    unit_cost: Decimal | None = None
    price_tax: int = T.PRICE_TAX_UNSPECIFIED
    private_label: float = -1.0  # unknown
    package_size: str = ""
    language: str = ""
    case_units: int = 1
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CostQuestion:
    """Costs of promotion by channel slot, and of the coupon flag, which stands for all coupon channels.

    `stated` is whether any promotion cost was given at all.
    """

    fixed: dict[int, Decimal]
    per_unit: dict[int, Decimal]
    coverage: dict[int, Decimal]
    lead_days: dict[int, int]
    coupon: Decimal
    assumed_margin: float | None
    stated: bool
    coupon_stated: bool
    coupon_per_unit: Decimal = Decimal(0)
    coupon_lead_days: int = 0


@dataclass(frozen=True)
class ObjectiveQuestion:
    """What to optimise; `metric` is never UNSPECIFIED."""

    metric: int
    horizon_weeks: int
    risk_quantile: float | None


@dataclass(frozen=True)
class SiteQuestion:
    """Sites that the stock is spread over: ids, and weights, order multiples and least units, [n] each."""

    ids: tuple[str, ...]
    weights: NDArray[np.float64]
    multiples: NDArray[np.int64]
    minimums: NDArray[np.int64]


def equal_sites(ids: Iterable[str]) -> SiteQuestion:
    """Sites without further wishes."""
    names = tuple(ids)
    count = len(names)
    return SiteQuestion(names, np.ones(count), np.ones(count, dtype=np.int64), np.zeros(count, dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class StockQuestion:
    """How to stock.

    Attributes:
        cover_weeks: weeks of demand to cover, 4 or 8.
        shelf_days: the shelf life; 0 unlimited.
        salvage: what a unit is worth that is left; None for the default. holding: cost of keeping a unit for a week.
    """

    fractile: float
    assumed: bool
    order_multiple: int
    cover_weeks: int
    lead_days: int
    shelf_days: int
    sites: SiteQuestion
    salvage: Decimal | None
    holding: Decimal

    @property
    def cover_days(self) -> int:
        """Days of demand to cover: those of the weeks, or the shelf life where it is shorter."""
        return min(self.cover_weeks * 7, self.shelf_days) if self.shelf_days else self.cover_weeks * 7

    @property
    def limited_by_shelf_life(self) -> bool:
        """Whether the shelf life is what limits the days to cover."""
        return self.cover_days < self.cover_weeks * 7


def parse_product(check: Checker, product: T.Product, release: ModelRelease, path: str = "product") -> ProductQuestion:
    """Check a product; every limit is the contract's."""
    currency = release.manifest.currency
    check.text(f"{path}.product_id", product.product_id, 128)
    title = check.text(f"{path}.title", product.title, 512, required=True)
    brand = check.text(f"{path}.brand", product.brand, 128)
    names: list[str] = []
    if check.count(f"{path}.category_path", product.category_path, 8):
        names = [
            check.text(f"{path}.category_path[{n}]", name, 128, required=True)
            for n, name in enumerate(product.category_path)
        ]
    pairs: list[tuple[str, str]] = []
    if check.count(f"{path}.attributes", product.attributes, 64):
        for key in sorted(product.attributes):
            name = check.text(f"{path}.attributes[{shown(key)}]", key, 64, required=True)
            pairs.append((name, check.text(f"{path}.attributes[{shown(key)}].value", product.attributes[key], 256)))
    list_price = check.optional_amount(product, "list_price", path, currency, price=True)
    unit_cost = check.optional_amount(product, "unit_cost", path, currency)
    check.enum(f"{path}.price_tax", product.price_tax, PRICE_TAX)
    label = check.enum(f"{path}.brand_class", product.brand_class, BRAND_CLASS)
    size = check.text(f"{path}.package_size", product.package_size, 64)
    check.text(f"{path}.seller_id", product.seller_id, 128)
    check.language(f"{path}.language", product.language)
    case = int(check.number(f"{path}.case_units", product.case_units, 0, 1_000_000)) or 1
    ignored = [f"{path}.seller_id"] if product.seller_id else []
    for name in ("image_vector", "audio_vector"):
        if product.HasField(name):
            vector = getattr(product, name)
            check.text(f"{path}.{name}.model", vector.model, 128, required=bool(vector.values))
            if check.count(f"{path}.{name}.values", vector.values, 4096):
                for value in vector.values:
                    if value != value or abs(value) == float("inf"):
                        check.number(f"{path}.{name}.values", value, -3.4e38, 3.4e38)
                        break
            ignored.append(f"{path}.{name}")
    private = {T.BRAND_CLASS_PRIVATE_LABEL: 1.0, T.BRAND_CLASS_NATIONAL: 0.0}.get(label, -1.0)  # type: ignore[call-overload]
    return ProductQuestion(
        title=title,
        brand=brand,
        category_path=tuple(names),
        attributes=tuple(pairs),
        list_price=list_price,
        unit_cost=unit_cost,
        price_tax=product.price_tax,
        private_label=private,
        package_size=size,
        language=product.language,
        case_units=case,
        ignored=tuple(ignored),
    )


def known_channel(check: Checker, field: str, channel_id: str, release: ModelRelease) -> Channel | None:
    """A channel of the release; an unknown one is a violation that names those there are."""
    channel = release.channels.get(channel_id)
    if channel is None:
        names = ", ".join(sorted(release.channels)[:40])
        check.fail(
            "CHANNEL_UNKNOWN",
            field,
            f"{shown(channel_id)} is not a channel of model release {release.version}; known: {names}",
        )
    return channel


def parse_costs(
    check: Checker,
    request: launch_pb2.PlanLaunchRequest | launch_pb2.EvaluatePlanRequest | launch_pb2.UpdateForecastRequest,
    release: ModelRelease,
) -> CostQuestion:
    """Check costs."""
    costs, currency = request.costs, release.manifest.currency
    fixed: dict[int, Decimal] = {}
    per_unit: dict[int, Decimal] = {}
    coverage: dict[int, Decimal] = {}
    lead = {channel.slot: channel.lead_time_days or 0 for channel in release.channels.values()}
    coupon_extra, coupon_per_unit = Decimal(0), Decimal(0)
    if check.count("costs.channel_costs", costs.channel_costs, 32):
        check.unique("costs.channel_costs", (row.channel_id for row in costs.channel_costs))
        for n, row in enumerate(costs.channel_costs):
            path = f"costs.channel_costs[{n}]"
            channel = known_channel(check, f"{path}.channel_id", row.channel_id, release)
            amounts = [
                check.optional_amount(row, name, path, currency, high) or Decimal(0)
                for name, high in (("fixed_cost", MAX_COST), ("cost_per_unit", MAX_AMOUNT), ("coverage_cost", MAX_COST))
            ]
            days = int(check.number(f"{path}.lead_time_days", row.lead_time_days, 0, 365))
            if channel is not None:
                fixed[channel.slot], per_unit[channel.slot], coverage[channel.slot] = amounts
                lead[channel.slot] = days or lead[channel.slot]
                if channel.kind == COUPON_KIND:
                    coupon_extra += amounts[0] + amounts[2]
                    coupon_per_unit += amounts[1]
    coupon = check.optional_amount(costs, "coupon_cost", "costs", currency, MAX_COST)
    margin = (
        check.number("costs.assumed_gross_margin", costs.assumed_gross_margin, 0, 1)
        if costs.HasField("assumed_gross_margin")
        else None
    )
    stated = bool(costs.channel_costs) or coupon is not None
    coupon_stated = coupon is not None or any(c.slot in fixed for c in release.coupon_channels)
    return CostQuestion(
        fixed=fixed,
        per_unit=per_unit,
        coverage=coverage,
        lead_days=lead,
        coupon=(coupon or Decimal(0)) + coupon_extra,
        assumed_margin=margin,
        stated=stated,
        coupon_stated=coupon_stated,
        coupon_per_unit=coupon_per_unit,
        coupon_lead_days=max((lead[channel.slot] for channel in release.coupon_channels), default=0),
    )


def parse_objective(check: Checker, objective: launch_pb2.Objective, cost_known: bool) -> ObjectiveQuestion:
    """Check an objective and settle its default: gross profit where a cost is known, otherwise revenue."""
    metric = check.enum("objective.metric", objective.metric, METRICS)
    if metric == T.OBJECTIVE_METRIC_GROSS_PROFIT and not cost_known:
        check.fail(
            "UNIT_COST_REQUIRED",
            "objective.metric",
            "gross profit needs product.unit_cost or costs.assumed_gross_margin; send one, or ask for revenue",
        )
    if metric == T.OBJECTIVE_METRIC_UNSPECIFIED:
        metric = T.OBJECTIVE_METRIC_GROSS_PROFIT if cost_known else T.OBJECTIVE_METRIC_REVENUE
    horizon = _horizon(check, "objective.horizon_weeks", objective.horizon_weeks)
    risk = (
        check.number("objective.risk_quantile", objective.risk_quantile, 0.05, 0.95)
        if objective.HasField("risk_quantile")
        else None
    )
    return ObjectiveQuestion(metric, horizon, risk)


def needs_buyers(objective: ObjectiveQuestion, release: ModelRelease) -> None:
    """Refuse an objective of buyers where the release knows nobody.

    Raises:
        GatewayError: NOT_LEARNED.
    """
    if objective.metric == T.OBJECTIVE_METRIC_BUYERS and not release.has_users:
        raise without_users(release.version, "objective.metric")


def _horizon(check: Checker, field: str, value: int) -> int:
    if value not in HORIZON_CHOICES:
        check.fail("VALUE_OUT_OF_RANGE", field, f"{value} is refused: 4 or 8 (0 stands for 8)")
    return value or 8


def parse_stock(
    check: Checker, policy: launch_pb2.StockPolicy, release: ModelRelease, product: ProductQuestion
) -> StockQuestion:
    """Check a stock policy; the fractile is given, follows from both costs, or is 0.8 by assumption."""
    currency, path = release.manifest.currency, "stock_policy"
    under = check.optional_amount(policy, "underage_cost", path, currency, above_zero=True)
    over = check.optional_amount(policy, "overage_cost", path, currency, above_zero=True)
    fractile, assumed = 0.8, True
    if policy.HasField("critical_fractile"):
        fractile, assumed = check.number(f"{path}.critical_fractile", policy.critical_fractile, 0.05, 0.95), False
        if under is not None or over is not None:
            check.fail(
                "FIELDS_CONFLICT",
                f"{path}.critical_fractile",
                "excludes underage_cost and overage_cost; send one or the other",
            )
    elif under is not None and over is not None:
        fractile, assumed = float(under / (under + over)), False
    elif under is not None or over is not None:
        check.fail(
            "FIELDS_CONFLICT",
            f"{path}.underage_cost",
            "underage_cost and overage_cost belong together; send both or neither",
        )
    multiple = int(check.number(f"{path}.order_multiple", policy.order_multiple, 0, 1_000_000)) or product.case_units
    covers = _horizon(check, f"{path}.covers_weeks", policy.covers_weeks)
    lead = int(check.number(f"{path}.lead_time_days", policy.lead_time_days, 0, 365))
    shelf_life = int(check.number(f"{path}.shelf_life_days", policy.shelf_life_days, 0, 3650))
    return StockQuestion(
        fractile=fractile,
        assumed=assumed,
        order_multiple=multiple,
        cover_weeks=covers,
        lead_days=lead,
        shelf_days=shelf_life,
        sites=_sites(check, policy),
        salvage=check.optional_amount(policy, "salvage_value", path, currency),
        holding=check.optional_amount(policy, "holding_cost", path, currency) or Decimal(0),
    )


def _sites(check: Checker, policy: launch_pb2.StockPolicy) -> SiteQuestion:
    path = "stock_policy.sites"
    if not check.count(path, policy.sites, MAX_SITES):
        return equal_sites(())
    check.unique(path, (site.site_id for site in policy.sites))
    rows = []
    for n, site in enumerate(policy.sites):
        here = f"{path}[{n}]"
        check.text(f"{here}.site_id", site.site_id, 128, required=True)
        weight = 1.0 if site.weight == 0 else check.number(f"{here}.weight", site.weight, 0, 1e9, above=True)
        multiple = check.number(f"{here}.order_multiple", site.order_multiple, 0, 1_000_000)
        minimum = check.number(f"{here}.minimum_units", site.minimum_units, 0, 1e9)
        rows.append((weight, int(multiple) or 1, int(minimum)))
    weights, multiples, minimums = zip(*rows, strict=True) if rows else ((), (), ())
    return SiteQuestion(
        tuple(site.site_id for site in policy.sites),
        np.array(weights, dtype=np.float64),
        np.array(multiples, dtype=np.int64),
        np.array(minimums, dtype=np.int64),
    )


def parse_scale(check: Checker, value: float) -> float:
    """Check a population scale; 0 stands for 1."""
    return 1.0 if value == 0 else check.number("population_scale", value, 0, 1_000_000, above=True)


@dataclass(frozen=True, kw_only=True)
class ActionQuestion:
    """An action to evaluate: coverage by channel slot, price None for the product's list price."""

    day: dt.date
    coverage: dict[int, float]
    discount: float
    coupon: bool
    price: Decimal | None


def parse_action(
    check: Checker, action: T.Action, release: ModelRelease, today: dt.date, executed: bool = False
) -> ActionQuestion:
    """Check an action; a coupon channel among its channels is the same as its coupon flag.

    An `executed` one may lie before `today`, as far as the future may lie after it.
    """
    day: dt.date | None = today
    if not action.launch_date:
        check.fail("FIELD_REQUIRED", "action.launch_date", "is empty and required")
    else:
        day = check.date("action.launch_date", action.launch_date)
        if day is not None:
            check.within_reach("action.launch_date", day, today, past=executed)
    coverage: dict[int, float] = {}
    coupon = action.coupon
    if check.count("action.channels", action.channels, 32):
        check.unique("action.channels", (use.channel_id for use in action.channels))
        for n, use in enumerate(action.channels):
            channel = known_channel(check, f"action.channels[{n}].channel_id", use.channel_id, release)
            share = check.number(f"action.channels[{n}].coverage", use.coverage, 0, 1)
            if channel is not None and channel.kind == COUPON_KIND:
                coupon = True
            elif channel is not None:
                coverage[channel.slot] = share or channel.typical_coverage
    discount = check.number("action.discount", action.discount, 0, 0.9)
    price = check.optional_amount(action, "list_price", "action", release.manifest.currency, price=True)
    return ActionQuestion(day=day or today, coverage=coverage, discount=discount, coupon=coupon, price=price)
