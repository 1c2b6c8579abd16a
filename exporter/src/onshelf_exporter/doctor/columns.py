"""Reads the values of the headers that mean something: typed columns, and what was not understood."""

from dataclasses import dataclass, field
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from onshelf.files import (
    NULL_WORDS,
    UNKNOWN_WORD,
    Reading,
    Unit,
    as_texts,
    currencies,
    identifiers,
    numbers,
    texts,
    times,
    unit_of,
    yes_no,
)
from onshelf_exporter.data import headers, schema
from onshelf_exporter.doctor.meanings import Meaning
from onshelf_exporter.doctor.paths import paths
from onshelf_exporter.doctor.settings import ReadingSettings
from onshelf_exporter.process.errors import SettingError

SAMPLES = 2  # values shown of each column
SAMPLE_LENGTH = 28  # characters shown of a value
HIDDEN = ("user_id", "audience", "text")  # whose values are never shown: they are, or name, people
MONEY = ("revenue", "discount", "coupon_discount", "price_paid", "list_price", "unit_cost", "fixed_cost")
MAX_CODES = 30  # different values of a flag of promotion; more are no places
UNKNOWN = "not understood"  # a kind
NO_SALE = ""  # a kind that is no event: a cancelled order, or what `--kinds` leaves out
IDS = (
    "product_id", "user_id", "order_id", "site_id", "event_id", "channel_id", "campaign_id", "coupon_id", "seller_id",
    "signal_id",
)  # fmt: skip
TYPES = {
    "category_1": "text", "category_2": "text", "category_3": "text", "price_paid": "number",
    "discount_share": "number", "currency": "text", "status": "text", "week_start": "date", "week_end": "date",
    "promotion": "text",
}  # fmt: skip


@dataclass(kw_only=True)
class Mapped:
    """What became of one header.

    Attributes:
        header: as in the file.
        columns: what it means; () for nothing.
        samples: some values; none of users, and none of headers without meaning, which may hold anything of people.
        filled: rows with a value.
        read: rows with a value that was understood.
        odd: some of the other values.
        remark: how it was read, or why it was not.
        open: the column allows another reading.
        currencies: marks of currencies among its values.
    """

    header: str
    columns: tuple[str, ...]
    samples: list[str] = field(default_factory=list)
    filled: int = 0
    read: int = 0
    odd: tuple[str, ...] = ()
    remark: str = ""
    open: bool = False
    currencies: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Frame:
    """The columns of files that hold the same tables, read.

    Attributes:
        files: their names.
        tables: canonical tables that they hold.
        rows: number of rows.
        columns: typed values, by column of the schema or key of `headers.MEANINGS`.
        odd: by column, the values as written that were not understood; null elsewhere. Only where there are some.
        shares: by column, which values are percentages.
        flags: by channel of promotion, the flag of each row: "" where it is not promoted.
        kinds: values of kinds and states, with what each means and its rows.
        mapped: what became of each header.
    """

    files: list[str]
    tables: tuple[str, ...]
    rows: int
    columns: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    odd: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    shares: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    flags: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    kinds: list[tuple[str, str, int]] = field(default_factory=list)
    mapped: list[Mapped] = field(default_factory=list)


def read_columns(
    files: list[str],
    tables: tuple[str, ...],
    table: pa.Table,
    meant: list[Meaning],
    settings: ReadingSettings,
    timezone: str,
    written: bool = True,
) -> Frame:
    """Read every header that means something.

    Args:
        files: names of the files.
        tables: canonical tables that they hold.
        table: their rows.
        meant: what each header means.
        settings: what is stated.
        timezone: IANA zone of times.
        written: the files are text, so that their numbers are as somebody wrote them; `--decimal` is about those.
    """
    frame = Frame(files=files, tables=tables, rows=table.num_rows)
    for meaning in meant:
        values = table[meaning.header]
        plain = texts(values) if not _is_list(values) else None
        mapped = Mapped(header=meaning.header, columns=meaning.columns, remark=meaning.remark)
        frame.mapped.append(mapped)
        if plain is not None and not set(meaning.columns) & set(HIDDEN):
            mapped.samples = _samples(plain.values) if meaning.columns else []
            mapped.filled = plain.filled
        for column in meaning.columns:
            if column == "promotion":
                _flag(frame, mapped, values)
                continue
            found = _read(column, meaning.header, values, frame, settings, timezone, written)
            if plain is not None and type_of(column) in ("number", "integer"):
                found = _in_unit(column, unit_of(meaning.header), found, plain.values)
            frame.columns[column] = found.values
            mapped.filled, mapped.read, mapped.odd = found.filled, found.read, found.odd
            mapped.open |= found.ambiguous
            mapped.currencies = found.currencies or mapped.currencies
            words = ", ".join(f"{word!r} ({rows:,})" for word, rows in found.null_words)
            for remark in (found.remark, f"taken as missing: {words}" if words else ""):
                if remark and remark not in mapped.remark:
                    mapped.remark = f"{mapped.remark}; {remark}".lstrip("; ")
            if found.percent is not None:
                frame.shares[column] = found.percent
            if column == "currency" and not found.read:
                continue  # perhaps a code of the retailer's own: `diagnosis` asks
            if found.not_understood and plain is not None:
                wrong = found.wrong
                if wrong is None:
                    wrong = pc.and_(pc.is_null(found.values), pc.is_valid(plain.values))
                frame.odd[column] = pc.if_else(wrong, as_texts(values), None)
    return frame


def type_of(column: str) -> str:
    """Type of a column of the schema or of a key of `headers.MEANINGS`."""
    return TYPES.get(column) or next(one.type for one in schema.COLUMNS if one.name == column)


def _is_list(values: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_list(values.type) or pa.types.is_large_list(values.type))


def _samples(values: pa.ChunkedArray) -> list[str]:
    first = pc.unique(values.drop_null().slice(0, 1_000)).slice(0, SAMPLES).to_pylist()
    return [str(value)[:SAMPLE_LENGTH] for value in first]


def _read(
    column: str,
    header: str,
    values: pa.ChunkedArray,
    frame: Frame,
    settings: ReadingSettings,
    timezone: str,
    written: bool,
) -> Reading:
    """The values of one column by its type."""
    type_ = type_of(column)
    if type_ in ("texts", "vector"):
        return _lists(values, type_)
    if type_ in ("number", "integer"):
        return numbers(values, settings.decimal_of(header) if written else None)
    if type_ in ("date", "time"):
        typed = pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)
        form = None if typed else settings.date_format_of(header)
        try:
            return times(values, date_format=form, timezone=timezone, kind="date" if type_ == "date" else "time")
        except ValueError as error:
            raise SettingError("--date-format", form, str(error)) from error
    if type_ == "yes/no":
        return yes_no(values)
    if column == "currency":
        return currencies(values)
    if column in ("kind", "status") and "interactions" in frame.tables:
        return _kinds(column, values, frame, settings)
    if column in ("category_path", "category_path_readable"):
        return paths(texts(values))
    return identifiers(values) if column in IDS else texts(values)


def _with(found: Reading, values: pa.ChunkedArray, **changes: object) -> Reading:
    return Reading(**{**found.__dict__, "values": values, **changes})


def _in_unit(column: str, unit: Unit, found: Reading, written: pa.ChunkedArray) -> Reading:
    """Numbers in the unit that their header states; a percentage of what can be none is not understood."""
    percent = pc.is_valid(found.values) if unit.percent else found.percent
    if percent is not None and column in headers.NO_PERCENTAGE:
        wrong = pc.fill_null(percent, False)
        found = _with(
            found,
            pc.if_else(wrong, None, found.values),
            read=found.read - (pc.sum(wrong).as_py() or 0),
            odd=tuple(dict.fromkeys([*found.odd, *_samples(written.filter(wrong))])),
            wrong=wrong if found.wrong is None else pc.or_(wrong, found.wrong),
            remark=_told(found.remark, f"a percentage is no {column}"),
        )
        percent = None
    if unit.percent and (top := pc.max(pc.abs(found.values)).as_py()) and top <= 1:
        told = _told(found.remark, "no value is above 1: read as shares, not as percentages")
        found = _with(found, pc.multiply(found.values, 100.0), remark=told)
    if column in MONEY and unit.factor != 1.0:
        told = _told(found.remark, f"times {unit.factor:,g}, the unit of the header")
        found = _with(found, pc.multiply(found.values, unit.factor), remark=told)
    return _with(found, found.values, percent=percent)


def _told(*remarks: str) -> str:
    return "; ".join(remark for remark in remarks if remark)


def _lists(values: pa.ChunkedArray, type_: str) -> Reading:
    """Lists as they are; a text is taken apart at commas, semicolons and bars."""
    item = pa.string() if type_ == "texts" else pa.float64()
    if not _is_list(values):
        found = texts(values)
        parts = pc.split_pattern_regex(found.values, r"\s*[,;|]\s*")
        return _with(found, parts.cast(pa.list_(item)))
    filled = len(values) - values.null_count
    return Reading(values=values.cast(pa.list_(item)), filled=filled, read=filled)


def _kinds(column: str, values: pa.ChunkedArray, frame: Frame, settings: ReadingSettings) -> Reading:
    """Kinds of events, or states of orders: UNKNOWN where a value was not understood, NO_SALE where it is no event."""
    known = headers.kind_of if column == "kind" else headers.status_of
    found = texts(values, NULL_WORDS)
    written = found.values if found.wrong is None else pc.if_else(found.wrong, as_texts(values), found.values)
    counted = cast(list[dict[str, object]], pc.value_counts(written.drop_null()).to_pylist())
    meant: dict[str, str] = {}
    unknown = 0
    for one in sorted(counted, key=lambda one: -cast(int, one["counts"])):
        value, rows = cast(str, one["values"]), cast(int, one["counts"])
        stated = settings.kind_of(value)
        kind = stated if stated is not None else known(value)
        meant[value] = UNKNOWN if kind is None else kind
        unknown += rows if kind is None else 0
        frame.kinds.append((value, meant[value], rows))
    place = pc.index_in(written, pa.array(list(meant), written.type))
    kinds = pa.chunked_array(
        [pa.array(list(meant.values()), pa.string()).take(chunk) for chunk in place.chunks], pa.string()
    )
    told = [f"{value} = {'no sale' if kind == NO_SALE else kind}" for value, kind in meant.items() if value != kind]
    odd = tuple(value for value, kind in meant.items() if kind == UNKNOWN)
    return _with(found, kinds, read=found.filled - unknown, odd=odd[:5], wrong=None, remark=", ".join(told[:8]))


def _flag(frame: Frame, mapped: Mapped, values: pa.ChunkedArray) -> None:
    """A flag of promotion: a channel of the header's name, or several where the values are codes."""
    plain = texts(values)  # without what says that a value is unknown: it is neither a code nor a promotion
    found = yes_no(plain.values)
    name = headers.channel_of(mapped.header)
    unknown = yes_no(values).filled - found.filled
    mapped.filled, mapped.read = found.filled + unknown, found.filled
    mapped.odd = (*plain.odd, *(word for word, _ in plain.null_words if word.strip() == UNKNOWN_WORD))
    if found.not_understood and pc.count_distinct(values).as_py() > MAX_CODES:
        mapped.columns, mapped.read, mapped.samples = (), 0, []
        mapped.remark = f"no flag: more than {MAX_CODES} different values"
        return
    if found.not_understood:  # codes of places, as "A" and "D" of a mailer; those that mean no are none
        code = pc.utf8_lower(plain.values)
        code = pc.if_else(pc.fill_null(found.values, True), code, None)
        channel = pc.binary_join_element_wise(pa.scalar(name), code.cast(pa.string()), "_")
        mapped.remark = f"a channel of promotion for each value, such as {name}_{_samples(code)[0]}"
    else:
        channel = pc.if_else(pc.fill_null(found.values, False), name, None)
        mapped.remark = f"channel of promotion {name!r} where it says yes"
    frame.flags[name] = channel
