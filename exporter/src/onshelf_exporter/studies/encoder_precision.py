"""May the served plan be made of an encoder in int8? Every metric of the served models behind either file.

    onshelf-exporter study encoder_precision

Several seeds of the model release that forecasts the validation weeks, each through its own ONNX graphs: the same heads
read the embeddings of `product_encoder` and of `product_encoder_int8`.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from onshelf_exporter import export, train
from onshelf_exporter.evaluation import dataset, recommend, served, tables
from onshelf_exporter.evaluation.cells import COLD, DEMAND
from onshelf_exporter.evaluation.release import ModelRelease, exported_release
from onshelf_exporter.evaluation.splits import split_of
from onshelf_exporter.studies.compression import CLOSE
from onshelf_exporter.studies.inputs import Floats, Setting
from onshelf_exporter.studies.table import Table
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.runs import REPEAT, open_run
from onshelf_exporter.training.workers import side_by_side

ROLE = "replay"
SEEDS = 5
ENCODERS = ("product_encoder", "product_encoder_int8")
OUTCOMES = {"units_8w": "units, 8 weeks", "units_4w": "units, 4 weeks", "buyers_8w": "buyers"}
CATEGORY = "right category from the title alone"


def study(setting: Setting) -> Table:
    """One row per metric: its mean over the seeds behind either encoder, and the loss."""
    run = open_run(setting.runs, setting.data, load_dataset(setting.data), setting.recipe)
    roles = [ROLE, *(f"{ROLE}{REPEAT}{number}" for number in range(1, SEEDS))]
    train.train(setting.data, setting.recipe, setting.runs, roles)
    folders = side_by_side(partial(export.export, run), roles, setting.recipe.threads)
    data = dataset.load(setting.data)
    weeks = split_of("validation", data.info).evaluate
    measured = [
        [_measured(replace(exported_release(folder, weeks[0]), encoder=name), data, weeks) for name in ENCODERS]
        for folder in folders
    ]
    table = Table(
        "The served models behind an encoder in fp32 and in int8",
        "What does the default encoder in int8 with int8 words lose in what is served?",
        ["metric", "fp32", "int8", "loss", "smallest loss of a seed", "largest loss of a seed"],
    )
    losses = []
    for name, (_, more) in measured[0][0].items():
        pairs = np.array([[found[name][0] for found in seed] for seed in measured])
        each = loss(pairs[:, 0], pairs[:, 1], more)
        mean = float(loss(pairs[:, :1].mean(0), pairs[:, 1:].mean(0), more)[0])
        losses.append(mean)
        table.add(name, *(float(value) for value in pairs.mean(0)), mean, float(each.min()), float(each.max()))
    table.remarks += [
        f"Launches of weeks {weeks[0]}-{weeks[1]}, {SEEDS} seeds of the heads on one text encoder, through the "
        "exported graphs. Loss: the share by which the mean over the seeds is worse; below 0 where int8 is ahead.",
        f"Largest loss {max(losses):.2%}: int8 {'keeps' if max(losses) <= CLOSE else 'breaks'} the rule of at most "
        f"{CLOSE:.0%} in every metric.",
    ]
    return table


def _measured(release: ModelRelease, data: dataset.Dataset, weeks: tuple[int, int]) -> dict[str, tuple[float, bool]]:
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
