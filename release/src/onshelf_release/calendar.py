"""The retail calendar: dates to numbered weeks, and weeks to the week of the year. The one home of both.

A shop's calendar is stated once, in dataset.json and the manifest: `week_one` is the first day of week 1 and lies on
`week_start`. Everything that numbers weeks or dates them, training and the gateway alike, derives from these two.
"""

import datetime as dt
from dataclasses import dataclass

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKS_OF_YEAR = 53
WEEK = dt.timedelta(days=7)


def first_day_of_week(day: dt.date, week_start: str) -> dt.date:
    """First day of the retail week that holds a local date; raises ValueError where `week_start` is no weekday."""
    if week_start not in WEEKDAYS:
        raise ValueError(f"week_start {week_start!r}: one of {', '.join(WEEKDAYS)}")
    return day - dt.timedelta(days=(day.weekday() - WEEKDAYS.index(week_start)) % 7)


def week_of_year(day: dt.date, week_start: str) -> int:
    """Number within its year, 1..53, of the retail week that holds `day`: the ISO week of that week's first day."""
    return first_day_of_week(day, week_start).isocalendar().week


@dataclass(frozen=True)
class RetailCalendar:
    """Numbers retail weeks from 1.

    Attributes:
        start: first day of week 1.
    """

    start: dt.date

    def first_day(self, week: int) -> dt.date:
        """First day of a retail week."""
        return self.start + WEEK * (week - 1)

    def last_day(self, week: int) -> dt.date:
        """Last day of a retail week."""
        return self.first_day(week + 1) - dt.timedelta(days=1)

    def week(self, day: dt.date) -> int:
        """Retail week of a local date; 0 and below lie before week 1."""
        return (day - self.start).days // 7 + 1

    def week_of_year(self, week: int) -> int:
        """Number within its year, 1..53, of a retail week."""
        return self.first_day(week).isocalendar().week
