"""What the command line states: stronger than anything that the doctor believes."""

import argparse
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onshelf_exporter.data import headers, schema
from onshelf_exporter.data.launch_rule import LaunchRule, launch_parts
from onshelf_exporter.process.errors import SettingError
from onshelf_release.calendar import WEEKDAYS


@dataclass(frozen=True, kw_only=True)
class ReadingSettings:
    """The arguments, taken apart. Keys may begin with the name of a file and a colon.

    Attributes:
        maps: header to the columns that it means; () leaves the header out.
        tables: file to its table; "" leaves the file out.
        kinds: value of a kind or status to a kind; "" leaves its rows out.
        where: filters in SQL.
        encodings: of text files.
        date_formats: header ("" for all) to a format of strptime.
        decimals: header ("" for all) to the sign before decimals, "." or ",".
        shop: what is to stand in shop.json, stronger than what stands there: time zone, first day of weeks, whole days,
            launch rule.
        currency: None = that of shop.json.
        accepted: keys of questions whose reading is right as it is.
        strict: losses and open questions make the files unusable.
        sample: the files are part of a history: too few launches to learn from is no fault.
        keep_services: postage and fees are products.
        used: settings that met what they are about; the others are refused at the end.
    """

    maps: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    where: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ()
    date_formats: dict[str, str] = field(default_factory=dict)
    decimals: dict[str, str] = field(default_factory=dict)
    shop: dict[str, Any] = field(default_factory=dict)
    currency: str | None = None
    accepted: tuple[str, ...] = ()
    strict: bool = False
    sample: bool = False
    keep_services: bool = False
    used: set[tuple[str, str]] = field(default_factory=set)

    def map_of(self, file: str, header: str) -> str | None:
        """The key of `maps` that is about a header of a file; None where there is none."""
        return next((key for key in (f"{file}:{header}", header) if key in self.maps), None)

    def encoding_of(self, file: str) -> str | None:
        """The encoding that is stated for a file."""
        own = [one for one in self.encodings if one.startswith(f"{file}:")]
        for one in own or [one for one in self.encodings if ":" not in one]:
            self.used.add(("--encoding", one))
            return one.rpartition(":")[2]
        return None

    def filters_of(self, file: str, files: Sequence[str]) -> list[tuple[str, str]]:
        """The filters for one of some files: the condition, and the argument that it stands in."""
        own = [(one.partition(":")[2], one) for one in self.where if one.startswith(f"{file}:")]
        return own + [(one, one) for one in self.where if not any(one.startswith(f"{other}:") for other in files)]

    def date_format_of(self, header: str) -> str | None:
        """The format that is stated for the dates of a header."""
        return self._of_header("--date-format", self.date_formats, header)

    def decimal_of(self, header: str) -> str | None:
        """The sign that is stated to stand before the decimals of a header's numbers."""
        return self._of_header("--decimal", self.decimals, header)

    def _of_header(self, name: str, stated: dict[str, str], header: str) -> str | None:
        for key in (header, ""):
            if key in stated:
                self.used.add((name, key))
                return stated[key]
        return None

    def table_of(self, file: str) -> str | None:
        """The table that is stated for a file: "" to leave the file out, None where nothing is stated."""
        if file in self.tables:
            self.used.add(("--table", file))
        return self.tables.get(file)

    def kind_of(self, value: str) -> str | None:
        """The kind that is stated for a value: "" to leave its rows out, None where nothing is stated."""
        if value in self.kinds:
            self.used.add(("--kinds", value))
        return self.kinds.get(value)

    def accepts(self, question: str, files: Sequence[str]) -> bool:
        """Whether a question, of some files, is answered: the reading is right as it is."""
        names = {question, *(f"{file}:{question}" for file in files)}
        self.used.update(("--accept", name) for name in names)
        return not names.isdisjoint(self.accepted)

    def refuse_unused(self) -> None:
        """Raises SettingError for a setting that met nothing: what is given has an effect."""
        given: dict[str, Iterable[str]] = {
            "--map": self.maps, "--table": self.tables, "--kinds": self.kinds, "--where": self.where,
            "--encoding": self.encodings, "--date-format": self.date_formats, "--decimal": self.decimals,
            "--accept": self.accepted,
        }  # fmt: skip
        what = {
            "--map": "no file has this header, or the table of that file has no such column",
            "--table": "no file has this name",
            "--kinds": "no event and no order has this value", "--where": "no file has the columns of this condition",
            "--encoding": "no text file of this name was read", "--date-format": "no column of dates has this header",
            "--decimal": "no column of numbers in a text file has this header; in spreadsheets numbers are numbers",
            "--accept": "no question of the doctor has this name",
        }  # fmt: skip
        for name, keys in given.items():
            for key in keys:
                if (name, key) not in self.used:
                    raise SettingError(name, key, what[name])


SIGNS = (".", ",")
READING = (  # options that may be given several times
    "map", "table", "kinds", "where", "encoding", "date_format", "decimal", "launches", "accept",
)  # fmt: skip
ONCE = ("timezone", "week_start", "first_day", "last_day")
SWITCHES = ("strict", "keep_services")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the stage."""
    add_reading_arguments(parser)
    parser.add_argument(
        "--write", type=Path, default=None, metavar="FOLDER",
        help="write the canonical tables, ready for the adapter `parquet`",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, default=None, metavar="FOLDER",
        help="keep the data that the tables were judged by, too: what the stage `data` would make in FOLDER",
    )  # fmt: skip
    parser.add_argument("--dataset", default=None, help="their name: a folder below --data (default: shop)")
    parser.add_argument("--currency", default=None, help="ISO 4217 code of all amounts, needed with --write")
    parser.add_argument(
        "--sample", action="store_true",
        help="the files are a part of the history: judge the reading alone, not whether there is enough to learn from",
    )  # fmt: skip


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say how files are read."""
    parser.add_argument(
        "path", type=Path, nargs="+", help="files (CSV, TSV, Parquet, spreadsheets, also .gz) or folders of them"
    )
    parser.add_argument(
        "--map", action="append", default=[], metavar="[FILE:]HEADER=COLUMN[,COLUMN]",
        help="what a header means, where the doctor is wrong; COLUMN is empty to leave it out",
    )  # fmt: skip
    parser.add_argument(
        "--table", action="append", default=[], metavar="FILE=TABLE",
        help="which table a file holds; TABLE is empty to leave the file out",
    )  # fmt: skip
    parser.add_argument(
        "--kinds", action="append", default=[], metavar="VALUE=KIND",
        help="which kind of event a value means; KIND is empty to leave its rows out",
    )  # fmt: skip
    parser.add_argument(
        "--where", action="append", default=[], metavar="[FILE:]SQL",
        help="rows to keep: a condition in SQL (DuckDB) on the columns as they are in the file",
    )  # fmt: skip
    parser.add_argument("--encoding", action="append", default=[], metavar="[FILE:]ENCODING", help="of text files")
    parser.add_argument(
        "--date-format", action="append", default=[], metavar="[HEADER=]FORMAT",
        help="how dates are written, such as %%d/%%m/%%Y",
    )  # fmt: skip
    parser.add_argument(
        "--decimal", action="append", default=[], metavar="[HEADER=]SIGN",
        help="the sign before decimals, . or , (default: decided by the whole column)",
    )  # fmt: skip
    parser.add_argument("--timezone", default=None, help="IANA zone of times (default: that of shop.json, else UTC)")
    parser.add_argument(
        "--week-start", choices=WEEKDAYS, default=None, help="first day of the retail week (default: that of shop.json "
        "or of weekly files, else monday)",
    )  # fmt: skip
    for name, which in (("--first-day", "first"), ("--last-day", "last")):
        parser.add_argument(
            name, type=dt.date.fromisoformat, default=None, metavar="YYYY-MM-DD",
            help=f"the {which} day that the files hold as a whole (default: judged by the sales)",
        )  # fmt: skip
    parser.add_argument(
        "--launches", action="append", default=[], metavar="NAME=VALUE",
        help="part of the rule of what a launch is: dates, burn_in_weeks, least_units, first_id, last_id, "
        "skip_stray_sales (docs/data.md)",
    )  # fmt: skip
    parser.add_argument(
        "--accept", action="append", default=[], metavar="[FILE:]QUESTION",
        help="a question under \"To check\", by the name before it, whose reading is right as it is",
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="nothing may be lost or left open: exit status 1 if so")
    parser.add_argument(
        "--keep-services", action="store_true", help="keep postage, fees and adjustments as if they were products"
    )


def reading_options(args: argparse.Namespace) -> list[str]:
    """The arguments of `add_reading_arguments`, but for the paths, as they are written on a command line."""
    options = [f"--{name.replace('_', '-')}={value}" for name in READING for value in getattr(args, name)]
    options += [f"--{name.replace('_', '-')}" for name in SWITCHES if getattr(args, name)]
    once = ((name, getattr(args, name)) for name in ONCE)
    return [*options, *(f"--{name.replace('_', '-')}={value}" for name, value in once if value is not None)]


def settings_of(args: argparse.Namespace) -> ReadingSettings:
    """The arguments, taken apart and checked as far as they can be without the files."""
    return ReadingSettings(
        maps=_maps(args.map),
        tables=_pairs("--table", args.table, ("", *schema.TABLES), "FILE=TABLE"),
        kinds=_pairs("--kinds", args.kinds, ("", *schema.KINDS), "VALUE=KIND"),
        where=tuple(args.where),
        encodings=tuple(args.encoding),
        date_formats=_formats(args.date_format),
        decimals=_decimals(args.decimal),
        shop=_shop(args),
        currency=args.currency,
        accepted=tuple(args.accept),
        strict=args.strict,
        sample=args.sample,
        keep_services=args.keep_services,
    )


def _shop(args: argparse.Namespace) -> dict[str, Any]:
    """What is to stand in shop.json. Raises SettingError for a bad part of the launch rule."""
    launches = launch_parts(args.launches)
    LaunchRule().changed(launches, "--launches")
    given = ((name, getattr(args, name)) for name in ONCE)
    stated: dict[str, Any] = {name: str(value) for name, value in given if value is not None}  # days as ISO dates
    return stated | ({"launches": launches} if launches else {})


def _decimals(given: list[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for one in given:
        header, _, sign = one.rpartition("=")
        if sign not in SIGNS:
            raise SettingError("--decimal", one, "must be the sign before decimals, . or , (or HEADER=SIGN)")
        if result.get(header, sign) != sign:
            raise SettingError("--decimal", one, f"was {result[header]} before")
        result[header] = sign
    return result


def _maps(pairs: list[str]) -> dict[str, tuple[str, ...]]:
    known = headers.known_columns()
    result: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        header, sign, right = pair.rpartition("=")
        columns = tuple(column.strip() for column in right.split(",") if column.strip())
        if not sign or not header or not set(columns) <= known:
            rule = f"must be HEADER=COLUMN with a column of docs/data.md: {', '.join(sorted(known))}"
            raise SettingError("--map", pair, rule)
        if result.get(header, columns) != columns:
            before = ",".join(result[header]) or "nothing"
            rule = f"was mapped to {before} before; a header that serves both is {header}={before},{right}"
            raise SettingError("--map", pair, rule)
        result[header] = columns
    return result


def _pairs(name: str, pairs: list[str], allowed: tuple[str, ...], form: str) -> dict[str, str]:
    result: dict[str, str] = {}
    for pair in pairs:
        left, sign, right = pair.rpartition("=")
        if not sign or not left or right not in allowed:
            raise SettingError(name, pair, f"must be {form}, with one of {', '.join(allowed[1:])}, or nothing after =")
        if result.get(left, right) != right:
            raise SettingError(name, pair, f"{left} was set to {result[left] or 'nothing'} before")
        result[left] = right
    return result


def _formats(given: list[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for one in given:
        header, _, form = one.rpartition("=")
        if "%" not in form:
            raise SettingError("--date-format", one, "must be a format of strptime, such as %d/%m/%Y or %d-%b-%y")
        if result.get(header, form) != form:
            raise SettingError("--date-format", one, f"was {result[header]} before")
        result[header] = form
    return result
