"""The retail calendar of a model release: which days begin a week, and the week of the year."""

import datetime as dt

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKS_OF_YEAR = 53
DAY = dt.timedelta(days=1)
WEEK = dt.timedelta(days=7)


def week_of_year(day: dt.date, week_start: str) -> int:
    """Number within its year, 1..53, of the retail week that holds `day`: the ISO week of that week's first day."""
    return first_day_of_week(day, week_start).isocalendar().week


def first_day_of_week(day: dt.date, week_start: str) -> dt.date:
    """First day of the retail week that holds `day`; `week_start` is a lower-case English weekday."""
    return day - dt.timedelta(days=(day.weekday() - WEEKDAYS.index(week_start)) % 7)


def launch_days(start: dt.date, end: dt.date, week_start: str) -> list[dt.date]:
    """The first days of retail weeks within [start, end]; where there is none, `start` alone stands for its week."""
    first = first_day_of_week(start, week_start)
    if first < start:
        first += WEEK
    days = [first + WEEK * n for n in range(max(0, (end - first).days // 7 + 1))]
    return days or [start]


def label(day: dt.date) -> str:
    """A day for people: "5 March 2018"."""
    return f"{day.day} {day:%B %Y}"
