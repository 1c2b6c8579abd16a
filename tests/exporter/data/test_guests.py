"""Sales without a user count for demand and for dating launches; users are needed for recommendation only."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from shops import write_sales

from onshelf_exporter.data.prepare import prepare

MONDAY = dt.date(2024, 1, 1)


def prepared(folder: Path, rows: list[dict[str, Any]], settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """Prepare sales (product_id, day and more): the features by name, and both JSON files."""
    data = prepare("shop", folder / "data", source=write_sales(folder / "source", rows, settings))
    tables = {path.stem: pd.read_parquet(path) for path in (data / "features").glob("*.parquet")}
    return tables | {name: json.loads((data / f"{name}.json").read_text()) for name in ("dataset", "report")}


def daily(product: str, first: int, last: int, **more: Any) -> list[dict[str, Any]]:
    """One sale on each of the days first..last, counted from Monday 2024-01-01."""
    return [{"product_id": product, "day": MONDAY + dt.timedelta(days=n), **more} for n in range(first, last + 1)]


def test_guests_date_launches_and_count_for_demand(tmp_path: Path) -> None:
    """A gift box that guests buy from week 5 on, and its first user in week 20."""
    rows = daily("Tea", 0, 209, user_id="u1")
    rows += daily("Gift box", 28, 132, user_id=None) + daily("Gift box", 133, 209, user_id="u2")
    made = prepared(tmp_path, rows)
    launch = made["launches"].set_index("product_id").loc["Gift box"]
    assert launch.launch_week == 5
    assert (launch.units_8w, launch.buyers_8w, launch.repeat_buyers_8w) == (56, 0, 0)
    weeks = made["product_weeks"][made["product_weeks"].product_id == "Gift box"].set_index("week")
    assert weeks.units.tolist() == [7.0] * 26
    assert weeks.baskets.tolist() == [7] * 26, "each guest's line is a basket of its own"
    assert (weeks.buyers[5], weeks.buyers[20]) == (0, 1)
    assert made["users"].user_id.tolist() == ["u1", "u2"]
    assert set(made["user_weeks"].user_index) == set(made["user_product_weeks"].user_index) == {0, 1}
    assert made["dataset"]["guests"] == {"lines": 392, "guest_lines": 105, "units": 392.0, "guest_units": 105.0}
    incomplete = [row for row in made["report"]["cleaning"] if row["rule"] == "incomplete"]
    assert [row["rows"] for row in incomplete] == [0]


def test_a_shop_without_users(tmp_path: Path) -> None:
    """Equal lines of guests are different sales: nothing says that one was delivered twice."""
    rows = daily("Tea", 0, 139) + daily("Tea", 0, 139) + daily("New tea", 70, 139)
    made = prepared(tmp_path, rows)
    assert made["product_weeks"].groupby("product_id").units.first().to_dict() == {"New tea": 7, "Tea": 14}
    assert len(made["users"]) == len(made["user_weeks"]) == 0
    assert made["dataset"]["users"] == 0
    launch = made["launches"].set_index("product_id").loc["New tea"]
    assert (launch.launch_week, launch.units_8w) == (11, 56)
    assert pd.isna(launch.buyers_8w)
    counted = {row["rule"]: row["rows"] for row in made["report"]["cleaning"]}
    assert counted["duplicate"] == 0
    assert counted["no_user"] == 350


def test_outcomes_of_weeks_that_are_not_over_are_empty(tmp_path: Path) -> None:
    """A tea that is sold once a day from a Monday on, in data that end 50 days later, on a Monday."""
    rows = daily("Tea", 0, 273, user_id="u1") + daily("New tea", 224, 273, user_id="u2")
    made = prepared(tmp_path, rows)
    assert made["dataset"]["last_day"] == "2024-09-30"
    assert (made["dataset"]["last_week"], made["dataset"]["as_of"]) == (39, "2024-09-30")
    launch = made["launches"].iloc[0]
    assert (launch.launch_week, launch.units_4w) == (33, 28)
    assert pd.isna(launch.units_8w)
    assert made["product_weeks"].week.max() == 39
    assert {row["rule"]: row["rows"] for row in made["report"]["cleaning"]}["week_not_over"] == 2


def test_a_first_week_in_part_is_no_week_of_the_burn_in(tmp_path: Path) -> None:
    rows = daily("Tea", 4, 209, user_id="u1") + daily("New tea", 35, 209, user_id="u2")
    made = prepared(tmp_path, rows, {"currency": "EUR", "launches": {"burn_in_weeks": 4}})
    assert (made["dataset"]["first_week"], made["dataset"]["first_whole_week"]) == (1, 2)
    assert made["dataset"]["launch_burn_in_weeks"] == 5
    assert made["launches"].set_index("product_id").launch_week.to_dict() == {"New tea": 6}
    assert made["report"]["launches"]["burn_in"] == "stated"


def test_a_command_changes_the_rule(tmp_path: Path) -> None:
    source = write_sales(tmp_path / "source", daily("Tea", 0, 139) + daily("New tea", 70, 139))
    data = prepare("shop", tmp_path / "data", source=source, launches={"burn_in_weeks": 12})
    assert len(pd.read_parquet(data / "features" / "launches.parquet")) == 0
    warnings = json.loads((data / "report.json").read_text())["warnings"]
    assert warnings == ["no product is a launch by the rule: nothing can be learned from launches"]
    again = prepare("shop", tmp_path / "data", source=source)
    assert len(pd.read_parquet(again / "features" / "launches.parquet")) == 1, "another rule is another preparation"
    with pytest.raises(Exception, match="burn_in_weeks = 40: must be less than the 20 whole weeks"):
        prepare("shop", tmp_path / "other", source=source, launches={"burn_in_weeks": 40})
