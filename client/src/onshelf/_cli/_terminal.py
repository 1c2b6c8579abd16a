"""Text for people, by rich: tables, paragraphs, bars and progress; colour only where a person looks."""

import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.bar import Bar
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

Section = Sequence[RenderableType]

_ASCII = str.maketrans(
    {"–": "-", "−": "-", "·": "|", "│": "|", "×": "x", "●": "o", "▒": "=", "…": "...", "→": "->", "±": "+-"}
    | dict(zip("▁▂▃▄▅▆▇", "_..-=**", strict=True))
    | dict.fromkeys("█▉▊▋▌▍▎▏▐▕", "#")
)


def clean(text: str) -> str:
    """A text of unknown origin without line breaks, tabs and control characters, which could move the cursor."""
    return "".join(
        " " if c in "\t\n\r" else c for c in text if c in "\t\n\r" or unicodedata.category(c) != "Cc"
    ).strip()


def shortened(text: str, columns: int) -> str:
    """A text cut to a number of columns, with an ellipsis where something is missing."""
    cut = Text(text)
    cut.truncate(columns, overflow="ellipsis")
    return text if cut.plain == text else f"{cut.plain.removesuffix('…').rstrip()}…"


def screen(file: TextIO | None = None) -> Console:
    """Where text for people goes. NO_COLOR turns colours off, COLUMNS sets the width; pipes have no colours."""
    stream = file or sys.stdout
    return Console(
        file=stream,
        # 120 columns where nobody looks: wide enough that a table in a log stays a table.
        width=max(60, min(shutil.get_terminal_size((120, 24)).columns, 140)),
        color_system="auto" if stream.isatty() and not os.environ.get("NO_COLOR") else None,
        markup=False,
        emoji=False,
        highlight=False,
    )


def show(*sections: Section) -> None:
    """Prints sections with an empty line between them, without the empty ones, in characters that can be written."""
    console = screen()
    with console.capture() as captured:
        for n, section in enumerate([section for section in sections if section]):
            for item in [*([""] if n else []), *section]:
                console.print(item, crop=False)
    text = "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))
    if not (getattr(sys.stdout, "encoding", None) or "ascii").lower().startswith("utf"):
        text = text.translate(_ASCII).encode("ascii", "replace").decode()
    print(text, flush=True)


def bold(text: str) -> Text:
    """A title."""
    return Text(text, "bold")


def hanging(text: str, style: str = "", mark: str = "  ") -> Table:
    """A paragraph behind a mark that stands in its first line alone."""
    grid = Table.grid()
    grid.add_column(width=cell_len(mark))
    grid.add_column(overflow="fold")
    grid.add_row(mark, Text(text, style))
    return grid


def table(headers: Sequence[str], rows: Sequence[Sequence[RenderableType]], styles: Sequence[str] = ()) -> Table:
    """A table without lines; styles are of its rows.

    A header begins with ">" where its column is to the right, with "~" where its texts may break. Columns without any
    content are left out. Where the table is too wide, headers break at spaces and the columns with "~" share the room
    that is left; the others keep their texts whole.
    """
    console = screen()
    kept = [n for n in range(len(headers)) if any(row[n] for row in rows)]
    names = {n: headers[n].lstrip(">~") for n in kept}
    contents = {n: max(console.measure(row[n]).maximum for row in rows) for n in kept}
    tight = sum(2 + max(cell_len(names[n]), contents[n]) for n in kept) > console.width
    made, least = Table(box=None, padding=(0, 0, 0, 2), header_style="dim"), 0
    for n in kept:
        word = max((cell_len(word) for word in names[n].split()), default=0)
        breaks = headers[n].startswith("~")
        width = max(word, min(10, contents[n]) if breaks else contents[n])
        least += 2 + width
        made.add_column(
            names[n],
            justify="right" if headers[n].startswith(">") else "left",
            overflow="fold",
            width=width if tight and not breaks else None,
            min_width=width if breaks else None,
        )
    made.width = least if least > console.width else None
    for n, row in enumerate(rows):
        made.add_row(*(row[k] for k in kept), style=styles[n] if styles else None)
    return made


def bar(begin: float, end: float, largest: float, columns: int) -> RenderableType:
    """A bar from begin to end of a scale of so many columns; never quite nothing where there is something."""
    if end <= 0:
        return ""
    least = largest / columns / 8
    return Bar(largest, min(begin, largest - least), max(end, begin + least), width=columns, color="green")


def sparkline(values: Sequence[float]) -> str:
    """One character for each value, as high as it is between the lowest and the highest."""
    low, spread = min(values), max(values) - min(values)
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) / spread * 7) if spread else 0] for value in values)


@contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Callable[[str], None]]:
    """Counts what is done of a total, on standard error: a bar where a person looks, a line at each tenth elsewhere.

    Yields what counts one more, with a remark.
    """
    console = screen(sys.stderr)
    if sys.stderr.isatty() and not console.is_dumb_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[remark]}"), console=console) as shown:
            task = shown.add_task(what, total=total, completed=done, remark="")
            yield lambda remark: shown.update(task, advance=1, remark=remark)
        return
    begun, now = time.monotonic(), done

    def step(remark: str) -> None:
        nonlocal now
        now += 1
        if now * 10 // total > (now - 1) * 10 // total:
            taken = time.monotonic() - begun
            left = f", {taken / (now - done) * (total - now):.0f} s left" if now < total else f" in {taken:.0f} s"
            print(f"{what} {now:,}/{total:,}{left}{f' ({remark})' if remark else ''}", file=sys.stderr, flush=True)

    yield step
