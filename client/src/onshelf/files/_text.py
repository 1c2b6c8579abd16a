"""Reads delimited text."""

import contextlib
import csv
import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

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
_NAMES = {"\t": "tab", ",": "','", ";": "';'", "|": "'|'"}


def read_text(path: Path, *, encoding: str | None = None) -> RawFile:
    """A delimited text file. Raises FileError."""
    with _opened(path) as file:
        found = _encoding_of(path, file, encoding)
    notes = [f"encoding {found.name.upper().removesuffix('-SIG')}"]
    losses = []
    if found.others:
        notes.append(f"the encoding could be {' or '.join(n.upper() for n in found.others)} as well: check the letters")
    if found.broken:
        losses.append(
            Loss(f"bytes that are no {found.name.upper()} are read as \ufffd", found.broken, found.broken_lines)
        )
    with _as_utf8(path, found) as plain:
        table, told, rejected = _read(path, plain)
    if rejected:
        samples = tuple(f"line {r.line}: {r.why}: {r.text[:80]}" for r in rejected[:5])
        losses.append(Loss("lines do not fit the header and are left out", len(rejected), samples))
    return RawFile(path, table, [*notes, *told], losses, rejected)


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
        return Found(encoding, broken=broken, broken_lines=tuple(lines))
    found = find_encoding(file)
    if found is None:
        raise FileError(f"{path}: is not a text file (it holds zero bytes). Save it as CSV (UTF-8), .xlsx or Parquet")
    return found


@contextlib.contextmanager
def _as_utf8(path: Path, found: Found) -> Iterator[Path]:
    """The text as a UTF-8 file: the file itself where it is one."""
    if found.name == "utf-8" and not found.broken and path.suffix.lower() not in COMPRESSIONS:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="onshelf-") as folder:
        plain = Path(folder) / "table.csv"
        with _opened(path) as file, plain.open("w", encoding="utf-8", newline="") as out:
            for text in decoded(file, found.name):
                out.write(text.removeprefix("\ufeff"))
        yield plain


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
    place = find_header(rows)
    header = [*rows[place]]
    if place:
        told.append(f"{place:,} lines above the header are passed over")
    told.insert(0, f"delimiter {_NAMES.get(delimiter, repr(delimiter))}")
    columns, rejected = _columns(path, plain, len(header), skip + starts[place], delimiter, escape)
    table, more = named(header, columns)
    return table, [*told, *more], rejected


def _dialect(plain: Path, head: str, declared: str | None) -> tuple[str, str]:
    """Delimiter and escape sign: by DuckDB's sniffer, unless the sniffer's delimiter does not part the first lines."""
    sniffed = escape = ""
    with connection() as engine:
        with contextlib.suppress(duckdb.Error):  # a table that it cannot make out; then the lines decide
            sniffed, escape = engine.execute(
                "SELECT Delimiter, Escape FROM sniff_csv($1, all_varchar = true, strict_mode = false)", [str(plain)]
            ).fetchall()[0]
    lines = [line for line in head.splitlines()[:LOOKED_AT] if line.strip()]
    if declared:
        delimiter = declared
    else:
        shares = {d: sum(d in line for line in lines) for d in DELIMITERS}
        delimiter = sniffed if sniffed in shares and 2 * shares[sniffed] > len(lines) else ""
        if not delimiter:
            delimiter = max(DELIMITERS, key=lambda d: (shares[d], sum(line.count(d) for line in lines)))
    return delimiter, "\\" if escape == "\\" else '"'


def _head_rows(head: str, delimiter: str, escape: str) -> tuple[list[list[str]], list[int]]:
    """The first rows, and on which line each starts."""
    whole = head if len(head) < HEAD else head[: head.rfind("\n") + 1]
    reader = csv.reader(
        io.StringIO(whole, newline=""),
        delimiter=delimiter,
        doublequote=escape == '"',
        escapechar=None if escape == '"' else escape,
    )
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


def _columns(
    path: Path, plain: Path, width: int, skip: int, delimiter: str, escape: str
) -> tuple[list[pa.ChunkedArray], list[Rejected]]:
    """The columns below the header, and the lines that fit no row."""
    table, rejected = _scan(path, plain, width, skip, delimiter, escape, padded=False)
    if not rejected:
        return [_filled(column) for column in table.columns], []
    # Again, with missing cells told from empty ones and with columns to spare: rows that end in empty cells fit.
    wide, unread = _scan(path, plain, width + SPARE, skip, delimiter, escape, padded=True)
    long = pa.chunked_array([pa.array([False] * len(wide))])
    for column in wide.columns[width:]:
        long = pc.or_(long, pc.is_valid(_filled(column)))
    short = pc.is_null(wide.column(width - 1))
    fits = pc.invert(pc.or_(long, short))
    lines = {reject.line: reject for reject in (*rejected, *unread)}
    del lines
    kept = wide.filter(fits)
    wrong = [*_misfits(wide.filter(pc.invert(fits)), rejected, width), *unread]
    return [_filled(column) for column in kept.columns[:width]], sorted(wrong, key=lambda one: one.line)


def _misfits(rows: pa.Table, rejected: list[Rejected], width: int) -> list[Rejected]:
    del rows, width
    return rejected


def _filled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with null for an empty cell."""
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)


def _scan(
    path: Path, plain: Path, width: int, skip: int, delimiter: str, escape: str, *, padded: bool
) -> tuple[pa.Table, list[Rejected]]:
    """Every row below the header as texts, and the lines that DuckDB cannot read as a row."""
    with connection() as engine:
        try:
            table = engine.sql(
                f"""
                SELECT * FROM read_csv($1, auto_detect = false, header = false, skip = $2, delim = $3, quote = '"',
                    escape = $4, nullstr = '{_EMPTY}', columns = {{{", ".join(f"'c{n}': 'VARCHAR'" for n in range(width))}}},
                    store_rejects = true, null_padding = {padded}, parallel = {not padded}, max_line_size = 16777216)
                """,
                params=[str(plain), skip, delimiter, escape],
            ).to_arrow_table()
            rejects = engine.execute(
                "SELECT line, min(error_message), any_value(csv_line) FROM reject_errors GROUP BY line ORDER BY line"
            ).fetchall()
        except duckdb.Error as error:
            raise FileError(f"{path}: cannot be read as a table: {str(error).splitlines()[0]}") from error
    return table.slice(1), [Rejected(line, why.rstrip("."), text.rstrip("\r\n")) for line, why, text in rejects]
