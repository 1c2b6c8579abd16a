"""The store opened for reading: SQLite by its file, PostgreSQL by URL; both are Ibis backends."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ibis
from ibis.backends.sql import SQLBackend

from onshelf_exporter.process.errors import SettingError, SourceError

TABLES = ("answers", "catalog_products", "decisions", "events", "feedback_state", "forgotten_users")
BUSY_SECONDS = 10.0
FORMS = "sqlite:///FOLDER/onshelf.db, the path of the file, or postgresql://USER:PASSWORD@HOST/NAME"


@contextmanager
def opened(store: str) -> Iterator[SQLBackend]:
    """The store's tables, which nothing here can change.

    Args:
        store: URL, as the gateway's `--store`, or the path of an SQLite file.

    Raises:
        SettingError: it is neither.
        SourceError: it cannot be read, or is no store of this version.
    """
    kind, colon, rest = store.partition("://")
    if colon and kind.partition("+")[0] == "postgresql":
        con = _postgresql(f"postgresql://{rest}")
    elif not colon or kind.partition("+")[0] == "sqlite":
        con = _sqlite(Path(rest.removeprefix("/") if colon else store))
    else:
        raise SettingError("--store", f"{kind}://...", f"must be {FORMS}")
    try:
        missing = sorted(set(TABLES) - set(con.list_tables()))
        if missing:
            raise SourceError(
                f"--store: has no table {missing[0]}; a gateway of this version brings it up to date when it starts"
            )
        yield con
    finally:
        con.disconnect()


def _sqlite(path: Path) -> SQLBackend:
    if not path.is_file():
        raise SourceError(f"--store {path}: no such file")
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=BUSY_SECONDS, check_same_thread=False
        )
        backend: SQLBackend = ibis.sqlite.from_connection(connection)
    except sqlite3.Error as error:
        raise SourceError(f"--store {path}: {error}") from error
    return backend


def _postgresql(url: str) -> SQLBackend:
    try:
        import psycopg
    except ImportError as error:
        raise SourceError("--store: PostgreSQL needs the extra `postgresql` (onshelf-exporter[postgresql])") from error
    options: dict[str, Any] = {"options": "-c default_transaction_read_only=on", "connect_timeout": 5}
    try:
        backend: SQLBackend = ibis.postgres.from_connection(psycopg.connect(url, autocommit=True, **options))
    except psycopg.Error as error:
        raise SourceError(f"--store: {str(error).strip().splitlines()[0]}") from error
    return backend
