"""The journal beside an output file: what is done already, so that an interrupted run goes on where it was."""

import contextlib
import json
import os
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from onshelf._cli._failures import UsageError

if sys.platform != "win32":
    import fcntl

_MARK = b'{"onshelf_journal": 1, '


class Journal:
    """Results by key, appended to a file as they come; in memory is only where each of them lies.

    A last line that was cut off is passed over; everything before it counts. `run` is an id that all parts of one
    run share. Raises UsageError where the file cannot be written, is no journal of this form, or is another process's
    under way.
    """

    def __init__(self, path: Path, form: str) -> None:
        self.path = path
        self._places: dict[str, int] = {}
        self.run = uuid.uuid4().hex[:12]
        self._file = _locked(path)
        try:
            kept = self._read(form)
            self._reader = path.open("rb")
        except (OSError, UsageError) as error:
            self._file.close()
            raise UsageError(f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)) from None
        self._file.truncate(kept)  # what a kill left half written
        self._file.seek(kept)
        if not kept:
            self._append({"onshelf_journal": 1, "form": form, "run": self.run})

    def add(self, key: str, record: dict[str, Any]) -> None:
        """Keeps a result for good."""
        self._places[key] = self._append({"key": key, "record": record})

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> dict[str, Any]:
        """A result that was kept, from the file."""
        self._reader.seek(self._places[key])
        record: dict[str, Any] = json.loads(self._reader.readline())["record"]
        return record

    def remove(self) -> None:
        """Ends the journal: the output is complete."""
        if sys.platform == "win32":  # which removes no open file
            self._close()
        self.path.unlink(missing_ok=True)  # while it is locked: afterwards it may be another run's
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._file.close()
        self._reader.close()

    def _append(self, entry: dict[str, Any]) -> int:
        """Write a line; where it begins."""
        place = self._file.tell()
        self._file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        return place

    def _read(self, form: str) -> int:
        """Bytes of whole lines at the beginning of the file."""
        kept = 0
        with self.path.open("rb") as file:
            for line in file:
                if kept == 0 and not line.startswith(_MARK) and not _MARK.startswith(line):
                    raise self._other(form)
                try:
                    entry = json.loads(line if line.endswith(b"\n") else b"")
                except ValueError:
                    break
                if kept == 0:
                    if entry.get("form") != form:
                        raise self._other(form)
                    self.run = entry["run"]
                else:
                    self._places[entry["key"]] = kept
                kept += len(line)
        return kept

    def _other(self, form: str) -> UsageError:
        return UsageError(
            f"{self.path} is no journal of a run that writes {form}; move it away, or choose another --out"
        )


def _locked(path: Path) -> BinaryIO:
    """The file, to be appended to by this process alone; it is made where there is none."""
    while True:
        try:
            file = path.open("ab")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        if sys.platform != "win32":  # where nothing keeps two runs apart
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise UsageError(
                    f"{path} is in use: another run writes the same --out; wait for it, or choose another --out"
                ) from None
            except OSError as error:
                file.close()
                raise UsageError(f"{path} cannot be locked: {error.strerror}; choose an --out elsewhere") from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # a run that ended meanwhile has removed it
