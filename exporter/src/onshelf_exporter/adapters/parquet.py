"""A folder of the canonical tables as Parquet files: a retailer's own data; products and interactions are required.

A table may be a folder of part files. Columns of other types than the schema's (times as numbers or texts, ids as
floats) are read as the doctor reads them. The folder may hold `shop.json` with what the tables do not say:
{"currency": "EUR", "timezone": "Europe/Paris", "week_start": "monday", "prices_include_tax": true,
"units_basis": "all orders of our web shop", "food_departments": ["Grocery"]}. Only `currency` is required.
"""

import json
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from onshelf_exporter import engine, schema, validation
from onshelf_exporter.adapters.base import Adapter, Source
from onshelf_exporter.adapters.typed import open_table, parts_of
from onshelf_exporter.errors import SettingError, SourceError
from onshelf_exporter.launches import LaunchRule
from onshelf_exporter.weeks import WEEKDAYS

SETTINGS = "shop.json"
KNOWN_SETTINGS = ("currency", "timezone", "week_start", "prices_include_tax", "units_basis", "food_departments")
BURN_IN_WEEKS = 8  # at most; a quarter of the data where they are short


def files(source: Path | None) -> list[Path]:
    """The Parquet files of the canonical tables that are there, and the settings.

    Raises:
        SourceError: no folder is named, or it lacks a required table.
    """
    if source is None:
        raise SourceError("--source is missing: name the folder that holds products.parquet and interactions.parquet")
    if not source.is_dir():
        raise SourceError(f"--source {source}: no such folder")
    found = {name: parts_of(source / f"{name}.parquet") for name in schema.TABLES}
    missing = [f"{name}.parquet" for name in schema.required_tables() if not found[name]]
    if missing:
        has = ", ".join(sorted(path.name for path in source.iterdir())) or "nothing"
        raise SourceError(
            f"{source}: missing {' and '.join(missing)}; the folder holds {has}. Other names or formats: "
            f"`onshelf-exporter doctor {source} --write FOLDER` maps them onto the tables"
        )
    paths = [part for parts in found.values() for part in parts]
    settings = source / SETTINGS
    return [*paths, settings] if settings.is_file() else paths


def read(con: Backend, source: Path | None) -> Source:
    """The tables of the folder, and the launch rule that they allow.

    Raises:
        SourceError: a file cannot be read.
        SettingError: `shop.json` holds a bad value or no currency.
    """
    files(source)  # refuses a folder that lacks a table
    folder = source or Path()
    settings = read_settings(folder / SETTINGS)
    paths = {name: folder / f"{name}.parquet" for name in schema.TABLES}
    opened = {name: open_table(con, path, settings["timezone"]) for name, path in paths.items() if parts_of(path)}
    tables = {name: one.table for name, one in opened.items()}
    zone = settings["timezone"]
    return Source(
        tables=tables,
        currency=settings["currency"],
        timezone=zone,
        week_start=settings["week_start"],
        units_basis=settings["units_basis"],
        launch_rule=launch_rule(tables, zone),
        prices_include_tax=settings["prices_include_tax"],
        food_departments=tuple(settings["food_departments"]),
        dropped=[note for one in opened.values() for note in one.notes],
        problems=tuple(problem for one in opened.values() for problem in one.problems),
    )


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of a shop, defaults filled in.

    Raises:
        SettingError: the file is missing, is no JSON object, or holds a bad or unknown value.
    """
    what = 'a JSON object with at least the currency of all amounts, such as {"currency": "EUR"}'
    if not path.is_file():
        raise SettingError(SETTINGS, None, f"there must be a file {path}: {what}")
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SettingError(SETTINGS, str(error), f"must be {what}") from error
    if not isinstance(given, dict):
        raise SettingError(SETTINGS, type(given).__name__, f"must be {what}")
    unknown = sorted(set(given) - set(KNOWN_SETTINGS))
    if unknown:
        raise SettingError(f"{SETTINGS}: {unknown[0]}", given[unknown[0]], f"known are {', '.join(KNOWN_SETTINGS)}")
    settings: dict[str, Any] = {
        "currency": "",
        "timezone": "UTC",
        "week_start": "monday",
        "prices_include_tax": None,
        "units_basis": "units of all interactions given",
        "food_departments": [],
    } | given
    checks: dict[str, tuple[Callable[[Any], bool], str]] = {
        "currency": (
            lambda v: isinstance(v, str) and len(v) == 3 and v.isascii() and v.isalpha() and v.isupper(),
            "an ISO 4217 code in capitals, such as EUR, USD or CNY",
        ),
        "timezone": (
            lambda v: isinstance(v, str) and v in zoneinfo.available_timezones(),
            "an IANA time zone such as Europe/Paris",
        ),
        "week_start": (lambda v: v in WEEKDAYS, f"one of {', '.join(WEEKDAYS)}"),
        "prices_include_tax": (lambda v: v is None or isinstance(v, bool), "true, false or null"),
        "units_basis": (lambda v: isinstance(v, str) and v.strip() != "", "a sentence"),
        "food_departments": (
            lambda v: isinstance(v, list) and all(isinstance(item, str) for item in v),
            "a list of department names",
        ),
    }
    for name, (valid, rule) in checks.items():
        if not valid(settings[name]):
            raise SettingError(f"{SETTINGS}: {name}", settings[name], f"must be {rule}")
    return settings


def launch_rule(tables: dict[str, ir.Table], timezone: str) -> LaunchRule:
    """Stated launch dates where products have them, else first appearance after a burn-in."""
    products, interactions = tables["products"], tables["interactions"]
    if "time" not in interactions.columns:  # refused later, with the table's columns
        return LaunchRule(kind="first_appearance", burn_in_weeks=0, text="")
    time = validation.typed(interactions["time"], "time", timezone)
    days = interactions.agg(first=time.min(), last=time.max()).to_pyarrow().to_pylist()[0]
    weeks = 0 if days["first"] is None else (days["last"] - days["first"]).days // 7 + 1
    burn_in = min(BURN_IN_WEEKS, weeks // 4)
    appearance = (
        f"first appearance (sale or promotion) after the first {burn_in} of {weeks} weeks, in which a first appearance "
        "tells nothing"
    )
    stated = 0
    if "launch_date" in products.columns:
        stated = engine.number(products.launch_date.count())
    if not stated:
        return LaunchRule(kind="first_appearance", burn_in_weeks=burn_in, text=f"A launch is a product's {appearance}.")
    text = f"A launch is at its stated date ({stated:,} products state one); of the other products, {appearance}."
    return LaunchRule(kind="stated", burn_in_weeks=burn_in, text=text)


ADAPTER = Adapter(name="parquet", files=files, read=read)
