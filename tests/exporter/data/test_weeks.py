import datetime as dt
import json
import shutil
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onshelf_exporter.data import features
from onshelf_exporter.data.weeks import (
    Cut,
    as_of_cut,
    calendar_of,
    data_weeks,
    share_held,
    week_column,
    weeks_covered,
    weeks_of_year,
    whole_weeks,
)
from onshelf_exporter.evaluation.splits import split_from
from onshelf_exporter.process.errors import SettingError
from onshelf_gateway.testing.fake_release import write_fake_release
from onshelf_release.calendar import WEEKDAYS, RetailCalendar, first_day_of_week, week_of_year
from onshelf_release.manifest import read_manifest


def test_first_day_of_week() -> None:
    assert first_day_of_week(dt.date(2017, 1, 1), "monday") == dt.date(2016, 12, 26)
    assert first_day_of_week(dt.date(2017, 1, 1), "sunday") == dt.date(2017, 1, 1)
    with pytest.raises(ValueError, match="week_start"):
        first_day_of_week(dt.date(2017, 1, 1), "Monday")


def test_expression_and_function_agree() -> None:
    calendar = RetailCalendar(dt.date(2016, 12, 26))
    days = [dt.date(2016, 1, 1) + dt.timedelta(days=i) for i in range(900)]
    table = ibis.memtable(pa.table({"day": days}))
    weeks = table.select("day", week=week_column(calendar, table.day)).order_by("day").to_pyarrow()["week"].to_pylist()
    assert weeks == [calendar.week(day) for day in days]
    assert all(
        calendar.first_day(week) <= day < calendar.first_day(week + 1) for day, week in zip(days, weeks, strict=True)
    )


@given(
    st.dates(dt.date(2015, 1, 1), dt.date(2030, 1, 1)),
    st.integers(14, 800),
    st.sampled_from(WEEKDAYS),
    st.integers(0, 60),
)
def test_training_and_gateway_have_one_calendar(first: dt.date, length: int, week_start: str, before: int) -> None:
    """Whatever day data begin and end on, and weeks begin on: the same first days and weeks of the year on both sides,
    and every cut ends the day before the next week."""
    days = [first + dt.timedelta(days=n) for n in range(length)]
    weeks = data_weeks(days, days, week_start)
    dataset = {"week_one": weeks.calendar.start.isoformat(), "last_week": weeks.last_week}
    asked = [first + dt.timedelta(days=n) for n in range(-before, length + 400)]
    theirs = [first_day_of_week(day, week_start) for day in asked]
    ours = calendar_of(dataset)
    assert [ours.first_day(ours.week(day)) for day in asked] == theirs
    numbers = np.array([ours.week(day) for day in asked])
    assert weeks_of_year(dataset, numbers).tolist() == [week_of_year(day, week_start) for day in asked]
    for cut in (1, weeks.last_week):
        as_of = as_of_cut(dataset, Cut(cut))
        assert as_of == first_day_of_week(as_of, week_start)
        assert ours.week(as_of) == cut + 1
    assert weeks.as_of == as_of_cut(dataset, Cut(weeks.last_week)) <= weeks.last_day + dt.timedelta(days=1)
    assert (weeks.last_day - weeks.as_of).days < 6, "at most six days are left for later"


def test_data_to_a_wednesday() -> None:
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(164)]
    assert days[-1] == dt.date(2024, 6, 12)
    weeks = data_weeks(days, days, "monday")
    assert (weeks.calendar.start, weeks.last_week, weeks.as_of) == (dt.date(2024, 1, 1), 23, dt.date(2024, 6, 10))
    dataset = {"week_one": "2024-01-01", "last_week": 23}
    assert weeks_of_year(dataset, np.array([1, 23])).tolist() == [1, 23]
    assert as_of_cut(dataset, Cut(22)) == dt.date(2024, 6, 3)


def week_days(first: dt.date, weeks: int, closed: tuple[int, ...] = ()) -> list[dt.date]:
    days = [first + dt.timedelta(days=n) for n in range(7 * weeks)]
    return [day for day in days if day.weekday() not in closed]


MONDAY = dt.date(2024, 1, 1)


def test_a_shop_that_is_closed_on_sundays_has_whole_weeks() -> None:
    calendar = RetailCalendar(MONDAY)
    assert whole_weeks(calendar, week_days(MONDAY, 20, closed=(6,))) == (1, 20)
    assert whole_weeks(calendar, week_days(MONDAY, 20, closed=(0, 6))) == (1, 20)
    assert whole_weeks(calendar, week_days(MONDAY, 20)[:-1]) == (1, 19), "it sells on Sundays, so that one is missing"
    assert whole_weeks(calendar, week_days(MONDAY, 20, closed=(6,))[:-1]) == (1, 19), "Saturday is missing, too"


def test_part_weeks_at_both_ends() -> None:
    calendar = RetailCalendar(MONDAY)
    days = week_days(MONDAY, 20)
    assert whole_weeks(calendar, days) == (1, 20)
    assert whole_weeks(calendar, days[3:]) == (2, 20)
    assert whole_weeks(calendar, days[3:-3]) == (2, 19)
    assert whole_weeks(calendar, days[:5]) == (1, 0), "no whole week"
    short = data_weeks(days[:5], days[:5], "monday")
    assert (short.first_whole_week, short.last_week) == (1, 1), "too short to hold one: all weeks count as they are"
    with pytest.raises(SettingError, match="at least one whole week from monday on"):
        data_weeks(days[:5], days[:5], "monday", last_day=days[4])


def test_days_may_be_stated() -> None:
    """Sales on Mondays only: nothing tells that the last week is over but its owner."""
    days = week_days(MONDAY, 3, closed=(1, 2, 3, 4, 5, 6))
    assert data_weeks(days, days, "monday").last_week == 2
    assert data_weeks(days, days, "monday", last_day=dt.date(2024, 1, 21)).last_week == 3
    assert data_weeks(days, days, "monday", first_day=dt.date(2024, 1, 2)).first_whole_week == 2


def test_reviews_after_the_last_sale_are_no_weeks_without_sales() -> None:
    days = week_days(MONDAY, 22)
    assert data_weeks(days, week_days(MONDAY, 20), "monday").last_week == 20


def test_week_one_lies_on_the_day_that_weeks_begin_on() -> None:
    days = week_days(MONDAY, 4)
    with pytest.raises(SettingError, match="must be a sunday"):
        data_weeks(days, days, "sunday", week_one=MONDAY)


def test_the_gateway_refuses_a_release_with_two_calendars(tmp_path: Path) -> None:
    folder = write_fake_release(tmp_path, 1, week_start="sunday")
    assert read_manifest(folder).week_one is not None
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(content | {"week_one": "2016-12-26"}))
    with pytest.raises(ValueError, match="week_one 2016-12-26 must be a sunday"):
        read_manifest(folder)


MARCH = {"week_one": "2024-01-01", "first_week": 1, "last_week": 30, "launch_burn_in_weeks": 6, "dataset": "short"}


@pytest.mark.parametrize(
    ("first_day", "first_whole_week", "covered", "held"),
    [
        ("2024-01-01", 1, [5.0, 4.0, 1.0], [0.0, 1.0, 1.0, 1.0]),
        ("2024-01-06", 2, [4 + 2 / 7, 4.0, 1.0], [0.0, 2 / 7, 1.0, 1.0]),  # a Saturday
        ("2024-01-03", 1, [5.0, 4.0, 1.0], [0.0, 1.0, 1.0, 1.0]),  # closed on Mondays and Tuesdays
        ("2024-01-17", 4, [2 + 5 / 7, 2 + 5 / 7, 1.0], [0.0, 0.0, 0.0, 5 / 7]),  # views alone before
    ],
)
def test_weeks_count_by_the_share_of_their_days(first_day, first_whole_week, covered, held):
    dataset = MARCH | {"first_day": first_day, "first_whole_week": first_whole_week}
    assert weeks_covered(dataset, np.array([1, 2, 5]), 5) == pytest.approx(covered)
    assert share_held(dataset, np.arange(4)) == pytest.approx(held)


def test_launches_are_measured_from_the_week_after_the_burn_in_whatever_the_first_week_is():
    for first_week in (1, 3):
        assert split_from(20, 22, MARCH | {"first_week": first_week}).train == (7, 19)


def test_what_a_user_does_in_a_week_counts_a_week_that_is_held_in_part_by_its_days(shop_data, tmp_path):
    shutil.copytree(shop_data, tmp_path / "shop")
    whole = features.user_features(features.at(tmp_path / "shop", Cut(4))).to_pandas()
    path = tmp_path / "shop" / "dataset.json"
    described = json.loads(path.read_text())
    saturday = dt.date.fromisoformat(described["week_one"]) + dt.timedelta(days=5)
    path.write_text(json.dumps(described | {"first_day": saturday.isoformat(), "first_whole_week": 2}))
    part = features.user_features(features.at(tmp_path / "shop", Cut(4))).to_pandas()
    for name in ("purchases_per_week", "spend_per_week"):
        assert whole[name].sum() > 0
        assert part[name].to_numpy() == pytest.approx(whole[name].to_numpy() * 4 / (3 + 2 / 7))
