import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PriceTax(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRICE_TAX_UNSPECIFIED: _ClassVar[PriceTax]
    PRICE_TAX_INCLUDED: _ClassVar[PriceTax]
    PRICE_TAX_EXCLUDED: _ClassVar[PriceTax]

class BrandClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BRAND_CLASS_UNSPECIFIED: _ClassVar[BrandClass]
    BRAND_CLASS_NATIONAL: _ClassVar[BrandClass]
    BRAND_CLASS_PRIVATE_LABEL: _ClassVar[BrandClass]

class ObjectiveMetric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OBJECTIVE_METRIC_UNSPECIFIED: _ClassVar[ObjectiveMetric]
    OBJECTIVE_METRIC_GROSS_PROFIT: _ClassVar[ObjectiveMetric]
    OBJECTIVE_METRIC_REVENUE: _ClassVar[ObjectiveMetric]
    OBJECTIVE_METRIC_UNITS: _ClassVar[ObjectiveMetric]
    OBJECTIVE_METRIC_BUYERS: _ClassVar[ObjectiveMetric]

class NoticeCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTICE_CODE_UNSPECIFIED: _ClassVar[NoticeCode]
    NOTICE_CODE_TITLE_PARTLY_UNKNOWN: _ClassVar[NoticeCode]
    NOTICE_CODE_CATEGORY_UNKNOWN: _ClassVar[NoticeCode]
    NOTICE_CODE_CATEGORY_INFERRED: _ClassVar[NoticeCode]
    NOTICE_CODE_PRICE_ASSUMED: _ClassVar[NoticeCode]
    NOTICE_CODE_SEASONAL_PROJECTION: _ClassVar[NoticeCode]
    NOTICE_CODE_PROMOTION_COST_ASSUMED_ZERO: _ClassVar[NoticeCode]
    NOTICE_CODE_CRITICAL_FRACTILE_ASSUMED: _ClassVar[NoticeCode]
    NOTICE_CODE_UNPROMOTED_EXTRAPOLATED: _ClassVar[NoticeCode]
    NOTICE_CODE_LOW_SUPPORT: _ClassVar[NoticeCode]
    NOTICE_CODE_PRICE_UNUSUAL: _ClassVar[NoticeCode]
    NOTICE_CODE_DEGRADED: _ClassVar[NoticeCode]
    NOTICE_CODE_FIELD_IGNORED: _ClassVar[NoticeCode]
    NOTICE_CODE_POPULATION_SCALED: _ClassVar[NoticeCode]
    NOTICE_CODE_ASSOCIATION: _ClassVar[NoticeCode]
    NOTICE_CODE_USER_COLD: _ClassVar[NoticeCode]
    NOTICE_CODE_BRAND_UNKNOWN: _ClassVar[NoticeCode]
    NOTICE_CODE_CANDIDATES_LIMITED: _ClassVar[NoticeCode]
    NOTICE_CODE_TAX_BASIS_DIFFERS: _ClassVar[NoticeCode]
    NOTICE_CODE_STOCK_SHORTENED: _ClassVar[NoticeCode]
    NOTICE_CODE_STOCK_RAISED: _ClassVar[NoticeCode]
    NOTICE_CODE_SALES_FOR_DEMAND: _ClassVar[NoticeCode]
    NOTICE_CODE_CATALOG_INCOMPLETE: _ClassVar[NoticeCode]
    NOTICE_CODE_TITLE_STRANGE: _ClassVar[NoticeCode]
    NOTICE_CODE_NOT_LEARNED: _ClassVar[NoticeCode]
    NOTICE_CODE_NOT_REMEMBERED: _ClassVar[NoticeCode]
    NOTICE_CODE_NO_EVENTS: _ClassVar[NoticeCode]
    NOTICE_CODE_OTHER_MODEL_RELEASE: _ClassVar[NoticeCode]
    NOTICE_CODE_ORDER_DRAWN: _ClassVar[NoticeCode]
    NOTICE_CODE_HELD_OUT: _ClassVar[NoticeCode]
    NOTICE_CODE_REVIEWS_NOT_READ: _ClassVar[NoticeCode]
    NOTICE_CODE_INFERRED_FROM_SIMILAR: _ClassVar[NoticeCode]
    NOTICE_CODE_EFFECTS_UNKNOWN: _ClassVar[NoticeCode]

class SupportLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUPPORT_LEVEL_UNSPECIFIED: _ClassVar[SupportLevel]
    SUPPORT_LEVEL_NONE: _ClassVar[SupportLevel]
    SUPPORT_LEVEL_LOW: _ClassVar[SupportLevel]
    SUPPORT_LEVEL_GOOD: _ClassVar[SupportLevel]
PRICE_TAX_UNSPECIFIED: PriceTax
PRICE_TAX_INCLUDED: PriceTax
PRICE_TAX_EXCLUDED: PriceTax
BRAND_CLASS_UNSPECIFIED: BrandClass
BRAND_CLASS_NATIONAL: BrandClass
BRAND_CLASS_PRIVATE_LABEL: BrandClass
OBJECTIVE_METRIC_UNSPECIFIED: ObjectiveMetric
OBJECTIVE_METRIC_GROSS_PROFIT: ObjectiveMetric
OBJECTIVE_METRIC_REVENUE: ObjectiveMetric
OBJECTIVE_METRIC_UNITS: ObjectiveMetric
OBJECTIVE_METRIC_BUYERS: ObjectiveMetric
NOTICE_CODE_UNSPECIFIED: NoticeCode
NOTICE_CODE_TITLE_PARTLY_UNKNOWN: NoticeCode
NOTICE_CODE_CATEGORY_UNKNOWN: NoticeCode
NOTICE_CODE_CATEGORY_INFERRED: NoticeCode
NOTICE_CODE_PRICE_ASSUMED: NoticeCode
NOTICE_CODE_SEASONAL_PROJECTION: NoticeCode
NOTICE_CODE_PROMOTION_COST_ASSUMED_ZERO: NoticeCode
NOTICE_CODE_CRITICAL_FRACTILE_ASSUMED: NoticeCode
NOTICE_CODE_UNPROMOTED_EXTRAPOLATED: NoticeCode
NOTICE_CODE_LOW_SUPPORT: NoticeCode
NOTICE_CODE_PRICE_UNUSUAL: NoticeCode
NOTICE_CODE_DEGRADED: NoticeCode
NOTICE_CODE_FIELD_IGNORED: NoticeCode
NOTICE_CODE_POPULATION_SCALED: NoticeCode
NOTICE_CODE_ASSOCIATION: NoticeCode
NOTICE_CODE_USER_COLD: NoticeCode
NOTICE_CODE_BRAND_UNKNOWN: NoticeCode
NOTICE_CODE_CANDIDATES_LIMITED: NoticeCode
NOTICE_CODE_TAX_BASIS_DIFFERS: NoticeCode
NOTICE_CODE_STOCK_SHORTENED: NoticeCode
NOTICE_CODE_STOCK_RAISED: NoticeCode
NOTICE_CODE_SALES_FOR_DEMAND: NoticeCode
NOTICE_CODE_CATALOG_INCOMPLETE: NoticeCode
NOTICE_CODE_TITLE_STRANGE: NoticeCode
NOTICE_CODE_NOT_LEARNED: NoticeCode
NOTICE_CODE_NOT_REMEMBERED: NoticeCode
NOTICE_CODE_NO_EVENTS: NoticeCode
NOTICE_CODE_OTHER_MODEL_RELEASE: NoticeCode
NOTICE_CODE_ORDER_DRAWN: NoticeCode
NOTICE_CODE_HELD_OUT: NoticeCode
NOTICE_CODE_REVIEWS_NOT_READ: NoticeCode
NOTICE_CODE_INFERRED_FROM_SIMILAR: NoticeCode
NOTICE_CODE_EFFECTS_UNKNOWN: NoticeCode
SUPPORT_LEVEL_UNSPECIFIED: SupportLevel
SUPPORT_LEVEL_NONE: SupportLevel
SUPPORT_LEVEL_LOW: SupportLevel
SUPPORT_LEVEL_GOOD: SupportLevel

class Product(_message.Message):
    __slots__ = ("product_id", "title", "brand", "category_path", "attributes", "list_price", "unit_cost", "price_tax", "brand_class", "package_size", "seller_id", "image_vector", "audio_vector", "language", "case_units")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    BRAND_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_PATH_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    LIST_PRICE_FIELD_NUMBER: _ClassVar[int]
    UNIT_COST_FIELD_NUMBER: _ClassVar[int]
    PRICE_TAX_FIELD_NUMBER: _ClassVar[int]
    BRAND_CLASS_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SELLER_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_VECTOR_FIELD_NUMBER: _ClassVar[int]
    AUDIO_VECTOR_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    CASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    title: str
    brand: str
    category_path: _containers.RepeatedScalarFieldContainer[str]
    attributes: _containers.ScalarMap[str, str]
    list_price: _money_pb2.Money
    unit_cost: _money_pb2.Money
    price_tax: PriceTax
    brand_class: BrandClass
    package_size: str
    seller_id: str
    image_vector: FeatureVector
    audio_vector: FeatureVector
    language: str
    case_units: int
    def __init__(self, product_id: _Optional[str] = ..., title: _Optional[str] = ..., brand: _Optional[str] = ..., category_path: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., list_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., unit_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., price_tax: _Optional[_Union[PriceTax, str]] = ..., brand_class: _Optional[_Union[BrandClass, str]] = ..., package_size: _Optional[str] = ..., seller_id: _Optional[str] = ..., image_vector: _Optional[_Union[FeatureVector, _Mapping]] = ..., audio_vector: _Optional[_Union[FeatureVector, _Mapping]] = ..., language: _Optional[str] = ..., case_units: _Optional[int] = ...) -> None: ...

class FeatureVector(_message.Message):
    __slots__ = ("model", "values")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    model: str
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, model: _Optional[str] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class DateWindow(_message.Message):
    __slots__ = ("start_date", "end_date")
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    start_date: str
    end_date: str
    def __init__(self, start_date: _Optional[str] = ..., end_date: _Optional[str] = ...) -> None: ...

class ChannelUse(_message.Message):
    __slots__ = ("channel_id", "coverage")
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    channel_id: str
    coverage: float
    def __init__(self, channel_id: _Optional[str] = ..., coverage: _Optional[float] = ...) -> None: ...

class Action(_message.Message):
    __slots__ = ("launch_date", "channels", "discount", "coupon", "list_price", "sale_price")
    LAUNCH_DATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    COUPON_FIELD_NUMBER: _ClassVar[int]
    LIST_PRICE_FIELD_NUMBER: _ClassVar[int]
    SALE_PRICE_FIELD_NUMBER: _ClassVar[int]
    launch_date: str
    channels: _containers.RepeatedCompositeFieldContainer[ChannelUse]
    discount: float
    coupon: bool
    list_price: _money_pb2.Money
    sale_price: _money_pb2.Money
    def __init__(self, launch_date: _Optional[str] = ..., channels: _Optional[_Iterable[_Union[ChannelUse, _Mapping]]] = ..., discount: _Optional[float] = ..., coupon: bool = ..., list_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., sale_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class Quantile(_message.Message):
    __slots__ = ("level", "value")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    level: float
    value: float
    def __init__(self, level: _Optional[float] = ..., value: _Optional[float] = ...) -> None: ...

class CountForecast(_message.Message):
    __slots__ = ("mean", "quantiles", "dispersion")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    QUANTILES_FIELD_NUMBER: _ClassVar[int]
    DISPERSION_FIELD_NUMBER: _ClassVar[int]
    mean: float
    quantiles: _containers.RepeatedCompositeFieldContainer[Quantile]
    dispersion: float
    def __init__(self, mean: _Optional[float] = ..., quantiles: _Optional[_Iterable[_Union[Quantile, _Mapping]]] = ..., dispersion: _Optional[float] = ...) -> None: ...

class MoneyForecast(_message.Message):
    __slots__ = ("mean", "p10", "p50", "p90")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    P10_FIELD_NUMBER: _ClassVar[int]
    P50_FIELD_NUMBER: _ClassVar[int]
    P90_FIELD_NUMBER: _ClassVar[int]
    mean: _money_pb2.Money
    p10: _money_pb2.Money
    p50: _money_pb2.Money
    p90: _money_pb2.Money
    def __init__(self, mean: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., p10: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., p50: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., p90: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class OutcomeForecast(_message.Message):
    __slots__ = ("horizon_weeks", "units", "revenue", "gross_profit", "buyers", "repeat_rate")
    HORIZON_WEEKS_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    GROSS_PROFIT_FIELD_NUMBER: _ClassVar[int]
    BUYERS_FIELD_NUMBER: _ClassVar[int]
    REPEAT_RATE_FIELD_NUMBER: _ClassVar[int]
    horizon_weeks: int
    units: CountForecast
    revenue: MoneyForecast
    gross_profit: MoneyForecast
    buyers: float
    repeat_rate: float
    def __init__(self, horizon_weeks: _Optional[int] = ..., units: _Optional[_Union[CountForecast, _Mapping]] = ..., revenue: _Optional[_Union[MoneyForecast, _Mapping]] = ..., gross_profit: _Optional[_Union[MoneyForecast, _Mapping]] = ..., buyers: _Optional[float] = ..., repeat_rate: _Optional[float] = ...) -> None: ...

class StockAdvice(_message.Message):
    __slots__ = ("units", "critical_fractile", "critical_fractile_assumed", "covers_weeks", "covers_days", "expected_units", "limited_by_shelf_life", "raised_to_minimum", "sites", "central_units")
    UNITS_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_FRACTILE_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_FRACTILE_ASSUMED_FIELD_NUMBER: _ClassVar[int]
    COVERS_WEEKS_FIELD_NUMBER: _ClassVar[int]
    COVERS_DAYS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_UNITS_FIELD_NUMBER: _ClassVar[int]
    LIMITED_BY_SHELF_LIFE_FIELD_NUMBER: _ClassVar[int]
    RAISED_TO_MINIMUM_FIELD_NUMBER: _ClassVar[int]
    SITES_FIELD_NUMBER: _ClassVar[int]
    CENTRAL_UNITS_FIELD_NUMBER: _ClassVar[int]
    units: int
    critical_fractile: float
    critical_fractile_assumed: bool
    covers_weeks: int
    covers_days: int
    expected_units: float
    limited_by_shelf_life: bool
    raised_to_minimum: bool
    sites: _containers.RepeatedCompositeFieldContainer[SiteStock]
    central_units: int
    def __init__(self, units: _Optional[int] = ..., critical_fractile: _Optional[float] = ..., critical_fractile_assumed: bool = ..., covers_weeks: _Optional[int] = ..., covers_days: _Optional[int] = ..., expected_units: _Optional[float] = ..., limited_by_shelf_life: bool = ..., raised_to_minimum: bool = ..., sites: _Optional[_Iterable[_Union[SiteStock, _Mapping]]] = ..., central_units: _Optional[int] = ...) -> None: ...

class SiteStock(_message.Message):
    __slots__ = ("site_id", "units")
    SITE_ID_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    site_id: str
    units: int
    def __init__(self, site_id: _Optional[str] = ..., units: _Optional[int] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("code", "field", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: NoticeCode
    field: str
    message: str
    def __init__(self, code: _Optional[_Union[NoticeCode, str]] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Support(_message.Message):
    __slots__ = ("level", "comparable_launches", "nearest_similarity")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    COMPARABLE_LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    NEAREST_SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    level: SupportLevel
    comparable_launches: int
    nearest_similarity: float
    def __init__(self, level: _Optional[_Union[SupportLevel, str]] = ..., comparable_launches: _Optional[int] = ..., nearest_similarity: _Optional[float] = ...) -> None: ...

class UnitsBasis(_message.Message):
    __slots__ = ("description", "users", "scale_factor")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    SCALE_FACTOR_FIELD_NUMBER: _ClassVar[int]
    description: str
    users: int
    scale_factor: float
    def __init__(self, description: _Optional[str] = ..., users: _Optional[int] = ..., scale_factor: _Optional[float] = ...) -> None: ...

class StageTiming(_message.Message):
    __slots__ = ("stage", "start", "duration", "items", "cached", "deadline_left")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_LEFT_FIELD_NUMBER: _ClassVar[int]
    stage: str
    start: _duration_pb2.Duration
    duration: _duration_pb2.Duration
    items: int
    cached: bool
    deadline_left: _duration_pb2.Duration
    def __init__(self, stage: _Optional[str] = ..., start: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., items: _Optional[int] = ..., cached: bool = ..., deadline_left: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ModelReleaseInfo(_message.Message):
    __slots__ = ("version", "as_of", "role", "dataset", "currency", "time_zone", "created_at", "price_tax")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PRICE_TAX_FIELD_NUMBER: _ClassVar[int]
    version: int
    as_of: str
    role: str
    dataset: str
    currency: str
    time_zone: str
    created_at: _timestamp_pb2.Timestamp
    price_tax: PriceTax
    def __init__(self, version: _Optional[int] = ..., as_of: _Optional[str] = ..., role: _Optional[str] = ..., dataset: _Optional[str] = ..., currency: _Optional[str] = ..., time_zone: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., price_tax: _Optional[_Union[PriceTax, str]] = ...) -> None: ...

class ResponseInfo(_message.Message):
    __slots__ = ("model_release", "units_basis", "timings", "notices", "degraded", "attribution_token")
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    UNITS_BASIS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_release: ModelReleaseInfo
    units_basis: UnitsBasis
    timings: _containers.RepeatedCompositeFieldContainer[StageTiming]
    notices: _containers.RepeatedCompositeFieldContainer[Notice]
    degraded: bool
    attribution_token: str
    def __init__(self, model_release: _Optional[_Union[ModelReleaseInfo, _Mapping]] = ..., units_basis: _Optional[_Union[UnitsBasis, _Mapping]] = ..., timings: _Optional[_Iterable[_Union[StageTiming, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[Notice, _Mapping]]] = ..., degraded: bool = ..., attribution_token: _Optional[str] = ...) -> None: ...

class CategoryResolution(_message.Message):
    __slots__ = ("category_path", "matched", "confidence", "nearest")
    CATEGORY_PATH_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    NEAREST_FIELD_NUMBER: _ClassVar[int]
    category_path: _containers.RepeatedScalarFieldContainer[str]
    matched: bool
    confidence: float
    nearest: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, category_path: _Optional[_Iterable[str]] = ..., matched: bool = ..., confidence: _Optional[float] = ..., nearest: _Optional[_Iterable[str]] = ...) -> None: ...

class MarketSignal(_message.Message):
    __slots__ = ("name", "week_start_dates", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEEK_START_DATES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    week_start_dates: _containers.RepeatedScalarFieldContainer[str]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, name: _Optional[str] = ..., week_start_dates: _Optional[_Iterable[str]] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class CalendarEvent(_message.Message):
    __slots__ = ("name", "window")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    name: str
    window: DateWindow
    def __init__(self, name: _Optional[str] = ..., window: _Optional[_Union[DateWindow, _Mapping]] = ...) -> None: ...

class PastLaunch(_message.Message):
    __slots__ = ("product_id", "title", "category_path", "action", "units_4w", "units_8w", "buyers_8w", "similarity", "promotion_first")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_PATH_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    UNITS_4W_FIELD_NUMBER: _ClassVar[int]
    UNITS_8W_FIELD_NUMBER: _ClassVar[int]
    BUYERS_8W_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_FIRST_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    title: str
    category_path: _containers.RepeatedScalarFieldContainer[str]
    action: Action
    units_4w: float
    units_8w: float
    buyers_8w: float
    similarity: float
    promotion_first: bool
    def __init__(self, product_id: _Optional[str] = ..., title: _Optional[str] = ..., category_path: _Optional[_Iterable[str]] = ..., action: _Optional[_Union[Action, _Mapping]] = ..., units_4w: _Optional[float] = ..., units_8w: _Optional[float] = ..., buyers_8w: _Optional[float] = ..., similarity: _Optional[float] = ..., promotion_first: bool = ...) -> None: ...

class AudienceMember(_message.Message):
    __slots__ = ("user_id", "score", "reason_product_ids")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REASON_PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    score: float
    reason_product_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user_id: _Optional[str] = ..., score: _Optional[float] = ..., reason_product_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class AudienceSegment(_message.Message):
    __slots__ = ("description", "users", "share", "lift")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    LIFT_FIELD_NUMBER: _ClassVar[int]
    description: str
    users: int
    share: float
    lift: float
    def __init__(self, description: _Optional[str] = ..., users: _Optional[int] = ..., share: _Optional[float] = ..., lift: _Optional[float] = ...) -> None: ...
