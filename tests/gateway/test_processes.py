"""The command, as one process and as several on one port: connections and metrics shared, the dead replaced, none
without their starter; it tells where it listens, answers without Triton and drains on SIGTERM."""

import asyncio
import itertools
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from gateways import until
from grpc_health.v1 import health_pb2, health_pb2_grpc

from onshelf.v1 import launch_pb2_grpc, recommendation_pb2, recommendation_pb2_grpc
from onshelf_gateway.server.processes import own_folder, remove_left_folders

COUNT = 2
USER = recommendation_pb2.GetUserProfileRequest(user_id="H00003")


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@asynccontextmanager
async def started(
    releases: Path, folder: Path, *more: str, count: int = COUNT, python: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
    """The command, its temporary files in `folder` / tmp, and its addresses."""
    state = folder / "gateway.json"
    (folder / "tmp").mkdir(exist_ok=True)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # held, never listening: a Triton that is not there
        arguments = ["--releases", str(releases), "--triton", f"127.0.0.1:{nobody.getsockname()[1]}"]
        arguments += ["--listen", "127.0.0.1:0", "--metrics-port", "0", "--address-file", str(state)]
        arguments += ["--processes", str(count), "--drain-seconds", "5", *more]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *python, "-m", "onshelf_gateway", *arguments),
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"TMPDIR": str(folder / "tmp")},
        )
        try:
            async with asyncio.timeout(90):
                while not state.exists():
                    assert process.returncode is None, (await process.stderr.read()).decode()
                    await asyncio.sleep(0.05)
            yield process, json.loads(state.read_text())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def left(folder: Path, name: str) -> Path:
    """A folder as a gateway leaves it that was killed."""
    made = folder / f"onshelf-gateway-{name}"
    (made / "metrics").mkdir(parents=True)
    (made / "metrics" / "counter_7.db").write_bytes(b"\0")
    (made / "owner").write_text("7\n")
    return made


async def line_of(process, event: str) -> dict[str, Any]:
    """The next log line of an event; those before it are passed over."""
    async with asyncio.timeout(30):
        while True:
            line = json.loads(await process.stderr.readline())
            if line["event"] == event:
                return dict(line)


def ended(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has asked for its status yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
async def command(releases: Path, tmp_path: Path) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
    """The running command and its addresses."""
    async with started(releases, tmp_path, "--log-key", "a secret") as running:
        yield running


async def ask(address: str, words, connections: int) -> None:
    """One refused call on each of so many connections."""
    for number in range(connections):
        options = [("grpc.use_local_subchannel_pool", 1), ("onshelf.test", number)]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            stub = launch_pb2_grpc.LaunchServiceStub(channel)
            refusal = await words.refusal(stub.PlanLaunch(words.plan(), timeout=30, wait_for_ready=True))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")


def metrics(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        return str(answer.read().decode())


async def test_one_process_from_start_to_sigterm(releases, tmp_path, words):
    async with started(releases, tmp_path, count=1, python=("-W", "error")) as (process, addresses):
        async with grpc.aio.insecure_channel(addresses["address"]) as channel:
            health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
        await ask(addresses["address"], words, 1)
        process.send_signal(signal.SIGTERM)
        _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, stderr.decode()
    events = [json.loads(line)["event"] for line in stderr.decode().splitlines()]
    assert events[-2:] == ["draining", "stopped"]
    assert "listening" in events


async def test_processes_share_a_port_and_their_metrics_are_added_up(command, words):
    process, addresses = command
    assert len(children(process.pid)) == COUNT
    await ask(addresses["address"], words, 16)
    text = await asyncio.to_thread(metrics, addresses["metrics"])
    counted = re.search(r'onshelf_requests_total\{code="UNAVAILABLE",method="LaunchService/PlanLaunch"\} (\S+)', text)
    assert counted is not None
    assert float(counted[1]) == 16
    assert f"onshelf_permits_free {64.0 * COUNT}" in text
    assert 'onshelf_serving{service="all"} 0.0' in text
    for child in children(process.pid):  # the key of the logs is nobody's to read
        assert b"a secret" not in Path(f"/proc/{child}/cmdline").read_bytes()
    process.send_signal(signal.SIGTERM)
    _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in stderr.decode().splitlines()]
    assert events.count("draining") == COUNT
    assert events[-1] == "stopped"


async def test_one_that_dies_is_replaced_and_the_port_stays_served(command, words):
    process, addresses = command
    before = children(process.pid)
    os.kill(before[0], signal.SIGKILL)
    await until(lambda: len(set(children(process.pid)) - set(before)) == 1 and len(children(process.pid)) == COUNT)
    await ask(addresses["address"], words, 8)


async def test_one_that_cannot_be_replaced_now_is_replaced_later(command, words):
    process, addresses = command
    before = children(process.pid)
    held = {int(fd.name) for fd in Path(f"/proc/{process.pid}/fd").iterdir()}
    free = next(number for number in itertools.count() if number not in held)
    enough = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (free, enough[1]))  # no file more, so no pipe to a new one
    os.kill(before[0], signal.SIGKILL)
    assert (await line_of(process, "process_died"))["pid"] == before[0]
    assert "Too many open files" in (await line_of(process, "process_not_started"))["reason"]
    await ask(addresses["address"], words, 4)  # the other one serves
    assert process.returncode is None
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, enough)
    await until(lambda: len(set(children(process.pid)) - set(before)) == 1 and len(children(process.pid)) == COUNT)
    await ask(addresses["address"], words, 8)


async def test_a_user_has_one_hash_in_the_logs_of_all_processes(releases, tmp_path):
    """Without --log-key, too, and in a process that came later."""
    killed_before = left(tmp_path / "tmp", "killed")
    async with started(releases, tmp_path) as (process, addresses):
        assert (await line_of(process, "folder_removed"))["folder"] == str(killed_before)
        (folder,) = (tmp_path / "tmp").iterdir()

        def listening() -> set[int]:
            pids = set()
            for mark in folder.glob("process-*.json"):
                with suppress(FileNotFoundError):  # a replacement is being started
                    pids.add(json.loads(mark.read_text())["pid"])
            return pids

        async def hash_of_the_only_one() -> str:
            async with grpc.aio.insecure_channel(addresses["address"]) as channel:
                stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
                await stub.GetUserProfile(USER, timeout=30, wait_for_ready=True)
            return str((await line_of(process, "call"))["user"])

        first, second = children(process.pid)
        process.send_signal(signal.SIGSTOP)  # or it would replace them
        os.kill(first, signal.SIGKILL)
        await until(lambda: ended(first))
        of_second = await hash_of_the_only_one()
        process.send_signal(signal.SIGCONT)
        await until(lambda: len(listening() - {first}) == COUNT)
        process.send_signal(signal.SIGSTOP)
        os.kill(second, signal.SIGKILL)
        await until(lambda: ended(second))
        assert await hash_of_the_only_one() == of_second
        process.send_signal(signal.SIGCONT)


async def test_they_end_with_their_starter_and_the_next_one_tidies_up(command, tmp_path):
    process, addresses = command
    orphans = children(process.pid)
    (folder,) = (tmp_path / "tmp").iterdir()
    remove_left_folders(tmp_path / "tmp")
    assert folder.exists(), "in use"
    process.kill()
    await process.wait()
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))
    assert (folder / "owner").read_text() == f"{process.pid}\n"
    remove_left_folders(tmp_path / "tmp")
    assert not folder.exists()
    async with grpc.aio.insecure_channel(addresses["address"]) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_folders_of_killed_gateways_are_removed_and_nothing_else(tmp_path, logged):
    dead = left(tmp_path, "dead")
    unfinished = left(tmp_path, "unfinished")
    (unfinished / "owner").unlink()  # another one that starts at this moment
    elsewhere = left(tmp_path / "elsewhere", "linked")
    (tmp_path / "onshelf-gateway-link").symlink_to(elsewhere)
    (tmp_path / "onshelf-gateway-file").write_text("a file")
    other = left(tmp_path, "x").rename(tmp_path / "other")
    with own_folder(tmp_path) as (mine, lock):
        remove_left_folders(tmp_path)
        assert mine.exists()
        child = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
        kept = mine.rename(tmp_path / "onshelf-gateway-moved")  # as if this process were killed here
    try:
        remove_left_folders(tmp_path)
        assert kept.exists(), "a process of it is left"
    finally:
        child.kill()
        child.wait()
    remove_left_folders(tmp_path)
    assert not kept.exists()
    assert not dead.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("elsewhere", "onshelf-gateway-file", "onshelf-gateway-link", "onshelf-gateway-unfinished", "other")
    ]
    assert (elsewhere / "metrics" / "counter_7.db").exists()
    assert (other / "owner").exists()
    told = [(line["event"], line["left_by"]) for line in logged()]
    assert told == [("folder_removed", "7"), ("folder_removed", str(os.getpid()))]


async def refused(releases: Path, listen: str, count: int) -> str:
    """What a command says that cannot listen there."""
    arguments = ["--releases", str(releases), "--listen", listen, "--metrics-port", "-1", "--processes", str(count)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "onshelf_gateway", *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    return stderr.decode()


@pytest.mark.parametrize("count", [1, 2])
async def test_a_taken_port_is_one_clear_message(count: int, releases: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        said = await refused(releases, listen, count)
    assert f"--listen {listen}: cannot listen there" in said
    assert "Traceback" not in said


async def test_a_port_that_other_processes_share_is_taken(command, releases: Path):
    _, addresses = command
    assert "another server listens there" in await refused(releases, addresses["address"], 2)
