"""Cleaning rules: what is repaired or left out, each counted in report.json."""

from collections.abc import Callable
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

MAX_LINE_QUANTITY = 1_000.0  # units in one line of a receipt beyond which a quantity is a measure, not a count
MIN_UNIT_VALUE = 0.02  # currency: ... if a unit is then worth less than this


@dataclass(frozen=True)
class Rule:
    """One cleaning rule.

    Attributes:
        table: canonical table.
        name: as in the report.
        what: what it finds, and what is done.
        found: rows that it applies to.
        change: new values of columns of these rows; None = the rows are left out.
    """

    table: str
    name: str
    what: str
    found: Callable[[ir.Table], ir.Value]
    change: Callable[[ir.Table], dict[str, ir.Value]] | None = None


def _is_purchase(t: ir.Table) -> ir.Value:
    return t.kind == "purchase"


RULES: tuple[Rule, ...] = (
    Rule("interactions", "kind_missing", "no kind: taken for a purchase", lambda t: t.kind.isnull(), lambda t: {"kind": ibis.literal("purchase")}),
    Rule("interactions", "quantity_missing", "no quantity: taken for one unit", lambda t: t.quantity.isnull(), lambda t: {"quantity": ibis.literal(1.0)}),
    Rule("interactions", "returned", "purchase with a negative quantity or revenue: a return", lambda t: _is_purchase(t) & ((t.quantity < 0) | (t.revenue < 0)), lambda t: {"kind": ibis.literal("return")}),
    Rule("interactions", "return_sign", "return with a negative quantity or revenue: both are stored as positive amounts", lambda t: (t.kind == "return") & ((t.quantity < 0) | (t.revenue < 0)), lambda t: {"quantity": t.quantity.abs(), "revenue": t.revenue.abs()}),
    Rule("interactions", "nothing_bought", "purchase of zero units (a correction or a coupon line): left out", lambda t: _is_purchase(t) & (t.quantity == 0)),
    Rule("interactions", "quantity_outlier", f"more than {MAX_LINE_QUANTITY:,.0f} units in one line worth less than {MIN_UNIT_VALUE} each: a measured volume (fuel), left out", lambda t: (t.quantity > MAX_LINE_QUANTITY) & ((t.revenue + t.discount.fill_null(0.0)) / t.quantity < MIN_UNIT_VALUE)),
    Rule("interactions", "discount_missing", "no discount: taken for zero", lambda t: t.discount.isnull(), lambda t: {"discount": ibis.literal(0.0)}),
    Rule("interactions", "coupon_discount_missing", "no coupon discount: taken for zero", lambda t: t.coupon_discount.isnull(), lambda t: {"coupon_discount": ibis.literal(0.0)}),
)  # fmt: skip


def clean(con: Backend, name: str, table: ir.Table, report: list[dict[str, object]]) -> ir.Table:
    """Apply the rules of one table, one after another.

    Args:
        con: the engine.
        name: canonical table.
        table: it, conforming to the schema.
        report: gets one row {table, rule, what, action, rows} for each rule, those that found nothing too.
    """
    rules = [rule for rule in RULES if rule.table == name]
    if not rules:
        return table
    table = con.create_table(ibis.util.gen_name(name), table, temp=True)
    for rule in rules:
        found = rule.found(table).fill_null(False)
        rows = int(table.filter(found).count().execute())
        if rule.change is None:
            action, changed = "left out", table.filter(~found)
        else:
            new = {column: ibis.ifelse(found, value, table[column]) for column, value in rule.change(table).items()}
            action, changed = "changed", table.mutate(new)
        if rows:
            table = con.create_table(ibis.util.gen_name(name), changed, temp=True)
        report.append({"table": name, "rule": rule.name, "what": rule.what, "action": action, "rows": rows})
    return table
