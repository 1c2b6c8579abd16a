"""Promotions as numbers: the same rows as their texts give, each once, and their weeks."""

import datetime as dt
import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import change_table, first, write_shop

from onshelf_exporter.data import build, engine, promotions, weekly_features
from onshelf_exporter.data.adapters import complete_journey
from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.process.errors import DataError, SourceError
from onshelf_release.calendar import RetailCalendar

MONDAY = dt.date(2024, 1, 1)


def table(rows: list[tuple[object, object, object, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["product_id", "date", "channel_id", "site_id"])


def distinct(rows: pd.DataFrame) -> tuple[list[tuple[object, ...]], promotions.Distinct]:
    """Rows after numbering and leaving out repeats, as texts again."""
    con = engine.connect()
    given = con.create_table(ibis.util.gen_name("given"), pa.Table.from_pandas(rows, preserve_index=False), temp=True)
    found = promotions.distinct(con, promotions.numbered(con, given, "UTC"))
    texts = {name: [None, *found.texts[name]] for name in promotions.TEXTS}
    back = [
        tuple(texts[name][row[name]] if name in texts else row[name] for name in rows.columns)
        for row in found.rows.to_pyarrow().to_pylist()
    ]
    return sorted(back, key=str), found


@pytest.mark.parametrize("sites", [3, 124, 130, 300])
def test_rows_that_repeat_are_found_among_any_number_of_sites(sites: int) -> None:
    rows = [("p", MONDAY, "c", f"s{i:03}") for i in range(sites)]
    rows += [("q", MONDAY, "c", "s000"), ("q", MONDAY, "d", "s000"), ("q", MONDAY, "d", f"s{sites - 1:03}")]
    single, found = distinct(table([*rows, rows[0], rows[0], rows[-1]]))
    assert single == sorted(rows, key=str)
    counted = found.cells.agg(given=found.cells.given.sum(), sites=found.cells.sites.sum()).to_pyarrow().to_pylist()[0]
    assert counted == {"given": len(rows) + 3, "sites": len(rows)}


def test_what_is_missing_repeats_too() -> None:
    parts = itertools.product(("p", None), (MONDAY, None), ("c", None), ("s", None))
    rows = list(parts)
    assert distinct(table([*rows, *rows]))[0] == sorted(rows, key=str)


def test_texts_are_trimmed_and_whole_numbers_are_texts() -> None:
    rows = table([(7, MONDAY, " c ", " "), (7, MONDAY, "c", None), (12, MONDAY, "c", "s")])
    assert distinct(rows)[0] == [("12", MONDAY, "c", "s"), ("7", MONDAY, "c", None)]


def test_no_rows_and_no_sites() -> None:
    nothing = (
        table([]).drop(columns="site_id").astype({"product_id": "str", "date": "datetime64[us]", "channel_id": "str"})
    )
    assert distinct(nothing)[0] == []
    rows = table([("p", MONDAY, "c", None), ("p", MONDAY, "c", None)]).drop(columns="site_id")
    assert distinct(rows)[0] == [("p", MONDAY, "c")]


def test_a_site_counts_once_a_week() -> None:
    """Several days of one week, of which some promote the same product at the same site."""
    later = MONDAY + dt.timedelta(days=3)
    rows = [("p", MONDAY, "c", "s1"), ("p", later, "c", "s1"), ("p", later, "c", "s2"), ("q", later, "c", "s3")]
    _, found = distinct(table([*rows, ("p", MONDAY + dt.timedelta(days=7), "c", "s1")]))
    weeks = weekly_features.promotion_weeks(found, RetailCalendar(MONDAY)).order_by("week", "product_id").to_pyarrow()
    assert weeks["week"].to_pylist() == [1, 1, 2]
    assert weeks["coverage"].to_pylist() == [pytest.approx(2 / 3), pytest.approx(1 / 3), 1.0]


def test_numbers_are_written_as_their_texts(tmp_path: Path) -> None:
    con = engine.connect()
    rows = con.create_table("rows", pa.table({"week": [3, 1, 2], "title": pa.array([2, 0, 1], pa.int8())}), temp=True)
    engine.write_numbered(con, rows, tmp_path / "a.parquet", {"title": ["绿茶", "vase"]}, ["week"])
    written = pq.read_table(tmp_path / "a.parquet")
    assert written.schema.field("title").type == pa.string()
    assert written.to_pydict() == {"week": [1, 2, 3], "title": [None, "绿茶", "vase"]}
    assert con.con.sql("SHOW TABLES").fetchall() == [("rows",)], "nothing is left behind"


def test_numbers_are_written_by_another_thread_while_the_engine_works_on(tmp_path: Path) -> None:
    con = engine.connect()
    numbers = pa.table({"day": range(3_000_000), "title": pa.array([1, 2, 0] * 1_000_000, pa.int8())})
    rows = con.create_table("rows", numbers)
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(engine.numbered_write(con, rows, tmp_path / "a.parquet", {"title": ["vase", "绿茶"]}))
        while not written.done():
            assert engine.number(rows.day.sum()) == sum(range(3_000_000))
    written.result()
    texts = pq.read_table(tmp_path / "a.parquet").sort_by("day")["title"].to_pylist()
    assert texts == ["vase", "绿茶", None] * 1_000_000


def test_promotions_that_cannot_be_written_leave_nothing_behind(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    shop = write_shop(tmp_path / "shop", products=30, users=40, weeks=20)
    monkeypatch.setattr(engine, "numbered_write", lambda *_: full)
    with pytest.raises(OSError, match="no space left"):
        prepare("shop", tmp_path / "data", source=shop)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_table_that_cannot_be_read_beside_others_leaves_nothing_behind(tmp_path: Path, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise SourceError("transactions.parquet: broken")

    monkeypatch.setattr(complete_journey, "_interactions", broken)
    with pytest.raises(SourceError, match="broken"):
        prepare("complete_journey", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_what_fails_while_promotions_are_written_is_what_is_said(tmp_path: Path, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise DataError(table="product_weeks", column="", rule="must not fail")

    shop = write_shop(tmp_path / "shop", products=30, users=40, weeks=20)
    monkeypatch.setattr(build, "features", broken)
    with pytest.raises(DataError, match="must not fail"):
        prepare("shop", tmp_path / "data", source=shop)
    assert list((tmp_path / "data").iterdir()) == []


def test_promotions_of_unknown_products_and_without_a_channel(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", products=30, users=40, weeks=20)
    rows = pq.read_table(shop / "promotions.parquet").num_rows
    change_table(shop, "promotions", product_id=first("X1"), channel_id=lambda old: [*old[:-1], None])
    data = prepare("shop", tmp_path / "data", source=shop)
    written = pd.read_parquet(data / "canonical" / "promotions.parquet")
    assert "X1" not in set(written.product_id)
    assert written.channel_id.notna().all()
    assert not written.duplicated().any()
    assert written.columns.tolist() == ["product_id", "date", "channel_id", "site_id"]
    change_table(shop, "promotions", product_id=[f"X{i}" for i in range(rows)])
    with pytest.raises(DataError, match="at least half"):
        prepare("shop", tmp_path / "data", source=shop)
