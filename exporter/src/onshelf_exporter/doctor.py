"""Stage `doctor`: can these files be planned with? Maps a retailer's own headers onto the canonical tables.

    onshelf-exporter doctor shop.csv                         what was understood, what is missing, what that costs
    onshelf-exporter doctor exports/ --write shop/ --currency CNY
    onshelf-exporter data --dataset shop --adapter parquet --source shop/

Exit status 0: usable; 1: something required is missing or unreadable.
"""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend
from rich.console import Console
from rich.table import Table

from onshelf_exporter import engine, headers, reading, schema, validation
from onshelf_exporter.adapters.parquet import SETTINGS, read_settings
from onshelf_exporter.errors import DataError, SettingError, SourceError
from onshelf_exporter.titles import LEVEL

PATH_LEVELS = ("category_1", "category_2", "category_3")
SAMPLES = 2  # values shown of each column
SAMPLE_LENGTH = 28  # characters shown of a value
SNIFFED = 1_000  # values looked at to tell how numbers are written


@dataclass
class Mapped:
    """What became of one header: the column it means ("" for none), how many values were read, and remarks."""

    header: str
    column: str
    samples: list[str]
    filled: int = 0
    read: int = 0
    remark: str = ""


@dataclass
class Understood:
    """What one file is: its canonical tables and its headers."""

    path: Path
    tables: tuple[str, ...]
    notes: list[str]
    headers: list[Mapped] = field(default_factory=list)


@dataclass
class Diagnosis:
    """What the doctor found.

    Attributes:
        files: each file.
        tables: canonical tables as far as they could be put together.
        problems: what must be mended before the data can be used.
    """

    files: list[Understood]
    tables: dict[str, ir.Table]
    problems: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the stage."""
    parser.add_argument("path", type=Path, help="a CSV, TSV or Parquet file, or a folder of them")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="HEADER=COLUMN",
        help="what a header means, where the doctor is wrong; COLUMN is empty to leave it out",
    )
    parser.add_argument(
        "--write",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="write the canonical tables, ready for the adapter `parquet`",
    )
    parser.add_argument("--currency", default=None, help="ISO 4217 code of all amounts, needed with --write")
    parser.add_argument("--timezone", default="UTC", help="IANA zone of times (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Look at the files and report; 0 when they are usable."""
    console = Console()
    con = engine.connect()
    diagnosis = diagnose(con, args.path, _overrides(args.map), args.timezone)
    show(diagnosis, args.path, console)
    if diagnosis.problems:
        return 1
    if args.write is not None:
        write(con, diagnosis, args.write, args.currency, args.timezone)
        following = f"onshelf-exporter data --dataset shop --adapter parquet --source {args.write}"
        console.print(f"\nWritten to {args.write}. Next: {following}", markup=False)
    return 0


def _overrides(pairs: list[str]) -> dict[str, str]:
    known = {column.name for column in schema.COLUMNS} | set(PATH_LEVELS) | {""}
    result = {}
    for pair in pairs:
        header, sign, column = pair.rpartition("=")
        if not sign or column not in known:
            raise SettingError(
                "--map", pair, f"must be HEADER=COLUMN with a column of docs/data.md: {', '.join(sorted(known - {''}))}"
            )
        result[header] = column
    return result


def diagnose(con: Backend, path: Path, overrides: dict[str, str], timezone: str = "UTC") -> Diagnosis:
    """Read all files of a path and put the canonical tables together.

    Args:
        con: the engine.
        path: a file or a folder.
        overrides: header to column, stronger than what the doctor believes.
        timezone: IANA zone of times.

    Raises:
        SourceError: nothing readable is there.
    """
    folder = sorted(path.iterdir()) if path.is_dir() else []
    paths = [one for one in folder if one.suffix.lower() in reading.SUFFIXES] if path.is_dir() else [path]
    if not paths or not paths[0].is_file():
        raise SourceError(f"{path}: no {', '.join(reading.SUFFIXES)} file here")
    raw_files = [reading.read_file(one) for one in paths]
    names = [headers.table_of(raw.path.stem) for raw in raw_files]
    diagnosis = Diagnosis([], {}, [])
    for raw, name in zip(raw_files, names, strict=True):
        tables = _tables_of(raw, name, "products" in names, overrides)
        understood = Understood(raw.path, tables, raw.notes)
        diagnosis.files.append(understood)
        columns = _columns(con, raw, understood, overrides)
        for table in tables:
            if table in diagnosis.tables:
                understood.notes.append(f"{table} was already found in another file; this one is left out")
                continue
            built = _build(table, columns, understood)
            if built is not None:
                diagnosis.tables[table] = con.create_table(ibis.util.gen_name(table), built, temp=True)
    diagnosis.problems = _problems(diagnosis, timezone)
    return diagnosis


def _tables_of(
    raw: reading.RawFile, name: str | None, has_products: bool, overrides: dict[str, str]
) -> tuple[str, ...]:
    """Canonical tables that a file holds: by its name, else by its headers."""
    meant = {column for header in raw.table.column_names for column in (overrides.get(header),) if column}
    meant |= {column for header in raw.table.column_names for column in headers.columns_of(header)[:2]}
    if name is None:
        if {"user_id", "time"} <= meant:
            name = "interactions"
        elif "title" in meant:
            name = "products"
        elif {"channel_id", "product_id"} <= meant:
            name = "promotions"
    if name is None:
        return ()
    if name == "products" and {"user_id", "time"} <= meant:
        name = "interactions"
    if name == "interactions" and "title" in meant and not has_products:
        return ("products", "interactions")
    return (name,)


def _columns(con: Backend, raw: reading.RawFile, file: Understood, overrides: dict[str, str]) -> dict[str, ir.Value]:
    """Canonical columns of a file as expressions, each by the first header that means it."""
    if not raw.table.num_columns:
        return {}
    safe = raw.table.rename_columns([f"c{i}" for i in range(raw.table.num_columns)])
    table = con.create_table(ibis.util.gen_name("raw"), safe, temp=True)
    order = [column.name for name in reversed(file.tables) for column in schema.columns(name)]
    allowed = set(order) | (set(PATH_LEVELS) if "products" in file.tables else set())
    allowed |= {"list_price"} if "interactions" in file.tables else set()
    result: dict[str, ir.Value] = {}
    for position, header in enumerate(raw.table.column_names):
        values = table[f"c{position}"]
        meant = (overrides[header],) if header in overrides else headers.columns_of(header)
        column = next((one for one in meant if one in allowed and one not in result), "")
        given = values.cast("string").strip().nullif("") if not values.type().is_array() else values
        shown = table.filter(given.notnull()).limit(SNIFFED)[f"c{position}"].to_pyarrow().to_pylist()
        mapped = Mapped(
            header, column, [str(value)[:SAMPLE_LENGTH] for value in dict.fromkeys(map(str, shown))][:SAMPLES]
        )
        file.headers.append(mapped)
        if not column:
            mapped.remark = f"{meant[0]} is taken already" if meant and meant[0] in result else "not understood"
            continue
        read, mapped.remark = _read(column, values, [str(value) for value in shown])
        result[column] = read
        counts = table.agg(filled=given.count(), read=read.count()).to_pyarrow().to_pylist()[0]
        mapped.filled, mapped.read = counts["filled"], counts["read"]
        if mapped.read < mapped.filled:
            odd = table.filter(given.notnull() & read.isnull()).limit(1)[f"c{position}"].to_pyarrow().to_pylist()
            mapped.remark += f"{'; ' if mapped.remark else ''}not readable: {str(odd[0])[:SAMPLE_LENGTH]!r}"
    return result


def _read(column: str, values: ir.Value, shown: list[str]) -> tuple[ir.Value, str]:
    """Values of a column as its type, and how they were written."""
    types = {one.name: one.type for one in schema.COLUMNS}
    type_ = types.get(column, "text")
    if type_ in ("texts", "vector"):
        return values, ""
    if type_ in ("number", "integer"):
        comma = reading.has_decimal_comma(shown)
        return reading.number(values, comma), "decimal comma" if comma else ""
    if type_ in ("date", "time"):
        read, words = reading.time(values)
        return (read.date() if type_ == "date" else read), words
    text = values.cast("string").strip().nullif("")
    if type_ == "yes/no":
        yes, no = ("1", "true", "yes", "y", "是"), ("0", "false", "no", "n", "否")
        return text.lower().cases(*((word, True) for word in yes), *((word, False) for word in no), else_=None), ""
    if column == "kind":
        kinds = {value: headers.kind_of(value) for value in sorted(set(shown))}
        known = [(value, kind) for value, kind in kinds.items() if kind]
        remark = ", ".join(f"{value} = {kind}" for value, kind in known[:4] if value != kind)
        return (text.cases(*known, else_=None) if known else ibis.null("string")), remark
    if column == "category_path":
        return text.re_replace(r"\s*[>|/»＞]\s*", LEVEL), ""
    return text, ""


def _build(name: str, columns: dict[str, ir.Value], file: Understood) -> ir.Table | None:
    """One canonical table out of the columns of a file; None where it has none of its columns."""
    mine = {column.name: columns[column.name] for column in schema.columns(name) if column.name in columns}
    if name == "products" and "category_path" not in mine:
        levels = [columns[level] for level in PATH_LEVELS if level in columns]
        if levels:
            path = levels[0]
            for level in levels[1:]:
                path = ibis.ifelse(level.isnull(), path, path + LEVEL + level)
            mine["category_path"] = path
    if name in ("products", "interactions") and "product_id" not in mine and "title" in columns:
        mine["product_id"] = columns["title"]
        file.notes.append("no product id: the title serves as id, so two products of one title are one")
    if name == "interactions" and "revenue" not in mine and "list_price" in columns:
        mine["revenue"] = (
            columns["list_price"] * columns["quantity"] if "quantity" in columns else columns["list_price"]
        )
        file.notes.append("no amount: revenue is price times quantity")
    if not mine:
        return None
    table = _select(mine)
    if name == "products" and "interactions" in file.tables:
        table = table.filter(table.product_id.notnull())
        others = [column for column in table.columns if column != "product_id"]
        merged = {c: table[c].median() if table[c].type().is_numeric() else table[c].max() for c in others}
        table = table.group_by("product_id").agg(**merged)
    return table


def _select(columns: dict[str, ir.Value]) -> ir.Table:
    """A table of expressions over one table."""
    first = next(iter(columns.values()))
    parent = first.op().relations
    (relation,) = parent
    return relation.to_expr().select(**columns)


def _problems(diagnosis: Diagnosis, timezone: str) -> list[str]:
    problems = []
    for name in schema.required_tables():
        if name not in diagnosis.tables:
            needed = ", ".join(column.name for column in schema.columns(name) if column.required)
            problems.append(f"no {name}: no file holds {needed}")
    for name, table in diagnosis.tables.items():
        try:
            _, found = validation.checked(name, table, timezone)
        except DataError as error:
            found = [error]
        problems += [str(problem) for problem in found]
        for column in schema.columns(name):
            if column.required and column.name in table.columns and not engine.number(table[column.name].count()):
                problems.append(f"{name}.{column.name}: no value could be read")
    return problems


def show(diagnosis: Diagnosis, path: Path, console: Console) -> None:
    """Print what was understood, what is missing and what to do next."""
    for file in diagnosis.files:
        what = " and ".join(file.tables) or "not understood: give it a name such as orders.csv or products.csv"
        table = Table(
            title=f"{file.path.name}: {what}",
            title_justify="left",
            caption="; ".join(file.notes),
            caption_justify="left",
        )
        for title in ("your header", "column", "samples", "read", "remark"):
            table.add_column(title, overflow="fold")
        for mapped in file.headers:
            read = f"{mapped.read:,} of {mapped.filled:,}" if mapped.column else ""
            hidden = mapped.column == "user_id"
            samples = "(not shown)" if hidden else " | ".join(mapped.samples)
            table.add_row(mapped.header, mapped.column or "-", samples, read, mapped.remark)
        console.print(table)
    costs = Table(title="What is missing, and what it costs", title_justify="left")
    costs.add_column("missing")
    costs.add_column("what is lost", overflow="fold")
    for missing, lost in missing_capabilities(diagnosis):
        costs.add_row(missing, lost)
    console.print(costs)
    if diagnosis.problems:
        console.print("\n[bold]Not usable yet.[/bold] To mend:")
        for problem in diagnosis.problems:
            console.print(f"  - {problem}", markup=False)
        console.print("A header that was misunderstood: --map HEADER=COLUMN (columns: docs/data.md).")
    else:
        rows = ", ".join(f"{name} {engine.number(table.count()):,}" for name, table in diagnosis.tables.items())
        console.print(f"\n[bold]Usable[/bold]: {rows} rows.")
        console.print(f"Next: onshelf-exporter doctor {path} --write FOLDER --currency CODE", markup=False)


def missing_capabilities(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """Tables and columns that are not there, and what is lost without each."""
    result = []
    for name, (required, _, lost) in schema.TABLES.items():
        if name not in diagnosis.tables:
            result.append((name, "nothing can be planned without it" if required else lost))
            continue
        there = diagnosis.tables[name].columns
        result += [
            (f"{name}.{column.name}", column.without or "required")
            for column in schema.columns(name)
            if column.name not in there
            and column.name not in ("image_vector", "audio_vector", "category_path_readable")
        ]
    return result


def write(con: Backend, diagnosis: Diagnosis, folder: Path, currency: str | None, timezone: str) -> None:
    """Write the canonical tables and shop.json, ready for the adapter `parquet`.

    Raises:
        SettingError: no or bad currency or time zone, or the folder already holds something.
    """
    if currency is None:
        raise SettingError(
            "--currency", currency, "is needed with --write: the ISO 4217 code of all amounts, such as EUR or CNY"
        )
    if folder.exists() and any(folder.iterdir()):
        raise SettingError("--write", str(folder), "the folder must be new or empty")
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / SETTINGS
    settings.write_text(json.dumps({"currency": currency, "timezone": timezone}), encoding="utf-8")
    try:
        read_settings(settings)
    except SettingError:
        settings.unlink()
        raise
    for name, table in diagnosis.tables.items():
        engine.write(con, table, folder / f"{name}.parquet")
