"""How money, days, counts, channels and actions are written for people."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from onshelf._cli._terminal import clean
from onshelf._inputs import Action, ChannelUse
from onshelf._money import Money
from onshelf._results import CountForecast

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MINOR_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}


def amount(value: Decimal | float, currency: str) -> str:
    """An amount in whole minor units, without its currency: "1,234.50"."""
    digits = _MINOR_DIGITS.get(currency, 2)
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    return f"{rounded + 0:,}".replace("-", "−")


def money(value: Money | None) -> str:
    """Money with its currency: "3.99 USD"; nothing for None."""
    return "" if value is None else f"{amount(value.amount, value.currency)} {value.currency}"


def bare(value: Money | None) -> str:
    """Money without its currency, for columns that name it; nothing for None."""
    return "" if value is None else amount(value.amount, value.currency)


def count(value: float) -> str:
    """A forecast of a count: two decimals below 1, one below 10, whole from there."""
    if round(value, 1) >= 10:
        return f"{value:,.0f}"
    text = f"{value:.1f}" if round(value, 2) >= 1 else f"{value:.2f}"
    return text.rstrip("0").removesuffix(".")


def counted(number: int, what: str) -> str:
    """A number of things: "1 unit", "2 units"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def signed(text: str) -> str:
    """A number with its sign."""
    return text if text.startswith("−") else f"+{text}"


def difference(value: float) -> str:
    """A difference of counts, with its sign."""
    text = count(abs(value))
    return "±0" if text == "0" else ("−" if value < 0 else "+") + text


def whole(quantile: float) -> int:
    """The whole number of units that a continuous quantile stands for: the count y is spread over (y - 1, y]."""
    return max(0, math.ceil(quantile - 1e-9))


def band(forecast: CountForecast) -> str:
    """A forecast's 10 %, 50 % and 90 % quantiles in whole units."""
    return "–".join(f"{whole(forecast.quantile(level)):,}" for level in (0.1, 0.5, 0.9))


def percent(share: float) -> str:
    """A share as a percentage: one decimal below 1%."""
    value = share * 100
    return f"{value:.0f}%" if round(value, 1) >= 1 or value == 0 else f"{value:.1f}%"


def day(value: date | None, year: int | None = None) -> str:
    """A date: "5 Mar 2018"; without its year where that is the year given."""
    if value is None:
        return ""
    short = f"{value.day} {_MONTHS[value.month - 1]}"
    return short if value.year == year else f"{short} {value.year}"


def channel(channel_id: str) -> str:
    """A channel's id as words."""
    return clean(channel_id).replace("_", " ")


def channel_list(channels: Sequence[ChannelUse], coverage: bool = True) -> str:
    """Channels with the share of sites that carry them; "none" without any.

    More than two of a kind (the first word of their ids) are written as one: "8 display channels 0.5-0.9%".
    """
    kinds: dict[str, list[ChannelUse]] = {}
    for use in channels:
        kinds.setdefault(use.channel_id.partition("_")[0], []).append(use)
    parts = []
    for kind, uses in kinds.items():
        if len(uses) > 2:
            parts.append(f"{len(uses)} {clean(kind)} channels{_coverages(uses) if coverage else ''}")
        else:
            parts += [channel(use.channel_id) + (_coverages([use]) if coverage else "") for use in uses]
    return (", ".join(parts) if coverage else series(parts)) if parts else "none"


def every_channel(channels: Sequence[ChannelUse]) -> str:
    """Each channel by name with the share of sites that carry it."""
    return ", ".join(channel(use.channel_id) + _coverages([use]) for use in channels)


def _coverages(uses: Sequence[ChannelUse]) -> str:
    known = [use.coverage for use in uses if use.coverage is not None]
    if not known:
        return ""
    low, high = percent(min(known)), percent(max(known))
    return f" {low}" if low == high else f" {low.removesuffix('%')}–{high}"


def promotion(action: Action) -> str:
    """Discount and coupon in words; "none" without either."""
    parts = [f"{percent(action.discount)} off"] if action.discount > 0 else []
    return " + ".join([*parts, "coupon"] if action.coupon else parts) or "none"


def sentence(text: str) -> str:
    """A text of the service as a sentence: a capital first, a full stop last."""
    text = clean(text)
    ended = text if not text or text[-1] in ".!?。！？" else f"{text}."
    return ended[:1].upper() + ended[1:]


def series(names: Sequence[str]) -> str:
    """Names as a list in a sentence: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def milliseconds(value: timedelta) -> str:
    """A time: "6.2 ms", "1.25 s"."""
    ms = value / timedelta(milliseconds=1)
    return f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def path(names: Sequence[str]) -> str:
    """A category path: "Grocery > Bag snacks"."""
    return " > ".join(clean(name) for name in names)
