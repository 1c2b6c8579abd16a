"""Evidence for the week: seasonality of the category over the horizon, and what past launches did."""

import datetime as dt

import numpy as np

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.inference.outputs import EncodedProduct
from onshelf_gateway.releases.model_release import CategoryFacts, ModelRelease
from onshelf_gateway.releases.weeks import WEEKS_OF_YEAR, week_of_year


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


def notice_projection(call: Call, release: ModelRelease, start: dt.date, end: dt.date) -> None:
    """Say that the window lies outside the years of the data, and how far."""
    as_of = release.manifest.as_of
    last_year = (as_of - dt.timedelta(days=1)).year
    if end.year > last_year:
        weeks = (start - as_of).days // 7
        ahead = f"begins {weeks} weeks later and" if weeks > 0 else "begins then and"
        call.notice(
            types_pb2.NOTICE_CODE_SEASONAL_PROJECTION,
            f"the data end on {as_of - dt.timedelta(days=1)}; the window {ahead} reaches into a "
            "year that they do not cover: its timing is projected from the season of the year",
            "window",
        )
