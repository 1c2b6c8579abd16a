"""How money, days, counts, channels and actions are written for people."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from onshelf._cli._terminal import clean
from onshelf._inputs import Action, ChannelUse
from onshelf._money import Money
from onshelf._results import CountForecast

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MINOR_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}


def amount(value: Decimal | float, currency: str) -> str:
    """An amount in whole minor units, without its currency: "1,234.50"."""
    digits = _MINOR_DIGITS.get(currency, 2)
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    return f"{rounded + 0:,}"


def money(value: Money | None) -> str:
    """Money with its currency: "3.99 USD"; nothing for None."""
    return "" if value is None else f"{amount(value.amount, value.currency)} {value.currency}"


def bare(value: Money | None) -> str:
    """Money without its currency, for columns that name it; nothing for None."""
    return "" if value is None else amount(value.amount, value.currency)


def count(value: float) -> str:
    """A forecast of a count: one decimal below 10, whole from there."""
    return f"{value:,.0f}" if round(value, 1) >= 10 else f"{round(value, 1) + 0:.1f}".removesuffix(".0")


def signed(text: str) -> str:
    """A number with its sign."""
    return text.replace("-", "−") if text.startswith("-") else f"+{text}"


def difference(value: float) -> str:
    """A difference of counts, with its sign."""
    text = count(abs(value))
    return "±0" if text == "0" else ("−" if value < 0 else "+") + text


def band(forecast: CountForecast) -> str:
    """A forecast's 10 %, 50 % and 90 % quantiles."""
    return " – ".join(count(forecast.quantile(level)) for level in (0.1, 0.5, 0.9))


def percent(share: float) -> str:
    """A share as a percentage."""
    value = share * 100
    return f"{value:.0f} %" if value >= 1 or value == 0 else f"{value:.1f} %"


def day(value: date | None) -> str:
    """A date: "5 Mar 2018"."""
    return "" if value is None else f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def weekday(value: date) -> str:
    """A date with its weekday: "Mon 5 Mar 2018"."""
    return f"{_DAYS[value.weekday()]} {day(value)}"


def channel(channel_id: str) -> str:
    """A channel's id as words."""
    return clean(channel_id).replace("_", " ")


def channel_list(channels: Sequence[ChannelUse], coverage: bool = True) -> str:
    """Channels with the share of sites that carry them; "none" without any."""

    def written(use: ChannelUse) -> str:
        shown = coverage and use.coverage is not None
        return f"{channel(use.channel_id)} {percent(use.coverage or 0.0)}" if shown else channel(use.channel_id)

    return ", ".join(written(use) for use in channels) or "none"


def promotion(action: Action) -> str:
    """Discount and coupon in words; "none" without either."""
    parts = [f"{percent(action.discount)} off"] if action.discount > 0 else []
    return " + ".join([*parts, "coupon"] if action.coupon else parts) or "none"


def series(names: Sequence[str]) -> str:
    """Names as a list in a sentence: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def milliseconds(value: timedelta) -> str:
    """A time: "6.2 ms", "1.25 s"."""
    ms = value / timedelta(milliseconds=1)
    return f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"
