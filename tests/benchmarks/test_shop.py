"""`make bench-shop`: which goals it misses, what limits its memory, and where its result goes."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from onshelf_benchmarks import shop

DOCUMENT: dict[str, Any] = {
    "goal": {"seconds": 900, "memory_gb": 4.0},
    "memory_limit_gb": None,
    "status": 0,
    "seconds": 900.0,
    "memory_gb": 4.0,
    "differences": [],
    "missed": [],
}


def test_goals_that_are_missed_are_named() -> None:
    assert shop.missed(DOCUMENT) == []
    assert shop.missed(DOCUMENT | {"seconds": 901.2, "memory_gb": 4.18}) == [
        "901 s, the goal is 900 s",
        "4.18 GB of memory without a limit, the goal is 4.0 GB",
    ]
    assert shop.missed(DOCUMENT | {"memory_gb": 4.18, "memory_limit_gb": 5.0}) == [
        "4.18 GB of memory limited to 5.0 GB, the goal is 4.0 GB"
    ]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, None),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ({"memory/memory.limit_in_bytes": "4000000000"}, 4.0),
        ({"memory.max": "max"}, None),
        ({"memory.max": "5000000000"}, 5.0),
    ],
)
def test_the_limit_of_this_process_s_control_group_counts(
    limits: dict[str, str], expected: float | None, tmp_path: Path
) -> None:
    for name, text in limits.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(f"{text}\n")
    assert shop.memory_limit(tmp_path / "cgroup") == expected


@pytest.mark.parametrize(
    ("arguments", "changes", "status", "kept"),
    [
        ([], {}, 0, True),
        ([], {"missed": ["901 s, the goal is 900 s"]}, 1, True),
        ([], {"status": 2}, 1, False),
        (["--lines", "1000"], {}, 0, False),
    ],
)
def test_only_a_run_of_the_default_size_that_went_through_is_kept(
    arguments: list[str],
    changes: dict[str, Any],
    status: int,
    kept: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = DOCUMENT | changes
    monkeypatch.setattr(shop, "RESULT", tmp_path / "result.json")
    monkeypatch.setattr(shop, "WORK", tmp_path)
    monkeypatch.setattr(shop, "run", lambda lines: document)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert shop.application(shop.measure)(arguments) == status
    finally:
        signal.signal(signal.SIGTERM, before)
    path = tmp_path / ("result.json" if kept else "own_files.json")
    assert json.loads(path.read_text()) == document
    assert (tmp_path / "result.json").exists() == kept
    said = capsys.readouterr()
    assert f"== result: {path}\n" in said.out
    assert all(line in said.err for line in document["missed"])


def test_where_it_is_ended_the_command_ends_and_the_servers_are_stopped(tmp_path: Path) -> None:
    """A menu of two targets stands for the real one."""
    (tmp_path / "Makefile").write_text(
        "shop:\n\t@echo $$$$ > started; sleep 60\n"
        "stop:\n\t@echo stop >> stopped; test ! -e work/mark || echo before its folder goes >> stopped\n"
    )
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "mark").touch()
    script = f"""
import sys; from onshelf_benchmarks import shop as o; from pathlib import Path
o.ROOT, o.WORK = Path({str(tmp_path)!r}), Path({str(tmp_path / "work")!r})
sys.exit(o.measure(lines=300))
"""
    with subprocess.Popen([sys.executable, "-c", script]) as ours:
        while not (tmp_path / "started").exists() or not (tmp_path / "started").read_text():
            assert ours.poll() is None
            time.sleep(0.05)
        ours.send_signal(signal.SIGTERM)
        assert ours.wait(20) == 143
    assert (tmp_path / "stopped").read_text() == "stop\nbefore its folder goes\nstop\n"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it is gone, or waits to be buried
        assert not Path("/proc", (tmp_path / "started").read_text().strip(), "cmdline").read_bytes()
