"""The same recipe with other seeds: heads trained again on one text encoder, measured through their own ONNX.

The first seed is the model release that is served; the others live in the training run and are never published.
"""

import hashlib
from functools import partial
from pathlib import Path

from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.process.threads import usable
from onshelf_exporter.release import export
from onshelf_exporter.training import train
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.recipe import Recipe
from onshelf_exporter.training.runs import REPEAT, Run, open_run
from onshelf_exporter.training.workers import side_by_side
from onshelf_research.evaluation.release import MeasuredRelease, exported_release


def repeats(
    release: MeasuredRelease, data: Path, recipe: Recipe, runs: Path, seeds: int, before_week: int, threads: int
) -> list[MeasuredRelease]:
    """The model releases of seeds 2..`seeds`, trained and exported where they are not yet.

    Args:
        release: the one that is served.
        data: folder of prepared data.
        recipe: of the release.
        runs: folder of training runs.
        seeds: how many in all, the served one among them.
        before_week: first measured week.
        threads: of each graph.

    Raises:
        ExporterError: the release was not trained by this recipe and code, so that other seeds are no repeats of it.
    """
    if seeds < 2:
        return []
    role = str(release.manifest["role"])
    run = open_run(runs, data, load_dataset(data), recipe)
    _same(run, role, release)
    repeated = [f"{role}{REPEAT}{number}" for number in range(1, seeds)]
    train.train(data, recipe, runs, repeated)
    folders = side_by_side(partial(export.export, run), repeated, usable(recipe.threads))
    return [exported_release(folder, before_week, threads) for folder in folders]


def _same(run: Run, role: str, release: MeasuredRelease) -> None:
    advice = (
        f"model release {release.version} is no {role} release of the run {run.folder}; train, export and publish it "
        "again with this code and --recipe, or ask for --seeds 1"
    )
    if not run.is_done(role):
        raise ExporterError(f"--seeds: {advice}")
    exported = exported_release(export.export(run, role), release.cut_week + 1)
    if _graphs(exported) != _graphs(release):
        raise ExporterError(f"--seeds: {advice}")


def _graphs(release: MeasuredRelease) -> str:
    files = sorted((name, model["sha256"]) for name, model in release.manifest["models"].items())
    return hashlib.sha256(repr(files).encode()).hexdigest()
