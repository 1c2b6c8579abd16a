"""Say what an installation takes and refuse early: `python3.11 setup/preflight.py --install run --port 50051`.

`make` calls it with the chosen Python before anything is downloaded. It runs on the standard library alone, also on a
Python that is too old for Onshelf (from 3.8 on), which gets a sentence instead of a traceback. Each thing that is
missing is one line; the exit status is 2 then.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import platform
import shutil
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12")
GIB = 1 << 30
MIB = 1 << 20


class Part(NamedTuple):
    """What a part takes: MiB to download, MiB of disk afterwards, MiB of memory when it is used."""

    stamp: str
    download: int
    disk: int
    memory: int


# Measured by `make fresh` with PyTorch's build without CUDA; rounded up.
PARTS = {
    "run": Part(".venv/.run", 600, 4700, 3700),  # of the disk, 2,700 are data, training runs and model releases
    "triton": Part(".venv-triton/.installed", 110, 350, 0),
    "evaluate": Part(".venv/.evaluate", 20, 100, 0),
    "test": Part(".venv/.test", 100, 5000, 4000),  # of the disk, 4,500 are model releases and shops of the tests
    "bench": Part(".venv/.bench", 20, 100, 0),
}
CUDA = Part("", 2575, 4483, 0)  # PyTorch's build with CUDA, where no other is to be had; beside what `run` takes

TWO_TESTING = 20_000 * MIB  # of memory for two processes of tests: they took 14.5 GB (`make fresh`)


class Machine(NamedTuple):
    """What the checks look at."""

    python: tuple[int, int]
    implementation: str
    has_venv: bool
    triton: str  # what keeps the local Triton from running here; empty where nothing does
    memory: int  # bytes that this process may use
    free: Callable[[Path], tuple[int, int]]  # a folder -> its device, the bytes that are free there
    installed: Callable[[str], bool]  # a stamp -> whether that part is there already
    downloads: tuple[Path, ...]  # folders that pip keeps a copy of the downloads in
    taken: Callable[[int], str]  # a port -> why it cannot be used; empty where it can


def problems(machine: Machine, parts: Sequence[str], ports: Sequence[int], root: Path) -> list[str]:
    """One line for each thing that keeps these parts from being installed in `root`, or these ports from being used."""
    if "{}.{}".format(*machine.python) not in PYTHONS or machine.implementation != "CPython":
        return [
            "this is {} {}.{}: Onshelf runs on CPython {}; choose one by `make ... PYTHON=/path/to/python3.11`".format(
                machine.implementation, *machine.python, " and ".join(PYTHONS)
            )
        ]
    found = []
    missing = [part for part in parts if not machine.installed(PARTS[part].stamp)]
    if "run" in missing and not machine.has_venv:
        found.append(
            "Python has no ensurepip, so no environment can be made: "
            "on Debian and Ubuntu install python{}.{}-venv".format(*machine.python)
        )
    if "triton" in missing and machine.triton:
        found.append(machine.triton)
    memory = max((PARTS[part].memory for part in missing), default=0) * MIB
    if machine.memory < memory:
        found.append(f"too little memory: needs {gigabytes(memory)}, has {gigabytes(machine.memory)}")
    found += too_small([PARTS[part] for part in missing], root, machine.downloads, machine.free)
    found += [why for port in ports if (why := machine.taken(port))]
    return found


def too_small(
    parts: Sequence[Part], root: Path, downloads: Iterable[Path], free: Callable[[Path], tuple[int, int]]
) -> list[str]:
    """A line for each disk that has too little space; folders on one disk add up. Arguments as in Machine."""
    download, disk = (sum(getattr(part, kind) for part in parts) * MIB for kind in ("download", "disk"))
    needed: dict[int, tuple[Path, int, int]] = {}
    for folder, size in [(root, disk), *((folder, download) for folder in downloads)]:
        device, there = free(folder)
        first, before, _ = needed.get(device, (folder, 0, there))
        needed[device] = (first, before + size, there)
    return [
        f"too little disk: needs {gigabytes(size)}, has {gigabytes(there)} in {folder}"
        for folder, size, there in needed.values()
        if there < size
    ]


def too_small_for_cuda() -> list[str]:
    """A line for each disk of this machine that is too small for `make setup` with PyTorch's build with CUDA."""
    missing = [PARTS[part] for part in ("run", "triton") if not (ROOT / PARTS[part].stamp).exists()]
    return too_small([*missing, CUDA], ROOT, downloads(), free)


def sizes(machine: Machine, parts: Iterable[str], root: Path) -> str:
    """What is about to be downloaded, as a sentence; empty where nothing is missing."""
    missing = [PARTS[part] for part in parts if not machine.installed(PARTS[part].stamp)]
    if not missing:
        return ""
    download, disk = (sum(getattr(part, kind) for part in missing) * MIB for kind in ("download", "disk"))
    free = machine.free(root)[1]
    return f"Up to {gigabytes(download)} to download, {gigabytes(disk)} of disk in {root} ({gigabytes(free)} free)"


def gigabytes(size: float) -> str:
    """A size for people, as 1.2 GB."""
    return f"{size / 1e9:.1f} GB"


def this_machine(address_file: Path) -> Machine:
    """The machine that this runs on. `address_file` says which ports our own running gateway has."""
    own = own_ports(address_file)
    return Machine(
        python=sys.version_info[:2],
        implementation=platform.python_implementation(),
        has_venv=find_spec("ensurepip") is not None,
        triton=triton_problem(),
        memory=memory(),
        free=free,
        installed=lambda stamp: (ROOT / stamp).exists(),
        downloads=downloads(),
        taken=lambda port: "" if port in own else taken(port),
    )


def downloads() -> tuple[Path, ...]:
    """The folders that pip keeps a copy of the downloads in."""
    cache = Path(os.environ.get("PIP_CACHE_DIR") or "~/.cache").expanduser()
    return (Path(tempfile.gettempdir()), *(() if os.environ.get("PIP_NO_CACHE_DIR") else (cache,)))


def triton_problem() -> str:
    """What keeps the local Triton from running here: the system, its C library, no shared libpython."""
    if "{}.{}".format(*sys.version_info) not in PYTHONS:
        return ""  # its checks may need a newer Python; this one is refused anyway
    sys.path.insert(0, str(ROOT / "local_triton" / "src"))
    from onshelf_local_triton import environment
    from onshelf_local_triton.errors import InstallError

    try:
        environment.check_machine()
        folders = [sysconfig.get_config_var("LIBDIR") or "", f"{sys.base_prefix}/lib"]
        environment.find_libpython("{}.{}".format(*sys.version_info), folders)
    except InstallError as error:
        return str(error)
    return ""


def memory(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes of memory that this process may use: the machine's, or the limit of its control group."""
    lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="utf-8").splitlines())
    limits = [int(lines["MemTotal"].split()[0]) * 1024]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (cgroup / name).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if text.isdigit():
            limits.append(int(text))
    return min(limits)


def test_processes(memory: int, cores: int) -> int:
    """How many processes the tests run in where nobody says it."""
    return 2 if cores > 1 and memory >= TWO_TESTING else 1


def free(folder: Path) -> tuple[int, int]:
    """The device of a folder, or of the nearest one above it that is there, and the bytes that are free on it."""
    while not folder.exists():
        folder = folder.parent
    return folder.stat().st_dev, shutil.disk_usage(folder).free


def taken(port: int) -> str:
    """Why this port of this machine cannot be listened at; empty where it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            why = "taken by another program" if error.errno == errno.EADDRINUSE else (error.strerror or "not to be had")
            return f"port {port} is {why}: choose others by `make ... GATEWAY_PORT=50052 METRICS_PORT=8503`"
    return ""


def own_ports(address_file: Path) -> set[int]:
    """The ports of our own gateway, where it runs: it is stopped before the next one starts."""
    try:
        written = json.loads(address_file.read_text(encoding="utf-8"))
        command = Path(f"/proc/{written['pid']}/cmdline").read_bytes()
    except (OSError, ValueError, KeyError):
        return set()
    if b"onshelf-gateway" not in command:
        return set()
    return {int(str(written[key]).rpartition(":")[2]) for key in ("address", "metrics") if written.get(key)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, and say what is needed; returns the exit status."""
    parser = argparse.ArgumentParser(description="Say what an installation takes, and what this machine lacks.")
    parser.add_argument("--install", action="append", choices=PARTS, default=[], help="a part to be installed")
    parser.add_argument("--port", action="append", type=int, default=[], help="a port to be listened at")
    parser.add_argument("--address-file", type=Path, default=Path("var/run/gateway.address"), help="of our own gateway")
    parser.add_argument("--test-processes", action="store_true", help="print how many processes are for the tests")
    given = parser.parse_args(arguments)
    if given.test_processes:
        print(test_processes(memory(), len(os.sched_getaffinity(0))))
        return 0
    machine = this_machine(given.address_file)
    found = problems(machine, given.install, given.port, ROOT)
    for line in found:
        print(f"refused: {line}", file=sys.stderr)
    if found:
        return 2
    if said := sizes(machine, given.install, ROOT):
        print(said, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
