"""The journal beside an output file: what is done already, so that an interrupted run goes on where it was."""

import json
import sqlite3
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from onshelf._cli._usage import UsageError

_OURS = int.from_bytes(b"OnsJ")  # tells a journal from the SQLite files of other programs

# From the first write on no other run can even read it.
_BEGIN = f"""
PRAGMA application_id = {_OURS};
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS run (only_one INTEGER PRIMARY KEY, id TEXT, form TEXT);
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, record TEXT);
"""


class Journal:
    """Results by key in a SQLite file, each kept for good when `add` returns. `run` is an id that all parts of one run
    share.

    Raises UsageError where the file cannot be written, is no journal of this form, or is another process's under way.
    """

    def __init__(self, path: Path, form: str) -> None:
        self.path = path
        try:
            self._database = sqlite3.connect(path, timeout=0.0, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise UsageError(f"{path}: {error}; choose an --out elsewhere") from None
        try:
            ours = self._ask("PRAGMA application_id") == (_OURS,) or self._ask("SELECT 1 FROM sqlite_schema") is None
            if ours:
                self._database.executescript(_BEGIN)
                self._database.execute("INSERT OR IGNORE INTO run VALUES (1, ?, ?)", (uuid.uuid4().hex[:12], form))
            self.run: str
            self.run, its_form = self._ask("SELECT id, form FROM run") if ours else ("", "")
        except sqlite3.DatabaseError as error:
            self._database.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise UsageError(
                    f"{path} is in use: another run writes the same --out; wait for it, or choose another --out"
                ) from None
            if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
                raise UsageError(f"{path}: {error}; choose an --out elsewhere") from None
            its_form = ""
        if its_form != form:
            self._database.close()
            raise UsageError(f"{path} is no journal of a run that writes {form}; move it away, or choose another --out")

    def _ask(self, query: str, *values: str) -> Any:
        """The first row of an answer; None without one."""
        return self._database.execute(query, values).fetchone()

    def add(self, key: str, record: dict[str, Any]) -> None:
        """Keeps a result for good."""
        text = json.dumps(record, ensure_ascii=False)
        self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", (key, text))

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def get(self, key: str) -> dict[str, Any] | None:
        """A result that was kept, from the file; None without one."""
        found = self._ask("SELECT record FROM results WHERE key = ?", key)
        return None if found is None else json.loads(found[0])

    def __getitem__(self, key: str) -> dict[str, Any]:
        record = self.get(key)
        if record is None:
            raise KeyError(key)
        return record

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
