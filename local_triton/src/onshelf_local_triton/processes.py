"""The server's processes, found by its unique token in their command lines (Linux: /proc and /dev/shm)."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")

# Servers that this very process started, by token: only their parent can reap them, and only it knows them before the
# kernel has set the new command line.
_children: dict[str, subprocess.Popen[bytes]] = {}


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
    _children[token] = process
    return process.pid


def alive(pid: int, token: str) -> bool:
    """Tell whether the server `pid` runs: a stale pid that an unrelated process got since is not taken for it."""
    child = _children.get(token)
    return child.poll() is None if child is not None else token in _command_line(pid)


def having(token: str) -> list[int]:
    """Return the pids of the running processes with `token` in their command line: server and model processes."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return sorted(pid for pid in pids if pid != os.getpid() and token in _command_line(pid))


def kill_all(token: str) -> None:
    """Kill every process with `token`, wait until they are gone, and remove the shared memory they leave behind."""
    child = _children.pop(token, None)
    if child is not None:
        _kill_group(child.pid)
        child.wait()
    while pids := having(token):
        for pid in pids:
            _kill_group(pid)
        time.sleep(0.01)
    for region in SHARED_MEMORY.glob(f"{token}*"):
        region.unlink(missing_ok=True)


def _kill_group(pid: int) -> None:
    """Kill the process and its group, which `spawn` made its own: a model process that just forked is hit as well."""
    with contextlib.suppress(ProcessLookupError):
        group = os.getpgid(pid)
        if group != os.getpgrp():
            os.killpg(group, signal.SIGKILL)


def _command_line(pid: int) -> str:
    """Return the command line, '' for a process that is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
