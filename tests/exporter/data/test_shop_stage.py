"""`onshelf-exporter shop`: what is refused early, and when files are read anew."""

import argparse
from pathlib import Path

import pytest

from onshelf_exporter.cli import main
from onshelf_exporter.process.errors import SettingError
from onshelf_exporter.shop import stage
from onshelf_exporter.shop.page import Step
from onshelf_exporter.shop.stage import fingerprint

SALES = "date,product,units\n2024-01-01,a,1\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--recipe", "no_such"], "no_such"), (["--name", "my shop"], "letters, digits, - and _ only")],
)
def test_a_wrong_argument_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    root = tmp_path / "shops"
    command = ["shop", str(tmp_path / "sales.csv"), "--currency", "EUR", "--root", str(root), *arguments]
    assert main(command) == 2
    assert said in capsys.readouterr().err
    assert not root.exists()


def test_files_are_read_anew_when_they_or_the_options_change(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text(SALES)
    first = fingerprint([file], ["--currency", "EUR"])
    assert first == fingerprint([file], ["--currency", "EUR"]) == fingerprint([tmp_path], ["--currency", "EUR"])
    assert first != fingerprint([file], ["--currency", "USD"])
    file.write_text(SALES + "2024-01-02,a,1\n")
    assert first != fingerprint([file], ["--currency", "EUR"])
    with pytest.raises(SettingError, match="cannot be read"):
        fingerprint([tmp_path / "none.csv"], [])


@pytest.mark.parametrize(("given", "passed"), [([], []), (["--weeks", "9", "14"], ["--weeks", "9", "14"])])
def test_the_weeks_to_measure_reach_the_stage_that_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], passed: list[str]
) -> None:
    asked: dict[str, list[str]] = {}

    def step(name: str, arguments: list[str], *_: object, **__: object) -> Step:
        asked[name] = arguments
        return Step(name, 0.0, "")

    monkeypatch.setattr(stage, "_step", step)
    monkeypatch.setattr(stage, "_identity", lambda *_: ["a run"])
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    args = parser.parse_args([str(tmp_path), "--currency", "EUR", *given])
    (tmp_path / "reports").mkdir()
    monkeypatch.setattr(stage.shutil, "rmtree", lambda *_, **__: None)
    names = ("tables", "data", "runs", "releases", "repository", "reports", "cache")
    stage._steps(args, stage.Folders(root=tmp_path, **{name: tmp_path / name for name in names}), [])
    assert asked["evaluate"][asked["evaluate"].index("--openings") + 2 :] == passed


def test_what_is_said_to_the_doctor_is_said_by_the_shop(tmp_path: Path) -> None:
    stated = [
        "--launches=burn_in_weeks=6",
        "--decimal=,",
        "--accept=sku",
        "--week-start=sunday",
        "--timezone=Europe/Paris",
    ]
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    args = parser.parse_args([str(tmp_path), "--currency", "EUR", *stated, "--first-day", "2024-01-07"])
    assert sorted(stage.reading_options(args)) == sorted([*stated, "--first-day=2024-01-07"])
