"""Slow tests that passed run again once anything has changed that they can depend on, and only then."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from slow_once import inputs

CONFTEST = """
import slow_once
slow_once.SLOW_SECONDS = 0.2
def pytest_configure(config):
    keeps = "workerinput" not in vars(config)
    config.pluginmanager.register(slow_once.SlowOnce(config.rootpath / "passed.json", "NOW", keeps))
"""
TESTS = """
import pathlib, time, pytest
def ran(name):
    with open(pathlib.Path(__file__).with_name("ran"), "a") as file:
        file.write(name + " ")
def test_fast():
    ran("fast")
def test_slow():
    ran("slow")
    time.sleep(0.3)
def test_slow_and_sometimes_wrong():
    ran("wrong")
    time.sleep(0.3)
    assert not pathlib.Path(__file__).with_name("fails").exists()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST.replace("NOW", "monday"))
    (tmp_path / "test_all.py").write_text(TESTS)
    return tmp_path


def run(project: Path, *options: str) -> tuple[set[str], str, int]:
    """Which tests ran, what was said, and the exit status."""
    (project / "ran").unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options, str(project)]
    done = subprocess.run(
        command, cwd=project, env={"PYTHONPATH": str(Path(__file__).parent), "PATH": ""}, capture_output=True, text=True
    )
    ran = set((project / "ran").read_text().split()) if (project / "ran").exists() else set()
    return ran, done.stdout + done.stderr, done.returncode


@pytest.mark.parametrize("options", [(), ("-n", "2", "--dist", "loadfile")], ids=["one process", "two processes"])
def test_a_slow_test_that_passed_is_left_out_until_something_changes(project: Path, options: tuple[str, ...]) -> None:
    (project / "fails").touch()
    ran, said, status = run(project, *options)
    assert (ran, status) == ({"fast", "slow", "wrong"}, 1), said
    assert "left out" not in said
    ran, said, status = run(project, *options)
    assert (ran, status) == ({"fast", "wrong"}, 1), "what failed runs again"
    assert "1 slow tests were left out" in said
    assert "All tests: make test ALL=1" in said
    (project / "fails").unlink()
    assert run(project, *options)[::2] == ({"fast", "wrong"}, 0)
    assert run(project, *options)[::2] == ({"fast"}, 0)
    (project / "conftest.py").write_text(CONFTEST.replace("NOW", "tuesday"))
    assert run(project, *options)[::2] == ({"fast", "slow", "wrong"}, 0)
    (project / "passed.json").write_text(json.dumps({"inputs": "tuesday"}))
    assert run(project, *options)[::2] == ({"fast", "slow", "wrong"}, 0), "a record that cannot be read"


def test_whatever_a_test_can_depend_on_counts(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    assert inputs(tmp_path / "..", {}) is None or (tmp_path / ".." / ".git").exists()
    git("init")
    (tmp_path / ".gitignore").write_text("/var/\n")
    (tmp_path / "code.py").write_text("a = 1\n")
    (tmp_path / "README.md").write_text("Words\n")
    git("add", ".")
    seen = [inputs(tmp_path, {"HOME": "/a"})]
    assert seen[0] is not None

    (tmp_path / "README.md").write_text("Other words\n")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "kept.json").write_text("{}")
    assert inputs(tmp_path, {"HOME": "/b"}) == seen[0], "documents, what runs leave, other variables"

    (tmp_path / "code.py").write_text("a = 2\n")
    seen.append(inputs(tmp_path, {}))
    (tmp_path / "new.py").write_text("b = 1\n")
    seen.append(inputs(tmp_path, {}))
    (tmp_path / "new.py").rename(tmp_path / "renamed.py")
    seen.append(inputs(tmp_path, {}))
    (tmp_path / "code.py").unlink()
    seen.append(inputs(tmp_path, {}))
    seen.append(inputs(tmp_path, {"ATEN_CPU_CAPABILITY": "avx2"}))
    assert len(set(seen)) == len(seen)
