"""What was decided for launches, from the store: the canonical table `launch_plans`, and what features take from it."""

import ibis
import ibis.expr.types as ir

from onshelf_exporter.data.weeks import week_column
from onshelf_release.calendar import RetailCalendar

PLAN_WEEKS = 2  # weeks L..L+1 of promotion, as in the contract's Action


def planned_weeks(
    plans: ir.Table, product_index: ir.Table, calendar: RetailCalendar, reached: int | None, last_week: int
) -> ir.Table:
    """Coverage by product, week and channel as decided.

    Args:
        plans: the canonical table.
        product_index: product_id, product_index.
        calendar: numbers the weeks.
        reached: last week of the history's own promotions, which say what was done until then; None = it has none.
        last_week: last whole week of the data.
    """
    first = plans.mutate(first=week_column(calendar, plans.launch_date)).filter(plans.channel_id.notnull())
    first = first.inner_join(product_index, "product_id")
    weeks = [first.mutate(week=(first.first + after).cast("int32")) for after in range(PLAN_WEEKS)]
    table = weeks[0].union(*weeks[1:])
    table = table.filter(table.week <= last_week, table.week > (-1 if reached is None else reached))
    return table.select("product_id", "product_index", "week", "channel_id", coverage=table.coverage.cast("float64"))


def as_decided(launches: ir.Table, plans: ir.Table, calendar: RetailCalendar) -> ir.Table:
    """Launches whose price or discount nothing was sold at have the decided ones instead of drawn ones; and the coupon.

    Args:
        launches: as `launches.launch_table`.
        plans: the canonical table.
        calendar: numbers the weeks.
    """
    one = plans.select("product_id", "launch_date", decided_price="list_price", share="discount", with_coupon="coupon")
    one = one.distinct()
    one = one.mutate(decided_week=week_column(calendar, one.launch_date)).drop("launch_date")
    table = launches.left_join(one, "product_id").drop("product_id_right")
    mine = (table.decided_week == table.launch_week).fill_null(False)
    price = mine & table.price_imputed & table.decided_price.notnull()
    discount = mine & table.discount_imputed & table.share.notnull()
    coupon = ibis.ifelse(mine & table.with_coupon.fill_null(False), 1, table.coupon).cast("int8")
    changed = table.mutate(
        price=ibis.ifelse(price, table.decided_price, table.price),
        price_imputed=table.price_imputed & ~price,
        discount=ibis.ifelse(discount, table.share, table.discount),
        discount_imputed=table.discount_imputed & ~discount,
        coupon=coupon,
    )
    return changed.select(*launches.columns)
