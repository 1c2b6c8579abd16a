"""Converts between dataclasses and protobuf messages, both ways. Nothing else in the client touches a protobuf field.

Names of fields are the contract's on both sides, so a dataclass's annotations and a message's descriptor say all there
is to say; MESSAGES is the one table. A test compares both sides field by field and fails when the contract grows.
"""

import dataclasses
import enum
import functools
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money as MoneyMessage  # type: ignore[import-untyped]

from onshelf import _experiment_results, _feedback_results, _inputs, _related_results, _results, _stock_results
from onshelf._money import Money
from onshelf.v1 import catalog_pb2, feedback_pb2, launch_pb2, model_release_pb2, recommendation_pb2, types_pb2

T = TypeVar("T")

_MODULES = (types_pb2, launch_pb2, recommendation_pb2, catalog_pb2, model_release_pb2, feedback_pb2)


def _message(kind: str) -> type[Message] | None:
    """The message that a dataclass of this name stands for: `Product` for Product, PlanLaunchResponse for ...Result."""
    name = {"PlanRequest": "PlanLaunchRequest"}.get(kind, re.sub("Result$", "Response", kind))
    return next((getattr(module, name) for module in _MODULES if name in module.DESCRIPTOR.message_types_by_name), None)


MESSAGES: dict[type, type[Message]] = {
    kind: message
    for module in (_inputs, _results, _stock_results, _experiment_results, _feedback_results, _related_results)
    for kind in vars(module).values()
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and (message := _message(kind.__name__)) is not None
}


# To protobuf: driven by the values and the message's descriptor.


def to_message(value: Any) -> Message:
    """The message of a dataclass instance. Raises TypeError or ValueError, naming the field, for a value it cannot
    hold.
    """
    return fill(MESSAGES[type(value)](), {f.name: getattr(value, f.name) for f in dataclasses.fields(value)})


def fill(message: Message, values: Mapping[str, Any]) -> Message:
    """Sets fields of a message by name; None leaves a field unset. Raises as `to_message`."""
    for name, value in values.items():
        if value is None:
            continue
        field = message.DESCRIPTOR.fields_by_name[name]
        try:
            _set(message, field, value)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        except UnicodeEncodeError:
            raise ValueError(f"{name}: {value!a} holds bytes that are no text in UTF-8") from None
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return message


def _set(message: Message, field: Any, value: Any) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(message, field.name).update(value)
    elif field.is_repeated:
        if isinstance(value, str | bytes):
            raise TypeError(f"{value!r} is one text; give a list of them")
        getattr(message, field.name).extend([_encode(item, field) for item in value])
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(_encode(value, field))
    else:
        setattr(message, field.name, _encode(value, field))


def _encode(value: Any, field: Any) -> Any:
    if isinstance(value, enum.Enum):
        return enum_number(value, field.enum_type)
    if isinstance(value, Money):
        return _encode_money(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; give a time that has one")
        stamp = Timestamp()
        stamp.FromDatetime(value)
        return stamp
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        duration = Duration()
        duration.FromTimedelta(value)
        return duration
    if dataclasses.is_dataclass(value):
        return to_message(value)
    if field.message_type is not None:
        raise TypeError(f"{value!r} is no {field.message_type.name}")
    return value


def _encode_money(value: Money) -> MoneyMessage:
    units = int(value.amount)  # towards zero: units and nanos have the same sign
    return MoneyMessage(currency_code=value.currency, units=units, nanos=int((value.amount - units).scaleb(9)))


def enum_number(member: enum.Enum, descriptor: Any) -> int:
    """The contract's number of an enum member; 0 for UNKNOWN."""
    value = descriptor.values_by_name.get(enum_prefix(descriptor) + member.name)
    return 0 if value is None else int(value.number)


def enum_prefix(descriptor: Any) -> str:
    """What the names of an enum's values begin with ("PRICE_TAX_")."""
    return str(descriptor.values_by_number[0].name).removesuffix("UNSPECIFIED")


# From protobuf: driven by the dataclass's annotations.


def from_message(cls: type[T], message: Message) -> T:
    """The dataclass instance of a message. Raises ValueError, naming the field, for content that the type cannot
    hold.
    """
    kind: Any = cls
    result: T = kind(**{name: read(message) for name, read in _readers(kind)})
    return result


def read_field(message: Message, name: str, annotation: Any) -> Any:
    """One field of a message as the annotated type."""
    return _reader(message.DESCRIPTOR.fields_by_name[name], annotation)(message)


@functools.cache
def _readers(cls: type) -> tuple[tuple[str, Callable[[Message], Any]], ...]:
    hints = typing.get_type_hints(cls)
    fields = MESSAGES[cls].DESCRIPTOR.fields_by_name
    return tuple((f.name, _reader(fields[f.name], hints[f.name])) for f in dataclasses.fields(cls))


def _reader(field: Any, annotation: Any) -> Callable[[Message], Any]:
    name = field.name
    inner, optional = _without_none(annotation)
    origin = typing.get_origin(inner)
    if origin is Mapping:
        return lambda message: dict(getattr(message, name))
    if origin in (tuple, Sequence):
        decode = _named(name, _decoder(typing.get_args(inner)[0], field))
        return lambda message: tuple([decode(item) for item in getattr(message, name)])
    decode = _named(name, _decoder(inner, field))
    if not optional:
        return lambda message: decode(getattr(message, name))
    if field.has_presence:
        return lambda message: decode(getattr(message, name)) if message.HasField(name) else None
    return lambda message: decode(getattr(message, name)) if getattr(message, name) else None


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        rest = [arg for arg in typing.get_args(annotation) if arg is not types.NoneType]
        return rest[0], True
    return annotation, False


def _named(name: str, decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        try:
            return decode(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    return read


def _decoder(kind: Any, field: Any) -> Callable[[Any], Any]:
    if kind is Money:
        return _decode_money
    if kind is date:
        return date.fromisoformat
    if kind is timedelta:
        return lambda value: timedelta(seconds=value.seconds, microseconds=value.nanos / 1000)
    if kind is datetime:
        return lambda value: value.ToDatetime(tzinfo=UTC)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return functools.partial(_decode_enum, kind, field.enum_type)
    if kind in MESSAGES:
        return functools.partial(from_message, kind)
    return lambda value: value


def _decode_money(value: MoneyMessage) -> Money:
    return Money(Decimal(value.units) + Decimal(value.nanos).scaleb(-9), value.currency_code)


def _decode_enum(kind: type[enum.Enum], descriptor: Any, number: int) -> enum.Enum:
    value = descriptor.values_by_number.get(number)
    name = str(value.name).removeprefix(enum_prefix(descriptor)) if value is not None else "UNKNOWN"
    member = kind.__members__.get(name) or kind.__members__.get("UNKNOWN")
    if member is None:
        raise ValueError(
            f"{number} is no {kind.__name__} that this version of onshelf knows; update the package onshelf"
        )
    return member
