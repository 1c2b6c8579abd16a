"""Features at a decision time: right, the same every time, and blind to everything from the cut on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from onshelf_exporter.data import build, engine, features, launches
from onshelf_exporter.data.adapters import parquet
from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.process.errors import SettingError, SourceError
from onshelf_release.calendar import RetailCalendar

CUT = Cut(24)
FUNCTIONS = (features.product_features, features.user_features)


@pytest.fixture(scope="module")
def poisoned(shop_data: Path, shop_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with every canonical row after week CUT changed, and all features built from that again."""
    root = tmp_path_factory.mktemp("poisoned") / "shop"
    shutil.copytree(shop_data / "canonical", root / "canonical")
    shutil.copy(shop_data / "dataset.json", root)
    (root / "features").mkdir()
    path = root / "canonical" / "interactions.parquet"
    table = pd.read_parquet(path)
    late = table.week > CUT
    assert late.sum() > 500
    table.loc[late, "quantity"] = 7 * table.loc[late, "quantity"] + 13
    table.loc[late, "revenue"] = 1000.0
    table.loc[late, "discount"] = 333.0
    table.loc[late, "user_id"] = table.loc[late, "user_id"].to_numpy()[::-1]
    table.loc[late, "product_id"] = table.loc[late, "product_id"].to_numpy()[::-1]
    table.to_parquet(path)
    path = root / "canonical" / "promotions.parquet"
    table = pd.read_parquet(path)
    late = pd.to_datetime(table.date) >= pd.Timestamp("2024-01-01") + pd.Timedelta(weeks=CUT)
    assert late.sum() > 20
    table.loc[late, "channel_id"] = "search_ads"
    table.loc[late, "product_id"] = table.loc[late, "product_id"].to_numpy()[::-1]
    table.loc[late, "site_id"] = "s0"
    table.to_parquet(path)
    con = engine.connect()
    source = parquet.read(con, shop_source)
    described = json.loads((root / "dataset.json").read_text())
    prepared = build.Prepared(
        first_week=1,
        first_whole_week=1,
        last_week=described["last_week"],
        calendar=RetailCalendar(pd.Timestamp(described["week_one"]).date()),
    )
    build.features(con, source, prepared, root, lambda step: None)
    return root


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_no_feature_sees_the_future(
    function: Callable[[features.DatasetAsOf], pa.Table], shop_data: Path, poisoned: Path
) -> None:
    assert function(features.at(shop_data, CUT)).equals(function(features.at(poisoned, CUT)))


def leaky_popularity(history: features.DatasetAsOf) -> pa.Table:
    """What a careless feature looks like: it reads the whole file instead of the history."""
    sales = engine.read(history.con, history.root / "features" / "product_weeks.parquet")
    return sales.group_by("product_index").agg(units=sales.units.sum()).order_by("product_index").to_pyarrow()


def test_the_leak_test_can_fail(shop_data: Path, poisoned: Path) -> None:
    assert not leaky_popularity(features.at(shop_data, CUT)).equals(leaky_popularity(features.at(poisoned, CUT)))
    for function in FUNCTIONS:  # one week later the poison is in
        assert not function(features.at(shop_data, Cut(CUT + 1))).equals(function(features.at(poisoned, Cut(CUT + 1))))


def test_histories_hold_nothing_after_the_cut(shop_data: Path) -> None:
    history = features.at(shop_data, CUT)
    for name in ("product_weeks", "promotion_weeks", "user_product_weeks", "user_weeks"):
        assert getattr(history, name).week.max().to_pyarrow().as_py() == CUT
    known = history.launches.to_pyarrow().to_pandas()
    assert known.launch_week.max() <= CUT
    assert (known.units_8w.notna() == (known.launch_week + 7 <= CUT)).all()
    assert (known.units_4w.notna() == (known.launch_week + 3 <= CUT)).all()
    assert (known.discount.notna() == (known.launch_week + 1 <= CUT)).all()
    assert {"list_price", "launch_week"}.isdisjoint(history.products.columns)


def test_plans_read_weeks_of_launch_and_after_only(shop_data: Path, poisoned: Path) -> None:
    """Plan columns of launches with L+1 before the poison are the same; outcomes that reach into it are not."""
    plan = ["launch_week", "is_promotion_first", "entered_by_sale", "discount", "discount_imputed", "coupon"]
    clean, dirty = (
        pd.read_parquet(root / "features" / "launches.parquet").set_index("product_id")
        for root in (shop_data, poisoned)
    )
    early = clean.index[clean.launch_week + 1 <= CUT]
    near = clean.index[(clean.launch_week + 1 <= CUT) & (clean.launch_week + 7 > CUT)]
    assert len(early) > 10
    pd.testing.assert_frame_equal(clean.loc[early, plan], dirty.loc[early, plan])
    assert not clean.loc[near, ["units_8w", "revenue_8w"]].equals(dirty.loc[near, ["units_8w", "revenue_8w"]])
    shares = [
        pd.read_parquet(root / "features" / "launch_channels.parquet").set_index(["product_id", "channel_id"])
        for root in (shop_data, poisoned)
    ]
    planned = [share.loc[share.coverage_plan > 0, "coverage_plan"] for share in shares]
    planned = [share[share.index.get_level_values(0).isin(early)].sort_index() for share in planned]
    assert len(planned[0]) > 0
    pd.testing.assert_series_equal(planned[0], planned[1])


def test_imputed_values_come_from_before_the_launch(shop_data: Path, poisoned: Path) -> None:
    clean, dirty = (
        pd.read_parquet(root / "features" / "launches.parquet").set_index("product_id")
        for root in (shop_data, poisoned)
    )
    both = clean.index[clean.price_imputed & (clean.launch_week + 7 <= CUT)]
    pd.testing.assert_series_equal(clean.price[both], dirty.price[both])


def test_product_features_are_what_they_say(complete_journey: Path) -> None:
    history = features.at(complete_journey, Cut(39))
    table = features.product_features(history).to_pandas()
    assert table.product_index.tolist() == list(range(len(table)))
    sales = pd.read_parquet(complete_journey / "features" / "product_weeks.parquet")
    recent = sales[sales.week.between(32, 39)].groupby("product_index").units.sum()
    best = recent.idxmax()
    assert table.units_8w[best] == recent[best]
    assert table.units_8w.sum() == recent.sum()
    assert table.price_band.dropna().between(0, 1).all()
    assert (table.price_band.isna() == table.price.isna()).all()
    assert table.age_weeks.dropna().between(1, 39).all()


def test_user_features_are_what_they_say(complete_journey: Path) -> None:
    table = features.user_features(features.at(complete_journey, Cut(39))).to_pandas()
    assert table.user_index.tolist() == list(range(2469))
    for name in ("price_tier", "promotion_sensitivity", "new_product_share"):
        assert table[name].between(0, 1).all()
        assert table[name].std() > 0.01, name
    assert table.recency_weeks.dropna().between(1, 39).all()
    weeks = pd.read_parquet(complete_journey / "features" / "user_weeks.parquet")
    assert table.recency_weeks.notna().sum() == weeks[weeks.week <= 39].user_index.nunique() == 2441
    first = table.interests.dropna().iloc[0]
    shares = [item["share"] for item in first]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1 + 1e-9


@pytest.mark.parametrize("cut", [0, -3, 41, 1000])
def test_cuts_outside_the_data_are_refused(cut: int, shop_data: Path) -> None:
    with pytest.raises(SettingError, match="weeks 1 to 40"):
        features.at(shop_data, Cut(cut))


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="onshelf-exporter data"):
        features.at(tmp_path, Cut(10))


def test_hot_deck_takes_nothing_from_the_future() -> None:
    con = engine.connect()
    receivers = ibis.memtable(pa.table({"product_index": [1], "launch_week": [10], "type": ["a"]}))
    donors = ibis.memtable(
        pa.table({"donor": [2, 3, 4], "known_from": [9, 11, 5], "type": ["a", "a", "b"], "price": [1.0, 2.0, 3.0]})
    )
    found = launches.hot_deck(con, receivers, donors, "price", (("type",), ())).to_pyarrow().to_pylist()
    assert found == [{"product_index": 1, "price": 1.0}]


def test_hot_deck_is_the_same_whatever_the_order_of_its_donors() -> None:
    """A donor known from two weeks has one ticket with two values: the earlier is taken."""
    con = engine.connect()
    receivers = ibis.memtable(pa.table({"product_index": [1, 7], "launch_week": [10, 12], "type": ["a", "a"]}))
    rows = [(donor, week, "a", donor + week / 100) for donor in range(2, 6) for week in (5, 6, 9)]
    drawn = []
    for order in (rows, rows[::-1], rows[5:] + rows[:5]):
        columns = dict(zip(("donor", "known_from", "type", "price"), zip(*order, strict=True), strict=True))
        donors = ibis.memtable(pa.table({name: list(values) for name, values in columns.items()}))
        found = launches.hot_deck(con, receivers, donors, "price", (("type",), ()))
        drawn.append(found.order_by("product_index").to_pyarrow().to_pylist())
    assert drawn[0] == drawn[1] == drawn[2]
    assert all(round(row["price"] % 1, 2) == 0.05 for row in drawn[0])
