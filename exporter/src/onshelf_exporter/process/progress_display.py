"""Progress of whatever takes more than a few seconds, on stderr: bars on a terminal, else lines with the time of day.

In a log a line comes when a piece of work begins, when it ends, and at least every 15 s between, from a thread of its
own: work that gets no further for a while is told, too. Pieces lie within each other; a line names them all. Processes
side by side each write their own lines, whole ones.
"""

import datetime as dt
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeRemaining

INTERVAL = 10.0  # seconds between two lines; looked at every second, so 15 s hold on a busy machine, too


@dataclass(kw_only=True)
class Piece:
    """A piece of work.

    Attributes:
        name: what it is.
        total: its steps; 0 where nobody knows.
        done: steps done; begun: of them, before this process; started: when.
        step: what is being done now, "" for nothing of note.
        quiet: whether a log says nothing of it unless it takes long.
    """

    name: str
    total: int
    done: int
    started: float
    begun: int = field(init=False)
    step: str = ""
    quiet: bool = False

    def __post_init__(self) -> None:
        self.begun = self.done


class Display(Protocol):
    """Shows pieces, the innermost last."""

    def begin(self, pieces: list[Piece]) -> None:
        """The last piece begins."""

    def changed(self, pieces: list[Piece]) -> None:
        """The last piece got further, or its step is another one."""

    def end(self, pieces: list[Piece], failed: bool = False) -> None:
        """The last piece is done, or ends with an error, which somebody else tells."""


class Lines:
    """Plain lines; `tick` writes one where none came for INTERVAL seconds.

    Args:
        write: takes a line with its end.
        clock: seconds, of any beginning.
        now: the time of day.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = dt.datetime.now,
    ) -> None:
        self._write, self._clock, self._now = write, clock, now
        self._said_at = clock()

    def begin(self, pieces: list[Piece]) -> None:
        """See `Display`."""
        piece = pieces[-1]
        if not piece.quiet:
            self._say(pieces, f"{piece.total - piece.done:,} steps" if piece.total else "begins")

    def changed(self, pieces: list[Piece]) -> None:
        """See `Display`."""
        self.tick(pieces)

    def end(self, pieces: list[Piece], failed: bool = False) -> None:
        """See `Display`."""
        if not failed and not pieces[-1].quiet:
            self._say(pieces, f"done in {duration(self._clock() - pieces[-1].started)}")

    def tick(self, pieces: list[Piece]) -> None:
        """Say how far the last piece is, unless a line came lately."""
        if pieces and self._clock() - self._said_at >= INTERVAL:
            pieces[-1].quiet = False
            self._say(pieces, how_far(pieces[-1], self._clock()))

    def _say(self, pieces: list[Piece], what: str) -> None:
        self._said_at = self._clock()
        names = " / ".join(piece.name for piece in pieces)
        self._write(f"{self._now():%H:%M:%S} {names}: {what}\n")


class Bars:
    """Bars on a terminal."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TimeRemaining(), console=console)
        self._tasks: list[TaskID] = []

    def begin(self, pieces: list[Piece]) -> None:
        """See `Display`."""
        if not self._tasks:
            self._progress.start()
        piece = pieces[-1]
        self._tasks.append(self._progress.add_task(piece.name, total=piece.total or None, completed=piece.done))

    def changed(self, pieces: list[Piece]) -> None:
        """See `Display`."""
        piece = pieces[-1]
        name = f"{piece.name}: {piece.step}" if piece.step else piece.name
        self._progress.update(self._tasks[-1], description=name, completed=piece.done)

    def end(self, pieces: list[Piece], failed: bool = False) -> None:
        """See `Display`."""
        task, piece = self._tasks.pop(), pieces[-1]
        if not failed:
            self._progress.update(task, description=piece.name, total=piece.total or 1, completed=piece.total or 1)
        if not self._tasks:
            self._progress.stop()


class Reporter:
    """The pieces of this process; a thread ticks while there are some."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._display: Display | None = None
        self._lock = threading.RLock()
        self._done = threading.Event()

    @contextmanager
    def piece(
        self, name: str, total: int, done: int, quiet: bool = False
    ) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
        """A piece of work; yields what advances it by so many steps and what names the step."""
        piece = Piece(name=name, total=total, done=done, started=time.monotonic(), quiet=quiet)
        with self._lock:
            if self._display is None:
                self._display = self._opened()
            display = self._display
            self._pieces.append(piece)
            display.begin(self._pieces)

        def advance(steps: int) -> None:
            with self._lock:
                piece.done += steps
                if self._pieces[-1] is piece:
                    display.changed(self._pieces)

        def step(what: str) -> None:
            with self._lock:
                piece.step = what
                if self._pieces[-1] is piece:
                    display.changed(self._pieces)

        try:
            yield advance, step
        except BaseException:
            with self._lock:
                display.end(self._pieces, failed=True)
                self._closed(piece)
            raise
        with self._lock:
            display.end(self._pieces)
            self._closed(piece)

    def _opened(self) -> Display:
        console = Console(stderr=True)
        if console.is_terminal:
            return Bars(console)
        lines = Lines(_to_stderr)
        self._done = threading.Event()
        threading.Thread(target=self._ticks, args=(lines, self._done), name="progress", daemon=True).start()
        return lines

    def _closed(self, piece: Piece) -> None:
        self._pieces.remove(piece)
        if not self._pieces:
            self._done.set()
            self._display = None

    def _ticks(self, lines: Lines, done: threading.Event) -> None:
        while not done.wait(1.0):
            with self._lock:
                lines.tick(self._pieces)


_reporter = Reporter()


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


@contextmanager
def progress_bar(name: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show progress towards `total`; yields a function that advances by so many."""
    with _reporter.piece(name, total, done) as (advance, _):
        yield advance


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Say that something is being loaded, where that takes long; on a terminal nothing is shown."""
    if Console(stderr=True).is_terminal:
        yield
        return
    with _reporter.piece(name, 0, 0, quiet=True):
        yield


@contextmanager
def working(name: str, total: int = 0, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show that something is worked on; yields a function that names the next step, of `total` where that is known.

    `quiet` work is told in a log only where it takes long.
    """
    with _reporter.piece(name, total, 0, quiet) as (advance, step):
        begun = False

        def next_step(what: str) -> None:
            nonlocal begun
            step(what)
            if begun and total:
                advance(1)
            begun = True

        yield next_step


def how_far(piece: Piece, now: float) -> str:
    """Where a piece stands: what is done of what, and how long it still takes at the speed so far."""
    taken = now - piece.started
    what = f"{piece.step}, " if piece.step else ""
    if not piece.total:
        return f"{what}{duration(taken)} so far"
    share = f"{what}{piece.done:,} of {piece.total:,}, {100 * piece.done // piece.total} %"
    if piece.done <= piece.begun or piece.step:  # steps that have names are not alike
        return f"{share}, {duration(taken)} so far"
    return f"{share}, {duration(taken * (piece.total - piece.done) / (piece.done - piece.begun))} left"


def duration(seconds: float) -> str:
    """Seconds for people: 4.2 s, 1 min 05 s, 2 h 10 min."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
