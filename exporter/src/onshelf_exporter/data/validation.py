"""Checks tables against the schema: one that breaks a rule is refused, with column, count and sample rows."""

from collections.abc import Callable
from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as idt
import ibis.expr.types as ir

from onshelf_exporter.data import engine, schema
from onshelf_exporter.process.errors import DataError
from onshelf_release.personal_ids import EMAIL, PHONE

EARLIEST, LATEST = "1990-01-01", "2100-01-01"  # a date outside is a typing error or a null in disguise
SAMPLES = 3  # rows shown with a broken rule
MAX_MISSING = 0.5  # share of rows without a required value, or of unknown products, above which a table is refused
FORGIVING = ("interactions", "promotions", "coupons", "market_signals")  # incomplete rows are left out, not refused


@dataclass(frozen=True)
class ValueRule:
    """A rule for the values of a column.

    Attributes:
        text: the rule in words.
        broken: rows that break it, for a column of the schema's type.
        hint: what to do about it.
        secret: values are not shown.
    """

    text: str
    broken: Callable[[ir.Value], ir.Value]
    hint: str = ""
    secret: bool = False


def _empty(column: ir.Value) -> ir.Value:
    return column.strip() == ""


RULES: dict[str, ValueRule] = {
    "user": ValueRule(
        "an id is a pseudonym: no e-mail address, no phone number",
        lambda c: c.re_search(EMAIL) | c.re_search(PHONE),
        "Replace such ids by pseudonyms that only you can resolve, in all tables alike.",
        secret=True,
    ),
    "title": ValueRule(
        "1 to 1,000 characters, no control characters",
        lambda c: _empty(c) | (c.length() > 1000) | c.re_search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"),
    ),
    "path": ValueRule("no empty level between ' > '", lambda c: c.re_search(r"(^|>)\s*(>|$)")),
    "not_negative": ValueRule("zero or more", lambda c: c < 0),
    "date": ValueRule(f"from {EARLIEST} to {LATEST}", lambda c: (c < ibis.date(EARLIEST)) | (c > ibis.date(LATEST))),
    "time": ValueRule(
        f"from {EARLIEST} to {LATEST}", lambda c: (c < ibis.timestamp(EARLIEST)) | (c > ibis.timestamp(LATEST))
    ),
    "kind": ValueRule(f"one of {', '.join(schema.KINDS)}", lambda c: c.notin(schema.KINDS)),
    "rating": ValueRule("from 1 to 5", lambda c: (c < 1) | (c > 5)),
}


def checked(name: str, table: ir.Table, timezone: str) -> tuple[ir.Table, list[DataError]]:
    """Bring a table to the schema's columns and types, and check it.

    Args:
        name: canonical table.
        table: as an adapter read it: any types, columns in any order.
        timezone: zone of local times; times that carry a zone are converted to it.

    Returns:
        The table with exactly the schema's columns (absent ones null; other columns of users are kept as text), and the
        problems found: none if it may be used.
    """
    columns = schema.columns(name)
    missing = [column.name for column in columns if column.required and column.name not in table.columns]
    if missing:
        has = ", ".join(table.columns)
        hint = "See docs/data.md, or let `onshelf-exporter doctor` map your own headers onto the tables."
        return table, [
            DataError(table=name, column=column, rule=f"required column is missing; the table has: {has}", hint=hint)
            for column in missing
        ]
    present = [column for column in columns if column.name in table.columns]
    others = _others(name, table)
    both = table.select(
        **{f"given_{column.name}": table[column.name] for column in present},
        **{column.name: typed(table[column.name], column.type, timezone) for column in present},
        **others,
    )
    broken: dict[str, tuple[str, ValueRule, ir.Value]] = {}
    for column in present:
        given, value = both[f"given_{column.name}"], both[column.name]
        readable = ValueRule(
            f"must be readable as {column.type}" + (f" ({column.unit})" if column.unit else ""), _empty
        )
        unreadable = given.notnull() & value.isnull()
        if given.type().is_string():
            unreadable &= given.strip() != ""
        if column.type == "number":
            unreadable |= value.isnan() | value.isinf()
        if column.type != "text" and (given.type() != value.type() or column.type == "number"):
            broken[f"type_{column.name}"] = (column.name, readable, unreadable)
        if column.required and name not in FORGIVING:
            broken[f"null_{column.name}"] = (
                column.name,
                ValueRule("a required value is missing", _empty),
                value.isnull(),
            )
        if column.rule in RULES:
            broken[f"rule_{column.name}"] = (column.name, RULES[column.rule], RULES[column.rule].broken(value))
    counts = both.agg(rows=both.count(), **{key: found.fill_null(False).sum() for key, (_, _, found) in broken.items()})
    found = counts.to_pyarrow().to_pylist()[0]
    problems = [
        DataError(
            table=name,
            column=column,
            rule=rule.text,
            count=int(found[key]),
            samples=_samples(both, column, where, rule, columns),
            hint=rule.hint,
        )
        for key, (column, rule, where) in broken.items()
        if found[key]
    ]
    if not found["rows"] and name in schema.required_tables():
        problems.append(DataError(table=name, column="", rule="the table has no rows"))
    result = {
        column.name: both[column.name] if column in present else ibis.null(schema.TYPES[column.type])
        for column in columns
    }
    table = both.select(**result, **{other: both[other] for other in others})
    if not problems:
        problems = _keys(name, table)
    return table, problems


def _others(name: str, table: ir.Table) -> dict[str, ir.Value]:
    known = {column.name for column in schema.columns(name)}
    return (
        {other: table[other].cast("string") for other in table.columns if other not in known} if name == "users" else {}
    )


def typed(column: ir.Value, type_: str, timezone: str) -> ir.Value:
    """A column of any type as a type of the schema; null where it cannot be read; texts trimmed, empty ones null."""
    kind = schema.TYPES[type_]
    given = column.type()
    if isinstance(given, idt.Timestamp) and given.timezone and type_ in ("time", "date"):
        column = engine.local_time(column, timezone)
    if type_ == "text":
        return column.strip().nullif("") if given.is_string() else column.cast("string")
    if given.is_string() and type_ in ("number", "integer", "yes/no", "date", "time"):
        return column.strip().nullif("").try_cast(kind)
    return column if column.type() == idt.dtype(kind) else column.try_cast(kind)


def _samples(
    both: ir.Table, column: str, where: ir.Value, rule: ValueRule, columns: tuple[schema.Column, ...]
) -> list[dict[str, object]]:
    rows = both.filter(where.fill_null(False)).limit(SAMPLES)
    ids = [c.name for c in columns if c.rule == "key" and c.name in both.columns and c.name != column]
    shown = rows.select(*ids, **{column: rows[f"given_{column}"]}).to_pyarrow().to_pylist()
    if rule.secret:
        return [row | {column: f"{str(row[column])[:1]}*** ({len(str(row[column]))} characters)"} for row in shown]
    return [dict(row) for row in shown]


def _keys(name: str, table: ir.Table) -> list[DataError]:
    """Rows that share a key and differ; equal rows are left to cleaning."""
    key = schema.KEYS[name]
    if not key:
        return []
    shared = table.group_by(*key).agg(rows=table.count()).filter(lambda t: t.rows > 1)
    if not engine.number(shared.count()):
        return []
    plain = [column for column in table.columns if not table[column].type().is_array()]
    again = table.select(*plain).distinct().group_by(*key).agg(rows=lambda t: t.count()).filter(lambda t: t.rows > 1)
    samples = again.order_by(*key).limit(SAMPLES).to_pyarrow().to_pylist()
    if not samples:
        return []
    for column in schema.columns(name):
        if column.rule == "user":
            samples = [row | {column.name: "***"} for row in samples]
    rule = "an id is unique: rows that share one differ"
    return [
        DataError(
            table=name,
            column=key[0],
            rule=rule,
            count=engine.number(again.count()),
            samples=samples,
            hint="Keep one row for each id.",
        )
    ]
