"""What is measured of a served model release, metric by metric, and by how much another one is worse."""

import numpy as np

from onshelf_research.data import dataset
from onshelf_research.evaluation import recommend, served, tables
from onshelf_research.evaluation.release import MeasuredRelease
from onshelf_research.report.cells import COLD, DEMAND
from onshelf_research.studies.inputs import Floats

OUTCOMES = {"units_8w": "units, 8 weeks", "units_4w": "units, 4 weeks", "buyers_8w": "buyers"}
CLOSE = 0.01  # what loses at most this share in every metric is as good
CATEGORY = "right category from the title alone"


def measured_metrics(
    release: MeasuredRelease, data: dataset.Dataset, weeks: tuple[int, int]
) -> dict[str, tuple[float, bool]]:
    """Metrics of one model release by name, each with whether more of it is better."""
    rows = data.launched(weeks)
    result: dict[str, tuple[float, bool]] = {}
    forecasts = served.forecasts(release, data, rows)
    for outcome, title in OUTCOMES.items():
        for key, value in tables.measure_demand(rows, outcome, forecasts[outcome]).items():
            heading, more = DEMAND[key]
            if more is not None:
                result[f"{title}: {heading}"] = (value, more)
    task = recommend.cold_task(data, rows, release.cut_week)
    for key, values in recommend.measure_cold(task, served.audiences(release, data, task)).items():
        heading, more = COLD[key]
        if more is not None:
            result[f"audiences: {heading}"] = (float(np.nanmean(values)), more)
    unknown = rows.frame.assign(department="", category="", type="", brand="", private_label=-1, price=0.0)
    ids = release.vocabulary.ids(rows.frame)
    known = ids[:, 1] > 0
    told = release.encode(unknown)["category_logits"][:, 1:].argmax(1) + 1
    right = release.vocabulary.parents["type"][told] == ids[:, 1]
    result[CATEGORY] = (float(right[known].mean()), True)
    return result


def loss(base: Floats, other: Floats, more: bool) -> Floats:
    """By how much `other` is worse, as a share; `more`: whether a higher metric is better."""
    lost: Floats = (base / other if more else other / base) - 1.0
    return lost
