"""The separate environment: what it holds, that it is built once, and what is said where it cannot be."""

import re
import subprocess
from pathlib import Path

import pytest

from onshelf_local_triton import InstallError, LocalTriton
from onshelf_local_triton.__main__ import main
from onshelf_local_triton.environment import CONSTRAINTS, check_glibc, find_libpython


def test_it_holds_the_pinned_packages_and_no_other(venv: Path) -> None:
    command = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "list", "--format=freeze"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    pinned = [line.partition("#")[0].strip() for line in CONSTRAINTS.read_text().splitlines()]
    assert {line for line in listed if not re.match("pip==|setuptools==", line)} == set(filter(None, pinned))


def test_installing_again_does_nothing(venv: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (venv / "triton").rglob("*") if path.is_file()}
    assert before
    assert main(["install", "--venv", str(venv)]) == 0
    output = capfd.readouterr()
    assert output.out.startswith(f"local Triton installed in {venv} (Python 3.")
    assert output.err == ""  # no pip
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("")
    assert main(["install", "--venv", str(tmp_path / "photos")]) == 2
    assert "exists and is not a virtual environment" in capsys.readouterr().err
    assert (tmp_path / "photos" / "one.jpg").exists()


def test_without_the_environment_a_start_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"is not installed in .*: run `onshelf-local-triton install --venv "):
        LocalTriton(tmp_path, tmp_path / "run", venv=tmp_path / "none").start()


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("glibc 2.34", r"glibc is 2\.34, the local Triton's binary needs >= 2\.35"),
        ("glibc 1.99", r"glibc is 1\.99"),
        ("", r"not glibc: the local Triton's binary needs glibc >= 2\.35"),
    ],
)
def test_an_old_or_other_c_library_is_named(version: str, message: str) -> None:
    with pytest.raises(InstallError, match=message):
        check_glibc(version)


@pytest.mark.parametrize("version", ["glibc 2.35", "glibc 2.100", "glibc 3.0"])
def test_a_new_enough_c_library_is_accepted(version: str) -> None:
    check_glibc(version)


def test_the_shared_libpython_is_found_or_its_absence_explained(tmp_path: Path) -> None:
    library = tmp_path / "libpython3.11.so.1.0"
    library.touch()
    assert find_libpython("3.11", ["", "/nowhere", str(tmp_path)]) == library
    with pytest.raises(InstallError, match=r"no libpython3\.2\.so\.1\.0 in /nowhere .* package libpython3\.2;"):
        find_libpython("3.2", ["/nowhere"])
