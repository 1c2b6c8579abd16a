"""The gateway's database, for what must outlive a restart: SQLite in WAL mode by default, PostgreSQL by URL.

Its methods block, so they run in threads. The schema is brought up to date by Alembic when it is opened; of several
processes that start at once one does it while the others wait.
"""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, NoSuchModuleError, SQLAlchemyError

log = structlog.get_logger(__name__)
BUSY_SECONDS = 10.0  # that one process waits for another one's transaction
MIGRATION_LOCK = 0x6F6E7368  # of PostgreSQL's advisory locks
WRITES = "onshelf_writes"  # option of connections


class StoreError(Exception):
    """The database cannot be used; says why, without the URL's password.

    Attributes:
        of_values: whether what was to be written is at fault, so that trying again does not help.
    """

    def __init__(self, message: str, of_values: bool = False) -> None:
        super().__init__(message)
        self.of_values = of_values


class Store:
    """One database.

    Args:
        url: SQLAlchemy's, for example sqlite:///var/store/onshelf.db or postgresql+psycopg://user:password@host/name.
    """

    def __init__(self, url: str) -> None:
        self._given = url
        self._engine: Engine | None = None

    @property
    def dialect(self) -> str:
        """Name of the database's kind: sqlite or postgresql."""
        return self._opened().dialect.name

    def open(self) -> None:
        """Connect, and bring the schema up to date.

        Raises:
            StoreError: the URL is none, or the database cannot be reached, written or brought up to date.
        """
        opened = False
        try:
            url = make_url(self._given)
            if url.get_backend_name() not in ("sqlite", "postgresql"):
                raise StoreError(f"{url.get_backend_name()} is not served: sqlite or postgresql")
            if url.get_backend_name() == "sqlite":
                self._engine = _sqlite(url.database)
            else:
                self._engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 5})
            self._migrate()
            opened = True
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise StoreError(f"no usable URL of a database: {error}") from error
        except CommandError as error:
            raise StoreError(f"its schema is none that this version knows: {error}") from error
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(reason_of(error)) from error
        finally:
            if not opened:
                self.close()

    def close(self) -> None:
        """Let go of connections."""
        if self._engine is not None:
            self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment.

        Raises:
            StoreError: the database failed.
        """
        engine = self._opened()
        if self.dialect == "postgresql":  # whose usual level sees each statement's own moment
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with self._failures(), engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, durable once it has ended without an error; in SQLite one at a time.

        Raises:
            StoreError: the database failed; nothing was written.
        """
        with self._failures(), self._opened().execution_options(**{WRITES: True}).begin() as connection:
            yield connection

    def wipe(self) -> bool:
        """Let nothing of what was deleted stay in SQLite's log; PostgreSQL's vacuum does so in its own time.

        Returns whether it is done; a reader of an earlier moment may be in the way.

        Raises:
            StoreError: the database failed.
        """
        if self.dialect != "sqlite":
            return True
        connection = self._opened().raw_connection()  # outside of a transaction
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA busy_timeout=200")
            busy: int = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        except sqlite3.Error as error:
            raise StoreError(reason_of(error)) from error
        finally:
            connection.close()
        return not busy

    def _opened(self) -> Engine:
        if self._engine is None:
            raise StoreError("it is not open")
        return self._engine

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StoreError(reason_of(error), isinstance(error, DataError | IntegrityError)) from error

    def _migrate(self) -> None:
        with self.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            config = Config()
            config.set_main_option("script_location", "onshelf_gateway:store:migrations")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _sqlite(database: str | None) -> Engine:
    if not database or database == ":memory:":
        raise StoreError("sqlite needs a file: several connections share it")
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is sent below, not by sqlite3 when it thinks fit
        for pragma in (
            f"busy_timeout={int(BUSY_SECONDS * 1000)}",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _write_ahead(connection)

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: Any) -> None:
    """WAL mode: readers do not wait for a writer. SQLite does not wait by itself for others that switch to it."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01 + random.random() / 20)


def reason_of(error: Exception) -> str:
    """What went wrong in one line: the driver's own words, without SQLAlchemy's statement and parameters."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
