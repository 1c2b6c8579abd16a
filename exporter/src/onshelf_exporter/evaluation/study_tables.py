"""Tables of studies: what was tried besides the main comparison, and what it gave, from reports/studies/*.json.

A study's file has title, question, columns, rows (lists as long as columns; text, numbers or null), remarks, recipe,
commit and seconds; optionally `plot` with the names of the columns `label`, `value` and, where there are intervals,
`low` and `high`.
"""

import json
from pathlib import Path
from typing import Any

from onshelf_exporter.errors import SourceError

StudyTable = dict[str, Any]
FIELDS: dict[str, type | tuple[type, ...]] = {
    "title": str,
    "question": str,
    "columns": list,
    "rows": list,
    "remarks": list,
    "recipe": str,
    "commit": str,
    "seconds": (int, float),
}
PLOTTED = ("label", "value", "low", "high")


def read_studies(folder: Path) -> list[StudyTable]:
    """All studies of a folder in order of their files' names, each with its file's stem as `name`.

    Raises:
        SourceError: a file is no study, naming file, field and rule.
    """
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def plotted(study: StudyTable) -> list[dict[str, Any]] | None:
    """The rows that a study asks to be drawn: label, value, low, high; None where it asks for no plot."""
    if "plot" not in study:
        return None
    place = {key: study["columns"].index(column) for key, column in study["plot"].items() if key in PLOTTED}
    rows = [{key: row[column] for key, column in place.items()} for row in study["rows"]]
    return [row for row in rows if isinstance(row["value"], int | float)]


def _read(path: Path) -> StudyTable:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SourceError(f"{path}: not valid JSON ({error}); write the study again") from error
    for field, kind in FIELDS.items():
        value = content.get(field) if isinstance(content, dict) else None
        if not isinstance(value, kind) and not (field in ("recipe", "commit") and value is None):
            raise SourceError(f"{path}: {field} = {value!r}: must be {getattr(kind, '__name__', 'a number')}")
    width = len(content["columns"])
    for number, row in enumerate(content["rows"]):
        if not isinstance(row, list) or len(row) != width:
            raise SourceError(f"{path}: rows[{number}] = {row!r}: must be a list of {width} values, one per column")
    unknown = [
        name for key, name in content.get("plot", {}).items() if key in PLOTTED and name not in content["columns"]
    ]
    if unknown:
        raise SourceError(
            f"{path}: plot names the column {unknown[0]!r}: must be one of {', '.join(content['columns'])}"
        )
    return {**content, "name": path.stem}
