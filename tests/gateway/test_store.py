"""The store and the catalog's tables, on SQLite and on PostgreSQL."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from onshelf_gateway.store import answers, event_table, events, product_days, products
from onshelf_gateway.store.database import Store, StoreError
from onshelf_gateway.store.products import ENCODINGS, CatalogFullError, CatalogStore

MODELS = "3:abc:product_encoder"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new folder' / 'store.db'}"
    server: str = request.getfixturevalue("postgresql")
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS shop WITH (FORCE)"))
        connection.execute(sa.text("CREATE DATABASE shop"))
    engine.dispose()
    return server.replace("/postgres?", "/shop?")


@pytest.fixture
def opened(url: str) -> Iterator[Callable[..., CatalogStore]]:
    """Opens the store, as one more process does."""
    stores = []

    def open_one(most: int = 100) -> CatalogStore:
        stores.append(Store(url))
        stores[-1].open()
        return CatalogStore(stores[-1], most)

    yield open_one
    for store in stores:
        store.close()


def nobody(_: str) -> bool:
    return False


def rows(*names: str, text: bytes = b"text") -> list[tuple[str, bytes, bytes]]:
    return [(name, text, b"read " + name.encode()) for name in names]


def test_changes_are_numbered_and_found_by_others(opened) -> None:
    one, two = opened(), opened()
    written = one.upsert(rows("a", "b"), MODELS, 3, nobody)
    assert (written.known, written.unknown) == (0, 2)
    assert [change.number for change in written.changes] == [1, 2]
    assert two.last_change() == 2
    again = two.upsert(rows("b", "c", text=b"other"), MODELS, 3, nobody)
    assert (again.known, again.unknown) == (1, 1)
    found = one.changes_after(1, [MODELS, "4:later"], 10)
    assert [(change.product_id, change.number, change.product) for change, _ in found] == [
        ("b", 3, b"other"),
        ("c", 4, b"other"),
    ]
    assert found[0][1] == {MODELS: b"read b"}
    assert [change.product_id for change, _ in one.changes_after(0, [MODELS], 2)] == ["a", "b"]


def test_deleting_leaves_a_mark(opened) -> None:
    one = opened()
    one.upsert(rows("a", "b"), MODELS, 3, nobody)
    written = one.delete(["a", "nobody", "of the release"], lambda name: name == "of the release")
    assert (written.known, written.unknown) == (2, 1)
    marks = {change.product_id: change for change, _ in one.changes_after(2, [MODELS], 10)}
    assert set(marks) == {"a", "of the release"}
    assert all(mark.deleted for mark in marks.values())
    assert one.delete(["a", "of the release"], lambda _: True).unknown == 2
    assert one.encodings(MODELS, ["a", "b"]) == {"b": (2, b"read b")}
    assert one.upsert(rows("a"), MODELS, 3, lambda _: True).unknown == 1, "it was deleted"


def test_there_is_room_for_so_many(opened) -> None:
    one = opened(3)
    one.upsert(rows("a", "b"), MODELS, 3, nobody)
    with pytest.raises(CatalogFullError) as caught:
        one.upsert(rows("b", "c", "d"), MODELS, 3, nobody)
    assert (caught.value.entries, caught.value.more) == (2, 2)
    assert one.last_change() == 2, "nothing was written"
    one.delete(["a"], nobody)
    one.upsert(rows("b", "c", "d"), MODELS, 3, nobody)


def test_later_readings_are_never_overwritten_and_old_releases_are_forgotten(opened) -> None:
    one = opened()
    one.upsert(rows("a"), MODELS, 3, nobody)
    one.upsert(rows("a", text=b"new"), MODELS, 3, nobody)
    one.add_encodings(MODELS, 3, [("a", 1, b"late")])
    assert one.encodings(MODELS, ["a"]) == {"a": (2, b"read a")}
    one.add_encodings("4:def", 4, [("a", 2, b"by another release")])
    one.forget_releases(4)
    assert one.encodings(MODELS, ["a"]) == {}
    assert one.changes_after(0, [MODELS, "4:def"], 9)[0][1] == {"4:def": b"by another release"}


def test_writers_at_the_same_time_lose_nothing(opened) -> None:
    stores, failures = [opened(1_000) for _ in range(4)], []

    def write(number: int) -> None:
        try:
            for turn in range(5):
                names = [f"p{(place * 7 + number) % 30}" for place in range(30)]
                stores[number].upsert(rows(*names), MODELS, 3, nobody)
                stores[number].add_encodings("4:def", 4, [(name, turn, b"x") for name in reversed(names)])
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert stores[0].last_change() == 4 * 5 * 30
    assert len(stores[0].changes_after(0, [MODELS], 100)) == 30


OPEN = """
import sys
from onshelf_gateway.store.products import CatalogStore
from onshelf_gateway.store.database import Store

store = Store(sys.argv[1])
store.open()
print(CatalogStore(store, 1).last_change())
"""


def test_processes_that_start_at_once_make_the_schema_once(url: str) -> None:
    command = [sys.executable, "-c", OPEN, url]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60) for process in started] == [("0\n", "")] * 4


TABLES = (products, answers, event_table, events, product_days)


@pytest.mark.parametrize("tables", TABLES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_migrations_make_the_tables_that_the_code_knows(url: str, tables: Any) -> None:
    store = Store(url)
    store.open()
    with store.reading() as connection:
        inspector = sa.inspect(connection)
        for name, table in tables.metadata.tables.items():
            found = {column["name"]: column for column in inspector.get_columns(name)}
            assert set(found) == set(table.columns.keys())
            for column in table.columns:
                assert found[column.name]["nullable"] == column.nullable
                kind = column.type.dialect_impl(connection.dialect).as_generic()
                assert isinstance(found[column.name]["type"].as_generic(), type(kind)), column
            assert inspector.get_pk_constraint(name)["constrained_columns"] == [c.name for c in table.primary_key]
    store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "no usable URL"),
        ("mysql://x/y", "mysql is not served"),
        ("sqlite://", "sqlite needs a file"),
        ("sqlite:////proc/nowhere/store.db", "/proc/nowhere"),
    ],
)
def test_a_store_that_cannot_be_used_says_why(url: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        Store(url).open()


def test_a_password_is_never_told() -> None:
    with pytest.raises(StoreError) as caught:
        Store("postgresql+psycopg://shop:secret-word@127.0.0.1:9/shop").open()
    assert "secret-word" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("no database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(f"sqlite:///{tmp_path / 'store.db'}").open()


def test_sqlite_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.open()
    with store.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.open()
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="schema"):
        Store(f"sqlite:///{tmp_path / 'store.db'}").open()


def test_a_failed_transaction_writes_nothing(opened, url: str) -> None:
    one = opened()
    one.upsert(rows("a"), MODELS, 3, nobody)
    with pytest.raises(StoreError):
        one.upsert([("b", b"text", None)], MODELS, 3, nobody)  # type: ignore[list-item]
    assert one.last_change() == 1
    other = Store(url)
    other.open()
    with other.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(ENCODINGS)).scalar() == 1
    other.close()
