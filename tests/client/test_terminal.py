"""Text in columns: any script aligns, bars have their length, quantiles are whole units."""

import datetime
import io
from types import SimpleNamespace
from typing import cast

import pytest

from onshelf import ChannelUse
from onshelf._cli import _plan_view
from onshelf._cli import _words as w
from onshelf._cli._progress import Progress
from onshelf._cli._terminal import Cell, Column, Terminal, clean, pad, shorten, table, terminal_of, width, wrap
from onshelf._results import PlanLaunchResult, TimingEvidence

PLAIN = Terminal(columns=80, colour=False, unicode=True)


@pytest.mark.parametrize(
    ("text", "columns"),
    [("chips", 5), ("海盐薯片", 8), ("cafe\u0301", 4), ("🍟", 2), ("ｗｉｄｅ", 8), ("ab\u200bcd", 4), ("", 0)],
)
def test_a_text_has_the_width_that_a_terminal_gives_it(text, columns):
    assert width(text) == columns
    assert width(pad(text, 12)) == width(pad(text, 12, right=True)) == 12


def test_columns_align_in_any_script():
    rows = [["海盐薯片", "1"], ["sea salt chips", "12"], [Cell("🍟 fries", ("bold",)), "123"]]
    lines = table(PLAIN, [Column("product"), Column("units", right=True)], rows)
    assert len({width(line) for line in lines}) == 1
    assert lines[0] == "  product         units"


def test_a_wrapping_column_takes_the_room_that_is_left():
    text = "a long list of channels that does not fit into one line of the table, not even nearly so"
    lines = table(PLAIN, [Column("n"), Column("channels", wrap=True), Column("end")], [["1", text, "x"]])
    assert all(width(line) <= 80 for line in lines)
    assert len(lines) == 3
    assert sorted(" ".join(lines[1:]).split()) == sorted([*text.split(), "1", "x"])


def test_empty_columns_are_left_out():
    assert table(PLAIN, [Column("a"), Column("b")], [["1", ""]]) == ["  a", "  1"]


@pytest.mark.parametrize("columns", [3, 7, 20])
def test_wrapping_keeps_every_character(columns):
    text = "海盐薯片 kettle-cooked chips 🍟🍟🍟🍟"
    lines = wrap(text, columns)
    assert all(width(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_shortening_says_so():
    assert shorten("海盐薯片", 8) == "海盐薯片"
    assert shorten("海盐薯片", 7) == "海盐薯…"
    assert shorten("sea salt chips", 9) == "sea salt…"


def test_control_characters_are_taken_out():
    assert clean("a\x1b[31mb\nc\td\x00") == "a[31mb c d"


def test_bars_are_as_long_as_their_values():
    assert PLAIN.bar(10, 10, 8) == "████████"
    assert PLAIN.bar(5, 10, 8) == "████"
    assert PLAIN.bar(5.5, 10, 8) == "████▍"
    assert PLAIN.bar(0, 10, 8) == ""
    assert PLAIN.bar(0.001, 10, 8) == "▏"
    assert Terminal(80, False, False).bar(5, 10, 8) == "####"
    assert PLAIN.bar(1, 0, 8) == ""


def test_a_sparkline_has_a_character_for_each_value():
    assert PLAIN.sparkline([0, 1, 2]) == "▁▅█"
    assert PLAIN.sparkline([1, 1]) == "▁▁"


def test_what_a_stream_can_show_decides():
    class Screen(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    assert terminal_of(Screen(), {}).colour
    assert not terminal_of(Screen(), {"NO_COLOR": "1"}).colour
    assert not terminal_of(Screen(), {"TERM": "dumb"}).colour
    assert not terminal_of(io.StringIO(), {}).colour
    assert terminal_of(Screen(), {}).unicode
    assert Terminal(80, False, False).plain("1 – 2 × 海") == "1 - 2 x ?"


@pytest.mark.parametrize(
    ("quantile", "units"), [(0.0, 0), (0.2, 1), (1.0, 1), (1.0000000001, 1), (1.2, 2), (-0.1, 0), (20.16, 21)]
)
def test_a_continuous_quantile_stands_for_a_whole_number(quantile, units):
    # The count y is spread over (y - 1, y].
    assert w.whole(quantile) == units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.004, "0"),
        (0.25, "0.25"),
        (0.3, "0.3"),
        (0.996, "1"),
        (3.04, "3"),
        (9.94, "9.9"),
        (9.96, "10"),
        (1234.5, "1,234"),
    ],
)
def test_counts_have_a_decimal_only_where_it_matters(value, text):
    assert w.count(value) == text


def test_differences_and_amounts_have_signs():
    assert [w.difference(value) for value in (2.24, -0.3, 0.01, -0.001)] == ["+2.2", "−0.3", "+0.01", "±0"]
    assert [w.amount(value, "USD") for value in (-7.2, 1234.5, -0.001)] == ["−7.20", "1,234.50", "0.00"]
    assert (w.amount(1234.5, "JPY"), w.amount(1.5, "KWD")) == ("1,234", "1.500")
    assert (w.signed("−7.20"), w.signed("7.20")) == ("−7.20", "+7.20")
    assert (w.percent(0.305), w.percent(0.009), w.percent(0.0)) == ("30%", "0.9%", "0%")


def test_many_channels_of_a_kind_are_written_as_one():
    uses = [ChannelUse(f"display_{n}", 0.01 * n) for n in (1, 2, 3)] + [ChannelUse("mailer_front_feature", 1.0)]
    assert w.channel_list(uses) == "3 display channels 1–3%, mailer front feature 100%"
    assert w.channel_list(uses, coverage=False) == "3 display channels and mailer front feature"
    assert w.channel_list(uses[:2]) == "display 1 1%, display 2 2%"
    assert w.every_channel(uses[:1]) == "display 1 1%"
    assert w.channel_list([]) == "none"


def test_progress_without_a_person_is_a_line_for_each_tenth():
    stream = io.StringIO()
    progress = Progress("planned", 40, done=10, stream=stream)
    for _ in range(30):
        progress.step("1 without a plan")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 8
    assert lines[0].startswith("planned 12/40, ")
    assert lines[-1].startswith("planned 40/40 in ")


def test_a_season_without_ups_and_downs_is_the_same_in_all_weeks() -> None:
    weeks = [datetime.date(2024, 1, 1) + datetime.timedelta(weeks=n) for n in range(3)]
    flat = SimpleNamespace(timing=[TimingEvidence(week_start_date=week, seasonality=1.0) for week in weeks])
    told = " ".join(_plan_view._timing(cast(PlanLaunchResult, flat), PLAIN))
    assert "1 Jan 2024" in told
    assert "the same in all weeks (1.00 × the year's average)." in " ".join(told.split())
    assert "strongest" not in told
