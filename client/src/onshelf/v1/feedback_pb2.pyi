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

class LaunchState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LAUNCH_STATE_UNSPECIFIED: _ClassVar[LaunchState]
    LAUNCH_STATE_PLANNED: _ClassVar[LaunchState]
    LAUNCH_STATE_DECIDED: _ClassVar[LaunchState]
    LAUNCH_STATE_ON_SALE: _ClassVar[LaunchState]
    LAUNCH_STATE_COMPLETED: _ClassVar[LaunchState]
    LAUNCH_STATE_REJECTED: _ClassVar[LaunchState]
LAUNCH_STATE_UNSPECIFIED: LaunchState
LAUNCH_STATE_PLANNED: LaunchState
LAUNCH_STATE_DECIDED: LaunchState
LAUNCH_STATE_ON_SALE: LaunchState
LAUNCH_STATE_COMPLETED: LaunchState
LAUNCH_STATE_REJECTED: LaunchState

class Event(_message.Message):
    __slots__ = ("event_id", "kind", "user_id", "product_id", "time", "plan_id", "quantity", "revenue", "discount", "rating", "text", "site_id", "channel_id")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
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
    plan_id: str
    quantity: float
    revenue: _money_pb2.Money
    discount: _money_pb2.Money
    rating: float
    text: str
    site_id: str
    channel_id: str
    def __init__(self, event_id: _Optional[str] = ..., kind: _Optional[_Union[_recommendation_pb2.EventKind, str]] = ..., user_id: _Optional[str] = ..., product_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., plan_id: _Optional[str] = ..., quantity: _Optional[float] = ..., revenue: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., discount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., rating: _Optional[float] = ..., text: _Optional[str] = ..., site_id: _Optional[str] = ..., channel_id: _Optional[str] = ...) -> None: ...

class RecordEventsRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class EventError(_message.Message):
    __slots__ = ("index", "reason", "field", "message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    reason: str
    field: str
    message: str
    def __init__(self, index: _Optional[int] = ..., reason: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: Event
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class StreamEventsResponse(_message.Message):
    __slots__ = ("stored", "duplicates", "errors")
    STORED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    stored: int
    duplicates: int
    errors: _containers.RepeatedCompositeFieldContainer[EventError]
    def __init__(self, stored: _Optional[int] = ..., duplicates: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[EventError, _Mapping]]] = ...) -> None: ...

class ListLaunchesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: LaunchState
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[LaunchState, str]] = ...) -> None: ...

class Launch(_message.Message):
    __slots__ = ("plan_id", "product_id", "title", "state", "action", "units")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    product_id: str
    title: str
    state: LaunchState
    action: _types_pb2.Action
    units: float
    def __init__(self, plan_id: _Optional[str] = ..., product_id: _Optional[str] = ..., title: _Optional[str] = ..., state: _Optional[_Union[LaunchState, str]] = ..., action: _Optional[_Union[_types_pb2.Action, _Mapping]] = ..., units: _Optional[float] = ...) -> None: ...

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
    __slots__ = ("week_start_date", "units", "revenue", "impressions", "clicks", "purchases")
    WEEK_START_DATE_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    IMPRESSIONS_FIELD_NUMBER: _ClassVar[int]
    CLICKS_FIELD_NUMBER: _ClassVar[int]
    PURCHASES_FIELD_NUMBER: _ClassVar[int]
    week_start_date: str
    units: float
    revenue: _money_pb2.Money
    impressions: int
    clicks: int
    purchases: int
    def __init__(self, week_start_date: _Optional[str] = ..., units: _Optional[float] = ..., revenue: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., impressions: _Optional[int] = ..., clicks: _Optional[int] = ..., purchases: _Optional[int] = ...) -> None: ...

class ReviewTopic(_message.Message):
    __slots__ = ("topic", "reviews", "sentiment")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    REVIEWS_FIELD_NUMBER: _ClassVar[int]
    SENTIMENT_FIELD_NUMBER: _ClassVar[int]
    topic: str
    reviews: int
    sentiment: float
    def __init__(self, topic: _Optional[str] = ..., reviews: _Optional[int] = ..., sentiment: _Optional[float] = ...) -> None: ...

class GetLaunchReportResponse(_message.Message):
    __slots__ = ("launch", "forecast", "within_band", "weeks", "click_through_rate", "conversion_rate", "topics", "suggestions", "info")
    LAUNCH_FIELD_NUMBER: _ClassVar[int]
    FORECAST_FIELD_NUMBER: _ClassVar[int]
    WITHIN_BAND_FIELD_NUMBER: _ClassVar[int]
    WEEKS_FIELD_NUMBER: _ClassVar[int]
    CLICK_THROUGH_RATE_FIELD_NUMBER: _ClassVar[int]
    CONVERSION_RATE_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    launch: Launch
    forecast: _types_pb2.OutcomeForecast
    within_band: bool
    weeks: _containers.RepeatedCompositeFieldContainer[LaunchReportWeek]
    click_through_rate: float
    conversion_rate: float
    topics: _containers.RepeatedCompositeFieldContainer[ReviewTopic]
    suggestions: _containers.RepeatedCompositeFieldContainer[_launch_pb2.ActionEffect]
    info: _types_pb2.ResponseInfo
    def __init__(self, launch: _Optional[_Union[Launch, _Mapping]] = ..., forecast: _Optional[_Union[_types_pb2.OutcomeForecast, _Mapping]] = ..., within_band: bool = ..., weeks: _Optional[_Iterable[_Union[LaunchReportWeek, _Mapping]]] = ..., click_through_rate: _Optional[float] = ..., conversion_rate: _Optional[float] = ..., topics: _Optional[_Iterable[_Union[ReviewTopic, _Mapping]]] = ..., suggestions: _Optional[_Iterable[_Union[_launch_pb2.ActionEffect, _Mapping]]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class ForgetUserRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class ForgetUserResponse(_message.Message):
    __slots__ = ("events_deleted", "in_served_release")
    EVENTS_DELETED_FIELD_NUMBER: _ClassVar[int]
    IN_SERVED_RELEASE_FIELD_NUMBER: _ClassVar[int]
    events_deleted: int
    in_served_release: bool
    def __init__(self, events_deleted: _Optional[int] = ..., in_served_release: bool = ...) -> None: ...
