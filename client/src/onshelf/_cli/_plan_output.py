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
from typing import Any

from onshelf._cli._failures import UsageError
from onshelf._cli._json_form import to_json
from onshelf._results import PlanLaunchResult

# The columns of CSV and Parquet, with their kinds. Money is in `currency`; units and money are over `horizon_weeks`.
COLUMNS = {
    "row": "integer",
    "product_id": "text",
    "title": "text",
    "status": "text",
    "error_reason": "text",
    "error_field": "text",
    "error_message": "text",
    "launch_date": "date",
    "channels": "text",
    "discount": "number",
    "coupon": "flag",
    "list_price": "money",
    "sale_price": "money",
    "currency": "text",
    "horizon_weeks": "integer",
    "units_mean": "number",
    "units_p10": "number",
    "units_p50": "number",
    "units_p90": "number",
    "buyers": "number",
    "revenue": "money",
    "gross_profit": "money",
    "objective_metric": "text",
    "objective_value": "number",
    "promotion_cost": "money",
    "discount_cost": "money",
    "stock_units": "integer",
    "stock_covers_days": "integer",
    "stock_sites": "text",
    "stock_central_units": "integer",
    "price_path": "text",
    "support": "text",
    "practice_launch_date": "date",
    "practice_units_mean": "number",
    "practice_breaks": "text",
    "frontier_instead_of_winner": "flag",
    "notices": "text",
    "plan_id": "text",
    "model_release": "integer",
}
FORMS = (".csv", ".json", ".parquet")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for the beginning of a formula


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
    forecast = best.forecast(horizon)
    action, practice = best.action, answer.practice_plan
    revenue, profit = forecast.revenue, forecast.gross_profit
    used = (f"{c.channel_id}={c.coverage:g}" if c.coverage is not None else c.channel_id for c in action.channels)
    values = {
        "status": "ok",
        "launch_date": action.launch_date,
        "channels": ";".join(used),
        "discount": action.discount,
        "coupon": action.coupon,
        "list_price": action.list_price.amount if action.list_price else None,
        "sale_price": action.sale_price.amount if action.sale_price else None,
        "currency": answer.info.model_release.currency,
        "horizon_weeks": horizon,
        "units_mean": forecast.units.mean,
        "units_p10": forecast.units.quantile(0.1),
        "units_p50": forecast.units.quantile(0.5),
        "units_p90": forecast.units.quantile(0.9),
        "buyers": forecast.buyers,
        "revenue": revenue.mean.amount if revenue and revenue.mean else None,
        "gross_profit": profit.mean.amount if profit and profit.mean else None,
        "objective_metric": answer.objective_metric.value,
        "objective_value": best.objective_value,
        "promotion_cost": best.promotion_cost.amount if best.promotion_cost else None,
        "discount_cost": best.discount_cost.amount if best.discount_cost else None,
        "stock_units": best.stock.units if best.stock else None,
        "stock_covers_days": best.stock.covers_days if best.stock else None,
        "stock_sites": ";".join(f"{site.site_id}={site.units}" for site in best.stock.sites) if best.stock else None,
        "stock_central_units": best.stock.central_units if best.stock else None,
        "price_path": ";".join(f"{step.week}={step.price.amount:f}" for step in best.price_path if step.price),
        "support": best.support.level.value if best.support else None,
        "practice_launch_date": practice.action.launch_date if practice else None,
        "practice_units_mean": practice.forecast(horizon).units.mean if practice else None,
        "practice_breaks": ";".join(practice.broken_constraints) if practice else None,
        "frontier_instead_of_winner": answer.frontier_instead_of_winner,
        "notices": ";".join(notice.code.value for notice in answer.info.notices),
        "plan_id": answer.plan_id,
        "model_release": answer.info.model_release.version,
    }
    # As JSON has it, since the journal is JSON: money and dates are text.
    return {name: to_json(value) for name, value in values.items() if value is not None}


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
