"""Units sold, less those returned, by day: of some products, and of the whole shop."""

from collections.abc import Sequence

import sqlalchemy as sa

from onshelf_gateway.store.event_table import EVENTS
from onshelf_gateway.store.product_days import PRODUCT_DAYS

SIGNS = {"purchase": 1.0, "return": -1.0}


def units_by_day(
    connection: sa.Connection, product_ids: Sequence[str], first_day: str, until: str
) -> list[tuple[str, str, float]]:
    """Product, day and units of these products, of days from one on and before another."""
    p = PRODUCT_DAYS.c
    query = sa.select(p.product_id, p.day, p.units).where(
        p.product_id.in_(product_ids), p.day >= first_day, p.day < until, p.units != 0
    )
    return [(row.product_id, row.day, float(row.units)) for row in connection.execute(query)]


def units_since(connection: sa.Connection, after: int) -> tuple[list[tuple[str, float]], int]:
    """Day and units of all events that were written after one (0: of all), and the number of the last.

    The connection reads one moment.
    """
    e, p = EVENTS.c, PRODUCT_DAYS.c
    last = connection.execute(sa.select(sa.func.max(e.sequence))).scalar_one() or 0
    if last <= after:
        return [], after
    if after:
        signs = [(e.kind == name, sign * e.quantity) for name, sign in SIGNS.items()]
        units = sa.func.sum(sa.case(*signs, else_=0.0))
        query = (
            sa.select(e.day, units)
            .where(e.kind.in_(tuple(SIGNS)), e.sequence > after, e.sequence <= last)
            .group_by(e.day)
        )
    else:
        query = sa.select(p.day, sa.func.sum(p.units)).group_by(p.day)
    return [(row[0], float(row[1])) for row in connection.execute(query)], int(last)
