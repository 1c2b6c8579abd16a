"""Reads spreadsheets."""

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import python_calamine

from onshelf.files._header import find_header, named
from onshelf.files._raw import FileError, RawFile

SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


def read_sheet(path: Path) -> RawFile:
    """The first sheet of a workbook that holds a table."""
    try:
        with python_calamine.CalamineWorkbook.from_path(path) as book:
            names = [
                one.name for one in book.sheets_metadata if one.visible == python_calamine.SheetVisibleEnum.Visible
            ]
            for name in names:
                rows = [
                    [_text(cell) for cell in row]
                    for row in book.get_sheet_by_name(name).to_python(skip_empty_area=True)
                ]
                if any(any(row) for row in rows):
                    return _table(path, name, names, rows)
    except (python_calamine.CalamineError, OSError) as error:
        raise FileError(f"{path}: is not a readable spreadsheet: {error}. Save it as .xlsx or CSV (UTF-8)") from error
    raise FileError(f"{path}: is empty")


def _table(path: Path, name: str, names: list[str], rows: list[list[str | None]]) -> RawFile:
    start = find_header(rows)
    notes = [f"sheet {name!r}"]
    if len(names) > 1:
        notes.append(f"not read: sheets {', '.join(repr(other) for other in names if other != name)}")
    if start:
        notes.append(f"{start:,} lines above the header are passed over")
    body = rows[start + 1 :]
    columns = [pa.array(list(column), pa.large_string()) for column in zip(*body, strict=True)]
    if not columns:
        columns = [pa.array([], pa.large_string()) for _ in rows[start]]
    table, told = named(rows[start], columns)
    return RawFile(path, table, [*notes, *told])


def _text(cell: Any) -> str | None:
    """A cell as it would be written: whole numbers without ".0", dates in ISO form."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(sep=" ")
    return str(cell)
