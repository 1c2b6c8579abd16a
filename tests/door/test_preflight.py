"""What is refused before anything is downloaded, and in which words."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import preflight
import pytest
from preflight import PARTS, Machine, problems, sizes

ROOT = Path(__file__).parents[2]
HERE, ELSEWHERE = Path("/home/anna/my shop"), Path("/tmp")
GB = 10**9


def machine(**changes: object) -> Machine:
    """A machine that has everything and nothing installed; 100 GB free on one disk."""
    has = {
        "python": (3, 11),
        "implementation": "CPython",
        "has_venv": True,
        "triton": "",
        "memory": 16 * GB,
        "free": lambda folder: (1, 100 * GB),
        "installed": lambda stamp: False,
        "downloads": (ELSEWHERE,),
        "taken": lambda port: "",
    }
    return Machine(**{**has, **changes})  # type: ignore[arg-type]


def refused(**changes: object) -> list[str]:
    return problems(machine(**changes), ["run", "triton"], [50051], HERE)


def test_a_machine_that_has_everything_is_told_the_sizes() -> None:
    assert refused() == []
    download, disk = (sum(getattr(PARTS[p], kind) for p in ("run", "triton")) for kind in ("download", "disk"))
    assert sizes(machine(), ["run", "triton"], HERE) == (
        f"Up to {download * 2**20 / 1e9:.1f} GB to download, {disk * 2**20 / 1e9:.1f} GB of disk in {HERE} "
        "(100.0 GB free)"
    )


def test_the_readme_says_these_sizes() -> None:
    said = re.search(r"([\d.]+ GB) to download, ([\d.]+ GB) of disk", sizes(machine(), ["run", "triton"], HERE))
    assert said is not None
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"what it downloads (up to {said[1]}) and takes on disk ({said[2]})" in text


@pytest.mark.parametrize("python", [(3, 12), (3, 11)])
def test_these_pythons_are_taken(python: tuple[int, int]) -> None:
    assert refused(python=python) == []


@pytest.mark.parametrize(
    ("implementation", "python", "named"),
    [("CPython", (3, 10), "CPython 3.10"), ("CPython", (3, 13), "CPython 3.13"), ("PyPy", (3, 11), "PyPy 3.11")],
)
def test_another_python_is_refused_and_nothing_else_is_looked_at(
    implementation: str, python: tuple[int, int], named: str
) -> None:
    (line,) = refused(implementation=implementation, python=python, memory=1, has_venv=False)
    assert line.startswith(f"this is {named}: Onshelf runs on CPython 3.11 and 3.12")
    assert "PYTHON=" in line


def test_a_python_without_ensurepip_names_the_package() -> None:
    assert refused(has_venv=False, python=(3, 12)) == [
        "Python has no ensurepip, so no environment can be made: on Debian and Ubuntu install python3.12-venv"
    ]


def test_what_keeps_the_local_triton_away_is_said_as_it_says_it() -> None:
    assert refused(triton="glibc is 2.31, ...") == ["glibc is 2.31, ..."]
    assert problems(machine(triton="glibc is 2.31, ..."), ["evaluate"], [], HERE) == []


def test_too_little_memory() -> None:
    need = PARTS["run"].memory * 2**20
    assert refused(memory=need) == []
    assert refused(memory=GB) == [f"too little memory: needs {need / 1e9:.1f} GB, has 1.0 GB"]


def test_folders_on_one_disk_share_its_space() -> None:
    need = sum(PARTS[part].disk + PARTS[part].download for part in ("run", "triton")) * 2**20
    assert refused(free=lambda folder: (1, need)) == []
    assert refused(free=lambda folder: (1, need - 1)) == [
        f"too little disk: needs {need / 1e9:.1f} GB, has {(need - 1) / 1e9:.1f} GB in {HERE}"
    ]


def test_a_small_folder_for_temporary_files_is_named() -> None:
    def free(folder: Path) -> tuple[int, int]:
        return (2, GB // 10) if folder == ELSEWHERE else (1, 100 * GB)

    download = sum(PARTS[part].download for part in ("run", "triton")) * 2**20
    assert refused(free=free) == [f"too little disk: needs {download / 1e9:.1f} GB, has 0.1 GB in {ELSEWHERE}"]


def test_pytorchs_build_with_cuda_needs_its_disk_beside_that_of_the_rest() -> None:
    parts = [PARTS["run"], PARTS["triton"], preflight.CUDA]
    need = sum(part.disk + part.download for part in parts) * 2**20
    assert preflight.too_small(parts, HERE, [ELSEWHERE], lambda folder: (1, need)) == []
    assert preflight.too_small(parts, HERE, [ELSEWHERE], lambda folder: (1, need - 1)) == [
        f"too little disk: needs {need / 1e9:.1f} GB, has {(need - 1) / 1e9:.1f} GB in {HERE}"
    ]
    assert refused(free=lambda folder: (1, need - 1)) == [], "nobody knows yet which build it will be"


def test_nothing_is_asked_of_a_machine_where_all_is_installed() -> None:
    everything = {"installed": lambda stamp: True, "free": lambda folder: (1, 0), "memory": 1, "has_venv": False}
    assert refused(**everything) == []
    assert sizes(machine(**everything), ["run", "triton"], HERE) == ""


def test_all_that_is_missing_is_said_at_once() -> None:
    lines = refused(memory=1, has_venv=False, taken=lambda port: f"port {port} is taken", free=lambda folder: (1, 0))
    assert [line.split()[0] for line in lines] == ["Python", "too", "too", "port"]


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that another program listens at."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_of_another_program_is_refused_before_anything_else_is_done(listener: int) -> None:
    command = [sys.executable, ROOT / "setup/preflight.py", "--port", str(listener)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"refused: port {listener} is taken by another program: choose others by "
        "`make ... GATEWAY_PORT=50052 METRICS_PORT=8503`\n"
    )


def test_the_ports_of_our_own_gateway_are_free(listener: int, tmp_path: Path) -> None:
    """It is stopped before the next one starts. A pid that another program has since is not ours."""
    name = tmp_path / "onshelf-gateway"
    name.symlink_to("/bin/sh")
    written = tmp_path / "gateway.address"
    with subprocess.Popen([name, "-c", "echo up; read end"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        assert ours.stdout.readline() == b"up\n"
        written.write_text(json.dumps({"address": f"127.0.0.1:{listener}", "metrics": None, "pid": ours.pid}))
        assert preflight.own_ports(written) == {listener}
        ours.communicate()
    written.write_text(json.dumps({"address": f"127.0.0.1:{listener}", "metrics": "127.0.0.1:1", "pid": os.getpid()}))
    assert preflight.own_ports(written) == set()
    assert preflight.own_ports(tmp_path / "none") == set()


def test_a_container_has_the_memory_of_its_control_group(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       16000000 kB\nMemFree:  1 kB\n")
    assert preflight.memory(tmp_path, tmp_path / "meminfo") == 16000000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert preflight.memory(tmp_path, tmp_path / "meminfo") == 16000000 * 1024
    (tmp_path / "memory.max").write_text("2147483648\n")
    assert preflight.memory(tmp_path, tmp_path / "meminfo") == 2147483648


def test_a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above_it(tmp_path: Path) -> None:
    assert preflight.free(tmp_path / "not" / "there")[0] == tmp_path.stat().st_dev


def test_tests_run_in_two_processes_where_there_are_cores_and_memory_for_two() -> None:
    assert preflight.test_processes(24 * GB, cores=2) == 2
    assert preflight.test_processes(24 * GB, cores=1) == 1
    assert preflight.test_processes(16 * GB, cores=8) == 1


def test_the_menu_asks_how_many_processes_the_tests_run_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert preflight.main(["--test-processes"]) == 0
    assert capsys.readouterr().out in ("1\n", "2\n")
