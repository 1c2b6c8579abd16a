"""Processes found and ended by the token in their command lines, whatever else runs on the machine."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onshelf_local_triton import processes


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of somebody else."""
    running = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield running
    running.kill()
    running.wait()


def test_a_process_whose_name_is_no_text_disturbs_nobody(tmp_path: Path) -> None:
    named = str(tmp_path / "счётчикпокупок")  # cut within its eighth letter
    shutil.copy(str(shutil.which("sleep")), named)
    running = subprocess.Popen([named, "60"])
    try:
        while not processes.command_line(running.pid):  # the kernel shows it a moment after the start
            time.sleep(0.001)
        with pytest.raises(UnicodeDecodeError):
            Path(f"/proc/{running.pid}/stat").read_text(encoding="utf-8")
        assert processes.model_processes(os.getpid()) == []
        assert processes.having(named) == [running.pid]
    finally:
        running.kill()
        running.wait()


def test_a_process_that_got_the_pid_of_one_that_ended_is_left_alone(
    bystander: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    token = "onshelf-ended"
    processes.kill(bystander.pid, token)
    ended = processes.spawn(["true"], {}, tmp_path / "log", token)
    child = processes._children[token][ended]
    child.wait()
    child.pid = bystander.pid  # as the kernel may give it again
    processes._children[token] = {bystander.pid: child}
    assert not processes.alive(bystander.pid, token)
    processes.kill_all(token)
    assert bystander.poll() is None


def test_what_is_killed_is_gone_at_once(tmp_path: Path) -> None:
    token = "onshelf-token-of-a-test"
    command = [sys.executable, "-c", "import time; time.sleep(60)", token]
    first, second = (processes.spawn(command, dict(os.environ), tmp_path / "log", token) for _ in range(2))
    processes.kill(first, token)
    assert processes.having(token) == [second]
    processes.kill_all(token)
    assert processes.having(token) == []
