"""What an adapter hands over."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from onshelf_exporter.data.launch_rule import LaunchRule
from onshelf_exporter.data.promotions import Promotions
from onshelf_exporter.process.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Source:
    """The canonical tables of one source, not yet validated or cleaned, and what is known about them.

    Attributes:
        tables: canonical table name to expression, see `schema`.
        currency: ISO 4217 code of every amount of money.
        timezone: IANA zone of every local date and time.
        week_start: weekday on which a retail week begins.
        units_basis: the population that units refer to, in words.
        launch_rule: what counts as a launch.
        prices_include_tax: None where the source does not say.
        food_departments: departments of food.
        dropped: rows that the adapter itself left out, by rule and table: counted in the report.
        week_one: first day of week 1, a `week_start`; None = the retail week of the first interaction.
        first_day: first day that the data hold as a whole; None = as the days with sales tell.
        last_day: the last such day.
        problems: columns with values that the adapter could not understand: refused together with what checks find.
        promotions: the table promotions as numbers, where the adapter has numbered it; `tables` then holds its rows.
    """

    tables: Mapping[str, ir.Table]
    currency: str
    timezone: str
    week_start: str
    units_basis: str
    launch_rule: LaunchRule
    prices_include_tax: bool | None = None
    food_departments: tuple[str, ...] = ()
    dropped: list[dict[str, object]] = field(default_factory=list)
    week_one: dt.date | None = None
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    problems: tuple[DataError, ...] = ()
    promotions: Promotions | None = None


@dataclass(frozen=True)
class Adapter:
    """One kind of source.

    Attributes:
        name: as on the command line.
        files: the input files of a source folder (or of the adapter's own default, when None).
        read: opens them.
    """

    name: str
    files: Callable[[Path | None], list[Path]]
    read: Callable[[Backend, Path | None], Source]
