"""The journal beside an output file: what is done already, so that an interrupted run goes on where it was."""

import json
import sqlite3
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from onshelf._cli._usage import UsageError


class Journal:
    """Results by key in a SQLite file, each kept for good when `add` returns. `run` is an id that all parts of one run
    share.

    Raises UsageError where the file cannot be written, is no journal of this form, or is another process's under way.
    """

    def __init__(self, path: Path, form: str) -> None:
        self.path = path
        self.run: str
        try:
            self._database = sqlite3.connect(path, timeout=0.0, isolation_level=None)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("BEGIN EXCLUSIVE")  # another run cannot even read it from here on
            self._database.execute("CREATE TABLE IF NOT EXISTS run (id TEXT, form TEXT)")
            self._database.execute("CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, record TEXT)")
            found = self._database.execute("SELECT id, form FROM run").fetchone()
            self.run, its_form = found or (uuid.uuid4().hex[:12], form)
            if not found:
                self._database.execute("INSERT INTO run VALUES (?, ?)", (self.run, form))
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise UsageError(
                    f"{path} is in use: another run writes the same --out; wait for it, or choose another --out"
                ) from None
            raise UsageError(f"{path}: {error}; choose an --out elsewhere") from None
        except sqlite3.DatabaseError:
            its_form = ""
        if its_form != form:
            self._database.close()
            raise UsageError(f"{path} is no journal of a run that writes {form}; move it away, or choose another --out")

    def add(self, key: str, record: dict[str, Any]) -> None:
        """Keeps a result for good."""
        text = json.dumps(record, ensure_ascii=False)
        self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", (key, text))

    def __contains__(self, key: object) -> bool:
        return self._record(key) is not None

    def __getitem__(self, key: str) -> dict[str, Any]:
        """A result that was kept, from the file."""
        text = self._record(key)
        if text is None:
            raise KeyError(key)
        record: dict[str, Any] = json.loads(text)
        return record

    def _record(self, key: object) -> str | None:
        found = self._database.execute("SELECT record FROM results WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def remove(self) -> None:
        """Ends the journal: the output is complete."""
        self._database.execute("PRAGMA journal_mode = DELETE")  # its second file ends here
        if sys.platform == "win32":  # which removes no open file
            self._database.close()
        self.path.unlink(missing_ok=True)  # while it is locked: afterwards it may be another run's
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()
