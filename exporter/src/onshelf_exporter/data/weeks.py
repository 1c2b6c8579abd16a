"""The retail weeks of a dataset: their dates and numbers, which of them the data hold, as a whole or in part."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NewType

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.process.errors import SettingError
from onshelf_release.calendar import RetailCalendar, first_day_of_week

if TYPE_CHECKING:
    import ibis.expr.types as ir  # it takes half a second, and most who ask for a week need no table

Cut = NewType("Cut", int)  # the last week that is visible, inclusive: what happened after it is not known yet


def week_column(calendar: RetailCalendar, day: "ir.Value") -> "ir.Value":
    """The retail week, as `RetailCalendar.week`, as an expression over a date column: int32."""
    days = day.cast("date").epoch_days() - (calendar.start - dt.date(1970, 1, 1)).days
    return ((days - (days % 7 + 7) % 7) / 7 + 1).round().cast("int32")


CLOSED_SHARE = 0.5  # days on which a shop sells in fewer weeks than this are days on which it may well sell nothing
WEEKS_TO_TELL = 4  # whole weeks without which nothing is known of the days on which a shop is closed


def whole_weeks(calendar: RetailCalendar, days: Collection[dt.date]) -> tuple[int, int]:
    """First and last week that the data hold as a whole; the last is before the first where there is none.

    A week at an end of the data is whole if the data reach over all its days, or if the days that lack are days on
    which the shop seldom sells anything (a shop that is closed on Sundays).

    Args:
        calendar: numbers the weeks.
        days: distinct days with a sale, at least one.
    """
    first, last = min(days), max(days)
    low, high = calendar.week(first), calendar.week(last)
    sold = {(calendar.week(day), day.weekday()) for day in days}
    before = set(range(first.weekday() - (first - calendar.first_day(low)).days, first.weekday()))
    after = set(range(last.weekday() + 1, last.weekday() + 1 + (calendar.last_day(high) - last).days))

    def closed(weekdays: set[int]) -> bool:
        inner = range(low + 1, high)
        if len(inner) < WEEKS_TO_TELL:
            return False
        busy = sum(any((week, weekday % 7) in sold for weekday in weekdays) for week in inner)
        return busy < CLOSED_SHARE * len(inner)

    return low + (bool(before) and not closed(before)), high - (bool(after) and not closed(after))


@dataclass(frozen=True, kw_only=True)
class DataWeeks:
    """Which weeks a dataset holds.

    Attributes:
        calendar: numbers the weeks.
        first_week: week of the first day.
        first_whole_week: first week that the data hold as a whole.
        last_week: last week that they hold as a whole.
        first_day: first day with a sale, or as stated.
        last_day: last day with a sale, or as stated.
    """

    calendar: RetailCalendar
    first_week: int
    first_whole_week: int
    last_week: int
    first_day: dt.date
    last_day: dt.date

    @property
    def as_of(self) -> dt.date:
        """The day after the last day of the last whole week."""
        return self.calendar.first_day(self.last_week + 1)


def data_weeks(
    days: Collection[dt.date],
    sold: Collection[dt.date],
    week_start: str,
    *,
    week_one: dt.date | None = None,
    first_day: dt.date | None = None,
    last_day: dt.date | None = None,
) -> DataWeeks:
    """The weeks of a dataset.

    Args:
        days: distinct days with an interaction, at least one.
        sold: those with a purchase; where there is none, all days count.
        week_start: weekday on which a week begins.
        week_one: first day of week 1; None = the week of the first day.
        first_day: first day that the data hold as a whole; None = as the days with sales tell.
        last_day: last such day.

    Raises:
        SettingError: `week_one` is no `week_start`, or the days stated hold no whole week.
    """
    sold = sold or days
    start = week_one or first_day_of_week(min(days), week_start)
    if start != first_day_of_week(start, week_start):
        raise SettingError("week_one", start.isoformat(), f"must be a {week_start}, as weeks begin on it")
    calendar = RetailCalendar(start)
    low, high = whole_weeks(calendar, sold)
    first, last = first_day or min(sold), last_day or max(sold)
    if first_day is not None:
        low = calendar.week(first + dt.timedelta(days=6))
    if last_day is not None:
        high = calendar.week(last - dt.timedelta(days=6))
    if high < low and first_day is None and last_day is None:
        low, high = calendar.week(first), calendar.week(last)  # too short to hold one: all weeks count as they are
    if high < low:
        rule = f"the data must hold at least one whole week from {week_start} on; sales from {first} to {last} do not"
        raise SettingError("interactions.time", last.isoformat(), rule)
    return DataWeeks(
        calendar=calendar,
        first_week=calendar.week(min(days)),
        first_whole_week=low,
        last_week=high,
        first_day=first,
        last_day=last,
    )


def calendar_of(dataset: dict[str, Any]) -> RetailCalendar:
    """The retail calendar of a prepared data set, as dataset.json states it."""
    return RetailCalendar(dt.date.fromisoformat(dataset["week_one"]))


def weeks_of_year(dataset: dict[str, Any], weeks: NDArray[Any]) -> NDArray[np.int64]:
    """Week of year, 1..53, of each retail week."""
    calendar = calendar_of(dataset)
    distinct, inverse = np.unique(np.asarray(weeks, dtype=np.int64), return_inverse=True)
    table = np.array([calendar.week_of_year(int(week)) for week in distinct], dtype=np.int64)
    return table[inverse] if len(distinct) else np.zeros(0, dtype=np.int64)


def as_of_cut(dataset: dict[str, Any], cut: Cut) -> dt.date:
    """The day after the last day of week `cut`."""
    return calendar_of(dataset).first_day(cut + 1)


def first_whole_week(dataset: dict[str, Any]) -> int:
    """The first week of which the data hold every day; the last one is `last_week`."""
    return int(dataset["first_whole_week"])


def weeks_covered(dataset: dict[str, Any], first: NDArray[Any], cut: int) -> NDArray[np.float64]:
    """Weeks from week `first` to `cut`, both counted, of which a week that the data hold in part counts in part.

    Args:
        dataset: content of dataset.json.
        first: weeks, any shape; infinite gives minus infinity.
        cut: last week.
    """
    return cut + 1.0 - np.maximum(np.asarray(first, dtype=np.float64), _begun(dataset))


def share_held(dataset: dict[str, Any], weeks: NDArray[Any]) -> NDArray[np.float64]:
    """Share of each week's days that the data hold, up to their end: 0 before they begin, 1 after their first week."""
    return np.clip(np.asarray(weeks, dtype=np.float64) + 1.0 - _begun(dataset), 0.0, 1.0)


def _begun(dataset: dict[str, Any]) -> float:
    """Where the data begin, in weeks: 3.0 with week 3, 3.5 in its middle. Days with views alone do not count."""
    calendar, day = calendar_of(dataset), dt.date.fromisoformat(dataset["first_day"])
    week = calendar.week(day)
    return float(week) if first_whole_week(dataset) <= week else week + (day - calendar.first_day(week)).days / 7
