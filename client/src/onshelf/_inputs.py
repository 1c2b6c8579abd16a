"""What a caller gives: products, actions, constraints. Field names, units and limits are the contract's; None means
not given.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from onshelf._enums import BrandClass, DecisionKind, DecisionReason, EventKind, ObjectiveMetric, PriceTax
from onshelf._money import Money


@dataclasses.dataclass(frozen=True)
class FeatureVector:
    """An embedding that the retailer computed, with the name and version of the model that made it."""

    model: str
    values: Sequence[float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Product:
    """A product, new or known. Only the title is required.

    category_path goes from broad to narrow. list_price is the regular price per unit, unit_cost what one unit costs the
    retailer (needed for gross profit). attributes are further facts by name, read as text. language is a BCP 47 tag.
    case_units is how many units a case holds: stock is advised in whole cases.
    """

    title: str
    product_id: str | None = None
    brand: str | None = None
    category_path: Sequence[str] = ()
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    list_price: Money | None = None
    unit_cost: Money | None = None
    price_tax: PriceTax | None = None
    brand_class: BrandClass | None = None
    package_size: str | None = None
    seller_id: str | None = None
    image_vector: FeatureVector | None = None
    audio_vector: FeatureVector | None = None
    language: str | None = None
    case_units: int | None = None


@dataclasses.dataclass(frozen=True)
class DateWindow:
    """A span of local dates, both ends included."""

    start_date: date | None = None
    end_date: date | None = None


@dataclasses.dataclass(frozen=True)
class ChannelUse:
    """The use of one channel; coverage is the share of sites that carry it (0 to 1), by default its typical one."""

    channel_id: str
    coverage: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Action:
    """The part of a launch that the retailer chooses.

    launch_date stands for its retail week. channels and discount (share off the list price, 0 to 0.9) hold for the
    first two weeks. list_price is by default the product's. sale_price, what a customer pays per unit, is only in
    answers.
    """

    launch_date: date | None = None
    channels: Sequence[ChannelUse] = ()
    discount: float = 0.0
    coupon: bool = False
    list_price: Money | None = None
    sale_price: Money | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChannelCost:
    """What a channel costs: once, per unit sold, and for full coverage. lead_time_days is from decision to effect."""

    channel_id: str
    fixed_cost: Money | None = None
    cost_per_unit: Money | None = None
    lead_time_days: int | None = None
    coverage_cost: Money | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Costs:
    """What promotion and sales cost. assumed_gross_margin (share of the list price) stands in for an unknown unit
    cost.
    """

    channel_costs: Sequence[ChannelCost] = ()
    coupon_cost: Money | None = None
    assumed_gross_margin: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanConstraints:
    """Limits that every plan keeps. None and empty mean no limit, except that prices stay within 20 % of the product's
    list price and discounts at 0.4 or less, where nothing else is given.
    """

    allowed_channel_ids: Sequence[str] = ()
    excluded_channel_ids: Sequence[str] = ()
    required_channel_ids: Sequence[str] = ()
    max_channels: int | None = None
    min_price: Money | None = None
    max_price: Money | None = None
    prices: Sequence[Money] = ()
    max_discount: float | None = None
    promotion_budget: Money | None = None
    max_stock_units: int | None = None
    blackout_windows: Sequence[DateWindow] = ()
    min_gross_margin: float | None = None
    allow_coupon: bool | None = None
    site_ids: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """What is optimised: the metric, over 4 or 8 weeks, and with risk_quantile a quantile of it instead of the
    expected value.
    """

    metric: ObjectiveMetric | None = None
    horizon_weeks: int | None = None
    risk_quantile: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StockSite:
    """A site that the first stock is spread over: its part of the sales relative to the others' (by default 1), the
    multiple in which units are sent to it, and the units that it gets at least.
    """

    site_id: str
    weight: float | None = None
    order_multiple: int | None = None
    minimum_units: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StockPolicy:
    """How the first stock is chosen: a critical fractile (by default 0.8) or the costs of one unit too few and too
    many. It covers no more days than shelf_life_days, and is spread over sites. salvage_value is what a unit is worth
    that is left, holding_cost that of keeping one for a week.
    """

    critical_fractile: float | None = None
    underage_cost: Money | None = None
    overage_cost: Money | None = None
    order_multiple: int | None = None
    covers_weeks: int | None = None
    lead_time_days: int | None = None
    shelf_life_days: int | None = None
    sites: Sequence[StockSite] = ()
    salvage_value: Money | None = None
    holding_cost: Money | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class MarketSignal:
    """A weekly series about the market around a launch: one value for each first day of a week."""

    name: str
    week_start_dates: Sequence[date] = ()
    values: Sequence[float] = ()


@dataclasses.dataclass(frozen=True)
class CalendarEvent:
    """A holiday, festival or happening near a launch."""

    name: str
    window: DateWindow | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class HistoryEvent:
    """Something that a user did lately, beside what the model release knows; by default one unit bought today."""

    product_id: str
    kind: EventKind | None = None
    age_days: float = 0.0
    quantity: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """One product of a stream, with what `plan_launch` takes.

    request_id differs from those of the stream's requests that are not answered yet; the service refuses it otherwise.
    """

    request_id: str
    product: Product
    window: DateWindow | None = None
    constraints: PlanConstraints | None = None
    costs: Costs | None = None
    objective: Objective | None = None
    stock_policy: StockPolicy | None = None
    max_plans: int | None = None
    max_candidates: int | None = None
    audience_size: int | None = None
    similar_launches: int | None = None
    population_scale: float | None = None
    time_zone: str | None = None
    model_release: int | None = None
    market_signals: Sequence[MarketSignal] = ()
    calendar_events: Sequence[CalendarEvent] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatePlanRequest:
    """A what-if question as it is remembered: what `evaluate_plan` takes."""

    product: Product
    action: Action
    costs: Costs | None = None
    objective: Objective | None = None
    stock_policy: StockPolicy | None = None
    population_scale: float | None = None
    model_release: int | None = None
    time_zone: str | None = None
    similar_launches: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaunchDecision:
    """What was decided about a plan. decided_at and revision are set by the service.

    executed_action belongs to a changed plan; of an accepted one it is the chosen plan's (plan_rank). product_id is the
    id that the product got, by default the one that it was planned with. reason is required unless it is accepted.
    """

    kind: DecisionKind
    decided_by: str
    executed_action: Action | None = None
    plan_rank: int | None = None
    product_id: str | None = None
    reason: DecisionReason | None = None
    comment: str | None = None
    postponed_until: date | None = None
    decided_at: datetime | None = None
    revision: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """Something that a user did. event_id is the caller's: a repeated one is stored once.

    time is aware of its zone; None in a refused event that came without a usable one. quantity (default 1), revenue and
    discount belong to purchases and returns, rating (1 to 5) and text to reviews. attribution_token is that of the
    answer by which the user met the product.
    """

    event_id: str
    kind: EventKind
    product_id: str
    time: datetime | None
    user_id: str | None = None
    attribution_token: str | None = None
    quantity: float | None = None
    revenue: Money | None = None
    discount: Money | None = None
    rating: float | None = None
    text: str | None = None
    site_id: str | None = None
    channel_id: str | None = None
