"""Weekly aggregates: raw enough that any decision time can be cut from them afterwards (week <= cut)."""

import ibis
import ibis.expr.types as ir

from onshelf_exporter.data import engine
from onshelf_exporter.data.engine import MONEY, exact_sum
from onshelf_exporter.data.promotions import Distinct
from onshelf_release.calendar import RetailCalendar


def indexed(table: ir.Table, key: str, index: str) -> ir.Table:
    """The distinct ids of `key`, numbered 0.. in `index`: numeric ids by number, then all others by text."""
    ids = table.select(key).distinct()
    order = [ids[key].try_cast("int64").asc(nulls_first=False), ids[key]]
    return ids.mutate(ibis.row_number().over(order_by=order).cast("int64").name(index))


def weeks_of_year(calendar: RetailCalendar, first_week: int, last_week: int) -> ir.Table:
    """A table (week int32, week_of_year int32) of the weeks first_week..last_week."""
    weeks = list(range(first_week, last_week + 1))
    rows = {"week": weeks, "week_of_year": [calendar.week_of_year(week) for week in weeks]}
    return engine.small_table(rows, schema={"week": "int32", "week_of_year": "int32"})


def product_weeks(purchases: ir.Table) -> ir.Table:
    """Sales by product and week.

    Args:
        purchases: product_id, product_index, week, user_index, order_key, quantity, revenue, discount,
            priced (whether the row's revenue is known).

    Returns:
        product_id, product_index, week, units, revenue, discount, buyers (known users), baskets, price (regular unit
        price = (revenue + discount) / units, null where that is zero). Only weeks with purchases.
    """
    by = ["product_index", "week"]
    sums = purchases.group_by("product_id", *by).agg(
        units=exact_sum(purchases.quantity),
        revenue=exact_sum(purchases.revenue),
        discount=exact_sum(purchases.discount),
        list_value=exact_sum(purchases.revenue.cast(MONEY) + purchases.discount.cast(MONEY)),
        priced_units=exact_sum(purchases.quantity, where=purchases.priced),
    )
    # to count distinct rows takes two thirds of what counting the distinct values of many small groups does
    users = purchases.filter(purchases.user_index.notnull()).select(*by, "user_index").distinct()
    buyers = users.group_by(*by).agg(buyers=users.count())
    baskets = purchases.select(*by, "order_key").distinct().group_by(*by).agg(baskets=lambda rows: rows.count())
    sums = sums.inner_join(baskets, by).left_join(buyers, by).drop("product_index_right", "week_right")
    priced = (sums.priced_units > 0) & (sums.list_value > 0)
    price = ibis.ifelse(priced, sums.list_value / sums.priced_units, ibis.null("float64"))
    return sums.select(
        "product_id",
        "product_index",
        "week",
        "units",
        "revenue",
        "discount",
        sums.buyers.fill_null(0).name("buyers"),
        "baskets",
        price=price,
    )


def promotion_weeks(promotions: Distinct, calendar: RetailCalendar) -> ir.Table:
    """Coverage by product, week and channel.

    Returns:
        product_id, channel_id (numbers of texts, see `Promotions`), week, coverage: share in (0, 1] of the sites that
        promote anything in that week that carry this product in this channel.
    """
    days = promotions.cells.select("date").distinct().to_pyarrow()["date"].to_pylist()
    weeks = [calendar.week(day) for day in days]
    of_day = engine.small_table({"date": days, "week": weeks}, schema={"date": "date", "week": "int32"})
    sites = promotions.rows.select("date", "site_id").distinct().inner_join(of_day, "date")
    sites = sites.group_by("week").agg(promoting=sites.site_id.nunique())
    if len(set(weeks)) == len(weeks):
        carried = promotions.cells.inner_join(of_day, "date").rename(carrying="sites")
    else:  # a site may promote a product on several days of a week
        rows = (
            promotions.rows.inner_join(of_day, "date").select("product_id", "week", "channel_id", "site_id").distinct()
        )
        carried = rows.group_by("product_id", "week", "channel_id").agg(carrying=rows.count())
    joined = carried.inner_join(sites, "week")
    coverage = joined.carrying.cast("float64") / joined.promoting
    return joined.select("product_id", "week", "channel_id", coverage=coverage)


def user_product_weeks(interactions: ir.Table) -> ir.Table:
    """What each user did with each product in each week, by kind: quantity, revenue, discount, sums of the rows."""
    return interactions.group_by("user_index", "product_index", "week", "kind").agg(
        quantity=exact_sum(interactions.quantity),
        revenue=exact_sum(interactions.revenue),
        discount=exact_sum(interactions.discount),
    )


def user_weeks(interactions: ir.Table) -> ir.Table:
    """Activity of each user in each week: baskets, products, quantity, revenue, discount, coupon_discount."""
    purchases = interactions.filter(interactions.kind == "purchase")
    return purchases.group_by("user_index", "week").agg(
        baskets=purchases.order_key.nunique(),
        products=purchases.product_index.nunique(),
        quantity=exact_sum(purchases.quantity),
        revenue=exact_sum(purchases.revenue),
        discount=exact_sum(purchases.discount),
        coupon_discount=exact_sum(purchases.coupon_discount),
    )


def coupon_weeks(coupons: ir.Table, campaigns: ir.Table, weeks: ir.Table) -> ir.Table:
    """Weeks in which a product is in an active coupon campaign.

    Args:
        coupons: product_id, product_index, campaign_id.
        campaigns: campaign_id, start_week, end_week.
        weeks: week.

    Returns:
        product_id, product_index, week, campaigns (how many).
    """
    joined = coupons.inner_join(campaigns, "campaign_id")
    spread = joined.inner_join(weeks, [joined.start_week <= weeks.week, joined.end_week >= weeks.week])
    return spread.group_by("product_id", "product_index", "week").agg(campaigns=spread.campaign_id.nunique())
