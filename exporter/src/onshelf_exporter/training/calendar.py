"""Dates and weeks of the year of the prepared data's retail weeks."""

import datetime as dt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.weeks import RetailCalendar


def calendar_of(dataset: dict[str, Any]) -> RetailCalendar:
    """The retail calendar of a prepared data set: its last week ends the day before `as_of`."""
    as_of = dt.date.fromisoformat(dataset["as_of"])
    return RetailCalendar(as_of - dt.timedelta(days=7 * int(dataset["last_week"])))


def weeks_of_year(dataset: dict[str, Any], weeks: NDArray[Any]) -> NDArray[np.int64]:
    """Week of year, 1..53, of each retail week."""
    calendar = calendar_of(dataset)
    distinct, inverse = np.unique(np.asarray(weeks, dtype=np.int64), return_inverse=True)
    table = np.array([calendar.week_of_year(int(week)) for week in distinct], dtype=np.int64)
    return table[inverse] if len(distinct) else np.zeros(0, dtype=np.int64)


def as_of_cut(dataset: dict[str, Any], cut: int) -> dt.date:
    """The day after the last day of week `cut`."""
    return calendar_of(dataset).first_day(cut + 1)
