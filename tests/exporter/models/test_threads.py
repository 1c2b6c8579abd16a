"""Threads: as many as a process may use, fewer where somebody says so."""

import os
import subprocess
import sys

import pytest

from onshelf_exporter.process import threads
from onshelf_exporter.process.errors import SettingError
from onshelf_exporter.training.recipe import load_recipe


@pytest.mark.parametrize(
    ("wanted", "available", "most", "count"),
    [("auto", 8, 0, 8), ("auto", 8, 2, 2), ("auto", 1, 2, 1), ("4", 8, 0, 4), ("4", 8, 2, 2), ("16", 8, 0, 8)],
)
def test_the_least_bound_counts(wanted: str, available: int, most: int, count: int) -> None:
    assert threads.choose(wanted, available, most) == count


@pytest.mark.parametrize("wanted", ["0", "-1", "two", ""])
def test_a_setting_that_is_no_number_is_refused(wanted: str) -> None:
    with pytest.raises(SettingError, match=r"ONSHELF_THREADS.*auto or a number of at least 1"):
        threads.choose(wanted, 2)


def test_recipes_take_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {load_recipe(name).threads for name in ("default", "full", "multilingual", "test")} == {0}
    monkeypatch.setenv(threads.SETTING, "1")
    assert threads.usable() == 1


def test_cores_that_a_process_may_not_run_on_do_not_count() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from onshelf_exporter.process import threads; print(threads.said(threads.usable()))"
    env = {name: value for name, value in os.environ.items() if name != threads.SETTING}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert out.stdout == "threads: 1 of 1 usable cores\n"
