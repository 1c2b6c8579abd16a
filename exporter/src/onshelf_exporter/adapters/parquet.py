"""A folder of the canonical tables as Parquet files: a retailer's own data; products and interactions are required.

The folder may hold `shop.json` with what the tables do not say: {"currency": "EUR", "timezone": "Europe/Paris",
"week_start": "monday", "prices_include_tax": true, "units_basis": "all orders of our web shop",
"food_departments": ["Grocery"], "launches": {"burn_in_weeks": 12}, "first_day": null, "last_day": "2024-12-31"}. Only
`currency` is required.
"""

import datetime as dt
import json
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from onshelf_exporter import engine, schema
from onshelf_exporter.adapters.base import Adapter, Source
from onshelf_exporter.errors import DataError, SettingError, SourceError
from onshelf_exporter.launch_rule import LaunchRule
from onshelf_exporter.weeks import WEEKDAYS

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
    missing = [f"{name}.parquet" for name in schema.required_tables() if not (source / f"{name}.parquet").is_file()]
    if missing:
        has = ", ".join(sorted(path.name for path in source.iterdir())) or "nothing"
        raise SourceError(
            f"{source}: missing {' and '.join(missing)}; the folder holds {has}. Other names or formats: "
            f"`onshelf-exporter doctor {source} --write FOLDER` maps them onto the tables"
        )
    paths = [source / f"{name}.parquet" for name in schema.TABLES if (source / f"{name}.parquet").is_file()]
    settings = source / SETTINGS
    return [*paths, settings] if settings.is_file() else paths


def read(con: Backend, source: Path | None) -> Source:
    """The tables of the folder, and what its settings say.

    Raises:
        SourceError: a file cannot be read.
        SettingError: `shop.json` holds a bad value or no currency.
    """
    paths = [path for path in files(source) if path.suffix == ".parquet"]
    folder = paths[0].parent
    settings = read_settings(folder / SETTINGS)
    tables = {path.stem: _open(con, path) for path in paths}
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


def _open(con: Backend, path: Path) -> ir.Table:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"PAR1":
        raise SourceError(f"{path}: is not a Parquet file (it begins with {magic!r})")
    try:
        return engine.read(con, path)
    except ibis.IbisError as error:
        raise DataError(path.stem, "", f"cannot be read: {error}") from error


ADAPTER = Adapter(name="parquet", files=files, read=read)
