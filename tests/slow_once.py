"""Slow tests that passed are left out while nothing that they can depend on has changed (`pytest --slow-once`).

`make test` asks for it; `make test ALL=1` and pytest by itself run all tests, and remember, too, what passed and what
failed. What a test can depend on is taken to be every file of the project that git knows or would add, its tags, the
installed packages, Python, the machine and the settings in the environment. A test is slow from SLOW_SECONDS on, what
its fixtures took aside.

A conftest.py calls `register`. With pytest-xdist the process that runs no tests decides and remembers.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SLOW_SECONDS = 2.0
SETTINGS = (  # how names of variables begin that count
    *("ONSHELF_", "ATEN_", "ONEDNN_", "DNNL_", "MKL_", "OPENBLAS_", "OMP_", "KMP_", "TORCH_", "CUDA_", "NVIDIA_"),
    *("PYTHON", "PYTEST_", "GRPC_", "TRITON_", "TZ", "LANG", "LC_", "LD_", "PATH", "HOME", "XDG_", "TERM", "NO_COLOR"),
)
NO_SETTINGS = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTEST_CURRENT_TEST", "PYTEST_VERSION")
TRITON = ".venv-triton"
RECORDS = 4  # hashes of which is remembered what passed
ALWAYS = "always"  # the mark of tests that depend on more than that, such as a package index: they run every time
TOLD = "slow_once"  # the key under which processes of pytest-xdist tell each other what is left out


def inputs(root: Path, environment: dict[str, str]) -> str | None:
    """Hash of all that a test can depend on; None where git does not tell which files that are."""
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, capture_output=True)
        tags = subprocess.run(["git", "for-each-ref", "refs/tags"], cwd=root, capture_output=True)
    except OSError:
        return None
    names = {os.fsdecode(name) for name in listed.stdout.split(b"\0")} - {""}
    if listed.returncode != 0 or not names:
        return None
    digest = hashlib.sha256()

    def add(name: str, content: bytes = b"") -> None:
        digest.update(os.fsencode(name) + f"\0{len(content)}\0".encode())
        digest.update(content)

    add("tags", tags.stdout)
    for name in sorted(names):
        with contextlib.suppress(OSError):  # gone meanwhile, or a folder
            add(f"{name} {(root / name).stat().st_mode & 0o111}", (root / name).read_bytes())
    triton = sorted(map(str, (root / TRITON).glob("lib/python*/site-packages")))
    for place in (sys.path, triton):
        for name in sorted(f"{one.name}=={one.version}" for one in importlib.metadata.distributions(path=place)):
            add(name)
    for name, value in sorted(environment.items()):
        if name.startswith(SETTINGS) and name not in NO_SETTINGS:
            add(name, os.fsencode(value))
    processor = Path("/proc/cpuinfo")
    lines = processor.read_text().splitlines() if processor.exists() else []
    add("\n".join(sorted({line for line in lines if line.startswith(("model name", "flags"))})))
    add(f"{sys.version} {platform.platform()} {len(os.sched_getaffinity(0))} {Path('/dev/nvidia0').exists()}")
    return digest.hexdigest()


def register(config: pytest.Config, root: Path, path: Path, environment: dict[str, str]) -> None:
    """Leave out slow tests where that is asked for, and remember what passes; nothing where git does not know `root`.

    Args:
        root: the project.
        path: where it is remembered: {hash: {test: [seconds, when]}}, the newest last.
        environment: that was there before the tests changed it.
    """
    config.addinivalue_line("markers", f"{ALWAYS}: depends on something outside the project; never left out")
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Worker(config.workerinput.get(TOLD, [])))
    elif now := inputs(root, environment):
        keeper = Keeper(path, now, lambda: inputs(root, environment), config.getoption("slow_once"))
        config.pluginmanager.register(keeper)


class Worker:
    """Leaves out what it is told to; `left_out` is what that was."""

    def __init__(self, passed: list[str]) -> None:
        self.passed = frozenset(passed)
        self.left_out: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        known = [item for item in items if item.nodeid in self.passed and not item.get_closest_marker(ALWAYS)]
        self.left_out = [item.nodeid for item in known]
        if known:
            config.hook.pytest_deselected(items=known)
            left_out = frozenset(self.left_out)
            items[:] = [item for item in items if item.nodeid not in left_out]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[TOLD] = self.left_out


class Keeper(Worker):
    """The process that decides and remembers; without pytest-xdist it is the only one."""

    def __init__(self, path: Path, now: str, again: Callable[[], str | None], leaves_out: bool) -> None:
        self.path, self.now, self.again = path, now, again
        self.known = self._read().get(now, {})
        self.why = ""
        self.newly: dict[str, list[Any]] = {}
        self.failed: set[str] = set()
        self.told: set[str] = set()
        super().__init__(sorted(self.known) if leaves_out else [])

    def _read(self) -> dict[str, dict[str, list[Any]]]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        records: dict[str, dict[str, list[Any]]] = content if isinstance(content, dict) else {}
        return {one: passed for one, passed in records.items() if isinstance(passed, dict)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[TOLD] = sorted(self.passed)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.told |= set(getattr(node, "workeroutput", {}).get(TOLD, []))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed and report.duration >= SLOW_SECONDS:
            self.newly[report.nodeid] = [round(report.duration, 1), time.strftime("%Y-%m-%d %H:%M:%S")]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        super().pytest_sessionfinish(session)
        if self.newly and self.again() != self.now:
            self.newly, self.why = {}, "files, packages or settings changed meanwhile: what passed is not remembered"
        if not (self.newly or self.failed):
            return
        records = self._read()  # again, as another run may have finished meanwhile
        if self.newly:
            records[self.now] = records.pop(self.now, {}) | self.newly  # the newest last
        kept = {
            one: {name: said for name, said in passed.items() if name not in self.failed}
            for one, passed in list(records.items())[-RECORDS:]
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        staging = self.path.with_suffix(f".{os.getpid()}")
        staging.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        os.replace(staging, self.path)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.why:
            terminalreporter.write_line(f"slow tests: {self.why}")
        if left_out := self.told | set(self.left_out):
            seconds = sum(self.known[name][0] for name in left_out)
            when = sorted(self.known[name][1] for name in left_out)
            terminalreporter.write_line(
                f"{len(left_out)} slow tests were left out ({seconds:.0f} s of tests): they passed between {when[0]} "
                f"and {when[-1]}, and no file, package or setting has changed. All tests: make test ALL=1"
            )
