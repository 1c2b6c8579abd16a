"""The closing page of `onshelf-exporter shop`: what was understood, what was learned, what was left out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onshelf_exporter.doctor import record

Document = dict[str, Any]
Row = tuple[object, ...]
COLUMNS = (("WAPE", "wape", 3), ("deviance", "poisson_deviance", 3), ("Spearman", "spearman", 3), ("bias", "bias", 2))


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


def render(name: str, tables: Path, data: Path, releases: Path, reports: Path, steps: list[Step]) -> str:
    """The page as Markdown.

    Args:
        name: of the shop.
        tables: folder of what the doctor wrote.
        data: folder of the prepared dataset.
        releases: folder of model releases.
        reports: folder of the evaluation; it may be missing.
        steps: all steps, in order.
    """
    sections = [
        f"# {name}: from files to plans",
        _understood(read(tables / record.FILE)),
        _prepared(read(data / "dataset.json"), read(data / "report.json")),
        _learned(newest(releases), reports / "evaluation.json", steps),
        _times(steps),
    ]
    return "\n\n".join(sections) + "\n"


def read(path: Path) -> Document:
    """A JSON file."""
    content: Document = json.loads(path.read_text(encoding="utf-8"))
    return content


def newest(releases: Path) -> Document:
    """The manifest of the newest model release."""
    version = max(int(path.name) for path in releases.iterdir() if path.name.isdigit())
    return read(releases / str(version) / "manifest.json")


def table(titles: tuple[str, ...], rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _understood(report: Document) -> str:
    """How each header was read, what was left out, what the files do not decide, what is missing."""
    parts = ["## What was understood"]
    for file in report["files"]:
        first, count = file["names"][0], len(file["names"])
        named = first if count == 1 else f"{count} files like {first}"
        parts.append(f"{named}: {' and '.join(file['tables'])}, {file['rows']:,} rows.")
        headers: list[Row] = [
            (
                one["header"],
                ", ".join(one["columns"]) or "not used",
                f"{one['read']:,} of {one['filled']:,}" if one["columns"] else "",
                one["remark"],
            )
            for one in file["headers"]
        ]
        parts.append(table(("your header", "column", "read", "remark"), headers))
        parts += [f"- {note}" for note in (*file["reading"], *file["notes"])]
    for title, key in (("Lost: not understood, or not to be used", "lost"), ("Left out, as it is meant", "meant")):
        if report[key]:
            rows: list[Row] = [
                (
                    loss["table"],
                    loss["what"],
                    f"{loss['rows']:,}",
                    "" if loss["revenue"] is None else f"{loss['revenue']:,.2f}",
                    f"{loss['users']:,}" if loss["users"] else "",
                    f"{loss['first']} to {loss['last']}" if loss["first"] else "",
                    "; ".join(loss["samples"]),
                )
                for loss in report[key]
            ]
            titles = ("table", "what", "rows", "revenue", "users", "days", "samples")
            parts += [f"### {title}", table(titles, rows)]
    if report["open"]:
        parts += ["### To check: the files do not decide", "\n".join(f"- {question}" for question in report["open"])]
    if report["accepted"]:
        parts += ["### Accepted as it was read", "\n".join(f"- {question}" for question in report["accepted"])]
    lacking: list[Row] = [(one["what"], one["cost"]) for one in report["missing"]]
    if lacking:
        parts += ["### What is missing, and what it costs", table(("missing", "what is lost"), lacking)]
    return "\n\n".join(parts)


def _prepared(dataset: Document, report: Document) -> str:
    """What the prepared data hold, and which rows the cleaning changed or left out."""
    counts = dataset["n_rows"]
    facts = [
        (
            "history",
            f"{dataset['first_day']} to the day before {dataset['as_of']}, "
            f"{dataset['last_week'] - dataset['first_whole_week'] + 1} whole retail weeks",
        ),
        ("products", f"{counts['features/products']:,}"),
        ("users", f"{dataset['users']:,}"),
        ("interactions", f"{counts['interactions']:,}"),
        ("launches", f"{counts['features/launches']:,} by this rule: {dataset['launch_rule']}"),
    ]
    found = [(row["table"], row["what"], f"{row['rows']:,}") for row in report["cleaning"] if row["rows"]]
    parts = ["## The data", table(("what", "how many"), list(facts))]
    if found:
        parts += ["Cleaning:", table(("table", "rule", "rows"), found)]
    if report["warnings"]:
        parts += ["### Warnings", "\n".join(f"- {warning}" for warning in report["warnings"])]
    parts += _first_seen(report["launches"])
    return "\n\n".join(parts)


def _first_seen(launches: Document) -> list[str]:
    """How many products are first seen after each burn-in, and how many of them look like old ones first met late."""
    own = launches["burn_in_weeks"]
    after = {"weeks": own, **launches["after_burn_in"]}
    rows: list[Row] = [
        (
            f"{one['weeks']} ({launches['burn_in']})" if one["weeks"] == own else str(one["weeks"]),
            f"{one['first_appearances']:,}",
            "not measured" if one["late_first_meetings"] is None else f"{one['late_first_meetings']:,.0f}",
        )
        for one in sorted([after, *(o for o in launches["by_burn_in"] if o["weeks"] != own)], key=lambda o: o["weeks"])
    ]
    titles = ("burn-in, weeks", "products first seen after it", "of them old ones first met late, at least")
    return [
        "Which products are launches is a setting, `--launches` (docs/data.md, What a launch is):",
        table(titles, rows),
    ]


def _learned(release: Document, evaluation: Path, steps: list[Step]) -> str:
    """The model release, and its forecasts beside the best baseline."""
    parts = [
        "## What was learned",
        f"Model release {release['version']} ({release['role']}), recipe {release['recipe']}, data up to the day "
        f"before {release['as_of']}.",
    ]
    refused = next((step.refused for step in steps if step.stage == "evaluate"), "")
    if refused:
        parts.append(f"**The forecasts were not measured**: {refused}")
    elif evaluation.is_file():
        numbers = read(evaluation)
        rows: list[Row] = []
        for model, own in (("Onshelf", numbers["ours"]), *numbers["baselines"].items()):
            if "demand" in own:
                values = [own["demand"].get(key) for _, key, _ in COLUMNS]
                shown = ["-" if v is None else f"{v:.{d}f}" for v, (_, _, d) in zip(values, COLUMNS, strict=True)]
                rows.append((model, *shown))
        weeks = numbers["weeks"]["evaluate"]
        parts += [
            f"Units of 8 weeks of {numbers['demand']['launches']} launches of weeks {weeks[0]}-{weeks[1]}, which the "
            "measured model release had not seen, beside simpler ways:",
            table(("model", *(title for title, _, _ in COLUMNS)), rows),
            f"The whole report: {evaluation.with_suffix('.md')}",
        ]
    return "\n\n".join(parts)


def _times(steps: list[Step]) -> str:
    """Seconds of each step."""
    rows: list[Row] = [(step.stage, "done before" if not step.seconds else f"{step.seconds:.0f} s") for step in steps]
    total = sum(step.seconds for step in steps)
    return "\n\n".join(["## Time", table(("step", "time"), [*rows, ("all", f"{total:.0f} s")])])
