"""Orders in one file and their lines in another: each line gets the time, user and state of its order."""

import dataclasses

import pyarrow as pa
import pyarrow.compute as pc

from onshelf.files import identifiers
from onshelf_exporter.data import headers
from onshelf_exporter.doctor.given import Given
from onshelf_exporter.doctor.meanings import Meaning, meanings, tables_of
from onshelf_exporter.doctor.settings import ReadingSettings

WHAT = {"product_id", "title"}
WHEN = {"time", "week_start", "week_end"}
SALES = ((), ("interactions",), ("products",), ("products", "interactions"))


def with_orders(files: list[Given], has_products: bool, settings: ReadingSettings) -> tuple[list[Given], list[str]]:
    """The files, where the lines of orders have what another file says of their order, and problems."""
    means = {file.name: _means(file, settings) for file in files}
    heads = [f for f in files if {"order_id", "time"} <= means[f.name] and not WHAT & means[f.name]]
    lines = [
        f
        for f in files
        if "order_id" in means[f.name] and WHAT & means[f.name] and not WHEN & means[f.name] and f.tables in SALES
    ]
    if len(heads) != 1 or not lines:  # several files of orders are left as they are: nothing says which is meant
        return files, []
    head = heads[0]
    meant = meanings(head.name, head.table, ("interactions",), settings)
    key = next(one.header for one in meant if "order_id" in one.columns)
    wanted = [one for one in meant if one.columns and one.header != key]
    known = identifiers(head.table[key]).values.cast(pa.string())
    distinct = head.table.select([one.header for one in wanted]).append_column("\x1f", known).group_by("\x1f")
    counts = distinct.aggregate([(one.header, "count_distinct") for one in wanted])
    several = [counts.filter(pc.greater(counts[f"{one.header}_count_distinct"], 1)) for one in wanted]
    rows = max((len(one) for one in several), default=0)
    if rows:
        rule = "stands with different times, users or states; leave one row for each order"
        return files, [f"{head.name}: {rows:,} order_id {rule}"]
    held = pa.array(known.combine_chunks())
    return [
        _joined(file, head, wanted, held, has_products, settings) if file in lines else file
        for file in files
        if file is not head
    ], []


def _means(file: Given, settings: ReadingSettings) -> set[str]:
    found: set[str] = set()
    for header in file.table.column_names:
        key = settings.map_of(file.name, header)
        found |= set(settings.maps[key] if key else headers.columns_of(header)[:2])
    return found


def _joined(
    file: Given, head: Given, wanted: list[Meaning], held: pa.Array, has_products: bool, settings: ReadingSettings
) -> Given:
    """A file of lines with the columns of its orders."""
    tables = ("interactions",) if has_products else tables_of("interactions", file.table, False, settings)
    meant = meanings(file.name, file.table, tables, settings)
    taken = {column for one in meant for column in one.columns}
    key = next(one.header for one in meant if "order_id" in one.columns)
    place = pc.index_in(identifiers(file.table[key]).values.cast(pa.string()), held)
    table = file.table
    for one in wanted:
        if not set(one.columns) & taken:
            name = one.header if one.header not in table.column_names else f"{one.header} of {head.name}"
            table = table.append_column(name, head.table[one.header].combine_chunks().take(place))
            meant.append(dataclasses.replace(one, header=name))
    without = len(held) - pc.count_distinct(place.drop_null()).as_py()
    notes = [*file.raw.notes, f"each line with its order of {head.name}", *head.raw.notes]
    notes += [f"{without:,} orders of {head.name} have no line"] if without else []
    raw = dataclasses.replace(file.raw, notes=list(dict.fromkeys(notes)), losses=[*file.raw.losses, *head.raw.losses])
    return Given(name=file.name, raw=raw, table=table, tables=tables, meant=meant)
