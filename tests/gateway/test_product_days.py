"""Events added up by product and day: the same as the events behind them, whatever is written and deleted."""

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from onshelf_gateway.store import events
from onshelf_gateway.store.database import Store
from onshelf_gateway.store.product_days import PRODUCT_DAYS

KINDS = ("purchase", "view", "click", "cart", "review", "impression", "return")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    server: str = request.getfixturevalue("postgresql")
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS days WITH (FORCE)"))
        connection.execute(sa.text("CREATE DATABASE days"))
    engine.dispose()
    return server.replace("/postgres?", "/days?")


@pytest.fixture
def store(url: str):
    one = Store(url)
    one.open()
    yield one
    one.close()


def made_up(seed: int, count: int, users: int = 5) -> list[dict[str, Any]]:
    """Rows of the table `events`, of few products, days and users."""
    draw, found = random.Random(seed), []
    for n in range(count):
        kind = draw.choice(KINDS)
        with_units = kind in ("purchase", "return")
        day = dt.date(2018, 1, 1) + dt.timedelta(days=draw.randrange(6))
        found.append(
            {
                "event_id": f"{seed}-{n}",
                "fingerprint": bytes(16),
                "kind": kind,
                "user_id": draw.choice(["", *(f"u{user}" for user in range(users))]),
                "product_id": draw.choice("abc"),
                "time": dt.datetime.combine(day, dt.time(12)),
                "day": day.isoformat(),
                "attribution_token": "",
                "quantity": float(draw.randrange(1, 4)) if with_units else 0.0,
                "revenue_nanos": draw.randrange(10**10) if with_units and draw.random() < 0.7 else None,
                "discount_nanos": None,
                "rating": 4.0 if kind == "review" else None,
                "text": "",
                "site_id": "",
                "channel_id": "",
            }
        )
    return found


def record(store: Store, rows: list[dict[str, Any]]) -> None:
    with store.writing() as connection:
        events.add_events(connection, [(n, dict(row), b"") for n, row in enumerate(rows)], [], 10)


def kept(store: Store) -> dict[tuple[str, str], list[float]]:
    with store.reading() as connection:
        return {(row[0], row[1]): list(row[2:]) for row in connection.execute(sa.select(PRODUCT_DAYS))}


def counted(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[float]]:
    """The same, event by event."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        sums = found.setdefault((row["product_id"], row["day"]), [0.0] * (len(KINDS) + 4))
        sums[KINDS.index(row["kind"])] += 1
        sign = {"purchase": 1, "return": -1}.get(row["kind"], 0)
        sums[-4] += sign * row["quantity"]
        sums[-3] += sign * (row["revenue_nanos"] or 0)
        if sign == 1 and row["revenue_nanos"] is not None:
            sums[-2] += row["quantity"]
            sums[-1] += row["revenue_nanos"]
    return found


def alike(one: dict[tuple[str, str], list[float]], other: dict[tuple[str, str], list[float]]) -> bool:
    return set(one) == set(other) and all(one[key] == pytest.approx(other[key]) for key in one)


def test_days_are_the_sums_of_their_events(store) -> None:
    first, second = made_up(1, 300), made_up(2, 200)
    record(store, first)
    record(store, first[:50] + second)  # the first ones are there already
    assert alike(kept(store), counted(first + second))


def test_a_forgotten_users_events_leave_the_sums(store) -> None:
    rows = made_up(3, 60)
    lonely = {**rows[0], "event_id": "alone", "user_id": "u1", "product_id": "only"}
    record(store, [*rows, lonely])
    with store.writing() as connection:
        events.forget_user(connection, "u1", "receipt")
    left = [row for row in rows if row["user_id"] != "u1"]
    assert alike(kept(store), counted(left)), "a day without an event has no row"
    record(store, made_up(4, 40))
    assert alike(kept(store), counted(left + made_up(4, 40)))


def test_a_store_of_before_is_added_up_when_it_is_opened(url: str) -> None:
    old, rows = Store(url), made_up(5, 200)
    old.open()
    record(old, rows)
    with old.writing() as connection:
        config = Config()
        config.set_main_option("script_location", "onshelf_gateway:store:migrations")
        config.attributes["connection"] = connection
        for statement in ("DROP TABLE product_days", "DROP INDEX events_by_rating"):
            connection.execute(sa.text(statement))
        command.stamp(config, "0003")
    old.close()
    new = Store(url)
    new.open()
    assert alike(kept(new), counted(rows))
    new.close()
