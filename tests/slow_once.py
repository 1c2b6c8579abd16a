"""Slow tests that passed are left out while nothing that they can depend on has changed (`pytest --slow-once`).

`make test` asks for it, `make test ALL=1` and pytest by itself run all tests. What a test can depend on is taken to be
every file of the project that git knows or would add, except for documents (*.md), and the installed packages, Python,
the processor and the settings in the environment. A test is slow from SLOW_SECONDS on, what its fixtures took aside.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SLOW_SECONDS = 2.0
SETTINGS = ("ONSHELF_", "ATEN_", "ONEDNN_", "MKL_", "OPENBLAS_", "OMP_")  # how names of variables begin that count
OWN = ("ONSHELF_STORE", "OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT")  # set by the tests themselves


def inputs(root: Path, environment: dict[str, str]) -> str | None:
    """Hash of all that a test can depend on; None where git does not tell which files that are."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True
    )
    if listed.returncode != 0:
        return None
    digest = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)

    for name in sorted(set(listed.stdout.decode(errors="surrogateescape").split("\0")) - {""}):
        path = root / name
        if path.suffix != ".md" and path.is_file():
            add(name.encode(errors="replace").decode(), path.read_bytes())
    for name in sorted(f"{one.name}=={one.version}" for one in importlib.metadata.distributions()):
        add(name, b"")
    for name, value in sorted(environment.items()):
        if name.startswith(SETTINGS) and name not in OWN:
            add(name, value.encode(errors="surrogateescape"))
    processor = Path("/proc/cpuinfo")
    lines = processor.read_text().splitlines() if processor.exists() else []
    add(sys.version + platform.platform(), "\n".join(sorted({row for row in lines if "flags" in row})).encode())
    return digest.hexdigest()


class SlowOnce:
    """Leaves out what passed, and remembers what passes. In every process of the tests; one of them remembers.

    Args:
        path: where it is remembered: {"inputs": hash, "passed": {test: [seconds, when]}}.
        now: hash of what the tests depend on.
        keeps: whether this process remembers: with pytest-xdist the one that runs no tests.
    """

    def __init__(self, path: Path, now: str, keeps: bool) -> None:
        self.path, self.now, self.keeps = path, now, keeps
        self.passed = self._read()
        self.before = dict(self.passed)
        self.seen: set[str] = set()

    def _read(self) -> dict[str, list[Any]]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            passed: dict[str, list[Any]] = content["passed"]
            return passed if content["inputs"] == self.now else {}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):  # half written, or of another time: all run
            return {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left_out = [item for item in items if item.nodeid in self.before]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item.nodeid not in self.before]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seen.add(report.nodeid)
        if report.failed:
            self.passed.pop(report.nodeid, None)
        elif report.when == "call" and report.passed and report.duration >= SLOW_SECONDS:
            self.passed[report.nodeid] = [round(report.duration, 1), time.strftime("%Y-%m-%d %H:%M:%S")]

    def pytest_sessionfinish(self) -> None:
        if self.keeps:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            staging = self.path.with_suffix(f".{os.getpid()}")
            staging.write_text(json.dumps({"inputs": self.now, "passed": self.passed}, indent=1), encoding="utf-8")
            os.replace(staging, self.path)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if left_out := {name: said for name, said in self.before.items() if name not in self.seen}:
            seconds = sum(said[0] for said in left_out.values())
            terminalreporter.write_line(
                f"{len(left_out)} slow tests were left out ({seconds:.0f} s of tests): they passed between "
                f"{min(said[1] for said in left_out.values())} and {max(said[1] for said in left_out.values())}, and "
                "nothing they can depend on has changed. All tests: make test ALL=1"
            )
