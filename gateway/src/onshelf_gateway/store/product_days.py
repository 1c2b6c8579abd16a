"""The table of what happened to each product on each day: events added up as they are written.

Lists of launches read it instead of the events behind it. It is changed in the transaction that changes the events, so
that the two never differ.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from onshelf_gateway.store.event_table import EVENTS

metadata = sa.MetaData()
AT_ONCE = 1_000  # products in one statement
PAIRS_AT_ONCE = 400  # products and days in one statement

PRODUCT_DAYS = sa.Table(
    "product_days",
    metadata,
    sa.Column("product_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),  # the retailer's local date, ISO 8601
    *(
        sa.Column(f"{kind}_events", sa.BigInteger, nullable=False)
        for kind in ("purchase", "view", "click", "cart", "review", "impression", "return")
    ),
    sa.Column("units", sa.Float, nullable=False),  # sold, less returned
    sa.Column("revenue_nanos", sa.Float, nullable=False),  # less what was paid back; billionths of the currency's unit
    sa.Column("paid_units", sa.Float, nullable=False),  # of purchases whose revenue is known
    sa.Column("paid_nanos", sa.Float, nullable=False),  # that revenue
)


def add_days(connection: sa.Connection, after: int) -> None:
    """Add the events after a sequence, those that were just written, to their products' days."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(PRODUCT_DAYS).from_select(
        list(PRODUCT_DAYS.c.keys()), _summed().where(EVENTS.c.sequence > after)
    )
    keys = [column.name for column in PRODUCT_DAYS.primary_key]
    added = {c.name: c + statement.excluded[c.name] for c in PRODUCT_DAYS.c if c.name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=added))


def days_of_user(connection: sa.Connection, user_id: str) -> list[tuple[str, str]]:
    """The products and days that a user's events fall on."""
    e = EVENTS.c
    query = sa.select(e.product_id, e.day).where(e.user_id == user_id, e.user_id != "").distinct()
    return [(row.product_id, row.day) for row in connection.execute(query)]


def count_again(connection: sa.Connection, days: Sequence[tuple[str, str]]) -> None:
    """Add these products' days up anew: some of their events were deleted."""
    p, e = PRODUCT_DAYS.c, EVENTS.c
    for start in range(0, len(days), PAIRS_AT_ONCE):
        part = days[start : start + PAIRS_AT_ONCE]
        connection.execute(sa.delete(PRODUCT_DAYS).where(sa.tuple_(p.product_id, p.day).in_(part)))
        left = _summed().where(sa.tuple_(e.product_id, e.day).in_(part))
        connection.execute(sa.insert(PRODUCT_DAYS).from_select(list(p.keys()), left))


def product_days(connection: sa.Connection, product_ids: Sequence[str], first_day: str) -> list[Any]:
    """Rows of products from a day on."""
    return _of_products(connection, sa.select(PRODUCT_DAYS), product_ids, first_day)


def daily_units(connection: sa.Connection, product_ids: Sequence[str], first_day: str) -> list[Any]:
    """The same with product_id, day and units alone."""
    p = PRODUCT_DAYS.c
    return _of_products(connection, sa.select(p.product_id, p.day, p.units), product_ids, first_day)


def _of_products(connection: sa.Connection, query: Any, product_ids: Sequence[str], first_day: str) -> list[Any]:
    p = PRODUCT_DAYS.c
    found: list[Any] = []
    for start in range(0, len(product_ids), AT_ONCE):
        part = query.where(p.product_id.in_(product_ids[start : start + AT_ONCE]), p.day >= first_day)
        found += connection.execute(part).all()
    return found


def _summed() -> Any:
    """Events by product and day, with the columns of `PRODUCT_DAYS`."""
    e, sums = EVENTS.c, sa.func.sum
    bought, known = e.kind == "purchase", e.revenue_nanos.is_not(None)
    sign = sa.case((bought, 1.0), (e.kind == "return", -1.0), else_=0.0)
    nanos = sa.cast(sa.func.coalesce(e.revenue_nanos, 0), sa.Float)
    kinds = [c.name.removesuffix("_events") for c in PRODUCT_DAYS.c if c.name.endswith("_events")]
    return sa.select(
        e.product_id,
        e.day,
        *(sums(sa.case((e.kind == kind, 1), else_=0)) for kind in kinds),
        sums(sign * e.quantity),
        sums(sign * nanos),
        sums(sa.case((sa.and_(bought, known), e.quantity), else_=0.0)),
        sums(sa.case((bought, nanos), else_=0.0)),
    ).group_by(e.product_id, e.day)
