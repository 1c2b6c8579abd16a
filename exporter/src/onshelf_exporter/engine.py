"""The embedded engine (DuckDB under Ibis): how it is opened, and how tables are read and written."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from onshelf_exporter.errors import SourceError

SHARE = "decimal(18, 12)"
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


def write(
    con: Backend, table: ir.Table, path: Path, order_by: list[str] | None = None, compression: str = "zstd"
) -> None:
    """Write a table as one Parquet file, in the order of `order_by` where given."""
    con.to_parquet(table.order_by(order_by) if order_by else table, str(path), compression=compression)


def exact_sum(column: ir.Value, where: ir.Value | None = None, kind: str = MONEY) -> ir.Value:
    """Sum as float64 that does not depend on the order of the rows (sums of decimals are exact)."""
    return column.cast(kind).sum(where=where).cast("float64")


def number(value: ir.Value) -> int:
    """An expression of one whole number, computed; 0 where it is null."""
    return int(value.to_pyarrow().as_py() or 0)


def small_table(columns: Mapping[str, Sequence[object]], schema: Mapping[str, str]) -> ir.Table:
    """A table of a few values written in the code, with the engine's types."""
    kinds = ibis.schema(schema)
    arrays = [pa.array(columns[name], kinds[name].to_pyarrow()) for name in kinds.names]
    return ibis.memtable(pa.table(dict(zip(kinds.names, arrays, strict=True))))


def local_time(time: ir.Value, timezone: str) -> ir.Value:
    """Times of an instant in UTC, or with a zone, as the local time of day in `timezone`: timestamp without a zone."""
    instant = time if getattr(time.type(), "timezone", None) else _instant("UTC", time)
    return _of_day(timezone, instant)


def _instant_in(zone: str, time: dt.datetime) -> dt.datetime:
    """The instant of a local time in a zone, by the engine's function `timezone`."""
    raise NotImplementedError


def _local_in(zone: str, time: dt.datetime) -> dt.datetime:
    """The local time in a zone of an instant, by the engine's function `timezone`."""
    raise NotImplementedError


_instant = ibis.udf.scalar.builtin(
    _instant_in, name="timezone", signature=(("string", "timestamp"), "timestamp('UTC')")
)
_of_day = ibis.udf.scalar.builtin(_local_in, name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp"))
