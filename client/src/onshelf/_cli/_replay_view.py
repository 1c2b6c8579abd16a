"""Past launches beside their forecasts: the band, what was sold, and a count of the misses."""

import math
from collections.abc import Sequence

from onshelf import _results as r
from onshelf._cli import _words as w
from onshelf._cli._plan_view import footer_lines, join
from onshelf._cli._replay_file import Replayed, ReplayFile
from onshelf._cli._terminal import Cell, Column, Terminal, clean, shorten, table, wrap

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
    sold = sum(one.case.units_8w for one in replayed)
    error = sum(abs(one.case.units_8w - band(one.forecast)[1]) for one in replayed)
    return {
        "inside": sum(verdict(one) == "inside" for one in replayed),
        "above": sum(verdict(one) == "above" for one in replayed),
        "below": sum(verdict(one) == "below" for one in replayed),
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


def replay_lines(replayed: Sequence[Replayed], file: ReplayFile, info: r.ResponseInfo, terminal: Terminal) -> list[str]:
    """What was forecast and what happened, the totals, and what would have been planned instead."""
    head = f"{len(replayed)} real launches, forecast from data to {w.day(file.as_of)} only, then revealed."
    largest = largest_of(replayed)
    rows: list[list[str | Cell]] = []
    for one in replayed:
        low, middle, high = band(one.forecast)
        colour = "green" if verdict(one) == "inside" else "red"
        rows.append(
            [
                shorten(clean(one.case.product.title), 36 if terminal.columns > 100 else 20),
                w.day(one.case.launch_date),
                _done(one),
                f"{low:,}–{middle:,}–{high:,}",
                _strip(one, largest, terminal),
                Cell(f"{one.case.units_8w:,}", ("bold",)),
                Cell(verdict(one), (colour,)),
            ]
        )
    columns = [Column("product"), Column("launched"), Column("promotion", wrap=True), Column("10–50–90%")]
    columns += [Column("band ▒, median │, sold ●"), Column("sold", right=True), Column("")]
    sections = [
        [terminal.styled(line, "bold") for line in wrap(head, terminal.columns)],
        table(terminal, columns, rows),
        [terminal.plain(line) for line in _summary(replayed, file, terminal)],
        _planned(replayed, terminal),
        footer_lines(info, terminal),
    ]
    return join(sections)


def _done(one: Replayed) -> str:
    count = len(one.case.channels)
    parts = [w.counted(count, "channel")] if count else []
    parts += [f"{w.percent(one.case.discount)} off"] if round(one.case.discount, 3) > 0 else []
    parts += ["coupon"] if one.case.coupon else []
    return ", ".join(parts) or "none"


def _strip(one: Replayed, largest: int, terminal: Terminal) -> str:
    strip = min(_STRIP, terminal.columns // 5)

    def place(units: float) -> int:
        return round(position(units, largest) * (strip - 1))

    low, middle, high = band(one.forecast)
    shade, line, dot = ("▒", "│", "●") if terminal.unicode else ("=", "|", "o")
    marks = [" "] * strip
    for n in range(place(low), place(high) + 1):
        marks[n] = shade
    marks[place(middle)] = line
    marks[place(one.case.units_8w)] = dot
    return "".join(marks)


def _summary(replayed: Sequence[Replayed], file: ReplayFile, terminal: Terminal) -> list[str]:
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
    return wrap(text, terminal.columns)


def _planned(replayed: Sequence[Replayed], terminal: Terminal) -> list[str]:
    rows: list[list[str | Cell]] = []
    for one in replayed:
        if one.planned is None:
            continue
        rows.append(
            [
                shorten(clean(one.case.product.title), 36),
                w.day(one.planned.action.launch_date),
                w.channel_list(one.planned.action.channels),
                w.promotion(one.planned.action),
                w.count(one.planned.forecast(8).units.mean),
                w.count(one.forecast.units.mean),
            ]
        )
    if not rows:
        return []
    columns = [Column("product"), Column("week of"), Column("channels, % of sites", wrap=True), Column("promotion")]
    columns += [Column("expected", right=True), Column("as done", right=True)]
    title = (
        "What Onshelf would have planned for most units, with the same price, discount, coupon and number of channels"
    )
    remark = (
        "  Nobody did this, so there is nothing to reveal. Channels are at their typical share of sites, not as done."
    )
    return [terminal.styled(title, "bold"), *table(terminal, columns, rows), terminal.styled(remark, "dim")]
