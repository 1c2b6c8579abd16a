"""Reads spreadsheets: values by calamine; by openpyxl, which is slower, only which cells are percentages."""

import datetime
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import python_calamine

from onshelf.files._header import find_header, named
from onshelf.files._raw import FileError, RawFile

SHEETS = (".xlsx", ".xlsm")


def read_sheet(path: Path) -> RawFile:
    """The first visible sheet of a workbook that holds anything. Raises FileError."""
    try:
        with python_calamine.CalamineWorkbook.from_path(path) as book:
            shown = python_calamine.SheetVisibleEnum.Visible
            names = [one.name for one in book.sheets_metadata if one.visible == shown]
            for name in names:
                rows: list[list[Any]] = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
                if any(cell not in ("", None) for row in rows for cell in row):
                    return _table(path, name, names, rows)
    except (python_calamine.CalamineError, zipfile.BadZipFile, OSError) as error:
        raise FileError(f"{path}: is not a readable spreadsheet: {error}. Save it as .xlsx or CSV (UTF-8)") from error
    raise FileError(f"{path}: is empty")


def _table(path: Path, name: str, names: list[str], cells: list[list[Any]]) -> RawFile:
    rows = [[_text(cell) for cell in row] for row in cells]
    for row, column in _percentages(path, name):
        if row < len(cells) and column < len(cells[row]) and isinstance(cells[row][column], float | int):
            rows[row][column] = f"{_text(round(float(cells[row][column]) * 100, 10))}%"
    start = find_header(rows)
    notes = [f"sheet {name!r}"]
    others = [repr(other) for other in names if other != name]
    if others:
        notes.append(f"other sheets are not read: {', '.join(others)}")
    above = sum(any(row) for row in rows[:start])
    if above:
        notes.append(f"{above:,} lines above the header are passed over")
    body = rows[start + 1 :]
    columns = [pa.array([row[n] for row in body], pa.string()) for n in range(len(rows[start]))]
    table, told = named(rows[start], columns)
    return RawFile(path, table, [*notes, *told])


def _percentages(path: Path, name: str) -> list[tuple[int, int]]:
    """Row and column, from 0, of the cells that are shown with a percent sign: .2 in the file is 20% on the sheet."""
    with zipfile.ZipFile(path) as archive:
        styles = archive.read("xl/styles.xml") if "xl/styles.xml" in archive.namelist() else b""
    if not re.search(rb'numFmtId="(?:9|10)"|formatCode="[^"]*%', styles):
        return []
    book = openpyxl.load_workbook(path, read_only=True)
    try:
        sheet = book[name]
        sheet.reset_dimensions()  # some programs write a wrong size
        return [
            (row, column)
            for row, cells in enumerate(sheet.iter_rows())
            for column, cell in enumerate(cells)
            if cell.value is not None and "%" in cell.number_format
        ]
    finally:
        book.close()


def _text(cell: Any) -> str | None:
    """A cell as it would be written: whole numbers without ".0", times in ISO form."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(sep=" ")
    return str(cell)
