"""The closing page of `onshelf-exporter shop`: what was understood, what was learned, what was left out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onshelf_exporter import doctor

Document = dict[str, Any]
COLUMNS = (("WAPE", "wape", 3), ("Poisson deviance", "deviance", 3), ("Spearman", "spearman", 3), ("bias", "bias", 2))


@dataclass(frozen=True)
class Step:
    """A step that was done.

    Attributes:
        stage: its name.
        seconds: how long it took; 0 where it had been done before.
        refused: why it did nothing; empty where it did its work.
    """

    stage: str
    seconds: float
    refused: str


def render(folder: Path, name: str, tables: Path, steps: list[Step]) -> str:
    """The page as Markdown.

    Args:
        folder: the shop's folder.
        name: of the shop.
        tables: what the doctor wrote.
        steps: all steps, in order.
    """
    release = newest(folder / "releases")
    sections = [
        f"# {name}: from files to plans",
        _understood(read(tables / doctor.REPORT)),
        _prepared(read(folder / "data" / name / "dataset.json"), read(folder / "data" / name / "report.json")),
        _learned(release, folder / "reports" / "evaluation.json", steps),
        _times(steps),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def read(path: Path) -> Document:
    """A JSON file."""
    content: Document = json.loads(path.read_text(encoding="utf-8"))
    return content


def newest(releases: Path) -> Document:
    """The manifest of the newest model release."""
    version = max(int(path.name) for path in releases.iterdir() if path.name.isdigit())
    return read(releases / str(version) / "manifest.json")


def table(titles: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """A Markdown table."""
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _understood(report: Document) -> str:
    raise SystemExit(report)


def _prepared(dataset: Document, report: Document) -> str:
    """What the prepared data hold, and which rows the cleaning changed or left out."""
    counts = dataset["n_rows"]
    facts = [
        ("history", f"{dataset['first_day']} to the day before {dataset['as_of']}, {dataset['last_week']} retail weeks"),
        ("products", f"{counts['features/products']:,}"),
        ("users", f"{dataset['users']:,}"),
        ("interactions", f"{counts['interactions']:,}"),
        ("launches", f"{counts['features/launches']:,} by this rule: {dataset['launch_rule']}"),
    ]
    found = [
        (row["table"], row["what"], f"{row['rows']:,}") for row in report["cleaning"] if row["rows"]
    ]
    parts = ["## The data", table(("what", "how many"), list(facts))]
    if found:
        parts += ["Cleaning:", table(("table", "rule", "rows"), found)]
    return "\n\n".join(parts)


def _learned(release: Document, evaluation: Path, steps: list[Step]) -> str:
    """The model release, and its forecasts beside the best baseline."""
    parts = [
        "## What was learned",
        f"Model release {release['version']} ({release['role']}), recipe {release['recipe']}, data up to the day before "
        f"{release['as_of']}.",
    ]
    refused = next((step.refused for step in steps if step.stage == "evaluate"), "")
    if refused:
        parts.append(f"**The forecasts were not measured**: {refused}")
    elif evaluation.is_file():
        numbers = read(evaluation)
        rows: list[tuple[object, ...]] = []
        for model, own in (("Onshelf", numbers["ours"]), *numbers["baselines"].items()):
            if "demand" in own:
                values = [own["demand"].get(key) for _, key, _ in COLUMNS]
                shown = ["-" if v is None else f"{v:.{d}f}" for v, (_, _, d) in zip(values, COLUMNS, strict=True)]
                rows.append((model, *shown))
        weeks = numbers["weeks"]["evaluate"]
        parts += [
            f"Units of 8 weeks of {numbers['demand']['launches']} launches of weeks {weeks[0]}-{weeks[1]}, which the measured "
            "model release had not seen, beside simpler ways:",
            table(("model", *(title for title, _, _ in COLUMNS)), rows),
            f"The whole report: {evaluation.with_suffix('.md')}",
        ]
    return "\n\n".join(parts)


def _times(steps: list[Step]) -> str:
    """Seconds of each step."""
    rows: list[tuple[object, ...]] = [
        (step.stage, "done before" if not step.seconds else f"{step.seconds:.0f} s") for step in steps
    ]
    total = sum(step.seconds for step in steps)
    return "\n\n".join(["## Time", table(("step", "time"), [*rows, ("all", f"{total:.0f} s")])])
