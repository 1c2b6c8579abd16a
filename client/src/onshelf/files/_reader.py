"""Opens a file, or a folder of part files, by its kind."""

import urllib.parse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from onshelf.files._raw import FileError, Loss, RawFile
from onshelf.files._sheet import SHEETS, read_sheet, read_sheets
from onshelf.files._text import COMPRESSIONS, read_text

TEXTS = (".csv", ".tsv", ".tab", ".txt", ".psv")
PACKED = tuple(text + packed for text in TEXTS for packed in COMPRESSIONS)
SUFFIXES = (*TEXTS, *PACKED, *SHEETS, ".parquet")


def is_readable(path: Path) -> bool:
    """Whether a path looks like a table: a file by its ending, a folder by the part files in it."""
    if path.name.startswith((".", "_", "~$")):
        return False
    return bool(_parts(path)) if path.is_dir() else _suffix(path) in SUFFIXES


def is_text(path: Path) -> bool:
    """Whether a path is a text file, which has an encoding, or a folder of such part files."""
    return any(_suffix(part) in (*TEXTS, *PACKED) for part in (_parts(path) if path.is_dir() else [path]))


def read_file(path: Path | str, *, encoding: str | None = None) -> RawFile:
    """A file as it is: delimited text (also compressed), a spreadsheet, Parquet, or a folder of part files that are one
    table. encoding: of text files; without it, the encoding is found from the whole file. Raises FileError.
    """
    path = Path(path)
    if not path.exists():
        raise FileError(f"{path}: No such file or directory")
    if path.is_dir():
        return _read_folder(path, encoding)
    suffix = _suffix(path)
    if suffix == ".parquet":
        return RawFile(path=path, table=_parquet(path), notes=["Parquet"])
    if suffix in SHEETS:
        return read_sheet(path)
    if suffix not in SUFFIXES:
        raise FileError(f"{path}: {suffix or 'no ending'} is not read. Save it as CSV (UTF-8), .xlsx or Parquet")
    return read_text(path, encoding=encoding)


def read_tables(path: Path | str, *, encoding: str | None = None) -> dict[str, RawFile]:
    """The tables of a file: of a workbook each with the name of its first sheet, where several sheets hold different
    ones; of another file one without a name. Raises FileError.
    """
    path = Path(path)
    if path.is_file() and _suffix(path) in SHEETS:
        tables = read_sheets(path)
        return tables if len(tables) > 1 else {"": next(iter(tables.values()))}
    return {"": read_file(path, encoding=encoding)}


def _suffix(path: Path) -> str:
    last = path.suffix.lower()
    return path.with_suffix("").suffix.lower() + last if last in COMPRESSIONS else last


def _parts(folder: Path) -> list[Path]:
    """The part files of a table: what Spark and Hive hide ("_SUCCESS", ".part-0.crc") is left out."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(name.startswith((".", "_")) for name in path.relative_to(folder).parts)
        and (path.name.startswith("part-") or "=" in path.parent.name or folder.suffix.lower() in SUFFIXES)
        and (_suffix(path) in SUFFIXES)
    ]


def _read_folder(folder: Path, encoding: str | None) -> RawFile:
    parts = _parts(folder)
    if not parts:
        raise FileError(f"{folder}: holds no part files (part-00000.parquet) that would make it one table")
    kinds = sorted({_suffix(part) for part in parts})
    if len(kinds) > 1:
        raise FileError(f"{folder}: its part files are of several kinds: {', '.join(kinds)}")
    if kinds == [".parquet"]:
        return RawFile(path=folder, table=_parquet(folder, parts), notes=[f"Parquet, {len(parts):,} part files"])
    raw = [read_file(part, encoding=encoding) for part in parts]
    first = raw[0].table.column_names
    for one in raw[1:]:
        if one.table.column_names != first:
            raise FileError(
                f"{one.path}: its headers {', '.join(one.table.column_names)} differ from {', '.join(first)} of "
                f"{raw[0].path.name}; part files of one table have the same"
            )
    notes = list(dict.fromkeys(note for one in raw for note in one.notes))
    losses = [Loss(f"{one.path.name}: {loss.what}", loss.rows, loss.samples) for one in raw for loss in one.losses]
    rejected = [line for one in raw for line in one.rejected]
    return RawFile(
        path=folder,
        table=pa.concat_tables([r.table for r in raw]),
        notes=[f"{len(parts):,} part files", *notes],
        losses=losses,
        rejected=rejected,
    )


def _parquet(path: Path, parts: list[Path] | None = None) -> pa.Table:
    try:
        tables = [_with_keys(path, part) for part in parts or [path]]
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowException, OSError) as error:
        raise FileError(f"{path}: is not a readable Parquet file: {error}") from error


def _with_keys(folder: Path, part: Path) -> pa.Table:
    """A part file with the columns that its folders name ("day=2024-05-31")."""
    table = pa.parquet.read_table(part, partitioning=None)
    for name in part.relative_to(folder).parts[:-1]:
        key, equals, value = name.partition("=")
        if equals and key not in table.column_names:
            table = table.append_column(key, pa.repeat(pa.scalar(urllib.parse.unquote(value)), len(table)))
    return table
