"""Preparation in pandas gives the exporter's rows and values, on a part of the data, and tells where it does not."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import prepare as benchmark
import prepare_pandas
import pytest

from onshelf_exporter.adapters import complete_journey as source_data
from onshelf_exporter.prepare import prepare


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One product in a hundred of the source's files, and all of the others' rows."""
    folder = tmp_path_factory.mktemp("source")
    with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as con:
        for path in source_data.files(None):
            columns = con.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}')").fetchall()
            some = "WHERE product_id % 100 = 1" if "product_id" in {column[0] for column in columns} else ""
            con.execute(
                f"COPY (SELECT * FROM read_parquet('{path}') {some}) TO '{folder / path.name}' (FORMAT parquet)"
            )
    return folder


@pytest.fixture(scope="module")
def both(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("prepared")
    prepare_pandas.prepare(source, folder / "pandas")
    return folder / "pandas", prepare("complete_journey", folder / "exporter", source=source)


def test_same_rows_and_values(both: tuple[Path, Path]) -> None:
    launches = pd.read_parquet(both[1] / "features/launches.parquet")
    assert launches["price_imputed"].any()
    assert launches["discount_imputed"].any()
    assert prepare_pandas.differences(*both) == []


@pytest.mark.parametrize(
    ("table", "column"),
    [("features/product_weeks", "price"), ("features/launches", "discount"), ("canonical/interactions", "revenue")],
)
def test_another_value_is_found(both: tuple[Path, Path], table: str, column: str) -> None:
    path = both[0] / f"{table}.parquet"
    before = path.read_bytes()
    try:
        changed = pd.read_parquet(path)
        changed.loc[3, column] += 1e-4
        changed.to_parquet(path, index=False)
        found = prepare_pandas.differences(*both)
    finally:
        path.write_bytes(before)
    assert len(found) in (1, 2)
    assert all(what.startswith(table) for what in found)


def test_a_missing_row_is_found(both: tuple[Path, Path]) -> None:
    path = both[0] / "canonical/promotions.parquet"
    before = path.read_bytes()
    try:
        pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)
        found = prepare_pandas.differences(*both)
    finally:
        path.write_bytes(before)
    assert len(found) == 2
    assert "0 rows of pandas only" in found[0]
    assert "1 rows of the exporter only" in found[1]


def test_bad_data_are_refused(source: Path, tmp_path: Path) -> None:
    for path in source.iterdir():
        (tmp_path / path.name).symlink_to(path)
    transactions = pd.read_parquet(source / "transactions.parquet")
    transactions.loc[5, "coupon_disc"] = -1.0
    (tmp_path / "transactions.parquet").unlink()
    transactions.to_parquet(tmp_path / "transactions.parquet")
    with pytest.raises(ValueError, match="coupon_discount is negative: 1 rows"):
        prepare_pandas.prepare(tmp_path, tmp_path / "out")


def test_the_measurement_is_one_document(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, benchmark.__file__, "--rounds", "1", "--source", str(source), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result == json.loads((tmp_path / "prepare.json").read_text())
    assert result["differences"] == []
    assert all(ratio > 0 for ratio in result["ratios"].values())
    assert result["medians"]["exporter"]["megabytes"] > 50


def test_the_slowest_steps() -> None:
    steps = [{"step": "a", "at_seconds": 0.0}, {"step": "b", "at_seconds": 1.0}, {"step": "c", "at_seconds": 5.0}]
    assert [one["step"] for one in benchmark.slowest({"steps": steps, "seconds": 7.0}, 2)] == ["b", "c"]
