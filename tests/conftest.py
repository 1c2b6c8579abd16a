import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))  # `import shops` in every part's tests


def pytest_configure(config: pytest.Config) -> None:
    # Ibis 12 still calls a method that DuckDB 2 renamed.
    config.addinivalue_line("filterwarnings", r"ignore:fetch_\w+\(\) is deprecated:DeprecationWarning")


@pytest.fixture(scope="session")
def complete_journey() -> Path:
    """The prepared default data, shared by all runs of all tests: prepared once, and again when the code changes."""
    from onshelf_exporter.prepare import prepare

    return prepare("complete_journey", ROOT / "var" / "data")


@pytest.fixture(scope="session")
def shop_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented shop's three Parquet files; do not change them."""
    from shops import write_shop

    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def shop_data(shop_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The invented shop, prepared."""
    from onshelf_exporter.prepare import prepare

    return prepare("shop", tmp_path_factory.mktemp("data"), source=shop_source)
