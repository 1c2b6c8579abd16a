from google.type import money_pb2 as _money_pb2
from onshelf.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UpsertProductsRequest(_message.Message):
    __slots__ = ("products",)
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[_types_pb2.Product]
    def __init__(self, products: _Optional[_Iterable[_Union[_types_pb2.Product, _Mapping]]] = ...) -> None: ...

class ProductError(_message.Message):
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

class UpsertProductsResponse(_message.Message):
    __slots__ = ("added", "replaced", "errors", "info")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    added: int
    replaced: int
    errors: _containers.RepeatedCompositeFieldContainer[ProductError]
    info: _types_pb2.ResponseInfo
    def __init__(self, added: _Optional[int] = ..., replaced: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[ProductError, _Mapping]]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class DeleteProductsRequest(_message.Message):
    __slots__ = ("product_ids",)
    PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    product_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, product_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteProductsResponse(_message.Message):
    __slots__ = ("deleted", "unknown")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    unknown: int
    def __init__(self, deleted: _Optional[int] = ..., unknown: _Optional[int] = ...) -> None: ...

class SearchProductsRequest(_message.Message):
    __slots__ = ("query", "count", "categories", "model_release")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    query: str
    count: int
    categories: _containers.RepeatedScalarFieldContainer[str]
    model_release: int
    def __init__(self, query: _Optional[str] = ..., count: _Optional[int] = ..., categories: _Optional[_Iterable[str]] = ..., model_release: _Optional[int] = ...) -> None: ...

class FoundProduct(_message.Message):
    __slots__ = ("product", "score")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    product: _types_pb2.Product
    score: float
    def __init__(self, product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ..., score: _Optional[float] = ...) -> None: ...

class SearchProductsResponse(_message.Message):
    __slots__ = ("products", "info")
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[FoundProduct]
    info: _types_pb2.ResponseInfo
    def __init__(self, products: _Optional[_Iterable[_Union[FoundProduct, _Mapping]]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...

class ListChannelsRequest(_message.Message):
    __slots__ = ("model_release",)
    MODEL_RELEASE_FIELD_NUMBER: _ClassVar[int]
    model_release: int
    def __init__(self, model_release: _Optional[int] = ...) -> None: ...

class Channel(_message.Message):
    __slots__ = ("channel_id", "name", "kind", "typical_coverage", "launches", "fixed_cost", "lead_time_days", "capacity")
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TYPICAL_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    FIXED_COST_FIELD_NUMBER: _ClassVar[int]
    LEAD_TIME_DAYS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    channel_id: str
    name: str
    kind: str
    typical_coverage: float
    launches: int
    fixed_cost: _money_pb2.Money
    lead_time_days: int
    capacity: int
    def __init__(self, channel_id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., typical_coverage: _Optional[float] = ..., launches: _Optional[int] = ..., fixed_cost: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., lead_time_days: _Optional[int] = ..., capacity: _Optional[int] = ...) -> None: ...

class ListChannelsResponse(_message.Message):
    __slots__ = ("channels", "info")
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    channels: _containers.RepeatedCompositeFieldContainer[Channel]
    info: _types_pb2.ResponseInfo
    def __init__(self, channels: _Optional[_Iterable[_Union[Channel, _Mapping]]] = ..., info: _Optional[_Union[_types_pb2.ResponseInfo, _Mapping]] = ...) -> None: ...
