"""`onshelf.files` reads values as people write them, and decides about a column from all of it."""

import datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onshelf.files import (
    Unit,
    currencies,
    currencies_of,
    decimals,
    identifiers,
    numbers,
    texts,
    times,
    unit_of,
    yes_no,
)


def column(*values):
    return pa.chunked_array([list(values)])


def read(reading):
    return reading.values.to_pylist()


# Numbers.


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("12", 12.0),
        (" +7 ", 7.0),
        ("-3.20", -3.2),
        ("\u22123.20", -3.2),
        ("(3.20)", -3.2),
        ("3.20-", -3.2),
        ("$(3.20)", -3.2),
        ("-€3.20", -3.2),
        ("€-3.20", -3.2),
        ("Rs. 75", 75.0),
        ("Rs.75.50", 75.5),
        ("Rs. 75/-", 75.0),
        ("7.25 EUR", 7.25),
        ("€ 7.25", 7.25),
        ("$.75", 0.75),
        ("CHF 2'450.60", 2450.6),
        ("12 345 678", 12345678.0),
        ("2\u00a0450.60", 2450.6),
        ("1,23,456.5", 123456.5),
        ("18元", 18.0),
        ("￥１８．５", 18.5),
        ("9.—", 9.0),
        ("1.5E-3", 0.0015),
        ("2e+06", 2000000.0),
        ("5.", 5.0),
    ],
)
def test_a_number_is_what_it_says(written, meant):
    reading = numbers(column(written, "0.5"))
    assert read(reading) == [meant, 0.5]
    assert (reading.filled, reading.read, reading.odd) == (2, 2, ())


@pytest.mark.parametrize(
    "written", ["many", "--5", "(-5)", "12 5", "1.2.3", "2024-01-02", "10 kg", "5 5", "(5", "€", "1,23,45"]
)
def test_what_is_no_number_is_counted_and_shown(written):
    reading = numbers(column("4.5", written, written, None))
    assert read(reading) == [4.5, None, None, None]
    assert (reading.filled, reading.read, reading.not_understood, reading.odd) == (3, 1, 2, (written,))
    assert reading.wrong.to_pylist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("values", "meant"),
    [
        (("0,450", "1,200"), [0.45, 1.2]),  # nothing has thousands of zero
        (("3,4900", "1,200"), [3.49, 1.2]),  # four digits are no thousands
        (("1.299", "3,49"), [1299.0, 3.49]),
        (("1.299,90", "2.499"), [1299.9, 2499.0]),
        (("1,299", "3.49"), [1299.0, 3.49]),
        (("1,299,000", "2.499"), [1299000.0, 2.499]),
        (("1 299,900", "2,499"), [1299.9, 2.499]),
    ],
)
def test_the_column_decides_what_a_comma_is(values, meant):
    reading = numbers(column(*values))
    assert (read(reading), reading.ambiguous) == (meant, False)


def test_a_comma_that_nothing_decides_is_pointed_out():
    reading = numbers(column("1,299", "2,499"))
    assert (read(reading), reading.ambiguous) == ([1299.0, 2499.0], True)
    assert reading.remark == (
        "values like 1,299 are read with thousands; all of them could be three decimals as well: check this"
    )
    reading = numbers(column("1.299", "2.499"))
    assert (read(reading), reading.ambiguous) == ([1.299, 2.499], True)


def test_a_column_that_contradicts_itself_reads_what_is_sure():
    reading = numbers(column("3.49", "3,49", "1,299"))
    assert (read(reading), reading.ambiguous, reading.odd) == ([3.49, 3.49, None], True, ("1,299",))
    assert "decimal point (1 values) and decimal comma (1) are mixed" in reading.remark


def test_the_sign_before_decimals_can_be_stated() -> None:
    written = column("1,299", "2,499", "12,50", "1.234,50", "3", "1.234")
    comma = numbers(written, ",")
    assert (read(comma), comma.ambiguous, comma.remark) == (
        [1.299, 2.499, 12.5, 1234.5, 3.0, 1234.0],
        False,
        "decimal comma, as stated",
    )
    point = numbers(column("1,299", "2.499", "1,234.50", "12,50"), ".")
    assert (read(point), point.odd) == ([1299.0, 2.499, 1234.5, None], ("12,50",)), "nothing is read otherwise"
    assert decimals(column("1,299"), ",").values.to_pylist() == ["1.299"]


def test_percent_is_told_from_money():
    reading = numbers(column("20%", "2", "% 5", None))
    assert read(reading) == [20.0, 2.0, 5.0, None]
    assert reading.percent.to_pylist() == [True, False, True, None]
    assert numbers(column("20", "2")).percent is None


def test_currencies_are_told():
    reading = numbers(column("3 EUR", "€4", "$5", "6"))
    assert reading.currencies == ("EUR", "$")
    assert reading.marks.to_pylist() == ["EUR", "EUR", "$", None]
    assert reading.remark == "several currencies: EUR (2), $ (1)"
    assert currencies_of("EUR") == ("EUR",)
    assert {"USD", "CAD"} <= set(currencies_of("$"))
    assert set(currencies_of("¥")) == {"CNY", "JPY"}


def test_typed_numbers_stay_as_they_are():
    assert read(numbers(pa.chunked_array([pa.array([1, None, 3], pa.int32())]))) == [1.0, None, 3.0]
    reading = numbers(pa.chunked_array([[1.5, float("nan"), float("inf")]]))
    assert (read(reading), reading.filled, reading.read, reading.odd) == ([1.5, None, None], 2, 1, ("inf",))
    assert read(numbers(pa.chunked_array([pa.array([Decimal("2.50")])]))) == [2.5]


def test_decimals_keep_every_digit():
    assert read(decimals(column("1,299.90", "(0.10)", "12345678901234567.89"))) == [
        "1299.90",
        "-0.10",
        "12345678901234567.89",
    ]


@settings(max_examples=50, deadline=None)
@given(
    amounts=st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=8),
    convention=st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("", "."), ("", ",")]),
    money=st.sampled_from(["{}", "{} €", "EUR {}", "{} zł", "￥{}"]),
)
def test_a_column_in_one_convention_is_read_as_it_was_meant(amounts, convention, money):
    thousands, point = convention
    written = [f"{amount:,.2f}".translate({ord(","): thousands, ord("."): point}) for amount in amounts]
    reading = decimals(column(*(money.format(text) for text in written)))
    assert [Decimal(text) for text in read(reading)] == amounts
    assert not reading.ambiguous


# Times.

NOON = datetime.datetime(2024, 5, 31, 18, 30)


@pytest.mark.parametrize(
    "written",
    [
        "2024-05-31 18:30:00",
        "2024-05-31T18:30:00Z",
        "2024-05-31T20:30:00+02:00",
        "2024-05-31 18:30 UTC",
        "2024-05-31 18:30:00 +0000 UTC",
        "2024/5/31 18:30",
        "31.05.2024 18:30",
        "31-05-2024 18:30:00",
        "5/31/2024 6:30:00 PM",
        "31/05/24 6:30 p.m.",
        "31-May-2024 18:30",
        "May 31, 2024 6:30 pm",
        "Fri, 31 May 2024 18:30:00 GMT",
        "Fri May 31 18:30:00 UTC 2024",
        "31 mai 2024 18:30",
        "31. Mai 2024 18:30",
        "31 de mayo de 2024 18:30",
        "2024年5月31日 18时30分",
        "20240531183000",
        "20240531T183000Z",
        "202405311830",
        "1717180200",
        "1717180200000",
        "1717180200000000",
        "1717180200000000000",
        "1717180200.000",
        "45443.7708333333",
    ],
)
def test_a_time_is_what_it_says(written):
    reading = times(column(written))
    assert (read(reading), reading.read) == ([NOON], 1)


@pytest.mark.parametrize(
    "written",
    ["2024-05-31", "20240531", "31-05-2024", "31-May-24", "May 31st, 2024", "2024-W22-5", "2024年5月31日", "24-05-31"],
)
def test_a_date_is_what_it_says(written):
    assert read(times(column(written), kind="date")) == [NOON.date()]


@pytest.mark.parametrize(
    "written", ["soon", "2024-02-30", "2024-05", "13:61", "12", "2024-05-31 25:00", "31/31/2024", "-5"]
)
def test_what_is_no_time_is_counted_and_shown(written):
    reading = times(column("2024-01-02", written, written))
    assert (read(reading)[1:], reading.filled, reading.read, reading.odd) == ([None, None], 3, 1, (written,))


def test_fractions_of_a_second_are_kept_to_the_microsecond():
    assert read(times(column("2024-05-31 18:30:00.1234567", "2024-05-31 18:30:00,5"))) == [
        NOON.replace(microsecond=123456),
        NOON.replace(microsecond=500000),
    ]


def test_the_column_decides_whether_the_day_comes_first():
    first, second = read(times(column("05/06/2024", "13/06/2024"), kind="date"))
    assert (first, second) == (datetime.date(2024, 6, 5), datetime.date(2024, 6, 13))
    first, second = read(times(column("05/06/2024", "06/13/2024"), kind="date"))
    assert (first, second) == (datetime.date(2024, 5, 6), datetime.date(2024, 6, 13))


def test_days_that_could_be_months_are_pointed_out():
    reading = times(column("05/06/2024", "07/06/2024"))
    assert reading.ambiguous
    assert reading.remark == "day first; every value could be month first as well: check this"
    assert not times(column("05/05/2024")).ambiguous
    assert read(times(column("05/06/2024 6:30 PM")))[0].month == 5  # such clocks go with the month first


def test_a_column_that_mixes_both_orders_is_pointed_out():
    reading = times(column("13/06/2024", "14/06/2024", "06/13/2024", "01/02/2024"))
    assert (reading.odd, reading.ambiguous) == (("06/13/2024",), True)
    assert "1 values fit month first only" in reading.remark


def test_a_format_that_is_given_is_the_only_one():
    reading = times(column("05/06/2024", "2024-06-05"), date_format="%m/%d/%Y")
    assert (read(reading), reading.odd) == ([datetime.datetime(2024, 5, 6), None], ("2024-06-05",))
    with pytest.raises(ValueError, match="date format '%Q'"):
        times(column("5"), date_format="%Q")


def test_times_become_local_on_every_route():
    instant = datetime.datetime(2024, 1, 2, 20, 30, tzinfo=datetime.UTC)
    local = datetime.datetime(2024, 1, 3, 4, 30)
    for values in (
        pa.chunked_array([pa.array([instant], pa.timestamp("us", "UTC"))]),
        pa.chunked_array([pa.array([instant], pa.timestamp("ns", "America/New_York"))]),
        pa.chunked_array([pa.array([int(instant.timestamp() * 1e6)])]),
        pa.chunked_array([pa.array([instant.timestamp()])]),
        column("2024-01-02T20:30:00Z"),
        column("1704227400"),
    ):
        assert read(times(values, timezone="Asia/Shanghai")) == [local]
    for values in (pa.chunked_array([pa.array([local])]), column("2024-01-03 04:30:00")):
        assert read(times(values, timezone="Asia/Shanghai")) == [local]
    with pytest.raises(ValueError, match="'Mars' is no time zone"):
        times(column("5"), timezone="Mars")


def test_numbers_that_are_dates_are_read_as_dates():
    assert read(times(pa.chunked_array([[20240531]]), kind="date")) == [NOON.date()]
    assert read(times(pa.chunked_array([pa.array([NOON.date()])]), kind="time")) == [datetime.datetime(2024, 5, 31)]


def test_dates_that_a_spreadsheet_has_changed_over_are_pointed_out():
    reading = times(column("2024-04-05", "2024-07-05", "13/05/2024", "31/05/2024"))
    assert reading.ambiguous
    assert "2 values are dates with a day up to the 12th, 2 are texts with a later one" in reading.remark
    assert not times(column("2024-04-05", "2024-07-15", "13/05/2024")).ambiguous
    assert not times(column("2024-04-05", "05/05/2024", "13/05/2024")).ambiguous
    assert times(column("2024-04-05", "2024-07-05", "05/13/2024")).ambiguous, "a file with the month first, too"


# Identifiers, texts, yes and no.


def test_null_words_are_missing_not_customers():
    words = ["NULL", "nan", "\\N", "None", "n/a", "#N/A", "-", " ", "<NA>"]
    reading = identifiers(column(*words, "u1"))
    assert read(reading) == [None] * len(words) + ["u1"]
    assert (reading.filled, reading.read, reading.odd) == (1, 1, ())
    assert ("NULL", 1) in reading.null_words
    assert read(texts(column("NULL", " Mug "))) == [None, "Mug"]


def test_an_error_or_a_question_mark_is_no_empty_cell_among_numbers():
    for reader in (numbers, times, yes_no):
        assert (reader(column("?", "#VALUE!", "N/A")).filled, reader(column("?")).odd) == (2, ("?",))
    assert read(identifiers(column("?", "#REF!", "u1"))) == [None, None, "u1"]


# Units.


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("Discount (%)", Unit(percent=True)),
        ("Rabatt %", Unit(percent=True)),
        ("Price (cents)", Unit(factor=0.01)),
        ("Umsatz (TEUR)", Unit(factor=1000, mark="EUR")),
        ("Amount [USD]", Unit(mark="USD")),
        ("Preis (in €)", Unit(mark="EUR")),
        ("价格（元）", Unit(mark="元")),
        ("Price (all)", Unit()),
        ("Qty (pcs)", Unit()),
        ("Price (incl. tax)", Unit()),
        ("Umsatz (inkl. 19% MwSt.)", Unit()),
        ("Price incl. 19% VAT", Unit()),
        ("Rabatt in %", Unit(percent=True)),
        ("% off", Unit(percent=True)),
        ("UNIT PRICE (TRAY)", Unit()),
        ("SALES (ALL)", Unit()),
        ("Price (TRY)", Unit(mark="TRY")),
    ],
)
def test_a_header_may_state_the_unit(header, unit):
    assert unit_of(header) == unit


def test_currencies_are_codes_or_signs():
    reading = currencies(column("EUR", "eur", "€", "US$", "bottle caps", None))
    assert read(reading) == ["EUR", "EUR", "EUR", "USD", None, None]
    assert (reading.currencies, reading.odd) == (("EUR", "USD"), ("bottle caps",))


def test_whole_numbers_written_as_floats_are_the_same_identifier():
    assert read(identifiers(column("1001.0", "1002", "007"))) == ["1001", "1002", "007"]
    assert read(identifiers(pa.chunked_array([[1001.0, None]]))) == ["1001", None]
    assert read(identifiers(pa.chunked_array([[1001]]))) == ["1001"]
    assert read(identifiers(column("10.0", "10.5"))) == ["10.0", "10.5"]  # the column has decimals that mean something
    assert read(identifiers(column('="007"'))) == ["007"]


def test_identifiers_that_lost_their_digits_are_counted():
    reading = identifiers(column("4.00638E+12", "A1E5", "12"))
    assert (read(reading), reading.odd) == ([None, "A1E5", "12"], ("4.00638E+12",))
    assert "have lost their digits" in reading.remark
    assert identifiers(pa.chunked_array([[2.0**60]])).not_understood == 1


def test_yes_and_no_in_several_languages():
    reading = yes_no(column("Yes", "x", "ja", "是", "1", "No", "nein", "否", "0.0", None, "maybe"))
    assert read(reading) == [True] * 5 + [False] * 4 + [None, None]
    assert reading.odd == ("maybe",)


def test_lists_are_paths_and_other_nested_values_are_shown():
    assert read(texts(pa.chunked_array([[["Kitchen", "Tea"], None]]))) == ["Kitchen > Tea", None]
    assert read(texts(pa.chunked_array([[{"a": 1}]]))) == ["{'a': 1}"]


def test_samples_are_the_most_frequent_as_written():
    reading = numbers(pa.chunked_array([["x"], [" y", " y"], ["1"]]))
    assert reading.odd == (" y", "x")


@pytest.mark.parametrize("reader", [numbers, decimals, times, identifiers, yes_no, texts])
def test_an_empty_column_is_no_fault(reader):
    for values in (pa.chunked_array([], pa.string()), column(None, ""), pa.chunked_array([pa.nulls(2)])):
        reading = reader(values)
        assert (len(reading.values), reading.filled, reading.read) == (len(values), 0, 0)
