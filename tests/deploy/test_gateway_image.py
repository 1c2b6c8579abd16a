"""What the gateway's image is made of, without an engine: wheels in a clean environment, started as the image does it.

The commands are those of gateway.Dockerfile: its variables, its entrypoint, its health check. Where
the tests may, the gateway gets a read-only file system and no capabilities, as compose.yaml gives them to it.
"""

import asyncio
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from importlib import metadata
from pathlib import Path

import grpc
import pytest
from dockerfile import ROOT, effective, environment, read, words
from grpc_health.v1 import health_pb2, health_pb2_grpc
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from onshelf_gateway.testing.fake_release import write_fake_release
from onshelf_gateway.testing.running import running_gateway

STAGES = read("gateway")[1]
IMAGE = STAGES[-1]
ADDRESS = "127.0.0.1:50051"  # in the image
SOURCES = {"client": "onshelf", "gateway": "onshelf-gateway"}


def health_check(binaries: Path, address: str) -> list[str]:
    """The image's health check for a gateway at another address."""
    command = words(effective(STAGES, IMAGE, "HEALTHCHECK"))
    assert ADDRESS in command[-1]
    return ["env", f"PATH={binaries}:{os.environ['PATH']}", *command[:-1], command[-1].replace(ADDRESS, address)]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Everything that the image would have."""
    with tempfile.TemporaryDirectory(prefix="onshelf-image-") as name:
        yield Path(name)


def brought_along(folder: Path) -> set[str]:
    """The packages of others that the wheels below `folder` ask for, directly and through others."""
    todo = [text for wheel in folder.glob("*.whl") for text in wheel_metadata(wheel).get_all("Requires-Dist") or []]
    found: set[str] = set()
    while todo:
        requirement = Requirement(todo.pop())
        extras = requirement.extras or {""}
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        if name in found or name in SOURCES.values():
            continue
        found.add(name)
        todo += metadata.requires(name) or []
    return found


def wheel_metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def copy_installed(name: str, target: Path) -> None:
    """Copy an installed package's files, those beside its modules, into another site-packages."""
    package = metadata.distribution(name)
    for file in package.files or []:
        source = Path(str(package.locate_file(file)))
        if ".." not in file.parts and "__pycache__" not in file.parts and source.is_file():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target / file)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EPERM):  # another disk, or one without links
                    raise
                shutil.copy2(source, target / file)


@pytest.fixture(scope="module")
def image(folder: Path) -> Path:
    """A clean environment with our two wheels and what they ask for, nothing else.

    The packages of others are those that are installed here, so that no network is needed; that each has a wheel at the
    pinned version is checked in tests/door.
    """
    for part in SOURCES:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__", "build"))
    wheels, target = folder / "wheels", folder / "onshelf"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels)]
    subprocess.run([*build, *(str(folder / part) for part in SOURCES)], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(target)], check=True)
    install = [*pip, "--python", str(target / "bin/python"), "install", "--no-compile", "--no-deps", "--no-index"]
    subprocess.run([*install, *map(str, sorted(wheels.glob("*.whl")))], check=True)
    (site_packages,) = target.glob("lib/python*/site-packages")
    for name in sorted(brought_along(wheels)):
        copy_installed(name, site_packages)
    return target


@pytest.fixture(scope="module")
def releases(folder: Path) -> Path:
    """One model release of the invented shop."""
    write_fake_release(folder / "releases")
    return folder / "releases"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The volume that the gateway may write to."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def confined(folder: Path, store: Path) -> list[str]:
    """What stands before a command so that it may write to the store alone and has no capabilities; empty where not
    allowed."""
    drop = "setpriv --no-new-privs --bounding-set=-all --inh-caps=-all"
    mounts = f"mount --bind {store} {store} && mount -o remount,bind,ro /"
    prefix = ["unshare", "--mount", "sh", "-c", f'{mounts} && exec {drop} "$@"', "sh"]
    try:
        if subprocess.run([*prefix, "true"], capture_output=True).returncode:
            return []
    except FileNotFoundError:
        return []
    assert subprocess.run([*prefix, "touch", str(folder / "written")], capture_output=True).returncode != 0
    return prefix


def test_the_build_stage_does_the_same() -> None:
    (run,) = STAGES[0].values("RUN")
    for part in ("pip wheel", "--no-deps", "./client ./release ./gateway", "venv --without-pip", "--only-binary :all:"):
        assert part in run
    assert environment(STAGES, STAGES[0])["PIP_CONSTRAINT"] == "/src/constraints.txt"


def test_the_environment_is_light_and_of_the_tested_versions(image: Path) -> None:
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    listed = json.loads(subprocess.check_output([image / "bin/python", "-I", "-c", code], text=True))
    found = {name.lower().replace("_", "-"): version for name, version in listed.items()}
    assert {"onshelf", "onshelf-gateway", "grpcio", "tritonclient"} <= set(found)
    assert not {"torch", "transformers", "onnxruntime", "pip", "setuptools", "onshelf-exporter"} & set(found)
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [match for line in lines if (match := re.match(r"([\w.-]+)==([\w.+-]+)", line))]
    tested = {pin[1].lower().replace("_", "-"): pin[2] for pin in pins}
    assert {
        name: version for name, version in found.items() if not name.startswith("onshelf")
    }.items() <= tested.items()


async def test_the_gateway_starts_confined_and_without_triton(
    image: Path, releases: Path, folder: Path, store: Path, confined: list[str]
) -> None:
    variables = environment(STAGES, IMAGE)
    variables |= {"PATH": f"{image / 'bin'}:/usr/bin:/bin", "ONSHELF_RELEASES": str(releases)}
    variables |= {"ONSHELF_LISTEN": "127.0.0.1:0", "ONSHELF_METRICS_HOST": "127.0.0.1", "ONSHELF_METRICS_PORT": "0"}
    variables |= {"ONSHELF_STORE": f"sqlite:///{store}/onshelf.db"}
    variables |= {"ONSHELF_TRITON": "127.0.0.1:9"}  # the discard service: nothing listens there
    (entrypoint,) = words(effective(STAGES, IMAGE, "ENTRYPOINT"))
    before = sorted(folder.rglob("*"))
    process = await asyncio.create_subprocess_exec(
        *confined, str(image / "bin" / entrypoint), env=variables, cwd="/", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            events: list[dict[str, object]] = []
            while not any(event["event"] == "listening" for event in events):
                line = await process.stderr.readline()
                assert line, f"the gateway ended: {events}"
                events.append(json.loads(line))
        address = str(next(event["address"] for event in events if event["event"] == "listening"))
        async with grpc.aio.insecure_channel(address) as channel:
            health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
        check = await asyncio.create_subprocess_exec(
            *confined, *health_check(image / "bin", address), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(check.communicate(), 30)
        assert (check.returncode, said.decode().strip()) == (1, "not_serving")
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert sorted(folder.rglob("*")) == before, "it wrote into its own folders"
    assert (store / "onshelf.db").exists()


async def test_the_health_check_passes_where_the_gateway_serves(image: Path, releases: Path) -> None:
    async with running_gateway(releases) as (server, _):
        async with asyncio.timeout(30):
            while not server.health.serving(""):
                await asyncio.sleep(0.02)
        check = await asyncio.create_subprocess_exec(*health_check(image / "bin", server.address))
        assert await asyncio.wait_for(check.wait(), 30) == 0


async def test_the_health_check_fails_where_nothing_listens(image: Path) -> None:
    command = health_check(image / "bin", "127.0.0.1:9")
    check = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    assert await asyncio.wait_for(check.wait(), 30) == 1
