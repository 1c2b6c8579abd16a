"""Which files there are, what tables they hold, and which belong together: monthly files become one table."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from onshelf.files import SUFFIXES, FileError, RawFile, currencies_of, is_readable, is_text, read_tables, unit_of
from onshelf_exporter.doctor.columns import MONEY
from onshelf_exporter.doctor.given import Given
from onshelf_exporter.doctor.meanings import Meaning, meanings, tables_of
from onshelf_exporter.doctor.orders import with_orders
from onshelf_exporter.doctor.settings import ReadingSettings
from onshelf_exporter.process.errors import SettingError, SourceError

SETTINGS = "shop.json"


@dataclass
class Joined:
    """Files with the same columns, as one."""

    files: list[Given]
    table: pa.Table

    @property
    def tables(self) -> tuple[str, ...]:
        """Canonical tables that they hold."""
        return self.files[0].tables

    @property
    def names(self) -> list[str]:
        """Names of the files."""
        return [file.name for file in self.files]

    @property
    def stated(self) -> list[Meaning]:
        """Meanings of headers that `--map` states."""
        return [meaning for file in self.files for meaning in file.meant if meaning.stated]


@dataclass(kw_only=True)
class FoundFiles:
    """All files of the arguments.

    Attributes:
        files: those that were read.
        joined: those of a known table, the ones with the same columns united.
        unread: files that are no tables.
        problems: why files of one table cannot be united.
        shop: what shop.json states.
    """

    files: list[Given] = field(default_factory=list)
    joined: list[Joined] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    shop: dict[str, Any] = field(default_factory=dict)


def find(paths: Sequence[Path], settings: ReadingSettings) -> FoundFiles:
    """Read all files of the arguments.

    Raises:
        SourceError: there is nothing to read, or a file cannot be read.
        SettingError: a filter cannot be applied.
    """
    found = FoundFiles()
    sources = list(_sources(paths, found))
    if not sources:
        given = ", ".join(str(path) for path in paths)
        raise SourceError(f"{given}: no {', '.join(SUFFIXES)} file here")
    names = _names(sources)
    raw: dict[str, RawFile] = {}
    for name, path in names.items():
        if settings.table_of(name) == "":
            found.unread.append(f"{name} (left out by --table)")
            continue
        try:
            held = read_tables(path, encoding=settings.encoding_of(name) if is_text(path) else None)
        except FileError as error:
            raise SourceError(str(error)) from error
        for sheet, one in held.items():
            full = f"{name}/{sheet}" if sheet else name
            if sheet and settings.table_of(full) == "":
                found.unread.append(f"{full} (left out by --table)")
            else:
                raw[full] = one
    has_products = any(tables_of(name, file.table, False, settings) == ("products",) for name, file in raw.items())
    for name, file in raw.items():
        table = _filtered(name, file.table, list(raw), settings)
        tables = tables_of(name, file.table, has_products, settings)
        found.files.append(
            Given(name=name, raw=file, table=table, tables=tables, meant=meanings(name, file.table, tables, settings))
        )
    found.files, problems = with_orders(found.files, has_products, settings)
    found.problems += problems
    _refuse_missed_filters(list(raw), settings)
    _join(found)
    return found


def _sources(paths: Sequence[Path], found: FoundFiles) -> Iterable[Path]:
    """The files and the folders of part files; shop.json goes into `found`."""
    for path in paths:
        if not path.exists():
            raise SourceError(f"{path}: no such file or folder")
        if path.is_file() or _is_one_table(path):
            yield path
            continue
        for one in sorted(path.iterdir()):
            if one.name.startswith((".", "_")):  # marks of engines and of desktops
                continue
            if one.name == SETTINGS and one.is_file():
                found.shop = _shop(one)
            elif is_readable(one) and (one.is_file() or _is_one_table(one)):
                yield one
            else:
                found.unread.append(one.name)


def _is_one_table(folder: Path) -> bool:
    """Whether a folder is one table in part files: by its own ending, or by what lies in it."""
    if Path(folder.name).suffix.lower() in SUFFIXES:
        return True
    return any(one.name.startswith("part-") if one.is_file() else "=" in one.name for one in folder.iterdir())


def _shop(path: Path) -> dict[str, Any]:
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SettingError(SETTINGS, str(error), "must be a JSON object") from error
    if not isinstance(stated, dict):
        raise SettingError(SETTINGS, type(stated).__name__, "must be a JSON object")
    return stated


def _names(sources: Sequence[Path]) -> dict[str, Path]:
    """A name for each file: with its folder where another has the same."""
    plain = [path.name for path in sources]
    return {(path.name if plain.count(path.name) == 1 else f"{path.parent.name}/{path.name}"): path for path in sources}


def _filtered(name: str, table: pa.Table, files: list[str], settings: ReadingSettings) -> pa.Table:
    """The rows that all filters of a file keep."""
    for condition, argument in settings.filters_of(name, files):
        stated = argument != condition
        with duckdb.connect() as con:
            con.register("rows_of_the_file", table)
            try:
                table = con.sql(f"SELECT * FROM rows_of_the_file WHERE ({condition})").to_arrow_table()
            except duckdb.BinderException as error:
                if stated:  # a filter for all files is for those that have its columns
                    raise SettingError("--where", argument, str(error)) from error
                continue
            except duckdb.Error as error:
                raise SettingError("--where", argument, f"is no condition in SQL for {name}: {error}") from error
        settings.used.add(("--where", argument))
    return table


def _refuse_missed_filters(files: list[str], settings: ReadingSettings) -> None:
    for one in settings.where:
        if ("--where", one) not in settings.used:
            raise SettingError("--where", one, f"no file has the columns of this condition: {', '.join(files)}")


def _join(found: FoundFiles) -> None:
    """Unite files of the same tables and columns; say which of the others differ."""
    groups: dict[tuple[str, ...], list[Given]] = {}
    for file in found.files:
        if file.tables:
            groups.setdefault(file.tables, []).append(file)
    for tables, files in groups.items():
        first = files[0]
        same = [file for file in files if _roles(file) == _roles(first)]
        found.joined.append(Joined(same, _united(same, found)))
        for file in files:
            if file not in same:
                found.problems.append(_difference(tables, first, file))
    held: dict[str, Joined] = {}
    for joined in found.joined:
        for table in joined.tables:
            if table in held:
                found.problems.append(_difference((table,), held[table].files[0], joined.files[0]))
            held.setdefault(table, joined)


def _roles(file: Given) -> frozenset[tuple[str, ...]]:
    return frozenset(meaning.role for meaning in file.meant if meaning.columns)


def _difference(tables: tuple[str, ...], one: Given, other: Given) -> str:
    def only(these: Given, those: Given) -> str:
        lacking = [m.header for m in these.meant if m.columns and m.role not in _roles(those)]
        return f"only {these.name} has {', '.join(lacking)}" if lacking else ""

    differing = "; ".join(text for text in (only(one, other), only(other, one)) if text)
    return (
        f"{other.name} and {one.name} both hold {' and '.join(tables)}, with different columns ({differing}). Give "
        f"both the same columns (--map FILE:HEADER=COLUMN), say what one of them is (--table {other.name}=TABLE), or "
        f"leave it out (--table {other.name}=)"
    )


def _same_unit(one: str, other: str) -> bool:
    """Whether two headers state the same scale, and currencies that may be one; a header without states none."""
    a, b = unit_of(one), unit_of(other)
    may_be_one = not a.mark or not b.mark or bool(set(currencies_of(a.mark)) & set(currencies_of(b.mark)))
    return (a.percent, a.factor) == (b.percent, b.factor) and may_be_one


def _united(files: list[Given], found: FoundFiles) -> pa.Table:
    """The rows of files with the same columns, under the headers of the first."""
    first = files[0]
    headers_of = {meaning.role: meaning.header for meaning in first.meant}
    parts = [first.table]
    for file in files[1:]:
        found.problems += [
            f"{file.name} has {meaning.header!r}, and {first.name} has {headers_of[meaning.role]!r}: different units. "
            "Convert one of them, or leave its file out (--table FILE=)"
            for meaning in file.meant
            if set(meaning.columns) & set(MONEY) and not _same_unit(meaning.header, headers_of[meaning.role])
        ]
        names = [headers_of.get(meaning.role, meaning.header) for meaning in file.meant]
        parts.append(file.table.rename_columns(names))
    known = {meaning.header for meaning in first.meant}
    others = [meaning for file in files[1:] for meaning in file.meant if headers_of.get(meaning.role) is None]
    first.meant += [
        meaning for place, meaning in enumerate(others)
        if meaning.header not in known and meaning.header not in {one.header for one in others[:place]}
    ]  # fmt: skip
    try:
        return pa.concat_tables(parts, promote_options="permissive") if len(parts) > 1 else first.table
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        listed = ", ".join(file.name for file in files)
        found.problems.append(f"{listed}: a column has different types in these files, so they are not united: {error}")
        return first.table
