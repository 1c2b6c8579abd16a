"""Finds the header of a table and names its columns."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

LOOKED_AT = 30  # rows in which the header is looked for


def find_header(rows: Sequence[Sequence[str | None]]) -> int:
    """The row that holds the header: the first with more than half as many cells as most rows have. A title, a date of
    export and empty lines may stand above.
    """
    filled = [sum(bool(cell and cell.strip()) for cell in row) for row in rows[:LOOKED_AT]]
    usual = sorted(filled)[len(filled) // 2] if filled else 0
    return next((n for n, count in enumerate(filled) if count and 2 * count > usual), 0)


def named(header: Sequence[str | None], columns: Sequence[pa.Array | pa.ChunkedArray]) -> tuple[pa.Table, list[str]]:
    """The table without empty rows, and what to say of its headers. Columns without name and values are dropped."""
    names: list[str] = []
    kept = []
    notes = []
    for number, column in enumerate(columns, start=1):
        name = ((header[number - 1] if number <= len(header) else None) or "").replace("\ufeff", "").strip()
        if not name:
            if not pc.any(pc.is_valid(column)).as_py():
                continue
            name = f"column {number}"
            notes.append(f"column {number} has no header; it is called {name!r}")
        if name in names:
            again = next(f"{name} ({n})" for n in range(2, len(columns) + 2) if f"{name} ({n})" not in names)
            notes.append(f"header {name!r} stands twice; the second column is called {again!r}")
            name = again
        names.append(name)
        kept.append(column)
    table = pa.table(kept, names=names)
    if not table.num_columns:
        return table, notes
    some = pc.is_valid(table.column(0))
    for column in table.columns[1:]:
        some = pc.or_(some, pc.is_valid(column))
    return (table if pc.all(some).as_py() else table.filter(some)), notes
