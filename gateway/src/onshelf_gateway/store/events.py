"""The tables of events: what users did, what was refused, and who asked to be forgotten.

    events           one row for each event that was taken (event_table.py), added up in product_days (product_days.py)
    refused_events   the newest events that broke a rule, as they came
    forgotten_users  keyed hashes of users whose data were deleted
    feedback_state   one row: the newest event's day, refused events that were dropped, the key of these hashes

docs/feedback.md documents their columns; the exporter reads them.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from onshelf_gateway.store.answers import ANSWERS, AUDIENCE, PLAN, utc_now
from onshelf_gateway.store.event_table import EVENTS, Number
from onshelf_gateway.store.product_days import add_days, count_again, days_of_user
from onshelf_release.forgotten_users import ForgottenUsers, hash_user

metadata = sa.MetaData()
LOCK = 0x6576656E  # of PostgreSQL's advisory locks: one writer of events at a time
AT_ONCE = 1_000  # ids in one statement

REFUSED = sa.Table(
    "refused_events",
    metadata,
    sa.Column("sequence", Number, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("refused_at", sa.DateTime, nullable=False),  # UTC
    sa.Column("reason", sa.Text, nullable=False),  # an ErrorReason
    sa.Column("field", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("event", sa.LargeBinary, nullable=False),  # onshelf.v1.Event, serialized
)
FORGOTTEN = sa.Table(
    "forgotten_users",
    metadata,
    sa.Column("receipt_id", sa.Text, primary_key=True),
    sa.Column("user_hash", sa.Text, nullable=False),  # hash_user
    sa.Column("forgotten_at", sa.DateTime, nullable=False),  # UTC
)
STATE = sa.Table(
    "feedback_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("newest_day", sa.Text, nullable=False),  # of all events, ISO 8601; empty before there is one
    sa.Column("refused_dropped", sa.BigInteger, nullable=False),
    sa.Column("user_hash_key", sa.Text, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class RefusedRow:
    """An event that broke a rule; see the table. `index`: its position in the batch."""

    index: int
    event_id: str
    user_id: str
    reason: str
    field: str
    message: str
    event: bytes


@dataclass(kw_only=True)
class Recorded:
    """What became of a batch."""

    stored: int = 0
    duplicates: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


def add_events(
    connection: sa.Connection,
    rows: Sequence[tuple[int, dict[str, Any], bytes]],
    refused: Sequence[RefusedRow],
    most: int,
) -> Recorded:
    """Write a batch.

    Args:
        connection: of a transaction.
        rows: events that keep the rules: position in the batch, columns of `EVENTS`, the event serialized.
        refused: those that do not.
        most: refused events kept; the oldest go first.
    """
    _lock(connection)
    result = Recorded(refused=list(refused))
    known = _fingerprints(connection, [row["event_id"] for _, row, _ in rows])
    new: list[dict[str, Any]] = []
    now = utc_now()
    for index, row, event in rows:
        before = known.get(row["event_id"])
        if before is None:
            known[row["event_id"]] = row["fingerprint"]
            new.append({**row, "recorded_at": now})
        elif before == row["fingerprint"]:
            result.duplicates += 1
        else:
            result.refused.append(_reused(index, row, before, event))
    if new:
        last = connection.execute(sa.select(sa.func.max(EVENTS.c.sequence))).scalar_one()
        connection.execute(sa.insert(EVENTS), new)
        add_days(connection, -1 if last is None else last)
        newest = max(row["day"] for row in new)
        connection.execute(sa.update(STATE).where(STATE.c.newest_day < newest).values(newest_day=newest))
    result.stored = len(new)
    _keep_refused(connection, result.refused, {row["event_id"] for _, row, _ in rows}, most)
    result.refused.sort(key=lambda one: one.index)
    return result


def newest_day(connection: sa.Connection) -> dt.date | None:
    """The local day of the newest event; None before there is one."""
    day = connection.execute(sa.select(STATE.c.newest_day)).scalar_one()
    return dt.date.fromisoformat(day) if day else None


def list_events(connection: sa.Connection, most: int, after: int | None, product_id: str) -> list[Any]:
    """Rows of events in order of writing: those after a sequence, of one product where it is named."""
    query = sa.select(EVENTS).order_by(EVENTS.c.sequence).limit(most)
    if after is not None:
        query = query.where(EVENTS.c.sequence > after)
    if product_id:
        query = query.where(EVENTS.c.product_id == product_id)
    return list(connection.execute(query).all())


def rated_reviews(connection: sa.Connection, product_ids: Sequence[str], first_day: str) -> list[Any]:
    """Stars of products' reviews from a day on, by time: rows of product_id, day, rating."""
    e = EVENTS.c
    found: list[Any] = []
    for start in range(0, len(product_ids), AT_ONCE):
        mine = e.product_id.in_(product_ids[start : start + AT_ONCE])
        query = sa.select(e.product_id, e.day, e.rating).where(mine, e.rating.is_not(None))
        found += connection.execute(query.where(e.day >= first_day).order_by(e.time, e.sequence)).all()
    return found


def written_reviews(
    connection: sa.Connection, product_id: str, first_day: str, until: str, most: int
) -> tuple[list[Any], int]:
    """The newest reviews with a text from a day on and before another (event_id, day, rating, text), and how many."""
    e = EVENTS.c
    mine = (e.product_id == product_id, e.kind == "review", e.text != "", e.day >= first_day, e.day < until)
    total = connection.execute(sa.select(sa.func.count()).select_from(EVENTS).where(*mine)).scalar_one()
    query = sa.select(e.event_id, e.day, e.rating, e.text).where(*mine).order_by(e.time.desc(), e.sequence.desc())
    return list(connection.execute(query.limit(most)).all()), int(total)


def count_buyers(connection: sa.Connection, product_id: str, first_day: str, until: str) -> tuple[int, int]:
    """Users who bought a product from a day on and before another, and how many of them on more than one day."""
    e = EVENTS.c
    days = (
        sa.select(sa.func.count(sa.distinct(e.day)).label("days"))
        .where(e.product_id == product_id, e.kind == "purchase", e.user_id != "", e.day >= first_day, e.day < until)
        .group_by(e.user_id)
        .subquery()
    )
    again = sa.func.coalesce(sa.func.sum(sa.case((days.c.days > 1, 1), else_=0)), 0)
    row = connection.execute(sa.select(sa.func.count(), again).select_from(days)).one()
    return int(row[0]), int(row[1])


def count_reached(connection: sa.Connection, product_id: str, first_day: str, until: str) -> tuple[int, int]:
    """Users who were shown a product by an answer within these days, or clicked on it; of them those who bought it."""
    e, other = EVENTS.c, EVENTS.alias("other").c
    inside = (e.product_id == product_id, e.user_id != "", e.day >= first_day, e.day < until)
    bought = sa.exists().where(
        other.user_id == e.user_id,
        other.product_id == product_id,
        other.kind == "purchase",
        other.day >= first_day,
        other.day < until,
    )
    shown = sa.select(e.user_id, sa.case((bought, 1), else_=0).label("bought")).where(
        *inside, e.kind.in_(("impression", "click")), e.attribution_token != ""
    )
    users = shown.distinct().subquery()
    row = connection.execute(sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(users.c.bought), 0))).one()
    return int(row[0]), int(row[1])


def buyers(connection: sa.Connection, product_id: str, first_day: str, until: str) -> list[str]:
    """The users who bought a product from a day on and before another."""
    e = EVENTS.c
    query = sa.select(e.user_id).where(e.product_id == product_id, e.day >= first_day, e.day < until).distinct()
    return list(connection.execute(query.where(e.kind == "purchase", e.user_id != "")).scalars())


def count_attributed(
    connection: sa.Connection, product_id: str, first_day: str, until: str, window_days: float
) -> tuple[int, int, int]:
    """Purchases by how they are joined to answers: by token, by last touch within the window, and not at all."""
    e, t = EVENTS.c, EVENTS.alias("touch").c
    if connection.dialect.name == "sqlite":
        age = sa.func.julianday(e.time) - sa.func.julianday(t.time)
    else:
        age = sa.func.extract("epoch", e.time - t.time) / 86_400.0
    touched = sa.exists().where(
        t.user_id == e.user_id,
        t.product_id == e.product_id,
        t.kind.in_(("impression", "click")),
        t.attribution_token != "",
        t.time <= e.time,
        age <= window_days,
    )
    kind = sa.case((e.attribution_token != "", 0), (sa.and_(e.user_id != "", touched), 1), else_=2)
    query = (
        sa.select(kind.label("joined"), sa.func.count().label("purchases"))
        .where(e.product_id == product_id, e.kind == "purchase", e.day >= first_day, e.day < until)
        .group_by(sa.text("joined"))
    )
    counts = {row.joined: int(row.purchases) for row in connection.execute(query)}
    return counts.get(0, 0), counts.get(1, 0), counts.get(2, 0)


def list_refused(connection: sa.Connection, most: int, before: int | None) -> tuple[list[Any], int, int]:
    """Refused events, newest first: rows, how many there are in all, and how many were dropped."""
    query = sa.select(REFUSED).order_by(REFUSED.c.sequence.desc()).limit(most)
    if before is not None:
        query = query.where(REFUSED.c.sequence < before)
    total = connection.execute(sa.select(sa.func.count()).select_from(REFUSED)).scalar_one()
    dropped = connection.execute(sa.select(STATE.c.refused_dropped)).scalar_one()
    return list(connection.execute(query).all()), int(total), int(dropped)


def count_forgotten(connection: sa.Connection) -> int:
    """How many receipts there are; they are never deleted."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(FORGOTTEN)).scalar_one())


def forgotten_users(connection: sa.Connection) -> ForgottenUsers:
    """All who asked to be forgotten."""
    return ForgottenUsers(
        user_hash_key(connection), frozenset(connection.execute(sa.select(FORGOTTEN.c.user_hash)).scalars())
    )


def user_hash_key(connection: sa.Connection) -> str:
    """The store's own key of hashes of user ids, made with the store."""
    return str(connection.execute(sa.select(STATE.c.user_hash_key)).scalar_one())


def forget_user(connection: sa.Connection, user_id: str, receipt_id: str) -> dict[str, int]:
    """Delete a user's events and the recommendations to the user; returns the rows deleted by table."""
    _lock(connection)
    key = user_hash_key(connection)
    days = days_of_user(connection, user_id)
    deleted = {
        table.name: connection.execute(
            sa.delete(table).where(table.c.user_id == user_id, table.c.user_id != "")
        ).rowcount
        for table in (EVENTS, REFUSED, ANSWERS)
    }
    count_again(connection, days)
    connection.execute(
        sa.insert(FORGOTTEN),
        {"receipt_id": receipt_id, "user_hash": hash_user(key, user_id), "forgotten_at": utc_now()},
    )
    return deleted


def audiences_with(connection: sa.Connection, user_id: str) -> list[str]:
    """Ids of plans and audiences in whose bytes a text field numbered 1 is the user's id, as in AudienceMember."""
    written = user_id.encode()
    length = bytes([len(written)]) if len(written) < 128 else bytes([len(written) % 128 + 128, len(written) // 128])
    needle = sa.literal(b"\x0a" + length + written, sa.LargeBinary)
    if connection.dialect.name == "sqlite":
        found = sa.func.instr(ANSWERS.c.response, needle)
    else:
        found = sa.func.position(needle.op("IN")(ANSWERS.c.response))
    query = sa.select(ANSWERS.c.answer_id).where(ANSWERS.c.kind.in_((PLAN, AUDIENCE)), found > 0)
    return list(connection.execute(query).scalars().all())


def replace_response(connection: sa.Connection, answer_id: str, response: bytes) -> None:
    """Put another response in the place of a remembered one."""
    connection.execute(sa.update(ANSWERS).where(ANSWERS.c.answer_id == answer_id).values(response=response))


def _lock(connection: sa.Connection) -> None:
    """Let nobody else change events until the transaction ends; in SQLite nobody else writes anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def _fingerprints(connection: sa.Connection, ids: Sequence[str]) -> dict[str, bytes]:
    columns = sa.select(EVENTS.c.event_id, EVENTS.c.fingerprint)
    found: dict[str, bytes] = {}
    for start in range(0, len(ids), AT_ONCE):
        query = columns.where(EVENTS.c.event_id.in_(ids[start : start + AT_ONCE]))
        found |= {row.event_id: row.fingerprint for row in connection.execute(query)}
    return found


def _reused(index: int, row: dict[str, Any], before: bytes, event: bytes) -> RefusedRow:
    return RefusedRow(
        index=index,
        event_id=row["event_id"],
        user_id=row["user_id"],
        reason="EVENT_ID_REUSED",
        field="event_id",
        message=f"was recorded with other content: its fingerprint is {before.hex()}, this event's is "
        f"{row['fingerprint'].hex()}; the first one stands",
        event=event,
    )


def _keep_refused(connection: sa.Connection, refused: Sequence[RefusedRow], taken: set[str], most: int) -> None:
    """Keep the refused events, drop what is too many, and those that were sent again and taken."""
    again = {one.event_id for one in refused}
    ids = sorted({name for name in (taken | again) if name})
    for start in range(0, len(ids), AT_ONCE):
        connection.execute(sa.delete(REFUSED).where(REFUSED.c.event_id.in_(ids[start : start + AT_ONCE])))
    if not refused:
        return
    now = utc_now()
    rows = [{name: value for name, value in vars(one).items() if name != "index"} for one in refused]
    connection.execute(sa.insert(REFUSED), [{**row, "refused_at": now} for row in rows])
    newest = sa.select(REFUSED.c.sequence).order_by(REFUSED.c.sequence.desc()).limit(1).offset(most).scalar_subquery()
    dropped = connection.execute(sa.delete(REFUSED).where(REFUSED.c.sequence <= newest)).rowcount
    if dropped:
        connection.execute(sa.update(STATE).values(refused_dropped=STATE.c.refused_dropped + dropped))
