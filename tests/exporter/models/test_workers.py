"""Work side by side gives what work in turn gives, and fails as it does."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info

from onshelf_exporter.process import memory
from onshelf_exporter.process.errors import ExporterError, SettingError
from onshelf_exporter.training.run_arguments import run_recipe
from onshelf_exporter.training.workers import MEMORY_EACH, side_by_side

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes import this module by the name that it has here."""
    monkeypatch.syspath_prepend(str(ROOT))


def place(number: int) -> tuple[int, int, int]:
    return number, os.getpid(), torch.get_num_threads()


def blas(number: int) -> set[int]:
    import scipy.linalg  # noqa: F401  # brings a copy of OpenBLAS of its own, after the process was set up

    return {int(library["num_threads"]) for library in threadpool_info() if library["user_api"] == "blas"}


def refuse(number: int) -> int:
    if number == 2:
        raise SettingError("--number", number, "must not be 2")
    return number


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_later(path: str) -> None:
    Path(path).with_suffix(".started").touch()
    time.sleep(4)
    Path(path).touch()


def test_each_piece_has_a_process_and_its_share_of_threads() -> None:
    found = side_by_side(place, [1, 2], threads=2)
    assert [number for number, _, _ in found] == [1, 2]
    assert os.getpid() not in {process for _, process, _ in found}
    assert {threads for _, _, threads in found} == {1}


def test_they_are_done_in_turn_where_memory_for_two_is_not_free(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("onshelf_exporter.process.memory.free", lambda: 2 * MEMORY_EACH - 1)
    assert {process for _, process, _ in side_by_side(place, [1, 2], threads=2)} == {os.getpid()}
    assert capsys.readouterr().err == "memory: 4.0 GB are free, so 1 at a time\n"


@pytest.mark.parametrize(("most", "free"), [("max", 3_000 << 10), ("1500000", 700_000), ("700000", 0)])
def test_free_memory_is_that_of_the_machine_or_of_the_control_group(tmp_path: Path, most: str, free: int) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  9000 kB\nMemFree:   1 kB\nMemAvailable:   3000 kB\n")
    assert memory.free(tmp_path / "none", meminfo) == 3_000 << 10
    for folder, limit, held, cached in (
        (tmp_path / "two", "memory.max", "memory.current", "inactive_file"),
        (tmp_path / "one" / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        folder.mkdir(parents=True)
        (folder / limit).write_text(f"{most if folder.name == 'two' else most.replace('max', str(1 << 60))}\n")
        (folder / held).write_text("1000000\n")
        (folder / "memory.stat").write_text(f"anon 5\n{cached} 200000\n")
    assert memory.free(tmp_path / "two", meminfo) == memory.free(tmp_path / "one", meminfo) == free


def test_free_memory_is_at_most_what_the_setting_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONSHELF_MEMORY_GB", str((memory.held() + 300e6) / 1e9))
    assert 100e6 < memory.free() < 500e6, "less what this process holds"
    monkeypatch.setenv("ONSHELF_MEMORY_GB", "0.01")
    assert memory.free() == 0
    for wrong in ("4GB", "0", "-1", "nan"):
        monkeypatch.setenv("ONSHELF_MEMORY_GB", wrong)
        with pytest.raises(SettingError, match="must be a number of gigabytes above 0"):
            memory.free()
    with pytest.raises(SettingError, match="must be a number of gigabytes above 0"):
        run_recipe(argparse.Namespace(precision=None, recipe="default"))


def test_memory_that_is_no_longer_held_goes_back_to_the_system() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    held = [bytearray(60_000) for _ in range(4_000)]  # pieces that the C library keeps when they are freed
    full = resident()
    del held
    memory.give_back()
    assert resident() < full - 200_000_000


def test_the_threads_of_numpy_and_scipy_are_shared_out_too() -> None:
    assert side_by_side(blas, [1, 2], threads=2) == [{1}, {1}]


@pytest.mark.parametrize(("items", "threads"), [([1], 2), ([1, 2], 1), ([], 2)])
def test_one_piece_or_one_thread_needs_no_other_process(items: list[int], threads: int) -> None:
    assert {process for _, process, _ in side_by_side(place, items, threads)} <= {os.getpid()}


def test_an_error_comes_through_as_it_is() -> None:
    with pytest.raises(ExporterError, match="--number = 2: must not be 2"):
        side_by_side(refuse, [1, 2], threads=2)


def test_a_killed_process_is_told() -> None:
    with pytest.raises(ExporterError, match="killed"):
        side_by_side(die, [1, 2], threads=2)


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    files = [str(tmp_path / "one"), str(tmp_path / "two")]
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_workers import write_later\n"
        "from onshelf_exporter.training.workers import side_by_side\n"
        "if __name__ == '__main__':\n"
        "    side_by_side(write_later, sys.argv[2:], 2)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, str(script), str(Path(__file__).parent), *files])
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.started"))) < 2:
        assert time.monotonic() < deadline, "the pieces did not start"
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    time.sleep(5)
    assert not any(Path(file).exists() for file in files)
