"""Which products are launches: the rule's parts, stray early sales, and first meetings that come late."""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from onshelf_exporter.data import engine
from onshelf_exporter.data.appearances import appearances, burn_in_for
from onshelf_exporter.data.launch_report import launch_report
from onshelf_exporter.data.launch_rule import LaunchRule, Seen, launch_weeks, sustained_start
from onshelf_exporter.process.errors import SettingError
from onshelf_release.calendar import RetailCalendar

MONDAY = dt.date(2024, 1, 1)


def sales_of(*products: dict[int, float]) -> pa.Table:
    """Units by week of products 0, 1, ..."""
    rows = [(number, week, units) for number, weeks in enumerate(products) for week, units in weeks.items()]
    kinds = {"product_index": pa.int64(), "week": pa.int32(), "units": pa.float64()}
    return pa.table(
        {name: pa.array(column, kinds[name]) for name, column in zip(kinds, zip(*rows, strict=True), strict=True)}
    )


def dated(
    rule: LaunchRule,
    *products: dict[int, float],
    dates: list[dt.date | None] | None = None,
    ids: list[str] | None = None,
    promoted: dict[int, int] | None = None,
    burn_in: int = 4,
    last_week: int = 52,
) -> list[int | None]:
    """Launch weeks of products with these sales."""
    con = engine.connect()
    count = len(products)
    table = pa.table(
        {
            "product_index": pa.array(range(count), pa.int64()),
            "product_id": ids or [f"P{n}" for n in range(count)],
            "launch_date": pa.array(dates or [None] * count, pa.date32()),
        }
    )
    promoted = promoted or {}
    promotions = pa.table(
        {"product_index": pa.array(promoted, pa.int64()), "week": pa.array(promoted.values(), pa.int32())}
    )
    tables = [
        con.create_table(name, rows, temp=True)
        for name, rows in (("listed", table), ("sold", sales_of(*products)), ("promoted", promotions))
    ]
    seen = launch_weeks(
        *tables, rule, RetailCalendar(MONDAY), Seen(1, last_week, MONDAY + dt.timedelta(days=2), burn_in)
    )
    return [row["launch_week"] for row in seen.order_by("product_index").to_pyarrow().to_pylist()]


def steady(first: int, last: int = 52, units: float = 3.0) -> dict[int, float]:
    return dict.fromkeys(range(first, last + 1), units)


def test_a_launch_is_the_first_sale_after_the_burn_in() -> None:
    assert dated(LaunchRule(), steady(1), steady(4), steady(5), steady(30)) == [None, None, 5, 30]


def test_a_promotion_before_the_first_sale_is_the_launch() -> None:
    assert dated(LaunchRule(), steady(20), steady(20), promoted={0: 18, 1: 3}) == [18, None]


def test_a_stray_early_sale_does_not_date_a_launch() -> None:
    once = {3: 1.0, **steady(30)}
    twice = {6: 1.0, 9: 1.0, **steady(30)}
    slow = dict.fromkeys((6, 18, 27, 40, 51), 1.0)
    seasonal = {**steady(6, 9), **steady(40)}
    much = {6: 40.0, **steady(30)}
    soon = {24: 1.0, **steady(30)}
    products = (once, twice, slow, seasonal, much, soon)
    assert dated(LaunchRule(), *products) == [30, 30, 6, 6, 6, 24]
    assert dated(LaunchRule(skip_stray_sales=False), *products) == [None, 6, 6, 6, 6, 24]


def test_sustained_sales_and_first_sales_are_both_told() -> None:
    con = engine.connect()
    table = con.create_table("sold", sales_of({3: 1.0, **steady(30)}, steady(2)), temp=True)
    rows = sustained_start(table).order_by("product_index").to_pyarrow().to_pylist()
    assert [(row["first_sale"], row["sustained"]) for row in rows] == [(3, 30), (2, 2)]


def test_stated_dates() -> None:
    sold = (steady(1), steady(20), steady(20), steady(20), steady(20))
    dates = [dt.date(2024, 3, 6), dt.date(2024, 1, 3), dt.date(2024, 1, 2), None, dt.date(2025, 1, 1)]
    assert dated(LaunchRule(), *sold, dates=dates) == [10, 1, None, 20, None], "from the first day of the data on"
    assert dated(LaunchRule(dates="stated"), *sold, dates=dates) == [10, 1, None, None, None]
    assert dated(LaunchRule(dates="first"), *sold, dates=dates) == [None, 20, 20, 20, 20]


def test_least_units_and_ids() -> None:
    sold = (steady(10, 11), steady(10, 12), steady(10, 30))
    assert dated(LaunchRule(least_units=9), *sold) == [None, 10, 10]
    ids = ["900", "1000", "A7"]
    assert dated(LaunchRule(first_id=1000), *sold, ids=ids) == [None, 10, None]
    assert dated(LaunchRule(first_id=800, last_id=950), *sold, ids=ids) == [10, None, None]
    assert dated(LaunchRule(first_id="A"), *sold, ids=ids) == [None, None, 10]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"burn_in": 8}, "launches: burn_in = 8: known are dates, burn_in_weeks"),
        ({"burn_in_weeks": -1}, "launches: burn_in_weeks = -1: must be whole weeks, 0 or more"),
        ({"burn_in_weeks": True}, "must be whole weeks"),
        ({"dates": "guess"}, "must be one of stated_or_first, stated, first"),
        ({"least_units": 0.5}, "must be whole units"),
        ({"first_id": 3, "last_id": "B"}, "last_id = 'B': must be of the kind that first_id is of"),
        ({"skip_stray_sales": "no"}, "must be true or false"),
    ],
)
def test_bad_rules_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        LaunchRule().changed(given, "launches")


def shop(weeks: int, old: int, new: int, rate: float, seed: int = 0) -> tuple[Any, int]:
    """Appearances of `old` products that sell in `rate` of the weeks and `new` ones that sell in each week from their
    launch on, and how many old ones are first seen after 8 weeks."""
    random = np.random.default_rng(seed)
    before = random.random((old, weeks)) < rate
    after = np.arange(weeks) >= random.integers(8, weeks, (new, 1))
    product, week = np.nonzero(np.concatenate([before, after]))
    late = before.any(axis=1) & ~before[:, :8].any(axis=1)
    return appearances(product, week + 1, 1, weeks), int(late.sum())


def test_an_assortment_that_sells_every_week_needs_a_short_burn_in() -> None:
    found, late = shop(52, old=200, new=60, rate=0.9)
    assert late == 0
    assert found.after(8) == (60, pytest.approx(0, abs=0.5))
    assert burn_in_for(found) == 4


def test_late_first_meetings_are_counted() -> None:
    found, late = shop(52, old=600, new=60, rate=0.1)
    met, estimate = found.after(8)
    assert met == 60 + late
    assert late > 200
    assert estimate == pytest.approx(late, rel=0.25)
    assert burn_in_for(found) == 13, "a quarter of the data at most"
    report, warnings = launch_report(LaunchRule(), "words", found, 13, found.after(13)[0], 0, 0)
    assert report["after_burn_in"]["late_first_meetings"] == round(found.after(13)[1], 1)
    assert [row["weeks"] for row in report["by_burn_in"]] == [4, 8, 13, 17, 26]
    assert len(warnings) == 1
    assert "look like old products first met late" in warnings[0]
    assert launch_report(LaunchRule(first_id=5), "words", found, 13, 80, 0, 0)[1] == [], "ids tell"
    assert launch_report(LaunchRule(dates="stated"), "words", found, 13, 80, 80, 0)[1] == [], "dates tell"


def test_short_data_tell_nothing_of_late_meetings() -> None:
    found, _ = shop(11, old=60, new=5, rate=0.3)
    assert found.late is None
    assert burn_in_for(found) == 2
    assert launch_report(LaunchRule(), "words", found, 2, 9, 0, 0)[0]["late_first_meetings_by_week"] is None
