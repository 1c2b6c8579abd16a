"""One file as it was given."""

from dataclasses import dataclass

import pyarrow as pa

from onshelf.files import RawFile
from onshelf_exporter.doctor.meanings import Meaning


@dataclass(kw_only=True)
class Given:
    """One file.

    Attributes:
        name: as it is shown, and as settings name it.
        raw: what the reader made of it.
        table: its rows, after `--where`.
        tables: canonical tables that it holds; () for none.
        meant: what its headers mean.
    """

    name: str
    raw: RawFile
    table: pa.Table
    tables: tuple[str, ...]
    meant: list[Meaning]

    @property
    def left_out(self) -> int:
        """Rows that `--where` leaves out."""
        return int(self.raw.table.num_rows - self.table.num_rows)
