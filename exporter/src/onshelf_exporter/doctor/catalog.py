"""Products: from a file of their own, or from the lines of sales, where each text is the most frequent among sales."""

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine, headers, schema, validation
from onshelf_exporter.data.titles import LEVEL
from onshelf_exporter.doctor.columns import Frame
from onshelf_exporter.doctor.losses import SAMPLES, Loss, apart
from onshelf_exporter.doctor.losses import Reason as Out

TITLE_LENGTH = 1_000  # characters; the rule of the schema
CONTROL = r"[\x00-\x1f\x7f]+"
MEDIANS = ("list_price", "unit_cost")  # of all rows of a product; other columns take the most frequent value


def from_lines(con: Backend, lines: ir.Table, frame: Frame) -> ir.Table:
    """One row for each product of lines of sales.

    Args:
        con: the engine.
        lines: all lines, those too that are no interactions in the end.
        frame: the columns of their file.
    """
    table = _pathed(lines, frame)
    bought = table.kind.isnull() | (table.kind == "purchase") if "kind" in table.columns else ibis.literal(True)
    positive = ibis.literal(True)
    for column in ("quantity", "revenue", "list_price"):
        if column in table.columns:
            positive = positive & (table[column].isnull() | (table[column] > 0))
    when = table.time if "time" in table.columns else ibis.null("timestamp")
    sale = (bought & positive).fill_null(False)
    return merged(con, table.mutate(sale=sale, when=when).filter(table.product_id.notnull()))


def from_file(con: Backend, frame: Frame, notes: list[str]) -> tuple[ir.Table, list[Loss]]:
    """The products of a file of their own, each once."""
    columns = frame.columns | {"row": pa.chunked_array([pa.array(range(frame.rows), pa.int64())])}
    table = con.create_table(ibis.util.gen_name("products"), pa.table(columns), temp=True)
    if "product_id" not in table.columns and "title" in table.columns:
        table = table.mutate(product_id=table.title)
        notes.append("no product id: the title serves as id, so two products of one title are one")
    if "product_id" not in table.columns:
        return table, []
    table = _pathed(table, frame)
    names = [column.name for column in schema.columns("products") if column.name in table.columns]
    distinct = table.select(*(name for name in names if not table[name].type().is_array())).distinct()
    again = distinct.filter(distinct.product_id.notnull()).group_by("product_id").agg(rows=lambda t: t.count())
    again = again.filter(again.rows > 1)
    rows = engine.number(again.rows.sum() - again.count())
    without = engine.number(table.filter(table.product_id.isnull()).count())
    losses = [Loss(table="products", what="no product_id", rows=without)] if without else []
    if rows:
        samples = again.order_by(ibis.desc("rows"), "product_id").limit(SAMPLES).product_id.to_pyarrow().to_pylist()
        what = "rows of one product_id that differ: each value is the most frequent, the last of several"
        losses.append(Loss(table="products", what=what, rows=rows, samples=tuple(samples)))
    table = table.mutate(sale=ibis.literal(True), when=table.row)
    return merged(con, table.filter(table.product_id.notnull())), losses


def merged(con: Backend, rows: ir.Table) -> ir.Table:
    """One row for each product: the most frequent value among sales, the latest of several; medians of prices."""
    names = [column.name for column in schema.columns("products") if column.name in rows.columns]
    result = rows.select("product_id").distinct()
    for name in names:
        if name == "product_id":
            continue
        given = rows.filter(rows[name].notnull())
        if name in MEDIANS:
            sold = given.filter(given.sale)
            found = sold.group_by("product_id").agg(sold[name].median().name(name))
        else:
            counted = given.group_by("product_id", name).agg(
                sales=given.sale.cast("int64").sum(), rows=given.count(), last=given.when.max()
            )
            order = [ibis.desc("sales"), ibis.desc("rows"), ibis.desc("last"), counted[name]]
            if counted[name].type().is_array():
                order = order[:3]
            placed = counted.mutate(place=ibis.row_number().over(group_by="product_id", order_by=order))
            found = placed.filter(placed.place == 0).select("product_id", name)
        result = result.left_join(found, "product_id").drop("product_id_right")
    return con.create_table(ibis.util.gen_name("products"), result, temp=True)


def _pathed(table: ir.Table, frame: Frame) -> ir.Table:
    """One category path out of a path and levels in columns of their own; a level that repeats the last is left out."""
    levels = [name for name in ("category_1", "category_path", "category_2", "category_3") if name in frame.columns]
    if not set(levels) - {"category_path"}:
        return table
    path = table[levels[0]]
    for name in levels[1:]:
        level = table[name]
        ends = path.endswith(level) | (path == level)
        longer = ibis.ifelse(ends, path, path + LEVEL + level)
        path = ibis.ifelse(level.isnull(), path, ibis.ifelse(path.isnull(), level, longer))
    return table.mutate(category_path=path)


def mended(products: ir.Table) -> tuple[ir.Table, list[Loss]]:
    """Values that break a rule of the schema emptied, titles cut to what is allowed; each counted."""
    losses = []
    changes: dict[str, ir.Value] = {}
    if "title" in products.columns:
        title = products.title.re_replace(CONTROL, " ").strip()
        changes["title"] = ibis.ifelse(title.length() > TITLE_LENGTH, title.substr(0, TITLE_LENGTH), title).nullif("")
        long = products.filter(title.length() > TITLE_LENGTH)
        rows = engine.number(long.count())
        if rows:
            losses.append(
                Loss(table="products", what=f"titles longer than {TITLE_LENGTH:,} characters: cut", rows=rows)
            )
    for column in schema.columns("products"):
        if column.rule not in validation.RULES or column.name not in products.columns or column.name == "title":
            continue
        rule = validation.RULES[column.rule]
        broken = rule.broken(products[column.name]).fill_null(False)
        bad = products.filter(broken)
        rows = engine.number(bad.count())
        if rows:
            shown = bad.limit(SAMPLES)[column.name].cast("string").to_pyarrow().to_pylist()
            losses.append(
                Loss(table="products", what=f"{column.name} not {rule.text}: emptied", rows=rows, samples=tuple(shown))
            )
            empty = ibis.null(products[column.name].type())
            changes[column.name] = ibis.ifelse(broken, empty, products[column.name])
    return (products.mutate(**changes) if changes else products), losses


def sorted_out(
    con: Backend, products: ir.Table, lines: ir.Table | None, keep_services: bool
) -> tuple[ir.Table, ir.Table]:
    """Products to keep, and those that are none: product_id, title, why.

    Args:
        con: the engine.
        products: each once, with `title` as far as it is known.
        lines: lines of sales with `revenue`; None where there are none.
        keep_services: whether postage and fees are products.
    """
    none = ibis.literal(False)
    titled = "title" in products.columns
    no_title = products.title.isnull() if titled else none
    service = none
    if titled and not keep_services:
        titles = products.title.to_pyarrow().unique().drop_null().to_pylist()
        services = [title for title in titles if headers.is_service(title)]
        service = products.title.isin(services) if services else none
    marked = products
    negative: ir.Value = none
    if lines is not None and {"revenue", "product_id"} <= set(lines.columns):
        units = lines.quantity.fill_null(1.0) if "quantity" in lines.columns else ibis.literal(1.0)
        bought = (lines.kind.isnull() | (lines.kind == "purchase")) if "kind" in lines.columns else ibis.literal(True)
        sold = lines.group_by("product_id").agg(
            gains=(bought & (units > 0) & (lines.revenue > 0)).cast("int64").sum(),
            debts=(bought & (units > 0) & (lines.revenue < 0)).cast("int64").sum(),
        )
        marked = products.left_join(sold, "product_id").drop("product_id_right")
        if not keep_services:
            negative = ((marked.gains == 0) & (marked.debts > 0)).fill_null(False)
        if titled:
            no_title = marked.title.isnull()
            service = marked.title.isin(services) if not keep_services and services else none
    why = ibis.cases(
        (no_title, "no title"),
        (service, "postage, a fee or an adjustment, by its title"),
        (negative, "only sold at negative prices: an adjustment"),
        else_=None,
    )
    marked = con.create_table(ibis.util.gen_name("sorted"), marked.mutate(why=why), temp=True)
    kept = marked.filter(marked.why.isnull()).select(*products.columns)
    out = marked.filter(marked.why.notnull())
    out = out.select("product_id", "why", title=out.title if titled else ibis.null("string"))
    return kept, out


def without(con: Backend, lines: ir.Table, out: ir.Table) -> tuple[ir.Table, list[Loss]]:
    """Lines without those of products that are none, and what the others are."""
    reasons_of = sorted(set(out.why.to_pyarrow().to_pylist()))
    if not reasons_of:
        return lines, []
    joined = lines.left_join(out, "product_id", rname="{name}_out").drop("product_id_out")
    titled = "title_out" if "title_out" in joined.columns else "title"
    joined = con.create_table(ibis.util.gen_name("lines"), joined, temp=True)
    name = ibis.coalesce(joined.product_id + " " + joined[titled], joined.product_id)
    reasons = {why: Out(joined.why == why, f"no product: {why}", name) for why in reasons_of}
    kept, losses = apart(joined, reasons, "interactions")
    return kept.select(*lines.columns), losses
