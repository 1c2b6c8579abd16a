"""Features at a decision time: what was known at the end of a cut week, and nothing else.

    history = features.at(Path("var/data/complete_journey"), Cut(39))     # weeks 1..39
    products = features.product_features(history)

Everything is computed from a `History`, whose tables hold rows with week <= cut only; the outcome of a launch is in it
once all its weeks are. A test poisons all rows after the cut and requires the same features to the bit.
"""

import datetime as dt
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

from onshelf_exporter import engine
from onshelf_exporter.dataset_weeks import weeks_covered
from onshelf_exporter.engine import exact_sum
from onshelf_exporter.errors import SettingError, SourceError
from onshelf_exporter.weeks import Cut, RetailCalendar

RECENT_WEEKS = 8  # popularity
HABIT_WEEKS = 26  # user habits
NEW_WEEKS = 8  # a product counts as new for so long after it was first seen
INTEREST_HALF_LIFE = 26.0  # weeks
TOP_INTERESTS = 10
WEEKS_OF_YEAR = 53
SEASON_KERNEL = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9.0  # weeks, circular over the year
SEASON_PRIOR_UNITS = 2_000.0  # units of sales at which a group's own season weighs as much as its parent's
WEIGHT = "decimal(28, 8)"
LEVELS: tuple[tuple[str, ...], ...] = (
    (),
    ("department",),
    ("department", "category"),
    ("department", "category", "type"),
)
LEVEL_NAMES = ("all", "department", "category", "type")


@dataclass(frozen=True)
class History:
    """A prepared dataset as it was known at the end of a week.

    Attributes:
        con: the engine.
        root: folder of the dataset.
        cut: last week that is known.
        calendar: numbers the weeks.
        first_whole_week: first week that the data hold as a whole.
        burn_in: number of the last week in which a first appearance tells nothing.
        dataset: content of dataset.json.
    """

    con: Backend
    root: Path
    cut: Cut
    calendar: RetailCalendar
    first_whole_week: int
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
        """All products of the catalogue, by what does not change; first_week is null where it is not known yet."""
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


def at(root: Path, cut: Cut, con: Backend | None = None) -> History:
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
    return History(
        con=con or engine.connect(),
        root=root,
        cut=cut,
        calendar=RetailCalendar(dt.date.fromisoformat(described["week_one"])),
        first_whole_week=described["first_whole_week"],
        burn_in=described["launch_burn_in_weeks"],
        dataset=described,
    )


def product_features(history: History) -> pa.Table:
    """Characteristics of every product of the catalogue.

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


def category_features(history: History) -> pa.Table:
    """What is typical of each department, category and type, and of all products together.

    Returns:
        One row per group, by level and names: level ("all", "department", "category", "type"), department, category,
        type ("" above its level), n_products, n_priced, median_price, price_p05, _p25, _p75, _p95 (of the
        products' median regular prices), units_8w, n_launches (completed: L+7 <= cut), launch_units_4w_median, _mean,
        launch_units_8w_median, _mean, discount_median (of launches), seasonality (53 floats, mean 1: sales in week of
        year 1..53 relative to the year, smoothed and shrunk to the parent), season_units (units that it rests on).
    """
    sales = history.product_weeks
    prices = sales.group_by("product_index").agg(
        price=sales.price.median(),
        units_8w=exact_sum(sales.units, where=sales.week > history.cut - RECENT_WEEKS).fill_null(0.0),
    )
    names = ("department", "category", "type")
    products = history.products.select("product_index", *names)
    priced = products.left_join(prices, "product_index").drop("product_index_right")
    launches = history.launches.inner_join(products, "product_index")
    tables = []
    for level, keys in zip(LEVEL_NAMES, LEVELS, strict=True):
        known = priced.filter(priced[keys[-1]] != "") if keys else priced
        group = known.mutate(here=ibis.literal(0)).group_by("here", *keys) if not keys else known.group_by(*keys)
        offered = group.agg(
            n_products=lambda t: t.count(),
            n_priced=lambda t: t.price.count(),
            median_price=lambda t: t.price.median(),
            **{f"price_p{q:02d}": (lambda t, q=q: t.price.quantile(q / 100)) for q in (5, 25, 75, 95)},
            units_8w=lambda t: exact_sum(t.units_8w).fill_null(0.0),
        )
        done = launches.filter(launches[keys[-1]] != "") if keys else launches.mutate(here=ibis.literal(0))
        started = done.group_by(*(keys or ("here",))).agg(
            n_launches=lambda t: t.units_8w.count(),
            **{
                f"launch_units_{weeks}w_{name}": (
                    lambda t, weeks=weeks, name=name: (
                        t[f"units_{weeks}w"].median()
                        if name == "median"
                        else exact_sum(t[f"units_{weeks}w"]) / t[f"units_{weeks}w"].count().nullif(0)
                    )
                )
                for weeks in (4, 8)
                for name in ("median", "mean")
            },
            discount_median=lambda t: t.discount.median(),
        )
        on = list(keys or ("here",))
        joined = offered.left_join(started, on, rname="{name}_started")
        filled = {name: (joined[name] if name in keys else ibis.literal("")) for name in names}
        rest = [c for c in joined.columns if c not in (*names, "here", "n_launches") and not c.endswith("_started")]
        tables.append(
            joined.select(
                level=ibis.literal(level),
                **filled,
                n_launches=joined.n_launches.fill_null(0),
                **{c: joined[c] for c in rest},
            )
        )
    table = tables[0].union(*tables[1:])
    table = table.order_by(["level", *names]).to_pyarrow()
    seasons = _seasonality(history, products)
    found = [seasons[row] for row in zip(*(table[name].to_pylist() for name in names), strict=True)]
    table = table.append_column("seasonality", pa.array([index.tolist() for index, _ in found], pa.list_(pa.float64())))
    return table.append_column("season_units", pa.array([units for _, units in found], pa.float64()))


def _seasonality(history: History, products: ir.Table) -> dict[tuple[str, ...], tuple[np.ndarray, float]]:
    """Season of every group, by (department, category, type) with "" above its level: 53 numbers of mean 1, and units.

    Weeks that the data hold only in part do not count. A week of the year that was never seen takes the parent's value,
    at the top 1. One year cannot tell the season from a trend.
    """
    whole = list(range(history.first_whole_week, history.cut + 1))
    sales = history.product_weeks.inner_join(products, "product_index")
    weekly = sales.group_by("department", "category", "type", "week").agg(units=exact_sum(sales.units))
    rows = weekly.order_by(["department", "category", "type", "week"]).to_pyarrow()
    units, weeks = rows["units"].to_numpy(), rows["week"].to_numpy()
    place = np.array([history.calendar.week_of_year(int(w)) - 1 for w in range(1, history.cut + 1)] or [0])
    times = np.bincount(place[np.array(whole, int) - 1], minlength=WEEKS_OF_YEAR).astype(float)
    used = np.isin(weeks, whole)
    catalogue = products.select("department", "category", "type").distinct().to_pyarrow().to_pylist()
    paths = {(row["department"], row["category"], row["type"]) for row in catalogue}
    leaves = list(zip(*(rows[name].to_pylist() for name in ("department", "category", "type")), strict=True))
    parents: dict[tuple[str, ...], tuple[np.ndarray, float]] = {}
    result: dict[tuple[str, ...], tuple[np.ndarray, float]] = {}
    for depth in range(4):
        groups = sorted({path[:depth] for path in paths if depth == 0 or path[depth - 1] != ""})
        index = {group: position for position, group in enumerate(groups)}
        member = np.array([index.get(leaf[:depth], -1) for leaf in leaves], dtype=int)
        inside = used & (member >= 0)
        flat = np.bincount(
            member[inside] * WEEKS_OF_YEAR + place[weeks[inside] - 1],
            weights=units[inside],
            minlength=len(groups) * WEEKS_OF_YEAR,
        )
        sums = flat.reshape(len(groups), WEEKS_OF_YEAR)
        above = np.array([parents[group[:-1]][0] if group else np.ones(WEEKS_OF_YEAR) for group in groups])
        own = _own_season(sums, times, above)
        total = sums.sum(axis=1, keepdims=True)
        weight = total / (total + SEASON_PRIOR_UNITS)
        season = weight * own + (1 - weight) * above
        season /= season.mean(axis=1, keepdims=True)
        parents = {group: (season[i], float(total[i, 0])) for group, i in index.items()}
        result |= {group + ("",) * (3 - depth): value for group, value in parents.items()}
    return result


def _own_season(sums: np.ndarray, times: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Seasons of groups from their own sales: [groups, 53] units, [53] times each week of the year was seen."""
    seen = times > 0
    rate = np.divide(sums, times, out=np.zeros_like(sums), where=seen)
    mean = rate[:, seen].mean(axis=1, keepdims=True) if seen.any() else np.zeros((len(sums), 1))
    expected = above[:, seen].mean(axis=1, keepdims=True) if seen.any() else np.ones((len(sums), 1))
    index = np.where(seen & (mean > 0), rate / np.where(mean > 0, mean, 1.0) * expected, above)
    padded = np.concatenate([index[:, -2:], index, index[:, :2]], axis=1)
    return np.apply_along_axis(lambda row: np.convolve(row, SEASON_KERNEL, mode="valid"), 1, padded)


def user_features(history: History) -> pa.Table:
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
    new = (lines.first_week > history.burn_in) & (lines.week - lines.first_week < NEW_WEEKS)
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


def _interests(history: History, lines: ir.Table) -> ir.Table:
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
