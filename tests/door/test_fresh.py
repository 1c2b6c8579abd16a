"""What `make fresh` gives its clone, and how its times get into README.md."""

import json
import os
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


def test_times_of_a_run_that_failed_are_not_for_the_readme(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"{fresh.BEGIN}\nold\n{fresh.END}\n")
    (tmp_path / "fresh.json").write_text(json.dumps(RESULT | {"failed": "run"}))
    assert "step run failed" in fresh.copy(tmp_path / "fresh.json", tmp_path / "README.md", check=False)
    assert "old" in (tmp_path / "README.md").read_text()


def test_a_readme_with_other_times_is_stale_until_they_are_copied(tmp_path: Path) -> None:
    readme, result = tmp_path / "README.md", tmp_path / "fresh.json"
    readme.write_text(f"before\n{fresh.BEGIN}\nold\n{fresh.END}\nafter\n")
    result.write_text(json.dumps(RESULT))
    assert fresh.copy(result, readme, check=True) == "stale: README.md: run `python setup/fresh.py --copy`"
    assert fresh.copy(result, readme, check=False) == ""
    assert fresh.copy(result, readme, check=True) == ""
    assert readme.read_text().startswith(f"before\n{fresh.BEGIN}\n| Step")
    assert readme.read_text().endswith(f"{fresh.END}\nafter\n")


def test_the_readme_has_the_times_of_the_last_run() -> None:
    command = [sys.executable, ROOT / "setup/fresh.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_stranger_has_an_empty_home_and_cache_and_the_machines_access_to_packages(tmp_path: Path) -> None:
    here = {
        "PATH": "/bin",
        "HOME": "/home/anna",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "PIP_INDEX_URL": "https://packages",
        "PIP_CACHE_DIR": "/full",
    }
    here |= {
        "PYTHONPATH": "/mine",
        "VIRTUAL_ENV": "/mine",
        "ONSHELF_STORE": "mine",
        "MAKEFLAGS": "-j4",
        "MAKELEVEL": "1",
    }
    there = fresh.strangers_environment(tmp_path, here)
    assert there == {
        "PATH": "/bin",
        "PIP_INDEX_URL": "https://packages",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "HOME": str(tmp_path),
        "PIP_CACHE_DIR": str(tmp_path / "pip cache"),
    }


def test_memory_is_that_of_processes_that_work_in_the_folder(tmp_path: Path) -> None:
    held = "x = bytearray(50_000_000); print('up', flush=True); input()"
    command = [sys.executable, "-c", held]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert 50_000_000 < fresh.memory_below(os.path.realpath(tmp_path)) < 200_000_000
        other.communicate(b"\n")
    assert fresh.memory_below(os.path.realpath(tmp_path)) == 0


def test_a_step_that_is_not_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fresh.main(["--parts", "instal"])
    assert "invalid choice: 'instal'" in capsys.readouterr().err
