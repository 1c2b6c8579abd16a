"""What was made of the values of one column."""

import dataclasses
import unicodedata
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

SAMPLES = 5

# What programs and people write where there is nothing, compared after case and outer spaces are taken away.
NULL_WORDS = (
    "",
    *("null", "(null)", "<null>", "[null]", "\\n", "nil", "none", "(none)", "nan", "<na>", "nat", "na", "n/a", "n.a."),
    *("#n/a", "#na", "#nv", "#n/d", "#н/д", "-", "--", "---", "."),
    *("0000-00-00", "0000-00-00 00:00:00", "undefined", "(blank)", "(empty)", "无", "空", "暂无"),
)
# What says that a value is unknown: a text or an identifier is missing then; a number, a time, a state, or yes and no
# was not understood, which is not the same as an empty cell.
UNKNOWN_WORD = "?"
# What a spreadsheet shows where a formula went wrong: not understood, whatever the column holds.
ERROR_WORDS = (
    *("#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!", "#spill!", "#calc!", "#field!", "#blocked!"),
    *("#bezug!", "#wert!", "#zahl!", "#valeur!", "#nombre!", "#nom?", "#nul!", "#¡ref!", "#¡valor!", "#¡num!"),
    *("#¡div/0!", "#¿nombre?", "#valor!", "#nome?", "#núm!", "#rif!", "#valore!", "#verw!", "#waarde!", "#naam?"),
    *("#getal!", "#deel/0!", "#adr!", "#arg!", "#nazwa?", "#liczba!", "#ссылка!", "#знач!", "#имя?", "#число!"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """The values of a column, read.

    Attributes:
        values: typed, one for each row; null where nothing was given and where the value was not understood.
        filled: rows with a value; empty cells and null words such as "NULL" are none.
        read: rows whose value was understood. `filled - read` rows were not.
        odd: samples of values that were not understood, as written, most frequent first.
        remark: how the column was read, for a person.
        ambiguous: whether the column allows another reading; `remark` says which.
        percent: of numbers, true where a value is written with a percent sign; None where no value is.
        currencies: of numbers, the currency marks found, most frequent first.
        marks: of numbers, the currency mark of each row, null without one; None where no value has one.
        wrong: true in the rows whose value was not understood; None where there are none.
        null_words: the words that were taken as missing, with their rows.
    """

    values: pa.ChunkedArray
    filled: int
    read: int
    odd: tuple[str, ...] = ()
    remark: str = ""
    ambiguous: bool = False
    percent: pa.ChunkedArray | None = None
    currencies: tuple[str, ...] = ()
    marks: pa.ChunkedArray | None = None
    wrong: pa.ChunkedArray | None = None
    null_words: tuple[tuple[str, int], ...] = ()

    @property
    def not_understood(self) -> int:
        """Rows with a value that was not understood."""
        return self.filled - self.read


@dataclasses.dataclass(frozen=True)
class Distinct:
    """The different texts of a column: each is read once.

    Attributes:
        written: the texts as they are.
        plain: the same after Unicode compatibility forms (full-width digits, hard spaces), outer spaces and a
            spreadsheet's text marks (`="007"`) are taken away; null where `written` is a null word.
        rows: the number of rows of each.
        codes: the text of each row.
    """

    written: pa.Array
    plain: pa.Array
    rows: pa.Array
    codes: pa.ChunkedArray

    def spread(self, values: pa.Array) -> pa.ChunkedArray:
        """A value for each text becomes a value for each row."""
        return pa.chunked_array([values.take(chunk) for chunk in self.codes.chunks], type=values.type)

    def count(self, which: pa.Array) -> int:
        """The rows of the texts that `which` (booleans) names."""
        return int(pc.sum(self.rows.filter(pc.fill_null(which, False))).as_py() or 0)

    def samples(self, which: pa.Array) -> tuple[str, ...]:
        """Some of the texts that `which` names, as written, most frequent first."""
        return tuple(text for text, _ in self.most(which, SAMPLES))

    def most(self, which: pa.Array, n: int) -> list[tuple[str, int]]:
        """The n most frequent of the texts that `which` names, with their rows."""
        keep = pc.fill_null(which, False)
        found = pa.table({"text": self.written.filter(keep), "rows": self.rows.filter(keep)})
        top = found.take(pc.select_k_unstable(found, n, [("rows", "descending"), ("text", "ascending")]))
        return list(zip(top["text"].to_pylist(), top["rows"].to_pylist(), strict=True))


def distinct(values: pa.ChunkedArray | pa.Array, missing: Sequence[str] = NULL_WORDS) -> Distinct:
    """The different texts of a column of any type. missing: what stands for no value, in lower case."""
    column = as_texts(values)
    coded = pc.dictionary_encode(column).unify_dictionaries()
    written = coded.chunk(0).dictionary if coded.num_chunks else pa.array([], pa.large_string())
    codes = pa.chunked_array([chunk.indices for chunk in coded.chunks], type=pa.int32())
    counted = pc.value_counts(codes)
    counted = counted.filter(pc.is_valid(counted.field(0)))
    rows = counted.field(1).take(pc.sort_indices(counted.field(0)))
    return Distinct(written, _plain(written, missing), rows, codes)


def as_texts(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray:
    """A column as texts; whole floating-point numbers without ".0", lists joined by " > "."""
    column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind):
        return _float_texts(column)
    if pa.types.is_decimal(kind):
        text = pc.replace_substring_regex(column.cast(pa.large_string()), r"(\.\d*[1-9])0+$", r"\1")
        return pc.replace_substring_regex(text, r"\.0+$", "")
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and not pa.types.is_nested(kind.value_type):
        parts = column.cast(pa.list_(pa.string()))
        return pa.chunked_array([pc.binary_join(c, " > ") for c in parts.chunks], pa.string()).cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.cast(pa.string() if pa.types.is_binary(kind) else pa.large_string()).cast(pa.large_string())
    if pa.types.is_nested(kind):
        parts = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(parts, pa.large_string())])
    return column.cast(pa.large_string())


def _float_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    number = pc.if_else(pc.is_nan(column), None, column.cast(pa.float64()))
    whole = pc.and_(pc.equal(number, pc.floor(number)), pc.less(pc.abs(number), 2.0**63))
    integers = pc.if_else(whole, number, None).cast(pa.int64()).cast(pa.large_string())
    return pc.coalesce(integers, number.cast(pa.large_string()))


def _plain(written: pa.Array, null_words: Sequence[str]) -> pa.Array:
    text = pc.utf8_normalize(written, form="NFKC")
    text = pc.replace_substring_regex(text, "[\u200b\u200c\u200d\u2060\ufeff\u200e\u200f]", "")
    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r'^\s*=\s*"(.*)"\s*$', r"\1"))
    return pc.if_else(pc.is_in(pc.utf8_lower(text), pa.array(null_words, text.type)), None, text)


def reading(
    found: Distinct,
    values: pa.Array,
    *,
    remark: str = "",
    ambiguous: bool = False,
    percent: pa.Array | None = None,
    marks: pa.Array | None = None,
    currencies: Sequence[str] = (),
) -> Reading:
    """The reading of a column from the values of its different texts, null where one was not understood."""
    given = pc.is_valid(found.plain)
    read = pc.and_(given, pc.is_valid(values))
    odd = pc.and_(given, pc.is_null(values))
    any_odd = bool(pc.any(odd).as_py())
    words = pc.and_(pc.invert(given), pc.not_equal(pc.utf8_trim_whitespace(found.written), ""))
    return Reading(
        values=found.spread(values),
        filled=found.count(given),
        read=found.count(read),
        odd=found.samples(odd),
        remark=remark,
        ambiguous=ambiguous,
        percent=None if percent is None else found.spread(percent),
        currencies=tuple(currencies),
        marks=None if marks is None else found.spread(marks),
        wrong=pc.fill_null(found.spread(odd), False) if any_odd else None,
        null_words=tuple(found.most(words, SAMPLES)),
    )


def folded(words: Iterable[str]) -> list[str]:
    """Words as `Distinct.plain` has them, in lower case."""
    return [unicodedata.normalize("NFKC", word).lower() for word in words]
