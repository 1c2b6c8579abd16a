"""The invented shop, once per test run."""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluating import evaluate_arguments
from invented_shop import write_release, write_shop
from small_release import PREDICTIONS

from onshelf_exporter.process.locks import exclusive
from onshelf_research import evaluate
from onshelf_research.data.dataset import Dataset, load


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop") / "invented")


@pytest.fixture(scope="session")
def data(prepared: Path) -> Dataset:
    return load(prepared)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `releases` and `repository`: model releases cut at weeks 27, 39 and 53."""
    root = tmp_path_factory.mktemp("published")
    for version, cut in enumerate((27, 39, 53), start=1):
        write_release(root / "releases", root / "repository", cut, version)
    return root


@pytest.fixture(scope="session")
def arguments(prepared: Path, published: Path) -> Callable[..., argparse.Namespace]:
    """Arguments of the command for the invented shop, with everything written below a folder."""

    def parsed(out: Path, *more: str) -> argparse.Namespace:
        read = {"data": prepared, "releases": published / "releases", "repository": published / "repository"}
        written = {"out": out / "reports", "cache": out / "cache", "openings": out / "openings.md"}
        return evaluate_arguments("--recipe=test", "--draws=40", "--threads=1", *more, **read, **written)

    return parsed


@pytest.fixture(scope="session")
def out(arguments: Callable[..., argparse.Namespace], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reports of the invented shop, and the cache that they left; kept from run to run."""
    folder = tmp_path_factory.mktemp("evaluated")
    with exclusive(PREDICTIONS / "shop"):
        assert evaluate.run(arguments(folder, "--cache", str(PREDICTIONS / "shop"))) == 0
        shutil.copytree(PREDICTIONS / "shop", folder / "cache")
    return folder
