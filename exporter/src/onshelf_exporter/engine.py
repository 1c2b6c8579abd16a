"""The embedded engine (DuckDB under Ibis): how it is opened, and how tables are read and written."""

from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from onshelf_exporter.errors import SourceError

MONEY = "decimal(18, 4)"  # sums of money and quantities are exact, hence the same whatever the order of the rows


def connect(threads: int = 2, memory_gb: float = 4.0, spill: Path | None = None) -> Backend:
    """Open an engine in memory.

    Args:
        threads: number of threads.
        memory_gb: gigabytes that the engine may hold before it spills to disk.
        spill: folder for what does not fit; the engine's default when None.
    """
    settings: dict[str, object] = {
        "threads": threads,
        "memory_limit": f"{memory_gb}GB",
        "preserve_insertion_order": False,
    }
    if spill is not None:
        settings["temp_directory"] = str(spill)
    return ibis.duckdb.connect(":memory:", **settings)


def read(con: Backend, path: Path) -> ir.Table:
    """A Parquet file as a table.

    Raises:
        SourceError: there is no such file.
    """
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    return con.read_parquet(str(path))


def write(con: Backend, table: ir.Table, path: Path, order_by: list[str] | None = None) -> None:
    """Write a table as one Parquet file (zstd), in the order of `order_by` where given."""
    con.to_parquet(table.order_by(order_by) if order_by else table, str(path), compression="zstd")


def exact_sum(column: ir.Value, where: ir.Value | None = None) -> ir.Value:
    """Sum as float64 that does not depend on the order of the rows (sums of decimals are exact)."""
    return column.cast(MONEY).sum(where=where).cast("float64")
