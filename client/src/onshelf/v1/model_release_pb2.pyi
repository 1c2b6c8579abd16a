import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from onshelf.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ServingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERVING_STATE_UNSPECIFIED: _ClassVar[ServingState]
    SERVING_STATE_IDLE: _ClassVar[ServingState]
    SERVING_STATE_SERVING: _ClassVar[ServingState]
    SERVING_STATE_CANARY: _ClassVar[ServingState]
    SERVING_STATE_SHADOW: _ClassVar[ServingState]
SERVING_STATE_UNSPECIFIED: ServingState
SERVING_STATE_IDLE: ServingState
SERVING_STATE_SERVING: ServingState
SERVING_STATE_CANARY: ServingState
SERVING_STATE_SHADOW: ServingState

class ReleaseMetric(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class ModelRelease(_message.Message):
    __slots__ = ("info", "state", "traffic_share", "metrics", "data_hash", "git_commit", "changed_at")
    INFO_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRAFFIC_SHARE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    DATA_HASH_FIELD_NUMBER: _ClassVar[int]
    GIT_COMMIT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    info: _types_pb2.ModelReleaseInfo
    state: ServingState
    traffic_share: float
    metrics: _containers.RepeatedCompositeFieldContainer[ReleaseMetric]
    data_hash: str
    git_commit: str
    changed_at: _timestamp_pb2.Timestamp
    def __init__(self, info: _Optional[_Union[_types_pb2.ModelReleaseInfo, _Mapping]] = ..., state: _Optional[_Union[ServingState, str]] = ..., traffic_share: _Optional[float] = ..., metrics: _Optional[_Iterable[_Union[ReleaseMetric, _Mapping]]] = ..., data_hash: _Optional[str] = ..., git_commit: _Optional[str] = ..., changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListModelReleasesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelReleasesResponse(_message.Message):
    __slots__ = ("releases",)
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    releases: _containers.RepeatedCompositeFieldContainer[ModelRelease]
    def __init__(self, releases: _Optional[_Iterable[_Union[ModelRelease, _Mapping]]] = ...) -> None: ...

class CompareModelReleasesRequest(_message.Message):
    __slots__ = ("base_version", "candidate_version")
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    base_version: int
    candidate_version: int
    def __init__(self, base_version: _Optional[int] = ..., candidate_version: _Optional[int] = ...) -> None: ...

class MetricComparison(_message.Message):
    __slots__ = ("name", "base", "candidate", "difference", "difference_low", "difference_high")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_LOW_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_HIGH_FIELD_NUMBER: _ClassVar[int]
    name: str
    base: float
    candidate: float
    difference: float
    difference_low: float
    difference_high: float
    def __init__(self, name: _Optional[str] = ..., base: _Optional[float] = ..., candidate: _Optional[float] = ..., difference: _Optional[float] = ..., difference_low: _Optional[float] = ..., difference_high: _Optional[float] = ...) -> None: ...

class CompareModelReleasesResponse(_message.Message):
    __slots__ = ("base", "candidate", "metrics", "shadow_calls", "shadow_agreement")
    BASE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_CALLS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    base: ModelRelease
    candidate: ModelRelease
    metrics: _containers.RepeatedCompositeFieldContainer[MetricComparison]
    shadow_calls: int
    shadow_agreement: float
    def __init__(self, base: _Optional[_Union[ModelRelease, _Mapping]] = ..., candidate: _Optional[_Union[ModelRelease, _Mapping]] = ..., metrics: _Optional[_Iterable[_Union[MetricComparison, _Mapping]]] = ..., shadow_calls: _Optional[int] = ..., shadow_agreement: _Optional[float] = ...) -> None: ...

class ShadowModelReleaseRequest(_message.Message):
    __slots__ = ("version", "share")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    version: int
    share: float
    def __init__(self, version: _Optional[int] = ..., share: _Optional[float] = ...) -> None: ...

class ShadowModelReleaseResponse(_message.Message):
    __slots__ = ("releases",)
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    releases: _containers.RepeatedCompositeFieldContainer[ModelRelease]
    def __init__(self, releases: _Optional[_Iterable[_Union[ModelRelease, _Mapping]]] = ...) -> None: ...

class CanaryModelReleaseRequest(_message.Message):
    __slots__ = ("version", "share")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    version: int
    share: float
    def __init__(self, version: _Optional[int] = ..., share: _Optional[float] = ...) -> None: ...

class CanaryModelReleaseResponse(_message.Message):
    __slots__ = ("releases",)
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    releases: _containers.RepeatedCompositeFieldContainer[ModelRelease]
    def __init__(self, releases: _Optional[_Iterable[_Union[ModelRelease, _Mapping]]] = ...) -> None: ...

class PromoteModelReleaseRequest(_message.Message):
    __slots__ = ("version", "force")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    version: int
    force: bool
    def __init__(self, version: _Optional[int] = ..., force: bool = ...) -> None: ...

class PromoteModelReleaseResponse(_message.Message):
    __slots__ = ("releases",)
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    releases: _containers.RepeatedCompositeFieldContainer[ModelRelease]
    def __init__(self, releases: _Optional[_Iterable[_Union[ModelRelease, _Mapping]]] = ...) -> None: ...

class RollBackModelReleaseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RollBackModelReleaseResponse(_message.Message):
    __slots__ = ("releases",)
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    releases: _containers.RepeatedCompositeFieldContainer[ModelRelease]
    def __init__(self, releases: _Optional[_Iterable[_Union[ModelRelease, _Mapping]]] = ...) -> None: ...
