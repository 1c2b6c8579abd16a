"""The whole system for the tests here: a small model release, a real local Triton, a real gateway process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_release import SmallRelease, small_release
from stack import Gateway, healthy, wait_until

from onshelf import Client
from onshelf_local_triton import LocalTriton, environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def release(complete_journey: Path) -> SmallRelease:
    return small_release(complete_journey, roles=("replay", "production"))


@pytest.fixture(scope="session")
def triton_environment() -> Path:
    venv = ROOT / ".venv-triton"
    environment.install(venv)
    return venv


@pytest.fixture(scope="session")
def triton(release: SmallRelease, triton_environment: Path, tmp_path_factory) -> Iterator[LocalTriton]:
    with LocalTriton(release.repository, tmp_path_factory.mktemp("triton"), venv=triton_environment) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(release: SmallRelease, triton: LocalTriton, tmp_path_factory) -> Iterator[Gateway]:
    server = Gateway(release.releases, triton.grpc_url, tmp_path_factory.mktemp("gateway"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def client(gateway: Gateway) -> Iterator[Client]:
    with Client(gateway.address, timeout=30) as client:
        wait_until(lambda: healthy(client), "the gateway to serve")
        yield client
