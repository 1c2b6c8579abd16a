"""JSON files, written in one step."""

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file; a reader sees the old one or the new one."""
    staging = path.with_name(path.name + ".staging")
    staging.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(staging, path)
