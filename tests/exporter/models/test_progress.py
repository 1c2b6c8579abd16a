"""What is told of long work: by a pretended clock, and by a real process whose output goes into a file."""

import datetime as dt
import os
import re
import subprocess
import sys

import pytest

from onshelf_exporter.process.progress_display import Lines, Piece, duration

SCRIPT = """
import io, sys, time
from onshelf_exporter.process import progress_display as progress

class Kept(io.StringIO):
    def write(self, text):
        sys.__stderr__.write(text)
        return super().write(text)

sys.stderr = Kept()
progress.INTERVAL = 1.0
with progress.working("replay", 2) as step:
    step("content")
    with progress.progress_bar("content", 40) as advance:
        for _ in range(40):
            time.sleep(0.05)
            advance(1)
    step("outcome")
    while "outcome" not in sys.stderr.getvalue():  # gets no further, and says so all the same
        time.sleep(0.05)
try:
    with progress.progress_bar("broken", 3):
        raise ValueError("told by somebody else")
except ValueError:
    pass
"""


class Log:
    """Lines by a clock that a test turns."""

    def __init__(self) -> None:
        self.seconds, self.text = 0.0, ""
        self.lines = Lines(self.write, lambda: self.seconds, self.time_of_day)

    def write(self, line: str) -> None:
        self.text += line

    def time_of_day(self) -> dt.datetime:
        return dt.datetime(2026, 11, 30, 9, 0, 0) + dt.timedelta(seconds=self.seconds)

    def said(self) -> list[str]:
        found, self.text = self.text.splitlines(), ""
        return found


def test_a_line_comes_every_ten_seconds_with_what_is_done_and_left() -> None:
    log = Log()
    piece = Piece(name="product_encoder", total=288, done=0, started=0.0)
    log.lines.begin([piece])
    assert log.said() == ["09:00:00 product_encoder: 288 steps"]
    for second in range(1, 31):
        log.seconds, piece.done = float(second), 2 * second
        log.lines.changed([piece])
    assert log.said() == [
        "09:00:10 product_encoder: 20 of 288, 6 %, 2 min 14 s left",
        "09:00:20 product_encoder: 40 of 288, 13 %, 2 min 04 s left",
        "09:00:30 product_encoder: 60 of 288, 20 %, 1 min 54 s left",
    ]
    log.seconds = 144.0
    log.lines.end([piece])
    assert log.said() == ["09:02:24 product_encoder: done in 2 min 24 s"]


def test_work_that_goes_on_counts_the_speed_of_this_process_only() -> None:
    log = Log()
    piece = Piece(name="product_encoder", total=288, done=188, started=0.0)
    log.lines.begin([piece])
    log.seconds, piece.done = 20.0, 208
    log.lines.tick([piece])
    assert log.said()[1] == "09:00:20 product_encoder: 208 of 288, 72 %, 1 min 20 s left"


def test_work_that_does_not_get_further_is_told_by_the_names_of_all_that_it_lies_in() -> None:
    log = Log()
    outer, inner = (
        Piece(name="replay", total=5, done=2, started=0.0, step="outcome"),
        Piece(name="fit", total=0, done=0, started=0.0),
    )
    log.lines.begin([outer, inner])
    log.seconds = 9.0
    log.lines.tick([outer, inner])
    log.seconds = 12.0
    log.lines.tick([outer, inner])
    log.lines.tick([outer, inner])
    assert log.said() == ["09:00:00 replay / fit: begins", "09:00:12 replay / fit: 12 s so far"]
    log.seconds = 22.5
    log.lines.tick([outer])
    assert log.said() == ["09:00:22 replay: outcome, 2 of 5, 40 %, 22 s so far"]


def test_what_is_loaded_is_told_only_where_it_takes_long() -> None:
    log = Log()
    short, long = (
        Piece(name="train: loading", total=0, done=0, started=0.0, quiet=True),
        Piece(name="train: loading", total=0, done=0, started=0.0, quiet=True),
    )
    for piece, seconds in ((short, 4.0), (long, 12.0)):
        log.lines.begin([piece])
        log.seconds = seconds
        log.lines.tick([piece])
        log.lines.end([piece])
    assert log.said() == ["09:00:12 train: loading: 12 s so far", "09:00:12 train: loading: done in 12 s"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.21, "4.2 s"), (59.0, "59 s"), (65.4, "1 min 05 s"), (7800.0, "2 h 10 min")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_process_whose_output_goes_into_a_file_says_what_it_does() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={name: value for name, value in os.environ.items() if name != "FORCE_COLOR"},
    )
    lines = done.stderr.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d (replay|broken)", line) for line in lines), done.stderr
    said = [line.split(" ", 1)[1] for line in lines]
    assert said[:2] == ["replay: 2 steps", "replay / content: 40 steps"]
    assert any(re.fullmatch(r"replay / content: \d+ of 40, \d+ %, [\d.]+ s left", line) for line in said)
    assert any(re.fullmatch(r"replay / content: done in [\d.]+ s", line) for line in said)
    assert any(re.fullmatch(r"replay: outcome, 1 of 2, 50 %, [\d.]+ s so far", line) for line in said)
    assert said[-1] == "broken: 3 steps", "what failed is not said to be done"
