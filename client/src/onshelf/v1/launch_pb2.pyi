import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from onshelf.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PricePhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRICE_PHASE_UNSPECIFIED: _ClassVar[PricePhase]
    PRICE_PHASE_LAUNCH_PROMOTION: _ClassVar[PricePhase]
    PRICE_PHASE_REGULAR: _ClassVar[PricePhase]
    PRICE_PHASE_MARKDOWN: _ClassVar[PricePhase]

class CalendarDecision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALENDAR_DECISION_UNSPECIFIED: _ClassVar[CalendarDecision]
    CALENDAR_DECISION_LAUNCH: _ClassVar[CalendarDecision]
    CALENDAR_DECISION_HOLD: _ClassVar[CalendarDecision]
    CALENDAR_DECISION_DROP: _ClassVar[CalendarDecision]

class LaunchState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LAUNCH_STATE_UNSPECIFIED: _ClassVar[LaunchState]
    LAUNCH_STATE_PLANNED: _ClassVar[LaunchState]
    LAUNCH_STATE_DECIDED: _ClassVar[LaunchState]
    LAUNCH_STATE_ON_SALE: _ClassVar[LaunchState]
    LAUNCH_STATE_COMPLETED: _ClassVar[LaunchState]
    LAUNCH_STATE_REJECTED: _ClassVar[LaunchState]
    LAUNCH_STATE_POSTPONED: _ClassVar[LaunchState]

class DecisionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_KIND_UNSPECIFIED: _ClassVar[DecisionKind]
    DECISION_KIND_ACCEPTED: _ClassVar[DecisionKind]
    DECISION_KIND_CHANGED: _ClassVar[DecisionKind]
    DECISION_KIND_REJECTED: _ClassVar[DecisionKind]
    DECISION_KIND_POSTPONED: _ClassVar[DecisionKind]

class DecisionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_REASON_UNSPECIFIED: _ClassVar[DecisionReason]
    DECISION_REASON_FORECAST_TOO_HIGH: _ClassVar[DecisionReason]
    DECISION_REASON_FORECAST_TOO_LOW: _ClassVar[DecisionReason]
    DECISION_REASON_CHANNEL_UNAVAILABLE: _ClassVar[DecisionReason]
    DECISION_REASON_PRICE: _ClassVar[DecisionReason]
    DECISION_REASON_BUDGET: _ClassVar[DecisionReason]
    DECISION_REASON_SUPPLY: _ClassVar[DecisionReason]
    DECISION_REASON_TIMING: _ClassVar[DecisionReason]
    DECISION_REASON_AGREEMENT: _ClassVar[DecisionReason]
    DECISION_REASON_PRODUCT_CHANGED: _ClassVar[DecisionReason]
    DECISION_REASON_EXPERIMENT: _ClassVar[DecisionReason]
    DECISION_REASON_OTHER: _ClassVar[DecisionReason]

class PowerUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POWER_UNIT_UNSPECIFIED: _ClassVar[PowerUnit]
    POWER_UNIT_USERS: _ClassVar[PowerUnit]
    POWER_UNIT_SITES: _ClassVar[PowerUnit]
PRICE_PHASE_UNSPECIFIED: PricePhase
PRICE_PHASE_LAUNCH_PROMOTION: PricePhase
PRICE_PHASE_REGULAR: PricePhase
PRICE_PHASE_MARKDOWN: PricePhase
CALENDAR_DECISION_UNSPECIFIED: CalendarDecision
CALENDAR_DECISION_LAUNCH: CalendarDecision
CALENDAR_DECISION_HOLD: CalendarDecision
CALENDAR_DECISION_DROP: CalendarDecision
LAUNCH_STATE_UNSPECIFIED: LaunchState
LAUNCH_STATE_PLANNED: LaunchState
LAUNCH_STATE_DECIDED: LaunchState
LAUNCH_STATE_ON_SALE: LaunchState
LAUNCH_STATE_COMPLETED: LaunchState
LAUNCH_STATE_REJECTED: LaunchState
LAUNCH_STATE_POSTPONED: LaunchState
DECISION_KIND_UNSPECIFIED: DecisionKind
DECISION_KIND_ACCEPTED: DecisionKind
DECISION_KIND_CHANGED: DecisionKind
DECISION_KIND_REJECTED: DecisionKind
DECISION_KIND_POSTPONED: DecisionKind
DECISION_REASON_UNSPECIFIED: DecisionReason
DECISION_REASON_FORECAST_TOO_HIGH: DecisionReason
DECISION_REASON_FORECAST_TOO_LOW: DecisionReason
DECISION_REASON_CHANNEL_UNAVAILABLE: DecisionReason
DECISION_REASON_PRICE: DecisionReason
DECISION_REASON_BUDGET: DecisionReason
DECISION_REASON_SUPPLY: DecisionReason
DECISION_REASON_TIMING: DecisionReason
DECISION_REASON_AGREEMENT: DecisionReason
DECISION_REASON_PRODUCT_CHANGED: DecisionReason
DECISION_REASON_EXPERIMENT: DecisionReason
DECISION_REASON_OTHER: DecisionReason
POWER_UNIT_UNSPECIFIED: PowerUnit
POWER_UNIT_USERS: PowerUnit
POWER_UNIT_SITES: PowerUnit

class ChannelCost(_message.Message):
    __slots__ = ("channel_id", "fixed_cost", "cost_per_unit", "lead_time_days", "coverage_cost")
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    FIXED_COST_FIELD_NUMBER: _ClassVar[int]
    COST_PER_UNIT_FIELD_NUMBER: _ClassVar[int]
    LEAD_TIME_DAYS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_COST_FIELD_NUMBER: _ClassVar[int]
    channel_id: str
    fixed_cost: _money_pb2.Money
    cost_per_unit: _money_pb2.Money
    lead_time_days: int
    coverage_cost: _money_pb2.Money
    def __init__(self, channel_id: _Optional[str] = ..., fixed_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., cost_per_unit: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., lead_time_days: _Optional[int] = ..., coverage_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class Costs(_message.Message):
    __slots__ = ("channel_costs", "coupon_cost", "assumed_gross_margin")
    CHANNEL_COSTS_FIELD_NUMBER: _ClassVar[int]
    COUPON_COST_FIELD_NUMBER: _ClassVar[int]
    ASSUMED_GROSS_MARGIN_FIELD_NUMBER: _ClassVar[int]
    channel_costs: _containers.RepeatedCompositeFieldContainer[ChannelCost]
    coupon_cost: _money_pb2.Money
    assumed_gross_margin: float
    def __init__(self, channel_costs: _Optional[_Iterable[_Union[ChannelCost, _Mapping]]] = ..., coupon_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., assumed_gross_margin: _Optional[float] = ...) -> None: ...

class PlanConstraints(_message.Message):
    __slots__ = ("allowed_channel_ids", "excluded_channel_ids", "required_channel_ids", "max_channels", "min_price", "max_price", "prices", "max_discount", "promotion_budget", "max_stock_units", "blackout_windows", "min_gross_margin", "allow_coupon", "site_ids")
    ALLOWED_CHANNEL_IDS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_CHANNEL_IDS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_CHANNEL_IDS_FIELD_NUMBER: _ClassVar[int]
    MAX_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    MIN_PRICE_FIELD_NUMBER: _ClassVar[int]
    MAX_PRICE_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    MAX_DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_BUDGET_FIELD_NUMBER: _ClassVar[int]
    MAX_STOCK_UNITS_FIELD_NUMBER: _ClassVar[int]
    BLACKOUT_WINDOWS_FIELD_NUMBER: _ClassVar[int]
    MIN_GROSS_MARGIN_FIELD_NUMBER: _ClassVar[int]
    ALLOW_COUPON_FIELD_NUMBER: _ClassVar[int]
    SITE_IDS_FIELD_NUMBER: _ClassVar[int]
    allowed_channel_ids: _containers.RepeatedScalarFieldContainer[str]
    excluded_channel_ids: _containers.RepeatedScalarFieldContainer[str]
    required_channel_ids: _containers.RepeatedScalarFieldContainer[str]
    max_channels: int
    min_price: _money_pb2.Money
    max_price: _money_pb2.Money
    prices: _containers.RepeatedCompositeFieldContainer[_money_pb2.Money]
    max_discount: float
    promotion_budget: _money_pb2.Money
    max_stock_units: int
    blackout_windows: _containers.RepeatedCompositeFieldContainer[_types_pb2.DateWindow]
    min_gross_margin: float
    allow_coupon: bool
    site_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, allowed_channel_ids: _Optional[_Iterable[str]] = ..., excluded_channel_ids: _Optional[_Iterable[str]] = ..., required_channel_ids: _Optional[_Iterable[str]] = ..., max_channels: _Optional[int] = ..., min_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., max_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., prices: _Optional[_Iterable[_Union[_money_pb2.Money, _Mapping]]] = ..., max_discount: _Optional[float] = ..., promotion_budget: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., max_stock_units: _Optional[int] = ..., blackout_windows: _Optional[_Iterable[_Union[_types_pb2.DateWindow, _Mapping]]] = ..., min_gross_margin: _Optional[float] = ..., allow_coupon: bool = ..., site_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Objective(_message.Message):
    __slots__ = ("metric", "horizon_weeks", "risk_quantile")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    HORIZON_WEEKS_FIELD_NUMBER: _ClassVar[int]
    RISK_QUANTILE_FIELD_NUMBER: _ClassVar[int]
    metric: _types_pb2.ObjectiveMetric
    horizon_weeks: int
    risk_quantile: float
    def __init__(self, metric: _Optional[_Union[_types_pb2.ObjectiveMetric, str]] = ..., horizon_weeks: _Optional[int] = ..., risk_quantile: _Optional[float] = ...) -> None: ...

class StockSite(_message.Message):
    __slots__ = ("site_id", "weight", "order_multiple", "minimum_units")
    SITE_ID_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    ORDER_MULTIPLE_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_UNITS_FIELD_NUMBER: _ClassVar[int]
    site_id: str
    weight: float
    order_multiple: int
    minimum_units: int
    def __init__(self, site_id: _Optional[str] = ..., weight: _Optional[float] = ..., order_multiple: _Optional[int] = ..., minimum_units: _Optional[int] = ...) -> None: ...

class StockPolicy(_message.Message):
    __slots__ = ("critical_fractile", "underage_cost", "overage_cost", "order_multiple", "covers_weeks", "lead_time_days", "shelf_life_days", "sites", "salvage_value", "holding_cost")
    CRITICAL_FRACTILE_FIELD_NUMBER: _ClassVar[int]
    UNDERAGE_COST_FIELD_NUMBER: _ClassVar[int]
    OVERAGE_COST_FIELD_NUMBER: _ClassVar[int]
    ORDER_MULTIPLE_FIELD_NUMBER: _ClassVar[int]
    COVERS_WEEKS_FIELD_NUMBER: _ClassVar[int]
    LEAD_TIME_DAYS_FIELD_NUMBER: _ClassVar[int]
    SHELF_LIFE_DAYS_FIELD_NUMBER: _ClassVar[int]
    SITES_FIELD_NUMBER: _ClassVar[int]
    SALVAGE_VALUE_FIELD_NUMBER: _ClassVar[int]
    HOLDING_COST_FIELD_NUMBER: _ClassVar[int]
    critical_fractile: float
    underage_cost: _money_pb2.Money
    overage_cost: _money_pb2.Money
    order_multiple: int
    covers_weeks: int
    lead_time_days: int
    shelf_life_days: int
    sites: _containers.RepeatedCompositeFieldContainer[StockSite]
    salvage_value: _money_pb2.Money
    holding_cost: _money_pb2.Money
    def __init__(self, critical_fractile: _Optional[float] = ..., underage_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., overage_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., order_multiple: _Optional[int] = ..., covers_weeks: _Optional[int] = ..., lead_time_days: _Optional[int] = ..., shelf_life_days: _Optional[int] = ..., sites: _Optional[_Iterable[_Union[StockSite, _Mapping]]] = ..., salvage_value: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., holding_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class PlanLaunchRequest(_message.Message):
    __slots__ = ("request_id", "product", "window", "constraints", "costs", "objective", "stock_policy", "max_plans", "max_candidates", "audience_size", "similar_launches", "population_scale", "time_zone", "model_release", "market_signals", "calendar_events")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    COSTS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    STOCK_POLICY_FIELD_NUMBER: _ClassVar[int]
    MAX_PLANS_FIELD_NUMBER: _ClassVar[int]
    MAX_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SIMILAR_LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    POPULATION_SCALE_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    MARKET_SIGNALS_FIELD_NUMBER: _ClassVar[int]
    CALENDAR_EVENTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    product: _types_pb2.Product
    window: _types_pb2.DateWindow
    constraints: PlanConstraints
    costs: Costs
    objective: Objective
    stock_policy: StockPolicy
    max_plans: int
    max_candidates: int
    audience_size: int
    similar_launches: int
    population_scale: float
    time_zone: str
    model_release: int
    market_signals: _containers.RepeatedCompositeFieldContainer[_types_pb2.MarketSignal]
    calendar_events: _containers.RepeatedCompositeFieldContainer[_types_pb2.CalendarEvent]
    def __init__(self, request_id: _Optional[str] = ..., product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ..., window: _Optional[_Union[_types_pb2.DateWindow, _Mapping]] = ..., constraints: _Optional[_Union[PlanConstraints, _Mapping]] = ..., costs: _Optional[_Union[Costs, _Mapping]] = ..., objective: _Optional[_Union[Objective, _Mapping]] = ..., stock_policy: _Optional[_Union[StockPolicy, _Mapping]] = ..., max_plans: _Optional[int] = ..., max_candidates: _Optional[int] = ..., audience_size: _Optional[int] = ..., similar_launches: _Optional[int] = ..., population_scale: _Optional[float] = ..., time_zone: _Optional[str] = ..., model_release: _Optional[int] = ..., market_signals: _Optional[_Iterable[_Union[_types_pb2.MarketSignal, _Mapping]]] = ..., calendar_events: _Optional[_Iterable[_Union[_types_pb2.CalendarEvent, _Mapping]]] = ...) -> None: ...

class ActionEffect(_message.Message):
    __slots__ = ("change", "field", "units_difference", "objective_difference", "action", "feasible")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    UNITS_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    FEASIBLE_FIELD_NUMBER: _ClassVar[int]
    change: str
    field: str
    units_difference: float
    objective_difference: float
    action: _types_pb2.Action
    feasible: bool
    def __init__(self, change: _Optional[str] = ..., field: _Optional[str] = ..., units_difference: _Optional[float] = ..., objective_difference: _Optional[float] = ..., action: _Optional[_Union[_types_pb2.Action, _Mapping]] = ..., feasible: bool = ...) -> None: ...

class PriceStep(_message.Message):
    __slots__ = ("week", "week_start_date", "phase", "discount", "price", "units", "stock_left")
    WEEK_FIELD_NUMBER: _ClassVar[int]
    WEEK_START_DATE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    STOCK_LEFT_FIELD_NUMBER: _ClassVar[int]
    week: int
    week_start_date: str
    phase: PricePhase
    discount: float
    price: _money_pb2.Money
    units: float
    stock_left: float
    def __init__(self, week: _Optional[int] = ..., week_start_date: _Optional[str] = ..., phase: _Optional[_Union[PricePhase, str]] = ..., discount: _Optional[float] = ..., price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., units: _Optional[float] = ..., stock_left: _Optional[float] = ...) -> None: ...

class PriceResponse(_message.Message):
    __slots__ = ("elasticity", "plan_elasticity", "category_elasticity", "weight", "basis")
    ELASTICITY_FIELD_NUMBER: _ClassVar[int]
    PLAN_ELASTICITY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_ELASTICITY_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    elasticity: float
    plan_elasticity: float
    category_elasticity: float
    weight: float
    basis: str
    def __init__(self, elasticity: _Optional[float] = ..., plan_elasticity: _Optional[float] = ..., category_elasticity: _Optional[float] = ..., weight: _Optional[float] = ..., basis: _Optional[str] = ...) -> None: ...

class LaunchPlan(_message.Message):
    __slots__ = ("rank", "action", "forecasts", "objective_value", "promotion_cost", "discount_cost", "stock", "effects", "support", "summary", "price_path", "price_response", "broken_constraints", "buyers_without_promotion")
    RANK_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    FORECASTS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_COST_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_COST_FIELD_NUMBER: _ClassVar[int]
    STOCK_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    PRICE_PATH_FIELD_NUMBER: _ClassVar[int]
    PRICE_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    BROKEN_CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    BUYERS_WITHOUT_PROMOTION_FIELD_NUMBER: _ClassVar[int]
    rank: int
    action: _types_pb2.Action
    forecasts: _containers.RepeatedCompositeFieldContainer[_types_pb2.OutcomeForecast]
    objective_value: float
    promotion_cost: _money_pb2.Money
    discount_cost: _money_pb2.Money
    stock: _types_pb2.StockAdvice
    effects: _containers.RepeatedCompositeFieldContainer[ActionEffect]
    support: _types_pb2.Support
    summary: str
    price_path: _containers.RepeatedCompositeFieldContainer[PriceStep]
    price_response: PriceResponse
    broken_constraints: _containers.RepeatedScalarFieldContainer[str]
    buyers_without_promotion: float
    def __init__(self, rank: _Optional[int] = ..., action: _Optional[_Union[_types_pb2.Action, _Mapping]] = ..., forecasts: _Optional[_Iterable[_Union[_types_pb2.OutcomeForecast, _Mapping]]] = ..., objective_value: _Optional[float] = ..., promotion_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., discount_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., stock: _Optional[_Union[_types_pb2.StockAdvice, _Mapping]] = ..., effects: _Optional[_Iterable[_Union[ActionEffect, _Mapping]]] = ..., support: _Optional[_Union[_types_pb2.Support, _Mapping]] = ..., summary: _Optional[str] = ..., price_path: _Optional[_Iterable[_Union[PriceStep, _Mapping]]] = ..., price_response: _Optional[_Union[PriceResponse, _Mapping]] = ..., broken_constraints: _Optional[_Iterable[str]] = ..., buyers_without_promotion: _Optional[float] = ...) -> None: ...

class FrontierPoint(_message.Message):
    __slots__ = ("action", "channels", "units", "revenue", "promotion_cost", "promotion_effort", "marginal_units", "discount_cost")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_COST_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_EFFORT_FIELD_NUMBER: _ClassVar[int]
    MARGINAL_UNITS_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_COST_FIELD_NUMBER: _ClassVar[int]
    action: _types_pb2.Action
    channels: int
    units: float
    revenue: _money_pb2.Money
    promotion_cost: _money_pb2.Money
    promotion_effort: float
    marginal_units: float
    discount_cost: _money_pb2.Money
    def __init__(self, action: _Optional[_Union[_types_pb2.Action, _Mapping]] = ..., channels: _Optional[int] = ..., units: _Optional[float] = ..., revenue: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., promotion_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., promotion_effort: _Optional[float] = ..., marginal_units: _Optional[float] = ..., discount_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class TimingEvidence(_message.Message):
    __slots__ = ("week_start_date", "seasonality", "practice_share")
    WEEK_START_DATE_FIELD_NUMBER: _ClassVar[int]
    SEASONALITY_FIELD_NUMBER: _ClassVar[int]
    PRACTICE_SHARE_FIELD_NUMBER: _ClassVar[int]
    week_start_date: str
    seasonality: float
    practice_share: float
    def __init__(self, week_start_date: _Optional[str] = ..., seasonality: _Optional[float] = ..., practice_share: _Optional[float] = ...) -> None: ...

class PlanLaunchResponse(_message.Message):
    __slots__ = ("plan_id", "plans", "practice_plan", "frontier", "frontier_instead_of_winner", "objective_metric", "audience", "segments", "similar_launches", "category", "timing", "candidates_scored", "candidates_feasible", "info", "exploration", "holdout_share")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PLANS_FIELD_NUMBER: _ClassVar[int]
    PRACTICE_PLAN_FIELD_NUMBER: _ClassVar[int]
    FRONTIER_FIELD_NUMBER: _ClassVar[int]
    FRONTIER_INSTEAD_OF_WINNER_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_METRIC_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    SIMILAR_LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_SCORED_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FEASIBLE_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    EXPLORATION_FIELD_NUMBER: _ClassVar[int]
    HOLDOUT_SHARE_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    plans: _containers.RepeatedCompositeFieldContainer[LaunchPlan]
    practice_plan: LaunchPlan
    frontier: _containers.RepeatedCompositeFieldContainer[FrontierPoint]
    frontier_instead_of_winner: bool
    objective_metric: _types_pb2.ObjectiveMetric
    audience: _containers.RepeatedCompositeFieldContainer[_types_pb2.AudienceMember]
    segments: _containers.RepeatedCompositeFieldContainer[_types_pb2.AudienceSegment]
    similar_launches: _containers.RepeatedCompositeFieldContainer[_types_pb2.PastLaunch]
    category: _types_pb2.CategoryResolution
    timing: _containers.RepeatedCompositeFieldContainer[TimingEvidence]
    candidates_scored: int
    candidates_feasible: int
    info: _types_pb2.ResponseInfo
    exploration: Exploration
    holdout_share: float
    def __init__(self, plan_id: _Optional[str] = ..., plans: _Optional[_Iterable[_Union[LaunchPlan, _Mapping]]] = ..., practice_plan: _Optional[_Union[LaunchPlan, _Mapping]] = ..., frontier: _Optional[_Iterable[_Union[FrontierPoint, _Mapping]]] = ..., frontier_instead_of_winner: bool = ..., objective_metric: _Optional[_Union[_types_pb2.ObjectiveMetric, str]] = ..., audience: _Optional[_Iterable[_Union[_types_pb2.AudienceMember, _Mapping]]] = ..., segments: _Optional[_Iterable[_Union[_types_pb2.AudienceSegment, _Mapping]]] = ..., similar_launches: _Optional[_Iterable[_Union[_types_pb2.PastLaunch, _Mapping]]] = ..., category: _Optional[_Union[_types_pb2.CategoryResolution, _Mapping]] = ..., timing: _Optional[_Iterable[_Union[TimingEvidence, _Mapping]]] = ..., candidates_scored: _Optional[int] = ..., candidates_feasible: _Optional[int] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ..., exploration: _Optional[_Union[Exploration, _Mapping]] = ..., holdout_share: _Optional[float] = ...) -> None: ...

class NearTie(_message.Message):
    __slots__ = ("rank", "objective_value", "probability")
    RANK_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    rank: int
    objective_value: float
    probability: float
    def __init__(self, rank: _Optional[int] = ..., objective_value: _Optional[float] = ..., probability: _Optional[float] = ...) -> None: ...

class Exploration(_message.Message):
    __slots__ = ("policy", "share", "margin", "seed", "drawn", "near_ties")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    DRAWN_FIELD_NUMBER: _ClassVar[int]
    NEAR_TIES_FIELD_NUMBER: _ClassVar[int]
    policy: str
    share: float
    margin: float
    seed: int
    drawn: bool
    near_ties: _containers.RepeatedCompositeFieldContainer[NearTie]
    def __init__(self, policy: _Optional[str] = ..., share: _Optional[float] = ..., margin: _Optional[float] = ..., seed: _Optional[int] = ..., drawn: bool = ..., near_ties: _Optional[_Iterable[_Union[NearTie, _Mapping]]] = ...) -> None: ...

class EvaluatePlanRequest(_message.Message):
    __slots__ = ("product", "action", "costs", "objective", "stock_policy", "population_scale", "model_release", "time_zone", "similar_launches")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    COSTS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    STOCK_POLICY_FIELD_NUMBER: _ClassVar[int]
    POPULATION_SCALE_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    SIMILAR_LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    product: _types_pb2.Product
    action: _types_pb2.Action
    costs: Costs
    objective: Objective
    stock_policy: StockPolicy
    population_scale: float
    model_release: int
    time_zone: str
    similar_launches: int
    def __init__(self, product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ..., action: _Optional[_Union[_types_pb2.Action, _Mapping]] = ..., costs: _Optional[_Union[Costs, _Mapping]] = ..., objective: _Optional[_Union[Objective, _Mapping]] = ..., stock_policy: _Optional[_Union[StockPolicy, _Mapping]] = ..., population_scale: _Optional[float] = ..., model_release: _Optional[int] = ..., time_zone: _Optional[str] = ..., similar_launches: _Optional[int] = ...) -> None: ...

class EvaluatePlanResponse(_message.Message):
    __slots__ = ("plan_id", "plan", "objective_metric", "category", "similar_launches", "info")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_METRIC_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SIMILAR_LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    plan: LaunchPlan
    objective_metric: _types_pb2.ObjectiveMetric
    category: _types_pb2.CategoryResolution
    similar_launches: _containers.RepeatedCompositeFieldContainer[_types_pb2.PastLaunch]
    info: _types_pb2.ResponseInfo
    def __init__(self, plan_id: _Optional[str] = ..., plan: _Optional[_Union[LaunchPlan, _Mapping]] = ..., objective_metric: _Optional[_Union[_types_pb2.ObjectiveMetric, str]] = ..., category: _Optional[_Union[_types_pb2.CategoryResolution, _Mapping]] = ..., similar_launches: _Optional[_Iterable[_Union[_types_pb2.PastLaunch, _Mapping]]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class UpdateForecastRequest(_message.Message):
    __slots__ = ("product", "action", "observed_weekly_units", "stock_units", "costs", "stock_policy", "constraints", "population_scale", "model_release", "time_zone")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_WEEKLY_UNITS_FIELD_NUMBER: _ClassVar[int]
    STOCK_UNITS_FIELD_NUMBER: _ClassVar[int]
    COSTS_FIELD_NUMBER: _ClassVar[int]
    STOCK_POLICY_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    POPULATION_SCALE_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    product: _types_pb2.Product
    action: _types_pb2.Action
    observed_weekly_units: _containers.RepeatedScalarFieldContainer[int]
    stock_units: int
    costs: Costs
    stock_policy: StockPolicy
    constraints: PlanConstraints
    population_scale: float
    model_release: int
    time_zone: str
    def __init__(self, product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ..., action: _Optional[_Union[_types_pb2.Action, _Mapping]] = ..., observed_weekly_units: _Optional[_Iterable[int]] = ..., stock_units: _Optional[int] = ..., costs: _Optional[_Union[Costs, _Mapping]] = ..., stock_policy: _Optional[_Union[StockPolicy, _Mapping]] = ..., constraints: _Optional[_Union[PlanConstraints, _Mapping]] = ..., population_scale: _Optional[float] = ..., model_release: _Optional[int] = ..., time_zone: _Optional[str] = ...) -> None: ...

class WeekForecast(_message.Message):
    __slots__ = ("week", "week_start_date", "observed", "units", "planned_units")
    WEEK_FIELD_NUMBER: _ClassVar[int]
    WEEK_START_DATE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    PLANNED_UNITS_FIELD_NUMBER: _ClassVar[int]
    week: int
    week_start_date: str
    observed: bool
    units: float
    planned_units: float
    def __init__(self, week: _Optional[int] = ..., week_start_date: _Optional[str] = ..., observed: bool = ..., units: _Optional[float] = ..., planned_units: _Optional[float] = ...) -> None: ...

class ReorderAdvice(_message.Message):
    __slots__ = ("units", "stock_units", "critical_fractile", "critical_fractile_assumed", "arrival_date", "covers_days", "expected_units", "lasts_until_arrival")
    UNITS_FIELD_NUMBER: _ClassVar[int]
    STOCK_UNITS_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_FRACTILE_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_FRACTILE_ASSUMED_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_DATE_FIELD_NUMBER: _ClassVar[int]
    COVERS_DAYS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_UNITS_FIELD_NUMBER: _ClassVar[int]
    LASTS_UNTIL_ARRIVAL_FIELD_NUMBER: _ClassVar[int]
    units: int
    stock_units: int
    critical_fractile: float
    critical_fractile_assumed: bool
    arrival_date: str
    covers_days: int
    expected_units: float
    lasts_until_arrival: float
    def __init__(self, units: _Optional[int] = ..., stock_units: _Optional[int] = ..., critical_fractile: _Optional[float] = ..., critical_fractile_assumed: bool = ..., arrival_date: _Optional[str] = ..., covers_days: _Optional[int] = ..., expected_units: _Optional[float] = ..., lasts_until_arrival: _Optional[float] = ...) -> None: ...

class UpdateForecastResponse(_message.Message):
    __slots__ = ("plan_id", "weeks_observed", "units_observed", "remaining", "total", "prior", "evidence_weight", "weeks", "reorder", "price_path", "price_response", "category", "info")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    WEEKS_OBSERVED_FIELD_NUMBER: _ClassVar[int]
    UNITS_OBSERVED_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    WEEKS_FIELD_NUMBER: _ClassVar[int]
    REORDER_FIELD_NUMBER: _ClassVar[int]
    PRICE_PATH_FIELD_NUMBER: _ClassVar[int]
    PRICE_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    weeks_observed: int
    units_observed: int
    remaining: _types_pb2.CountForecast
    total: _types_pb2.CountForecast
    prior: _types_pb2.CountForecast
    evidence_weight: float
    weeks: _containers.RepeatedCompositeFieldContainer[WeekForecast]
    reorder: ReorderAdvice
    price_path: _containers.RepeatedCompositeFieldContainer[PriceStep]
    price_response: PriceResponse
    category: _types_pb2.CategoryResolution
    info: _types_pb2.ResponseInfo
    def __init__(self, plan_id: _Optional[str] = ..., weeks_observed: _Optional[int] = ..., units_observed: _Optional[int] = ..., remaining: _Optional[_Union[_types_pb2.CountForecast, _Mapping]] = ..., total: _Optional[_Union[_types_pb2.CountForecast, _Mapping]] = ..., prior: _Optional[_Union[_types_pb2.CountForecast, _Mapping]] = ..., evidence_weight: _Optional[float] = ..., weeks: _Optional[_Iterable[_Union[WeekForecast, _Mapping]]] = ..., reorder: _Optional[_Union[ReorderAdvice, _Mapping]] = ..., price_path: _Optional[_Iterable[_Union[PriceStep, _Mapping]]] = ..., price_response: _Optional[_Union[PriceResponse, _Mapping]] = ..., category: _Optional[_Union[_types_pb2.CategoryResolution, _Mapping]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class StreamPlansRequest(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: PlanLaunchRequest
    def __init__(self, plan: _Optional[_Union[PlanLaunchRequest, _Mapping]] = ...) -> None: ...

class StreamPlansResponse(_message.Message):
    __slots__ = ("request_id", "plan", "error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    plan: PlanLaunchResponse
    error: StreamError
    def __init__(self, request_id: _Optional[str] = ..., plan: _Optional[_Union[PlanLaunchResponse, _Mapping]] = ..., error: _Optional[_Union[StreamError, _Mapping]] = ...) -> None: ...

class StreamError(_message.Message):
    __slots__ = ("code", "reason", "field", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    field: str
    message: str
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class CalendarCapacity(_message.Message):
    __slots__ = ("channel_id", "products_per_week")
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_PER_WEEK_FIELD_NUMBER: _ClassVar[int]
    channel_id: str
    products_per_week: int
    def __init__(self, channel_id: _Optional[str] = ..., products_per_week: _Optional[int] = ...) -> None: ...

class PlanCalendarRequest(_message.Message):
    __slots__ = ("request_id", "products", "capacities", "total_budget", "may_drop")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    CAPACITIES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BUDGET_FIELD_NUMBER: _ClassVar[int]
    MAY_DROP_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    products: _containers.RepeatedCompositeFieldContainer[PlanLaunchRequest]
    capacities: _containers.RepeatedCompositeFieldContainer[CalendarCapacity]
    total_budget: _money_pb2.Money
    may_drop: bool
    def __init__(self, request_id: _Optional[str] = ..., products: _Optional[_Iterable[_Union[PlanLaunchRequest, _Mapping]]] = ..., capacities: _Optional[_Iterable[_Union[CalendarCapacity, _Mapping]]] = ..., total_budget: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., may_drop: bool = ...) -> None: ...

class CalendarEntry(_message.Message):
    __slots__ = ("index", "decision", "plan", "reason")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    decision: CalendarDecision
    plan: LaunchPlan
    reason: str
    def __init__(self, index: _Optional[int] = ..., decision: _Optional[_Union[CalendarDecision, str]] = ..., plan: _Optional[_Union[LaunchPlan, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class PlanCalendarResponse(_message.Message):
    __slots__ = ("calendar_id", "entries", "objective_value", "objective_bound", "info")
    CALENDAR_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_BOUND_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    calendar_id: str
    entries: _containers.RepeatedCompositeFieldContainer[CalendarEntry]
    objective_value: float
    objective_bound: float
    info: _types_pb2.ResponseInfo
    def __init__(self, calendar_id: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[CalendarEntry, _Mapping]]] = ..., objective_value: _Optional[float] = ..., objective_bound: _Optional[float] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class GetPlanRequest(_message.Message):
    __slots__ = ("plan_id",)
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    def __init__(self, plan_id: _Optional[str] = ...) -> None: ...

class StoredPlan(_message.Message):
    __slots__ = ("plan_id", "created_at", "state", "request", "response", "evaluate_request", "evaluate_response", "decision", "earlier_decisions", "executed_plan", "executed_weekly_units")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    EARLIER_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_PLAN_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_WEEKLY_UNITS_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    created_at: _timestamp_pb2.Timestamp
    state: LaunchState
    request: PlanLaunchRequest
    response: PlanLaunchResponse
    evaluate_request: EvaluatePlanRequest
    evaluate_response: EvaluatePlanResponse
    decision: LaunchDecision
    earlier_decisions: _containers.RepeatedCompositeFieldContainer[LaunchDecision]
    executed_plan: LaunchPlan
    executed_weekly_units: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, plan_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[LaunchState, str]] = ..., request: _Optional[_Union[PlanLaunchRequest, _Mapping]] = ..., response: _Optional[_Union[PlanLaunchResponse, _Mapping]] = ..., evaluate_request: _Optional[_Union[EvaluatePlanRequest, _Mapping]] = ..., evaluate_response: _Optional[_Union[EvaluatePlanResponse, _Mapping]] = ..., decision: _Optional[_Union[LaunchDecision, _Mapping]] = ..., earlier_decisions: _Optional[_Iterable[_Union[LaunchDecision, _Mapping]]] = ..., executed_plan: _Optional[_Union[LaunchPlan, _Mapping]] = ..., executed_weekly_units: _Optional[_Iterable[float]] = ...) -> None: ...

class GetPlanResponse(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: StoredPlan
    def __init__(self, plan: _Optional[_Union[StoredPlan, _Mapping]] = ...) -> None: ...

class ListPlansRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "product_id", "state", "created_from", "created_before")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FROM_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    product_id: str
    state: LaunchState
    created_from: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., product_id: _Optional[str] = ..., state: _Optional[_Union[LaunchState, str]] = ..., created_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PlanSummary(_message.Message):
    __slots__ = ("plan_id", "created_at", "product_id", "title", "state", "model_release", "action", "units", "decision")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    created_at: _timestamp_pb2.Timestamp
    product_id: str
    title: str
    state: LaunchState
    model_release: int
    action: _types_pb2.Action
    units: float
    decision: LaunchDecision
    def __init__(self, plan_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., product_id: _Optional[str] = ..., title: _Optional[str] = ..., state: _Optional[_Union[LaunchState, str]] = ..., model_release: _Optional[int] = ..., action: _Optional[_Union[_types_pb2.Action, _Mapping]] = ..., units: _Optional[float] = ..., decision: _Optional[_Union[LaunchDecision, _Mapping]] = ...) -> None: ...

class ListPlansResponse(_message.Message):
    __slots__ = ("plans", "next_page_token")
    PLANS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    plans: _containers.RepeatedCompositeFieldContainer[PlanSummary]
    next_page_token: str
    def __init__(self, plans: _Optional[_Iterable[_Union[PlanSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class LaunchDecision(_message.Message):
    __slots__ = ("kind", "executed_action", "plan_rank", "product_id", "reason", "comment", "decided_by", "postponed_until", "decided_at", "revision")
    KIND_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_ACTION_FIELD_NUMBER: _ClassVar[int]
    PLAN_RANK_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    POSTPONED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    kind: DecisionKind
    executed_action: _types_pb2.Action
    plan_rank: int
    product_id: str
    reason: DecisionReason
    comment: str
    decided_by: str
    postponed_until: str
    decided_at: _timestamp_pb2.Timestamp
    revision: int
    def __init__(self, kind: _Optional[_Union[DecisionKind, str]] = ..., executed_action: _Optional[_Union[_types_pb2.Action, _Mapping]] = ..., plan_rank: _Optional[int] = ..., product_id: _Optional[str] = ..., reason: _Optional[_Union[DecisionReason, str]] = ..., comment: _Optional[str] = ..., decided_by: _Optional[str] = ..., postponed_until: _Optional[str] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class DecideLaunchRequest(_message.Message):
    __slots__ = ("plan_id", "decision", "last_revision")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    LAST_REVISION_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    decision: LaunchDecision
    last_revision: int
    def __init__(self, plan_id: _Optional[str] = ..., decision: _Optional[_Union[LaunchDecision, _Mapping]] = ..., last_revision: _Optional[int] = ...) -> None: ...

class DecideLaunchResponse(_message.Message):
    __slots__ = ("plan", "revised", "info")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    REVISED_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    plan: StoredPlan
    revised: bool
    info: _types_pb2.ResponseInfo
    def __init__(self, plan: _Optional[_Union[StoredPlan, _Mapping]] = ..., revised: bool = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class ReplayPlanRequest(_message.Message):
    __slots__ = ("plan_id",)
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    def __init__(self, plan_id: _Optional[str] = ...) -> None: ...

class PlanDifference(_message.Message):
    __slots__ = ("field", "remembered", "replayed")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REMEMBERED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    field: str
    remembered: str
    replayed: str
    def __init__(self, field: _Optional[str] = ..., remembered: _Optional[str] = ..., replayed: _Optional[str] = ...) -> None: ...

class ReplayPlanResponse(_message.Message):
    __slots__ = ("same", "differences", "info")
    SAME_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    same: bool
    differences: _containers.RepeatedCompositeFieldContainer[PlanDifference]
    info: _types_pb2.ResponseInfo
    def __init__(self, same: bool = ..., differences: _Optional[_Iterable[_Union[PlanDifference, _Mapping]]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class EstimatePowerRequest(_message.Message):
    __slots__ = ("plan_id", "rank", "other_plan_id", "other_rank", "unit", "users", "sites", "weeks", "dispersion", "power", "significance")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    OTHER_PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_RANK_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    SITES_FIELD_NUMBER: _ClassVar[int]
    WEEKS_FIELD_NUMBER: _ClassVar[int]
    DISPERSION_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    SIGNIFICANCE_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    rank: int
    other_plan_id: str
    other_rank: int
    unit: PowerUnit
    users: int
    sites: int
    weeks: int
    dispersion: float
    power: float
    significance: float
    def __init__(self, plan_id: _Optional[str] = ..., rank: _Optional[int] = ..., other_plan_id: _Optional[str] = ..., other_rank: _Optional[int] = ..., unit: _Optional[_Union[PowerUnit, str]] = ..., users: _Optional[int] = ..., sites: _Optional[int] = ..., weeks: _Optional[int] = ..., dispersion: _Optional[float] = ..., power: _Optional[float] = ..., significance: _Optional[float] = ...) -> None: ...

class PowerWeek(_message.Message):
    __slots__ = ("week", "needed", "visible_difference", "first", "second")
    WEEK_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    VISIBLE_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    week: int
    needed: int
    visible_difference: float
    first: float
    second: float
    def __init__(self, week: _Optional[int] = ..., needed: _Optional[int] = ..., visible_difference: _Optional[float] = ..., first: _Optional[float] = ..., second: _Optional[float] = ...) -> None: ...

class EstimatePowerResponse(_message.Message):
    __slots__ = ("unit", "available", "weeks", "units_difference", "buyers_difference", "relative_difference", "sufficient", "weeks_needed", "needed", "by_week", "verdict", "dispersion", "dispersion_assumed", "power", "significance", "info")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    WEEKS_FIELD_NUMBER: _ClassVar[int]
    UNITS_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    BUYERS_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    SUFFICIENT_FIELD_NUMBER: _ClassVar[int]
    WEEKS_NEEDED_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    BY_WEEK_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    DISPERSION_FIELD_NUMBER: _ClassVar[int]
    DISPERSION_ASSUMED_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    SIGNIFICANCE_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    unit: PowerUnit
    available: int
    weeks: int
    units_difference: float
    buyers_difference: float
    relative_difference: float
    sufficient: bool
    weeks_needed: int
    needed: int
    by_week: _containers.RepeatedCompositeFieldContainer[PowerWeek]
    verdict: str
    dispersion: float
    dispersion_assumed: bool
    power: float
    significance: float
    info: _types_pb2.ResponseInfo
    def __init__(self, unit: _Optional[_Union[PowerUnit, str]] = ..., available: _Optional[int] = ..., weeks: _Optional[int] = ..., units_difference: _Optional[float] = ..., buyers_difference: _Optional[float] = ..., relative_difference: _Optional[float] = ..., sufficient: bool = ..., weeks_needed: _Optional[int] = ..., needed: _Optional[int] = ..., by_week: _Optional[_Iterable[_Union[PowerWeek, _Mapping]]] = ..., verdict: _Optional[str] = ..., dispersion: _Optional[float] = ..., dispersion_assumed: bool = ..., power: _Optional[float] = ..., significance: _Optional[float] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...
