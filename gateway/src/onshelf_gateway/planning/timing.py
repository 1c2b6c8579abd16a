"""Evidence for the week: seasonality of the category over the horizon, and what past launches did."""

import datetime as dt

import numpy as np

from onshelf.v1 import launch_pb2
from onshelf_gateway.inference.outputs import EncodedProduct
from onshelf_gateway.releases.model_release import CategoryFacts
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
