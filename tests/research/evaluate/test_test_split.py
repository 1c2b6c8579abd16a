"""`evaluate --split test` where no model release fits: it takes the run's evaluation role, and repeats of it.

The weeks of the validation split stand in for those of the test split, and the small replay release for what training
would leave: training and export themselves have tests of their own.
"""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from evaluating import evaluate_arguments
from small_release import PREDICTIONS, SmallRelease

from onshelf_exporter.evaluation.splits import Split
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.recipe import RECIPES, load_recipe
from onshelf_exporter.training.runs import Run, open_run
from onshelf_research import evaluate
from onshelf_research.evaluation.release import exported_release
from onshelf_research.evaluation.seeds import repeats

STAND_IN = Split(name="test", train=(9, 20), evaluate=(28, 32), cut=27, warm_cut=27)


def place(run: Run, small: SmallRelease, role: str, seed: int) -> None:
    """Put the small release's training into a run as a role of it."""
    target = run.folder / role
    shutil.copytree(small.run.folder / "replay", target)
    manifest = target / "export" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"role": role, "seed": seed}))


@pytest.fixture(scope="module")
def opened(
    complete_journey: Path, replay_release: SmallRelease, tmp_path_factory: pytest.TempPathFactory
) -> tuple[argparse.Namespace, Run]:
    """The arguments of the command that opened the test period, and the run behind it."""
    folder = tmp_path_factory.mktemp("opened")
    recipe_file = folder / "early.toml"
    text = (RECIPES / "test.toml").read_text()
    recipe_file.write_text(text.replace("[release]", "[release]\nevaluation_cut_week = -26"))
    run = open_run(folder / "runs", complete_journey, load_dataset(complete_journey), load_recipe(str(recipe_file)))
    place(run, replay_release, "evaluation", run.recipe.seed)
    place(run, replay_release, "evaluation-seed1", run.recipe.seed + 1)
    places = {"data": complete_journey, "releases": folder / "none", "repository": folder / "none"}
    places |= {"out": folder / "reports", "cache": PREDICTIONS / "small", "runs": folder / "runs"}
    places |= {"openings": folder / "openings.md", "recipe": recipe_file}
    args = evaluate_arguments("--split=test", "--quick", "--seeds=2", "--draws=20", **places)
    evaluate.evaluate(args, STAND_IN)
    return args, run


def test_the_runs_evaluation_role_is_measured(opened):
    args, run = opened
    numbers = json.loads((args.out / "evaluation.json").read_text())
    release = numbers["model_release"]
    assert (release["role"], release["cut_week"]) == ("evaluation", run.cut_week("evaluation"))
    assert (numbers["split"], numbers["warm"]["cut"], numbers["weeks"]["cut"]) == ("test", 27, 27)
    assert 0 < numbers["ours"]["demand"]["wape"] < 2


def test_the_mean_of_the_seeds_is_recorded(opened):
    args, run = opened
    numbers = json.loads((args.out / "evaluation.json").read_text())
    seeds = numbers["seeds"]
    assert (seeds["count"], seeds["values"]) == (2, [run.recipe.seed, run.recipe.seed + 1])
    for part in ("demand", "warm", "cold"):
        for column, mean in seeds["mean"][part].items():
            assert mean == pytest.approx(numbers["ours"][part][column]), column  # the repeat is a copy here
            assert seeds["spread"][part][column] == pytest.approx(0.0, abs=1e-12)
    text = args.openings.read_text()
    assert "test period opened (complete_journey)" in text
    assert f"mean of 2 seeds: wape {seeds['mean']['demand']['wape']:.4g}" in text


def test_a_model_release_of_other_code_has_no_repeats(opened):
    args, run = opened
    release = exported_release(run.folder / "evaluation" / "export", 99)
    assert repeats(release, args.data, run.recipe, args.runs, 1, 99, 1) == []
    release.manifest["models"]["launch_outcome"]["sha256"] = "0" * 64
    with pytest.raises(ExporterError, match="--seeds: model release 0 is no evaluation release of the run"):
        repeats(release, args.data, run.recipe, args.runs, 2, 99, 1)


def test_a_release_that_was_never_trained_here_has_no_repeats(opened):
    args, run = opened
    release = exported_release(run.folder / "evaluation" / "export", 99)
    other = replace(run.recipe, seed=run.recipe.seed + 7)
    with pytest.raises(ExporterError, match="ask for --seeds 1"):
        repeats(release, args.data, other, args.runs, 2, 99, 1)
