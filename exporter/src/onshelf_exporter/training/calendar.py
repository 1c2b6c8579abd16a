"""Dates and weeks of the year of the prepared data's retail weeks, and how much of each week the data hold."""

import datetime as dt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.weeks import Cut, RetailCalendar


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
    """Weeks from week `first` to `cut`, both counted, of which a first week that the data hold in part counts in part.

    Args:
        dataset: content of dataset.json.
        first: weeks, any shape; infinite gives minus infinity.
        cut: last week.
    """
    since = np.asarray(first, dtype=np.float64)
    begun = float(dataset["first_week"])
    return cut - since + 1.0 - np.where(since <= begun, 1.0 - first_share(dataset), 0.0)


def first_share(dataset: dict[str, Any]) -> float:
    """Share of the first week's days that the data hold; 1 where they hold it as a whole."""
    week = int(dataset["first_week"])
    if first_whole_week(dataset) <= week:
        return 1.0
    return (calendar_of(dataset).first_day(week + 1) - dt.date.fromisoformat(dataset["first_day"])).days / 7
