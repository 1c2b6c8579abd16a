"""Values as they are written on the command line, and what an error says of one that is written otherwise."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter, Token

from onshelf._enums import EventKind
from onshelf._inputs import ChannelUse, DateWindow, HistoryEvent, StockSite
from onshelf._money import Money


def option(text: str, name: str | None = None, **more: Any) -> Parameter:
    """An option with its help; its name is the field's where none is given."""
    return Parameter(name=name, help=text, **more)


def reads(metavar: str, read: Callable[[str], Any], rule: str) -> Parameter:
    """A value of one word, where a ValueError means that it breaks the rule; of several, the last one holds."""
    one = _checked(read, rule)
    return Parameter(converter=lambda _, tokens: one(tokens[-1]), n_tokens=1, accepts_keys=False, metavar=metavar)


def each(metavar: str, read: Callable[[str], Any], rule: str) -> Parameter:
    """A value for each time that the option is given."""
    one = _checked(read, rule)
    return Parameter(
        converter=lambda _, tokens: tuple(map(one, tokens)), n_tokens=1, accepts_keys=False, metavar=metavar
    )


def _checked(read: Callable[[str], Any], rule: str) -> Callable[[Token], Any]:
    def one(token: Token) -> Any:
        try:
            return read(token.value)
        except ValueError:
            raise ValueError(f"{token.value!r} is {rule}") from None

    return one


def _amount(text: str) -> Decimal:
    return Money(text.strip(), "").amount


def _path(text: str) -> Path:
    if text.startswith("-") and text != "-":
        raise ValueError(text)
    return Path(text)


def _share(text: str) -> float:
    return float(text.removesuffix("%").strip()) / 100 if text.endswith("%") else float(text)


def category_path(text: str) -> tuple[str, ...]:
    """A category path: names from broad to narrow with > between them."""
    return tuple(name.strip() for name in re.split(r"[>›＞]", text) if name.strip())


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError(text)
    return name.strip(), value.strip()


def _window(text: str) -> DateWindow:
    first, dots, last = text.partition("..")
    return DateWindow(date.fromisoformat(first), date.fromisoformat(last if dots else first))


class ChannelPrice(NamedTuple):
    """A channel's costs as written on the command line."""

    channel_id: str
    fixed_cost: Decimal
    cost_per_unit: Decimal | None


def _channel_price(text: str) -> ChannelPrice:
    channel_id, costs = _pair(text)
    fixed, colon, per_unit = costs.partition(":")
    return ChannelPrice(channel_id, _amount(fixed), _amount(per_unit) if colon else None)


def _channel_use(text: str) -> ChannelUse:
    channel_id, equals, coverage = text.partition("=")
    return ChannelUse(channel_id.strip(), _share(coverage) if equals else None)


def _stock_site(text: str) -> StockSite:
    site_id, equals, rest = text.partition("=")
    numbers = rest.split(":") if equals else []
    if not site_id.strip() or len(numbers) > 3:
        raise ValueError(text)
    multiple, least = ([int(one) for one in numbers[1:]] + [None, None])[:2]
    weight = float(numbers[0]) if numbers else None
    return StockSite(site_id=site_id.strip(), weight=weight, order_multiple=multiple, minimum_units=least)


def _history_event(text: str) -> HistoryEvent:
    product_id, kind, days = (*text.split(":", 2), "", "")[:3]
    return HistoryEvent(product_id=product_id, kind=EventKind(kind) if kind else None, age_days=float(days or 0))


NUMBER = reads("X", float, "no number; write it like 2.5")
WHOLE = reads("N", int, "no whole number; write it like 12")
Text = Annotated[str | None, Parameter(metavar="TEXT")]
Ids = Annotated[tuple[str, ...], Parameter(metavar="ID")]
Count = Annotated[int | None, WHOLE]
Amount = Annotated[Decimal | None, reads("AMOUNT", _amount, "no amount of money; write it like 3.99")]
Share = Annotated[float | None, reads("SHARE", _share, "no share; write it like 0.1 or 10%")]
Day = Annotated[date | None, reads("DATE", date.fromisoformat, "no date; write it like 2018-03-05")]
CategoryPath = Annotated[tuple[str, ...], reads("PATH", category_path, "no path")]
InputFile = Annotated[
    Path | None,
    reads("FILE", _path, "no file but an option; of a file whose name begins with a dash, write ./NAME"),
    Parameter(allow_leading_hyphen=True),  # - is standard input
]
Attributes = Annotated[
    tuple[tuple[str, str], ...], each("NAME=VALUE", _pair, "no attribute; write it like flavour=salt")
]
Windows = Annotated[
    tuple[DateWindow, ...],
    each("DAY[..DAY]", _window, "no day and no days; write it like 2018-03-12 or 2018-03-12..2018-03-25"),
]
ChannelUses = Annotated[
    tuple[ChannelUse, ...], each("ID[=COVERAGE]", _channel_use, "no channel; write it like display_in_aisle=0.3")
]
ChannelPrices = Annotated[
    tuple[ChannelPrice, ...],
    each(
        "ID=FIXED[:PER_UNIT]",
        _channel_price,
        "no channel cost; write it like mailer_front_feature=40 or ...=40:0.05",
    ),
]
Sites = Annotated[
    tuple[StockSite, ...],
    each(
        "ID[=WEIGHT[:MULTIPLE[:LEAST]]]",
        _stock_site,
        "no site; write it like store_7=2.5, with its order multiple store_7=2.5:6, or with its least stock, too, "
        "store_7=2.5:6:12",
    ),
]
History = Annotated[
    tuple[HistoryEvent, ...],
    each(
        "PRODUCT[:KIND[:DAYS]]",
        _history_event,
        f"no event; write PRODUCT:KIND:DAYS, KIND one of {', '.join(kind.value for kind in EventKind)}",
    ),
]
WeeklyUnits = Annotated[
    tuple[int, ...],
    reads(
        "N[,N...]",
        lambda text: tuple(int(part) for part in text.split(",")),
        "no list of weekly units; write it like 12,9",
    ),
]
