"""The journal beside an output file: what is done already, so that an interrupted run goes on where it was."""

import json
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from onshelf._cli._failures import UsageError

_MARK = b'{"onshelf_journal": 1, '


class Journal:
    """Results by key, appended to a file as they come and read again at the start.

    A last line that was cut off is passed over; everything before it counts. `run` is an id that all parts of one
    run share. Raises UsageError where the file cannot be written, or is no journal of this form.
    """

    def __init__(self, path: Path, form: str) -> None:
        self.path = path
        self.done: dict[str, dict[str, Any]] = {}
        self.run = uuid.uuid4().hex[:12]
        kept = self._read(form) if path.exists() else 0
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        self._file.truncate(kept)  # what a kill left half written
        if not kept:
            self._append({"onshelf_journal": 1, "form": form, "run": self.run})

    def add(self, key: str, record: dict[str, Any]) -> None:
        """Keeps a result for good."""
        self.done[key] = record
        self._append({"key": key, "record": record})

    def remove(self) -> None:
        """Ends the journal: the output is complete."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def _append(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, form: str) -> int:
        """Bytes of whole lines at the beginning of the file."""
        content, kept = self.path.read_bytes(), 0
        if not content.startswith(_MARK) and not _MARK.startswith(content):
            raise self._other(form)
        for line in content.splitlines(keepends=True):
            try:
                entry = json.loads(line if line.endswith(b"\n") else b"")
            except ValueError:
                break
            if kept == 0:
                if entry.get("form") != form:
                    raise self._other(form)
                self.run = entry["run"]
            else:
                self.done[entry["key"]] = entry["record"]
            kept += len(line)
        return kept

    def _other(self, form: str) -> UsageError:
        return UsageError(
            f"{self.path} is no journal of a run that writes {form}; move it away, or choose another --out"
        )
