"""Starting, stopping, failing and reloading: through the class and through the command line."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from stack import wait_until
from tritonclient.utils import InferenceServerException

from onshelf_local_triton import LocalTriton, LocalTritonError, ServerError, StartError, api, processes, state
from onshelf_local_triton import server as server_module
from onshelf_local_triton.__main__ import main

Record = Callable[..., state.State]
X = {"x": np.ones((1, 4), dtype=np.float32)}


def own_shared_memory(server_id: str) -> list[Path]:
    return list(processes.SHARED_MEMORY.glob(f"{server_id}*"))


@pytest.fixture(scope="module")
def server(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTriton]:
    """A server of this module's own; each test leaves it killed or running, `start` brings it back."""
    root = tmp_path_factory.mktemp("lifecycle")
    triton = LocalTriton(root / "repository", root / "run", venv=venv)
    yield triton
    triton.kill()
    triton.stop()


@pytest.fixture
def running(server: LocalTriton, write_linear: Callable[..., Path]) -> LocalTriton:
    """That server, running, with one model."""
    write_linear(server.repository)
    server.start()
    return server


def test_killed_it_comes_back_on_the_same_ports(running: LocalTriton, infer_at: Callable[..., dict]) -> None:
    before = running.state
    assert before is not None
    answer = infer_at(running.grpc_url, "linear", X)["y"]
    url = running.grpc_url
    running.kill()
    assert not running.running
    assert not running.ready
    assert processes.having(before.server_id) == []
    assert own_shared_memory(before.server_id) == []
    with pytest.raises(InferenceServerException, match=r"failed to connect|UNAVAILABLE"):
        infer_at(url, "linear", X)

    assert running.start()
    assert running.grpc_url == url
    np.testing.assert_array_equal(infer_at(url, "linear", X)["y"], answer)


HANGS = """
import pathlib, time
class TritonPythonModel:
    def initialize(self, args):
        times = pathlib.Path(args["model_repository"], "times")
        count = len(times.read_text()) if times.exists() else 0
        times.write_text("x" * (count + 1))
        while count < HANGS:
            time.sleep(1)
    def execute(self, requests):
        return []
"""


def write_hanging(root: Path, times: int) -> Path:
    """A repository with a model that hangs the first `times` that it is loaded."""
    (root / "waits" / "1").mkdir(parents=True)
    (root / "waits" / "config.pbtxt").write_text(
        'backend: "python"\ninput { name: "x" data_type: TYPE_FP32 dims: 1 }\n'
        'output { name: "y" data_type: TYPE_FP32 dims: 1 }\n'
    )
    (root / "waits" / "1" / "model.py").write_text(HANGS.replace("HANGS", str(times)))
    return root


def test_a_server_that_hangs_while_it_starts_is_started_again(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server_module, "HANG_SECONDS", 2.0)
    monkeypatch.setattr(server_module, "TRIES", 2)
    triton = LocalTriton(write_hanging(tmp_path / "repository", 1), tmp_path / "run", venv=venv)
    try:
        assert triton.start()
        assert triton.ready
        assert capsys.readouterr().err.count("tritonserver did nothing for 2 s while it started: it is killed") == 1
        ports = triton.ports
        triton.stop()
        write_hanging(tmp_path / "for ever", 9)
        hangs = LocalTriton(tmp_path / "for ever", tmp_path / "run", venv=venv, timeout=12)
        with pytest.raises(StartError, match=r"was not ready within 12 s\. From .*triton\.log:\n"):
            hangs.start()
        assert capsys.readouterr().err.count("did nothing for 2 s") == 1, "the last try may only seem to hang"
        assert (tmp_path / "for ever" / "waits" / "times").read_text() == "xx"
        assert hangs.state is None
        assert state.kept_ports(tmp_path / "run") == dict(zip(state.PORT_NAMES, ports, strict=True))
    finally:
        triton.stop()


@pytest.mark.parametrize(
    ("happens", "hangs"),
    [
        ({}, True),
        ({"size": 1}, False),
        ({"used": 0.06}, False),
        ({"used": 0.002}, True),
        ({"disk": True}, False),
    ],
    ids=["nothing", "its log grows", "it works", "it waits for requests", "it waits for a disk"],
)
def test_a_server_hangs_where_it_does_nothing(
    happens: dict[str, float], hangs: bool, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text("It starts.\n")
    now = used = 0.0
    monkeypatch.setattr(processes, "work", lambda _: ({"1": used, "2": 0.001}, bool(happens.get("disk"))))
    hang = server_module._Hang(record(), lambda: now)
    seen = []
    for _ in range(40):
        now += 1.5
        used += 1.5 * happens.get("used", 0)
        log.write_text(log.read_text() + "x" * int(happens.get("size", 0)))
        seen.append(hang.look())
    assert any(seen) == hangs
    assert not any(seen[: int(server_module.HANG_SECONDS / 1.5) - 1])


def test_time_in_which_the_machine_stood_still_does_not_count(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    now, used = 0.0, {"1": 7.0, "2": 0.5}
    monkeypatch.setattr(processes, "work", lambda _: (dict(used), False))
    hang = server_module._Hang(record(), lambda: now)
    now = 3600.0
    assert not hang.look()
    now = 7200.0
    del used["1"]  # one of its processes has ended
    assert not hang.look()
    for _ in range(int(server_module.HANG_SECONDS)):
        now, used["2"] = now + 1.5, used["2"] + 0.3
        assert not hang.look(), "the others work"


def test_many_threads_that_wait_are_no_work(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(processes, "work", lambda _: ({str(n): now * 0.002 for n in range(1000)}, False))
    hang = server_module._Hang(record(), lambda: now)
    for _ in range(30):
        now += 1.5
        hang.look()
    assert hang.found, "two processors, shared by all of them: each wakes now and then, on a busy machine, and waits"


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel does not count waiting")
def test_the_work_of_processes_is_seen_however_busy_the_processor_is() -> None:
    token, core = f"onshelf-works-{os.getpid()}", max(os.sched_getaffinity(0))
    loop = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(4)]
    busy = subprocess.Popen([sys.executable, "-c", loop, token])
    try:
        deadline = time.monotonic() + 30
        while not (before := processes.work(token)[0]).get(str(busy.pid), 0.0) > 0.5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        began = time.monotonic()
        time.sleep(1)
        after, _ = processes.work(token)
        share = (after[str(busy.pid)] - before[str(busy.pid)]) / (time.monotonic() - began)
        assert share > 0.7, "it has a fifth of the processor, and waits for it the rest of the time"
    finally:
        for one in (busy, *others):
            one.kill()
            one.wait()
    assert processes.work(token) == ({}, False)


def test_after_a_crash_it_comes_back_by_itself_and_its_remains_are_cleared(running: LocalTriton) -> None:
    before = running.state
    assert before is not None
    models = {one.pid for one in processes.model_processes(before.pid)}
    shared = set(own_shared_memory(before.server_id))
    assert models
    assert shared
    os.kill(before.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (after := running.state) is None or after.pid == before.pid or not running.ready:
        assert time.monotonic() < deadline, running.log.read_text()[-2000:]
        time.sleep(0.05)
    assert not running.start(), "its watch has started it"
    assert after.grpc_port == before.grpc_port
    assert not models & set(processes.having(before.server_id))
    left = shared & set(own_shared_memory(before.server_id))
    assert all(path.is_symlink() for path in left), "a link stands for a path with a space, by the same name again"


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_started_anew_it_is_where_it_was(running: LocalTriton, venv: Path, end: str) -> None:
    before, ports = running.state, running.ports
    assert before is not None
    if end == "killed":
        running.kill()
    else:
        running.stop()
    again = LocalTriton(running.repository, running.run_dir, venv=venv)  # as a command of its own would
    assert again.start()
    assert again.ports == ports
    assert again.state != before


def test_a_server_that_dies_while_it_is_adopted_is_started_anew(
    running: LocalTriton, venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = running.state
    assert before is not None
    asked: list[int] = []
    is_live = api.is_live

    def dies(http_port: int, server_id: str) -> bool:
        if not asked:
            os.kill(before.pid, signal.SIGKILL)
        asked.append(http_port)
        return False if server_id == before.server_id else is_live(http_port, server_id)

    monkeypatch.setattr(api, "is_live", dies)
    again = LocalTriton(running.repository, running.run_dir, venv=venv)
    assert again.start(), "anew, and at once"
    assert asked
    assert again.ports == running.ports


def test_a_port_that_another_has_taken_meanwhile_is_told(
    running: LocalTriton, venv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running.stop()
    grpc_port, http_port, metrics_port = running.ports
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", grpc_port))
        other.listen()
        capsys.readouterr()
        again = LocalTriton(running.repository, running.run_dir, venv=venv)
        assert again.start()
    assert again.ports[1:] == (http_port, metrics_port)
    assert again.ports[0] not in (0, grpc_port)
    assert again.ready
    told = capsys.readouterr().err
    assert told.startswith(f"port {grpc_port} (grpc) of the last start is taken by another process")
    again.stop()
    once_more = LocalTriton(running.repository, running.run_dir, venv=venv)
    assert once_more.start()
    assert once_more.ports == again.ports, "the new one is kept"
    once_more.stop()


def test_a_foreign_ports_file_is_not_guessed_at(venv: Path, tmp_path: Path, write_linear: Callable[..., Path]) -> None:
    (tmp_path / "ports.json").write_text('{"grpc_port": "here"}')
    with pytest.raises(LocalTritonError, match=r"ports\.json holds no ports of the local Triton .*: remove it"):
        LocalTriton(write_linear(tmp_path / "repository"), tmp_path, venv=venv).start()


def test_a_server_that_hangs_is_killed_and_that_is_said(
    running: LocalTriton, capsys: pytest.CaptureFixture[str]
) -> None:
    before = running.state
    assert before is not None
    os.kill(before.pid, signal.SIGSTOP)
    running.stop(timeout=0.1)
    assert capsys.readouterr().err == f"killing tritonserver {before.pid}: it did not stop within 0.1 s\n"
    assert processes.having(before.server_id) == []
    assert running.state is None


def test_starting_again_changes_nothing(running: LocalTriton, venv: Path) -> None:
    before = running.state
    again = LocalTriton(running.repository, running.run_dir, venv=venv)
    assert not again.start()
    assert again.state == before
    assert again.grpc_url == running.grpc_url
    assert again.ready


def test_other_settings_are_not_taken_for_the_running_ones(running: LocalTriton, venv: Path, tmp_path: Path) -> None:
    with pytest.raises(LocalTritonError, match=r"has repository '.*', asked for was '.*': stop it first"):
        LocalTriton(tmp_path, running.run_dir, venv=venv).start()
    with pytest.raises(LocalTritonError, match=r"has models \(\), asked for was \('linear',\)"):
        LocalTriton(running.repository, running.run_dir, venv=venv, models=["linear"]).start()


def test_a_new_version_is_served_after_a_reload(
    running: LocalTriton, infer_at: Callable[..., dict], write_linear: Callable[..., Path]
) -> None:
    with pytest.raises(InferenceServerException, match="version 7 is not found"):
        infer_at(running.grpc_url, "linear", X, "7")
    write_linear(running.repository, version=7)
    running.reload("linear")
    first = infer_at(running.grpc_url, "linear", X, "1")["y"]
    np.testing.assert_allclose(infer_at(running.grpc_url, "linear", X, "7")["y"], 7 * first, rtol=1e-6)
    assert {row["version"] for row in running.index() if row["name"] == "linear"} == {"1", "7"}

    running.unload("linear")
    with pytest.raises(InferenceServerException, match=r"is not found|no available versions"):
        infer_at(running.grpc_url, "linear", X)
    running.load("linear")
    np.testing.assert_allclose(infer_at(running.grpc_url, "linear", X)["y"], 7 * first, rtol=1e-6)
    with pytest.raises(ServerError, match="nothing"):
        running.load("nothing")


def test_a_broken_new_version_leaves_the_old_ones_serving(
    running: LocalTriton,
    infer_at: Callable[..., dict],
    write_linear: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = infer_at(running.grpc_url, "linear", X, "1")["y"]
    write_linear(running.repository, version=9)
    (running.repository / "linear" / "9" / "model.onnx").write_text("not a graph")
    with pytest.raises(ServerError, match=r"Triton refused /v2/repository/models/linear/load \(400\): .*linear"):
        running.reload("linear")
    np.testing.assert_array_equal(infer_at(running.grpc_url, "linear", X, "1")["y"], answer)

    # Triton holds the failure against the whole server until that version loads: the class must not wait for it.
    assert not running.ready
    assert not running.start()
    assert main(["status", "--run-dir", str(running.run_dir)]) == 1
    output = capsys.readouterr().out
    assert "runs and is not ready" in output
    assert "linear 1 READY\n" in output
    assert "linear 9 UNAVAILABLE Internal: TritonModelException: " in output
    write_linear(running.repository, version=9)
    running.reload("linear")
    wait_until(lambda: running.ready, "the version that dropped out to be unloaded, too", 20)


BROKEN = {
    "wide": (("dims: 3", "dims: 5"), r"output 'y' is \[-1, 5\] by config.pbtxt .* and \['batch', 3\] in the graph"),
    "open": (("dims: 3", "dims: -1"), r"output 'y' is \[-1, -1\] by config.pbtxt .* and \['batch', 3\] in the graph"),
    "typed": (
        ("TYPE_FP32 dims: 3", "TYPE_INT64 dims: 3"),
        r"output 'y' is TYPE_INT64 in config.pbtxt and tensor\(float\)",
    ),
    "named": (('name: "y"', 'name: "z"'), r"output 'z' of config.pbtxt is not in the graph, which has \['y'\]"),
    "threads": (('string_value: "2"', 'string_value: "two"'), r"parameter 'intra_op_thread_count' is 'two'"),
    "spinning": (
        (
            "version_policy",
            'parameters { key: "session.intra_op.allow_spinning" value { string_value: "yes" } } version_policy',
        ),
        r"parameter 'session.intra_op.allow_spinning' is 'yes': must be 0",
    ),
    "cpu": (
        ("gpu_execution", "cpu_execution"),
        r"cpu_execution_accelerator 'tensorrt' is configured and not available",
    ),
    "file": (
        ("version_policy", 'default_model_filename: "net.onnx" version_policy'),
        r"there is no .*/file/1/net\.onnx",
    ),
    "newer": (
        ("instance_group", "max_inflight_requests: 3 instance_group"),
        r'has no field named "max_inflight_requests"',
    ),
}


def test_a_bad_repository_is_refused_with_every_reason(
    venv: Path, tmp_path: Path, write_linear: Callable[..., Path]
) -> None:
    root = tmp_path / "repository"
    for name, (replace, _) in BROKEN.items():
        write_linear(root, name, replace=replace)
    write_linear(root, "garbage")
    (root / "garbage" / "1" / "model.onnx").write_text("not a graph")
    triton = LocalTriton(root, tmp_path / "run", venv=venv)
    with pytest.raises(StartError, match="ended before it was ready") as refusal:
        triton.start()
    for _, message in BROKEN.values():
        refusal.match(message)
    refusal.match("failed to load 'garbage' version 1: .*Protobuf parsing failed")
    assert "\n  +--" not in str(refusal.value)  # reasons, not the server's tables
    assert not triton.running
    assert not (tmp_path / "run" / "state.json").exists()


def test_a_repository_that_cannot_be_served_is_refused_before_a_start(
    venv: Path, tmp_path: Path, write_linear: Callable[..., Path]
) -> None:
    root = tmp_path / "repository"

    def start(**options: object) -> None:
        LocalTriton(root, tmp_path / "run", venv=venv, **options).start()

    with pytest.raises(StartError, match="is not a folder"):
        start()
    root.mkdir()
    with pytest.raises(StartError, match=r"has no <model>/config\.pbtxt"):
        start()
    write_linear(root)
    (root / "later").mkdir()
    (root / "later" / "config.pbtxt").write_text('backend: "onnxruntime"')
    with pytest.raises(StartError, match="no version is published yet of later"):
        start()
    with pytest.raises(StartError, match="has no model other; it has later, linear"):
        start(models=["other"])
    assert not (tmp_path / "run" / "triton.log").exists()


def test_a_given_port_that_is_taken_is_refused(running: LocalTriton, venv: Path, tmp_path: Path) -> None:
    taken = running.ports[0]
    other = LocalTriton(running.repository, tmp_path / "run", venv=venv, grpc_port=taken)
    with pytest.raises(StartError, match=rf"127\.0\.0\.1:{taken}"):
        other.start()
    assert not other.running


def test_a_process_that_got_the_recorded_pid_is_left_alone(record: Record, tmp_path: Path, venv: Path) -> None:
    record(server_id="onshelf-gone").write(tmp_path)
    triton = LocalTriton.recorded(tmp_path, venv=venv)
    assert triton is not None
    assert not triton.running
    triton.stop()  # would end this very test
    assert LocalTriton.recorded(tmp_path, venv=venv) is None


def test_a_kill_waits_for_what_works_on_the_run_folder(running: LocalTriton) -> None:
    killing = threading.Thread(target=running.kill)
    with (running.run_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        killing.start()
        killing.join(0.3)
        assert running.running
    killing.join()
    assert not running.running


def test_a_start_that_cannot_be_recorded_leaves_nothing_behind(
    running: LocalTriton, venv: Path, tmp_path: Path
) -> None:
    (tmp_path / "run" / f".state.json.{os.getpid()}").mkdir(parents=True)  # where the record is written first
    log = tmp_path / "run" / "triton.log"
    with pytest.raises(IsADirectoryError):
        LocalTriton(running.repository, tmp_path / "run", venv=venv, arguments=[f"--log-file={log}"]).start()
    assert processes.having(str(log)) == []


def test_a_state_file_of_an_earlier_version_is_read(record: Record, tmp_path: Path) -> None:
    record(timeout=7.0).write(tmp_path)
    path = tmp_path / "state.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in written.items() if name not in ("timeout", "revival")}))
    old = LocalTriton.recorded(tmp_path)
    assert old is not None
    assert old.timeout == state.TIMEOUT


def test_a_foreign_state_file_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"pid": 1}')
    with pytest.raises(LocalTritonError, match=r"state\.json is not a state file of the local Triton .*: remove it"):
        LocalTriton.recorded(tmp_path)


def test_ports_are_unknown_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(LocalTritonError, match="was not started yet"):
        _ = LocalTriton(tmp_path, tmp_path / "run").grpc_url


def test_the_command_line_from_start_to_stop(
    venv: Path, tmp_path: Path, write_linear: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root, where = write_linear(tmp_path / "repository"), ["--venv", str(venv), "--run-dir", str(tmp_path / "run")]
    start = ["start", "--model-repository", str(root), "--timeout", "100", *where]
    assert main(["status", *where]) == 1
    assert "does not run" in capsys.readouterr().err

    command = [sys.executable, "-m", "onshelf_local_triton", *start]  # a process of its own: the server outlives it
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        assert result.returncode == 0, result.stderr
        record = json.loads((tmp_path / "run" / "state.json").read_text())
        for field in ("grpc_url", "http_url", "metrics_url"):
            assert record[field] in result.stdout
        assert main(start) == 0
        assert capsys.readouterr().out.startswith("Triton runs already\n")
        assert main(["status", *where]) == 0
        said = capsys.readouterr().out
        assert "linear 1 READY" in said
        assert "release 24.10, on 127.0.0.1 alone" in said
        assert main(["status", "--field", "grpc_url", *where]) == 0
        assert capsys.readouterr().out == record["grpc_url"] + "\n"
        assert main(["start", "--model-repository", str(tmp_path), *where]) == 2
        assert "stop it first, or use restart" in capsys.readouterr().err
        write_linear(root, version=2)
        assert main(["reload", *where]) == 0
        assert capsys.readouterr().out == "linear: loaded\n"
        assert main(["restart", *where]) == 0
        after = json.loads((tmp_path / "run" / "state.json").read_text())
        kept = "grpc_url", "repository", "timeout"
        assert [after[name] for name in kept] == [record[name] for name in kept]
        assert after["timeout"] == 100
        assert after["pid"] != record["pid"]
        assert processes.having(record["server_id"]) == []
        capsys.readouterr()
    finally:
        stopped = main(["stop", *where])
    assert stopped == 0
    assert capsys.readouterr().out == "Triton is stopped\n"
    assert processes.having(after["server_id"]) == []
    assert own_shared_memory(after["server_id"]) == []
    assert main(["stop", *where]) == 0
    assert main(["reload", *where]) == 2
