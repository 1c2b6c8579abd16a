"""Who bought what in which basket, up to a cut: what related products are counted from."""

from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine
from onshelf_exporter.data.weeks import first_whole_week
from onshelf_exporter.training.history import History

LEAST_BASKETS = 20  # of a product, to be related to others
MOST_PRODUCTS = 20_000  # the most bought ones
MOST_LINES = 150  # different products of a basket; a larger one is a reseller's, or not one basket
FRACTION = "decimal(28, 12)"
GUEST = ""  # all guests together; one is not told from another


@dataclass(frozen=True)
class Purchases:
    """Tables of the engine.

    Attributes:
        con: the engine.
        lines: basket, user, week, time, product, kind, need: a row for each product of a basket. `kind` is the
            narrowest category; `need` the one above it where there are types; 0 where there is no category.
        kept: those of products with enough baskets.
        products: product, kind, need of the kept products.
    """

    con: Backend
    lines: ir.Table
    kept: ir.Table
    products: ir.Table


def total(value: ir.Value) -> ir.Value:
    """The sum of fractions, the same in whatever order the engine adds them up: tables of equal data are equal."""
    return engine.exact_sum(value, kind=FRACTION)


def whole_weeks(history: History) -> tuple[int, int]:
    """The first and the last week that the history holds as a whole."""
    return first_whole_week(history.dataset), int(history.cut)


def read_purchases(
    con: Backend, data: Path, history: History, weeks: tuple[int, int], least_baskets: int = LEAST_BASKETS
) -> Purchases:
    """The purchases of these weeks (inclusive); a basket is an order, else a user's day."""
    rows = engine.read(con, data / "canonical" / "interactions.parquet")
    rows = rows.filter((rows.kind == "purchase") & rows.week.between(*weeks))
    rows = rows.filter(
        rows.order_id.notnull() | rows.user_id.notnull()
    )  # a guest's line without an order has no basket
    day = rows.user_id + "@" + rows.time.cast("date").cast("string")
    rows = rows.select(
        "product_id",
        "week",
        "time",
        basket=ibis.coalesce(rows.order_id, day),
        user=rows.user_id.fill_null(GUEST),
    )
    known = con.create_table("related_products", _products(history), temp=True)
    lines = rows.inner_join(known, "product_id").group_by("basket", "product", "kind", "need")
    lines = lines.agg(user=lambda t: t.user.min(), week=lambda t: t.week.min(), time=lambda t: t.time.min())
    lines = con.create_table("related_all", lines, temp=True)
    size = lines.group_by("basket").agg(size=lambda t: t.count())
    lines = con.create_table(
        "related_lines", lines.semi_join(size.filter(size["size"] <= MOST_LINES), "basket"), temp=True
    )
    often = lines.group_by("product").agg(baskets=lambda t: t.count())
    often = often.filter(often.baskets >= least_baskets)
    often = often.order_by([often.baskets.desc(), often["product"]]).limit(MOST_PRODUCTS)
    often = con.create_table("related_often", often, temp=True)
    kept = con.create_table("related_kept", lines.semi_join(often, "product"), temp=True)
    return Purchases(con, lines, kept, known.semi_join(often, "product").select("product", "kind", "need"))


def _products(history: History) -> pa.Table:
    department, category, narrow = (history.ids[:, place] for place in range(3))
    above = np.where(category > 0, 2 * category, np.where(department > 0, 2 * department + 1, 0))
    kind = np.where(narrow > 0, 3 * narrow + 2, 3 * above)  # levels have numbers of their own
    return pa.table(
        {
            "product_id": pa.array(history.products["product_id"].astype(str), pa.string()),
            "product": pa.array(range(len(above)), pa.int32()),
            "kind": pa.array(kind, pa.int64()),
            "need": pa.array(above, pa.int64()),
        }
    )
