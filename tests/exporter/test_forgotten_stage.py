"""What holds forgotten users on disk is named and removed, but for what may be served."""

import os
from pathlib import Path

import pytest

from onshelf_exporter.cli import main
from onshelf_gateway.store.database import Store
from onshelf_gateway.store.events import forget_user
from onshelf_gateway.testing import write_fake_release


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store in which one user of the fake releases was forgotten."""
    path = tmp_path / "store.db"
    opened = Store(f"sqlite:///{path}")
    opened.open()
    with opened.writing() as connection:
        forget_user(connection, "H00003", "receipt")
    opened.close()
    return path


def test_the_newest_production_release_is_kept(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]):
    for version, role in ((1, "production"), (2, "replay"), (3, "production")):
        write_fake_release(tmp_path / "releases", version, role=role)
    places = {name: tmp_path / name for name in ("data", "runs", "releases", "repository")}
    stage = ["forgotten", f"--store={store}", *(f"--{name}={path}" for name, path in places.items())]
    assert main(stage) == 1
    named = capsys.readouterr().out.splitlines()
    assert named[:-1] == [f"{tmp_path / 'releases' / str(version)}: 1 users" for version in (1, 2, 3)]
    assert named[-1] == "1 forgotten users; 3 folders hold any of them"
    assert main([*stage, "--remove"]) == 1
    assert f"{tmp_path / 'releases' / '3'}: 1 users: kept, it may be served" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "releases").iterdir() if path.name.isdigit()] == ["3"]


def test_a_run_that_was_begun_before_and_not_finished_is_named(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
):
    for name, time in (("default-old", 0), ("default-new", 4_000_000_000), ("encoder-old", 0)):
        folder = tmp_path / "runs" / name / "production"
        folder.mkdir(parents=True)
        os.utime(folder.parent, (time, time))
    places = {name: tmp_path / name for name in ("data", "runs", "releases", "repository")}
    stage = ["forgotten", f"--store={store}", *(f"--{name}={path}" for name, path in places.items())]
    assert main(stage) == 1
    said = capsys.readouterr().out
    assert f"{tmp_path / 'runs' / 'default-old'}: begun before the last forgetting, not finished\n" in said
    assert "1 folders hold any of them" in said
