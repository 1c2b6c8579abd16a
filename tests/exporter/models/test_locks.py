import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from onshelf_exporter.process.locks import exclusive

HOLD = """
import sys
from pathlib import Path
from onshelf_exporter.process.locks import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_waits_until_the_first_ends(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (tmp_path / ".lock").open("a") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        first.kill()
    with exclusive(tmp_path):
        assert (tmp_path / ".lock").exists()
