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
    """The first visible sheet that holds anything, with the sheets of the same header. Raises FileError."""
    first, *others = read_sheets(path).items()
    raw = first[1]
    if others:
        names = ", ".join(repr(name) for name, _ in others)
        raw.notes.insert(1, f"other sheets are not read: {names}")
    return raw


def read_sheets(path: Path) -> dict[str, RawFile]:
    """The tables of a workbook by the name of their first sheet; visible sheets of the same header are one table.
    Raises FileError.
    """
    try:
        with python_calamine.CalamineWorkbook.from_path(path) as book:
            shown = python_calamine.SheetVisibleEnum.Visible
            cells: dict[str, list[list[Any]]] = {
                one.name: book.get_sheet_by_name(one.name).to_python(skip_empty_area=False)
                for one in book.sheets_metadata
                if one.visible == shown
            }
    except (python_calamine.CalamineError, zipfile.BadZipFile, OSError) as error:
        raise FileError(f"{path}: is not a readable spreadsheet: {error}. Save it as .xlsx or CSV (UTF-8)") from error
    parts = [
        (name, *_table(path, name, rows))
        for name, rows in cells.items()
        if any(cell not in ("", None) for row in rows for cell in row)
    ]
    if not parts:
        raise FileError(f"{path}: is empty")
    same: dict[tuple[str, ...], list[tuple[str, pa.Table, list[str]]]] = {}
    for part in parts:
        same.setdefault(tuple(part[1].column_names), []).append(part)
    return {sheets[0][0]: _as_one(path, sheets) for sheets in same.values()}


def _as_one(path: Path, sheets: list[tuple[str, pa.Table, list[str]]]) -> RawFile:
    """Sheets of the same header, one below the other."""
    names = [name for name, _, _ in sheets]
    notes = [f"sheet {names[0]!r}" if len(names) == 1 else f"{len(names)} sheets: {', '.join(map(repr, names))}"]
    notes += dict.fromkeys(note for _, _, told in sheets for note in told)
    return RawFile(path, pa.concat_tables([table for _, table, _ in sheets]), notes)


def _table(path: Path, name: str, cells: list[list[Any]]) -> tuple[pa.Table, list[str]]:
    """The table of a sheet, and what to say of its lines and headers."""
    rows = [[_text(cell) for cell in row] for row in cells]
    for row, column in _percentages(path, name):
        if row < len(cells) and column < len(cells[row]) and isinstance(cells[row][column], float | int):
            rows[row][column] = f"{_text(round(float(cells[row][column]) * 100, 10))}%"
    start = find_header(rows)
    above = sum(any(row) for row in rows[:start])
    notes = [f"{above:,} lines above the header are passed over"] if above else []
    body = rows[start + 1 :]
    columns = [pa.array([row[n] for row in body], pa.string()) for n in range(len(rows[start]))]
    table, told = named(rows[start], columns)
    return table, [*notes, *told]


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
