"""The store's events, launches and products joined to the checked tables of a retailer's history.

The history speaks for its own days, the store for the days after them, so that nothing counts twice.
"""

import datetime as dt
from dataclasses import dataclass, field, replace

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine, validation
from onshelf_exporter.data.adapters.base import Source
from onshelf_exporter.data.store.paths import CategoryPaths
from onshelf_exporter.data.store.reading import StoreData
from onshelf_exporter.process.errors import InvalidDataError

PROMOTED_DAYS = 14  # of a launch's discount, as in the contract's Action
RECENT_DAYS = 28  # at the history's end, by which the store's events are judged
GAP_DAYS = 7
PART = 0.5  # of the history's units a day, below which the store's events look like those of a part of the shop
LEFT_OUT: dict[str, str] = {
    "event_in_history": "event of the store whose id the history has: the history's row counts",
    "before_history": "event of the store before the history's first day: left out",
    "day_in_history": "event of the store of a kind that the history holds, up to its last day: the history has it",
}
PLAN_DISCOUNT = "purchase of the store without a discount, in the two weeks of a decided discount: as decided"
KNOWN_PRODUCT = "product of the store that the history has: the history's row counts"
ADDED = "from the store"


@dataclass
class Joined:
    """The tables with what the store adds.

    Attributes:
        tables: canonical tables, checked; `launch_plans` too, where a launch was decided.
        source: the same source; its days reach to the last that the store holds as a whole.
        report: rows for report.json.
        warnings: what a person must know of it.
    """

    tables: dict[str, ir.Table]
    source: Source
    report: list[dict[str, object]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note(self, table: str, rule: str, what: str, action: str, rows: int) -> None:
        """Count what was done."""
        self.report.append({"table": table, "rule": rule, "what": what, "action": action, "rows": rows})


@dataclass(frozen=True)
class _History:
    """The days that the history holds, and the kinds of its interactions."""

    first: dt.date
    last: dt.date
    kinds: list[str]
    recent_units: float  # purchased a day, at its end


def described() -> list[tuple[str, str, str]]:
    """The rules by which rows of the store are left out or changed, as (table, name, what)."""
    rows = [("interactions", name, what) for name, what in LEFT_OUT.items()]
    return [*rows, ("interactions", "plan_discount", PLAN_DISCOUNT), ("products", "product_in_history", KNOWN_PRODUCT)]


def join(con: Backend, source: Source, tables: dict[str, ir.Table], store: StoreData) -> Joined:
    """Add what the store holds.

    Args:
        con: the engine.
        source: the history's.
        tables: its checked tables.
        store: what was read.

    Raises:
        InvalidDataError: rows of the store break the schema's rules.
    """
    joined = Joined(dict(tables), source)
    plans = con.read_parquet(str(store.folder / "launch_plans.parquet"))
    if engine.number(plans.count()):
        joined.tables["launch_plans"] = plans.drop("plan_id")
    _join_products(con, joined, store)
    if store.with_events:
        _join_events(con, joined, store, plans)
    return joined


def _join_products(con: Backend, joined: Joined, store: StoreData) -> None:
    history = joined.tables["products"]
    given = pq.read_table(store.folder / "products.parquet")
    counted = history.filter(history.category_path.notnull()).group_by("category_path", "category_path_readable")
    known = con.to_pyarrow(counted.agg(products=lambda t: t.count())).to_pydict().values()
    paths = CategoryPaths(zip(*known, strict=True))
    found = [paths.find(names) for names in given["category_path"].to_pylist()]
    given = given.drop_columns("category_path")
    for name, values in zip(("category_path", "category_path_readable"), zip(*found, strict=True), strict=False):
        given = given.append_column(name, pa.array(values, pa.string()))
    if not given.num_rows:
        return
    added = _checked("products", con.create_table("store_products", given, temp=True), joined.source.timezone)
    new = added.anti_join(history, "product_id")
    rows = engine.number(new.count())
    joined.note("products", "product_in_history", KNOWN_PRODUCT, "left out", given.num_rows - rows)
    joined.note("products", "store", ADDED, "added", rows)
    joined.tables["products"] = _with(history, new)


def _join_events(con: Backend, joined: Joined, store: StoreData, plans: ir.Table) -> None:
    zone, interactions = joined.source.timezone, joined.tables["interactions"]
    history = _history(interactions, joined.source)
    given = con.read_parquet(str(store.folder / "events.parquet"))
    given = given.mutate(
        time=engine.local_time(given.time, zone),
        quantity=given.quantity.nullif(0),  # of kinds that have none
    )
    events = _checked("interactions", given, zone)
    known = interactions.filter(interactions.event_id.notnull()).select("event_id").distinct()
    known = known.mutate(in_history=ibis.literal(True))
    events = events.left_join(known, "event_id").drop("event_id_right")
    day = events.time.date()
    covered = (day <= ibis.date(history.last)) & events.kind.isin(history.kinds)
    marks = (events.in_history.fill_null(False), day < ibis.date(history.first), covered)
    fate = ibis.cases(*zip(marks, LEFT_OUT, strict=True), else_=ADDED)
    events = con.create_table("store_events", events.mutate(fate=fate).drop("in_history"), temp=True)
    counts = events.group_by("fate").agg(rows=events.count()).to_pyarrow().to_pydict()
    rows = dict(zip(counts["fate"], counts["rows"], strict=True))
    for name, what in LEFT_OUT.items():
        joined.note("interactions", name, what, "left out", rows.get(name, 0))
    joined.note("interactions", "store", ADDED, "added", rows.get(ADDED, 0))
    new = _as_planned(con, joined, events.filter(events.fate == ADDED).drop("fate"), plans)
    joined.tables["interactions"] = _with(interactions, new)
    if store.newest_day is not None and store.newest_day - dt.timedelta(days=1) > history.last:
        # a day is over once an event of a later one is there, as the gateway counts
        joined.source = replace(joined.source, last_day=store.newest_day - dt.timedelta(days=1))
        _judge(joined, new, history, store.newest_day)


def _with(history: ir.Table, new: ir.Table) -> ir.Table:
    """Rows of the history and of the store; a file's times may be finer than the schema's."""
    return history.union(new.select(*history.columns).cast(dict(history.schema().items())))


def _checked(name: str, table: ir.Table, timezone: str) -> ir.Table:
    table, problems = validation.checked(name, table, timezone)
    wrong = [problem for problem in problems if problem.count]  # no row at all is none
    if wrong:
        raise InvalidDataError(wrong)
    return table


def _history(interactions: ir.Table, source: Source) -> _History:
    """What the history holds. Where its last day is not stated, it is that of the last purchase, if there is any."""
    kind, day = interactions.kind.fill_null("purchase"), interactions.time.date()
    bought = kind == "purchase"
    table = interactions.agg(
        first=day.min(), last=day.max(where=bought), any_last=day.max(), kinds=kind.collect(distinct=True)
    )
    row = table.to_pyarrow().to_pylist()[0]
    last = source.last_day or row["last"] or row["any_last"] or dt.date.min
    recent = interactions.filter(bought, day > ibis.date(last - dt.timedelta(days=RECENT_DAYS)), day <= ibis.date(last))
    units = recent.agg(units=recent.quantity.fill_null(1.0).sum().fill_null(0.0)).to_pyarrow()["units"][0].as_py()
    return _History(row["first"] or last, last, row["kinds"] or [], float(units) / RECENT_DAYS)


def _as_planned(con: Backend, joined: Joined, events: ir.Table, plans: ir.Table) -> ir.Table:
    """Events whose purchases without a discount have the decided one, in its two weeks; and revenue, where unstated."""
    one = plans.select("product_id", "launch_date", share="discount", price="list_price").distinct()
    table = events.left_join(one, "product_id").drop("product_id_right")
    days = table.time.date() - table.launch_date
    inside = (table.time.date() >= table.launch_date) & (days.cast("int64") < PROMOTED_DAYS)
    mark = inside & (table.kind == "purchase") & table.discount.isnull() & (table.share > 0) & (table.share < 1)
    mark = mark & (table.revenue.notnull() | table.price.notnull())
    table = table.mutate(as_planned=mark.fill_null(False))
    revenue = ibis.coalesce(table.revenue, table.price * table.quantity * (1 - table.share))
    table = table.mutate(
        revenue=ibis.ifelse(table.as_planned, revenue, table.revenue),
        discount=ibis.ifelse(table.as_planned, revenue * table.share / (1 - table.share), table.discount),
    )
    table = con.create_table("store_interactions", table, temp=True)
    rows = engine.number(table.as_planned.sum())
    joined.note("interactions", "plan_discount", PLAN_DISCOUNT, "changed", rows)
    return table.drop("as_planned", "launch_date", "share", "price")


def _judge(joined: Joined, new: ir.Table, history: _History, newest: dt.date) -> None:
    """Say so where the store's events look like those of a part of the shop, or leave days out."""
    bought = new.filter(new.kind == "purchase", new.time.date() > ibis.date(history.last))
    row = bought.agg(first=bought.time.date().min(), units=bought.quantity.sum()).to_pyarrow().to_pylist()[0]
    days = (newest - history.last).days
    units = float(row["units"] or 0.0) / max(days, 1)
    after = "prepare with --without-events if they are of a part of the shop only"
    if row["first"] is None or (row["first"] - history.last).days > GAP_DAYS:
        joined.warnings.append(
            f"store: no purchase from {history.last + dt.timedelta(days=1)} to "
            f"{(row['first'] or newest) - dt.timedelta(days=1)}; these days count as days without sales; {after}"
        )
    if units < PART * history.recent_units:
        joined.warnings.append(
            f"store: {units:,.1f} units a day after {history.last}, and {history.recent_units:,.1f} a day in the "
            f"{RECENT_DAYS} days before; {after}"
        )
