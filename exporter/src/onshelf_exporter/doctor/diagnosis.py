"""Puts the canonical tables together from all files, and counts what is lost on the way."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from onshelf.files import currencies_of, is_text, numbers, texts, unit_of
from onshelf_exporter.data import engine, schema
from onshelf_exporter.data.validation import MAX_MISSING
from onshelf_exporter.doctor import catalog, others, sales
from onshelf_exporter.doctor.columns import MONEY, Frame, read_columns
from onshelf_exporter.doctor.given import Given
from onshelf_exporter.doctor.losses import SAMPLES, Loss, Reason, apart, total
from onshelf_exporter.doctor.settings import ReadingSettings
from onshelf_exporter.doctor.sources import FoundFiles, find
from onshelf_exporter.process.errors import SettingError

WITHOUT_PEOPLE = ("products", "promotions", "channels", "campaigns", "coupons", "calendar_events", "market_signals")
WEEK_LESS_A_DAY = dt.timedelta(days=6)
MIN_AMOUNTS = 0.9  # share of values that are numbers in a column of amounts


@dataclass(frozen=True)
class OpenQuestion:
    """What the files do not decide. `name` stands for it in `--accept`, or FILE:NAME for that of one of `files`."""

    name: str
    words: str
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        of = f"({', '.join(self.files)}) " if self.files else ""
        return f"{self.name}: {of}{self.words}"


@dataclass(kw_only=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        found: the files.
        frames: their columns, read; one for each of `found.joined`.
        notes: for each frame, what was derived from what.
        tables: canonical tables as far as they could be put together.
        losses: what is left out, with what is left out on purpose.
        open: questions that the files do not decide: the reading may be wrong.
        accepted: those whose reading `--accept` says is right.
        problems: what must be mended before the data can be used.
        shop: what shop.json is to state.
    """

    found: FoundFiles
    frames: list[Frame] = field(default_factory=list)
    notes: list[list[str]] = field(default_factory=list)
    tables: dict[str, ir.Table] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    open: list[OpenQuestion] = field(default_factory=list)
    accepted: list[OpenQuestion] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    shop: dict[str, Any] = field(default_factory=dict)

    @property
    def lost(self) -> list[Loss]:
        """What is left out without being meant."""
        return [loss for loss in self.losses if not loss.meant]


def diagnose(con: Backend, paths: Sequence[Path], settings: ReadingSettings) -> Diagnosis:
    """Read all files and put the canonical tables together.

    Raises:
        SourceError: nothing readable is there.
        SettingError: a setting is about nothing that is there.
    """
    found = find(paths, settings)
    diagnosis = Diagnosis(found=found, problems=list(found.problems))
    diagnosis.shop = dict(found.shop)
    launches = diagnosis.shop.get("launches", {})
    diagnosis.shop |= settings.shop
    if "launches" in settings.shop and isinstance(launches, dict):
        diagnosis.shop["launches"] = launches | settings.shop["launches"]
    zone = str(diagnosis.shop.get("timezone", "UTC"))
    for joined in found.joined:
        meant = joined.files[0].meant
        written = all(is_text(file.raw.path) for file in joined.files)
        diagnosis.frames.append(read_columns(joined.names, joined.tables, joined.table, meant, settings, zone, written))
        diagnosis.notes.append([])
    _files(diagnosis)
    _money(diagnosis, settings)
    _sales_and_products(con, diagnosis, settings)
    _unpriced(diagnosis)
    _others(con, diagnosis)
    _joins(con, diagnosis)
    _required(diagnosis)
    answered = {question: settings.accepts(question.name, question.files) for question in diagnosis.open}
    diagnosis.open = [question for question, accepted in answered.items() if not accepted]
    diagnosis.accepted = [question for question, accepted in answered.items() if accepted]
    settings.refuse_unused()
    return diagnosis


def _files(diagnosis: Diagnosis) -> None:
    """What is lost with whole files and lines, and questions that columns leave open."""
    for name in diagnosis.found.unread:
        diagnosis.losses.append(
            Loss(table=name, what="no table: not read", rows=0, meant=name.endswith("(left out by --table)"))
        )
    for file in diagnosis.found.files:
        for loss in file.raw.losses:
            diagnosis.losses.append(
                Loss(table=file.name, what=loss.what, rows=loss.rows, samples=_without_users(file, loss.samples))
            )
        if file.left_out:
            diagnosis.losses.append(Loss(table=file.name, what="left out by --where", rows=file.left_out, meant=True))
        if not file.tables and not file.name.endswith("(left out by --table)"):
            what = "not used: say what it holds with --table FILE=TABLE, or leave it out with --table FILE="
            diagnosis.losses.append(Loss(table=file.name, what=what, rows=file.raw.table.num_rows))
    for frame in diagnosis.frames:
        for mapped in frame.mapped:
            if mapped.open:
                diagnosis.open.append(OpenQuestion(mapped.header, mapped.remark, tuple(frame.files)))
        weekday = sales.one_weekday(frame) if "interactions" in frame.tables else None
        if weekday:
            words = f"all dates are {weekday}s: if each row is a week of sales, say which day it names, with "
            words += "--map HEADER=week_start or --map HEADER=week_end"
            diagnosis.open.append(OpenQuestion("weekly-sales", words))


def _without_users(file: Given, samples: Sequence[str]) -> tuple[str, ...]:
    """Samples of whole lines; only their numbers, and what is wrong, where a file may hold people."""
    if file.tables and set(file.tables) <= set(WITHOUT_PEOPLE):
        return tuple(samples[:SAMPLES])
    rejected = {f"line {line.line}": f"line {line.line}: {line.why}" for line in file.raw.rejected}
    shown = []
    for sample in samples[:SAMPLES]:
        number = re.match(r"line \d+", sample)
        if number:
            told = rejected.get(number[0], "")
            shown.append(told if told and sample.startswith(told) else number[0])
    return tuple(shown)


def _money(diagnosis: Diagnosis, settings: ReadingSettings) -> None:
    """One currency in all columns of money: that of the settings, or the only one that all marks can stand for."""
    written: dict[str, list[str]] = {}
    for joined, frame in zip(diagnosis.found.joined, diagnosis.frames, strict=True):
        for mapped in frame.mapped:
            if "currency" in mapped.columns and mapped.filled and not mapped.read:
                words = f"{', '.join(map(repr, mapped.odd))}: no currency that is known; the stated one is taken"
                diagnosis.open.append(OpenQuestion(mapped.header, f"{words} for all rows", tuple(frame.files)))
            if set(mapped.columns) & {*MONEY, "currency"}:
                for mark in mapped.currencies:
                    written.setdefault(mark, []).append(mapped.header)
        for meaning in (meaning for file in joined.files for meaning in file.meant):
            if set(meaning.columns) & set(MONEY) and (mark := unit_of(meaning.header).mark):
                written.setdefault(mark, []).append(meaning.header)
    stated = settings.currency or diagnosis.shop.get("currency")
    meant = [set(currencies_of(mark)) for mark in written]
    codes = sorted(set.intersection(*meant)) if meant else []
    if meant and not codes:
        listed = ", ".join(f"{mark} in {', '.join(sorted(set(names)))}" for mark, names in written.items())
        diagnosis.problems.append(f"amounts in several currencies: {listed}. Keep one with --where, or convert them")
    elif codes and stated and stated not in codes:
        listed = " and ".join(written)
        diagnosis.problems.append(f"amounts are marked {listed}, and the currency stated is {stated}")
    elif len(written) > 1:
        words = f"amounts are marked {' and '.join(written)}: read as one currency, {stated or codes[0]}"
        diagnosis.open.append(OpenQuestion("several-currencies", words))
    if stated or len(codes) == 1:
        diagnosis.shop["currency"] = stated or codes[0]


def _sales_and_products(con: Backend, diagnosis: Diagnosis, settings: ReadingSettings) -> None:
    lines: ir.Table | None = None
    for frame, notes in zip(diagnosis.frames, diagnosis.notes, strict=True):
        if "interactions" in frame.tables and "interactions" not in diagnosis.tables:
            lines = sales.lines_of(con, frame, notes, diagnosis.losses)
            _sales(con, diagnosis, frame, lines)
        if frame.tables == ("products",) and "products" not in diagnosis.tables:
            diagnosis.tables["products"], losses = catalog.from_file(con, frame, notes)
            diagnosis.losses += losses
            diagnosis.losses += _emptied("products", frame, besides=("product_id",))  # those are lost as a whole
    if "products" in diagnosis.tables and "product_id" in diagnosis.tables["products"].columns:
        products, losses = catalog.mended(diagnosis.tables["products"])
        usable = lines if lines is not None and "product_id" in lines.columns else None
        kept, out = catalog.sorted_out(con, products, usable, settings.keep_services)
        count = total(out)
        if count:
            rows = out.order_by("why", "product_id").limit(SAMPLES).to_pyarrow().to_pylist()
            shown = tuple(
                f"{row['product_id']}{' ' + row['title'] if row['title'] else ''} ({row['why']})" for row in rows
            )
            losses.append(
                Loss(table="products", what="no products; their sales are left out as well", rows=count, samples=shown)
            )
            interactions = diagnosis.tables.get("interactions")
            if interactions is not None and "product_id" in interactions.columns:
                diagnosis.tables["interactions"], more = catalog.without(con, interactions, out)
                losses += more
        diagnosis.tables["products"] = kept
        diagnosis.losses += losses
    if "interactions" in diagnosis.tables:
        _check_days(diagnosis)
        diagnosis.open += _alike_ids(diagnosis.tables)
        table = sales.canonical_lines(diagnosis.tables["interactions"])
        diagnosis.tables["interactions"] = con.create_table(ibis.util.gen_name("interactions"), table, temp=True)


def _sales(con: Backend, diagnosis: Diagnosis, frame: Frame, lines: ir.Table) -> None:
    """Interactions of a file, its flags of promotion, and its products where no other file has them."""
    kept, losses = sales.kept_lines(lines, frame)
    given = frame.rows - sum(loss.rows for loss in losses if loss.meant)
    gone = sum(loss.rows for loss in losses if not loss.meant)
    if gone > MAX_MISSING * given:
        diagnosis.problems.append(
            f"interactions: {gone:,} of {given:,} rows would be lost; mend what is listed as lost"
        )
    diagnosis.losses += losses
    diagnosis.losses += _emptied("interactions", frame, besides=sales.COUNTED)
    diagnosis.tables["interactions"] = con.create_table(ibis.util.gen_name("kept"), kept, temp=True)
    promoted = sales.flagged(con, frame, diagnosis.tables["interactions"])
    if promoted is not None:
        diagnosis.tables["promotions"] = promoted
    weekday = sales.week_start_of(frame)
    if weekday:
        stated = diagnosis.shop.get("week_start", weekday)
        if stated != weekday:
            raise SettingError("week_start", stated, f"the weeks of {', '.join(frame.files)} begin on {weekday}")
        diagnosis.shop.setdefault("week_start", weekday)
        first, last = sales.days_of(diagnosis.tables["interactions"])
        if first and last:  # each row is a whole week
            diagnosis.shop.setdefault("first_day", (first - dt.timedelta(days=sales.LAST_DAY)).isoformat())
            diagnosis.shop.setdefault("last_day", last.isoformat())
    if "products" in frame.tables and "product_id" in lines.columns:
        diagnosis.tables["products"] = catalog.from_lines(con, lines, frame)


def _check_days(diagnosis: Diagnosis) -> None:
    """Raises SettingError for a stated day that the sales are far from: an outcome would be whole that is not."""
    first, last = sales.days_of(diagnosis.tables["interactions"])
    stated = {name: diagnosis.shop.get(name) for name in ("first_day", "last_day")}
    if first is None or last is None:
        return
    for name, day in stated.items():
        near = first - WEEK_LESS_A_DAY, last + WEEK_LESS_A_DAY
        if day is not None and not near[0] <= dt.date.fromisoformat(day) <= near[1]:
            raise SettingError(name, day, f"sales are from {first} to {last}; it must lie within a week of these days")
    if None not in stated.values() and str(stated["first_day"]) > str(stated["last_day"]):
        raise SettingError("first_day", stated["first_day"], f"is after last_day, {stated['last_day']}")


def _alike_ids(tables: Mapping[str, ir.Table]) -> list[OpenQuestion]:
    """Asks whether products are one whose ids differ in case or leading zeros alone, and not in their titles."""
    sold, products = tables["interactions"], tables.get("products")
    if "product_id" not in sold.columns:
        return []
    ids = sold.filter(sold.product_id.notnull()).select("product_id").distinct()
    ids = ids.mutate(bare=ids.product_id.lower().re_replace("^0+", ""))
    by = ["bare"]
    if products is not None and {"product_id", "title"} <= set(products.columns):
        titles = products.select("product_id", title=products.title.lower().strip())
        ids, by = ids.inner_join(titles, "product_id"), ["bare", "title"]
    twins = ids.group_by(*by).agg(ids=ids.product_id.collect(), first=ids.product_id.min(), number=ids.count())
    found = twins.filter(twins.number > 1)
    count = total(found)
    if not count:
        return []
    some = found.order_by("first").limit(SAMPLES).ids.to_pyarrow().to_pylist()
    shown = "; ".join(" and ".join(sorted(one)) for one in some)
    words = f"{count:,} products stand under ids that differ in leading zeros or in capitals alone ({shown}). "
    return [OpenQuestion("twin-ids", words + "If they are one, a file has lost the zeros: export ids as texts")]


def _unpriced(diagnosis: Diagnosis) -> None:
    """Asks which header is the money, where sales have none and some header looks like it."""
    sold = diagnosis.tables.get("interactions")
    if sold is None or "revenue" in sold.columns:
        return
    for joined, frame in zip(diagnosis.found.joined, diagnosis.frames, strict=True):
        if "interactions" not in frame.tables:
            continue
        out = {meaning.header for meaning in joined.stated}  # by --map HEADER=
        unread = [mapped.header for mapped in frame.mapped if not mapped.columns and mapped.header not in out]
        amounts = [header for header in unread if _is_amount(joined.table[header])]
        if amounts:
            words = (
                f"no revenue or price was understood, and {', '.join(amounts)} ({', '.join(frame.files)}) has amounts. "
            )
            words += "If one is the money: --map HEADER=revenue (of a line) or --map HEADER=price_paid (of one unit)"
            diagnosis.open.append(OpenQuestion("no-revenue", words))


def _is_amount(values: pa.ChunkedArray) -> bool:
    """Whether values are amounts of money: nearly all are numbers, and some have cents or a currency."""
    if pa.types.is_list(values.type):
        return False
    found = numbers(texts(values).values)
    if found.read < MIN_AMOUNTS * max(found.filled, 1) or not found.read:
        return False
    cents = pc.any(pc.not_equal(found.values, pc.floor(found.values))).as_py()
    return bool(found.currencies) or bool(cents)


def _emptied(table: str, frame: Frame, besides: Sequence[str] = ()) -> list[Loss]:
    """Values that were not understood, and for which no row is left out: they are missing from then on."""
    flags = [
        Loss(
            table=table,
            what=f"{one.header}: a flag not understood: no promotion",
            rows=one.filled - one.read,
            samples=one.odd[:SAMPLES],
        )
        for one in frame.mapped
        if "promotion" in one.columns and one.read < one.filled
    ]
    return flags + [
        Loss(
            table=table,
            what=f"{column} not understood: emptied",
            rows=len(values) - values.null_count,
            samples=mapped.odd[:SAMPLES],
        )
        for column, values in frame.odd.items()
        for mapped in frame.mapped
        if column in mapped.columns and column not in besides and values.null_count < len(values)
    ]


def _others(con: Backend, diagnosis: Diagnosis) -> None:
    triples = zip(diagnosis.found.joined, diagnosis.frames, diagnosis.notes, strict=True)
    for joined, frame, notes in triples:
        for name in frame.tables:
            if name in ("products", "interactions"):
                continue
            table, losses = others.table_of(con, name, frame, joined)
            if name == "promotions" and name in diagnosis.tables:
                columns = [c for c in table.columns if c in diagnosis.tables[name].columns]
                table = table.select(*columns).union(diagnosis.tables[name].select(*columns))
                notes.append("with the promotions of the flags in the file of sales")
            diagnosis.tables[name] = table
            diagnosis.losses += losses


def _joins(con: Backend, diagnosis: Diagnosis) -> None:
    """Rows of products that are not in products: counted, and refused where they are most."""
    products = diagnosis.tables.get("products")
    if products is None or "product_id" not in products.columns:
        return
    for name in ("interactions", "promotions", "coupons"):
        table = diagnosis.tables.get(name)
        if table is None or "product_id" not in table.columns:
            continue
        table = con.create_table(ibis.util.gen_name("joined"), table.mutate(known=_known(table, products)), temp=True)
        rows = total(table)
        reason = Reason(~table.known, "product_id that is not in products", table.product_id)
        kept, losses = apart(table, {"unknown": reason}, name)
        gone = sum(loss.rows for loss in losses)
        diagnosis.tables[name] = kept.drop("known")
        diagnosis.losses += losses
        if gone > MAX_MISSING * rows:
            theirs = ", ".join(products.limit(SAMPLES).product_id.to_pyarrow().to_pylist())
            words = f"{name}: {gone / rows:.0%} of the rows name no product of products ({', '.join(losses[0].samples)}"
            words += f" there, {theirs} in products)"
            if _match_without_zeros(table, products):
                words += ". They match without leading zeros: one of the files has lost them; export ids as texts"
            diagnosis.problems.append(words)


def _known(table: ir.Table, products: ir.Table) -> ir.Value:
    return table.product_id.isin(products.product_id)


def _match_without_zeros(table: ir.Table, products: ir.Table) -> bool:
    bare = products.select(product_id=products.product_id.re_replace("^0+", "")).product_id
    unknown = table.filter(~table.known).select("product_id").distinct()
    matching = engine.number(unknown.filter(unknown.product_id.re_replace("^0+", "").isin(bare)).count())
    return matching > MAX_MISSING * total(unknown)


def _required(diagnosis: Diagnosis) -> None:
    """Tables and columns without which nothing can be planned."""
    for name in schema.required_tables():
        if name not in diagnosis.tables:
            needed = ", ".join(column.name for column in schema.columns(name) if column.required)
            diagnosis.problems.append(f"no {name}: no file holds {needed}")
    for name, table in diagnosis.tables.items():
        missing = [
            column.name for column in schema.columns(name) if column.required and column.name not in table.columns
        ]
        if missing:
            there = [m.header for frame in diagnosis.frames if name in frame.tables for m in frame.mapped]
            which = " and ".join(missing)
            words = (
                f"{name}: no header was understood as {which} (headers: {', '.join(there)}). Say which one is, with "
            )
            diagnosis.problems.append(words + " ".join(f"--map HEADER={column}" for column in missing))
        elif name in schema.required_tables() and not total(table):
            diagnosis.problems.append(f"{name}: no row is left")


def missing_capabilities(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """Tables and columns that are not there, and what is lost without each."""
    result = []
    for name, (required, _, lost) in schema.TABLES.items():
        if name not in diagnosis.tables:
            result.append((name, "nothing can be planned without it" if required else lost))
            continue
        there = diagnosis.tables[name].columns
        result += [
            (f"{name}.{column.name}", column.without or "required")
            for column in schema.columns(name)
            if column.name not in there
            and column.name not in ("image_vector", "audio_vector", "category_path_readable")
        ]
    return result
