"""A folder of the canonical tables as Parquet files: a retailer's own data; products and interactions are required.

A table may be a folder of part files. Columns of other types than the schema's (times as numbers or texts, ids as
floats) are read as the doctor reads them. The folder may hold `shop.json` with what the tables do not say:
{"currency": "EUR", "timezone": "Europe/Paris", "week_start": "monday", "prices_include_tax": true,
"units_basis": "all orders of our web shop", "food_departments": ["Grocery"], "launches": {"burn_in_weeks": 12},
"first_day": null, "last_day": "2024-12-31"}. Only `currency` is required.
"""

import datetime as dt
import json
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ibis.backends.duckdb import Backend

from onshelf_exporter.data import schema
from onshelf_exporter.data.adapters.base import Adapter, Source
from onshelf_exporter.data.adapters.typed import open_table, parts_of
from onshelf_exporter.data.launch_rule import LaunchRule
from onshelf_exporter.process.errors import SettingError, SourceError
from onshelf_release.calendar import WEEKDAYS

SETTINGS = "shop.json"
KNOWN_SETTINGS = (
    "currency", "timezone", "week_start", "prices_include_tax", "units_basis", "food_departments", "launches",
    "first_day", "last_day",
)  # fmt: skip


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
    """The tables of the folder, and what its settings say.

    Raises:
        SourceError: a file cannot be read.
        SettingError: `shop.json` holds a bad value or no currency.
    """
    files(source)  # refuses a folder that lacks a table
    folder = source or Path()
    settings = read_settings(folder / SETTINGS)
    paths = {name: folder / f"{name}.parquet" for name in schema.TABLES}
    opened = {
        name: open_table(con, path, settings["timezone"], settings["currency"])
        for name, path in paths.items()
        if parts_of(path)
    }
    tables = {name: one.table for name, one in opened.items()}
    return Source(
        tables=tables,
        currency=settings["currency"],
        timezone=settings["timezone"],
        week_start=settings["week_start"],
        units_basis=settings["units_basis"],
        launch_rule=LaunchRule().changed(settings["launches"], f"{SETTINGS}: launches"),
        first_day=_day(settings["first_day"]),
        last_day=_day(settings["last_day"]),
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
        "launches": {},
        "first_day": None,
        "last_day": None,
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
        "launches": (lambda v: isinstance(v, dict), "an object with the parts of the launch rule: see docs/data.md"),
        "first_day": (_is_day, "a date such as 2024-01-01: the first day that the data hold as a whole"),
        "last_day": (_is_day, "a date such as 2024-12-31: the last day that the data hold as a whole"),
    }
    for name, (valid, rule) in checks.items():
        if not valid(settings[name]):
            raise SettingError(f"{SETTINGS}: {name}", settings[name], f"must be {rule}")
    LaunchRule().changed(settings["launches"], f"{SETTINGS}: launches")
    return settings


def _day(value: str | None) -> dt.date | None:
    return None if value is None else dt.date.fromisoformat(value)


def _is_day(value: object) -> bool:
    if value is None:
        return True
    try:
        return isinstance(value, str) and _day(value) is not None
    except ValueError:
        return False


ADAPTER = Adapter(name="parquet", files=files, read=read)
