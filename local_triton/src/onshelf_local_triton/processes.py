"""The server's processes, found by its unique token in their command lines (Linux: /proc and /dev/shm)."""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")

TICKS = os.sysconf("SC_CLK_TCK")  # in which the kernel counts processor time, a second
STUB = "triton_python_b"  # what the kernel keeps of the name of a model process, also of a dead one

# What this very process started, by token and pid: only their parent can reap them, and only it knows them before the
# kernel has set the new command line.
_children: dict[str, dict[int, subprocess.Popen[bytes]]] = {}


@dataclass(frozen=True)
class ModelProcess:
    """A process of a version of a model. `model` is "" where it died before anyone saw what it serves."""

    pid: int
    model: str
    version: str
    dead: bool


def spawn(command: list[str], environment: dict[str, str], log: Path, token: str) -> int:
    """Start a detached process (own session, no input) that appends to `log`; returns its pid."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.setdefault(token, {})[process.pid] = process
    return process.pid


def alive(pid: int, token: str) -> bool:
    """Tell whether the server `pid` runs: a stale pid that an unrelated process got since is not taken for it."""
    child = _children.get(token, {}).get(pid)
    return (child is not None and child.poll() is None) or token in command_line(pid)


def having(token: str) -> list[int]:
    """Return the pids of the running processes with `token` in their command line: server and model processes."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return sorted(pid for pid in pids if pid != os.getpid() and token in command_line(pid))


def kill_all(token: str) -> None:
    """Kill every process with `token`, wait until they are gone, and remove the shared memory they leave behind."""
    children = _children.pop(token, {}).values()
    for child in children:
        if child.poll() is None:  # else its pid may be another's by now
            _kill_group(child.pid)  # all at once: who outlives another may bring it back
    for child in children:
        child.wait()
    while pids := having(token):
        for pid in pids:
            _kill_group(pid)
        time.sleep(0.01)
    for region in SHARED_MEMORY.glob(f"{token}*"):
        region.unlink(missing_ok=True)
    _forget_ended()


def _forget_ended() -> None:
    """Reap what this process started and others have ended."""
    for token, children in list(_children.items()):
        _children[token] = {pid: child for pid, child in children.items() if child.poll() is None}
        if not _children[token]:
            del _children[token]


def kill(pid: int, token: str) -> None:
    """Kill a process that `spawn` made, and wait until it is gone."""
    if alive(pid, token):
        _kill_group(pid)
    while alive(pid, token):
        time.sleep(0.01)


def work(token: str) -> tuple[dict[str, float], bool]:
    """Return the seconds for which each thread of the processes with `token` has used a processor or waited for one,
    by its id, and whether one of them waits for a disk.
    """
    seconds, disk = {}, False
    for pid in having(token):
        for task in _tasks(pid):
            fields = _read(pid, f"task/{task}/stat").rpartition(")")[2].split()  # empty where it ended just now
            disk = disk or fields[:1] == ["D"]
            counted = _read(pid, f"task/{task}/schedstat").split()[:2]  # none on a kernel that does not count it
            nanoseconds = sum(int(one) for one in counted)
            seconds[task] = nanoseconds / 1e9 if counted else sum(int(ticks) for ticks in fields[11:13]) / TICKS
    return seconds, disk


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def plain_path(path: Path, token: str, name: str) -> Path:
    """Return the path, or a link to it where it has a space or another sign that a shell reads: Triton starts model
    processes by a shell and does not quote. `kill_all` removes the link.
    """
    if shlex.quote(str(path)) == str(path):
        return path
    link = SHARED_MEMORY / f"{token}-{name}"
    link.symlink_to(path)
    return link


def model_processes(server: int, among: Iterable[int] | None = None) -> list[ModelProcess]:
    """Return the model processes of a server, `among` pids that are known or all. One that ends in order is gone at
    once; one that dies stays as a zombie, as Triton does not look after it.
    """
    if among is None:
        among = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found = []
    for pid in among:
        _, _, rest = _read(pid, "stat").partition(f" ({STUB}) ")
        fields = rest.split()
        if len(fields) > 1 and int(fields[1]) == server:
            served = Path([*_arguments(pid), "", ""][1]).parts  # .../<model>/<version>/model.onnx
            model, version = served[-3:-1] if len(served) > 3 else ("", "")
            found.append(ModelProcess(pid, model, version, fields[0] in "ZX"))
    return found


def _kill_group(pid: int) -> None:
    """Kill the process and its group, which `spawn` made its own: a model process that just forked is hit as well."""
    with contextlib.suppress(ProcessLookupError):
        group = os.getpgid(pid)
        if group != os.getpgrp():
            os.killpg(group, signal.SIGKILL)


def command_line(pid: int) -> str:
    """Return the command line, '' for a process that is gone or a zombie."""
    return " ".join(_arguments(pid))


def _arguments(pid: int) -> list[str]:
    return _read(pid, "cmdline").split("\0")[:-1]


def _read(pid: int, name: str) -> str:
    """Return what the kernel tells of a process, '' of one that is gone. It cuts names, also within a letter."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
