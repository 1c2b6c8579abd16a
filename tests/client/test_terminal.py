"""Text in columns: any script aligns, nothing is cut, bars are never quite nothing, quantiles are whole units."""

import datetime
import io
from types import SimpleNamespace
from typing import cast

import pytest
from rich.cells import cell_len
from rich.text import Text

from onshelf import ChannelUse
from onshelf._cli import _plan_view
from onshelf._cli import _words as w
from onshelf._cli._terminal import bar, clean, hanging, progress, screen, shortened, show, sparkline, table
from onshelf._results import PlanLaunchResult, TimingEvidence


@pytest.fixture
def printed(capsys, monkeypatch):
    """Prints a section on a screen of 80 columns: its lines."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*section):
        show(section)
        return capsys.readouterr().out.splitlines()

    return call


def test_columns_align_in_any_script(printed):
    rows = [["海盐薯片", "1"], ["sea salt chips", "12"], [Text("🍟 fries", "bold"), "123"]]
    lines = printed(table(["product", ">units"], rows))
    assert len({cell_len(line) for line in lines}) == 1
    assert lines[0] == "  product         units"


def test_a_wrapping_column_takes_the_room_that_is_left_and_the_others_stay_whole(printed):
    text = "a long list of channels that does not fit into one line of the table, not even nearly so 海盐薯片海盐薯片"
    lines = printed(table(["n", "~channels", "the end"], [["1", text, "sea salt chips"]]))
    assert all(cell_len(line) <= 80 for line in lines)
    assert len(lines) == 3
    assert sorted(" ".join(lines[1:]).split()) == sorted([*text.split(), "1", *["sea", "salt", "chips"]])
    assert "sea salt chips" in lines[1]


def test_a_table_that_is_wider_than_the_screen_is_not_cut(printed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    names = ["x" * 25, "y" * 25, "z" * 25]
    lines = printed(table(["a", "b", "c", "~words"], [[*names, "kettle-cooked chips"]]))
    assert lines[1].split()[:3] == names
    assert "".join(lines[1:]).replace(" ", "").endswith("kettle-cookedchips")


def test_empty_columns_are_left_out(printed):
    assert printed(table(["a", "b"], [["1", ""]])) == ["  a", "  1"]


def test_a_paragraph_hangs_behind_its_mark(printed):
    text = "海盐薯片 kettle-cooked chips 🍟🍟🍟🍟 " * 4
    lines = printed(hanging(text, mark="  · "))
    assert all(cell_len(line) <= 80 for line in lines)
    assert [line[:4] for line in lines] == ["  · ", *["    "] * (len(lines) - 1)]
    assert "".join(lines).replace(" ", "") == f"·{text.replace(' ', '')}"


def test_shortening_says_so():
    assert shortened("海盐薯片", 8) == "海盐薯片"
    assert shortened("海盐薯片", 7) == "海盐薯…"
    assert shortened("sea salt chips", 9) == shortened("sea salt chips", 10) == "sea salt…"


def test_control_characters_are_taken_out():
    assert clean("a\x1b[31mb\nc\td\x00") == "a[31mb c d"


def test_text_that_looks_like_markup_is_text(printed):
    assert printed("[bold]chips[/bold] :smile:", table(["a"], [["[red]nuts"]])) == [
        "[bold]chips[/bold] :smile:",
        "  a",
        "  [red]nuts",
    ]


def test_bars_lie_where_their_values_are(printed):
    assert printed(bar(0, 10, 10, 8)) == ["████████"]
    assert printed(bar(0, 5, 10, 8)) == ["████"]
    assert printed(bar(0, 5.5, 10, 8)) == ["████▍"]
    assert printed(bar(5, 10, 10, 8)) == ["    ████"]
    assert printed(bar(0, 0.001, 10, 8)) == ["▏"]
    assert printed(bar(0, 0, 10, 8)) == [""]
    assert len(printed(bar(10, 10, 10, 8))[0]) == 8


def test_a_sparkline_has_a_character_for_each_value():
    assert sparkline([0, 1, 2]) == "▁▅█"
    assert sparkline([1, 1]) == "▁▁"


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_what_a_stream_can_show_decides(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert screen(Screen()).color_system
    assert not screen(io.StringIO()).color_system
    monkeypatch.setenv("NO_COLOR", "1")
    assert not screen(Screen()).color_system
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not screen(Screen()).color_system
    plain = io.StringIO()  # without an encoding
    monkeypatch.setattr("sys.stdout", plain)
    show(["1 – 2 × 海 █▍ ▁▅█"])
    assert plain.getvalue() == "1 - 2 x ? ## _=#\n"


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


def test_progress_without_a_person_is_a_line_for_each_tenth(capsys):
    with progress("planned", 40, done=10) as step:
        for _ in range(30):
            step("1 without a plan")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 8
    assert lines[0].startswith("planned 12/40, ")
    assert lines[-1].startswith("planned 40/40 in ")


def test_progress_for_a_person_is_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    person = Screen()
    monkeypatch.setattr("sys.stderr", person)
    with progress("planned", 2) as step:
        step("")
        step("1 without a plan")
    assert "2/2" in person.getvalue()
    assert "1 without a plan" in person.getvalue()


def test_a_season_without_ups_and_downs_is_the_same_in_all_weeks(printed) -> None:
    weeks = [datetime.date(2024, 1, 1) + datetime.timedelta(weeks=n) for n in range(3)]
    flat = SimpleNamespace(timing=[TimingEvidence(week_start_date=week, seasonality=1.0) for week in weeks])
    told = " ".join(" ".join(printed(*_plan_view._timing(cast(PlanLaunchResult, flat)))).split())
    assert "1 Jan 2024" in told
    assert "the same in all weeks (1.00 × the year's average)." in told
    assert "strongest" not in told
