"""May the served plan be made of an encoder in int8? Every metric of the served models behind either file.

    onshelf-exporter study encoder_precision

Several seeds of the model release that forecasts the validation weeks, each through its own ONNX graphs: the same heads
read the embeddings of `product_encoder` and of `product_encoder_int8`.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from onshelf_exporter.evaluation.splits import split_of
from onshelf_exporter.process.threads import usable
from onshelf_exporter.release import export
from onshelf_exporter.training import train
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.runs import REPEAT, open_run
from onshelf_exporter.training.workers import side_by_side
from onshelf_research.data import dataset
from onshelf_research.evaluation.release import exported_release
from onshelf_research.studies.inputs import Setting
from onshelf_research.studies.served_metrics import CLOSE, loss, measured_metrics
from onshelf_research.studies.table import Table

ROLE = "replay"
SEEDS = 5
ENCODERS = ("product_encoder", "product_encoder_int8")


def study(setting: Setting) -> Table:
    """One row per metric: its mean over the seeds behind either encoder, and the loss."""
    run = open_run(setting.runs, setting.data, load_dataset(setting.data), setting.recipe)
    roles = [ROLE, *(f"{ROLE}{REPEAT}{number}" for number in range(1, SEEDS))]
    train.train(setting.data, setting.recipe, setting.runs, roles)
    folders = side_by_side(partial(export.export, run), roles, usable(setting.recipe.threads))
    data = dataset.load(setting.data)
    weeks = split_of("validation", data.info).evaluate
    measured = [
        [measured_metrics(replace(exported_release(folder, weeks[0]), encoder=name), data, weeks) for name in ENCODERS]
        for folder in folders
    ]
    table = Table(
        title="The served models behind an encoder in fp32 and in int8",
        question="What does the default encoder in int8 with int8 words lose in what is served?",
        columns=["metric", "fp32", "int8", "loss", "smallest loss of a seed", "largest loss of a seed"],
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
