"""Start, stop and reload one local Triton: the class behind the command line and the tests."""

import contextlib
import dataclasses
import fcntl
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from onshelf_local_triton import api, logs, processes, state
from onshelf_local_triton.environment import Environment, require
from onshelf_local_triton.errors import HangError, LocalTritonError, StartError
from onshelf_local_triton.layout import Layout
from onshelf_local_triton.state import State

SHARED_MEMORY_BYTES = 4 * 1024 * 1024  # what one model process starts with; Triton grows it when a batch is larger
POLL_SECONDS = 0.05
WATCH = "onshelf_local_triton.watch"  # the module that watches a server
TRIES = 3  # to start where a port is taken meanwhile, or a try hangs
HANG_SECONDS = 30.0  # without work, while it starts, after which a server is taken to hang
WORKING_SHARE = 0.01  # of a processor that one of its threads uses or waits for; idle it is .001, at work .06 and more
LONGEST_LOOK = 5.0  # that counts between two looks: a machine that was stopped meanwhile did no work
CRIPPLED_SECONDS = 3.0  # for a server that will not stop by itself to end what it can


class LocalTriton:
    """One tritonserver on this machine, serving `repository`, recorded in `run_dir` and detached from its starter.

    Ports of 0 are picked free at the first start and kept in the run folder for later ones. `models` limits what is
    loaded (empty: all); `arguments` are passed on to tritonserver. `venv` is where `onshelf-local-triton install` put
    the environment; `log` (default: `<run_dir>/triton.log`) is appended to. `timeout`: seconds until all models must be
    ready, in each of at most three tries. A watch runs beside it: a model whose process dies is loaded again, a server
    that dies is started anew.
    As a context manager it starts on entry and stops on exit.
    """

    def __init__(
        self,
        repository: Path | str,
        run_dir: Path | str,
        *,
        venv: Path | str = ".venv-triton",
        grpc_port: int = 0,
        http_port: int = 0,
        metrics_port: int = 0,
        models: Sequence[str] = (),
        arguments: Sequence[str] = (),
        log: Path | str | None = None,
        timeout: float = state.TIMEOUT,
    ) -> None:
        self.repository = Path(repository).absolute()
        self.run_dir = Path(run_dir).absolute()
        self.venv = Path(venv)
        self.models = tuple(models)
        self.arguments = tuple(arguments)
        self.log = Path(log).absolute() if log else self.run_dir / "triton.log"
        self.timeout = timeout
        self._ports = {"grpc_port": grpc_port, "http_port": http_port, "metrics_port": metrics_port}

    @classmethod
    def recorded(cls, run_dir: Path | str, *, venv: Path | str = ".venv-triton") -> "LocalTriton | None":
        """Return the server that `run_dir` records, running or not, with its own settings; None when there is none."""
        found = state.read(Path(run_dir).absolute())
        if found is None:
            return None
        return cls(
            found.repository,
            run_dir,
            venv=venv,
            grpc_port=found.grpc_port,
            http_port=found.http_port,
            metrics_port=found.metrics_port,
            models=found.models,
            arguments=found.arguments,
            log=found.log,
            timeout=found.timeout,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def state(self) -> State | None:
        """The running server's record; None when it does not run."""
        found = state.read(self.run_dir)
        return found if found is not None and found.alive else None

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self.state is not None

    @property
    def ready(self) -> bool:
        """Whether it runs and every version that it was told to load is ready to answer."""
        found = self.state
        return found is not None and api.is_ready(found.http_port, found.server_id)

    @property
    def revival(self) -> str:
        """How its watch starts it anew after its death, '' where it does not: since when, which try, why one failed."""
        found = state.read(self.run_dir)
        if found is None or not self._watches(found):
            return ""
        return found.revival or ("" if found.alive else "it died just now")

    @property
    def ports(self) -> tuple[int, int, int]:
        """The gRPC, HTTP and metrics port; 0 where none is picked yet."""
        return self._ports["grpc_port"], self._ports["http_port"], self._ports["metrics_port"]

    @property
    def grpc_url(self) -> str:
        """Address for gRPC clients, as '127.0.0.1:8001'; known from the first start on, also while it is down."""
        return f"{api.HOST}:{self._port('grpc_port')}"

    @property
    def http_url(self) -> str:
        """Address of the HTTP protocol, as 'http://127.0.0.1:8000'."""
        return f"http://{api.HOST}:{self._port('http_port')}"

    @property
    def metrics_url(self) -> str:
        """Address of the Prometheus metrics, as 'http://127.0.0.1:8002/metrics'."""
        return f"http://{api.HOST}:{self._port('metrics_port')}/metrics"

    def start(self) -> bool:
        """Start and wait until every model is ready; returns False when it ran already, with the same settings.

        Raises StartError with the end of the log when it does not come up, LocalTritonError when another server is
        recorded in this run folder and runs, InstallError when the environment is missing.
        """
        environment = require(self.venv)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        with self._locked():
            found = state.read(self.run_dir)
            if found is not None and found.alive and not found.revival and self._adopt(found):
                self._watch(found)
                return False
            if found is not None:  # it died, or its watch while it started it anew: parts of it may still be there
                processes.kill_all(found.server_id)
            try:
                running = self._launch(environment, f"onshelf-{secrets.token_hex(6)}")
            except BaseException:
                state.remove(self.run_dir)
                raise
            self._watch(running)
            return True

    def revive(self, server_id: str) -> bool:
        """Start a server anew that died, under its id; False where it is recorded no more. For its watch alone.

        Raises what `start` raises; it stays recorded then.
        """
        environment = require(self.venv)
        with self._locked():
            found = state.read(self.run_dir)
            if found is None or found.server_id != server_id:
                return False
            processes.kill_all(server_id)  # all but its watch, which is this process
            self._launch(environment, server_id, found.revival)
            return True

    def stop(self, timeout: float = 30.0) -> None:
        """Stop it (SIGINT, after `timeout` seconds SIGKILL), wait until no process is left; a no-op when none runs."""
        with self._locked_unwatched() as found:
            if found is None:
                return
            if found.alive and not found.revival:  # one that is being started anew has nothing to end in order
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found.pid, signal.SIGINT)
                # a server waits in vain for a model process that has died
                crippled = any(one.dead for one in processes.model_processes(found.pid))
                if not _until(lambda: not found.alive, min(timeout, CRIPPLED_SECONDS) if crippled else timeout):
                    why = "a process of its models died" if crippled else f"it did not stop within {timeout:g} s"
                    print(f"killing tritonserver {found.pid}: {why}", file=sys.stderr)
            processes.kill_all(found.server_id)
            state.remove(self.run_dir)

    def kill(self) -> None:
        """Kill it, its watch and its model processes at once; only `start` brings it back, on the same ports."""
        with self._locked_unwatched() as found:
            if found is not None:
                processes.kill_all(found.server_id)

    def load(self, model: str) -> None:
        """Load `model` with the versions that are now in its folder; raises ServerError with the server's reason."""
        api.load(self._http_port(), model)

    # Triton's load is also its reload: versions that stay keep serving, also when a new one fails.
    reload = load

    def unload(self, model: str) -> None:
        """Unload every version of `model`; raises ServerError with the server's reason."""
        api.unload(self._http_port(), model)

    def index(self) -> list[dict[str, str]]:
        """Return name, version, state and reason of each model version that the server knows."""
        return api.repository(self._http_port())

    def _port(self, name: str) -> int:
        if not self._ports[name]:
            raise LocalTritonError("the local Triton was not started yet: its ports are picked at the first start")
        return self._ports[name]

    def _http_port(self) -> int:
        found = self.state
        if found is None:
            raise LocalTritonError(f"no local Triton runs from {self.run_dir}")
        return found.http_port

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one start or stop at a time work on the run folder."""
        with (self.run_dir / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _locked_unwatched(self) -> Iterator[State | None]:
        """The same, after the watch of the recorded server was ended: it holds the lock while it starts that anew."""
        if not self.run_dir.is_dir():
            yield None
            return
        self._end_watch()
        with self._locked():
            self._end_watch()  # of one that was started meanwhile
            yield state.read(self.run_dir)

    def _adopt(self, found: State) -> bool:
        """Take over a running server when it is what was asked for; raises LocalTritonError naming what differs.

        False where it ends meanwhile: a process that was killed runs for a moment more.
        """
        asked: dict[str, object] = {
            "repository": str(self.repository),
            "models": self.models,
            "arguments": self.arguments,
        }
        asked.update({name: port for name, port in self._ports.items() if port})
        for name, value in asked.items():
            running = getattr(found, name)
            if running != value:
                raise LocalTritonError(
                    f"the local Triton that runs from {self.run_dir} (process {found.pid}) has {name} {running!r}, "
                    f"asked for was {value!r}: stop it first, or use restart"
                )
        if not _until(lambda: not found.alive or api.is_live(found.http_port, found.server_id), self.timeout):
            raise StartError(
                f"tritonserver {found.pid} runs and does not answer: its log is {found.log}; stop it first"
            )
        self._ports = {name: getattr(found, name) for name in self._ports}
        return found.alive

    def _served(self) -> list[Path]:
        """The folders of the models that are to be served."""
        folders = sorted(path.parent for path in self.repository.glob("*/config.pbtxt"))
        return [folder for folder in folders if not self.models or folder.name in self.models]

    def _check_repository(self) -> None:
        """Refuse at once what Triton would refuse later, or would take for an empty repository."""
        if not self.repository.is_dir():
            raise StartError(f"the model repository {self.repository} is not a folder")
        names = {path.parent.name for path in self.repository.glob("*/config.pbtxt")}
        if not names:
            raise StartError(f"the model repository {self.repository} has no <model>/config.pbtxt")
        if unknown := sorted(set(self.models) - names):
            raise StartError(
                f"the model repository {self.repository} has no model {', '.join(unknown)}; "
                f"it has {', '.join(sorted(names))}"
            )
        served = self._served()
        if empty := [
            folder.name for folder in served if not any(version.name.isdigit() for version in folder.iterdir())
        ]:
            raise StartError(
                f"no version is published yet of {', '.join(empty)} in {self.repository}: publish a model release first"
            )
        needed = 2 * len(served) * SHARED_MEMORY_BYTES  # two versions of each model are kept
        free = shutil.disk_usage(processes.SHARED_MEMORY).free
        if free < needed:
            raise StartError(
                f"{processes.SHARED_MEMORY} has {free >> 20} MiB free, {len(served)} models need about "
                f"{needed >> 20} MiB: run the container with --shm-size=512m"
            )

    def _launch(self, environment: Environment, server_id: str, revival: str = "") -> State:
        """Start the process on the ports of the last start; on others that are free where those are taken."""
        self._check_repository()
        picked = [name for name, port in self._ports.items() if not port]
        self._ports.update(self._usable_ports(picked))
        tries = TRIES
        while True:
            self._ports.update(_free_ports([name for name in picked if not self._ports[name]]))
            try:
                return self._launch_once(environment, server_id, revival, last=tries == 1)
            except BaseException as error:  # also Ctrl-C: never leave a half-started server behind
                processes.kill_all(server_id)
                tries -= 1
                if tries and isinstance(error, HangError):
                    print(f"tritonserver {error.what}: it is killed and started again", file=sys.stderr)
                    continue
                self._ports.update(dict.fromkeys(picked, 0))
                taken = isinstance(error, StartError) and "already in use" in str(error)
                if not (tries and picked and taken):
                    raise

    def _usable_ports(self, names: Sequence[str]) -> dict[str, int]:
        """The ports of the last start that are free; says which are not."""
        kept = {name: port for name, port in state.kept_ports(self.run_dir).items() if name in names}
        free = {name: port for name, port in kept.items() if _is_free(port)}
        for name, port in kept.items():
            if name not in free:
                what = name.removesuffix("_port")
                print(
                    f"port {port} ({what}) of the last start is taken by another process: another one is used now; "
                    "start anew what asks the old address",
                    file=sys.stderr,
                )
        return free

    def _launch_once(self, environment: Environment, server_id: str, revival: str, last: bool) -> State:
        """Start the process once; the `last` try may take all of `timeout`, in case it only seemed to hang."""
        layout = environment.layout
        place = Layout(processes.plain_path(environment.root, server_id, "environment"))
        repository = processes.plain_path(self.repository, server_id, "repository")
        options = f"shm-region-prefix-name={server_id}", f"shm-default-byte-size={SHARED_MEMORY_BYTES}"
        command = [
            str(place.server),
            f"--id={server_id}",
            f"--model-repository={repository}",
            f"--backend-directory={place.backends}",
            f"--cache-directory={place.caches}",
            *(f"--backend-config=python,{option}" for option in options),
            "--model-control-mode=explicit",
            # Ours are complete; to complete one costs a process for each version (14 versions: ready in 11 s, so 2.5).
            "--disable-auto-complete-config",
            *(f"--load-model={model}" for model in self.models or ("*",)),
            f"--grpc-address={api.HOST}",
            f"--grpc-port={self._ports['grpc_port']}",
            f"--http-address={api.HOST}",
            f"--http-port={self._ports['http_port']}",
            f"--metrics-address={api.HOST}",
            f"--metrics-port={self._ports['metrics_port']}",
            "--allow-gpu-metrics=false",
            "--pinned-memory-pool-byte-size=0",
            *self.arguments,
        ]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        offset = self.log.stat().st_size if self.log.exists() else 0
        pid = processes.spawn(command, layout.variables(environment.site_packages), self.log, server_id)
        started = State(
            server_id=server_id,
            pid=pid,
            repository=str(self.repository),
            log=str(self.log),
            models=self.models,
            arguments=self.arguments,
            timeout=self.timeout,
            revival=revival,
            **self._ports,
        )
        started.write(self.run_dir)
        self._wait_until_ready(started, offset, None if last else _Hang(started))
        if revival:
            started = dataclasses.replace(started, revival="")
            started.write(self.run_dir)
        state.keep_ports(self.run_dir, self._ports)
        return started

    def _watch(self, running: State) -> None:
        """See that a watch is kept on a running server and its models."""
        if not self._watches(running):
            places = [str(self.run_dir), str(self.venv.absolute())]
            command = [sys.executable, "-m", WATCH, running.server_id, *places]
            processes.spawn(command, dict(os.environ), Path(running.log), running.server_id)

    def _watches(self, running: State) -> list[int]:
        """The processes that watch a server."""
        return [pid for pid in processes.having(running.server_id) if WATCH in processes.command_line(pid)]

    def _end_watch(self) -> None:
        """End the watch of the recorded server."""
        found = state.read(self.run_dir)
        if found is not None:
            for pid in self._watches(found):
                processes.kill(pid, found.server_id)

    def _wait_until_ready(self, started: State, offset: int, hang: "_Hang | None") -> None:
        """Return when it is ready; raises StartError with the log from `offset` when it ends or takes too long,
        HangError when it does nothing any more by `hang`.
        """
        log = Path(started.log)

        def settled() -> bool:
            ready = not started.alive or api.is_ready(started.http_port, started.server_id)
            return ready or (hang is not None and hang.look())

        in_time = _until(settled, self.timeout)
        if not started.alive:
            raise StartError(f"tritonserver ended before it was ready. From {log}:\n{logs.reasons(log, offset)}")
        if hang is not None and hang.found:
            raise HangError(f"did nothing for {HANG_SECONDS:g} s while it started", log, logs.reasons(log, offset))
        if not in_time:
            why = logs.reasons(log, offset)
            raise StartError(f"tritonserver was not ready within {self.timeout:.0f} s. From {log}:\n{why}")


class _Hang:
    """Whether a server that starts hangs: neither its log nor its processor time grows, and it waits for no disk.

    Triton 24.10 was seen so once in some hundred starts: one of 20 models was never loaded.
    """

    def __init__(self, started: State, clock: Callable[[], float] = time.monotonic) -> None:
        self.found = False
        self._log, self._token, self._clock = Path(started.log), started.server_id, clock
        self._looked, self._idle = clock(), 0.0
        self._size = -1
        self._used: dict[str, float] = {}  # by thread

    def look(self) -> bool:
        """Look, once a second at most; remembers what is found."""
        now = self._clock()
        if now - self._looked < 1:
            return self.found
        self._idle += min(now - self._looked, LONGEST_LOOK)
        self._looked = now
        size = self._log.stat().st_size if self._log.exists() else -1
        used, disk = processes.work(self._token)
        busiest = max((seconds - self._used.get(thread, 0.0) for thread, seconds in used.items()), default=0.0)
        if size != self._size or disk or busiest > WORKING_SHARE * HANG_SECONDS:
            self._idle, self._size, self._used = 0.0, size, used
        self.found = self._idle >= HANG_SECONDS
        return self.found


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition`; tells whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended do not count
        try:
            listener.bind((api.HOST, port))
            listener.listen(1)
        except OSError:
            return False
    return True


def _free_ports(names: Sequence[str]) -> dict[str, int]:
    """Pick one free port for each name; all are held at once, so that they differ."""
    with contextlib.ExitStack() as held:
        ports = {}
        for name in names:
            listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            listener.bind((api.HOST, 0))
            ports[name] = listener.getsockname()[1]
        return ports
