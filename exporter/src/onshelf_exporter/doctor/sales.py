"""Interactions out of the columns of a file: revenue, discounts, kinds, weeks; and which rows are left out."""

import datetime as dt

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine, headers, schema, validation
from onshelf_exporter.doctor import baskets
from onshelf_exporter.doctor.columns import NO_SALE, UNKNOWN, Frame
from onshelf_exporter.doctor.losses import Loss, Reason, apart
from onshelf_release.calendar import WEEKDAYS

# Columns of which a value that was not understood leaves its row out.
COUNTED = ("time", "quantity", "revenue", "discount", "coupon_discount", "price_paid", "list_price", "discount_share",
           "product_id", "user_id", "rating", "currency", "week_start", "week_end")  # fmt: skip
NO_MONEY = ("view", "click", "cart", "review")  # kinds of events without a sale
LAST_DAY = 6  # days after the first day of a week


def lines_of(con: Backend, frame: Frame, notes: list[str], losses: list[Loss]) -> ir.Table:
    """All rows of a file of interactions, with the columns of the schema, `list_price` and `odd_COLUMN`, and `row`.

    Args:
        con: the engine.
        frame: the columns of the file.
        notes: is told what was derived from what.
        losses: is told of rows that are none, and of amounts that cannot be used.
    """
    columns: dict[str, pa.ChunkedArray] = {"row": pa.chunked_array([pa.array(range(frame.rows), pa.int64())])}
    columns |= frame.columns
    columns |= {f"odd_{name}": values for name, values in frame.odd.items()}
    columns |= {f"percent_{name}": values for name, values in frame.shares.items()}
    table = con.create_table(ibis.util.gen_name("lines"), pa.table(columns), temp=True)
    table = _when(table, notes)
    if "product_id" not in table.columns and "title" in table.columns:
        table = table.mutate(product_id=table.title)
        notes.append("no product id: the title serves as id, so two products of one title are one")
    table = baskets.filled_up(con, baskets.told_apart(con, table, notes), notes)
    table, totals = baskets.without_totals(con, table)
    losses += totals
    table = _kind(table)
    if baskets.is_of_orders(table):
        table = _without_order_totals(table, frame, notes, losses)
    table = baskets.shared_out(con, baskets.counted(con, table, notes), notes)
    return con.create_table(ibis.util.gen_name("lines"), _money(table, frame, notes), temp=True)


def _without_order_totals(table: ir.Table, frame: Frame, notes: list[str], losses: list[Loss]) -> ir.Table:
    """The lines without amounts that are those of whole orders: prices stand for them, else revenue is lost."""
    header = next(one.header for one in frame.mapped if "revenue" in one.columns)
    what = f"{header!r} is the amount of a whole order, not of a line"
    if {"price_paid", "list_price"} & set(table.columns):
        notes.append(f"{what}: not used")
    else:
        rows = engine.number(table.revenue.notnull().sum())
        losses.append(
            Loss(
                table="interactions",
                what=f"revenue: {what}, and lines have no price: sales count without revenue",
                rows=rows,
            )
        )
    return table.drop("revenue", *(["odd_revenue"] if "odd_revenue" in table.columns else []))


def _when(table: ir.Table, notes: list[str]) -> ir.Table:
    if "time" in table.columns:
        return table
    if "week_end" in table.columns:
        notes.append("one row for each week: dated by the last day of the week")
        return table.mutate(time=table.week_end.cast("timestamp"))
    if "week_start" in table.columns:
        notes.append("one row for each week: dated by the last day of the week")
        return table.mutate(time=(table.week_start.cast("timestamp") + ibis.interval(days=LAST_DAY)))
    return table


def week_start_of(frame: Frame) -> str | None:
    """The weekday on which the weeks of weekly sales begin; None where rows are not of weeks."""
    for column, later in (("week_start", 0), ("week_end", 1)):
        if column in frame.columns:
            days = pc.unique(pc.day_of_week(frame.columns[column].drop_null())).to_pylist()
            return WEEKDAYS[(days[0] + later) % 7] if len(days) == 1 else None
    return None


def one_weekday(frame: Frame) -> str | None:
    """The weekday of all times, where it is always the same: the sales may be those of weeks."""
    if "time" not in frame.columns:
        return None
    days = pc.unique(frame.columns["time"].drop_null().cast(pa.date32()))
    weekdays = pc.unique(pc.day_of_week(days)).to_pylist()
    return WEEKDAYS[weekdays[0]] if len(days) > 3 and len(weekdays) == 1 else None


def _kind(table: ir.Table) -> ir.Table:
    """One kind out of kind and state: a state without sale overrules a purchase."""
    if "status" not in table.columns:
        return table
    if "kind" not in table.columns:
        return table.mutate(kind=table.status)
    bought = table.kind.isnull() | (table.kind == "purchase")
    return table.mutate(kind=ibis.ifelse(bought & table.status.notnull(), table.status, table.kind))


def _money(table: ir.Table, frame: Frame, notes: list[str]) -> ir.Table:
    """Revenue and discount, from prices where they are not given themselves."""
    has = set(table.columns)
    units = table.quantity.fill_null(1.0) if "quantity" in has else ibis.literal(1.0)
    share = _share(table, frame)
    amount = table.discount if "discount" in has else None
    if share is not None and amount is not None:
        amount = ibis.ifelse(share.notnull(), ibis.null("float64"), amount)
    regular = "list_price" in has and bool({"revenue", "price_paid"} & has) and _is_regular(frame)
    revenue: ir.Value | None = None
    if "revenue" in has:
        revenue = table.revenue
    elif "price_paid" in has:
        revenue = table.price_paid * units
        notes.append("no amount: revenue is the price paid times quantity")
    elif "list_price" in has:
        revenue = table.list_price * units
        less = "no amount: revenue is price times quantity"
        if share is not None or amount is not None:
            off = ibis.coalesce(
                *([revenue * share] if share is not None else []), *([amount] if amount is not None else []), 0.0
            )
            revenue = ibis.ifelse(revenue >= 0, ibis.greatest(revenue - off.abs(), 0.0), revenue)
            less += ", less the discount"
        notes.append(less)
    if share is not None and revenue is not None:
        full = table.list_price * units if "list_price" in has else ibis.null("float64")
        stated = bool({"revenue", "price_paid"} & has)  # what is left after the discount; else the regular price is
        part = ibis.ifelse(share < 1, revenue * share / (1 - share), full) if stated else full * share
        amount = ibis.coalesce(part, amount) if amount is not None else part
        notes.append("discounts given as a share are a share of the regular price")
    elif amount is None and regular and revenue is not None:
        off = table.list_price * units - revenue
        amount = ibis.ifelse((units > 0) & (revenue >= 0), ibis.greatest(off, 0.0).round(4), 0.0)
        notes.append("no discount: the regular price less what was paid")
    if amount is not None:
        table = table.mutate(discount=amount)
        table = _signed_discount(table, notes)
    return table if revenue is None else table.mutate(revenue=revenue)


def _is_regular(frame: Frame) -> bool:
    """Whether list prices are stated beside the prices paid, or under a name that says so."""
    return "price_paid" in frame.columns or any(
        headers.is_regular_price(one.header) for one in frame.mapped if "list_price" in one.columns
    )


def _share(table: ir.Table, frame: Frame) -> ir.Value | None:
    """Discounts as shares of the regular price; null where a row states an amount."""
    if "discount_share" in frame.columns:
        top = pc.max(frame.columns["discount_share"]).as_py()
        percent = "discount_share" in frame.shares or (top is not None and top > 1)
        return table.discount_share.abs() / (100.0 if percent else 1.0)
    if "discount" in frame.shares:
        return ibis.ifelse(table.percent_discount, table.discount.abs() / 100.0, ibis.null("float64"))
    return None


def _signed_discount(table: ir.Table, notes: list[str]) -> ir.Table:
    """Discounts as positive amounts: where most are negative, or in the lines of returns."""
    counts = table.agg(below=(table.discount < 0).sum(), above=(table.discount > 0).sum()).to_pyarrow().to_pylist()[0]
    below, above = counts["below"] or 0, counts["above"] or 0
    if not below:
        return table
    if below > above:
        notes.append("discounts are written as negative amounts")
        return table.mutate(discount=table.discount.abs())
    back = ibis.literal(False)
    for column in ("quantity", "revenue"):
        if column in table.columns:
            back = back | (table[column] < 0).fill_null(False)
    return table.mutate(discount=ibis.ifelse(back, table.discount.abs(), table.discount))


def kept_lines(lines: ir.Table, frame: Frame) -> tuple[ir.Table, list[Loss]]:
    """The interactions that can be used, and what the other rows are."""
    reasons: dict[str, Reason] = {}
    if "kind" in lines.columns:
        unknown = ", ".join(f"{value} ({rows:,})" for value, kind, rows in frame.kinds if kind == UNKNOWN)
        no_sale = ", ".join(f"{value} ({rows:,})" for value, kind, rows in frame.kinds if kind == NO_SALE)
        words = f"not understood: {unknown}. Say what they are: --kinds VALUE=KIND (empty leaves them out)"
        reasons["kind"] = Reason(lines.kind == UNKNOWN, f"kind or state {words}")
        reasons["no_sale"] = Reason(lines.kind == NO_SALE, f"no sale: {no_sale}", meant=True)
    if "kind" in lines.columns and {kind for _, kind, _ in frame.kinds} & set(NO_MONEY):
        words = "no kind, in a file that holds more than purchases"
        reasons["no_kind"] = Reason(lines.kind.isnull(), words)
    for column in COUNTED:
        if f"odd_{column}" in lines.columns:
            odd = lines[f"odd_{column}"]
            hidden = column == "user_id"
            reasons[f"odd_{column}"] = Reason(odd.notnull(), f"{column} not understood", None if hidden else odd)
    for needed in schema.columns("interactions"):
        if needed.required and needed.name in lines.columns:
            reasons[f"no_{needed.name}"] = Reason(lines[needed.name].isnull(), f"no {needed.name}")
    for name in ("time", "rating"):
        if name in lines.columns:
            rule = validation.RULES[name]
            reasons[f"rule_{name}"] = Reason(rule.broken(lines[name]), f"{name} not {rule.text}", lines[name])
    if "discount" in lines.columns:
        below = lines.discount < 0
        reasons["discount"] = Reason(below, "discount below zero in a sale", lines.discount)
    return apart(lines, reasons, "interactions")


def canonical_lines(lines: ir.Table) -> ir.Table:
    """The columns of the schema."""
    names = [column.name for column in schema.columns("interactions") if column.name in lines.columns]
    return lines.select(*names)


def flagged(con: Backend, frame: Frame, lines: ir.Table) -> ir.Table | None:
    """Promotions out of flags: one row for each product, day, site and channel; None where there are no flags."""
    if not frame.flags or not {"product_id", "time"} <= set(lines.columns):
        return None
    row = pa.array(range(frame.rows), pa.int64())
    parts = [
        pa.table({"row": row, "channel_id": values.combine_chunks().cast(pa.string())}).filter(pc.is_valid(values))
        for values in frame.flags.values()
    ]
    flags = con.create_table(ibis.util.gen_name("flags"), pa.concat_tables(parts), temp=True)
    joined = flags.inner_join(lines, "row")
    site = {"site_id": joined.site_id} if "site_id" in lines.columns else {}
    return joined.select("product_id", "channel_id", date=joined.time.date(), **site).distinct()


def days_of(interactions: ir.Table) -> tuple[dt.date | None, dt.date | None]:
    """First and last day."""
    days = interactions.agg(first=interactions.time.min().date(), last=interactions.time.max().date())
    row = days.to_pyarrow().to_pylist()[0]
    return row["first"], row["last"]
