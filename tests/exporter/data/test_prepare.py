"""The stage as a whole: layout, atomicity, nothing done twice, bad tables refused."""

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import CHINESE_TITLES, change_table, first, write_shop

from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.process.errors import DataError, InvalidDataError, SettingError, SourceError

FEATURES = {
    "products",
    "product_weeks",
    "promotion_weeks",
    "user_product_weeks",
    "user_weeks",
    "users",
    "launches",
    "launch_channels",
    "channels",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path / "shop", products=30, users=40, weeks=20)


def cleaned(data: Path) -> dict[str, int]:
    """The rows of interactions that each rule changed or left out."""
    report = json.loads((data / "report.json").read_text())["cleaning"]
    return {row["rule"]: row["rows"] for row in report if row["table"] == "interactions"}


def test_layout(complete_journey: Path) -> None:
    assert {p.stem for p in (complete_journey / "features").iterdir()} == FEATURES | {"coupon_weeks"}
    described = json.loads((complete_journey / "dataset.json").read_text())
    assert (described["as_of"], described["currency"], described["last_week"]) == ("2018-01-01", "USD", 53)
    assert described["users"] == 2469
    assert described["n_rows"]["features/products"] == 91_547


def test_indices_are_rows(complete_journey: Path) -> None:
    products = pd.read_parquet(complete_journey / "features" / "products.parquet")
    assert products.product_index.tolist() == list(range(len(products)))
    assert products.product_id.astype(int).is_monotonic_increasing
    users = pd.read_parquet(complete_journey / "features" / "users.parquet")
    assert users.user_index.tolist() == list(range(len(users)))


def test_weeks_are_those_of_the_data(complete_journey: Path) -> None:
    """Weeks computed from local time equal the source's own week column: the zone is right, all year."""
    from onshelf_exporter.data.adapters.complete_journey import files

    source = next(path for path in files(None) if path.stem == "transactions")
    theirs = pd.read_parquet(source, columns=["basket_id", "week"]).drop_duplicates().set_index("basket_id").week
    path = complete_journey / "canonical" / "interactions.parquet"
    ours = pd.read_parquet(path, columns=["order_id", "week"]).drop_duplicates()
    assert (theirs[ours.order_id.astype(int)].to_numpy() == ours.week.to_numpy()).all()


def test_report_counts_every_rule(complete_journey: Path) -> None:
    report = json.loads((complete_journey / "report.json").read_text())
    counted = {(row["table"], row["rule"]): row["rows"] for row in report["cleaning"]}
    assert counted["interactions", "not_merchandise"] == 24_022
    assert counted["interactions", "nothing_bought"] == 3_967
    assert counted["promotions", "duplicate"] == 12_761
    assert counted["interactions", "returned"] == 0


def test_three_files_are_enough(shop_data: Path) -> None:
    assert {p.stem for p in (shop_data / "features").iterdir()} == FEATURES
    products = pd.read_parquet(shop_data / "features" / "products.parquet")
    assert products.title[: len(CHINESE_TITLES)].tolist() == list(CHINESE_TITLES)
    assert products.department.isin(["Kitchen", "Garden", "Toys"]).all()
    described = json.loads((shop_data / "dataset.json").read_text())
    assert "stated date" in described["launch_rule"]
    assert described["currency"] == "EUR"


def test_two_files_are_enough(tmp_path: Path) -> None:
    source = write_shop(tmp_path / "s", tables=("products", "interactions"), stated_launch_dates=False, weeks=20)
    data = prepare("shop", tmp_path / "data", source=source)
    described = json.loads((data / "dataset.json").read_text())
    assert described["launch_rule"].startswith("A launch is a product's first appearance")
    launches = pd.read_parquet(data / "features" / "launches.parquet")
    assert len(launches) > 0
    assert launches.launch_week.min() > described["launch_burn_in_weeks"] == 4
    assert (launches.entered_by_sale == 1).all()


def test_nothing_is_done_twice_and_a_change_is_noticed(shop: Path, tmp_path: Path) -> None:
    before = (prepare("shop", tmp_path / "data", source=shop) / "dataset.json").stat().st_mtime_ns
    assert (prepare("shop", tmp_path / "data", source=shop) / "dataset.json").stat().st_mtime_ns == before
    change_table(shop, "products", title=first("A new title"))
    again = prepare("shop", tmp_path / "data", source=shop)
    assert (again / "dataset.json").stat().st_mtime_ns != before
    assert pd.read_parquet(again / "features" / "products.parquet").title[0] == "A new title"
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["shop"], "no staging folder is left behind"


def test_prepared_twice_is_the_same_to_the_bit(shop: Path, tmp_path: Path) -> None:
    one, two = (prepare("shop", tmp_path / name, source=shop) for name in "ab")
    for path in sorted((one / "features").iterdir()):
        assert pq.read_table(path).equals(pq.read_table(two / "features" / path.name)), path.name


def test_the_canonical_folder_is_itself_a_source(shop_data: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for path in (shop_data / "canonical").iterdir():
        (tmp_path / "source" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "source" / "shop.json").write_text('{"currency": "EUR", "timezone": "Europe/Paris"}')
    again = prepare("shop", tmp_path / "data", source=tmp_path / "source")
    for name in ("product_weeks", "launches"):
        one, two = (pq.read_table(data / "features" / f"{name}.parquet") for data in (shop_data, again))
        assert one.equals(two)


def test_returns_zero_lines_and_repeats_are_counted(shop: Path, tmp_path: Path) -> None:
    rows = pq.read_table(shop / "interactions.parquet").num_rows
    change_table(shop, "interactions", event_id=[f"e{i}" for i in range(rows)])
    given = pq.read_table(shop / "interactions.parquet")
    later = given.slice(5, 1).to_pandas().assign(quantity=77.0)
    repeated = [given, given.slice(3, 2), pa.Table.from_pandas(later, schema=given.schema)]
    pq.write_table(pa.concat_tables(repeated), shop / "interactions.parquet")
    counted = cleaned(prepare("shop", tmp_path / "data", source=shop))
    assert (counted["repeated_event"], counted["event_differs"]) == (2, 1)
    pq.write_table(given, shop / "interactions.parquet")
    change_table(shop, "interactions", quantity=first(-1.0, 0.0, None))
    data = prepare("shop", tmp_path / "data", source=shop)
    counted = cleaned(data)
    assert (counted["returned"], counted["nothing_bought"], counted["quantity_missing"]) == (1, 1, 1)
    canonical = pd.read_parquet(data / "canonical" / "interactions.parquet")
    assert canonical[canonical.kind == "return"].quantity.tolist() == [1.0]


def test_outliers(shop: Path, tmp_path: Path) -> None:
    fuel = first(89_638.0)
    change_table(shop, "interactions", quantity=fuel, revenue=lambda old: [26.0, old[1] * 1e6, *old[2:]])
    data = prepare("shop", tmp_path / "data", source=shop)
    counted = cleaned(data)
    assert (counted["quantity_outlier"], counted["price_outlier"]) == (1, 1)
    weeks = pd.read_parquet(data / "features" / "product_weeks.parquet")
    assert weeks.units.max() < 1000
    assert weeks.revenue.max() < 10_000


def test_a_purchase_of_unknown_revenue_counts_for_no_price(shop: Path, tmp_path: Path) -> None:
    """Without a list price nothing is known of it: neither its revenue nor its units are part of a price."""
    table = pq.read_table(shop / "interactions.parquet").to_pandas().sort_values("time", ignore_index=True)
    week_one = table[table.time < pd.Timestamp("2024-01-08")]
    product = week_one.product_id.value_counts().index[0]
    unknown = week_one.index[week_one.product_id == product][0]
    table.loc[unknown, "revenue"] = None
    table.loc[unknown, "discount"] = 0.0
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), shop / "interactions.parquet")
    change_table(shop, "products", list_price=lambda old: [None] * len(old))
    weeks = pd.read_parquet(prepare("shop", tmp_path / "data", source=shop) / "features" / "product_weeks.parquet")
    row = weeks[(weeks.product_id == product) & (weeks.week == 1)].iloc[0]
    sold = week_one[week_one.product_id == product]
    known = sold.drop(index=unknown)
    assert row.units == sold.quantity.sum()
    assert row.price == pytest.approx((known.revenue + known.discount).sum() / known.quantity.sum())


SHEET_ERROR = "not an error of a spreadsheet"
BAD = {  # the column, what is put into it, the rule that it breaks, in so many rows
    "negative list price": ("products.list_price", first(-1.0), "zero or more", 1),
    "text for a price": ("products.list_price", first("cheap", "dear", kind=str), "readable as number", 2),
    "infinite revenue": ("interactions.revenue", first(float("inf")), "readable as number", 1),
    "unknown kind": ("interactions.kind", first("stolen"), "one of view, click", 1),
    "no title": ("products.title", first(None, ""), "required value is missing", 2),
    "control characters": ("products.title", first("a\x00b"), "control characters", 1),
    "long title": ("products.title", first("x" * 10_000), "1 to 1,000", 1),
    "two rows of one id": ("products.product_id", lambda old: [old[1], *old[1:]], "unique", 1),
    "time out of range": ("interactions.time", first(dt.datetime(1066, 10, 14)), "1990", 1),
    "text for a time": ("interactions.time", first("yesterday", kind=str), "readable as time", 1),
    "error of a spreadsheet as a brand": ("products.brand", first("#REF!"), SHEET_ERROR, 1),
    "error of a spreadsheet as an id": ("interactions.user_id", first("#REF!"), SHEET_ERROR, 1),
    "rating of 7": ("interactions.rating", first(7.0), "from 1 to 5", 1),
    "empty level": ("products.category_path", first("Toys >  > Games"), "empty level", 1),
    "negative discount": ("interactions.discount", first(-0.5), "zero or more", 1),
    "date of promotions": ("promotions.date", first("31/31/2024", kind=str), "readable as date", 1),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_refused(case: str, shop: Path, tmp_path: Path) -> None:
    where, changed, rule, count = BAD[case]
    table, column = where.split(".")
    change_table(shop, table, **{column: changed})
    with pytest.raises(DataError) as caught:
        prepare("shop", tmp_path / "data", source=shop)
    error = caught.value
    assert f"{error.table}.{error.column}" == where
    assert rule in error.rule
    assert error.count == count
    assert error.samples
    assert where in str(error)
    assert not (tmp_path / "data" / "shop").exists()
    assert not any((tmp_path / "data").iterdir()), "nothing half written"


def test_all_problems_are_told_at_once(shop: Path, tmp_path: Path) -> None:
    change_table(shop, "products", list_price=first(-1.0))
    change_table(shop, "interactions", kind=first("stolen"))
    with pytest.raises(InvalidDataError) as caught:
        prepare("shop", tmp_path / "data", source=shop)
    assert {(p.table, p.column) for p in caught.value.problems} == {
        ("products", "list_price"),
        ("interactions", "kind"),
    }


@pytest.mark.parametrize("user", ["ann@example.org", "+49 170 1234567", "13812345678", "555-123-4567"])
def test_users_are_pseudonyms_and_are_not_shown(user: str, shop: Path, tmp_path: Path) -> None:
    change_table(shop, "interactions", user_id=first(user))
    with pytest.raises(DataError, match="pseudonym") as caught:
        prepare("shop", tmp_path / "data", source=shop)
    assert user not in str(caught.value)


def test_a_missing_column_is_named_with_those_there_are(shop: Path, tmp_path: Path) -> None:
    table = pq.read_table(shop / "interactions.parquet").rename_columns(
        ["user_id", "sku", "time", "kind", "quantity", "revenue", "discount"]
    )
    pq.write_table(table, shop / "interactions.parquet")
    with pytest.raises(DataError, match=r"interactions\.product_id: required column is missing.*sku") as caught:
        prepare("shop", tmp_path / "data", source=shop)
    assert "doctor" in caught.value.hint


def test_interactions_of_unknown_products(shop: Path, tmp_path: Path) -> None:
    change_table(shop, "interactions", product_id=first("X1", "X2"))
    data = prepare("shop", tmp_path / "data", source=shop)
    assert cleaned(data)["unknown_product"] == 2
    change_table(shop, "interactions", product_id=lambda old: [f"X{i}" for i in range(len(old))])
    with pytest.raises(DataError, match="at least half"):
        prepare("shop", tmp_path / "data", source=shop)
    assert (data / "dataset.json").is_file(), "what was prepared before is still there"


def test_times_with_a_zone_become_local(shop: Path, tmp_path: Path) -> None:
    def in_utc(old: list[dt.datetime]) -> pa.Array:
        times = [dt.datetime(2024, 1, 7, 23, 30), *old[1:]]  # 00:30 on Monday in Paris: week 2
        return pa.array(times, pa.timestamp("us", tz="UTC"))

    change_table(shop, "interactions", time=in_utc, event_id=first("first"))
    data = prepare("shop", tmp_path / "data", source=shop)
    row = pd.read_parquet(data / "canonical" / "interactions.parquet").set_index("event_id").loc["first"]
    assert (row.week, row.time) == (2, pd.Timestamp("2024-01-08 00:30"))


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({}, "ISO 4217"),
        ({"currency": "euro"}, "ISO 4217"),
        ({"currency": "EUR", "timezone": "Paris"}, "IANA"),
        ({"currency": "EUR", "week_start": "lundi"}, "monday"),
        ({"currency": "EUR", "colour": "red"}, "known are"),
    ],
)
def test_bad_settings(settings: dict[str, str], rule: str, tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "s", products=9, users=9, weeks=9, settings=settings)
    with pytest.raises(SettingError, match=rule):
        prepare("shop", tmp_path / "data", source=shop)


def test_missing_sources(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="--source is missing"):
        prepare("shop", tmp_path / "data")
    with pytest.raises(SourceError, match="no such folder"):
        prepare("shop", tmp_path / "data", source=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"products\.parquet and interactions\.parquet"):
        prepare("shop", tmp_path / "data", source=tmp_path / "empty")
    shop = write_shop(tmp_path / "s", products=9, users=9, weeks=9)
    (shop / "products.parquet").write_text("product_id,title")
    with pytest.raises(SourceError, match="not a Parquet file"):
        prepare("shop", tmp_path / "data", source=shop)
    with pytest.raises(SettingError, match="--dataset"):
        prepare("../elsewhere", tmp_path / "data", source=shop)
