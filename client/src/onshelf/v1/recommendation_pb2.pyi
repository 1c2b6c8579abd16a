from onshelf.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecommendationScope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECOMMENDATION_SCOPE_UNSPECIFIED: _ClassVar[RecommendationScope]
    RECOMMENDATION_SCOPE_NEW_TO_USER: _ClassVar[RecommendationScope]
    RECOMMENDATION_SCOPE_BOUGHT_BEFORE: _ClassVar[RecommendationScope]
    RECOMMENDATION_SCOPE_NEW_PRODUCTS: _ClassVar[RecommendationScope]

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_PURCHASE: _ClassVar[EventKind]
    EVENT_KIND_VIEW: _ClassVar[EventKind]
    EVENT_KIND_CLICK: _ClassVar[EventKind]
    EVENT_KIND_CART: _ClassVar[EventKind]
    EVENT_KIND_REVIEW: _ClassVar[EventKind]
    EVENT_KIND_IMPRESSION: _ClassVar[EventKind]
    EVENT_KIND_RETURN: _ClassVar[EventKind]

class RelationKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RELATION_KIND_UNSPECIFIED: _ClassVar[RelationKind]
    RELATION_KIND_COMPLEMENT: _ClassVar[RelationKind]
    RELATION_KIND_SUBSTITUTE: _ClassVar[RelationKind]
RECOMMENDATION_SCOPE_UNSPECIFIED: RecommendationScope
RECOMMENDATION_SCOPE_NEW_TO_USER: RecommendationScope
RECOMMENDATION_SCOPE_BOUGHT_BEFORE: RecommendationScope
RECOMMENDATION_SCOPE_NEW_PRODUCTS: RecommendationScope
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_PURCHASE: EventKind
EVENT_KIND_VIEW: EventKind
EVENT_KIND_CLICK: EventKind
EVENT_KIND_CART: EventKind
EVENT_KIND_REVIEW: EventKind
EVENT_KIND_IMPRESSION: EventKind
EVENT_KIND_RETURN: EventKind
RELATION_KIND_UNSPECIFIED: RelationKind
RELATION_KIND_COMPLEMENT: RelationKind
RELATION_KIND_SUBSTITUTE: RelationKind

class HistoryEvent(_message.Message):
    __slots__ = ("product_id", "kind", "age_days", "quantity")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AGE_DAYS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    kind: EventKind
    age_days: float
    quantity: float
    def __init__(self, product_id: _Optional[str] = ..., kind: _Optional[_Union[EventKind, str]] = ..., age_days: _Optional[float] = ..., quantity: _Optional[float] = ...) -> None: ...

class RecommendProductsRequest(_message.Message):
    __slots__ = ("user_id", "history", "count", "scope", "categories", "excluded_product_ids", "model_release", "new_product_share")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    NEW_PRODUCT_SHARE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    history: _containers.RepeatedCompositeFieldContainer[HistoryEvent]
    count: int
    scope: RecommendationScope
    categories: _containers.RepeatedScalarFieldContainer[str]
    excluded_product_ids: _containers.RepeatedScalarFieldContainer[str]
    model_release: int
    new_product_share: float
    def __init__(self, user_id: _Optional[str] = ..., history: _Optional[_Iterable[_Union[HistoryEvent, _Mapping]]] = ..., count: _Optional[int] = ..., scope: _Optional[_Union[RecommendationScope, str]] = ..., categories: _Optional[_Iterable[str]] = ..., excluded_product_ids: _Optional[_Iterable[str]] = ..., model_release: _Optional[int] = ..., new_product_share: _Optional[float] = ...) -> None: ...

class RecommendedProduct(_message.Message):
    __slots__ = ("product_id", "title", "category_path", "score", "bought_before", "new_product", "reason", "reason_product_ids")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_PATH_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    BOUGHT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NEW_PRODUCT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REASON_PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    title: str
    category_path: _containers.RepeatedScalarFieldContainer[str]
    score: float
    bought_before: bool
    new_product: bool
    reason: str
    reason_product_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, product_id: _Optional[str] = ..., title: _Optional[str] = ..., category_path: _Optional[_Iterable[str]] = ..., score: _Optional[float] = ..., bought_before: bool = ..., new_product: bool = ..., reason: _Optional[str] = ..., reason_product_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RecommendProductsResponse(_message.Message):
    __slots__ = ("products", "info")
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[RecommendedProduct]
    info: _types_pb2.ResponseInfo
    def __init__(self, products: _Optional[_Iterable[_Union[RecommendedProduct, _Mapping]]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class FindAudienceRequest(_message.Message):
    __slots__ = ("product", "product_id", "count", "segments", "model_release")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    product: _types_pb2.Product
    product_id: str
    count: int
    segments: bool
    model_release: int
    def __init__(self, product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ..., product_id: _Optional[str] = ..., count: _Optional[int] = ..., segments: bool = ..., model_release: _Optional[int] = ...) -> None: ...

class FindAudienceResponse(_message.Message):
    __slots__ = ("users", "segments", "category", "info", "holdout_share")
    USERS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    HOLDOUT_SHARE_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedCompositeFieldContainer[_types_pb2.AudienceMember]
    segments: _containers.RepeatedCompositeFieldContainer[_types_pb2.AudienceSegment]
    category: _types_pb2.CategoryResolution
    info: _types_pb2.ResponseInfo
    holdout_share: float
    def __init__(self, users: _Optional[_Iterable[_Union[_types_pb2.AudienceMember, _Mapping]]] = ..., segments: _Optional[_Iterable[_Union[_types_pb2.AudienceSegment, _Mapping]]] = ..., category: _Optional[_Union[_types_pb2.CategoryResolution, _Mapping]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ..., holdout_share: _Optional[float] = ...) -> None: ...

class FindSimilarLaunchesRequest(_message.Message):
    __slots__ = ("product", "product_id", "count", "model_release")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    product: _types_pb2.Product
    product_id: str
    count: int
    model_release: int
    def __init__(self, product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ..., product_id: _Optional[str] = ..., count: _Optional[int] = ..., model_release: _Optional[int] = ...) -> None: ...

class FindSimilarLaunchesResponse(_message.Message):
    __slots__ = ("launches", "category", "info")
    LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    launches: _containers.RepeatedCompositeFieldContainer[_types_pb2.PastLaunch]
    category: _types_pb2.CategoryResolution
    info: _types_pb2.ResponseInfo
    def __init__(self, launches: _Optional[_Iterable[_Union[_types_pb2.PastLaunch, _Mapping]]] = ..., category: _Optional[_Union[_types_pb2.CategoryResolution, _Mapping]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class FindRelatedProductsRequest(_message.Message):
    __slots__ = ("product", "product_id", "kind", "count", "model_release")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    product: _types_pb2.Product
    product_id: str
    kind: RelationKind
    count: int
    model_release: int
    def __init__(self, product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ..., product_id: _Optional[str] = ..., kind: _Optional[_Union[RelationKind, str]] = ..., count: _Optional[int] = ..., model_release: _Optional[int] = ...) -> None: ...

class RelatedProduct(_message.Message):
    __slots__ = ("product_id", "title", "category_path", "kind", "lift", "users", "lift_low", "lift_high", "baskets", "expected", "similar_products", "evidence")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_PATH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LIFT_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    LIFT_LOW_FIELD_NUMBER: _ClassVar[int]
    LIFT_HIGH_FIELD_NUMBER: _ClassVar[int]
    BASKETS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    SIMILAR_PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    title: str
    category_path: _containers.RepeatedScalarFieldContainer[str]
    kind: RelationKind
    lift: float
    users: int
    lift_low: float
    lift_high: float
    baskets: int
    expected: float
    similar_products: int
    evidence: str
    def __init__(self, product_id: _Optional[str] = ..., title: _Optional[str] = ..., category_path: _Optional[_Iterable[str]] = ..., kind: _Optional[_Union[RelationKind, str]] = ..., lift: _Optional[float] = ..., users: _Optional[int] = ..., lift_low: _Optional[float] = ..., lift_high: _Optional[float] = ..., baskets: _Optional[int] = ..., expected: _Optional[float] = ..., similar_products: _Optional[int] = ..., evidence: _Optional[str] = ...) -> None: ...

class FindRelatedProductsResponse(_message.Message):
    __slots__ = ("products", "info", "inferred_from_product_ids")
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    INFERRED_FROM_PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[RelatedProduct]
    info: _types_pb2.ResponseInfo
    inferred_from_product_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, products: _Optional[_Iterable[_Union[RelatedProduct, _Mapping]]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ..., inferred_from_product_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetUserProfileRequest(_message.Message):
    __slots__ = ("user_id", "model_release")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    model_release: int
    def __init__(self, user_id: _Optional[str] = ..., model_release: _Optional[int] = ...) -> None: ...

class CategoryInterest(_message.Message):
    __slots__ = ("category_path", "share", "lift")
    CATEGORY_PATH_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    LIFT_FIELD_NUMBER: _ClassVar[int]
    category_path: _containers.RepeatedScalarFieldContainer[str]
    share: float
    lift: float
    def __init__(self, category_path: _Optional[_Iterable[str]] = ..., share: _Optional[float] = ..., lift: _Optional[float] = ...) -> None: ...

class UserProfile(_message.Message):
    __slots__ = ("user_id", "interests", "purchases_per_week", "recency_weeks", "price_tier", "promotion_sensitivity", "new_product_share", "products_bought")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    INTERESTS_FIELD_NUMBER: _ClassVar[int]
    PURCHASES_PER_WEEK_FIELD_NUMBER: _ClassVar[int]
    RECENCY_WEEKS_FIELD_NUMBER: _ClassVar[int]
    PRICE_TIER_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_SENSITIVITY_FIELD_NUMBER: _ClassVar[int]
    NEW_PRODUCT_SHARE_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_BOUGHT_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    interests: _containers.RepeatedCompositeFieldContainer[CategoryInterest]
    purchases_per_week: float
    recency_weeks: float
    price_tier: float
    promotion_sensitivity: float
    new_product_share: float
    products_bought: int
    def __init__(self, user_id: _Optional[str] = ..., interests: _Optional[_Iterable[_Union[CategoryInterest, _Mapping]]] = ..., purchases_per_week: _Optional[float] = ..., recency_weeks: _Optional[float] = ..., price_tier: _Optional[float] = ..., promotion_sensitivity: _Optional[float] = ..., new_product_share: _Optional[float] = ..., products_bought: _Optional[int] = ...) -> None: ...

class GetUserProfileResponse(_message.Message):
    __slots__ = ("profile", "info")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    profile: UserProfile
    info: _types_pb2.ResponseInfo
    def __init__(self, profile: _Optional[_Union[UserProfile, _Mapping]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...
