"""What files leave open has a setting that answers it, and what cannot be learned from is not usable."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from shop_files import run_doctor, text_file, weekly_lines

from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.process.errors import ExporterError, SettingError
from onshelf_exporter.training.recipe import load_recipe
from onshelf_exporter.training.train import train

HEADER = "order date,customer,sku,item name,quantity,amount"


def history(path: Path, weeks: int) -> Path:
    """A product sold from the first week on, and a new one in every fourth week."""
    lines = weekly_lines(weeks, HEADER, "{day},u{n},old,Old tea,2,8.50")
    new = weekly_lines(weeks, "", "{day},u{n},new{n},Tea number {n},1,4.25").splitlines()[1::4]
    return text_file(path, "\n".join([lines, *new]))


def test_what_is_usable_can_be_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enough, short = history(tmp_path / "enough.csv", 30), history(tmp_path / "short.csv", 3)
    assert run_doctor(enough, sample=False) == 0
    assert run_doctor(short, "--write", tmp_path / "none", "--currency", "EUR", sample=False) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "launches: 0 with 8 whole weeks of sales in the data, and at least 2 are needed to learn from" in said
    assert not (tmp_path / "none").exists()
    assert run_doctor(short, "--write", tmp_path / "sample", "--currency", "EUR") == 0
    assert "As a sample alone: 0 launches could be learned from." in capsys.readouterr().out

    data = prepare("sample", tmp_path / "data", adapter="parquet", source=tmp_path / "sample")
    with pytest.raises(ExporterError, match=r"production .*, 0 complete launches\); a cut needs 2 launches"):
        train(data, load_recipe("default"), tmp_path / "runs", ["replay", "production"])
    assert not any((tmp_path / "runs").glob("*")), "nothing is trained before it is refused"


@pytest.mark.parametrize(
    ("lines", "question", "answers"),
    [
        (
            "{day},u{n},tea,Tea,1,1.{n:03}",
            "amount",
            ["--decimal=.", "--decimal=amount=,", "--accept=amount", "--accept=sales.csv:amount"],
        ),
        ("{day},u{n},tea,Tea,1,2.50", "weekly-sales", ["--accept=weekly-sales"]),
        ("0{n}/0{n}/2024,u{n},tea,Tea,1,2.50", "", []),
        ("0{n}/02/2024,u{n},tea,Tea,1,2.50", "order date", ["--date-format=%d/%m/%Y", "--accept=order date"]),
    ],
    ids=["decimals", "weeks", "none", "day and month"],
)
def test_each_question_has_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, question: str, answers: list[str]
) -> None:
    days = [*weekly_lines(9, HEADER, lines).splitlines()[:1], *weekly_lines(10, "", lines).splitlines()[2:]]
    sales = text_file(tmp_path / "sales.csv", "\n".join(days))
    other = [] if question == "weekly-sales" or "day}" not in lines else ["--accept=weekly-sales"]
    assert run_doctor(sales, "--strict", *other) == (1 if question else 0)
    said = capsys.readouterr().out
    assert (f"  - {question}: " in said) == bool(question)
    for answer in answers:
        assert run_doctor(sales, "--strict", *other, answer) == 0, answer
        assert (f"Accepted: {question}: " in capsys.readouterr().out) == answer.startswith("--accept")


def test_a_column_that_is_left_out_is_not_asked_about(tmp_path: Path) -> None:
    lines = [HEADER.replace("amount", "kassiert")]
    lines += [f"2024-01-{day:02},u{day},tea,Tea,1,{day}.50" for day in range(1, 20)]
    sales = text_file(tmp_path / "sales.csv", "\n".join(lines))
    assert run_doctor(sales, "--strict") == 1
    for answer in ("--map=kassiert=", "--accept=no-revenue", "--map=kassiert=revenue"):
        assert run_doctor(sales, "--strict", answer) == 0, answer


def test_numbers_of_a_spreadsheet_are_numbers(tmp_path: Path) -> None:
    book = tmp_path / "sales.xlsx"
    rows = [(f"2024-01-{day:02}", f"u{day}", "tea", "Tea", 1, 2.375) for day in range(1, 20)]
    pd.DataFrame(rows, columns=HEADER.split(",")).to_excel(book, index=False)
    with pytest.raises(SettingError, match="in spreadsheets numbers are numbers"):
        run_doctor(book, "--decimal", ",")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (["--last-day", "2042-07-28"], "sales are from 2024-01-01 to 2024-07-22; it must lie within a week"),
        (["--first-day", "2023-06-01"], "it must lie within a week"),
        (["--first-day", "2024-06-01", "--last-day", "2024-05-01"], "is after last_day, 2024-05-01"),
        (["--map", "order date=week_start", "--week-start", "sunday"], "begin on monday"),
        (["--launches", "burn_in_weeks=99"], "must be less than the"),
        (["--launches", "burn_in_weeks=Infinity"], "whole weeks, 0 or more"),
        (["--dataset", "tea"], "needs --data"),
        (["--write", "shop", "--data", "data", "--dataset", "a/b"], "letters, digits"),
    ],
)
def test_a_wrong_setting_is_no_fault_of_the_files(tmp_path: Path, stated: list[str], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        run_doctor(history(tmp_path / "sales.csv", 30), *stated)


def test_an_answer_to_nothing_is_refused(tmp_path: Path) -> None:
    sales = text_file(tmp_path / "sales.csv", "date,sku,item name,units\n2024-01-01,tea,Tea,1")
    with pytest.raises(SettingError, match="no question of the doctor has this name"):
        run_doctor(sales, "--accept", "amount")
    with pytest.raises(SettingError, match="no column of numbers in a text file"):
        run_doctor(sales, "--decimal", "price=,")
    with pytest.raises(SettingError, match="must be the sign before decimals"):
        run_doctor(sales, "--decimal", ";")


def test_the_calendar_and_the_launch_rule_reach_the_shop(tmp_path: Path) -> None:
    sales = history(tmp_path / "in" / "sales.csv", 30)
    (tmp_path / "in" / "shop.json").write_text('{"currency": "EUR", "launches": {"least_units": 1}}')
    stated = ["--launches", "burn_in_weeks=6", "--launches", "dates=first", "--week-start", "sunday"]
    stated += ["--first-day", "2024-01-07", "--last-day", "2024-07-20", "--timezone", "Europe/Paris"]
    assert run_doctor(sales.parent, *stated, "--write", tmp_path / "shop", sample=False) == 0
    assert json.loads((tmp_path / "shop" / "shop.json").read_text()) == {
        "currency": "EUR",
        "launches": {"least_units": 1, "burn_in_weeks": 6, "dates": "first"},
        "week_start": "sunday",
        "first_day": "2024-01-07",
        "last_day": "2024-07-20",
        "timezone": "Europe/Paris",
    }
    data = prepare("shop", tmp_path / "data", adapter="parquet", source=tmp_path / "shop")
    described = json.loads((data / "dataset.json").read_text())
    assert (described["first_whole_week"], described["launch_burn_in_weeks"]) == (2, 7), "six whole weeks"
    assert described["week_start"] == "sunday"
    assert pq.read_table(data / "features" / "launches.parquet").num_rows == 6, "of eight, two in the burn-in"
    with pytest.raises(SettingError, match="known are dates, burn_in_weeks"):
        run_doctor(sales, "--launches", "burn_in=6")


def test_the_data_that_the_doctor_judged_by_are_those_of_the_next_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sales = history(tmp_path / "sales.csv", 30)
    kept = ["--data", tmp_path / "data", "--dataset", "tea"]
    (tmp_path / "data" / "tea").mkdir(parents=True)  # of an earlier time
    assert run_doctor(sales, "--write", tmp_path / "shop", "--currency", "EUR", *kept, sample=False) == 0
    said = "".join(capsys.readouterr().out.split("\n"))
    assert f"--dataset tea --adapter parquet --source {tmp_path / 'shop'} --out {tmp_path / 'data'}" in said
    data = prepare("tea", tmp_path / "data", adapter="parquet", source=tmp_path / "shop")
    assert "Data tea: unchanged" in capsys.readouterr().err
    anew = prepare("tea", tmp_path / "anew", adapter="parquet", source=tmp_path / "shop")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["tea"], "nothing else is left"
    for path in sorted(anew.rglob("*.parquet")):
        assert pq.read_table(data / path.relative_to(anew)).equals(pq.read_table(path)), path.name
    with pytest.raises(SettingError, match="needs --write"):
        run_doctor(sales, *kept)
