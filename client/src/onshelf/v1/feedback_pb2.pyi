import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from onshelf.v1 import launch_pb2 as _launch_pb2
from onshelf.v1 import recommendation_pb2 as _recommendation_pb2
from onshelf.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LaunchException(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LAUNCH_EXCEPTION_UNSPECIFIED: _ClassVar[LaunchException]
    LAUNCH_EXCEPTION_BELOW_BAND: _ClassVar[LaunchException]
    LAUNCH_EXCEPTION_ABOVE_BAND: _ClassVar[LaunchException]
    LAUNCH_EXCEPTION_STOCK_ENDS: _ClassVar[LaunchException]
    LAUNCH_EXCEPTION_REVIEWS_TURN: _ClassVar[LaunchException]
    LAUNCH_EXCEPTION_DATA_MISSING: _ClassVar[LaunchException]

class HoldoutVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HOLDOUT_VERDICT_UNSPECIFIED: _ClassVar[HoldoutVerdict]
    HOLDOUT_VERDICT_UNDERPOWERED: _ClassVar[HoldoutVerdict]
    HOLDOUT_VERDICT_NOT_SEEN: _ClassVar[HoldoutVerdict]
    HOLDOUT_VERDICT_SEEN: _ClassVar[HoldoutVerdict]
LAUNCH_EXCEPTION_UNSPECIFIED: LaunchException
LAUNCH_EXCEPTION_BELOW_BAND: LaunchException
LAUNCH_EXCEPTION_ABOVE_BAND: LaunchException
LAUNCH_EXCEPTION_STOCK_ENDS: LaunchException
LAUNCH_EXCEPTION_REVIEWS_TURN: LaunchException
LAUNCH_EXCEPTION_DATA_MISSING: LaunchException
HOLDOUT_VERDICT_UNSPECIFIED: HoldoutVerdict
HOLDOUT_VERDICT_UNDERPOWERED: HoldoutVerdict
HOLDOUT_VERDICT_NOT_SEEN: HoldoutVerdict
HOLDOUT_VERDICT_SEEN: HoldoutVerdict

class Event(_message.Message):
    __slots__ = ("event_id", "kind", "user_id", "product_id", "time", "attribution_token", "quantity", "revenue", "discount", "rating", "text", "site_id", "channel_id")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SITE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    kind: _recommendation_pb2.EventKind
    user_id: str
    product_id: str
    time: _timestamp_pb2.Timestamp
    attribution_token: str
    quantity: float
    revenue: _money_pb2.Money
    discount: _money_pb2.Money
    rating: float
    text: str
    site_id: str
    channel_id: str
    def __init__(self, event_id: _Optional[str] = ..., kind: _Optional[_Union[_recommendation_pb2.EventKind, str]] = ..., user_id: _Optional[str] = ..., product_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attribution_token: _Optional[str] = ..., quantity: _Optional[float] = ..., revenue: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., discount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., rating: _Optional[float] = ..., text: _Optional[str] = ..., site_id: _Optional[str] = ..., channel_id: _Optional[str] = ...) -> None: ...

class RecordEventsRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class EventError(_message.Message):
    __slots__ = ("index", "event_id", "reason", "field", "message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    event_id: str
    reason: str
    field: str
    message: str
    def __init__(self, index: _Optional[int] = ..., event_id: _Optional[str] = ..., reason: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class RecordEventsResponse(_message.Message):
    __slots__ = ("stored", "duplicates", "errors")
    STORED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    stored: int
    duplicates: int
    errors: _containers.RepeatedCompositeFieldContainer[EventError]
    def __init__(self, stored: _Optional[int] = ..., duplicates: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[EventError, _Mapping]]] = ...) -> None: ...

class StreamEventsRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class StreamEventsResponse(_message.Message):
    __slots__ = ("acknowledged", "stored", "duplicates", "errors")
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    acknowledged: int
    stored: int
    duplicates: int
    errors: _containers.RepeatedCompositeFieldContainer[EventError]
    def __init__(self, acknowledged: _Optional[int] = ..., stored: _Optional[int] = ..., duplicates: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[EventError, _Mapping]]] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "product_id")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    product_id: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., product_id: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListRefusedEventsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class RefusedEvent(_message.Message):
    __slots__ = ("event", "error", "refused_at")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REFUSED_AT_FIELD_NUMBER: _ClassVar[int]
    event: Event
    error: EventError
    refused_at: _timestamp_pb2.Timestamp
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ..., error: _Optional[_Union[EventError, _Mapping]] = ..., refused_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListRefusedEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "total", "dropped")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[RefusedEvent]
    next_page_token: str
    total: int
    dropped: int
    def __init__(self, events: _Optional[_Iterable[_Union[RefusedEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total: _Optional[int] = ..., dropped: _Optional[int] = ...) -> None: ...

class ListLaunchesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: _launch_pb2.LaunchState
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[_launch_pb2.LaunchState, str]] = ...) -> None: ...

class Launch(_message.Message):
    __slots__ = ("plan_id", "product_id", "title", "state", "action", "units", "expected_units", "exceptions")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_UNITS_FIELD_NUMBER: _ClassVar[int]
    EXCEPTIONS_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    product_id: str
    title: str
    state: _launch_pb2.LaunchState
    action: _types_pb2.Action
    units: float
    expected_units: float
    exceptions: _containers.RepeatedScalarFieldContainer[LaunchException]
    def __init__(self, plan_id: _Optional[str] = ..., product_id: _Optional[str] = ..., title: _Optional[str] = ..., state: _Optional[_Union[_launch_pb2.LaunchState, str]] = ..., action: _Optional[_Union[_types_pb2.Action, _Mapping]] = ..., units: _Optional[float] = ..., expected_units: _Optional[float] = ..., exceptions: _Optional[_Iterable[_Union[LaunchException, str]]] = ...) -> None: ...

class ListLaunchesResponse(_message.Message):
    __slots__ = ("launches", "next_page_token")
    LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    launches: _containers.RepeatedCompositeFieldContainer[Launch]
    next_page_token: str
    def __init__(self, launches: _Optional[_Iterable[_Union[Launch, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetLaunchReportRequest(_message.Message):
    __slots__ = ("plan_id",)
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    def __init__(self, plan_id: _Optional[str] = ...) -> None: ...

class LaunchReportWeek(_message.Message):
    __slots__ = ("week", "week_start_date", "complete", "planned_units", "units", "within_band", "revenue", "impressions", "clicks", "carts", "purchases", "returns")
    WEEK_FIELD_NUMBER: _ClassVar[int]
    WEEK_START_DATE_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    PLANNED_UNITS_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    WITHIN_BAND_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    IMPRESSIONS_FIELD_NUMBER: _ClassVar[int]
    CLICKS_FIELD_NUMBER: _ClassVar[int]
    CARTS_FIELD_NUMBER: _ClassVar[int]
    PURCHASES_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    week: int
    week_start_date: str
    complete: bool
    planned_units: _types_pb2.CountForecast
    units: float
    within_band: bool
    revenue: _money_pb2.Money
    impressions: int
    clicks: int
    carts: int
    purchases: int
    returns: int
    def __init__(self, week: _Optional[int] = ..., week_start_date: _Optional[str] = ..., complete: bool = ..., planned_units: _Optional[_Union[_types_pb2.CountForecast, _Mapping]] = ..., units: _Optional[float] = ..., within_band: bool = ..., revenue: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., impressions: _Optional[int] = ..., clicks: _Optional[int] = ..., carts: _Optional[int] = ..., purchases: _Optional[int] = ..., returns: _Optional[int] = ...) -> None: ...

class ReviewQuote(_message.Message):
    __slots__ = ("event_id", "day", "text", "sentiment", "rating")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SENTIMENT_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    day: str
    text: str
    sentiment: float
    rating: float
    def __init__(self, event_id: _Optional[str] = ..., day: _Optional[str] = ..., text: _Optional[str] = ..., sentiment: _Optional[float] = ..., rating: _Optional[float] = ...) -> None: ...

class ReviewTopic(_message.Message):
    __slots__ = ("topic", "reviews", "sentiment", "quotes")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    REVIEWS_FIELD_NUMBER: _ClassVar[int]
    SENTIMENT_FIELD_NUMBER: _ClassVar[int]
    QUOTES_FIELD_NUMBER: _ClassVar[int]
    topic: str
    reviews: int
    sentiment: float
    quotes: _containers.RepeatedCompositeFieldContainer[ReviewQuote]
    def __init__(self, topic: _Optional[str] = ..., reviews: _Optional[int] = ..., sentiment: _Optional[float] = ..., quotes: _Optional[_Iterable[_Union[ReviewQuote, _Mapping]]] = ...) -> None: ...

class ReviewSummary(_message.Message):
    __slots__ = ("with_text", "read", "not_read", "abstained", "sentiment", "negative", "neutral", "positive", "topics", "complaints", "questions", "disagreements")
    WITH_TEXT_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    NOT_READ_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_FIELD_NUMBER: _ClassVar[int]
    SENTIMENT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    NEUTRAL_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    COMPLAINTS_FIELD_NUMBER: _ClassVar[int]
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    with_text: int
    read: int
    not_read: int
    abstained: str
    sentiment: float
    negative: int
    neutral: int
    positive: int
    topics: _containers.RepeatedCompositeFieldContainer[ReviewTopic]
    complaints: _containers.RepeatedCompositeFieldContainer[ReviewQuote]
    questions: _containers.RepeatedCompositeFieldContainer[ReviewQuote]
    disagreements: _containers.RepeatedCompositeFieldContainer[ReviewQuote]
    def __init__(self, with_text: _Optional[int] = ..., read: _Optional[int] = ..., not_read: _Optional[int] = ..., abstained: _Optional[str] = ..., sentiment: _Optional[float] = ..., negative: _Optional[int] = ..., neutral: _Optional[int] = ..., positive: _Optional[int] = ..., topics: _Optional[_Iterable[_Union[ReviewTopic, _Mapping]]] = ..., complaints: _Optional[_Iterable[_Union[ReviewQuote, _Mapping]]] = ..., questions: _Optional[_Iterable[_Union[ReviewQuote, _Mapping]]] = ..., disagreements: _Optional[_Iterable[_Union[ReviewQuote, _Mapping]]] = ...) -> None: ...

class Attribution(_message.Message):
    __slots__ = ("by_token", "by_last_touch", "unattributed")
    BY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BY_LAST_TOUCH_FIELD_NUMBER: _ClassVar[int]
    UNATTRIBUTED_FIELD_NUMBER: _ClassVar[int]
    by_token: int
    by_last_touch: int
    unattributed: int
    def __init__(self, by_token: _Optional[int] = ..., by_last_touch: _Optional[int] = ..., unattributed: _Optional[int] = ...) -> None: ...

class LaunchSuggestion(_message.Message):
    __slots__ = ("field", "change", "units_difference", "revenue_difference", "cost_difference", "gain", "basis")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    UNITS_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    REVENUE_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    COST_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    field: str
    change: str
    units_difference: float
    revenue_difference: _money_pb2.Money
    cost_difference: _money_pb2.Money
    gain: _money_pb2.Money
    basis: str
    def __init__(self, field: _Optional[str] = ..., change: _Optional[str] = ..., units_difference: _Optional[float] = ..., revenue_difference: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., cost_difference: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., gain: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., basis: _Optional[str] = ...) -> None: ...

class HoldoutEffect(_message.Message):
    __slots__ = ("share", "users", "buyers", "held_out_users", "held_out_buyers", "difference", "difference_low", "difference_high", "visible_difference", "verdict", "words")
    SHARE_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    BUYERS_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_USERS_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_BUYERS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_LOW_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_HIGH_FIELD_NUMBER: _ClassVar[int]
    VISIBLE_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    share: float
    users: int
    buyers: int
    held_out_users: int
    held_out_buyers: int
    difference: float
    difference_low: float
    difference_high: float
    visible_difference: float
    verdict: HoldoutVerdict
    words: str
    def __init__(self, share: _Optional[float] = ..., users: _Optional[int] = ..., buyers: _Optional[int] = ..., held_out_users: _Optional[int] = ..., held_out_buyers: _Optional[int] = ..., difference: _Optional[float] = ..., difference_low: _Optional[float] = ..., difference_high: _Optional[float] = ..., visible_difference: _Optional[float] = ..., verdict: _Optional[_Union[HoldoutVerdict, str]] = ..., words: _Optional[str] = ...) -> None: ...

class GetLaunchReportResponse(_message.Message):
    __slots__ = ("launch", "decision", "forecasts", "observed_until", "within_band", "weeks", "remaining", "total", "stock_left", "stock_ends_on", "click_through_rate", "conversion_rate", "buyers", "repeat_rate", "attribution", "reviews", "mean_rating", "review_summary", "suggestions", "info", "holdout", "cannibalized", "complements", "cannibalization")
    LAUNCH_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    FORECASTS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    WITHIN_BAND_FIELD_NUMBER: _ClassVar[int]
    WEEKS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    STOCK_LEFT_FIELD_NUMBER: _ClassVar[int]
    STOCK_ENDS_ON_FIELD_NUMBER: _ClassVar[int]
    CLICK_THROUGH_RATE_FIELD_NUMBER: _ClassVar[int]
    CONVERSION_RATE_FIELD_NUMBER: _ClassVar[int]
    BUYERS_FIELD_NUMBER: _ClassVar[int]
    REPEAT_RATE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    REVIEWS_FIELD_NUMBER: _ClassVar[int]
    MEAN_RATING_FIELD_NUMBER: _ClassVar[int]
    REVIEW_SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    HOLDOUT_FIELD_NUMBER: _ClassVar[int]
    CANNIBALIZED_FIELD_NUMBER: _ClassVar[int]
    COMPLEMENTS_FIELD_NUMBER: _ClassVar[int]
    CANNIBALIZATION_FIELD_NUMBER: _ClassVar[int]
    launch: Launch
    decision: _launch_pb2.LaunchDecision
    forecasts: _containers.RepeatedCompositeFieldContainer[_types_pb2.OutcomeForecast]
    observed_until: str
    within_band: bool
    weeks: _containers.RepeatedCompositeFieldContainer[LaunchReportWeek]
    remaining: _types_pb2.CountForecast
    total: _types_pb2.CountForecast
    stock_left: float
    stock_ends_on: str
    click_through_rate: float
    conversion_rate: float
    buyers: int
    repeat_rate: float
    attribution: Attribution
    reviews: int
    mean_rating: float
    review_summary: ReviewSummary
    suggestions: _containers.RepeatedCompositeFieldContainer[LaunchSuggestion]
    info: _types_pb2.ResponseInfo
    holdout: HoldoutEffect
    cannibalized: _containers.RepeatedCompositeFieldContainer[ProductEffect]
    complements: _containers.RepeatedCompositeFieldContainer[ProductEffect]
    cannibalization: ProductEffect
    def __init__(self, launch: _Optional[_Union[Launch, _Mapping]] = ..., decision: _Optional[_Union[_launch_pb2.LaunchDecision, _Mapping]] = ..., forecasts: _Optional[_Iterable[_Union[_types_pb2.OutcomeForecast, _Mapping]]] = ..., observed_until: _Optional[str] = ..., within_band: bool = ..., weeks: _Optional[_Iterable[_Union[LaunchReportWeek, _Mapping]]] = ..., remaining: _Optional[_Union[_types_pb2.CountForecast, _Mapping]] = ..., total: _Optional[_Union[_types_pb2.CountForecast, _Mapping]] = ..., stock_left: _Optional[float] = ..., stock_ends_on: _Optional[str] = ..., click_through_rate: _Optional[float] = ..., conversion_rate: _Optional[float] = ..., buyers: _Optional[int] = ..., repeat_rate: _Optional[float] = ..., attribution: _Optional[_Union[Attribution, _Mapping]] = ..., reviews: _Optional[int] = ..., mean_rating: _Optional[float] = ..., review_summary: _Optional[_Union[ReviewSummary, _Mapping]] = ..., suggestions: _Optional[_Iterable[_Union[LaunchSuggestion, _Mapping]]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ..., holdout: _Optional[_Union[HoldoutEffect, _Mapping]] = ..., cannibalized: _Optional[_Iterable[_Union[ProductEffect, _Mapping]]] = ..., complements: _Optional[_Iterable[_Union[ProductEffect, _Mapping]]] = ..., cannibalization: _Optional[_Union[ProductEffect, _Mapping]] = ...) -> None: ...

class ProductEffect(_message.Message):
    __slots__ = ("product_id", "title", "category_path", "expected_units", "units", "units_difference", "lift", "lift_low", "lift_high", "clear", "units_before")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_PATH_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_UNITS_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    UNITS_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    LIFT_FIELD_NUMBER: _ClassVar[int]
    LIFT_LOW_FIELD_NUMBER: _ClassVar[int]
    LIFT_HIGH_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    UNITS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    title: str
    category_path: _containers.RepeatedScalarFieldContainer[str]
    expected_units: float
    units: float
    units_difference: float
    lift: float
    lift_low: float
    lift_high: float
    clear: bool
    units_before: float
    def __init__(self, product_id: _Optional[str] = ..., title: _Optional[str] = ..., category_path: _Optional[_Iterable[str]] = ..., expected_units: _Optional[float] = ..., units: _Optional[float] = ..., units_difference: _Optional[float] = ..., lift: _Optional[float] = ..., lift_low: _Optional[float] = ..., lift_high: _Optional[float] = ..., clear: bool = ..., units_before: _Optional[float] = ...) -> None: ...

class GetScoreboardRequest(_message.Message):
    __slots__ = ("created_from", "created_before")
    CREATED_FROM_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    created_from: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    def __init__(self, created_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ScoreboardWeek(_message.Message):
    __slots__ = ("week", "launches", "proposed_units", "practice_units", "practice_launches", "executed_units", "actual_units", "practice_actual_units", "within_band")
    WEEK_FIELD_NUMBER: _ClassVar[int]
    LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_UNITS_FIELD_NUMBER: _ClassVar[int]
    PRACTICE_UNITS_FIELD_NUMBER: _ClassVar[int]
    PRACTICE_LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_UNITS_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_UNITS_FIELD_NUMBER: _ClassVar[int]
    PRACTICE_ACTUAL_UNITS_FIELD_NUMBER: _ClassVar[int]
    WITHIN_BAND_FIELD_NUMBER: _ClassVar[int]
    week: int
    launches: int
    proposed_units: float
    practice_units: float
    practice_launches: int
    executed_units: float
    actual_units: float
    practice_actual_units: float
    within_band: int
    def __init__(self, week: _Optional[int] = ..., launches: _Optional[int] = ..., proposed_units: _Optional[float] = ..., practice_units: _Optional[float] = ..., practice_launches: _Optional[int] = ..., executed_units: _Optional[float] = ..., actual_units: _Optional[float] = ..., practice_actual_units: _Optional[float] = ..., within_band: _Optional[int] = ...) -> None: ...

class DecisionScore(_message.Message):
    __slots__ = ("kind", "reason", "launches", "better", "share", "share_low", "share_high")
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    BETTER_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SHARE_LOW_FIELD_NUMBER: _ClassVar[int]
    SHARE_HIGH_FIELD_NUMBER: _ClassVar[int]
    kind: _launch_pb2.DecisionKind
    reason: _launch_pb2.DecisionReason
    launches: int
    better: int
    share: float
    share_low: float
    share_high: float
    def __init__(self, kind: _Optional[_Union[_launch_pb2.DecisionKind, str]] = ..., reason: _Optional[_Union[_launch_pb2.DecisionReason, str]] = ..., launches: _Optional[int] = ..., better: _Optional[int] = ..., share: _Optional[float] = ..., share_low: _Optional[float] = ..., share_high: _Optional[float] = ...) -> None: ...

class GetScoreboardResponse(_message.Message):
    __slots__ = ("weeks", "decisions", "observed_until", "info")
    WEEKS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    weeks: _containers.RepeatedCompositeFieldContainer[ScoreboardWeek]
    decisions: _containers.RepeatedCompositeFieldContainer[DecisionScore]
    observed_until: str
    info: _types_pb2.ResponseInfo
    def __init__(self, weeks: _Optional[_Iterable[_Union[ScoreboardWeek, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[DecisionScore, _Mapping]]] = ..., observed_until: _Optional[str] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class ForgetUserRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class ForgetUserResponse(_message.Message):
    __slots__ = ("receipt_id", "forgotten_at", "events_deleted", "refused_events_deleted", "answers_deleted", "audiences_changed", "in_served_release", "model_releases")
    RECEIPT_ID_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_AT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_DELETED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_EVENTS_DELETED_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_DELETED_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_CHANGED_FIELD_NUMBER: _ClassVar[int]
    IN_SERVED_RELEASE_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASES_FIELD_NUMBER: _ClassVar[int]
    receipt_id: str
    forgotten_at: _timestamp_pb2.Timestamp
    events_deleted: int
    refused_events_deleted: int
    answers_deleted: int
    audiences_changed: int
    in_served_release: bool
    model_releases: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, receipt_id: _Optional[str] = ..., forgotten_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., events_deleted: _Optional[int] = ..., refused_events_deleted: _Optional[int] = ..., answers_deleted: _Optional[int] = ..., audiences_changed: _Optional[int] = ..., in_served_release: bool = ..., model_releases: _Optional[_Iterable[int]] = ...) -> None: ...
