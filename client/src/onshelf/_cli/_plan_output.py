"""Writes the plans of a file: a row for each product as CSV or Parquet, or the complete answers as JSON."""

import csv
import importlib
import json
import os
import textwrap
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from onshelf._cli._json_form import to_json
from onshelf._cli._usage import UsageError
from onshelf._inputs import ChannelUse
from onshelf._money import Money
from onshelf._results import LaunchPlan, OutcomeForecast, PlanLaunchResult

FORMS = (".csv", ".json", ".parquet")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for the beginning of a formula


class _Best(NamedTuple):
    """What the columns of an answer are read from."""

    answer: PlanLaunchResult
    plan: LaunchPlan
    forecast: OutcomeForecast


# The columns of CSV and Parquet: what a row has in any case, then what its best plan says. Money is in `currency`;
# units and money are over `horizon_weeks`.
_ROW = {"row": "integer"} | dict.fromkeys(
    ("product_id", "title", "status", "error_reason", "error_field", "error_message"), "text"
)
_PLAN: dict[str, tuple[str, Callable[[_Best], Any]]] = {
    "launch_date": ("date", lambda b: b.plan.action.launch_date),
    "channels": ("text", lambda b: ";".join(map(_use, b.plan.action.channels))),
    "discount": ("number", lambda b: b.plan.action.discount),
    "coupon": ("flag", lambda b: b.plan.action.coupon),
    "list_price": ("money", lambda b: b.plan.action.list_price),
    "sale_price": ("money", lambda b: b.plan.action.sale_price),
    "currency": ("text", lambda b: b.answer.info.model_release.currency),
    "horizon_weeks": ("integer", lambda b: b.forecast.horizon_weeks),
    "units_mean": ("number", lambda b: b.forecast.units.mean),
    "units_p10": ("number", lambda b: b.forecast.units.quantile(0.1)),
    "units_p50": ("number", lambda b: b.forecast.units.quantile(0.5)),
    "units_p90": ("number", lambda b: b.forecast.units.quantile(0.9)),
    "buyers": ("number", lambda b: b.forecast.buyers),
    "revenue": ("money", lambda b: b.forecast.revenue and b.forecast.revenue.mean),
    "gross_profit": ("money", lambda b: b.forecast.gross_profit and b.forecast.gross_profit.mean),
    "objective_metric": ("text", lambda b: b.answer.objective_metric),
    "objective_value": ("number", lambda b: b.plan.objective_value),
    "promotion_cost": ("money", lambda b: b.plan.promotion_cost),
    "discount_cost": ("money", lambda b: b.plan.discount_cost),
    "stock_units": ("integer", lambda b: b.plan.stock and b.plan.stock.units),
    "stock_covers_days": ("integer", lambda b: b.plan.stock and b.plan.stock.covers_days),
    "stock_sites": ("text", lambda b: b.plan.stock and ";".join(f"{s.site_id}={s.units}" for s in b.plan.stock.sites)),
    "stock_central_units": ("integer", lambda b: b.plan.stock and b.plan.stock.central_units),
    "price_path": ("text", lambda b: ";".join(f"{s.week}={s.price.amount:f}" for s in b.plan.price_path if s.price)),
    "support": ("text", lambda b: b.plan.support and b.plan.support.level),
    "practice_launch_date": ("date", lambda b: b.answer.practice_plan and b.answer.practice_plan.action.launch_date),
    "practice_units_mean": (
        "number",
        lambda b: b.answer.practice_plan and b.answer.practice_plan.forecast(b.forecast.horizon_weeks).units.mean,
    ),
    "practice_breaks": (
        "text",
        lambda b: b.answer.practice_plan and ";".join(b.answer.practice_plan.broken_constraints),
    ),
    "frontier_instead_of_winner": ("flag", lambda b: b.answer.frontier_instead_of_winner),
    "notices": ("text", lambda b: ";".join(notice.code.value for notice in b.answer.info.notices)),
    "plan_id": ("text", lambda b: b.answer.plan_id),
    "model_release": ("integer", lambda b: b.answer.info.model_release.version),
}
COLUMNS = _ROW | {name: kind for name, (kind, _) in _PLAN.items()}


def form_of(path: Path) -> str:
    """The form of an output file by its name. Raises UsageError for another, and for Parquet without pyarrow."""
    if path.suffix not in FORMS:
        raise UsageError(f"--out {path}: the name must end in {', '.join(FORMS[:-1])} or {FORMS[-1]}")
    if path.suffix == ".parquet":
        _pyarrow("pyarrow")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--out {path}: there is no folder {path.absolute().parent}")
    return path.suffix.removeprefix(".")


def record(answer: PlanLaunchResult, form: str, horizon: int) -> dict[str, Any]:
    """What is kept of an answer: all of it for JSON, the columns of the best plan otherwise."""
    if form == "json":
        return {"status": "ok", "answer": to_json(answer)}
    best = answer.plans[0]
    read_from = _Best(answer, best, best.forecast(horizon))
    values = {name: read(read_from) for name, (_, read) in _PLAN.items()}
    # As JSON has it, since the journal is JSON: money and dates are text.
    return {"status": "ok"} | {
        name: to_json(value.amount if isinstance(value, Money) else value)
        for name, value in values.items()
        if value is not None
    }


def _use(use: ChannelUse) -> str:
    return use.channel_id if use.coverage is None else f"{use.channel_id}={use.coverage:g}"


def write(path: Path, form: str, rows: Iterable[dict[str, Any]]) -> None:
    """Writes all rows at once: the file appears complete or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        _WRITERS[form](unfinished, rows)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # with its mark, or Excel garbles other scripts
        writer = csv.DictWriter(file, list(COLUMNS))
        writer.writeheader()
        writer.writerows({name: _cell(name, value) for name, value in row.items()} for row in rows)


def _cell(name: str, value: Any) -> Any:
    """A cell of CSV: texts that a spreadsheet would run as a formula get an apostrophe in front."""
    if isinstance(value, bool):
        return str(value).lower()
    if COLUMNS[name] == "text" and str(value).startswith(_FORMULA):
        return f"'{value}"
    return value


def _write_json(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:  # row by row: all answers at once would fill the memory
        separator = "[\n"
        for row in rows:
            file.write(separator + textwrap.indent(json.dumps(row, ensure_ascii=False, indent=2), "  "))
            separator = ",\n"
        file.write("[]\n" if separator == "[\n" else "\n]\n")


def _write_parquet(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    arrow = _pyarrow("pyarrow")
    types = {
        "integer": arrow.int64(),
        "text": arrow.string(),
        "date": arrow.date32(),
        "number": arrow.float64(),
        "flag": arrow.bool_(),
        "money": arrow.decimal128(28, 9),
    }
    read: dict[str, Callable[[str], Any]] = {"date": date.fromisoformat, "money": Decimal}

    def value(row: dict[str, Any], name: str, kind: str) -> Any:
        found = row.get(name)
        return read[kind](found) if found is not None and kind in read else found

    kept = list(rows)
    columns = {
        name: arrow.array([value(row, name, kind) for row in kept], type=types[kind]) for name, kind in COLUMNS.items()
    }
    _pyarrow("pyarrow.parquet").write_table(arrow.table(columns), path)


def _pyarrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UsageError(
            "writing Parquet needs pyarrow: pip install 'onshelf[parquet]'; or write .csv or .json"
        ) from None


_WRITERS: dict[str, Callable[[Path, Iterable[dict[str, Any]]], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}
