"""Which plots the report has, from what was measured."""

from pathlib import Path
from typing import Any

from onshelf_research.evaluation import study
from onshelf_research.evaluation.study import DemandPredictions, Study
from onshelf_research.evaluation.tables import OURS
from onshelf_research.policy import report as policy
from onshelf_research.report import plots, study_tables
from onshelf_research.report.plots import Plot

LIFT_RIVALS = ("ensemble_rolling", "lightgbm_tweedie_rolling", "analog_mean", "category_mean")
AUDIENCE_RIVALS = ("two_sided_content_knn", "content_knn", "affinity", "activity_only")


def draw(folder: Path, one: Study, demand: DemandPredictions, numbers: dict[str, Any]) -> list[Plot]:
    """Draw all plots below `folder`/plots; returns them in the order of the report."""
    rows, ours = demand.rows, demand.units[OURS]
    rivals = [name for name in LIFT_RIVALS if name in demand.units]
    made = [
        (plots.pit_histograms(rows, ours), "pit", "Randomised PIT of ours; flat within the grey band is right."),
        (plots.calibration(rows, ours), "calibration", "Calibration of ours: on the diagonal is right."),
        (plots.deciles(rows, study.UNITS, ours), "deciles", "Forecast against actual, by tenths of the forecast."),
        (plots.lift(rows, study.UNITS, demand.units, rivals), "lift", "Units found by the highest forecasts."),
    ]
    cold, scores = study.audiences(one) if one.measures_cold else (None, {})
    if cold is not None and cold.told.any():
        enough = cold.told
        kept = {name: values[enough] for name, values in scores.items() if name in (*AUDIENCE_RIVALS, OURS)}
        names = [name for name in AUDIENCE_RIVALS if name in kept]
        drawn = plots.audience_lift(kept, cold.bought[enough], names)
        made.append((drawn, "audience", "Buyers found among the best households."))
    for figure in policy.figures(numbers["policy"]):
        drawn = plots.intervals(figure["title"], figure["unit"], figure["rows"], figure["reference"])
        made.append((drawn, str(figure["name"]), str(figure["title"])))
    for one_study in numbers["studies"]:
        wanted = study_tables.plotted(one_study)
        if wanted is not None:
            drawn = plots.intervals(one_study["title"], *wanted, None)
            made.append((drawn, f"study_{one_study['name']}", str(one_study["title"])))
    return [plots.save(figure, folder, name, caption) for figure, name, caption in made]
