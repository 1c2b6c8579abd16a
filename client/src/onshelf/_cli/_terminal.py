"""Text for people: columns that align in any script, wrapped cells, bars, and colour only where a person looks."""

import dataclasses
import os
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TextIO

_STYLES = {"bold": "1", "dim": "2", "green": "32", "yellow": "33", "red": "31"}
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LEVELS = "▁▂▃▄▅▆▇█"


def clean(text: str) -> str:
    """A text of unknown origin without line breaks, tabs and control characters, which could move the cursor."""
    return "".join(
        " " if c in "\t\n\r" else c for c in text if c in "\t\n\r" or unicodedata.category(c) != "Cc"
    ).strip()


def width(text: str) -> int:
    """Columns that a text takes: 2 for wide characters (Chinese, emoji), 0 for combining ones."""
    return sum(_char_width(c) for c in text)


def _char_width(c: str) -> int:
    if unicodedata.category(c) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def pad(text: str, columns: int, right: bool = False) -> str:
    """A text filled with spaces to a number of columns."""
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def shorten(text: str, columns: int) -> str:
    """A text cut to a number of columns, with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text
    taken, used = "", 0
    for c in text:
        if used + _char_width(c) > columns - 1:
            break
        taken, used = taken + c, used + _char_width(c)
    return taken.rstrip() + "…"


def wrap(text: str, columns: int) -> list[str]:
    """A text in lines of at most so many columns, broken at spaces, and within words only where one is longer."""
    lines, line = [], ""
    for word in text.split():
        while word:
            joined = f"{line} {word}" if line else word
            if width(joined) <= columns:
                line, word = joined, ""
            elif line:
                lines.append(line)
                line = ""
            else:
                head = _fitting(word, columns)
                lines.append(head)
                word = word[len(head) :]
    return [*lines, line] if line or not lines else lines


def _fitting(word: str, columns: int) -> str:
    used = 0
    for n, c in enumerate(word):
        used += _char_width(c)
        if used > columns:
            return word[: max(1, n)]
    return word


@dataclasses.dataclass(frozen=True)
class Terminal:
    """Where text goes: how wide it is, whether it shows colours, whether it can write more than ASCII."""

    columns: int
    colour: bool
    unicode: bool

    def styled(self, text: str, *styles: str) -> str:
        """A text in bold, dim, green, yellow or red; as it is where there are no colours."""
        if not self.colour or not styles or not text:
            return text
        return f"\x1b[{';'.join(_STYLES[s] for s in styles)}m{text}\x1b[0m"

    def bar(self, value: float, largest: float, columns: int) -> str:
        """A bar as long as the value is of the largest, in so many columns at most; never quite nothing above zero."""
        share = 0.0 if largest <= 0 else min(1.0, max(0.0, value) / largest)
        if not self.unicode:
            return "#" * (max(1, round(share * columns)) if share > 0 else 0)
        eighths = max(1, round(share * columns * 8)) if share > 0 else 0
        return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()

    def sparkline(self, values: Sequence[float]) -> str:
        """One character for each value, as high as it is between the lowest and the highest."""
        low, high = min(values), max(values)
        levels = _LEVELS if self.unicode else "_.-=*#"
        spread = high - low
        return "".join(levels[round((v - low) / spread * (len(levels) - 1)) if spread else 0] for v in values)

    def plain(self, text: str) -> str:
        """A text in the characters that the terminal can write."""
        if self.unicode:
            return text
        for fancy, simple in (
            ("–", "-"),
            ("…", "..."),
            ("·", "|"),
            ("→", "->"),
            ("×", "x"),
            ("−", "-"),
            ("●", "o"),
            ("▒", "="),
            ("│", "|"),
            ("±", "+-"),
        ):
            text = text.replace(fancy, simple)
        return text.encode("ascii", "replace").decode()


def terminal_of(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Terminal:
    """What a stream can show. NO_COLOR turns colours off, COLUMNS sets the width; pipes have no colours."""
    colour = stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    # 120 columns where nobody looks: wide enough that a table in a log stays a table.
    columns = shutil.get_terminal_size((120, 24)).columns
    return Terminal(max(60, min(columns, 140)), colour, encoding.startswith("utf"))


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table. One with `wrap` takes the room that the others leave."""

    header: str
    right: bool = False
    wrap: bool = False


@dataclasses.dataclass(frozen=True)
class Cell:
    """A text with a style."""

    text: str
    styles: tuple[str, ...] = ()


def table(terminal: Terminal, columns: Sequence[Column], rows: Sequence[Sequence[str | Cell]]) -> list[str]:
    """The lines of a table. Empty columns are left out. Where it is too wide, headers break at spaces and columns
    with `wrap` share the room that is left, each at least 10 columns.
    """
    cells = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    kept = [n for n in range(len(columns)) if any(row[n].text for row in cells)]
    columns, cells = [columns[n] for n in kept], [[row[n] for n in kept] for row in cells]
    widths = _widths(terminal, columns, cells)
    header = [Cell(column.header, ("dim",)) for column in columns]
    lines = _row_lines(terminal, columns, widths, header, wrapped=[True] * len(columns))
    for row in cells:
        lines += _row_lines(terminal, columns, widths, row, wrapped=[column.wrap for column in columns])
    return [terminal.plain(line) for line in lines]


def _widths(terminal: Terminal, columns: Sequence[Column], cells: Sequence[Sequence[Cell]]) -> list[int]:
    contents = [max((width(row[n].text) for row in cells), default=0) for n in range(len(columns))]
    widths = [max(width(column.header), content) for column, content in zip(columns, contents, strict=True)]
    room = terminal.columns - 2 * len(columns)
    if sum(widths) <= room:
        return widths
    words = [max(width(word) for word in column.header.split() or [""]) for column in columns]
    wrapping = [n for n, column in enumerate(columns) if column.wrap]
    for n, column in enumerate(columns):
        if not column.wrap:
            widths[n] = max(contents[n], words[n])
            room -= widths[n]
    for done, n in enumerate(sorted(wrapping, key=lambda n: widths[n])):
        widths[n] = max(10, words[n], min(widths[n], room // (len(wrapping) - done)))
        room -= widths[n]
    return widths


def _row_lines(
    terminal: Terminal, columns: Sequence[Column], widths: Sequence[int], row: Sequence[Cell], wrapped: Sequence[bool]
) -> list[str]:
    parts = [
        wrap(cell.text, w) if breaks else [cell.text] for cell, w, breaks in zip(row, widths, wrapped, strict=True)
    ]
    lines = []
    for k in range(max(len(part) for part in parts)):
        line = [
            terminal.styled(pad(part[k] if k < len(part) else "", w, column.right), *cell.styles)
            for part, w, column, cell in zip(parts, widths, columns, row, strict=True)
        ]
        lines.append("  " + "  ".join(line).rstrip())
    return lines
