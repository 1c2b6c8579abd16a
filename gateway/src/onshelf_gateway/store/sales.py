"""Units sold, less those returned, by day: of some products, and of the whole shop."""

from collections.abc import Sequence

import sqlalchemy as sa

from onshelf_gateway.store.events import EVENTS, FORGOTTEN

SIGNS = {"purchase": 1.0, "return": -1.0}


def units_by_day(
    connection: sa.Connection, product_ids: Sequence[str], first_day: str, until: str
) -> list[tuple[str, str, float]]:
    """Product, day and units of these products, of days from one on and before another."""
    e = EVENTS.c
    query = (
        sa.select(e.product_id, e.day, _units())
        .where(e.product_id.in_(product_ids), e.day >= first_day, e.day < until, e.kind.in_(tuple(SIGNS)))
        .group_by(e.product_id, e.day)
    )
    return [(row[0], row[1], float(row[2])) for row in connection.execute(query)]


def units_since(connection: sa.Connection, after: int) -> tuple[list[tuple[str, float]], int]:
    """Day and units of all events that were written after one (0: of all), and the number of the last.

    The connection reads one moment. Without a bound the narrow index is read instead of the table.
    """
    e = EVENTS.c
    last = connection.execute(sa.select(sa.func.max(e.sequence))).scalar_one() or 0
    if last <= after:
        return [], after
    query = sa.select(e.day, _units()).where(e.kind.in_(tuple(SIGNS))).group_by(e.day)
    rows = connection.execute(query.where(e.sequence > after) if after else query)
    return [(row[0], float(row[1])) for row in rows], int(last)


def count_forgotten(connection: sa.Connection) -> int:
    """How many receipts there are of users whose events were deleted."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(FORGOTTEN)).scalar_one())


def _units() -> sa.ColumnElement[float]:
    kind = EVENTS.c.kind
    signs = [(kind == name, sign * EVENTS.c.quantity) for name, sign in SIGNS.items()]
    return sa.func.sum(sa.case(*signs, else_=0.0)).label("units")
