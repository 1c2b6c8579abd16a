"""Measure a model release beside the baselines, and write the report.

    onshelf-exporter evaluate --split validation

Writes evaluation.md, evaluation.json and the predictions of the served models below --out. `--split test` opens the
test period: it needs a model release cut right before it, and appends date, recipe and numbers, whatever they are, to
docs/test_openings.md.
"""

import argparse
import datetime as dt
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from onshelf_exporter.evaluation.splits import (
    CHOSEN,
    OUTCOME_WEEKS,
    SPLITS,
    Split,
    add_weeks_argument,
    split_from,
    split_of,
)
from onshelf_exporter.process.errors import SettingError
from onshelf_exporter.process.threads import usable
from onshelf_exporter.release.cards import write_cards
from onshelf_exporter.training.recipe import Recipe, load_recipe
from onshelf_research.data.cache import Cache, content_hash
from onshelf_research.data.dataset import Dataset, load
from onshelf_research.evaluation import study
from onshelf_research.evaluation.predictions import write_predictions
from onshelf_research.evaluation.release import MeasuredRelease, MissingReleaseError, exported_release, find_release
from onshelf_research.evaluation.seeds import repeats
from onshelf_research.evaluation.study import Study
from onshelf_research.policy.report import policy_report
from onshelf_research.report import report, summary
from onshelf_research.report.drawing import draw
from onshelf_research.report.study_tables import read_studies

TEST_SEEDS = 5
MIN_TRAINED = 5  # launches with their outcome; baselines and ours learn nothing from fewer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's arguments."""
    parser.add_argument("--data", type=Path, default=Path("var/data/complete_journey"), help="folder of prepared data")
    parser.add_argument("--releases", type=Path, default=Path("var/releases"), help="folder of model releases")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), help="model repository")
    parser.add_argument("--split", choices=SPLITS, default="validation", help="weeks to measure (default: validation)")
    add_weeks_argument(parser)
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder of the report (default: reports)")
    parser.add_argument("--cache", type=Path, default=Path("var/cache/evaluation"), help="folder of kept predictions")
    parser.add_argument(
        "--openings",
        type=Path,
        default=Path("docs/test_openings.md"),
        help="record to which the test's numbers are appended",
    )
    parser.add_argument("--recipe", default="default", help="recipe of the model release; trained where none fits")
    parser.add_argument(
        "--runs", type=Path, default=Path("var/runs"), help="folder of training runs (default: var/runs)"
    )
    parser.add_argument("--published-only", action="store_true", help="refuse where no published model release fits")
    parser.add_argument(
        "--seeds", type=int, default=0, help="seeds of the heads on one text encoder (default: 5 for test, 1 otherwise)"
    )
    parser.add_argument("--draws", type=int, default=400, help="bootstrap resamples (default: 400)")
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        help="at most so many, for trees and graphs (default: as many as there are cores)",
    )
    parser.add_argument("--quick", action="store_true", help="a sample and the cheap baselines only: proves the path")


def run(args: argparse.Namespace) -> int:
    """Evaluate; prints where the report is."""
    if args.draws < 1:
        raise SettingError("--draws", args.draws, "must be at least 1")
    if args.threads < 0:
        raise SettingError("--threads", args.threads, "must not be negative; 0 is as many as there are cores")
    if args.seeds < 0:
        raise SettingError("--seeds", args.seeds, "must not be negative; 0 stands for the split's own number")
    evaluate(args, None)
    print(args.out / "evaluation.md")
    return 0


def evaluate(args: argparse.Namespace, split: Split | None) -> summary.Summary:
    """Measure, and write report, numbers and predictions.

    Args:
        args: as declared by `add_arguments`.
        split: instead of the one that `args.split` names.

    Returns:
        The content of evaluation.json.
    """
    started = time.monotonic()
    args = argparse.Namespace(**{**vars(args), "threads": usable(args.threads)})
    torch.set_num_threads(args.threads)
    data = load(args.data)
    dataset = str(data.info["dataset"])
    chosen = split or chosen_split(args, data)
    check_enough(data, chosen)
    recipe = recipe_for(args, chosen)
    release = release_for(args, chosen, dataset, chosen.evaluate[0])
    try:
        warm = release_for(args, chosen, dataset, chosen.warm_cut + 1, train=False)
    except MissingReleaseError:
        warm = release  # it was trained here and is not published
    scope = f"{dataset}-{chosen.name}{'-quick' if args.quick else ''}"
    cache = Cache(args.cache, scope, content_hash(data.info["data_hash"], args.quick))
    one = Study(
        data=data,
        split=chosen,
        release=release,
        warm_release=warm,
        cache=cache,
        threads=args.threads,
        quick=args.quick,
        recipe=recipe,
    )

    numbers = summary.describe(one)
    known = study.demand(one, chosen.purged_train)
    beyond = known if chosen.is_purged else study.demand(one, chosen.train, complete=False)
    summary.add_demand(numbers, known, beyond, args.draws)
    summary.add_early_weeks(numbers, study.early_weeks(one, chosen.purged_train), args.draws)
    if one.measures_warm:
        summary.add_warm(numbers, one, args.draws)
        summary.add_explanations(numbers, one)
    if one.measures_cold:
        summary.add_cold(numbers, one, args.draws)
    policy = policy_report(
        data, release, chosen, cache=cache, draws=args.draws, threads=args.threads, seed=0, quick=args.quick
    )
    summary.add_policy(numbers, policy)
    summary.add_seeds(numbers, _repeats(args, one), one)
    summary.add_studies(numbers, read_studies(args.out / "studies"))
    numbers = summary.finite_numbers(numbers)

    args.out.mkdir(parents=True, exist_ok=True)
    write_predictions(args.out / "predictions", one, known)
    plots = draw(args.out, one, known, numbers)
    numbers["plots"] = [asdict(plot) for plot in plots]
    (args.out / "evaluation.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    (args.out / "evaluation.md").write_text(report.render(numbers), encoding="utf-8")
    write_cards(args.out / "model_cards", release.manifest, numbers)
    if chosen.name == "test":
        record_opening(args.openings, numbers, dt.date.today())
    print(f"evaluated in {time.monotonic() - started:.0f} s")
    return numbers


def chosen_split(args: argparse.Namespace, data: Dataset) -> Split:
    """The split that the arguments name.

    Raises:
        SettingError: the data are too short for it; says what to do.
    """
    if args.weeks is not None:
        if args.split == "test":
            raise SettingError("--weeks", args.weeks, "the test split has weeks of its own; leave one of both out")
        return split_from(args.weeks[0], args.weeks[1], data.info)
    try:
        return split_of(args.split, data.info)
    except SettingError as error:
        if error.name != "--data":
            raise
        raise SettingError(error.name, error.value, f"{error.rule}; {advice(data)}") from error


def recipe_for(args: argparse.Namespace, split: Split) -> Recipe:
    """The recipe, whose replay release is cut right before weeks that were chosen."""
    recipe = load_recipe(args.recipe)
    if split.name != CHOSEN:
        return recipe
    return replace(recipe, release=replace(recipe.release, replay_cut_week=int(split.cut)))


def advice(data: Dataset) -> str:
    """Which weeks can be measured, in words."""
    launches = data.launches
    weeks = np.sort(launches.week)
    sold = launches.week[launches.numbers("units_8w") > 0]
    if len(weeks) >= MIN_TRAINED:
        first = int(weeks[MIN_TRAINED - 1]) + OUTCOME_WEEKS  # five outcomes are over before it
        if (sold >= first).any():
            return f"these data can be measured with --weeks {first} {int(weeks[-1])}"
    span = f"of weeks {weeks[0]}-{weeks[-1]}" if len(weeks) else ""
    return (
        f"needed are {MIN_TRAINED} launches with their {OUTCOME_WEEKS} weeks of outcome, and after them one that "
        f"sold something; the data have {len(weeks)} launches with an outcome {span}".rstrip()
    )


def check_enough(data: Dataset, split: Split) -> None:
    """Refuse data on which the split measures nothing.

    Raises:
        SettingError: too few launches to learn from, or none in the measured weeks that sold anything.
    """
    (first, last), (start, end) = split.evaluate, split.purged_train
    learned, measured = data.launched(split.purged_train), data.launched(split.evaluate)
    if len(learned) < MIN_TRAINED:
        rule = (
            f"{len(learned)} launches of weeks {start}-{end} to learn from; the {split.name} split needs {MIN_TRAINED}"
            f"; {advice(data)}"
        )
        raise SettingError("--data", data.info["dataset"], rule)
    if measured.numbers("units_8w").sum() <= 0:
        rule = (
            f"none of the {len(measured)} launches of weeks {first}-{last} sold anything: there is nothing to measure; "
            f"{advice(data)}"
        )
        raise SettingError("--data", data.info["dataset"], rule)


def _repeats(args: argparse.Namespace, one: Study) -> list[MeasuredRelease]:
    """The other seeds of the measured model release: those of --seeds, 5 for the test split, else 1."""
    seeds = args.seeds or (TEST_SEEDS if one.split.name == "test" and not args.quick else 1)
    recipe, before = recipe_for(args, one.split), one.split.evaluate[0]
    return repeats(one.release, args.data, recipe, args.runs, seeds, before, args.threads)


def release_for(
    args: argparse.Namespace, split: Split, dataset: str, before_week: int, train: bool = True
) -> MeasuredRelease:
    """The published model release that fits a split; where there is none, one is trained and exported.

    Args:
        args: as declared by `add_arguments`.
        split: the test split needs a cut right at its own, others any before the measured weeks.
        dataset: name of the data set.
        before_week: first measured week.
        train: whether one may be trained.

    Raises:
        MissingReleaseError: there is none, and none may be trained.
    """
    only = None if split.name == "validation" else split.cut
    recipe = recipe_for(args, split)
    try:
        return find_release(args.releases, args.repository, before_week, dataset, args.threads, only, recipe.name)
    except MissingReleaseError as missing:
        if args.published_only or not train:
            raise
        print(f"{missing}\nTraining it now (--published-only refuses instead).", file=sys.stderr)
    from onshelf_exporter.release import export
    from onshelf_exporter.training import train as training

    role = "evaluation" if split.name == "test" else "replay"
    trained = training.train(args.data, recipe, args.runs, [role])
    return exported_release(export.export(trained, role), before_week, args.threads)


def record_opening(log: Path, numbers: summary.Summary, day: dt.date) -> None:
    """Append to the record that the test period was opened, by which model release, with which numbers.

    Args:
        log: docs/test_openings.md; made where it is missing.
        numbers: content of evaluation.json.
        day: of the opening.
    """
    release = numbers["model_release"]
    lines = [
        "",
        f"## {day.isoformat()}: test period opened ({numbers['dataset']})",
        "",
        f"{report.named(release).capitalize()} ({release['role']}, recipe {release['recipe']}, cut at week "
        f"{release['cut_week']}, commit {release['git_commit']}, identity {release['identity'][:12]}).",
        "",
    ]
    seeds = numbers["seeds"]
    for part in ("demand", "warm", "cold", "policy"):
        values = {key: value for key, value in numbers["ours"].get(part, {}).items() if not key.endswith("_ci")}
        if not values:
            continue
        lines.append(f"- {part}: {_shown(values)}")
        if part in seeds["mean"] and seeds["count"] > 1:
            lines.append(f"  - mean of {seeds['count']} seeds: {_shown(seeds['mean'][part])}")
        if part not in numbers["versus"]:
            continue
        behind = [row["column"] for row in numbers["versus"][part] if row["verdict"] == "behind"]
        lines.append(f"  - behind the best baseline with certainty in: {', '.join(behind) or 'no column'}")
    for outcome, values in numbers["ours_rolling"].items():
        lines.append(f"- fitted again for each week, {outcome}: {_shown(values)}")
    for seen, early in numbers["early_weeks"].items():
        lines.append(f"- after {seen} weeks on sale, the weeks that remain: {_shown(early['models']['ours'])}")
    for outcome, models in numbers["other"].items():
        lines.append(f"- {outcome}: {_shown(models['ours'])}")
    broken = [row["slice"] for row in numbers["slices"] if row["holds"] is False]
    lines.append(f"- calibration does not hold in: {', '.join(broken) or 'no slice'}")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _shown(values: dict[str, float | None]) -> str:
    return ", ".join(f"{key} {value:.4g}" if value is not None else f"{key} none" for key, value in values.items())
