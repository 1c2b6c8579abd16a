"""The weeks to choose from, and evidence for each: seasonality over the horizon, and what past launches did."""

import datetime as dt

import numpy as np

from onshelf.v1 import launch_pb2
from onshelf_gateway.inference.outputs import EncodedProduct
from onshelf_gateway.releases.model_release import CategoryFacts
from onshelf_release.calendar import WEEK, WEEKS_OF_YEAR, first_day_of_week, week_of_year


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


def evidence(
    days: list[dt.date], week_start: str, weeks: int, facts: CategoryFacts, encoded: EncodedProduct
) -> list[launch_pb2.TimingEvidence]:
    """A row for each week of the window."""
    numbers = np.array([week_of_year(day, week_start) - 1 for day in days])
    ahead = (numbers[:, None] + np.arange(weeks)) % WEEKS_OF_YEAR
    season = facts.seasonality[ahead].mean(axis=1)
    return [
        launch_pb2.TimingEvidence(
            week_start_date=day.isoformat(),
            seasonality=float(value),
            practice_share=float(encoded.week_propensity[number]),
        )
        for day, value, number in zip(days, season, numbers, strict=True)
    ]
