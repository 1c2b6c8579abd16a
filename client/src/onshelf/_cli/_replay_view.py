"""Past launches beside their forecasts: the band, what was sold, and a count of the misses."""

import math
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from onshelf import _results as r
from onshelf._cli import _words as w
from onshelf._cli._plan_view import footer
from onshelf._cli._replay_file import Replayed, ReplayFile
from onshelf._cli._terminal import Section, bold, clean, hanging, screen, shortened, table

_STRIP = 26  # columns, fewer on a narrow screen


def band(forecast: r.OutcomeForecast) -> tuple[int, int, int]:
    """The 10 %, 50 % and 90 % quantiles in whole units."""
    low, middle, high = (w.whole(forecast.units.quantile(level)) for level in (0.1, 0.5, 0.9))
    return low, middle, high


def verdict(replayed: Replayed) -> str:
    """Whether what was sold is "inside" the 10-90 % band, "above" or "below" it."""
    low, _, high = band(replayed.forecast)
    return "below" if replayed.case.units_8w < low else "above" if replayed.case.units_8w > high else "inside"


def totals(replayed: Sequence[Replayed]) -> dict[str, float]:
    """Launches inside the band; units sold and expected; WAPE of the medians (nan where nothing was sold)."""
    verdicts = [verdict(one) for one in replayed]
    sold = sum(one.case.units_8w for one in replayed)
    error = sum(abs(one.case.units_8w - band(one.forecast)[1]) for one in replayed)
    return {
        **{name: verdicts.count(name) for name in ("inside", "above", "below")},
        "units_sold": sold,
        "units_expected": round(sum(one.forecast.units.mean for one in replayed), 2),
        "wape_of_medians": round(error / sold, 4) if sold else math.nan,
    }


def position(value: float, largest: float) -> float:
    """Where a count lies on a scale from 0 to the largest, 0 to 1: by square root, since most launches sell little."""
    return math.sqrt(max(value, 0.0) / largest) if largest > 0 else 0.0


def largest_of(replayed: Sequence[Replayed]) -> int:
    """The highest count that a picture of these launches must show."""
    return max(1, *(max(band(one.forecast)[2], one.case.units_8w) for one in replayed))


def replay_sections(replayed: Sequence[Replayed], file: ReplayFile, info: r.ResponseInfo) -> list[Section]:
    """What was forecast and what happened, the totals, and what would have been planned instead."""
    largest = largest_of(replayed)
    rows: list[list[RenderableType]] = [
        [
            shortened(clean(one.case.product.title), 36 if screen().width > 100 else 20),
            w.day(one.case.launch_date),
            _done(one),
            w.band(one.forecast.units),
            _strip(one, largest),
            bold(f"{one.case.units_8w:,}"),
            Text(verdict(one), "green" if verdict(one) == "inside" else "red"),
        ]
        for one in replayed
    ]
    headers = ["product", "launched", "~promotion", "10–50–90%", "band ▒, median │, sold ●", ">sold", ""]
    return [
        [bold(f"{len(replayed)} real launches, forecast from data to {w.day(file.as_of)} only, then revealed.")],
        [table(headers, rows)],
        [_summary(replayed, file)],
        _planned(replayed),
        footer(info),
    ]


def _done(one: Replayed) -> str:
    count = len(one.case.channels)
    parts = [w.counted(count, "channel")] if count else []
    parts += [f"{w.percent(one.case.discount)} off"] if round(one.case.discount, 3) > 0 else []
    parts += ["coupon"] if one.case.coupon else []
    return ", ".join(parts) or "none"


def _strip(one: Replayed, largest: int) -> str:
    strip = min(_STRIP, screen().width // 5)
    low, middle, high, sold = (
        round(position(units, largest) * (strip - 1)) for units in (*band(one.forecast), one.case.units_8w)
    )
    marks = [" "] * low + ["▒"] * (high - low + 1) + [" "] * (strip - high - 1)
    marks[middle] = "│"
    marks[sold] = "●"
    return "".join(marks)


def _summary(replayed: Sequence[Replayed], file: ReplayFile) -> str:
    total, count = totals(replayed), len(replayed)
    text = f"{total['inside']} of {count} inside the band, {total['above']} above, {total['below']} below. "
    text += "A 10–90% band of whole units should hold at least 8 of 10, and about 9 where most launches sell little. "
    expected = w.count(total["units_expected"])
    text += f"Sold {total['units_sold']:,} units in 8 weeks; the expected values add up to {expected}. "
    wape = total["wape_of_medians"]
    text += "" if math.isnan(wape) else f"WAPE of the medians on these {count}: {wape:.2f}. "
    text += f"Chosen how: {clean(file.rule)}." if file.rule else ""
    survivors = sum(not one.case.promotion_first for one in replayed)
    if survivors:
        text += f" {survivors} of them entered the data by a first sale, so that they cannot have sold nothing."
    return text


def _planned(replayed: Sequence[Replayed]) -> Section:
    rows: list[list[RenderableType]] = [
        [
            shortened(clean(one.case.product.title), 36),
            w.day(one.planned.action.launch_date),
            w.channel_list(one.planned.action.channels),
            w.promotion(one.planned.action),
            w.count(one.planned.forecast(8).units.mean),
            w.count(one.forecast.units.mean),
        ]
        for one in replayed
        if one.planned is not None
    ]
    title = (
        "What Onshelf would have planned for most units, with the same price, discount, coupon and number of channels"
    )
    remark = (
        "Nobody did this, so there is nothing to reveal. Channels are at their typical share of sites, not as done."
    )
    headers = ["product", "week of", "~channels, % of sites", "promotion", ">expected", ">as done"]
    return [bold(title), table(headers, rows), hanging(remark, "dim")] if rows else []
