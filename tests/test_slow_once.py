"""Slow tests that passed run again once anything has changed that they can depend on, and only then."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from slow_once import inputs

CONFTEST = """
import os, pathlib, slow_once
slow_once.SLOW_SECONDS = 0.7
def pytest_addoption(parser):
    parser.addoption("--slow-once", action="store_true")
def pytest_configure(config):
    slow_once.register(config, config.rootpath, config.rootpath / "var" / "passed.json", dict(os.environ))
"""
TESTS = """
import pathlib, time, pytest
HERE = pathlib.Path(__file__).parent
def ran(name):
    with open(HERE / "var" / "ran", "a") as file:
        file.write(name + " ")
def test_fast():
    ran("fast")
def test_slow():
    ran("slow")
    time.sleep(0.8)
@pytest.fixture
def breaks():
    yield
    assert not (HERE / "var" / "breaks").exists()
def test_that_breaks(breaks):
    ran("breaks")
    time.sleep(0.8)
@pytest.mark.always
def test_of_an_index():
    ran("index")
    time.sleep(0.8)
def test_that_changes_its_own_inputs():
    ran("changes")
    if (HERE / "var" / "changes").exists():
        (HERE / "product.py").write_text("changed")
    assert not (HERE / "var" / "fails").exists()
"""
ALL = {"fast", "slow", "breaks", "index", "changes"}


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git(tmp_path, "init")
    (tmp_path / ".gitignore").write_text("/var/\n__pycache__\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_all.py").write_text(TESTS)
    (tmp_path / "product.py").write_text("a = 1\n")
    (tmp_path / "var").mkdir()
    return tmp_path


def run(project: Path, *options: str) -> tuple[set[str], str, int]:
    """Which tests ran, what was said, and the exit status."""
    ran = project / "var" / "ran"
    ran.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options, str(project)]
    environment = {"PYTHONPATH": str(Path(__file__).parent), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    return set(ran.read_text().split()) if ran.exists() else set(), done.stdout + done.stderr, done.returncode


@pytest.mark.parametrize("processes", [(), ("-n", "2", "--dist", "loadfile")], ids=["one process", "two processes"])
def test_a_slow_test_that_passed_is_left_out_until_something_changes(project: Path, processes: tuple[str, ...]) -> None:
    once = ("--slow-once", *processes)
    (project / "var" / "breaks").touch()
    ran, said, status = run(project, *once)
    assert (ran, status) == (ALL, 1), said
    assert "left out" not in said
    ran, said, status = run(project, *once)
    assert (ran, status) == ({"fast", "breaks", "index", "changes"}, 1), "what failed, be it after its end, runs again"
    assert re.search(r"1 slow tests were left out \(\d s of tests\)", said)
    assert said.count("All tests: make test ALL=1") == 1
    if processes:
        return  # what follows is of one process alone
    (project / "var" / "breaks").unlink()
    assert run(project, *once)[::2] == ({"fast", "breaks", "index", "changes"}, 0)
    assert run(project, *once)[::2] == ({"fast", "index", "changes"}, 0)

    (project / "var" / "breaks").touch()
    assert run(project, *processes)[::2] == (ALL, 1), "all where nobody asks for less"
    assert run(project, *once)[::2] == ({"fast", "breaks", "index", "changes"}, 1), "what failed there runs again"

    (project / "product.py").write_text("a = 2\n")
    assert run(project, *once)[::2] == (ALL, 1)


def test_what_passes_while_code_changes_is_not_remembered(project: Path) -> None:
    assert run(project, "--slow-once")[::2] == (ALL, 0)
    kept = (project / "var" / "passed.json").read_text()
    [passed] = json.loads(kept).values()
    assert len(passed) == 3
    (project / "product.py").write_text("a = 2\n")
    (project / "var" / "changes").touch()
    ran, said, status = run(project, "--slow-once")
    assert (ran, status) == (ALL, 0)
    assert "changed meanwhile: what passed is not remembered" in said
    assert (project / "var" / "passed.json").read_text() == kept, "with which code they passed is not known"
    (project / "product.py").write_text("a = 1\n")
    (project / "var" / "fails").touch()
    assert run(project, "--slow-once")[::2] == ({"fast", "index", "changes"}, 1), "the code of the first run again"
    (project / "var" / "passed.json").write_text('{"inputs": "what another version wrote"}')
    ran, said, _ = run(project, "--slow-once")
    assert ran == ALL, said


def test_whatever_a_test_can_depend_on_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project, "add", ".")
    (project / "README.md").write_text("Words\n")
    seen = [inputs(project, {"SHLVL": "1"})]
    assert seen[0] is not None
    (project / "var" / "kept.json").write_text("{}")
    assert inputs(project, {"SHLVL": "2", "PYTHONUNBUFFERED": "1"}) == seen[0], "what runs leave, other variables"

    (project / "README.md").write_text("Other words\n")  # tests run its commands
    seen.append(inputs(project, {}))
    (project / "product.py").write_text("a = 2\n")
    seen.append(inputs(project, {}))
    (project / "product.py").chmod(0o755)
    seen.append(inputs(project, {}))
    (project / "new.py").write_text("b = 1\n")
    seen.append(inputs(project, {}))
    (project / "new.py").rename(project / "renamed.py")
    seen.append(inputs(project, {}))
    (project / "product.py").unlink()
    seen.append(inputs(project, {}))
    seen.append(inputs(project, {"ATEN_CPU_CAPABILITY": "avx2"}))
    git(project, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-m", "all")
    git(project, "tag", "v0.1.0")
    seen.append(inputs(project, {}))
    package = project / "var" / "something-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: something\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(project / "var")
    seen.append(inputs(project, {}))
    (project / ".venv-triton" / "lib" / "python3.11").mkdir(parents=True)
    shutil.copytree(project / "var", project / ".venv-triton" / "lib" / "python3.11" / "site-packages")
    with (project / ".gitignore").open("a") as ignored:
        ignored.write("/.venv-triton/\n")
    seen.append(inputs(project, {}))
    shutil.rmtree(project / ".venv-triton")
    seen.append(inputs(project, {}))
    assert len(set(seen)) == len(seen)


def test_without_git_nothing_is_known_to_be_unchanged(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(project / "nowhere"))
    assert inputs(project, {}) is None
    monkeypatch.setenv("PATH", str(project))
    assert inputs(project, {}) is None
