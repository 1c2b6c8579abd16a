"""What the doctor found, as a document for programs: `understood.json` beside the written tables."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from onshelf_exporter.data import engine
from onshelf_exporter.doctor.diagnosis import Diagnosis, missing_capabilities
from onshelf_exporter.doctor.judgement import Summary
from onshelf_exporter.doctor.losses import Loss

FILE = "understood.json"


def write_record(diagnosis: Diagnosis, summary: Summary | None, folder: Path) -> Path:
    """Write what was understood and what was lost; no value of a user stands in it.

    Args:
        diagnosis: what the doctor found.
        summary: what came out of the stage `data`; None where nothing did.
        folder: where to.

    Returns:
        The file.
    """
    content: dict[str, Any] = {
        "files": [
            {
                "names": joined.names,
                "tables": list(frame.tables),
                "rows": frame.rows,
                "reading": list(dict.fromkeys(note for file in joined.files for note in file.raw.notes)),
                "notes": notes,
                "headers": [
                    {
                        "header": mapped.header,
                        "columns": list(mapped.columns),
                        "filled": mapped.filled,
                        "read": mapped.read,
                        "remark": mapped.remark,
                    }
                    for mapped in frame.mapped
                ],
            }
            for frame, joined, notes in zip(diagnosis.frames, diagnosis.found.joined, diagnosis.notes, strict=True)
        ],
        "tables": {name: engine.number(table.count()) for name, table in diagnosis.tables.items()},
        "missing": [{"what": what, "cost": cost} for what, cost in missing_capabilities(diagnosis)],
        "meant": [_loss(loss) for loss in diagnosis.losses if loss.meant],
        "lost": [_loss(loss) for loss in diagnosis.lost],
        "open": [str(question) for question in diagnosis.open],
        "accepted": [str(question) for question in diagnosis.accepted],
        "shop": diagnosis.shop,
        "summary": summary and asdict(summary) | {"units": summary.units, "revenue": summary.revenue},
    }
    path = folder / FILE
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
    return path


def _loss(loss: Loss) -> dict[str, Any]:
    return {name: value for name, value in asdict(loss).items() if name != "meant"}
