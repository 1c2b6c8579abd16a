"""What tests of several parts share: the prepared data, and the whole system on a small model release."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))  # `import shops`, `small_release`, `stack` in every part's tests

import slow_once  # noqa: E402

ENVIRONMENT = dict(os.environ)  # as the caller set it
# gateways that a test starts without naming a store: none of them finds what another run left
if "ONSHELF_STORE" not in os.environ:
    store = tempfile.mkdtemp(prefix="onshelf-store-")
    atexit.register(shutil.rmtree, store, ignore_errors=True)
    os.environ["ONSHELF_STORE"] = f"sqlite:///{store}/onshelf.db"
# no proxy on the way to servers of this machine, for clients of other makers, too
os.environ["no_proxy"] = ",".join(filter(None, [os.environ.get("no_proxy"), "127.0.0.1,localhost"]))
# before torch and numpy are loaded: threads that wait do not spin
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

# Looking for garbage among all that is imported, after every 700 new objects, takes a tenth of the time of tests that
# prepare data.
gc.set_threshold(50_000, 20, 20)

RELEASES = ("small_release", "boutique", "marketplace")  # as in small_release.py
ahead: subprocess.Popen[bytes] | None = None  # makes them while tests that need none run

if TYPE_CHECKING:
    from small_release import SmallRelease
    from stack import Gateway

    from onshelf import Client
    from onshelf_local_triton import LocalTriton


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow-once", action="store_true", help="leave out slow tests that passed as all is now")


def pytest_configure(config: pytest.Config) -> None:
    slow_once.register(config, ROOT, ROOT / "var" / "test" / "passed.json", ENVIRONMENT)
    # Ibis 12 still calls a method that DuckDB 2 renamed.
    config.addinivalue_line("filterwarnings", r"ignore:fetch_\w+\(\) is deprecated:DeprecationWarning")
    # It sets an option, too, that pandas 3 deprecates, where it reads SQLite.
    config.addinivalue_line("filterwarnings", r"ignore:The 'future.infer_string' option:DeprecationWarning")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests that need a model release come last."""
    late = {item.path for item in items if needed([item])}
    items.sort(key=lambda item: item.path in late)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to make the model releases that tests need, where other tests come before them."""
    global ahead
    wanted = needed(session.items)
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    if not wanted or session.config.option.collectonly or os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0":
        return
    if not alone or not needed(session.items[:1]):
        log = ROOT / "var" / "test" / "ahead.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(ROOT / "tests" / "small_release.py"), *wanted]
        with log.open("w") as said:
            ahead = subprocess.Popen(command, stdout=said, stderr=said, process_group=0)


def pytest_unconfigure() -> None:
    if ahead is not None and ahead.poll() is None:
        os.killpg(ahead.pid, signal.SIGTERM)
        ahead.wait()


def needed(items: list[pytest.Item]) -> list[str]:
    """Model releases that some tests need; a test that fails to get one says why, whatever happened ahead."""
    found = {name for item in items for name in getattr(item, "fixturenames", ())}
    return [name for name in RELEASES if name in found]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL of its own, which comes with the package pgserver.

    Where the tests run as root it runs as another user, who may not enter pytest's folders.
    """
    with tempfile.TemporaryDirectory(prefix="onshelf-store-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        import pgserver

        server = pgserver.get_server(Path(folder) / "postgresql")
        yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.fixture(scope="session")
def complete_journey() -> Path:
    """The prepared default data, shared by all runs of all tests: prepared once, and again when the code changes."""
    from small_release import default_data

    return default_data()


@pytest.fixture(scope="session")
def shop_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented shop's three Parquet files; do not change them."""
    from shops import write_shop

    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def shop_data(shop_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The invented shop, prepared."""
    from onshelf_exporter.data.prepare import prepare

    return prepare("shop", tmp_path_factory.mktemp("data"), source=shop_source)


@pytest.fixture(scope="session")
def small_release(complete_journey: Path) -> SmallRelease:
    """A small model release from the real data, with a replay release beside it; trained once, kept below var/test."""
    from small_release import small_release as build

    return build(complete_journey, roles=("replay", "production"))


@pytest.fixture(scope="session")
def replay_release(complete_journey: Path, small_release: SmallRelease) -> SmallRelease:
    """The replay release of the same training, published alone."""
    from small_release import small_release as build

    return build(complete_journey, roles=("replay",))


@pytest.fixture(scope="session")
def triton_environment() -> Path:
    """The local Triton's own environment."""
    from onshelf_local_triton import environment

    venv = ROOT / ".venv-triton"
    environment.install(venv)
    return venv


@pytest.fixture(scope="session")
def triton(
    small_release: SmallRelease, triton_environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalTriton]:
    """A real Triton that serves the small release."""
    from onshelf_local_triton import LocalTriton

    with LocalTriton(small_release.repository, tmp_path_factory.mktemp("triton"), venv=triton_environment) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(
    small_release: SmallRelease, triton: LocalTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway process in front of it."""
    from stack import Gateway

    server = Gateway(small_release.releases, triton.grpc_url, tmp_path_factory.mktemp("gateway"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def system(gateway: Gateway) -> Iterator[Client]:
    """A client of the whole system."""
    from stack import healthy, wait_until

    from onshelf import Client

    with Client(gateway.address, timeout=30) as client:
        wait_until(lambda: healthy(client), "the gateway to serve")
        yield client
