"""Promotions, the largest table: cleaned and counted as whole numbers that stand for its texts.

To hash, compare and write 20 million texts costs more than all else of the stage. Products, channels and sites are
numbered by their texts once; a row is then three small numbers and a date, and texts are put back where it is written.
No table here is a temporary one of the engine: another of its connections reads them, to write the canonical table.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine, validation

TEXTS = ("product_id", "channel_id", "site_id")
CELL = ("product_id", "date", "channel_id")  # rows that agree in these are told apart by their sites
BITS = 62  # of each of the two masks of a cell's sites


@dataclass(frozen=True)
class Promotions:
    """Promotions as numbers.

    Attributes:
        rows: date, and product_id, channel_id and site_id as numbers from 1, 0 where there is no text.
        texts: what the numbers stand for, by column: the first text is number 1; ascending, so that numbers sort as
            their texts do.
    """

    rows: ir.Table
    texts: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Distinct(Promotions):
    """The same, each row once.

    Attributes:
        cells: the columns of CELL, `sites` (how many there are) and `given` (how many rows there were before).
        written: done when they are written; None where nothing writes them.
    """

    cells: ir.Table
    written: Future[None] | None = None


def numbered(con: Backend, given: ir.Table, timezone: str) -> Promotions:
    """Promotions of any types as numbers, held by the engine."""
    names = [name for name in TEXTS if name in given.columns]
    given = given.select(*names, date=validation.typed(given["date"], "date", timezone))
    rows = given
    texts: dict[str, list[str]] = {name: [] for name in TEXTS}
    for name in names:
        values = given.select(value=given[name]).distinct()
        found = con.to_pyarrow(values.select("value", text=validation.typed(values["value"], "text", timezone)))
        stated = dict(zip(found["value"].to_pylist(), found["text"].to_pylist(), strict=True))
        texts[name] = in_order(stated.values())
        rows = with_number(con, rows, name, stated, texts[name], f"{name}_number")
    columns = {name: rows[f"{name}_number"] if name in names else ibis.literal(0, type="int8") for name in TEXTS}
    return Promotions(con.create_table(ibis.util.gen_name("promotions"), rows.select("date", **columns)), texts)


def in_order(texts: Iterable[str | None]) -> list[str]:
    """The distinct texts, ascending."""
    return sorted({text for text in texts if text is not None})


def with_number(
    con: Backend,
    table: ir.Table,
    column: str,
    stated: Mapping[object, str | None],
    texts: Sequence[str],
    name: str,
) -> ir.Table:
    """Add a column: the number of the text that a value stands for, 0 for none.

    Args:
        con: the engine.
        table: any table.
        column: its column with the values.
        stated: the text of every value of the column, None too where it occurs.
        texts: as numbered from 1.
        name: of the new column.
    """
    number = {text: place for place, text in enumerate(texts, start=1)}
    kind = next(kind for kind in (pa.int8(), pa.int16(), pa.int32()) if len(number) < 2 ** (kind.bit_width - 1))
    known = {value: number[text] for value, text in stated.items() if value is not None and text is not None}
    columns = {
        f"{name}_of": pa.array(known.keys(), table[column].type().to_pyarrow()),
        name: pa.array(known.values(), kind),
    }
    numbers = con.create_table(ibis.util.gen_name("numbers"), pa.table(columns))
    same = [table[column] == numbers[f"{name}_of"]]
    if len(known) == len(stated):  # an inner join with few whole numbers is a look-up
        return table.inner_join(numbers, same).drop(f"{name}_of")
    joined = table.left_join(numbers, same).drop(f"{name}_of")
    return joined.mutate(**{name: joined[name].fill_null(0)})


def distinct(con: Backend, promotions: Promotions) -> Distinct:
    """Each row once.

    A cell with as many rows as its sites set bits in a mask holds no site twice. Only the rows of other cells, few
    where repeats are few, are compared with each other.
    """
    rows = promotions.rows
    bit, one = rows.site_id.cast("int64") % (2 * BITS), ibis.literal(1, type="int64")
    masked = rows.group_by(*CELL).agg(
        given=rows.count(),
        low=ibis.ifelse(bit < BITS, one << bit, 0).bit_or(),
        high=ibis.ifelse(bit < BITS, 0, one << (bit - BITS)).bit_or(),
    )
    sure = masked.given == engine.bit_count(masked.low) + engine.bit_count(masked.high)
    cells = con.create_table(ibis.util.gen_name("cells"), masked.select(*CELL, "given", sure=sure))
    doubtful = cells.filter(~cells.sure)
    if not engine.number(doubtful.count()):
        return Distinct(rows, promotions.texts, cells.select(*CELL, "given", sites=cells.given))
    compared = rows.semi_join(doubtful, _same(rows, doubtful)).distinct()
    compared = con.create_table(ibis.util.gen_name("compared"), compared)
    counted = compared.group_by(*CELL).agg(sites=compared.count())
    counted = doubtful.inner_join(counted, _same(doubtful, counted)).select(*CELL, "given", "sites")
    sites = cells.filter(cells.sure).select(*CELL, "given", sites=cells.given).union(counted)
    single = rows.anti_join(doubtful, _same(rows, doubtful)).union(compared)
    return Distinct(single, promotions.texts, con.create_table(ibis.util.gen_name("cells"), sites))


def _same(one: ir.Table, other: ir.Table) -> list[ir.Value]:
    return [one[name].identical_to(other[name]) for name in CELL]  # a date may be missing in both
