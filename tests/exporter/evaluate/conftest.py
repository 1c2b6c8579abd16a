"""The invented shop, once per test run."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from onshelf_exporter.evaluation.dataset import Dataset, load


@pytest.fixture(scope="session")
def shop() -> ModuleType:
    spec = importlib.util.spec_from_file_location("onshelf_test_shop", Path(__file__).parent / "shop.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def prepared(shop: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.write_shop(tmp_path_factory.mktemp("shop") / "invented")


@pytest.fixture(scope="session")
def data(prepared: Path) -> Dataset:
    return load(prepared)


@pytest.fixture(scope="session")
def published(shop: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `releases` and `repository`: model releases cut at weeks 27, 39 and 53."""
    root = tmp_path_factory.mktemp("published")
    for version, cut in enumerate((27, 39, 53), start=1):
        shop.write_release(root / "releases", root / "repository", cut, version)
    return root
