"""The arguments that name a training run: what it is made from, where it lies, which of its roles are meant."""

import argparse
import os
from pathlib import Path

from onshelf_exporter.process import memory
from onshelf_exporter.training.recipe import PRECISION_SETTING, PRECISIONS, Recipe, load_recipe
from onshelf_exporter.training.runs import ROLES


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that name a run, common to train, export and publish; `run_recipe` reads the recipe."""
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=None,
        help=f"of the text encoder; another one is another run (default: {PRECISION_SETTING}, else the recipe's)",
    )
    parser.add_argument("--data", type=Path, default=Path("var/data/complete_journey"), help="folder of prepared data")
    parser.add_argument(
        "--recipe", default="default", help="name of a recipe, or the path of a .toml file (default: default)"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("var/runs"), help="folder of training runs (default: var/runs)"
    )
    parser.add_argument(
        "--roles",
        nargs="+",
        choices=ROLES,
        default=["replay", "production"],
        help="which model releases (default: replay production); a role whose cut lies beyond the data is left out",
    )


def run_recipe(args: argparse.Namespace) -> Recipe:
    """The recipe of a run, with the precision that was asked for; settings that are read later are checked here."""
    memory.stated()
    if args.precision is not None:
        os.environ[PRECISION_SETTING] = args.precision
    return load_recipe(args.recipe)
