"""What a file holds before anything is made of its values."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa


class FileError(Exception):
    """A file that cannot be read; the message names the file and says what to do."""


@dataclasses.dataclass(frozen=True)
class Loss:
    """Something of a file that was not read as it stands: what, how many rows, some of them."""

    what: str
    rows: int
    samples: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Rejected:
    """A line of a text file that is no row of its table: its number from 1, what is wrong, the line itself."""

    line: int
    why: str
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class RawFile:
    """A file as it is.

    Attributes:
        path: the file, or the folder of part files.
        table: its rows. Text and spreadsheet columns are strings as written, null where a cell is empty; columns of
            Parquet have their types.
        notes: what was found out about it: encoding, delimiter, lines above the header.
        losses: what could not be read; none of it is in `table`.
        rejected: the lines that fit no row, all of them; `losses` counts them.
    """

    path: Path
    table: pa.Table
    notes: list[str] = dataclasses.field(default_factory=list)
    losses: list[Loss] = dataclasses.field(default_factory=list)
    rejected: list[Rejected] = dataclasses.field(default_factory=list)

    @classmethod
    def of_texts(
        cls, path: Path, columns: Mapping[str, Sequence[str | None]], notes: list[str], losses: list[Loss]
    ) -> "RawFile":
        """A file whose rows were read elsewhere."""
        table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
        return cls(path=path, table=table, notes=notes, losses=losses)
