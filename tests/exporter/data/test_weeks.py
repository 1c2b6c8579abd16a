import datetime as dt

import ibis
import pyarrow as pa
import pytest

from onshelf_exporter.errors import SettingError
from onshelf_exporter.weeks import RetailCalendar, first_day_of_week, week_of_year


def test_week_of_year() -> None:
    assert week_of_year(dt.date(2016, 12, 26)) == 52
    assert week_of_year(dt.date(2017, 1, 2)) == 1
    assert week_of_year(dt.date(2020, 12, 28)) == 53


def test_first_day_of_week() -> None:
    assert first_day_of_week(dt.date(2017, 1, 1)) == dt.date(2016, 12, 26)
    assert first_day_of_week(dt.date(2017, 1, 1), "sunday") == dt.date(2017, 1, 1)
    with pytest.raises(SettingError, match="week_start"):
        first_day_of_week(dt.date(2017, 1, 1), "Monday")


def test_expression_and_function_agree() -> None:
    calendar = RetailCalendar(dt.date(2016, 12, 26))
    days = [dt.date(2016, 1, 1) + dt.timedelta(days=i) for i in range(900)]
    table = ibis.memtable(pa.table({"day": days}))
    weeks = table.select("day", week=calendar.week_column(table.day)).order_by("day").to_pyarrow()["week"].to_pylist()
    assert weeks == [calendar.week(day) for day in days]
    assert all(
        calendar.first_day(week) <= day < calendar.first_day(week + 1) for day, week in zip(days, weeks, strict=True)
    )
