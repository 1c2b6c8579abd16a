"""Reads delimited text."""

import collections
import contextlib
import csv
import dataclasses
import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from onshelf.files._encoding import Found, count_broken, decoded, find_encoding
from onshelf.files._engine import connection
from onshelf.files._header import LOOKED_AT, find_header, named
from onshelf.files._raw import FileError, Loss, RawFile, Rejected

COMPRESSIONS = (".gz", ".bz2", ".zst", ".lz4", ".zip")
DELIMITERS = ",;\t|"
HEAD = 1 << 18  # characters in which the header and the delimiter are looked for
SPARE = 8  # columns beyond the header that are read to tell a long row from one with empty cells at its end
_EMPTY = "\x1a\x1a"  # no cell holds this: an empty cell is told from a missing one
_NONE = "\x1f"  # the delimiter of a table with one column
_EMPTY_KIND = "UUID"  # no text of a table is one: DuckDB rejects a cell that should be empty, with its line
_CELLS = "number of cells:"
_NAMES = {"\t": "tab", ",": "','", ";": "';'", "|": "'|'"}


def read_text(path: Path, *, encoding: str | None = None) -> RawFile:
    """A delimited text file. Raises FileError."""
    found, notes, losses = _examined(path, encoding)
    with _as_utf8(path, found) as plain:
        table, told, rejected = _read(path, plain)
    if rejected:
        samples = tuple(f"line {r.line}: {r.why}: {r.text[:80]}" for r in rejected[:5])
        lines = sum(line.text.count("\n") + 1 for line in rejected)  # an open quote takes the lines below with it
        losses.append(Loss("lines do not fit the header and are left out", lines, samples))
    return RawFile(path=path, table=table, notes=[*notes, *told], losses=losses, rejected=rejected)


def read_plain(path: Path, *, encoding: str | None = None) -> tuple[str, list[str], list[Loss]]:
    """The text of a file that is no table, with notes and losses as of `read_file`. Raises FileError."""
    found, notes, losses = _examined(path, encoding)
    with _opened(path) as file:
        text = "".join(decoded(file, found.name, mixed=found.mixed))
    return text.removeprefix("\ufeff"), notes, losses


def _examined(path: Path, encoding: str | None) -> tuple[Found, list[str], list[Loss]]:
    """The encoding of a file, and what to say of it."""
    with _opened(path) as file:
        found = _encoding_of(path, file, encoding)
    notes, losses = [f"encoding {found.name.upper().removesuffix('-SIG')}"], []
    if found.others:
        notes.append(f"the encoding could be {' or '.join(n.upper() for n in found.others)} as well: check the letters")
    if found.mixed:
        notes.append(f"some lines are UTF-8, the others {found.name.upper()}: each is read as it is")
    if found.broken:
        what = f"bytes that are no {found.name.upper()} are read as \ufffd"
        losses.append(Loss(what, found.broken, found.broken_lines))
    return found, notes, losses


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
                if len(names) != 1:
                    raise FileError(f"{path}: holds {len(names)} files; unpack it, or leave one table in it")
                with archive.open(names[0]) as file:
                    yield cast(BinaryIO, file)
        elif path.suffix.lower() in COMPRESSIONS:
            # Read twice: an archive is unpacked to a file, which can go back to its start.
            with pa.input_stream(str(path), compression="detect") as packed, tempfile.TemporaryFile() as file:
                while data := packed.read(1 << 20):
                    file.write(data)
                file.seek(0)
                yield cast(BinaryIO, file)
        else:
            with path.open("rb") as file:
                yield file
    except (OSError, zipfile.BadZipFile, pa.ArrowException) as error:
        raise FileError(f"{path}: cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _encoding_of(path: Path, file: BinaryIO, encoding: str | None) -> Found:
    if encoding is not None:
        try:
            "".encode(encoding)
        except LookupError:
            raise FileError(f"encoding {encoding!r} is unknown; write it like utf-8, cp1252 or gb18030") from None
        broken, lines = count_broken(file, encoding)
        return Found(name=encoding, broken=broken, broken_lines=tuple(lines))
    found = find_encoding(file)
    if found is None:
        raise FileError(
            f"{path}: is not a text file in any usual encoding. Save it as CSV (UTF-8), .xlsx or Parquet, or name its "
            "encoding"
        )
    return found


@contextlib.contextmanager
def _as_utf8(path: Path, found: Found) -> Iterator[Path]:
    """The text as a UTF-8 file: the file itself where it is one."""
    if found.plain and path.suffix.lower() not in COMPRESSIONS:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="onshelf-") as folder:
        plain = Path(folder) / "table.csv"
        with _opened(path) as file, plain.open("w", encoding="utf-8", newline="") as out:
            for text in decoded(file, found.name, mixed=found.mixed):
                out.write(_one_kind_of_ends(text.removeprefix("\ufeff")))
        yield plain


def _one_kind_of_ends(text: str) -> str:
    """Whole lines that end in a line feed; a return elsewhere becomes a blank, unless returns end the lines."""
    return re.sub(r"\r+\n", "\n", text).replace("\r", " ") if "\n" in text else text


def _read(path: Path, plain: Path) -> tuple[pa.Table, list[str], list[Rejected]]:
    with plain.open(encoding="utf-8", newline="") as file:
        head = file.read(HEAD)
    if not head.strip():
        raise FileError(f"{path}: is empty")
    told = []
    skip = 0
    declared = re.match(r"(?i)\ufeff?\"?sep=(.)\"?\r?\n", head)
    if declared:
        told.append(f"its first line says sep={declared[1]}")
        head, skip = head[declared.end() :], 1
    delimiter, escape = _dialect(plain, head, declared[1] if declared else None)
    rows, starts = _head_rows(head, delimiter, escape)
    if not rows:
        raise FileError(f"{path}: is empty")
    if len(rows[0]) == 1 and any(len(row) == 1 for row in rows[1:]) and all(len(row) < 3 for row in rows[1:]):
        delimiter = _NONE  # one column, with a comma in some of its texts
        rows, starts = _head_rows(head, delimiter, escape)
    place = find_header(rows)
    header = rows[place]
    while header and not header[-1].strip():
        header = header[:-1]
    if place:
        told.append(f"{place:,} lines above the header are passed over")
    if delimiter != _NONE:
        told.insert(0, f"delimiter {_NAMES.get(delimiter, repr(delimiter))}")
    width = _usual_width(path, header, rows[place + 1 :])
    source = _Source(path=path, plain=plain, skip=skip + starts[place], delimiter=delimiter, escape=escape)
    columns, rejected = _columns(source, len(header), width)
    columns, again = _without_headers(columns, header)
    if again:
        told.append(f"the header stands {again:,} times more in the file; these lines are no rows")
    table, more = named(header, columns)
    return table, [*told, *more], rejected


def _without_headers(columns: list[pa.ChunkedArray], header: list[str]) -> tuple[list[pa.ChunkedArray], int]:
    """The columns without rows that repeat the header (of files that were put together), and how many there were."""
    same = pc.equal(columns[0], header[0])
    for column, name in zip(columns[1:], header[1:], strict=False):
        same = pc.and_(same, pc.equal(column, name))
    again = pc.sum(same).as_py() or 0
    return ([column.filter(pc.invert(pc.fill_null(same, False))) for column in columns] if again else columns), again


def _usual_width(path: Path, header: list[str], rows: list[list[str]]) -> int:
    """How many cells most of the first rows have, at least those of the header."""
    longer = [row for row in rows if len(row) > len(header)]
    if 2 * len(longer) <= len(rows):
        return len(header)
    width = sorted(len(row) for row in longer)[len(longer) // 2]
    if 2 * sum(any(cell.strip() for cell in row[len(header) :]) for row in longer) > len(rows):
        raise FileError(f"{path}: its header has {len(header)} names, its rows have {width} cells; name each column")
    return width


def _dialect(plain: Path, head: str, declared: str | None) -> tuple[str, str]:
    """Delimiter and escape sign. DuckDB's sniffer proposes a delimiter; it is taken unless another one gives more of
    the first rows the same number of cells, the very first one among them where some delimiter does so. A quote in a
    quoted cell is doubled, or stands behind a backslash if the first rows are well formed only so.
    """
    delimiter = declared
    if delimiter is None:
        alike = {d: _rows_alike(head, d) for d in DELIMITERS}
        most = max(alike.values())
        sniffed = _sniffed(plain)
        delimiter = sniffed if alike.get(sniffed) == most else max(DELIMITERS, key=lambda d: (alike[d], head.count(d)))
    doubled, slashed = _is_strict(head, delimiter, '"'), _is_strict(head, delimiter, "\\")
    return delimiter, "\\" if '\\"' in head and slashed and not doubled else '"'


def _rows_alike(head: str, delimiter: str) -> tuple[bool, int]:
    """Whether the first row has the usual number of cells, and how many of the first rows do; 0 where it is one."""
    each = [len(row) for row in _head_rows(head, delimiter, '"')[0]]
    width, rows = max(collections.Counter(each).items(), key=lambda one: (one[1], one[0]), default=(1, 0))
    return (each[0] == width, rows) if width > 1 else (False, 0)


def _sniffed(plain: Path) -> str:
    with connection() as engine:
        try:
            sniffed = engine.execute(
                "SELECT Delimiter FROM sniff_csv($1, all_varchar = true, strict_mode = false)", [str(plain)]
            ).fetchall()
        except duckdb.Error:  # a table that the sniffer cannot make out; then the first lines decide
            return ""
    return str(sniffed[0][0])


def _is_strict(head: str, delimiter: str, escape: str) -> bool:
    try:
        for _ in _parsed(head, delimiter, escape, strict=True):
            pass
    except csv.Error:
        return False
    return True


def _parsed(head: str, delimiter: str, escape: str, *, strict: bool = False) -> Any:
    """Rows of the first lines, which alone are read in Python."""
    whole = head if len(head) < HEAD else head[: head.rfind("\n") + 1]
    return csv.reader(
        io.StringIO(whole, newline=""),
        delimiter=delimiter,
        doublequote=escape == '"',
        escapechar=None if escape == '"' else escape,
        strict=strict,
    )


def _head_rows(head: str, delimiter: str, escape: str) -> tuple[list[list[str]], list[int]]:
    """The first rows, and on which line each starts."""
    reader = _parsed(head, delimiter, escape)
    rows, starts, line = [], [], 0
    with contextlib.suppress(csv.Error):  # of a cell that is too long; the header stands before
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                starts.append(line)
            line = reader.line_num
            if len(rows) == LOOKED_AT:
                break
    return rows, starts


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Source:
    """A table in a text file: where it is (`plain` is the same in UTF-8), lines above the header, dialect."""

    path: Path
    plain: Path
    skip: int
    delimiter: str
    escape: str


def _columns(source: _Source, named: int, width: int) -> tuple[list[pa.ChunkedArray], list[Rejected]]:
    """The columns below the header, and the lines that fit no row. named: cells of the header; width: of most rows."""
    table, rejected = _scan(source, named, width, padded=False)
    rejected = [line for line in rejected if line.text.strip(f' \t"{source.delimiter}')]  # empty lines are no rows
    misfits = [line for line in rejected if not _fits(source, line, named)]
    if len(misfits) == len(rejected):
        return [_filled(column) for column in table.columns[:named]], misfits
    # Some rows end in more empty cells than others. Read again with columns to spare, and with cells that are missing
    # told from empty ones.
    wide, _ = _scan(source, named, width + SPARE, padded=True)
    fits = pc.is_valid(wide.column(named - 1))
    for column in wide.columns[named:]:
        fits = pc.and_(fits, pc.is_null(_filled(column)))
    kept = wide.filter(fits)
    if len(kept) != len(table) + len(rejected) - len(misfits):  # no row is lost without being counted
        return [_filled(column) for column in table.columns[:named]], rejected
    return [_filled(column) for column in kept.columns[:named]], misfits


def _fits(source: _Source, reject: Rejected, named: int) -> bool:
    """Whether a line is a row but for empty cells at its end."""
    if not reject.why.startswith(_CELLS):
        return False
    rows, _ = _head_rows(reject.text, source.delimiter, source.escape)
    if len(rows) != 1:
        return False
    return named <= len(rows[0]) <= named + SPARE and not any(cell.strip() for cell in rows[0][named:])


def _filled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with null for an empty cell."""
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)


def _scan(source: _Source, named: int, width: int, *, padded: bool) -> tuple[pa.Table, list[Rejected]]:
    """Every row below the header as texts, and the lines that DuckDB cannot read as a row. Cells beyond the `named`
    ones have to be empty. padded: a row may be shorter, or longer; missing cells are null, while an empty cell is an
    empty text.
    """
    kinds = ["VARCHAR" if n < named or padded else _EMPTY_KIND for n in range(width)]
    columns = ", ".join(f"'c{n}': '{kind}'" for n, kind in enumerate(kinds))
    with connection() as engine:
        try:
            table = engine.sql(
                f"""
                SELECT * FROM read_csv($1, auto_detect = false, header = false, skip = $2, delim = $3, quote = '"',
                    escape = $4, nullstr = $5, columns = {{{columns}}}, store_rejects = true,
                    null_padding = {padded}, parallel = {not padded}, max_line_size = 16777216)
                """,
                params=[str(source.plain), source.skip, source.delimiter, source.escape, _EMPTY if padded else ""],
            ).to_arrow_table()
            rejects = engine.execute(
                "SELECT line_byte_position - 1, min(error_message), any_value(csv_line) FROM reject_errors GROUP BY 1 "
                "ORDER BY 1"
            ).fetchall()
        except duckdb.Error as error:
            raise FileError(f"{source.path}: cannot be read as a table: {str(error).splitlines()[0]}") from error
    lines = _lines_at(source.plain, [place for place, _, _ in rejects])
    rejected = [
        Rejected(line, _why(why, named), text.rstrip("\r\n"))
        for line, (_, why, text) in zip(lines, rejects, strict=True)
    ]
    return table.slice(1), rejected


def _lines_at(plain: Path, places: list[int]) -> list[int]:
    """The numbers, from 1, of the lines that start at these bytes, which are in order."""
    lines = []
    line, at = 1, 0
    with plain.open("rb") as file:
        for place in places:
            while at < place:
                block = file.read(min(place - at, 1 << 20))
                assert block, f"line at byte {place} lies beyond the end of {plain}"
                line += block.count(b"\n")
                at += len(block)
            lines.append(line)
    return lines


def _why(message: str, named: int) -> str:
    cells = re.fullmatch(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if cells:
        return f"{_CELLS} {cells[2]} instead of {named}"
    return f"{_CELLS} more than {named}" if _EMPTY_KIND in message else message.rstrip(".")
