"""The catalog's tables: products that were upserted or deleted since the model releases were made.

Changes have numbers that rise in the order in which their transactions end, so that who has seen all up to one number
misses nothing by asking for later ones. `catalog_encodings` keeps what the models of one release say of a product, so
that one process computes it for all.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from onshelf_gateway.store.answers import executed_plans
from onshelf_gateway.store.database import Store

AT_ONCE = 1_000  # ids in one statement
metadata = sa.MetaData()

STATE = sa.Table(  # one row
    "catalog_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("last_change", sa.BigInteger, nullable=False),
    sa.Column("entries", sa.BigInteger, nullable=False),  # products that are not deleted
)
PRODUCTS = sa.Table(
    "catalog_products",
    metadata,
    sa.Column("product_id", sa.Text, primary_key=True),
    sa.Column("change", sa.BigInteger, nullable=False, unique=True),  # the last one of this product
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("product", sa.LargeBinary, nullable=False),  # onshelf.v1.Product, serialized; empty where deleted
    sa.Column("changed_at", sa.DateTime, nullable=False),  # UTC
)
ENCODINGS = sa.Table(
    "catalog_encodings",
    metadata,
    sa.Column("product_id", sa.Text, primary_key=True),
    sa.Column("models", sa.Text, primary_key=True),  # the release's version and content, and the encoder
    sa.Column("model_release", sa.BigInteger, nullable=False),
    sa.Column("change", sa.BigInteger, nullable=False),  # of the product that was read
    sa.Column("encoding", sa.LargeBinary, nullable=False),  # a record of `delta.RECORD`
)


class CatalogFullError(Exception):
    """There are as many entries as the setting allows."""

    def __init__(self, entries: int, more: int) -> None:
        super().__init__(f"{entries} entries, {more} more")
        self.entries, self.more = entries, more


@dataclass(frozen=True, kw_only=True)
class ProductChange:
    """The last change of a product.

    Attributes:
        encoding: None where the models asked about have not read this version.
        executed: onshelf.v1.LaunchPlan, serialized, of the product's latest executed launch; empty where there is none.
    """

    product_id: str
    number: int
    deleted: bool
    product: bytes
    changed_at: dt.datetime
    encoding: bytes | None = None
    executed: bytes = b""


@dataclass(frozen=True)
class Written:
    """What a transaction did: its changes, and how many products were there before it and how many were not."""

    changes: tuple[ProductChange, ...]
    known: int
    unknown: int


class CatalogStore:
    """Reads and writes the tables; blocks.

    Args:
        store: the database.
        most: entries allowed, deleted ones not counted.
    """

    def __init__(self, store: Store, most: int) -> None:
        self._store = store
        self._most = most

    def upsert(
        self,
        rows: Sequence[tuple[str, bytes, bytes]],
        models: str,
        release: int,
        in_release: Callable[[str], bool],
    ) -> Written:
        """Write products (distinct id, product, encoding) durably, in their order.

        Args:
            rows: what to write.
            models: whose encodings they are.
            release: its version.
            in_release: whether a product is in the model release's own catalog.

        Raises:
            CatalogFullError: nothing was written.
            StoreError: nothing was written.
        """
        ids = [row[0] for row in rows]
        with self._store.writing() as connection:
            before = self._state(connection)
            deleted = self._deleted(connection, ids)
            more = sum(deleted.get(name, True) for name in ids)
            if before.entries + more > self._most:
                raise CatalogFullError(before.entries, more)
            now = _now()
            executed = executed_plans(connection, ids)
            changes = tuple(
                ProductChange(
                    product_id=name,
                    number=before.last_change + n,
                    deleted=False,
                    product=product,
                    changed_at=now,
                    encoding=encoding,
                    executed=executed.get(name, b""),
                )
                for n, (name, product, encoding) in enumerate(rows, start=1)
            )
            self._put(connection, PRODUCTS, ("product_id",), [_product_row(change) for change in changes])
            encodings = [_encoding_row(c.product_id, models, release, c.number, c.encoding) for c in changes]
            self._put(connection, ENCODINGS, ("product_id", "models"), encodings)
            self._count(connection, len(changes), more)
        known = sum(not deleted[name] if name in deleted else in_release(name) for name in ids)
        return Written(changes, known, len(ids) - known)

    def delete(self, ids: Sequence[str], in_release: Callable[[str], bool]) -> Written:
        """Mark products as deleted, durably; ids (distinct) that nobody knows are left alone.

        Raises:
            StoreError: nothing was written.
        """
        with self._store.writing() as connection:
            before = self._state(connection)
            deleted = self._deleted(connection, ids)
            known = [name for name in ids if (not deleted[name] if name in deleted else in_release(name))]
            now = _now()
            changes = tuple(
                ProductChange(product_id=name, number=before.last_change + n, deleted=True, product=b"", changed_at=now)
                for n, name in enumerate(known, start=1)
            )
            if changes:
                self._put(connection, PRODUCTS, ("product_id",), [_product_row(change) for change in changes])
                connection.execute(sa.delete(ENCODINGS).where(ENCODINGS.c.product_id.in_(known)))
                self._count(connection, len(changes), -sum(name in deleted for name in known))
        return Written(changes, len(known), len(ids) - len(known))

    def touch(self, ids: Sequence[str], models: str) -> Written:
        """Give upserted products new numbers, durably, because what was decided about them changed; others are left
        alone. What models said of them stays.

        Args:
            ids: distinct.
            models: whose encodings the changes carry.

        Raises:
            StoreError: nothing was written.
        """
        with self._store.writing() as connection:
            before = self._state(connection)
            table, encodings = PRODUCTS.c, ENCODINGS.c
            upserted = sa.select(PRODUCTS).where(table.product_id.in_(ids), sa.not_(table.deleted))
            rows = connection.execute(upserted.order_by(table.change)).all()
            names = [row.product_id for row in rows]
            executed, read = executed_plans(connection, names), _encodings(connection, models, names)
            now = _now()
            changes = tuple(
                ProductChange(
                    product_id=row.product_id,
                    number=before.last_change + n,
                    deleted=False,
                    product=row.product,
                    changed_at=now,
                    encoding=_read_at(read, row),
                    executed=executed.get(row.product_id, b""),
                )
                for n, row in enumerate(rows, start=1)
            )
            for row, change in zip(rows, changes, strict=True):  # a decision's products, two at most
                current = (encodings.product_id == row.product_id) & (encodings.change == row.change)
                connection.execute(sa.update(ENCODINGS).where(current).values(change=change.number))
            self._put(connection, PRODUCTS, ("product_id",), [_product_row(change) for change in changes])
            self._count(connection, len(changes), 0)
        return Written(changes, len(changes), len(ids) - len(changes))

    def last_change(self) -> int:
        """The number of the last change; 0 before there is one."""
        with self._store.reading() as connection:
            return int(connection.execute(sa.select(STATE.c.last_change)).scalar_one())

    def changes_after(
        self, number: int, models: Sequence[str], most: int
    ) -> list[tuple[ProductChange, dict[str, bytes]]]:
        """The first `most` changes after a number, by number, each with its encodings by models."""
        query = sa.select(PRODUCTS).where(PRODUCTS.c.change > number).order_by(PRODUCTS.c.change).limit(most)
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
            ids = [row.product_id for row in rows]
            found = {name: _encodings(connection, name, ids) for name in models}
            executed = executed_plans(connection, ids)
        result = []
        for row in rows:
            change = ProductChange(
                product_id=row.product_id,
                number=row.change,
                deleted=row.deleted,
                product=row.product,
                changed_at=row.changed_at,
                executed=b"" if row.deleted else executed.get(row.product_id, b""),
            )
            both = {name: known.get(row.product_id, (0, b"")) for name, known in found.items()}
            result.append((change, {name: read for name, (at, read) in both.items() if at == row.change}))
        return result

    def encodings(self, models: str, ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """What some models said of products: the change that they read, and the encoding."""
        with self._store.reading() as connection:
            return _encodings(connection, models, ids)

    def add_encodings(self, models: str, release: int, rows: Iterable[tuple[str, int, bytes]]) -> None:
        """Keep encodings (product id, change that was read, encoding), where none of a later change is kept.

        Raises:
            StoreError: nothing was written.
        """
        values = [_encoding_row(name, models, release, change, encoding) for name, change, encoding in rows]
        with self._store.writing() as connection:
            self._state(connection)  # one writer at a time, or two could wait for each other
            self._put(connection, ENCODINGS, ("product_id", "models"), values, newer=True)

    def forget_releases(self, oldest: int) -> None:
        """Drop encodings of model releases before `oldest`."""
        with self._store.writing() as connection:
            connection.execute(sa.delete(ENCODINGS).where(ENCODINGS.c.model_release < oldest))

    def _state(self, connection: sa.Connection) -> Any:
        """The state, locked until the transaction ends: so numbers rise in the order in which transactions end."""
        return connection.execute(sa.select(STATE).with_for_update()).one()

    def _count(self, connection: sa.Connection, changes: int, entries: int) -> None:
        connection.execute(
            sa.update(STATE).values(last_change=STATE.c.last_change + changes, entries=STATE.c.entries + entries)
        )

    def _deleted(self, connection: sa.Connection, ids: Sequence[str]) -> dict[str, bool]:
        """Whether each product of the table is deleted."""
        columns = sa.select(PRODUCTS.c.product_id, PRODUCTS.c.deleted)
        return {
            row.product_id: row.deleted for row in connection.execute(columns.where(PRODUCTS.c.product_id.in_(ids)))
        }

    def _put(
        self,
        connection: sa.Connection,
        table: sa.Table,
        keys: tuple[str, ...],
        rows: list[dict[str, Any]],
        newer: bool = False,
    ) -> None:
        """Insert rows or replace those of the same keys; with `newer`, only those of an earlier change."""
        if not rows:
            return
        insert = sqlite.insert if self._store.dialect == "sqlite" else postgresql.insert
        statement = insert(table)
        others = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
        where = table.c.change < statement.excluded.change if newer else None
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=others, where=where), rows)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def _read_at(read: dict[str, tuple[int, bytes]], row: Any) -> bytes | None:
    """The encoding of a row of `catalog_products`, where its last change was read."""
    change, encoding = read.get(row.product_id, (0, b""))
    return encoding if change == row.change else None


def _product_row(change: ProductChange) -> dict[str, Any]:
    return {
        "product_id": change.product_id,
        "change": change.number,
        "deleted": change.deleted,
        "product": change.product,
        "changed_at": change.changed_at,
    }


def _encoding_row(name: str, models: str, release: int, change: int, encoding: bytes | None) -> dict[str, Any]:
    return {"product_id": name, "models": models, "model_release": release, "change": change, "encoding": encoding}


def _encodings(connection: sa.Connection, models: str, ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    columns = sa.select(ENCODINGS.c.product_id, ENCODINGS.c.change, ENCODINGS.c.encoding)
    found: dict[str, tuple[int, bytes]] = {}
    for start in range(0, len(ids), AT_ONCE):
        mine = columns.where(ENCODINGS.c.models == models, ENCODINGS.c.product_id.in_(ids[start : start + AT_ONCE]))
        found |= {row.product_id: (row.change, row.encoding) for row in connection.execute(mine)}
    return found
