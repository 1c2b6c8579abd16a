"""The result of a study: one table with remarks, written as JSON for the evaluation report."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

Cell = str | float | int | None


@dataclass(kw_only=True)
class Table:
    """A study's table. Each row has one cell per column; None where a column does not apply."""

    title: str
    question: str
    columns: list[str]
    rows: list[list[Cell]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """Append a row; numbers are kept to four digits after the point.

        Raises:
            ValueError: not one cell per column.
        """
        if len(cells) != len(self.columns):
            raise ValueError(f"study row {cells[:1]}: {len(cells)} cells for {len(self.columns)} columns")
        self.rows.append([round(float(cell), 4) if isinstance(cell, float) else cell for cell in cells])


def write(table: Table, path: Path, recipe: str, commit: str | None, seconds: float) -> None:
    """Write a table with the recipe, the commit and how long it took, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**asdict(table), "recipe": recipe, "commit": commit, "seconds": round(seconds, 1)}
    staging = path.with_name(path.name + ".staging")
    staging.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(staging, path)
