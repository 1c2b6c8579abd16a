"""What does the recipe of `make run` lose beside a longer one? Every metric of the served models.

    onshelf-exporter study recipe_cost

Several seeds of the heads on each recipe's own text encoder, each through its own ONNX graphs. The longer recipe stands
beside this file.
"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.evaluation.splits import split_of
from onshelf_exporter.process.threads import usable
from onshelf_exporter.release import export
from onshelf_exporter.training import train
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.recipe import Recipe, load_recipe
from onshelf_exporter.training.runs import REPEAT, open_run
from onshelf_exporter.training.workers import side_by_side
from onshelf_research.data import dataset
from onshelf_research.evaluation.release import exported_release
from onshelf_research.studies.inputs import Setting
from onshelf_research.studies.served_metrics import CLOSE, loss, measured_metrics
from onshelf_research.studies.table import Table

LONGER = Path(__file__).with_name("longer.toml")
ROLE = "replay"
SEEDS = 4


def study(setting: Setting) -> Table:
    """One row per metric: its mean over the seeds by either recipe, the loss, and how far seeds scatter."""
    longer = load_recipe(str(LONGER))
    base, short = (_of(setting, recipe) for recipe in (longer, setting.recipe))
    table = Table(
        title=f"The recipe {setting.recipe.name} beside a longer one",
        question="What does the shorter recipe of `make run` lose in what is served?",
        columns=[
            "metric",
            "longer",
            setting.recipe.name,
            "loss",
            "standard error of the loss",
            "seeds of the longer differ by",
        ],
    )
    losses = {}
    for name, (_, more) in base[0].items():
        one, other = (np.array([found[name][0] for found in seeds]) for seeds in (base, short))
        mean = float(loss(one.mean(keepdims=True), other.mean(keepdims=True), more)[0])
        losses[name] = (mean, standard_error(one, other))
        table.add(name, float(one.mean()), float(other.mean()), *losses[name], float(np.ptp(one) / one.mean()))
    beyond = [name for name, (mean, error) in losses.items() if mean - 2 * error > CLOSE]
    above = [name for name, (mean, _) in losses.items() if mean > CLOSE]
    weeks = split_of("validation", dataset.load(setting.data).info).evaluate
    table.remarks += [
        f"Launches of weeks {weeks[0]}-{weeks[1]}, {SEEDS} seeds of the heads on one text encoder of each recipe, "
        "through the exported graphs. Loss: the share by which the mean over the seeds is worse; below 0 where the "
        "shorter is ahead. Its standard error is over seeds of the heads; that of the encoder is not in it.",
        f"Above {CLOSE:.0%} with certainty (by two standard errors): {', '.join(beyond) or 'no metric'}; by the mean "
        f"alone: {', '.join(above) or 'no metric'}.",
    ]
    return table


def _of(setting: Setting, recipe: Recipe) -> list[dict[str, tuple[float, bool]]]:
    """Metrics of each seed of a recipe, trained and exported where it is not yet."""
    run = open_run(setting.runs, setting.data, load_dataset(setting.data), recipe)
    roles = [ROLE, *(f"{ROLE}{REPEAT}{number}" for number in range(1, SEEDS))]
    train.train(setting.data, recipe, setting.runs, roles)
    folders = side_by_side(partial(export.export, run), roles, usable(recipe.threads))
    data = dataset.load(setting.data)
    weeks = split_of("validation", data.info).evaluate
    return [measured_metrics(exported_release(folder, weeks[0]), data, weeks) for folder in folders]


def standard_error(base: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of the loss between two means over seeds, as a share; first order, the samples being independent."""
    shares = [values.std(ddof=1) / abs(values.mean()) / np.sqrt(len(values)) for values in (base, other)]
    return float(np.hypot(*shares))
