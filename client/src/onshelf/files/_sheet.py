"""Reads spreadsheets: values by calamine; by openpyxl, which is slower, only which cells are shown as percentages or
with a currency, and which hold errors: calamine takes those for empty.
"""

import datetime
import html
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import python_calamine

from onshelf.files._header import find_header, named
from onshelf.files._numbers import CURRENCIES
from onshelf.files._raw import FileError, Loss, RawFile

SHEETS = (".xlsx", ".xlsm")
# The currency of a number format: [$€-407], [$CHF-807], "kr", €. Without one of the file's own, the sign is that of
# whoever looks at the sheet, and says nothing.
_CURRENCY = re.compile(r'\[\$([^-\]]+)(?:-[^\]]*)?\]|"([^"]+)"|([$€£¥₹₩₽₺₪฿₫₱₦])')
_LOCALE = re.compile(r"\[\$-[^\]]*\]")  # of a language, as [$-409]
_OF_THE_READER = tuple(openpyxl.styles.numbers.BUILTIN_FORMATS[number] for number in (5, 6, 7, 8, 41, 42, 43, 44))


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
            cells: dict[str, list[list[Any]]] = {
                one.name: book.get_sheet_by_name(one.name).to_python(skip_empty_area=False)
                for one in book.sheets_metadata
                if one.typ == python_calamine.SheetTypeEnum.WorkSheet
            }
            visible = python_calamine.SheetVisibleEnum.Visible
            shown = [one.name for one in book.sheets_metadata if one.visible == visible]
    except (python_calamine.CalamineError, zipfile.BadZipFile, OSError) as error:
        raise FileError(f"{path}: is not a readable spreadsheet: {error}. Save it as .xlsx or CSV (UTF-8)") from error
    filled = {name: rows for name, rows in cells.items() if any(cell not in ("", None) for row in rows for cell in row)}
    marked = _marked(path, [name for name in filled if name in shown])
    parts = [(name, *_table(rows, marked.get(name, []))) for name, rows in filled.items()]
    if not any(name in shown for name, _, _ in parts):
        raise FileError(f"{path}: is empty" + (": all that it holds is on hidden sheets; show them" if parts else ""))
    same: dict[tuple[str, ...], list[_Sheet]] = {}
    for part in parts:
        if part[0] in shown:
            same.setdefault(tuple(part[1].column_names), []).append(part)
    hidden = [part for part in parts if part[0] not in shown]
    found = {sheets[0][0]: _as_one(path, sheets, hidden) for sheets in same.values()}
    others = [name for name, table, _ in hidden if tuple(table.column_names) not in same]
    if others:
        next(iter(found.values())).notes.append(f"hidden sheets are not read: {', '.join(map(repr, others))}")
    return found


_Sheet = tuple[str, pa.Table, list[str]]  # name, rows, what to say of it


def _as_one(path: Path, sheets: list[_Sheet], hidden: list[_Sheet]) -> RawFile:
    """Sheets of the same header, one below the other; hidden ones of that header are lost."""
    names = [name for name, _, _ in sheets]
    notes = [f"sheet {names[0]!r}" if len(names) == 1 else f"{len(names)} sheets: {', '.join(map(repr, names))}"]
    notes += dict.fromkeys(note for _, _, told in sheets for note in told)
    table = pa.concat_tables([table for _, table, _ in sheets])
    losses = [
        Loss(f"hidden sheet {name!r} has the same headers, and is not read: show it or delete it", other.num_rows)
        for name, other, _ in hidden
        if other.column_names == table.column_names
    ]
    return RawFile(path=path, table=table, notes=notes, losses=losses)


_Marked = list[tuple[int, int, str]]  # row and column, from 0, of cells with the mark or the error that they show


def _table(cells: list[list[Any]], marked: _Marked) -> tuple[pa.Table, list[str]]:
    """The table of a sheet, and what to say of its lines and headers."""
    rows = [[_text(cell) for cell in row] for row in cells]
    for row, column, mark in marked:
        if row < len(cells) and column < len(cells[row]):
            if mark.startswith("#"):
                rows[row][column] = mark
            elif type(cells[row][column]) not in (float, int):
                continue
            elif mark == "%":
                rows[row][column] = f"{_text(round(float(cells[row][column]) * 100, 10))}%"
            else:
                rows[row][column] = f"{rows[row][column]} {mark}"
    start = find_header(rows)
    above = sum(any(row) for row in rows[:start])
    notes = [f"{above:,} lines above the header are passed over"] if above else []
    body = rows[start + 1 :]
    columns = [pa.array([row[n] for row in body], pa.string()) for n in range(len(rows[start]))]
    table, told = named(rows[start], columns)
    return table, [*notes, *told]


def _marked(path: Path, names: list[str]) -> dict[str, _Marked]:
    """By sheet, the cells shown with a percent sign (.2 in the file is 20% on the sheet) or with a currency, and those
    that hold an error.
    """
    with zipfile.ZipFile(path) as archive:
        styles = archive.read("xl/styles.xml") if "xl/styles.xml" in archive.namelist() else b""
        wrong = any(_holds_errors(archive, name) for name in archive.namelist() if "worksheets/" in name)
    codes = re.findall(r'formatCode="([^"]*)"', styles.decode("utf-8", "replace"))
    shown = re.search(rb'numFmtId="(?:9|10)"', styles) or any(_mark(html.unescape(code)) for code in codes)
    if not shown and not wrong:
        return {}
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    marks: dict[str, str] = {}
    found: dict[str, _Marked] = {}
    try:
        for name in names:
            sheet = book[name]
            sheet.reset_dimensions()  # some programs write a wrong size
            found[name] = []
            for row, cells in enumerate(sheet.iter_rows()):
                for column, cell in enumerate(cells):
                    if cell.value is None:
                        continue
                    if cell.data_type == "e":
                        found[name].append((row, column, str(cell.value)))
                        continue
                    code = cell.number_format
                    if code not in marks:
                        marks[code] = _mark(code)
                    if marks[code]:
                        found[name].append((row, column, marks[code]))
    finally:
        book.close()
    return found


def _holds_errors(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether a sheet has a cell of the type "error"."""
    with archive.open(name) as file:
        tail = b""
        while piece := file.read(1 << 20):
            if re.search(rb'<(?:\w+:)?c\s[^>]*\bt="e"', tail + piece):
                return True
            tail = (tail + piece)[-200:]
    return False


def _mark(code: str) -> str:
    """What a number format shows beside a number: "%", a currency, or "" for neither."""
    if "%" in code:
        return "%"
    if code in _OF_THE_READER:
        return ""
    for found in _CURRENCY.findall(_LOCALE.sub("", code)):
        word = str(next(part for part in found if part)).strip()
        if word.casefold() in CURRENCIES:
            return word
    return ""


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
