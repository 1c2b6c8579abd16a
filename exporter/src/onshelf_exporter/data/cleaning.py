"""Cleaning rules: what is repaired or left out, each counted in report.json."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine, promotions, schema
from onshelf_exporter.data.promotions import Distinct, Promotions
from onshelf_exporter.data.store import forgetting, joining
from onshelf_exporter.data.validation import FORGIVING, MAX_MISSING
from onshelf_exporter.process.errors import DataError

MAX_LINE_QUANTITY = 1_000.0  # units in one line of a receipt beyond which a quantity is a measure, not a count
MIN_UNIT_VALUE = 0.02  # currency: ... if a unit is then worth less than this


@dataclass(frozen=True, kw_only=True)
class CleaningRule:
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


RULES: tuple[CleaningRule, ...] = (
    CleaningRule(
        table="interactions",
        name="kind_missing",
        what="no kind: taken for a purchase",
        found=lambda t: t.kind.isnull(),
        change=lambda _: {"kind": ibis.literal("purchase")},
    ),
    CleaningRule(
        table="interactions",
        name="quantity_missing",
        what="no quantity: taken for one unit",
        found=lambda t: t.quantity.isnull(),
        change=lambda _: {"quantity": ibis.literal(1.0)},
    ),
    CleaningRule(
        table="interactions",
        name="returned",
        what="purchase with a negative quantity or revenue: a return",
        found=lambda t: _is_purchase(t) & ((t.quantity < 0) | (t.revenue < 0)),
        change=lambda _: {"kind": ibis.literal("return")},
    ),
    CleaningRule(
        table="interactions",
        name="return_sign",
        what="return with a negative quantity or revenue: both are stored as positive amounts",
        found=lambda t: (t.kind == "return") & ((t.quantity < 0) | (t.revenue < 0)),
        change=lambda t: {"quantity": t.quantity.abs(), "revenue": t.revenue.abs()},
    ),
    CleaningRule(
        table="interactions",
        name="nothing_bought",
        what="purchase of zero units (a correction or a coupon line): left out",
        found=lambda t: _is_purchase(t) & (t.quantity == 0),
    ),
    CleaningRule(
        table="interactions",
        name="quantity_outlier",
        what=f"more than {MAX_LINE_QUANTITY:,.0f} units in one line worth less than {MIN_UNIT_VALUE} each: a measured "
        "volume (fuel), left out",
        found=lambda t: (
            (t.quantity > MAX_LINE_QUANTITY) & ((t.revenue + t.discount.fill_null(0.0)) / t.quantity < MIN_UNIT_VALUE)
        ),
    ),
    CleaningRule(
        table="interactions",
        name="discount_missing",
        what="no discount: taken for zero",
        found=lambda t: t.discount.isnull(),
        change=lambda _: {"discount": ibis.literal(0.0)},
    ),
    CleaningRule(
        table="interactions",
        name="coupon_discount_missing",
        what="no coupon discount: taken for zero",
        found=lambda t: t.coupon_discount.isnull(),
        change=lambda _: {"coupon_discount": ibis.literal(0.0)},
    ),
)

MAX_PRICE_RATIO = 100.0  # a unit price this many times above or below its product's median is in another unit


def price_outliers(table: ir.Table, keep: Callable[[ir.Table], ir.Table]) -> ir.Table:
    """Interactions with a column `outlier`: purchases at a unit price far from the median of their product.

    Args:
        table: interactions.
        keep: computes a table once; the medians of all products are.
    """
    value = (table.revenue + table.discount.fill_null(0.0)) / table.quantity
    bought = (table.kind == "purchase") & (table.quantity > 0) & (value > 0)
    priced = table.mutate(unit_value=ibis.ifelse(bought, value, ibis.null("float64")))
    medians = priced.group_by("product_id").agg(
        median_value=priced.unit_value.median(), lines=priced.unit_value.count()
    )
    joined = priced.left_join(keep(medians), "product_id").drop("product_id_right")
    ratio = joined.unit_value / joined.median_value
    far = (joined.lines >= 5) & ((ratio > MAX_PRICE_RATIO) | (ratio < 1 / MAX_PRICE_RATIO))
    return joined.mutate(outlier=far.fill_null(False)).drop("unit_value", "median_value", "lines")


EVENT_SEEN = "event id of a product seen before, the same content: the earliest is kept"
EVENT = ("time", "kind", "quantity", "revenue", "user_id", "order_id", "site_id")  # what one event has but once
EVENT_DIFFERS = (
    "event id of a product seen before, with another time, user, order, site, kind, quantity or revenue: the earliest "
    "is kept"
)
UNKNOWN_PRODUCT = "product that is not in products: left out"
DUPLICATE = "row that equals another: one is kept"
NO_USER = "no user, a guest: counts for demand and launch dates, not for recommendation"
ALIKE = "row without user, order and event id that equals another: sales of two guests look like that, both are kept"
OUTLIER_PRICE = (
    f"unit price {MAX_PRICE_RATIO:.0f} times above or below its product's median: revenue and discount emptied"
)


def described() -> list[tuple[str, str, str]]:
    """All cleaning rules as (table, name, what), in the order in which they are applied."""
    incomplete = [(name, "incomplete", "a required value is missing: left out") for name in FORGIVING]
    unknown = [
        (name, "unknown_product", UNKNOWN_PRODUCT)
        for name in FORGIVING
        if any(column.name == "product_id" for column in schema.columns(name))
    ]
    listed = [(rule.table, rule.name, rule.what) for rule in RULES]
    last = [
        ("interactions", "price_outlier", OUTLIER_PRICE),
        ("interactions", "no_user", NO_USER),
        ("interactions", "alike", ALIKE),
        ("all", "duplicate", DUPLICATE),
    ]
    events = [("interactions", "repeated_event", EVENT_SEEN), ("interactions", "event_differs", EVENT_DIFFERS)]
    from_store = [*joining.described(), *forgetting.described()]
    return [*from_store, *incomplete, *unknown, *events, *listed, *last]


def _marked(rules: list[CleaningRule], table: ir.Table) -> ir.Table:
    """The table after some rules, with a column found_<rule> for each, and `left_out`."""
    marked = table.mutate(left_out=ibis.literal(False))
    for rule in rules:
        mark = f"found_{rule.name}"
        marked = marked.mutate(**{mark: rule.found(marked).fill_null(False) & ~marked.left_out})
        if rule.change is None:
            marked = marked.mutate(left_out=marked.left_out | marked[mark])
        else:
            new = rule.change(marked).items()
            marked = marked.mutate(
                **{column: ibis.ifelse(marked[mark], value, marked[column]) for column, value in new}
            )
    return marked


@dataclass
class Cleaner:
    """Applies the rules to one table after another and keeps the report.

    Attributes:
        con: the engine.
        report: one row {table, rule, what, action, rows} for each rule, those that found nothing too.
    """

    con: Backend
    report: list[dict[str, object]]

    def clean(self, name: str, table: ir.Table, products: ir.Table | None, path: Path) -> ir.Table:
        """Apply all rules of one table and write it.

        Args:
            name: canonical table.
            table: it, checked; columns beyond the schema's are kept.
            products: the clean products; None for the products themselves.
            path: Parquet file to write.

        Raises:
            DataError: more than half of the rows would be left out as incomplete or of unknown products.
        """
        table, before = self._complete(name, table, products)
        if name == "interactions":
            table = self._repeated(table)
            table = self._apply([rule for rule in RULES if rule.table == name], table)
            table = self._price_outliers(table)
            before = self._count(table)
            single = self._guests(table)
        else:
            single = table if any(table[column].type().is_array() for column in table.columns) else table.distinct()
        engine.write(self.con, single, path)
        written = engine.read(self.con, path)
        self._note(name, "duplicate", DUPLICATE, "left out", before - self._count(written))
        return written

    def clean_promotions(self, given: Promotions, products: ir.Table, path: Path, pool: Executor) -> Distinct:
        """Apply the rules of promotions, and begin to write them.

        Args:
            given: promotions as numbers.
            products: the clean products.
            path: Parquet file to write.
            pool: writes it, as other tables need not wait for the largest; `Distinct.written` tells when.

        Raises:
            DataError: more than half of the rows would be left out as incomplete or of unknown products.
        """
        single = promotions.distinct(self.con, given)
        rows, cells = single.rows, single.cells
        whole = (cells.product_id > 0) & (cells.channel_id > 0) & cells.date.notnull()
        counts = cells.group_by("product_id").agg(
            given=cells.given.sum(), whole=ibis.ifelse(whole, cells.given, 0).sum()
        )
        texts = pa.array(single.texts["product_id"], pa.string())
        known = pc.is_in(texts, self.con.to_pyarrow(products.product_id).combine_chunks()).to_pylist()
        strangers = {number for number, is_known in enumerate(known, start=1) if not is_known}
        counted = self.con.to_pyarrow(counts).to_pylist()
        total, complete = (sum(row[name] for row in counted) for name in ("given", "whole"))
        foreign = sum(row["whole"] for row in counted if row["product_id"] in strangers)
        self._judge("promotions", total, complete, foreign)
        if complete < total:
            rows = rows.filter(rows.product_id > 0, rows.channel_id > 0, rows.date.notnull())
            cells = cells.filter(whole)
        if foreign:
            unknown = engine.small_table({"product_id": sorted(strangers)}, {"product_id": "int32"})
            unknown = self.con.create_table(ibis.util.gen_name("unknown"), unknown)
            rows, cells = (table.anti_join(unknown, "product_id") for table in (rows, cells))
        rows = rows.select(*(column.name for column in schema.columns("promotions")))
        written = pool.submit(engine.numbered_write(self.con, rows, path, single.texts))
        again = engine.number(cells.given.sum()) - engine.number(cells.sites.sum())
        self._note("promotions", "duplicate", DUPLICATE, "left out", again)
        return Distinct(rows, single.texts, cells, written)

    def _complete(self, name: str, table: ir.Table, products: ir.Table | None) -> tuple[ir.Table, int]:
        """Leave out rows without a required value, and rows of unknown products: the table, and its number of rows."""
        if name not in FORGIVING:
            return table, self._count(table)
        needed = [column.name for column in schema.columns(name) if column.required]
        complete = ibis.and_(*(table[column].notnull() for column in needed))
        by = ["product_id"] if "product_id" in table.columns else []
        groups = table.group_by(*by) if by else table
        counted = self.con.create_table(
            ibis.util.gen_name("counted"),
            groups.agg(rows=table.count(), complete=complete.cast("int64").sum().fill_null(0)),
            temp=True,
        )
        rows, whole = engine.number(counted.rows.sum()), engine.number(counted.complete.sum())
        foreign = 0
        if by and products is not None:
            foreign = engine.number(counted.anti_join(products, "product_id").complete.sum())
        self._judge(name, rows, whole, foreign)
        kept = table.filter(complete) if whole < rows else table
        if foreign and products is not None:
            kept = kept.semi_join(products, "product_id")
        return kept, whole - foreign

    def _judge(self, name: str, rows: int, whole: int, foreign: int) -> None:
        """Report rows without a required value and rows of unknown products; refuse a table of which they are most."""
        needed = [column.name for column in schema.columns(name) if column.required]
        lacking = rows - whole
        what = f"no {' or no '.join(needed)}: left out"
        self._note(name, "incomplete", what, "left out", lacking)
        self._note(name, "unknown_product", UNKNOWN_PRODUCT, "left out", foreign)
        if lacking + foreign > rows * MAX_MISSING:
            rule = f"at least half of the rows must have {', '.join(needed)}, and a product_id of the table products"
            counts = {"rows": rows, "without a required value": lacking, "of unknown products": foreign}
            raise DataError(table=name, column="", rule=rule, count=lacking + foreign, samples=[counts])

    def _repeated(self, table: ir.Table) -> ir.Table:
        """One row for each event id and product, the earliest: an event may be about several products."""
        with_id = table.filter(table.event_id.notnull())
        different = ibis.or_(*(with_id[name].nunique() > 1 for name in EVENT))
        again = with_id.group_by("event_id", "product_id").agg(rows=with_id.count(), different=different)
        again = again.filter(again.rows > 1)
        counts = again.agg(
            same=ibis.ifelse(again.different, 0, again.rows - 1).sum().fill_null(0),
            different=ibis.ifelse(again.different, again.rows - 1, 0).sum().fill_null(0),
        )
        found = {name: int(rows) for name, rows in counts.to_pyarrow().to_pylist()[0].items()}
        self._note("interactions", "repeated_event", EVENT_SEEN, "left out", found["same"])
        self._note("interactions", "event_differs", EVENT_DIFFERS, "left out", found["different"])
        if not any(found.values()):
            return table
        order = [table.time, table.user_id, table.revenue, table.quantity]
        place = ibis.row_number().over(group_by=[table.event_id, table.product_id], order_by=order)
        numbered = table.mutate(place=place)
        return self.keep(numbered.filter(numbered.event_id.isnull() | (numbered.place == 0)).drop("place"))

    def _apply(self, rules: list[CleaningRule], table: ir.Table) -> ir.Table:
        """Apply rules one after another, in one pass that counts and one that changes."""
        marked = _marked(rules, table)
        counts = marked.agg(**{rule.name: marked[f"found_{rule.name}"].sum().fill_null(0) for rule in rules})
        found = {name: int(rows) for name, rows in counts.to_pyarrow().to_pylist()[0].items()}
        for rule in rules:
            action = "left out" if rule.change is None else "changed"
            self._note(rule.table, rule.name, rule.what, action, found[rule.name])
        needed = [rule for rule in rules if found[rule.name]]  # one that finds nothing changes nothing for the next
        if not needed:
            return table
        marked = _marked(needed, table)
        return marked.filter(~marked.left_out).select(*table.columns)

    def _price_outliers(self, table: ir.Table) -> ir.Table:
        marked = price_outliers(table, self.keep)
        rows = self._count(marked.filter(marked.outlier))
        self._note("interactions", "price_outlier", OUTLIER_PRICE, "changed", rows)
        nothing = ibis.null("float64")
        return marked.mutate(
            revenue=ibis.ifelse(marked.outlier, nothing, marked.revenue),
            discount=ibis.ifelse(marked.outlier, 0.0, marked.discount),
        ).drop("outlier")

    def _guests(self, table: ir.Table) -> ir.Table:
        """Interactions, each once, but for those that nothing tells from another's."""
        guests = self._count(table.filter(table.user_id.isnull()))
        self._note("interactions", "no_user", NO_USER, "kept", guests)
        nameless = table.user_id.isnull() & table.order_id.isnull() & table.event_id.isnull()
        without = table.filter(nameless) if guests else None
        alike = 0 if without is None else self._count(without) - self._count(without.distinct())
        self._note("interactions", "alike", ALIKE, "kept", alike)
        if without is None or not alike:
            return self._single(table)
        return self._single(table.filter(~nameless)).union(without)

    def _single(self, table: ir.Table) -> ir.Table:
        """Each row once. Only rows that share a hash with another, few where repeats are few, are compared."""
        hashed = table.mutate(hashed=ibis.struct({column: table[column] for column in table.columns}).hash())
        again = hashed.group_by("hashed").agg(rows=hashed.count()).filter(lambda t: t.rows > 1)
        again = self.con.create_table(ibis.util.gen_name("again"), again, temp=True)
        if not self._count(again):
            return table
        compared = hashed.semi_join(again, "hashed").distinct()
        return hashed.anti_join(again, "hashed").union(compared).drop("hashed")

    def keep(self, table: ir.Table) -> ir.Table:
        """The table, computed once and held by the engine, which puts on disk what does not fit into its memory."""
        return self.con.create_table(ibis.util.gen_name("kept"), table, temp=True)

    def _count(self, table: ir.Table) -> int:
        return engine.number(table.count())

    def _note(self, table: str, rule: str, what: str, action: str, rows: int) -> None:
        self.report.append({"table": table, "rule": rule, "what": what, "action": action, "rows": rows})
