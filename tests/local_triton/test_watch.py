"""What dies, models and servers: brought back by the watch that runs beside the server."""

import contextlib
import dataclasses
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from stack import wait_until
from tritonclient.utils import InferenceServerException

from onshelf_local_triton import LocalTriton, processes, state
from onshelf_local_triton import watch as watch_module
from onshelf_local_triton.__main__ import main
from onshelf_local_triton.errors import ServerError
from onshelf_local_triton.processes import ModelProcess
from onshelf_local_triton.watch import LONGEST_PAUSE, Watch, attend, pause_after, revive

FakeTriton = tuple[int, list[str]]
Stubs = list[subprocess.Popen[bytes]]
Record = Callable[..., state.State]
seen = processes.model_processes
X = {"x": np.ones((1, 4), dtype=np.float32)}


@pytest.fixture(scope="module")
def own(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTriton]:
    """A server that these tests may hurt, in a folder whose name has a space."""
    root = tmp_path_factory.mktemp("a shop")
    yield (triton := LocalTriton(root / "repository", root / "run", venv=venv, timeout=100.0))
    triton.stop()


@pytest.fixture
def hurt(own: LocalTriton, write_linear: Callable[..., Path]) -> LocalTriton:
    """That server, running, with two models, one of them in two versions."""
    if not own.repository.exists():  # written anew it would be loaded anew, too
        write_linear(own.repository, version=1)
        write_linear(own.repository, version=2)
        write_linear(own.repository, name="other")
    own.start()
    if not processes_of(own, "other"):  # a test has unloaded it
        own.reload("other")
    return own


def processes_of(triton: LocalTriton, model: str) -> list[ModelProcess]:
    assert triton.state is not None
    return [one for one in processes.model_processes(triton.state.pid) if one.model == model]


def test_a_model_whose_process_died_serves_again_by_itself(hurt: LocalTriton, infer_at: Callable[..., dict]) -> None:
    server = hurt.state
    answers = {version: infer_at(hurt.grpc_url, "linear", X, version)["y"] for version in ("1", "2")}
    [victim] = [one.pid for one in processes_of(hurt, "linear") if one.version == "2"]
    stop, wrong, right = threading.Event(), [], 0

    def ask() -> None:
        nonlocal right
        while not stop.is_set():
            try:
                answer = infer_at(hurt.grpc_url, "other", X)["y"]
            except InferenceServerException as error:
                wrong.append(str(error))
            else:
                right += np.array_equal(answer, answers["1"])

    asking = threading.Thread(target=ask)
    asking.start()
    os.kill(victim, signal.SIGKILL)

    refusals: list[str] = []

    def serves() -> bool:
        try:
            infer_at(hurt.grpc_url, "linear", X, "2")
        except InferenceServerException as error:
            refusals.append(str(error))
            return False
        return victim not in [one.pid for one in processes_of(hurt, "linear")]

    wait_until(serves, "linear to serve again")
    for version, answer in answers.items():
        np.testing.assert_array_equal(infer_at(hurt.grpc_url, "linear", X, version)["y"], answer)
    stop.set()
    asking.join()
    assert [text for text in refusals if "not healthy" not in text and "not at ready state" not in text] == []
    assert wrong == [], "the other model never went away"
    assert right
    assert hurt.state == server, "nor did the server"
    log = hurt.log.read_text()
    assert "linear: a process of it died; it is loaded again now" in log
    assert "linear is loaded again after" in log


def test_a_model_that_keeps_dying_is_loaded_later_and_later(hurt: LocalTriton, infer_at: Callable[..., dict]) -> None:
    def kill() -> None:
        for one in processes_of(hurt, "other"):
            os.kill(one.pid, signal.SIGKILL)

    for count, pause in enumerate(("now", "in 1 s", "in 2 s"), start=1):
        kill()
        line = f"other: a process of it died; it is loaded again {pause}"
        wait_until(lambda line=line: line in hurt.log.read_text(), line)
        wait_until(lambda count=count: hurt.log.read_text().count("other is loaded again after") == count, "the load")
    assert infer_at(hurt.grpc_url, "other", X)["y"].shape == (1, 3)


def test_versions_that_come_and_go_in_order_are_left_alone(
    hurt: LocalTriton, infer_at: Callable[..., dict], write_linear: Callable[..., Path]
) -> None:
    before = hurt.log.read_text()
    write_linear(hurt.repository, version=3)
    hurt.reload("linear")
    wait_until(lambda: {one.version for one in processes_of(hurt, "linear")} == {"2", "3"}, "version 1 to be dropped")
    hurt.unload("other")
    wait_until(lambda: not processes_of(hurt, "other"), "other to end")
    infer_at(hurt.grpc_url, "linear", X, "3")
    time.sleep(0.5)  # some looks of the watch
    assert " died" not in hurt.log.read_text().removeprefix(before)


def test_the_watch_is_kept_once_and_ends_with_the_server(hurt: LocalTriton, venv: Path) -> None:
    state = recorded(hurt)

    def watches() -> list[int]:
        found = processes.having(state.server_id)
        return [pid for pid in found if "onshelf_local_triton.watch" in processes.command_line(pid)]

    assert len(watches()) == 1
    again = LocalTriton(hurt.repository, hurt.run_dir, venv=venv)
    assert not again.start()
    assert len(watches()) == 1
    os.kill(watches()[0], signal.SIGKILL)
    wait_until(lambda: not watches(), "the watch to die")
    assert not again.start()
    wait_until(lambda: len(watches()) == 1, "a start to see that a watch is kept")
    hurt.stop()
    assert processes.having(state.server_id) == []


def test_a_server_with_a_dead_model_process_stops_soon(
    hurt: LocalTriton, infer_at: Callable[..., dict], capsys: pytest.CaptureFixture[str]
) -> None:
    state = recorded(hurt)
    os.kill(processes_of(hurt, "other")[0].pid, signal.SIGKILL)
    wait_until(lambda: any(one.dead for one in processes.model_processes(state.pid)), "the death to be seen")
    capsys.readouterr()
    hurt.stop()
    assert capsys.readouterr().err in (f"killing tritonserver {state.pid}: a process of its models died\n", "")
    assert processes.having(state.server_id) == []


@pytest.fixture
def fake_triton() -> Iterator[FakeTriton]:
    """The HTTP port of a server that has one model, `linear`, and what it was told to do; it hangs or refuses where
    that stands there before ("hang ...", "refuse ..."; "refuse index" for the list of models).
    """
    told: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            rows: list[dict[str, str]] = []
            if self.path.endswith("/index"):
                rows.append({"name": "linear", "version": "1", "state": "READY"})
            else:
                told.append(self.path.removeprefix("/v2/repository/models/"))
                if f"hang {told[-1]}" in told:
                    time.sleep(3)  # longer than any patience of these tests
            refused = "refuse index" in told if rows else f"refuse {told[-1]}" in told
            with contextlib.suppress(BrokenPipeError):  # who asked has given up
                self.send_response(400 if refused else 200)
                self.end_headers()
                self.wfile.write(json.dumps({"error": "no"} if refused else rows).encode())

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port, told
        server.shutdown()


@pytest.fixture
def stubs(tmp_path: Path) -> Iterator[Stubs]:
    """Two processes of this one that look like those of the only version of `linear`."""
    stub = shutil.copy(str(shutil.which("cat")), tmp_path / "triton_python_backend_stub")
    served = tmp_path / "linear" / "1" / "model.onnx"
    served.parent.mkdir(parents=True)
    os.mkfifo(served)  # never written, so they wait
    running = [subprocess.Popen([stub, served]) for _ in range(2)]
    wait_until(lambda: [one.model for one in processes.model_processes(os.getpid())] == ["linear"] * 2, "them to run")
    yield running
    for one in running:
        one.kill()
        one.wait()


@contextlib.contextmanager
def a_server(token: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the token of a server in its command line, which the kernel shows a moment after it started."""
    server = subprocess.Popen(["sh", "-c", f"sleep 60; : {token}"], start_new_session=True)
    try:
        wait_until(lambda: token in processes.command_line(server.pid), "its command line")
        yield server
    finally:
        server.kill()
        server.wait()


class Watched:
    """A watch of this process, which has two processes of `linear`; its clock goes on when the test says so."""

    def __init__(self, port: int, told: list[str], stubs: Stubs) -> None:
        self.told, self.stubs = told, stubs
        self.said: list[str] = []
        self._now = 100.0
        self._watch = Watch(server=os.getpid(), port=port, say=self.said.append, clock=lambda: self._now)
        self._watch.look()

    def look(self, later: float = 0.0) -> None:
        self._now += later
        self._watch.look()

    def lose(self, number: int = 0) -> None:
        """Kill one of the two, and wait until that can be seen."""
        before = self.dead
        self.stubs[number].kill()
        wait_until(lambda: self.dead == before + 1, "it to die")

    @property
    def dead(self) -> int:
        return sum(one.dead for one in processes.model_processes(os.getpid()))


@pytest.fixture
def watched(fake_triton: FakeTriton, stubs: Stubs) -> Watched:
    return Watched(*fake_triton, stubs)


@pytest.mark.parametrize("reaped", [True, False])
def test_a_process_that_is_looked_after_has_ended_in_order(reaped: bool, watched: Watched) -> None:
    watched.lose()
    watched.look(later=0.1)
    assert watched.said == [], "it may be looked after yet"
    if reaped:
        watched.stubs[0].wait()
    watched.look(later=0.3)
    watched.look()
    if reaped:
        assert (watched.said, watched.told) == ([], [])
    else:
        assert watched.said[0] == "linear: a process of it died; it is loaded again now"
        assert watched.told == ["linear/unload", "linear/load"], "once"


def test_a_model_is_loaded_once_however_many_of_its_processes_died(watched: Watched) -> None:
    for number in range(2):  # the second one dies while the first death is being made sure of
        watched.lose(number)
        watched.look(later=0.15)
    for _ in range(5):
        watched.look(later=0.5)
    assert watched.told == ["linear/unload", "linear/load"]


def test_a_server_that_does_not_end_a_load_is_killed(
    fake_triton: FakeTriton, stubs: Stubs, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, told = fake_triton
    told.append("hang linear/load")
    looked = threading.Event()

    def of_this_process(_: int, among: Iterable[int] | None = None) -> list[ModelProcess]:
        found = seen(os.getpid(), among)
        looked.set()
        return found

    monkeypatch.setattr(processes, "model_processes", of_this_process)
    monkeypatch.setattr(watch_module, "LEAST_LOAD_SECONDS", 0.3)
    said: list[str] = []
    with a_server("onshelf-hangs") as server:
        running = record(server_id="onshelf-hangs", pid=server.pid, http_port=port, timeout=0.3)
        attending = threading.Thread(target=attend, args=(running, said.append))
        attending.start()
        assert looked.wait(20)
        stubs[0].kill()
        assert server.wait(20) == -signal.SIGKILL
        attending.join(20)
    assert said[-1] == f"linear: loading it again has not ended after 0.3 s; tritonserver {server.pid} is killed"


def test_a_server_that_answers_nothing_any_more_is_killed(
    fake_triton: FakeTriton, stubs: Stubs, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, told = fake_triton
    told.append("refuse index")
    monkeypatch.setattr(processes, "model_processes", lambda _, among=None: seen(os.getpid(), among))
    monkeypatch.setattr(watch_module, "LEAST_LOAD_SECONDS", 0.3)
    said: list[str] = []
    with a_server("onshelf-silent") as server:
        running = record(server_id="onshelf-silent", pid=server.pid, http_port=port, timeout=0.3)
        stubs[0].kill()
        attending = threading.Thread(target=attend, args=(running, said.append))
        attending.start()
        assert server.wait(20) == -signal.SIGKILL
        attending.join(20)
    assert said[-1] == f"tritonserver {server.pid} has not answered for 0.3 s; it is killed"
    assert len(said) == 2, "what it did not answer is said once"


def test_a_server_that_refuses_a_load_lives_on(watched: Watched) -> None:
    watched.told.append("refuse linear/load")
    watched.lose()
    for _ in range(2):
        watched.look(later=0.5)
    refused = "linear: Triton refused /v2/repository/models/linear/load (400): no; it is loaded again in 1 s"
    assert refused in watched.said


def test_a_death_is_not_forgotten_where_the_server_does_not_answer(watched: Watched) -> None:
    watched.lose()
    watched.look()
    watched.told.append("refuse index")
    for later in (0.5, 0.0):
        with pytest.raises(ServerError):
            watched.look(later)
    watched.told.clear()
    watched.look()
    assert watched.told == ["linear/unload", "linear/load"]


def test_a_server_that_was_stopped_is_not_brought_back(hurt: LocalTriton, venv: Path) -> None:
    said: list[str] = []
    revive("onshelf-of-yesterday", hurt.run_dir, venv, 0, said.append)
    running = recorded(hurt)
    hurt.stop()
    revive(running.server_id, hurt.run_dir, venv, 0, said.append)
    assert not hurt.running
    assert said == []


def recorded(triton: LocalTriton) -> state.State:
    found = state.read(triton.run_dir)
    assert found is not None, "it stays recorded until it is stopped"
    return found


def stop(triton: LocalTriton, capsys: pytest.CaptureFixture[str]) -> None:
    """Stop it, as a person does; nothing is left of it, and soon."""
    server_id, began = recorded(triton).server_id, time.monotonic()
    capsys.readouterr()
    assert main(["stop", "--run-dir", str(triton.run_dir)]) == 0
    assert capsys.readouterr() == ("Triton is stopped\n", "")
    assert time.monotonic() - began < 15, "it does not wait for the watch"
    assert processes.having(server_id) == []
    assert list(processes.SHARED_MEMORY.glob(f"{server_id}*")) == []
    assert state.read(triton.run_dir) is None


def test_a_server_that_died_is_started_anew_until_that_succeeds(
    hurt: LocalTriton, capsys: pytest.CaptureFixture[str]
) -> None:
    hurt.stop()
    hurt.start()
    before, told = recorded(hurt), len(hurt.log.read_text())
    status = ["status", "--run-dir", str(hurt.run_dir)]

    def says(line: str) -> bool:
        assert recorded(hurt).server_id == before.server_id
        return line in hurt.log.read_text()[told:]

    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(before.pid, signal.SIGKILL)

        def takes() -> bool:
            try:
                other.bind(("127.0.0.1", before.grpc_port))
            except OSError:
                return False
            return True

        wait_until(takes, "its port to be free")
        other.listen()
        wait_until(lambda: says("died; it is started anew in 1 s"), "its death to be seen")
        capsys.readouterr()
        assert main(status) == 1
        assert capsys.readouterr().err.startswith("Triton is being started anew: it died ")
        wait_until(lambda: says("died; it is started anew in 2 s"), "the first try to fail")
        wait_until(lambda: "; try 2 at " in recorded(hurt).revival, "the second try to be recorded")
        assert main(status) == 1
        why = capsys.readouterr().err
        assert "; the try before failed: tritonserver ended before it was ready" in why
        assert f":{before.grpc_port}' already in use" in why
    wait_until(lambda: says("tritonserver serves again after"), "the second try to succeed")
    assert main(status) == 0
    after = recorded(hurt)
    assert after.pid != before.pid
    assert dataclasses.replace(after, pid=before.pid) == before, "the same ports and settings"
    assert after.timeout == 100

    os.kill(after.pid, signal.SIGKILL)
    wait_until(lambda: says("died; it is started anew in 4 s"), "its third fall in a row to be counted")
    stop(hurt, capsys)


def test_a_stop_ends_a_server_that_is_being_started_anew(hurt: LocalTriton, capsys: pytest.CaptureFixture[str]) -> None:
    died = recorded(hurt).pid
    os.kill(died, signal.SIGKILL)
    wait_until(lambda: recorded(hurt).pid != died, "it to be started anew")
    os.kill(recorded(hurt).pid, signal.SIGSTOP)  # it loads for as long as one waits
    assert main(["status", "--run-dir", str(hurt.run_dir)]) == 1
    assert "Triton is being started anew: it died at " in capsys.readouterr().err
    stop(hurt, capsys)


def test_whatever_keeps_a_server_from_being_started_anew_is_told(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(server_id="onshelf-dead").write(tmp_path)
    (tmp_path / f".state.json.{os.getpid()}").mkdir()  # where the record is written first
    said: list[str] = []
    slept: list[float] = []
    monkeypatch.setattr("onshelf_local_triton.watch.time.sleep", slept.append)

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 6:
            state.remove(tmp_path)

    assert revive("onshelf-dead", tmp_path, tmp_path / "venv", 0, say) == 2
    assert [line.partition(" died; it is ")[2] for line in said[::3]] == ["started anew now", "started anew in 1 s"]
    assert all("could not be recorded: [Errno 21] Is a directory" in line for line in said[1::3])
    assert all("could not be started anew: the local Triton is not installed in" in line for line in said[2::3])
    assert slept == [0.0, 1.0], "it waits where it cannot even be recorded"


def test_what_dies_again_and_again_is_brought_back_later_each_time() -> None:
    pauses = [pause_after(falls) for falls in range(9)]
    assert pauses[:4] == [0.0, 1.0, 2.0, 4.0]
    assert max(pauses) == LONGEST_PAUSE == pause_after(10_000)
