"""SQL over the different texts of a column."""

import duckdb
import pyarrow as pa


def query(sql: str, **tables: pa.Table) -> pa.Table:
    """The rows that a query gives, in their order."""
    with connection() as engine:
        for name, table in tables.items():
            engine.register(name, table)
        return engine.sql(sql).to_arrow_table()


def connection() -> duckdb.DuckDBPyConnection:
    """An engine in memory that keeps the order of rows and reaches for nothing on the network."""
    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "true",
        }
    )
