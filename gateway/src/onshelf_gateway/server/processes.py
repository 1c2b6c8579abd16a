"""Several gateway processes on one port: spawned, never forked, each with its own event loop and channels.

    onshelf-gateway --processes 4

The kernel deals connections out among those that listen (SO_REUSEPORT). This process answers no calls: it holds the
port, starts the others, replaces one that dies, serves the metrics of all as one (prometheus_client's multiprocess
mode), and ends them by SIGTERM when it is ended. When it dies, they notice, drain and end; the folder that it leaves
behind is removed at the next start.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import structlog

from onshelf_gateway.inference.encoder_choice import SHARED_FOLDER
from onshelf_gateway.server.assembly import write_addresses
from onshelf_gateway.settings import Settings

log = structlog.get_logger(__name__)
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
PREFIX, OWNER = "onshelf-gateway-", "owner"
START_SECONDS = 60.0
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 1.0  # before a process that died is replaced


@contextlib.contextmanager
def held_port(listen: str) -> Iterator[str]:
    """host:port with a port that stays ours: bound and shared, never listened on.

    Raises:
        OSError: the address is no host:port, or is taken.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise OSError(f"--listen {listen}: several processes need host:port")
    bare = host.strip("[]")
    try:
        family, kind, _, _, address = socket.getaddrinfo(bare, int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as other:  # another gateway that shares its port would get some of the calls
            other.settimeout(1.0)
            if int(port) and other.connect_ex(address) == 0:
                raise OSError("another server listens there")
        held = socket.socket(family, kind)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except (OSError, OverflowError) as error:
        raise OSError(f"--listen {listen}: cannot listen there: {error}") from error
    with held:
        yield f"{host}:{held.getsockname()[1]}"


@contextlib.contextmanager
def own_folder(root: Path) -> Iterator[tuple[Path, int]]:
    """A new folder below `root` for the time of the block, and the descriptor of its lock.

    The lock says that the folder is in use: it ends with the last process that has the descriptor, however that ends.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    try:
        with (folder / f".{OWNER}").open("w", encoding="utf-8") as owner:
            owner.write(f"{os.getpid()}\n")
            owner.flush()
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / f".{OWNER}").rename(folder / OWNER)  # locked from the moment that it is there
            yield folder, owner.fileno()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_folders(root: Path) -> None:
    """Remove the folders below `root` of this user's gateways that were killed; those in use stay."""
    for folder in root.glob(f"{PREFIX}*"):
        try:
            about = folder.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
                continue
            with (folder / OWNER).open("r+", encoding="utf-8") as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                pid = owner.read().strip()
                shutil.rmtree(folder)
        except (BlockingIOError, FileNotFoundError):  # in use; being made, or removed by another that starts
            continue
        except OSError as error:
            log.warning("folder_not_removed", folder=str(folder), reason=str(error))
        else:
            log.info("folder_removed", folder=str(folder), left_by=pid)


class Processes:
    """The processes of one gateway.

    Args:
        settings: those of the command; `processes` is at least 2.
        address: host:port that all listen on.
        folder: for their metrics and addresses.
        lock: descriptor of the folder's lock, for them to hold, too.
    """

    def __init__(self, settings: Settings, address: str, folder: Path, lock: int) -> None:
        self._settings = settings
        self._address = address
        self._folder = folder
        self._lock = lock
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit status: that of a process that could not start, else 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            for place in range(self._settings.processes):
                self._start(place)
            failed = self._wait_until_listening()
            if failed is not None:
                return failed
            metrics_address = self._serve_metrics()
            if self._settings.address_file is not None:
                write_addresses(self._settings.address_file, self._address, metrics_address)
            log.info("listening", address=self._address, metrics=metrics_address, processes=len(self._running))
            while not self._stopping.wait(POLL_SECONDS):
                self._replace_dead()
            return 0
        finally:
            self._end()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _start(self, place: int) -> None:
        marks = self._mark(place)
        marks.unlink(missing_ok=True)
        own = self._settings.model_copy(
            update={"listen": self._address, "metrics_port": -1, "address_file": marks}
        ).model_dump_json()
        process = self._running[place] = subprocess.Popen(
            [sys.executable, "-m", "onshelf_gateway.server.worker"],
            stdin=subprocess.PIPE,  # its end tells them that this process is gone
            env=os.environ | {METRICS_FOLDER: str(self._folder / "metrics"), SHARED_FOLDER: str(self._folder)},
            pass_fds=(self._lock,),
        )
        assert process.stdin is not None
        process.stdin.write(own.encode() + b"\n")  # not as an argument: it may hold the key of the logs
        process.stdin.flush()

    def _mark(self, place: int) -> Path:
        return self._folder / f"process-{place}.json"

    def _wait_until_listening(self) -> int | None:
        """None once all listen; the status of one that ended instead."""
        deadline = time.monotonic() + START_SECONDS
        while not self._stopping.is_set() and not all(self._mark(place).exists() for place in self._running):
            for process in self._running.values():
                if process.poll() is not None:
                    return process.returncode or 1
            if time.monotonic() > deadline:
                log.error("processes_do_not_listen", seconds=START_SECONDS)
                return 1
            time.sleep(POLL_SECONDS / 4)
        return None

    def _replace_dead(self) -> None:
        for place, process in list(self._running.items()):
            if process.poll() is not None:
                log.error("process_died", pid=process.pid, status=process.returncode)
                _forget_metrics(process.pid)
                self._stopping.wait(PATIENCE_SECONDS)
                if not self._stopping.is_set():
                    try:
                        self._start(place)
                    except OSError as error:  # no memory for it, say; the others serve, and it is tried again
                        log.error("process_not_started", reason=str(error))

    def _serve_metrics(self) -> str:
        if self._settings.metrics_port < 0:
            return ""
        from prometheus_client import CollectorRegistry, start_http_server
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder / "metrics"))  # type: ignore[no-untyped-call]
        host = self._settings.metrics_host
        server, _ = start_http_server(self._settings.metrics_port, addr=host, registry=registry)
        return f"{host}:{server.server_port}"

    def _end(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + self._settings.drain_seconds + 5
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("process_killed", pid=process.pid)
                process.kill()
                process.wait()
        log.info("stopped")


def _forget_metrics(pid: int) -> None:
    """Gauges of a process that is gone count no more; its counters stay."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def serve_processes(settings: Settings) -> int:
    """Serve by several processes until SIGTERM or SIGINT; returns the exit status.

    Raises:
        OSError: the address cannot be listened on.
    """
    if not settings.log_key:  # one for all, or a user would have several hashes
        settings = settings.model_copy(update={"log_key": secrets.token_hex(16)})
    root = Path(tempfile.gettempdir())
    remove_left_folders(root)
    with own_folder(root) as (folder, lock):
        (folder / "metrics").mkdir()
        os.environ[METRICS_FOLDER] = str(folder / "metrics")
        with held_port(settings.listen) as address:
            return Processes(settings, address, folder, lock).run()


def parse_worker(text: str) -> Settings:
    """The settings of one process, as its starter wrote them."""
    return Settings(**json.loads(text))
