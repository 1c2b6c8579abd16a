"""Features at a decision time: what was known at the end of a cut week, and nothing else.

    history = features.at(Path("var/data/complete_journey"), Cut(39))     # weeks 1..39
    products = features.product_features(history)

Everything is computed from a `DatasetAsOf`, whose tables hold rows with week <= cut only; the outcome of a launch is in
it once all its weeks are. A test poisons all rows after the cut and requires the same features to the bit.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine
from onshelf_exporter.data.engine import exact_sum
from onshelf_exporter.data.weeks import Cut, weeks_covered
from onshelf_exporter.process.errors import SettingError, SourceError
from onshelf_release.codes import NEW_PRODUCT_WEEKS

RECENT_WEEKS = 8  # popularity
HABIT_WEEKS = 26  # user habits
INTEREST_HALF_LIFE = 26.0  # weeks
TOP_INTERESTS = 10
WEIGHT = "decimal(28, 8)"


@dataclass(frozen=True, kw_only=True)
class DatasetAsOf:
    """A prepared dataset as it was known at the end of a week.

    Attributes:
        con: the engine.
        root: folder of the dataset.
        cut: last week that is known.
        burn_in: number of the last week in which a first appearance tells nothing.
        dataset: content of dataset.json.
    """

    con: Backend
    root: Path
    cut: Cut
    burn_in: int
    dataset: dict[str, Any]

    def _weekly(self, name: str) -> ir.Table:
        table = engine.read(self.con, self.root / "features" / f"{name}.parquet")
        return table.filter(table.week <= self.cut)

    @cached_property
    def product_weeks(self) -> ir.Table:
        """Sales up to the cut."""
        return self._weekly("product_weeks")

    @cached_property
    def promotion_weeks(self) -> ir.Table:
        """Promotions up to the cut."""
        return self._weekly("promotion_weeks")

    @cached_property
    def user_product_weeks(self) -> ir.Table:
        """What users did up to the cut."""
        return self._weekly("user_product_weeks")

    @cached_property
    def user_weeks(self) -> ir.Table:
        """Activity of users up to the cut."""
        return self._weekly("user_weeks")

    @cached_property
    def products(self) -> ir.Table:
        """All products of the catalog, by what does not change; first_week is null where it is not known yet."""
        table = engine.read(self.con, self.root / "features" / "products.parquet")
        first = ibis.ifelse(table.first_week <= self.cut, table.first_week, ibis.null("int32"))
        return table.mutate(first_week=first).drop("list_price", "launch_week")

    @cached_property
    def launches(self) -> ir.Table:
        """Launches up to the cut; plans (2 weeks) and outcomes (4, 8 weeks) are null until their weeks are known."""
        table = engine.read(self.con, self.root / "features" / "launches.parquet")
        table = table.filter(table.launch_week <= self.cut)
        weeks = {"price": 8, "price_imputed": 8, "discount": 2, "discount_imputed": 2, "coupon": 2}
        weeks |= {name: int(name.split("_")[-1][:-1]) for name in table.columns if name.endswith(("_4w", "_8w"))}
        return table.mutate(
            {
                name: ibis.ifelse(table.launch_week + span - 1 <= self.cut, table[name], ibis.null(table[name].type()))
                for name, span in weeks.items()
            }
        )

    @cached_property
    def users(self) -> ir.Table:
        """All users."""
        return engine.read(self.con, self.root / "features" / "users.parquet")


def at(root: Path, cut: Cut, con: Backend | None = None) -> DatasetAsOf:
    """Open a prepared dataset as it was known at the end of week `cut`.

    Raises:
        SourceError: there is no prepared dataset.
        SettingError: the data end before the cut, or begin after it.
    """
    path = root / "dataset.json"
    if not path.is_file():
        raise SourceError(f"{root}: no prepared dataset here. Run `onshelf-exporter data` first")
    described = json.loads(path.read_text(encoding="utf-8"))
    if not described["first_week"] <= cut <= described["last_week"]:
        raise SettingError("cut", cut, f"the data hold weeks {described['first_week']} to {described['last_week']}")
    return DatasetAsOf(
        con=con or engine.connect(),
        root=root,
        cut=cut,
        burn_in=described["launch_burn_in_weeks"],
        dataset=described,
    )


def product_features(history: DatasetAsOf) -> pa.Table:
    """Characteristics of every product of the catalog.

    Returns:
        One row per product, by product_index: first_week, age_weeks (since first seen; null if unseen), units_8w,
        units_4w, buyers_8w, baskets_8w, trend (natural log of (units of the last 4 weeks + 1) / (the 4 before + 1)),
        price (median regular unit price, currency; null if never sold), price_band (0..1 rank of that price within the
        category; null without a price), discount_share (of the list value, last 8 weeks; null without sales),
        promoted_weeks_8w, weeks_since_sale (null if never sold).
    """
    sales, cut = history.product_weeks, history.cut
    recent, latest = sales.week > cut - RECENT_WEEKS, sales.week > cut - RECENT_WEEKS // 2
    sold = sales.group_by("product_index").agg(
        units_8w=exact_sum(sales.units, where=recent).fill_null(0.0),
        units_4w=exact_sum(sales.units, where=latest).fill_null(0.0),
        buyers_8w=sales.buyers.sum(where=recent).fill_null(0),
        baskets_8w=sales.baskets.sum(where=recent).fill_null(0),
        revenue_8w=exact_sum(sales.revenue, where=recent),
        discount_8w=exact_sum(sales.discount, where=recent),
        price=sales.price.median(),
        last_sale=sales.week.max(),
    )
    promotions = history.promotion_weeks
    promoted = promotions.filter(promotions.week > cut - RECENT_WEEKS)
    promoted = promoted.group_by("product_index").agg(promoted_weeks_8w=promoted.week.nunique())
    table = history.products.select("product_index", "department", "category", "first_week")
    table = table.left_join(sold, "product_index").drop("product_index_right")
    table = table.left_join(promoted, "product_index").drop("product_index_right")
    units, latest_units = table.units_8w.fill_null(0.0), table.units_4w.fill_null(0.0)
    list_value = table.revenue_8w + table.discount_8w
    within = ibis.window(group_by=["department", "category", table.price.isnull()], order_by="price")
    result = table.select(
        "product_index",
        "first_week",
        age_weeks=cut + 1 - table.first_week,
        units_8w=units,
        units_4w=latest_units,
        buyers_8w=table.buyers_8w.fill_null(0),
        baskets_8w=table.baskets_8w.fill_null(0),
        trend=((latest_units + 1) / (units - latest_units + 1)).ln(),
        price=table.price,
        price_band=ibis.ifelse(table.price.isnull(), ibis.null("float64"), ibis.percent_rank().over(within)),
        discount_share=ibis.ifelse(list_value > 0, table.discount_8w / list_value, ibis.null("float64")),
        promoted_weeks_8w=table.promoted_weeks_8w.fill_null(0),
        weeks_since_sale=cut + 1 - table.last_sale,
    )
    return result.order_by("product_index").to_pyarrow()


def user_features(history: DatasetAsOf) -> pa.Table:
    """Behaviour of every user up to the cut.

    Returns:
        One row per user, by user_index: purchases_per_week (baskets a week, last 26 weeks), recency_weeks (since the
        last purchase; null without one), basket_size (units), spend_per_week (currency), price_tier (0..1: mean price
        band of what was bought, 0.5 without purchases), promotion_sensitivity (0..1: share of purchases at a discount),
        new_product_share (0..1: share of purchased products that were seen first at most 8 weeks before and after the
        burn-in), interests (up to 10 of {department, category, share}, largest first, shares of units that fade with a
        half-life of 26 weeks), n_products. Shares are shrunk towards those of all users.
    """
    cut = history.cut
    span = min(HABIT_WEEKS, cut)
    weeks = max(float(weeks_covered(history.dataset, np.array(cut - span + 1), cut)), 1.0)
    activity = history.user_weeks
    recent = activity.filter(activity.week > cut - span)
    habits = recent.group_by("user_index").agg(
        baskets=recent.baskets.sum(), quantity=exact_sum(recent.quantity), revenue=exact_sum(recent.revenue)
    )
    last = activity.group_by("user_index").agg(last_week=activity.week.max())
    bought = history.user_product_weeks
    bought = bought.filter(bought.kind == "purchase")
    products = history.products.select("product_index", "department", "category", "first_week")
    bands = engine_table(history.con, product_features(history).select(["product_index", "price_band"]))
    lines = bought.inner_join(products, "product_index").left_join(bands, "product_index").drop("product_index_right")
    new = (lines.first_week > history.burn_in) & (lines.week - lines.first_week < NEW_PRODUCT_WEEKS)
    cheap = lines.discount > 0
    habit = lines.week > cut - span
    shares = lines.group_by("user_index").agg(
        n_lines=lines.count(where=habit),
        n_cheap=cheap.cast("int64").sum(where=habit),
        n_new=new.fill_null(False).cast("int64").sum(where=habit),
        n_banded=lines.price_band.count(where=habit),
        bands=exact_sum(lines.price_band, where=habit, kind=WEIGHT),
        n_products=lines.product_index.nunique(),
    )
    totals = (
        shares.agg(lines=shares.n_lines.sum(), cheap=shares.n_cheap.sum(), new=shares.n_new.sum())
        .to_pyarrow()
        .to_pylist()[0]
    )
    everybody = {name: (totals[name] or 0) / max(totals["lines"] or 0, 1) for name in ("cheap", "new")}
    interests = _interests(history, lines)
    table = history.users.select("user_index")
    for part in (habits, last, shares, interests):
        table = table.left_join(part, "user_index").drop("user_index_right")
    n = table.n_lines.fill_null(0)
    result = table.select(
        "user_index",
        purchases_per_week=table.baskets.fill_null(0) / weeks,
        recency_weeks=cut + 1 - table.last_week,
        basket_size=(table.quantity / table.baskets).fill_null(0.0),
        spend_per_week=table.revenue.fill_null(0.0) / weeks,
        price_tier=(table.bands.fill_null(0.0) + 0.5 * 5) / (table.n_banded.fill_null(0) + 5),
        promotion_sensitivity=(table.n_cheap.fill_null(0) + everybody["cheap"] * 10) / (n + 10),
        new_product_share=(table.n_new.fill_null(0) + everybody["new"] * 10) / (n + 10),
        interests=table.interests,
        n_products=table.n_products.fill_null(0),
    )
    return result.order_by("user_index").to_pyarrow()


def _interests(history: DatasetAsOf, lines: ir.Table) -> ir.Table:
    age = (history.cut + 1 - lines.week).cast("float64")
    faded = lines.mutate(weight=lines.quantity * (ibis.literal(0.5) ** (age / INTEREST_HALF_LIFE)))
    faded = faded.filter(faded.category != "")
    by_category = faded.group_by("user_index", "department", "category").agg(
        weight=exact_sum(faded.weight.round(8), kind=WEIGHT)
    )
    total = by_category.group_by("user_index").agg(total=exact_sum(by_category.weight, kind=WEIGHT))
    order = [ibis.desc("weight"), "department", "category"]
    ranked = by_category.mutate(place=ibis.row_number().over(group_by="user_index", order_by=order))
    top = ranked.filter(ranked.place < TOP_INTERESTS).inner_join(total, "user_index").filter(lambda t: t.total > 0)
    item = ibis.struct({"department": top.department, "category": top.category, "share": top.weight / top.total})
    return top.group_by("user_index").agg(interests=item.collect(order_by=top.place))


def engine_table(con: Backend, table: pa.Table) -> ir.Table:
    """A computed table, for the engine."""
    return con.create_table(ibis.util.gen_name("computed"), table, temp=True)
