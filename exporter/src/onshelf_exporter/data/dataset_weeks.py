"""Dates and weeks of the year of the prepared data's retail weeks, and how much of each week the data hold."""

import datetime as dt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import Cut
from onshelf_release.calendar import RetailCalendar


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
