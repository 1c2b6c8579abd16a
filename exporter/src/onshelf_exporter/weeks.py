"""The retail calendar: dates to numbered weeks, and weeks to the week of the year. The one home of both."""

import datetime as dt
from dataclasses import dataclass

import ibis.expr.types as ir

from onshelf_exporter import engine
from onshelf_exporter.errors import SettingError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def week_of_year(first_day: dt.date) -> int:
    """Number within its year, 1..53, of the retail week that begins on `first_day` (the ISO week of that day)."""
    return min(max(first_day.isocalendar().week, 1), 53)


def first_day_of_week(day: dt.date, week_start: str = "monday") -> dt.date:
    """First day of the retail week that holds `day`.

    Args:
        day: any local date.
        week_start: weekday on which a retail week begins, lower case English.

    Raises:
        SettingError: `week_start` is no weekday.
    """
    if week_start not in WEEKDAYS:
        raise SettingError("week_start", week_start, f"one of {', '.join(WEEKDAYS)}")
    return day - dt.timedelta(days=(day.weekday() - WEEKDAYS.index(week_start)) % 7)


@dataclass(frozen=True)
class RetailCalendar:
    """Numbers retail weeks from 1.

    Attributes:
        start: first day of week 1.
    """

    start: dt.date

    def first_day(self, week: int) -> dt.date:
        """First day of a retail week."""
        return self.start + dt.timedelta(days=7 * (week - 1))

    def week(self, day: dt.date) -> int:
        """Retail week of a local date; 0 and below lie before week 1."""
        return (day - self.start).days // 7 + 1

    def week_of_year(self, week: int) -> int:
        """Number within its year, 1..53, of a retail week."""
        return week_of_year(self.first_day(week))

    def week_column(self, day: ir.Value) -> ir.Value:
        """The same as `week`, as an expression over a date column: int32."""
        days = day.cast("date").epoch_days() - (self.start - dt.date(1970, 1, 1)).days
        return ((days - (days % 7 + 7) % 7) / 7 + 1).round().cast("int32")

    def table(self, first_week: int, last_week: int) -> ir.Table:
        """A table (week int32, week_of_year int32) of the weeks first_week..last_week."""
        weeks = list(range(first_week, last_week + 1))
        rows = {"week": weeks, "week_of_year": [self.week_of_year(week) for week in weeks]}
        return engine.small_table(rows, schema={"week": "int32", "week_of_year": "int32"})
