"""What lines of sales say of whole orders, or of the whole file: sums, and cells that are filled once an order."""

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine, headers
from onshelf_exporter.doctor.losses import Loss, Reason, apart

OF_ORDERS = ("time", "user_id", "site_id", "status")  # what is the same for all lines of an order
ALIKE = 0.95  # share of the orders of several products whose lines agree, from which an amount is that of the order
ENOUGH = 5  # orders of several products that can tell
NEAR_DAYS = 1  # between the lines of one order: it may be past midnight
NEAR = 0.01  # difference of an amount and price times quantity, as a share


def without_totals(con: Backend, lines: ir.Table) -> tuple[ir.Table, list[Loss]]:
    """The lines without those that sum up others: by a whole id such as "Grand total", or by a title, or a name with
    numbers ("1042 Total"), where the line lacks what a sale has. A product may be called so.
    """
    total: ir.Value = ibis.literal(False)
    shown = ibis.null("string")
    names = [name for name in ("order_id", "product_id", "title") if name in lines.columns]
    known = [*names, *(["time"] if "time" in lines.columns else [])]
    for column in names:
        whole = lines[column].lower().re_replace(r"[^\p{L}\p{N}%]+", " ").strip().isin(headers.TOTALS)
        words = lines[column].lower().re_replace(r"[^\p{L}]+", " ").strip().isin(headers.TOTALS)
        lacking = ibis.or_(ibis.literal(False), *(lines[other].isnull() for other in known if other != column))
        found = ((whole if column != "title" else ibis.literal(False)) | (words & lacking)).fill_null(False)
        total = total | found
        shown = ibis.coalesce(shown, ibis.ifelse(found, lines[column], ibis.null("string")))
    reason = Reason(total, "sums of other lines, by their name: no sales", shown, meant=True)
    kept, losses = apart(lines, {"total": reason}, "interactions")
    return (con.create_table(ibis.util.gen_name("lines"), kept, temp=True) if losses else lines), losses


def told_apart(con: Backend, lines: ir.Table, notes: list[str]) -> ir.Table:
    """The lines with orders under one number told apart by day and by site, where a till begins anew each day or in
    each site: most orders of several sales then stand on days far apart, or in several sites at different times.
    """
    if "order_id" not in lines.columns:
        return lines
    sold = lines.filter(lines.order_id.notnull(), *(_is_sale(lines)))  # what is sent back is so days later
    several = sold.group_by("order_id").agg(
        rows=sold.count(),
        days=_days(sold),
        sites=sold.site_id.nunique() if "site_id" in sold.columns else ibis.literal(1),
        times=sold.time.nunique() if "time" in sold.columns else ibis.literal(1),
    )
    several = several.filter(several.rows > 1)
    counts = several.agg(
        orders=several.count(),
        days=(several.days > NEAR_DAYS).cast("int64").sum().fill_null(0),
        sites=((several.sites > 1) & (several.times > 1)).cast("int64").sum().fill_null(0),
    )
    found = counts.to_pyarrow().to_pylist()[0]
    parts = {"days": lines.time.date().cast("string")} if "time" in lines.columns else {}
    parts |= {"sites": lines.site_id} if "site_id" in lines.columns else {}
    by = [name for name in parts if found["orders"] >= ENOUGH and 2 * found[name] > found["orders"]]
    if not by:
        return lines
    whole = lines.order_id
    for name in by:
        whole = ibis.ifelse(parts[name].isnull(), whole, parts[name].concat(" ", whole))
    again = max(found[name] for name in by)
    notes.append(
        f"order numbers begin anew: {again:,} of {found['orders']:,} with several lines stand on days far apart or in "
        f"several sites. An order is one number of one {' and one '.join(name[:-1] for name in by)}"
    )
    return con.create_table(ibis.util.gen_name("lines"), lines.mutate(order_id=whole), temp=True)


def _is_sale(lines: ir.Table) -> list[ir.Value]:
    """What is true of a line that sells something, as far as the columns tell."""
    positive = [lines[name].isnull() | (lines[name] > 0) for name in ("quantity", "revenue") if name in lines.columns]
    kinds = [lines[name] for name in ("kind", "status") if name in lines.columns]
    return positive + [kind.isnull() | (kind == "purchase") for kind in kinds]


def _days(lines: ir.Table) -> ir.Value:
    """Days between the first and the last line."""
    if "time" not in lines.columns:
        return ibis.literal(0)
    return lines.time.max().date().delta(lines.time.min().date(), unit="day")


def filled_up(con: Backend, lines: ir.Table, notes: list[str]) -> ir.Table:
    """The lines with what their order states in another of its lines only: its time, user, site and state. An order
    with sales on days far apart is none that can tell.
    """
    if "order_id" not in lines.columns:
        return lines
    for column in OF_ORDERS:
        if column not in lines.columns or not engine.number((lines.order_id.notnull() & lines[column].isnull()).sum()):
            continue
        given = lines.filter(lines[column].notnull() & lines.order_id.notnull())
        one = given.group_by("order_id").agg(stated=given[column].max(), different=given[column].nunique())
        known = lines.filter(lines.order_id.notnull(), *_is_sale(lines))
        span = known.group_by("order_id").agg(days=_days(known))
        one = one.filter(one.different == 1).drop("different")
        one = one.anti_join(span.filter(span.days > NEAR_DAYS), "order_id")
        joined = lines.left_join(one, "order_id").drop("order_id_right")
        odd = joined[f"odd_{column}"].isnull() if f"odd_{column}" in lines.columns else ibis.literal(True)
        wanting = joined[column].isnull() & odd & joined.stated.notnull()
        rows = engine.number(joined.filter(wanting).count())
        if not rows:
            continue
        filled = joined.mutate(**{column: ibis.ifelse(wanting, joined.stated, joined[column])}).drop("stated")
        lines = con.create_table(ibis.util.gen_name("lines"), filled, temp=True)
        notes.append(f"{column} of {rows:,} lines is that of another line of the same order")
    return lines


def _stated_once(lines: ir.Table, column: str) -> ir.Table | None:
    """The orders of several products that state an amount, where nearly all of them state but one; None elsewhere."""
    if not {"order_id", "product_id", column} <= set(lines.columns):
        return None
    orders = lines.filter(lines.order_id.notnull()).group_by("order_id")
    orders = orders.agg(
        products=lambda t: t.product_id.nunique(),
        different=lambda t: t[column].nunique(),
        amount=lambda t: t[column].max(),
    )
    several = orders.filter((orders.products > 1) & (orders.different > 0) & (orders.amount != 0))
    counts = several.agg(
        orders=several.count(), alike=(several.different == 1).cast("int64").sum(), amounts=several.amount.nunique()
    )
    found = counts.to_pyarrow().to_pylist()[0]
    if found["orders"] < ENOUGH or found["alike"] < ALIKE * found["orders"] or found["amounts"] < ENOUGH:
        return None
    return several


def is_of_orders(lines: ir.Table) -> bool:
    """Whether the amounts are those of whole orders: on each of their lines, or on one of them."""
    several = _stated_once(lines, "revenue")
    if several is None:
        return False
    price = next((name for name in ("price_paid", "list_price") if name in lines.columns), None)
    if price is None:
        return True
    joined = lines.inner_join(several.select("order_id"), "order_id")
    own = joined.filter(joined.revenue.notnull() & joined[price].notnull())
    units = own.quantity.fill_null(1.0) if "quantity" in lines.columns else ibis.literal(1.0)
    near = ((own.revenue - own[price] * units).abs() <= NEAR * own.revenue.abs()).cast("float64").mean()
    return (engine.number(own.count()) == 0) or engine.number((near * 100).round()) <= 50


def shared_out(con: Backend, lines: ir.Table, notes: list[str]) -> ir.Table:
    """The lines with discounts of whole orders shared out to the order's lines by their amounts."""
    for column in ("discount", "coupon_discount"):
        if f"percent_{column}" in lines.columns or _stated_once(lines, column) is None:
            continue
        units = lines.quantity.fill_null(1.0).abs() if "quantity" in lines.columns else ibis.literal(1.0)
        prices = [lines[name] for name in ("price_paid", "list_price") if name in lines.columns]
        amount = lines.revenue if "revenue" in lines.columns else prices[0] * units if prices else units
        weighed = lines.mutate(weight=amount.abs().fill_null(0.0))
        order = ibis.window(group_by="order_id")
        of_order = weighed[column].max().over(order)
        whole, count = weighed.weight.sum().over(order), weighed.count().over(order)
        part = of_order * ibis.ifelse(whole > 0, weighed.weight / whole, 1.0 / count)
        several = weighed.order_id.notnull() & (weighed[column].nunique().over(order) == 1)
        mended = weighed.mutate(**{column: ibis.ifelse(several, part, weighed[column])}).drop("weight")
        lines = con.create_table(ibis.util.gen_name("lines"), mended, temp=True)
        notes.append(f"{column} is that of a whole order: shared out to its lines by their amounts")
    return lines


def counted(con: Backend, lines: ir.Table, notes: list[str]) -> ir.Table:
    """The lines where rows that repeat a row are units of it: in orders, or by day, of a file without quantities."""
    if {"quantity", "event_id"} & set(lines.columns) or not {"time", "product_id"} <= set(lines.columns):
        return lines
    by_day = engine.number((lines.time != lines.time.truncate("D")).sum()) == 0
    if "order_id" not in lines.columns and not by_day:
        return lines  # the same moment twice is one event that was delivered twice
    bought = (lines.kind.isnull() | (lines.kind == "purchase")) if "kind" in lines.columns else ibis.literal(True)
    key = [lines[name] for name in lines.columns if name != "row"]
    window = ibis.window(group_by=key)
    marked = lines.mutate(
        place=ibis.row_number().over(group_by=key, order_by=lines.row), same=ibis._.count().over(window), bought=bought
    )
    marked = con.create_table(ibis.util.gen_name("lines"), marked, temp=True)
    again = engine.number(marked.filter(marked.bought & (marked.place > 0)).count())
    if not again:
        return lines
    units = ibis.ifelse(marked.bought, marked.same, 1).cast("float64")
    sums = {name: marked[name] * units for name in ("revenue", "discount", "coupon_discount") if name in lines.columns}
    notes.append(f"no quantity: {again:,} rows that repeat another are units of the same line")
    kept = marked.mutate(quantity=units, **sums).filter(~marked.bought | (marked.place == 0))
    return con.create_table(ibis.util.gen_name("lines"), kept.drop("place", "same", "bought"), temp=True)
