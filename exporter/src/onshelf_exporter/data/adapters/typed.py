"""Columns of a retailer's Parquet files that are not of the schema's types: read as the doctor reads them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend

from onshelf.files import (
    ERROR_WORDS,
    NULL_WORDS,
    UNKNOWN_WORD,
    FileError,
    Reading,
    currencies_of,
    identifiers,
    numbers,
    read_file,
    texts,
    times,
    yes_no,
)
from onshelf_exporter.data import schema
from onshelf_exporter.process.errors import DataError, SourceError

SAMPLES = 3
IDS = re.compile(r"_id$")
NO_IDS = (*NULL_WORDS, UNKNOWN_WORD, *ERROR_WORDS)  # what ids are looked through for
FREE = ("text", "attributes")  # texts that may hold anything; others are looked through for ERROR_WORDS


@dataclass(frozen=True)
class Opened:
    """One table of a folder.

    Attributes:
        table: it; read row by row when it is needed where its columns have the schema's types already.
        problems: columns with values that were not understood.
        notes: what was taken as missing, for the report.
    """

    table: ir.Table
    problems: list[DataError] = field(default_factory=list)
    notes: list[dict[str, object]] = field(default_factory=list)


def parts_of(path: Path) -> list[Path]:
    """The files of a table: the file itself, or the part files of a folder of its name."""
    if path.is_dir():
        return sorted(one for one in path.rglob("*.parquet") if one.is_file() and not one.name.startswith((".", "_")))
    return [path] if path.is_file() else []


def open_table(con: Backend, path: Path, timezone: str, currency: str) -> Opened:
    """A table of a folder, with the columns of the schema as far as they could be understood.

    Args:
        con: the engine.
        path: its file, or a folder of part files.
        timezone: IANA zone of local times.
        currency: ISO 4217 code of all amounts.

    Raises:
        SourceError: a file is no Parquet file.
        DataError: it cannot be read.
    """
    parts = parts_of(path)
    for part in parts:
        with part.open("rb") as file:
            magic = file.read(4)
        if magic != b"PAR1":
            raise SourceError(f"{part}: is not a Parquet file (it begins with {magic!r})")
    try:
        kinds = pq.read_schema(parts[0])
        table = con.read_parquet([str(part) for part in parts], union_by_name=True)
    except (ibis.IbisError, pa.ArrowInvalid, OSError) as error:
        raise DataError(table=path.stem, column="", rule=f"cannot be read: {error}") from error
    columns = [column for column in schema.columns(path.stem) if column.name in kinds.names]
    reading = [column for column in columns if not _is_native(column.type, kinds.field(column.name).type)]
    reading += _odd_texts(table, [column for column in columns if column not in reading])
    if not reading and len(parts) == 1:
        return Opened(table)
    try:
        held = read_file(path).table
    except FileError as error:
        raise SourceError(str(error)) from error
    opened = Opened(table)
    for column in reading:
        found = _read(column, held[column.name], timezone)
        opened.problems.extend(_problems(column, found, currency))
        words = sum(rows for _, rows in found.null_words)
        if words:
            shown = ", ".join(repr(word) for word, _ in found.null_words)
            what = f"{column.name}: {shown} taken as missing"
            note = {"table": column.table, "rule": "null_word", "what": what, "action": "changed", "rows": words}
            opened.notes.append(note)
        held = held.set_column(held.column_names.index(column.name), column.name, found.values)
    return Opened(con.create_table(ibis.util.gen_name(path.stem), held), opened.problems, opened.notes)


def _is_native(type_: str, kind: pa.DataType) -> bool:
    """Whether a column of the file is what the schema's type needs, or what the engine makes of it without loss."""
    if pa.types.is_null(kind):
        return True
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    day = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    native: dict[str, bool] = {
        "text": not (pa.types.is_floating(kind) or pa.types.is_decimal(kind)),
        "number": number,
        "integer": number,
        "yes/no": pa.types.is_boolean(kind),
        "date": day,
        "time": day,
    }
    return native.get(type_, True)


def _odd_texts(table: ir.Table, columns: list[schema.Column]) -> list[schema.Column]:
    """Columns of ids with null words, or with numbers that lost their type ("1001.0"), and of texts with a
    spreadsheet's errors.
    """
    odd = {}
    for name in (column.name for column in columns if table[column.name].type().is_string()):
        text = table[name].strip().lower()
        if IDS.search(name):
            odd[name] = (text.isin(NO_IDS) | text.re_search(r"^-?[0-9]+[.]0+$")).any().fill_null(False)
        elif name not in FREE:
            odd[name] = text.isin(ERROR_WORDS).any().fill_null(False)
    found = table.agg(**odd).to_pyarrow().to_pylist()[0] if odd else {}
    return [column for column in columns if found.get(column.name)]


def _read(column: schema.Column, values: pa.ChunkedArray, timezone: str) -> Reading:
    if column.type in ("number", "integer"):
        return numbers(values)
    if column.type in ("date", "time"):
        return times(values, timezone=timezone, kind="date" if column.type == "date" else "time")
    if column.type == "yes/no":
        return yes_no(values)
    return identifiers(values) if IDS.search(column.name) else texts(values)


def _problems(column: schema.Column, found: Reading, currency: str) -> list[DataError]:
    """What must be mended in a column of texts before it can be used."""
    problems = []
    if found.not_understood:
        rule = f"must be readable as {column.type}" + (f" ({column.unit})" if column.unit else "")
        if column.type == "text":
            rule = "must be a text, not an error of a spreadsheet or a number that has lost its digits"
        secret = column.rule == "user"
        samples = [{column.name: f"{value[:1]}***" if secret else value} for value in found.odd[:SAMPLES]]
        problems.append(
            DataError(table=column.table, column=column.name, rule=rule, count=found.not_understood, samples=samples)
        )
    if found.ambiguous:
        rule = f"must have one reading ({found.remark}); write it as {column.type}"
        problems.append(DataError(table=column.table, column=column.name, rule=rule, count=found.filled))
    if found.percent is not None:
        percentages = int(pc.sum(found.percent).as_py())
        problems.append(
            DataError(table=column.table, column=column.name, rule="must not be a percentage", count=percentages)
        )
    others = [mark for mark in found.currencies if currency not in currencies_of(mark)]
    if others:
        rule = f"must be in {currency}, the currency of the shop, not in {', '.join(others)}"
        problems.append(DataError(table=column.table, column=column.name, rule=rule, count=found.filled))
    return problems
