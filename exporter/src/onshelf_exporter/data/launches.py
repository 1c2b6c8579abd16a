"""Launches: their plans (weeks L..L+1) and their outcomes (L..L+7); which products are launches, `launch_rule` says.

Definitions and counts follow the project's evaluation rules; `docs/data.md` says what each column means.
"""

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from onshelf_exporter.data.engine import MONEY, SHARE, exact_sum

OUTCOME_WEEKS = (4, 8)
PLAN_WEEKS = 2  # a plan is what was decided for weeks L..L+1


def launch_channels(
    launches: ir.Table, promotion_weeks: ir.Table, last_week: int, coupon_channel: str | None
) -> ir.Table:
    """Coverage of each launch by channel.

    Returns:
        product_id, product_index, channel_id, coverage_plan (mean over L..L+1), coverage_4w (mean over L..L+3): shares
        of promoting sites, in [0, 1]; null where those weeks lie beyond the data; only channels used in L..L+3. The
        coupon channel has coverage 1 where the product was in an active coupon campaign in L..L+1.
    """
    joined = launches.inner_join(promotion_weeks, "product_index")
    offset = joined.week - joined.launch_week
    near = joined.mutate(offset=offset).filter(offset.between(0, 3))
    total = near.group_by("product_id", "product_index", "launch_week", "channel_id").agg(
        plan=lambda t: exact_sum(t.coverage, where=t.offset < PLAN_WEEKS, kind=SHARE).fill_null(0.0),
        four=lambda t: exact_sum(t.coverage, kind=SHARE),
    )
    result = total.select(
        "product_id",
        "product_index",
        "channel_id",
        coverage_plan=_known(total.plan / PLAN_WEEKS, total.launch_week, PLAN_WEEKS, last_week),
        coverage_4w=_known(total.four / 4, total.launch_week, 4, last_week),
    )
    if coupon_channel is None:
        return result
    coupons = launches.filter(launches.coupon == 1).select(
        "product_id",
        "product_index",
        channel_id=ibis.literal(coupon_channel),
        coverage_plan=ibis.literal(1.0),
        coverage_4w=ibis.literal(1.0),
    )
    return result.union(coupons)


def launch_table(
    con: Backend,
    products: ir.Table,
    interactions: ir.Table,
    product_weeks: ir.Table,
    promotion_weeks: ir.Table,
    coupon_weeks: ir.Table | None,
    food_departments: tuple[str, ...],
    last_week: int,
    with_users: bool = True,
) -> ir.Table:
    """Plans and outcomes of all launches.

    Args:
        con: the engine.
        products: features' products with launch_week and first_promotion_week.
        interactions: purchases with product_index, user_index, week, order_key, quantity, revenue, discount.
        product_weeks: weekly sales.
        promotion_weeks: weekly coverage by channel.
        coupon_weeks: (product_index, week) pairs with an active coupon campaign; None = the data have none.
        food_departments: departments of food.
        last_week: last whole week of the data.
        with_users: whether the data have users; without them, nothing is known of buyers.

    Returns:
        The columns of `features/launches.parquet` (see docs/data.md); buyers are users that are known.
    """
    launches = products.filter(products.launch_week.notnull()).select(
        "product_id", "product_index", "department", "category", "type", "launch_week", "first_promotion_week"
    )
    outcome = _outcomes(launches, interactions)
    table = launches.left_join(outcome, "product_index").drop("product_index_right")
    table = table.mutate(_plan_flags(table, food_departments))
    table = _with_coupon(table, coupon_weeks)
    kin = products.select("product_index", "department", "category", "type")
    sales = product_weeks.inner_join(kin, "product_index")
    table = _with_price(con, table, sales)
    table = _with_discount(con, table, sales, promotion_weeks)
    known = {
        f"{name}_{weeks}w": _known(table[f"{name}_{weeks}w"].fill_null(0), table.launch_week, weeks, last_week)
        for name in ("units", "revenue", "buyers")
        for weeks in OUTCOME_WEEKS
    }
    known["repeat_buyers_8w"] = _known(table.repeat_buyers_8w.fill_null(0), table.launch_week, 8, last_week)
    if not with_users:
        known |= {name: ibis.null(value.type()) for name, value in known.items() if "buyers" in name}
    return table.mutate(known).select(
        "product_id",
        "product_index",
        "launch_week",
        "is_promotion_first",
        "is_food",
        "entered_by_sale",
        *known,
        "price",
        "price_imputed",
        "discount",
        "discount_imputed",
        "coupon",
    )


def _known(value: ir.Value, launch_week: ir.Value, weeks: int, last_week: int) -> ir.Value:
    """The value where the data hold all its weeks, else null."""
    return ibis.ifelse(launch_week + weeks - 1 <= last_week, value, ibis.null(value.type()))


def _outcomes(launches: ir.Table, interactions: ir.Table) -> ir.Table:
    joined = launches.select("product_index", "launch_week").inner_join(interactions, "product_index")
    after = joined.week - joined.launch_week
    rows = joined.mutate(after=after).filter(after.between(0, 7))
    repeat = (
        rows.filter(rows.user_index.notnull())
        .group_by("product_index", "user_index")
        .agg(orders=lambda t: t.order_key.nunique())
        .filter(lambda t: t.orders >= 2)
        .group_by("product_index")
        .agg(repeat_buyers_8w=lambda t: t.count())
    )
    totals = rows.group_by("product_index").agg(
        units_4w=exact_sum(rows.quantity, where=rows.after < 4),
        units_8w=exact_sum(rows.quantity),
        revenue_4w=exact_sum(rows.revenue, where=rows.after < 4),
        revenue_8w=exact_sum(rows.revenue),
        list_value_8w=exact_sum(rows.revenue.cast(MONEY) + rows.discount.cast(MONEY)),
        buyers_4w=rows.user_index.nunique(where=rows.after < 4),
        buyers_8w=rows.user_index.nunique(),
        list_value_2w=exact_sum(rows.revenue.cast(MONEY) + rows.discount.cast(MONEY), where=rows.after < PLAN_WEEKS),
        discount_2w=exact_sum(rows.discount, where=rows.after < PLAN_WEEKS),
    )
    return totals.left_join(repeat, "product_index").drop("product_index_right")


def _plan_flags(table: ir.Table, food_departments: tuple[str, ...]) -> dict[str, ir.Value]:
    first = (table.first_promotion_week == table.launch_week).fill_null(False)
    food = table.department.isin(food_departments) if food_departments else ibis.literal(False)
    return {"is_promotion_first": first, "is_food": food, "entered_by_sale": (~first).cast("int8")}


def _with_coupon(table: ir.Table, coupon_weeks: ir.Table | None) -> ir.Table:
    if coupon_weeks is None:
        return table.mutate(coupon=ibis.literal(0, type="int8"))
    pairs = table.select("product_index", "launch_week").inner_join(coupon_weeks, "product_index")
    pairs = pairs.filter((pairs.week - pairs.launch_week).between(0, PLAN_WEEKS - 1))
    active = pairs.select("product_index").distinct().mutate(coupon=ibis.literal(1, type="int8"))
    joined = table.left_join(active, "product_index").drop("product_index_right")
    return joined.mutate(coupon=joined.coupon.fill_null(0))


# From the nearest kin of a launch to everything: the donors of a hot deck are sought in this order.
KIN = (("department", "category", "type"), ("department", "category"), ("department",), ())


def hot_deck(
    con: Backend, receivers: ir.Table, donors: ir.Table, value: str, levels: tuple[tuple[str, ...], ...]
) -> ir.Table:
    """Impute by hot deck: each receiver takes the value of one donor, drawn by a hash of both, the earliest of several.

    A drawn value is distributed as observed ones are, so that nothing tells it from them; a median would mark every
    launch without a sale.

    Args:
        con: the engine.
        receivers: product_index, launch_week and the columns of `levels`.
        donors: donor (product_index), known_from (first launch week that may know it), `value`, columns of `levels`.
        value: column to impute.
        levels: columns that donor and receiver must share; the first level that has a donor decides.

    Returns:
        product_index and `value`, of receivers that found a donor.
    """
    waiting = con.create_table(ibis.util.gen_name("receivers"), receivers, temp=True)
    if levels[-1]:  # most donors share nothing with any receiver
        donors = donors.semi_join(waiting.select(*levels[-1]), levels[-1])
    deck = con.create_table(ibis.util.gen_name("donors"), donors, temp=True)
    found: list[ir.Table] = []
    for keys in levels:
        right = deck.select("donor", "known_from", value, *keys)
        predicates = [waiting[key] == right[key] for key in keys]
        pairs = waiting.select("product_index", "launch_week", *(key for key in keys if key != "launch_week")).join(
            right, [*predicates, waiting.launch_week >= right.known_from, waiting.product_index != right.donor]
        )
        ticket = (pairs.product_index.cast("string") + "/" + pairs.donor.cast("string")).hexdigest("md5")
        # a donor known from several weeks has one ticket for all: the earliest week counts, not the order of the rows
        order = ticket + "/" + pairs.known_from.cast("string").lpad(6, "0") + "/" + pairs.donor.cast("string")
        drawn = pairs.group_by("product_index").agg(pairs[value].argmin(order).name(value))
        found.append(con.create_table(ibis.util.gen_name("drawn"), drawn, temp=True))
        waiting = con.create_table(
            ibis.util.gen_name("receivers"), waiting.anti_join(found[-1], "product_index"), temp=True
        )
    return found[0].union(*found[1:]) if len(found) > 1 else found[0]


def _with_price(con: Backend, table: ir.Table, sales: ir.Table) -> ir.Table:
    """Regular unit price in L..L+7; without a sale, that of a donor in its own first eight weeks of sale, before L."""
    observed = ibis.ifelse(
        (table.units_8w > 0) & (table.list_value_8w > 0), table.list_value_8w / table.units_8w, ibis.null("float64")
    )
    table = con.create_table(ibis.util.gen_name("priced"), table.mutate(observed_price=observed), temp=True)
    first = sales.group_by("product_index").agg(first_sale=sales.week.min())
    early = sales.inner_join(first, "product_index").filter(lambda t: t.week - t.first_sale <= 7)
    donors = early.group_by("product_index", "department", "category", "type").agg(
        known_from=(early.first_sale.min() + 8).cast("int32"),
        list_value=exact_sum(early.revenue.cast(MONEY) + early.discount.cast(MONEY)),
        units=exact_sum(early.units),
    )
    donors = donors.filter((donors.units > 0) & (donors.list_value > 0)).select(
        "department",
        "category",
        "type",
        "known_from",
        donor="product_index",
        drawn_price=donors.list_value / donors.units,
    )
    receivers = table.filter(table.observed_price.isnull()).select(
        "product_index", "department", "category", "type", "launch_week"
    )
    drawn = hot_deck(con, receivers, donors, "drawn_price", KIN)
    joined = table.left_join(drawn, "product_index").drop("product_index_right")
    return joined.mutate(
        price=ibis.coalesce(joined.observed_price, joined.drawn_price), price_imputed=joined.observed_price.isnull()
    )


def _with_discount(con: Backend, table: ir.Table, sales: ir.Table, promotion_weeks: ir.Table) -> ir.Table:
    """Discount in L..L+1 as a fraction of the list value; without a sale, that of a donor in weeks L-2..L-1.

    Donors share the category (else the department) and whether they were promoted in that week. A zero in place of an
    unknown discount would say "no sale" instead of "no discount".
    """
    observed = ibis.ifelse(table.list_value_2w > 0, table.discount_2w / table.list_value_2w, ibis.null("float64"))
    table = table.mutate(observed_discount=observed, promoted=(1 - table.entered_by_sale).cast("int8"))
    table = con.create_table(ibis.util.gen_name("discounted"), table, temp=True)
    promoted = promotion_weeks.select("product_index", "week").distinct().mutate(promoted=ibis.literal(1, type="int8"))
    weeks = sales.filter(sales.revenue + sales.discount > 0)
    weeks = weeks.left_join(promoted, ["product_index", "week"], rname="{name}_of_promotion")
    decks = [
        weeks.select(
            "department",
            "category",
            donor="product_index",
            promoted=weeks.promoted.fill_null(0).cast("int8"),
            launch_week=(weeks.week + back).cast("int32"),
            known_from=(weeks.week + 1).cast("int32"),
            drawn_discount=weeks.discount / (weeks.revenue + weeks.discount),
        )
        for back in range(1, PLAN_WEEKS + 1)
    ]
    receivers = table.filter(table.observed_discount.isnull()).select(
        "product_index", "department", "category", "launch_week", "promoted"
    )
    levels = (("department", "category", "launch_week", "promoted"), ("department", "launch_week", "promoted"))
    drawn = hot_deck(con, receivers, decks[0].union(*decks[1:]), "drawn_discount", levels)
    joined = table.left_join(drawn, "product_index").drop("product_index_right")
    return joined.mutate(
        discount=ibis.coalesce(joined.observed_discount, joined.drawn_discount, ibis.literal(0.0)),
        discount_imputed=joined.observed_discount.isnull(),
    )
