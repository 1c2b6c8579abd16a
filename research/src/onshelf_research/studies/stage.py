"""Run a study of the models and write its table for the report.

    onshelf-exporter study title_drift --data var/data/complete_journey --recipe default

Leaves <out>/<name>.json. What a study trains for itself is kept below <runs>/studies, named by what it depends on.
"""

import argparse
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import torch

from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.process.threads import usable
from onshelf_exporter.release.export import git_commit
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.recipe import load_recipe
from onshelf_research.studies.inputs import Setting
from onshelf_research.studies.table import Table, write


class StudyRow(NamedTuple):
    """One row of the table of studies: its name, which is that of its module here, and one line of help."""

    name: str
    help: str


STUDIES = (
    StudyRow("bert_vs_tfidf", "what text, plan, history and BERT add; where text helps"),
    StudyRow("title_drift", "how far other wordings of a title move embedding, category and forecast"),
    StudyRow("encoder_precision", "what the served models lose behind the encoder in int8, several seeds"),
    StudyRow("multilingual", "Chinese titles through a multilingual encoder"),
    StudyRow("languages", "which titles in other languages, misread or mashed, are flagged or refused"),
    StudyRow("launch_forecast", "what the parts of launch_outcome add, beside boosted trees on identical inputs"),
    StudyRow("recommendation", "what the rankers' features add, and what room for new products costs"),
    StudyRow("review_sentiment", "the sentiment of reviews beside TF-IDF, VADER and SnowNLP"),
    StudyRow("decided_launches", "how the forecast of a decided action speaks in recommendations of new products"),
    StudyRow("related_products", "whether complements and substitutes hold in weeks that they were not found in"),
    StudyRow("recipe_cost", "what the recipe of `make run` loses beside a longer one"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's arguments."""
    parser.add_argument("study", choices=[row.name for row in STUDIES], metavar="name", help=_help())
    parser.add_argument("--data", type=Path, default=Path("var/data/complete_journey"), help="folder of prepared data")
    parser.add_argument("--recipe", default="default", help="name of a recipe, or the path of a .toml file")
    parser.add_argument("--runs", type=Path, default=Path("var/runs"), help="folder of training runs")
    parser.add_argument("--out", type=Path, default=Path("reports/studies"), help="folder of the tables")


def run(args: argparse.Namespace) -> int:
    """Run one study; prints the path of its table."""
    recipe = load_recipe(args.recipe)
    load_dataset(args.data)
    torch.set_num_threads(usable(recipe.threads))
    started = time.monotonic()
    table = _study(args.study)(Setting(args.data, recipe, args.runs))
    path = args.out / f"{args.study}.json"
    write(table, path, recipe.name, git_commit(), time.monotonic() - started)
    print(path)
    return 0


def _study(name: str) -> Callable[[Setting], Table]:
    try:
        module = importlib.import_module(f"onshelf_research.studies.{name}")
    except ModuleNotFoundError as error:
        raise ExporterError(f"study {name!r}: {error}") from error
    return cast(Callable[[Setting], Table], module.study)


def _help() -> str:
    return "; ".join(f"{row.name}: {row.help}" for row in STUDIES)
