"""The embedded engine (DuckDB under Ibis): how it is opened, and how tables are read and written."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection
from ibis.backends.duckdb import Backend

from onshelf_exporter.process.errors import SourceError

BATCH = 2_000_000  # rows written at once: each batch repeats the texts that it uses
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


def threads(con: Backend) -> int:
    """How many threads the engine was opened with."""
    return int(con.con.execute("SELECT current_setting('threads')").fetchall()[0][0])


@contextmanager
def beside(con: Backend) -> Iterator[Backend]:
    """Another connection to an open engine, for another thread: it sees the tables but temporary ones.

    A file of one row group is read by one thread, however many the engine has; several such files, or the same one for
    several tables, are read at the same time by connections of their own.
    """
    other = ibis.duckdb.from_connection(con.con.cursor())
    try:
        yield other
    finally:
        other.disconnect()


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


def write_numbered(
    con: Backend, table: ir.Table, path: Path, texts: Mapping[str, Sequence[str]], order_by: list[str] | None = None
) -> None:
    """Write a table whose columns of `texts` hold numbers, with the texts they stand for: 1 is the first, 0 none."""
    view = con.create_view(ibis.util.gen_name("numbered"), _counted_from_zero(table, texts))
    rows = view.order_by(order_by) if order_by else view
    _write_numbered(con.con, con.compile(rows), table, path, texts)
    con.drop_view(view.get_name())


def numbered_write(con: Backend, table: ir.Table, path: Path, texts: Mapping[str, Sequence[str]]) -> Callable[[], None]:
    """What does the same in another thread, by a connection of its own: it sees no temporary tables."""
    query, connection = con.compile(_counted_from_zero(table, texts)), con.con.cursor()

    def write() -> None:
        with connection:
            _write_numbered(connection, query, table, path, texts)

    return write


def _counted_from_zero(table: ir.Table, texts: Mapping[str, Sequence[str]]) -> ir.Table:
    return table.mutate(**{name: (table[name].nullif(0) - 1).cast("int32") for name in texts})


def _write_numbered(
    connection: DuckDBPyConnection, query: str, table: ir.Table, path: Path, texts: Mapping[str, Sequence[str]]
) -> None:
    dictionaries = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    kinds = {name: kind.to_pyarrow() for name, kind in table.schema().items()}
    kinds |= {name: pa.dictionary(pa.int32(), pa.string()) for name in texts}
    schema = pa.schema(list(kinds.items()))
    ranges = [
        name for name in kinds if name not in texts
    ]  # those of texts help no reader, and cost a third of the time
    with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False, write_statistics=ranges) as writer:
        for batch in connection.sql(query).to_arrow_reader(BATCH):
            columns = [
                pa.DictionaryArray.from_arrays(column, dictionaries[name])
                if name in texts
                else column.cast(kinds[name])
                for name, column in zip(kinds, batch.columns, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


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


# What follows declares functions of the engine for Ibis, which reads their names and types; the bodies never run.


def _instant_in(zone: str, time: dt.datetime) -> dt.datetime:
    """The instant of a local time in a zone, by the engine's function `timezone`."""
    raise NotImplementedError


def _local_in(zone: str, time: dt.datetime) -> dt.datetime:
    """The local time in a zone of an instant, by the engine's function `timezone`."""
    raise NotImplementedError


def _bit_count(value: int) -> int:
    """How many bits of a number are set."""
    raise NotImplementedError


def _later(day: dt.date, days: int) -> dt.date:
    """A date some days later; adding an interval would make a time of it, at ten times the cost."""
    raise NotImplementedError


bit_count = ibis.udf.scalar.builtin(_bit_count, name="bit_count", signature=(("int64",), "int8"))
later = ibis.udf.scalar.builtin(_later, name="add", signature=(("date", "int32"), "date"))
_instant = ibis.udf.scalar.builtin(
    _instant_in, name="timezone", signature=(("string", "timestamp"), "timestamp('UTC')")
)
_of_day = ibis.udf.scalar.builtin(_local_in, name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp"))
