"""Tables of studies: what was tried besides the main comparison, and what it gave, from reports/studies/*.json.

A study's file has title, question, columns, rows (lists as long as columns; text, numbers or null), remarks, recipe,
commit and seconds; optionally `plot` with the names of the columns `label`, `value` and, where there are intervals,
`low` and `high`.
"""

import json
from pathlib import Path
from typing import Any

from onshelf_exporter.process.errors import SourceError

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


def plotted(study: StudyTable) -> tuple[str, list[dict[str, Any]]] | None:
    """What a study draws: name of the values; rows of label, value and, where there are intervals, low and high.

    The columns are those that the study names as its `plot`; where it names none, its first column on WAPE, labelled by
    the columns of words before it. None where there is neither.
    """
    columns: list[str] = study["columns"]
    named: dict[str, str] = study.get("plot") or {}
    value = named.get("value") or next((name for name in columns if name.startswith("WAPE")), None)
    if value is None:
        return None
    place = {key: columns.index(named[key]) for key in ("low", "high") if key in named}
    at = columns.index(value)
    labels = [columns.index(named["label"])] if "label" in named else list(range(at))
    rows = [
        {
            "label": ", ".join(row[i] for i in labels if isinstance(row[i], str)),
            "value": row[at],
            **{key: row[i] for key, i in place.items()},
        }
        for row in study["rows"]
        if isinstance(row[at], int | float)
    ]
    return (value, rows) if rows else None


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
