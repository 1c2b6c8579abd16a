"""Results as JSON: field names of the contract, money as text with its currency, dates as ISO 8601, times in
milliseconds.
"""

import dataclasses
import enum
import typing
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from onshelf._money import Money


def to_json(value: Any) -> Any:
    """What `json.dumps` takes for a value made of the client's types."""
    if isinstance(value, Money):
        return {"amount": to_json(value.amount), "currency": value.currency}
    if dataclasses.is_dataclass(value):
        return {_name(f): to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return round(value / timedelta(milliseconds=1), 3)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def _name(field: dataclasses.Field[Any]) -> str:
    timed = timedelta in (field.type, *typing.get_args(field.type))
    return f"{field.name}_ms" if timed else field.name
