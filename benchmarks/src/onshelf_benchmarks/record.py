"""What all benchmarks share: places, what a result says of the machine, other processes of this package, tables."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "benchmarks/results"
RELEASES = ROOT / "var/releases"
RUNS = ROOT / "var/runs"
REPOSITORY = ROOT / "model_repository"
Document = dict[str, Any]


class NotMeasuredError(Exception):
    """Something cannot be measured, or not here; the message says why."""


def machine() -> str:
    """The machine in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    return f"{model or platform.processor()}, {os.cpu_count()} cores, {platform.system()}"


def commit() -> str:
    """What is measured."""
    words = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def circumstances() -> Document:
    """On what, and when, something is measured."""
    load = round(os.getloadavg()[0], 1)
    return {"machine": machine(), "load": load, "commit": commit(), "date": time.strftime("%Y-%m-%d")}


def rounded(value: Any) -> Any:
    """Floats of a document to 4 digits."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def newest_release(releases: Path = RELEASES) -> Path:
    """The folder of the newest model release.

    Raises:
        SystemExit: none was published.
    """
    found = [path for path in releases.glob("[0-9]*") if path.name.isdigit()]
    if not found:
        raise SystemExit(f"{releases}: no model release; run `make publish` first")
    return max(found, key=lambda path: int(path.name))


def running_gateway() -> str:
    """host:port of the gateway of `make run`."""
    return str(json.loads((ROOT / "var/run/gateway.address").read_text())["address"])


def child(module: str, *words: str) -> Document:
    """What a module of this package prints last, run in a process of its own.

    Raises:
        NotMeasuredError: it failed; its own words are above.
    """
    command = [sys.executable, "-m", f"{__package__}.{module}", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise NotMeasuredError(f"{module} failed with status {done.returncode}")
    found: Document = json.loads(lines[-1])
    return found


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def table_of(columns: Mapping[str, str], rows: Iterable[Document]) -> str:
    """A table of Markdown of what rows hold; a column is its head, and how a row fills it: "{p50_ms:.1f}".

    Where a row has no such value, or none, stands a dash.
    """

    def cell(form: str, row: Document) -> str:
        try:
            return form.format_map(row)
        except (KeyError, TypeError):
            return "–"

    return table(list(columns), ([cell(form, row) for form in columns.values()] for row in rows))
