"""A watch on one server and its models: a model whose process died is loaded again, a server that died is started anew
where it was, until that succeeds. It runs beside the server; `LocalTriton.stop` ends both:

    python -m onshelf_local_triton.watch SERVER_ID RUN_DIR VENV

Triton 2.51 answers "Stub process ... is not healthy" for such a model from then on, says that it is ready, and starts
no other process; `load` alone changes nothing, `unload` and `load` do. The whole server can die, too, where a request
is cancelled at the moment of its answer (Signal 11; mended in 25.04).
"""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

from onshelf_local_triton import api, processes, state
from onshelf_local_triton.errors import LocalTritonError, ServerError
from onshelf_local_triton.processes import ModelProcess
from onshelf_local_triton.server import LocalTriton
from onshelf_local_triton.state import State

POLL_SECONDS = 0.1  # to look at the processes that are known
SCAN_SECONDS = 1.0  # to look for new ones
SURE_SECONDS = 0.2  # that a process stays dead; one that ends in order is dead, too, until Triton has looked after it
CALM_SECONDS = 60.0  # what dies again sooner waits before it is brought back, longer each time
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
LEAST_LOAD_SECONDS = 120.0  # that a server may take to load a model again, however short the time to start it


class LoadHangError(Exception):
    """A server does not end the loading of a model."""


class Watch:
    """What is known of the model processes of one server.

    Args:
        server: its pid.
        port: of its HTTP protocol.
        say: takes a line for people.
        clock: seconds that only grow.
        timeout: seconds after which a server that loads a model again is taken to hang.
    """

    def __init__(
        self,
        *,
        server: int,
        port: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        timeout: float = state.TIMEOUT,
    ) -> None:
        self._timeout = timeout
        self._server, self._port, self._say, self._clock = server, port, say, clock
        self._known: dict[int, ModelProcess] = {}
        self._dead: dict[int, float] = {}  # by pid: since when
        self._mourned: set[int] = set()  # those whose death changes nothing: what is loaded again replaces them
        self._failed: dict[str, tuple[float, int]] = {}  # by model: when last, how many in a row
        self._due: dict[str, float] = {}  # models to load, and not before when
        self._scanned = -SCAN_SECONDS

    def look(self) -> None:
        """Look once, and load what died; raises LoadHangError where that does not end."""
        mourned = self._mourned
        try:
            died = [model for model in self._died() if self._is_ready(model)]  # else it was unloaded: nobody wants it
        except ServerError:
            self._mourned = mourned  # they are seen again at the next look
            raise
        for model in died:
            self._plan(model, "a process of it died")
        for model in [model for model, when in self._due.items() if when <= self._clock()]:
            self._load(model)

    def _plan(self, model: str, why: str) -> None:
        """Load a model, at once where it was well for long."""
        last, row = self._failed.get(model, (-CALM_SECONDS, 0))
        row = row + 1 if self._clock() - last < CALM_SECONDS else 0
        self._failed[model] = self._clock(), row
        pause = pause_after(row)
        self._say(f"{model}: {why}; it is loaded again {f'in {pause:g} s' if pause else 'now'}")
        self._due[model] = self._clock() + pause

    def _died(self) -> list[str]:
        """Models with a process that died since the last look."""
        if self._clock() - self._scanned >= SCAN_SECONDS:
            self._scanned, found = self._clock(), processes.model_processes(self._server)
        else:
            found = processes.model_processes(self._server, self._known.keys() | self._dead.keys())
        now, known = self._clock(), self._known | {one.pid: one for one in found if one.model}
        self._known = {one.pid: known[one.pid] for one in found if one.pid in known}
        self._dead = {one.pid: self._dead.get(one.pid, now) for one in found if one.dead}
        sure = {pid for pid, since in self._dead.items() if now - since >= SURE_SECONDS} - self._mourned
        self._mourned = (self._mourned | sure) & {one.pid for one in found}  # a pid may come back
        named = {self._known[pid].model for pid in sure & self._known.keys()}
        if sure - self._known.keys():
            named |= self._without_process()
            self._mourned |= self._dead.keys() - self._known.keys()
        return sorted(named)

    def _without_process(self) -> set[str]:
        """Models that are said to be ready and have no process: one may die before it was seen alive."""
        alive = {(one.model, one.version) for one in processes.model_processes(self._server) if not one.dead}
        rows = [row for row in self._index() if row.get("state") == "READY"]
        return {row["name"] for row in rows if (row["name"], row["version"]) not in alive}

    def _load(self, model: str) -> None:
        began = self._clock()
        try:
            ready = self._is_ready(model)
        except ServerError as error:  # it ends, or is busy
            self._plan(model, str(error))
            return
        try:
            if ready:
                old = [one for one in processes.model_processes(self._server) if one.model == model]
                self._known |= {one.pid: one for one in old}
                self._mourned |= {pid for pid, one in self._known.items() if one.model == model}
                api.unload(self._port, model, self._timeout)
            api.load(self._port, model, max(self._timeout - (self._clock() - began), 0.1))
        except ServerError as error:
            if isinstance(error.__cause__, TimeoutError):  # no refusal
                raise LoadHangError(f"{model}: loading it again has not ended after {self._timeout:g} s") from error
            self._plan(model, str(error))
        else:
            del self._due[model]
            self._say(f"{model} is loaded again after {self._clock() - began:.1f} s")

    def _is_ready(self, model: str) -> bool:
        return any(row["name"] == model and row.get("state") == "READY" for row in self._index())

    def _index(self) -> list[dict[str, str]]:
        return api.repository(self._port)


def pause_after(falls: int) -> float:
    """Seconds to wait before something is brought back that has died soon `falls` times in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(falls - 1, 10)) if falls else 0.0


def revive(server_id: str, run_dir: Path, venv: Path, falls: int, say: Callable[[str], None]) -> int:
    """Start a server that died anew; try until it serves, or is recorded no more. Returns `falls` plus failed tries."""
    died, failed, why = time.time(), 0, ""
    while True:
        pause = pause_after(falls + failed)
        try:
            found = state.read(run_dir)
            if found is None or found.server_id != server_id:
                return falls + failed
            say(f"tritonserver {found.pid} died; it is started anew {f'in {pause:g} s' if pause else 'now'}")
            revival = f"it died at {_clock(died)}; try {failed + 1} at {_clock(time.time() + pause)}{why}"
            dataclasses.replace(found, revival=revival).write(run_dir)  # who records another ends this watch first
        except (LocalTritonError, OSError) as error:  # `status` will not know; it is tried all the same
            say(f"that tritonserver died could not be recorded: {error}")
        time.sleep(pause)
        began = time.monotonic()
        try:
            again = LocalTriton.recorded(run_dir, venv=venv)
            if again is not None and again.revive(server_id):
                say(f"tritonserver serves again after {time.monotonic() - began:.1f} s")
            return falls + failed
        except (LocalTritonError, OSError) as error:
            say(f"tritonserver could not be started anew: {error}")
            failed, why = failed + 1, f"; the try before failed: {error}"


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def attend(running: State, say: Callable[[str], None]) -> None:
    """Watch a server until it is gone; kill one that hangs."""
    patience = max(running.timeout, LEAST_LOAD_SECONDS)
    watch = Watch(server=running.pid, port=running.http_port, say=say, timeout=patience)
    silent: float | None = None  # since when it answers nothing
    while running.alive:
        try:
            watch.look()
            silent = None
        except ServerError as error:  # it ends, or is busy: look again
            if silent is None:
                silent = time.monotonic()
                say(str(error))
            elif time.monotonic() - silent >= patience:
                say(f"tritonserver {running.pid} has not answered for {patience:g} s; it is killed")
                processes.kill(running.pid, running.server_id)
            time.sleep(min(FIRST_PAUSE, patience))
        except LoadHangError as error:
            say(f"{error}; tritonserver {running.pid} is killed")
            processes.kill(running.pid, running.server_id)
        time.sleep(POLL_SECONDS)


def main(arguments: list[str]) -> int:
    """Watch a server, and start it anew each time it died, for as long as it is recorded."""
    server_id, run_dir, venv = arguments[0], Path(arguments[1]), Path(arguments[2])

    def say(line: str) -> None:
        with contextlib.suppress(OSError):  # of a full disk: its log is the server's
            print(f"onshelf-local-triton: {line}", file=sys.stderr, flush=True)

    falls = 0  # how often in a row it died soon
    while True:
        try:
            found = state.read(run_dir)
        except (LocalTritonError, OSError) as error:
            say(f"the record of the server cannot be read: {error}")
            time.sleep(FIRST_PAUSE)
            continue
        if found is None or found.server_id != server_id:
            return 0
        began = time.monotonic()
        attend(found, say)
        falls = falls + 1 if time.monotonic() - began < CALM_SECONDS else 0
        falls = revive(server_id, run_dir, venv, falls, say)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
