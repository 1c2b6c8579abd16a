"""The optional tables out of the columns of their files: promotions, channels, campaigns, coupons, users, ..."""

import re

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from onshelf.files import texts
from onshelf_exporter.data import engine, schema
from onshelf_exporter.doctor.columns import Frame
from onshelf_exporter.doctor.losses import SAMPLES, Loss
from onshelf_exporter.doctor.sources import Joined

TRAIT = "a trait of users"
TRAIT_VALUES = 100  # different values of an attribute of users beyond which it is no trait, but a name or an address
PRIVATE = re.compile(
    r"mail|phone|mobile|tel$|name|address|street|city|zip|postal|birth|iban|passport|电话|手机|姓名|地址|邮箱"
)


def table_of(con: Backend, name: str, frame: Frame, joined: Joined) -> tuple[ir.Table, list[Loss]]:
    """One optional table, with rows that lack a required value left out, and each key once."""
    columns = {"row": pa.chunked_array([pa.array(range(frame.rows), pa.int64())])} | frame.columns
    columns |= {f"odd_{column}": values for column, values in frame.odd.items()}
    if name == "users":
        columns |= _traits(frame, joined)
    table = con.create_table(ibis.util.gen_name(name), pa.table(columns), temp=True)
    if name == "promotions":
        table = _of_flags(con, table, frame)
    table = table.mutate(
        **{
            c.name: table[c.name].cast("int32")
            for c in schema.columns(name)
            if c.type == "integer" and c.name in columns
        }
    )
    losses = [
        Loss(
            table="users",
            what=f"{one.header} not understood: emptied",
            rows=one.filled - one.read,
            samples=one.odd[:SAMPLES],
        )
        for one in frame.mapped
        if name == "users" and not one.columns and one.read < one.filled and one.remark == TRAIT
    ]
    for column in schema.columns(name):
        odd = f"odd_{column.name}"
        if odd in table.columns:
            losses += _counted(name, table.filter(table[odd].notnull()), f"{column.name} not understood", odd)
    required = [column.name for column in schema.columns(name) if column.required and column.name in table.columns]
    whole = ibis.and_(*(table[column].notnull() for column in required)) if required else ibis.literal(True)
    unread = [f"odd_{column}" for column in required if f"odd_{column}" in table.columns]
    silent = ibis.and_(~whole, *(table[column].isnull() for column in unread))
    losses += _counted(name, table.filter(silent), f"no {' or no '.join(required)}", "")
    table = table.filter(whole)
    key = [column for column in schema.KEYS[name] if column in table.columns]
    if key:
        placed = table.mutate(place=ibis.row_number().over(group_by=key, order_by=ibis.desc("row")))
        again = placed.filter(placed.place > 0)
        losses += _counted(name, again, f"{key[0]} seen before: the last row counts", "" if name == "users" else key[0])
        table = placed.filter(placed.place == 0)
    names = [column.name for column in schema.columns(name) if column.name in table.columns]
    if name == "users":
        names += [column for column in _traits(frame, joined) if column not in names]
    return table.select(*names), losses


def _counted(name: str, rows: ir.Table, what: str, shown: str) -> list[Loss]:
    count = engine.number(rows.count())
    samples = rows.limit(SAMPLES)[shown].cast("string").to_pyarrow().to_pylist() if shown and count else []
    return [Loss(table=name, what=what, rows=count, samples=tuple(samples))] if count else []


def _of_flags(con: Backend, table: ir.Table, frame: Frame) -> ir.Table:
    """Promotions with a flag for each channel: one row for each flag that is set."""
    if not frame.flags:
        return table
    parts = [table.mutate(channel_id=table.channel_id)] if "channel_id" in table.columns else []
    row = pa.array(range(frame.rows), pa.int64())
    for values in frame.flags.values():
        flags = pa.table({"of": row, "channel_id": values.combine_chunks().cast(pa.string())}).filter(
            pc.is_valid(values)
        )
        held = con.create_table(ibis.util.gen_name("flags"), flags, temp=True)
        bare = table.drop("channel_id") if "channel_id" in table.columns else table
        parts.append(bare.inner_join(held, bare.row == held.of).drop("of"))
    names = parts[0].columns
    return ibis.union(*(part.select(*names) for part in parts), distinct=False) if len(parts) > 1 else parts[0]


def _traits(frame: Frame, joined: Joined) -> dict[str, pa.ChunkedArray]:
    """Columns of users that no column of the schema stands for: kept where few values say that they are traits."""
    found = {}
    for mapped in frame.mapped:
        if mapped.columns or mapped.remark.startswith("left out"):
            continue
        read = texts(joined.table[mapped.header])
        values = read.values
        name = re.sub(r"\W+", "_", mapped.header.strip().lower()).strip("_")
        if PRIVATE.search(name) or pc.count_distinct(values).as_py() > TRAIT_VALUES:
            mapped.remark, mapped.samples = "left out: a name, an address, or too many values for a trait", []
        else:
            mapped.remark, mapped.filled, mapped.read, mapped.odd = TRAIT, read.filled, read.read, read.odd
            found[name] = values
    return found
