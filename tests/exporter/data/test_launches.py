"""What a launch is, on the default data: the counts of the evaluation rules, exactly."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def launches(complete_journey: Path) -> pd.DataFrame:
    table = pd.read_parquet(complete_journey / "features" / "launches.parquet")
    return table[table.launch_week.between(9, 46)]


def test_counts(launches: pd.DataFrame) -> None:
    assert len(launches) == 5994
    assert launches.is_promotion_first.sum() == 3574
    assert launches.launch_week.between(9, 27).sum() == 2028
    assert launches.launch_week.between(28, 32).sum() == 917
    assert launches.launch_week.between(40, 46).sum() == 1650
    assert (launches.is_food & launches.launch_week.between(40, 46)).sum() == 689


def test_outcomes(launches: pd.DataFrame) -> None:
    units = launches.units_8w
    assert round(100 * (units == 0).mean(), 1) == 18.5
    assert round(units.mean(), 2) == 3.68
    assert (units >= 5).sum() == 1137
    assert [int(q) for q in np.quantile(units, [0.5, 0.75, 0.9, 0.95, 0.99])] == [1, 3, 8, 13, 35]
    promotion_first = units[launches.is_promotion_first]
    assert round(100 * (promotion_first == 0).mean()) == 31
    assert (units[~launches.is_promotion_first] > 0).all(), "a launch outside PF enters by a sale"
    assert (launches.units_4w <= units).all()
    assert (launches.buyers_8w <= units).all()
    assert (launches.repeat_buyers_8w <= launches.buyers_8w).all()


def test_outcomes_beyond_the_data_are_null(complete_journey: Path) -> None:
    table = pd.read_parquet(complete_journey / "features" / "launches.parquet")
    assert table.launch_week.max() == 53
    assert (table.units_8w.isna() == (table.launch_week + 7 > 53)).all()
    assert (table.units_4w.isna() == (table.launch_week + 3 > 53)).all()


def test_imputed_prices_and_discounts_look_like_observed_ones(launches: pd.DataFrame) -> None:
    """A missing price means zero sales: nothing in the column may say that it was imputed."""
    assert launches.price.notna().all()
    assert launches.discount.between(0, 1).all()
    imputed = launches[launches.price_imputed]
    assert (imputed.units_8w == 0).all()
    assert len(imputed) >= 1100
    assert imputed.price.nunique() > 100
    assert 0.5 < imputed.price.median() / launches.price[~launches.price_imputed].median() < 2
    assert (launches.discount[launches.discount_imputed] > 0).mean() > 0.1


def test_channels_of_launches(complete_journey: Path, launches: pd.DataFrame) -> None:
    covered = pd.read_parquet(complete_journey / "features" / "launch_channels.parquet")
    known = covered[covered.product_id.isin(launches.product_id)]
    assert known[["coverage_plan", "coverage_4w"]].notna().all().all()
    assert known.coverage_plan.between(0, 1).all()
    placed = known[(known.channel_id != "coupon_campaign") & (known.coverage_plan > 0)]
    first = launches[launches.is_promotion_first]
    assert set(first.product_id) <= set(placed.product_id), "PF launches are promoted in their launch week"
    coupon = known[known.channel_id == "coupon_campaign"]
    assert set(coupon.product_id) == set(launches.product_id[launches.coupon == 1])


def test_stated_launch_dates_win(shop_data: Path, shop_source: Path) -> None:
    stated = pd.read_parquet(shop_source / "products.parquet").dropna(subset="launch_date")
    table = pd.read_parquet(shop_data / "features" / "launches.parquet").set_index("product_id")
    weeks = (pd.to_datetime(stated.launch_date) - pd.Timestamp("2024-01-01")).dt.days // 7 + 1
    assert len(stated) > 20
    assert table.launch_week[stated.product_id].tolist() == weeks.tolist()
