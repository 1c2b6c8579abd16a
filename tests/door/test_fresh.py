"""What `make fresh` gives its clone, and how its times get into README.md."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fresh
import pytest

ROOT = Path(__file__).parents[2]
RESULT: dict[str, Any] = {
    "commit": "0123456789abcdef",
    "date": "2026-12-01",
    "machine": {
        "processor": "A processor",
        "cores": 2,
        "instructions": ["avx2"],
        "limits": {},
        "memory_gb": 24.0,
        "load": 0.1,
        "python": "3.11.2",
    },
    "steps": {
        "install": {"seconds": 118.0, "memory_gb": 0.6},
        "run": {"seconds": 700.0, "memory_gb": 2.51},
        "again": {"seconds": 19.0, "memory_gb": 1.0},
    },
    "disk_gb": {".venv": 2.2, "var": 0.9},
}


def test_the_section_has_each_step_and_names_those_that_were_not_measured() -> None:
    lines = fresh.section(RESULT).splitlines()
    assert lines[2:5] == [
        "| `make setup`, its first part: installing | 118 s | 0.6 GB |",
        "| `make run` after that | 12 min | 2.5 GB |",
        "| `make run` again | 19 s | 1.0 GB |",
    ]
    assert lines[-1].startswith(
        "`make fresh` on A processor, 2 cores (avx2), load 0.1 at the start, Python 3.11.2, 2026-12"
    )
    assert lines[-1].endswith("3.1 GB of disk afterwards. Not measured: `stop`, `test`, `retest`.")


def test_the_section_says_by_what_a_processor_was_limited() -> None:
    limited = RESULT | {"machine": RESULT["machine"] | {"limits": {"ATEN_CPU_CAPABILITY": "avx2"}}}
    assert " 2 cores (avx2), limited by `ATEN_CPU_CAPABILITY=avx2`, load 0.1 " in fresh.section(limited)


def listened(silent: float) -> dict[str, Any]:
    """The result with the longest time without a new line; `make run` was silent for this long."""
    steps = {name: {**step, "silent_seconds": 3.0} for name, step in RESULT["steps"].items()}
    steps["run"]["silent_seconds"] = silent
    return {**RESULT, "steps": steps}


def test_the_section_has_the_longest_time_without_a_new_line_where_it_was_measured() -> None:
    lines = fresh.section(listened(12.4)).splitlines()
    assert lines[0].endswith("| Time | Memory | Longest time without a new line |")
    assert lines[1] == "| --- | --- | --- | --- |"
    assert lines[3] == "| `make run` after that | 12 min | 2.5 GB | 12 s |"
    assert fresh.section(RESULT).splitlines()[:2] == [
        "| Step, from an empty home and package cache | Time | Memory |",
        "| --- | --- | --- |",
    ]


def test_a_make_run_that_goes_too_long_without_a_new_line_is_not_for_the_readme(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"{fresh.BEGIN}\nold\n{fresh.END}\n")
    (tmp_path / "fresh.json").write_text(json.dumps(listened(15.1)))
    for check in (False, True):
        assert fresh.copy(tmp_path / "fresh.json", tmp_path / "README.md", check=check) == (
            "`make run` (step run) wrote no line for 15.1 s; 15 are allowed: these times are not for the README"
        )
    assert fresh.too_silent(listened(15.0)["steps"]) == ""
    assert fresh.too_silent(RESULT["steps"]) == "", "an older result, which nobody listened to"


def test_times_of_a_run_that_failed_are_not_for_the_readme(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"{fresh.BEGIN}\nold\n{fresh.END}\n")
    (tmp_path / "fresh.json").write_text(json.dumps(RESULT | {"failed": "run"}))
    assert "step run failed" in fresh.copy(tmp_path / "fresh.json", tmp_path / "README.md", check=False)
    assert "old" in (tmp_path / "README.md").read_text()


def test_a_readme_with_other_times_is_stale_until_they_are_copied(tmp_path: Path) -> None:
    readme, result = tmp_path / "README.md", tmp_path / "fresh.json"
    readme.write_text(f"before\n{fresh.BEGIN}\nold\n{fresh.END}\nafter\n")
    left_out = dict.fromkeys(("stop", "test", "retest"), "too long")
    result.write_text(json.dumps({**RESULT, "not_measured": left_out}))
    assert fresh.copy(result, readme, check=True) == "stale: README.md: run `python setup/fresh.py --copy`"
    assert fresh.copy(result, readme, check=False) == ""
    assert fresh.copy(result, readme, check=True) == ""
    assert readme.read_text().startswith(f"before\n{fresh.BEGIN}\n| Step")
    assert readme.read_text().endswith(f"{fresh.END}\nafter\n")


def test_a_step_that_was_not_measured_needs_a_reason(tmp_path: Path) -> None:
    readme, result = tmp_path / "README.md", tmp_path / "fresh.json"
    readme.write_text(f"{fresh.BEGIN}\n{fresh.END}\n")
    result.write_text(json.dumps({**RESULT, "not_measured": {"stop": "nothing to see"}}))
    assert fresh.copy(result, readme, check=False) == ""
    assert "Not measured: `stop` (nothing to see), `test`, `retest`." in readme.read_text()
    assert fresh.copy(result, readme, check=True) == (
        "not measured, and without a reason: test, retest: run `make fresh`, or give WHY"
    )
    result.unlink()
    fresh.copy(result, readme, check=False)
    assert fresh.copy(result, readme, check=True).startswith("not measured, and without a reason: install, run, again")


def test_the_readme_has_the_times_of_the_last_run() -> None:
    """Fails, too, where the result lacks a step without a reason."""
    command = [sys.executable, ROOT / "setup/fresh.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_stranger_has_an_empty_home_and_cache_and_the_machines_access_to_packages(tmp_path: Path) -> None:
    kept = {"PATH": "/bin", "PIP_INDEX_URL": "https://packages", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    mine = {"HOME": "/home/anna", "PIP_CACHE_DIR": "/full", "PYTHONPATH": "/mine", "VIRTUAL_ENV": "/mine"}
    mine |= {"ONSHELF_STORE": "mine", "MAKEFLAGS": "-j4", "MAKELEVEL": "1"}
    own = {"HOME": str(tmp_path), "PIP_CACHE_DIR": str(tmp_path / "pip cache")}
    assert fresh.strangers_environment(tmp_path, kept | mine) == kept | own


def test_memory_is_that_of_processes_that_work_in_the_folder_but_for_those_that_are_left_out(tmp_path: Path) -> None:
    held, folder = "x = bytearray(50_000_000); print('up', flush=True); input()", os.path.realpath(tmp_path)
    command = [sys.executable, "-c", held]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert 50_000_000 < fresh.memory_below(folder) < 200_000_000
        assert fresh.processes_below(folder) == {other.pid}
        assert fresh.memory_below(folder, without={other.pid}) == 0
        other.communicate(b"\n")
    assert fresh.memory_below(folder) == 0


def silence(script: str, folder: Path) -> tuple[int, float, float]:
    return fresh.run_step(["bash", "-c", script], folder, os.environ)


def test_a_step_is_shown_and_its_longest_time_without_a_new_line_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, seconds, silent = silence("echo one; sleep .6; echo two; sleep .2; exit 3", tmp_path)
    assert (status, capsys.readouterr().out) == (3, "one\ntwo\n")
    assert seconds >= 0.8
    assert 0.5 < silent < seconds - 0.1


@pytest.mark.parametrize(
    "script",
    [
        "echo one; sleep .6",  # nothing at the end
        "for i in 1 2 3; do printf .; sleep .2; done; echo",  # dots are no line
    ],
)
def test_what_is_no_line_of_the_log_is_silence(script: str, tmp_path: Path) -> None:
    assert silence(script, tmp_path)[2] > 0.5


def test_lines_on_stderr_are_lines_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, seconds, silent = silence("for i in {1..10}; do echo $i >&2; sleep .2; done", tmp_path)
    assert capsys.readouterr().out == "".join(f"{n}\n" for n in range(1, 11))
    assert silent < seconds / 2


def test_a_server_that_a_step_leaves_behind_does_not_hold_it_up(tmp_path: Path) -> None:
    status, seconds, _ = silence("sleep 20 & echo $! > pid; echo up", tmp_path)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    assert status == 0
    assert seconds < 10


def test_a_step_that_is_not_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fresh.main(["--parts", "instal"])
    assert "invalid choice: 'instal'" in capsys.readouterr().err
