"""Works that share a transaction: a failure of one undoes that one alone."""

import asyncio

import pytest
import sqlalchemy as sa

from onshelf_gateway.store.database import Store, StoreError
from onshelf_gateway.store.group_commit import GroupCommit


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.open()
    with store.writing() as connection:
        connection.execute(sa.text("CREATE TABLE t (a INTEGER UNIQUE)"))
    yield store
    store.close()


def insert(number: int):
    return lambda connection: connection.execute(sa.text(f"INSERT INTO t VALUES ({number})")).rowcount


def whole_transaction_is_gone(connection):
    """As SQLite does by itself where the disk is full or cannot be read."""
    connection.connection.driver_connection.rollback()
    connection.execute(sa.text("SELECT nothing"))


async def test_a_failure_undoes_its_own_work_alone(store):
    commits = GroupCommit(store)
    works = [insert(1), whole_transaction_is_gone, insert(2), insert(1), insert(3)]
    results = await asyncio.gather(*(commits.write(work) for work in works), return_exceptions=True)
    assert [result if isinstance(result, int) else type(result) for result in results] == [
        1,
        StoreError,
        1,
        StoreError,
        1,
    ]
    assert results[3].of_values
    assert not results[1].of_values
    rows = await commits.read(lambda connection: connection.execute(sa.text("SELECT a FROM t")).scalars().all())
    assert sorted(rows) == [1, 2, 3]
    await commits.close()
