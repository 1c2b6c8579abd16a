"""Identifiers, texts, and yes or no."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from onshelf.files._reading import ERROR_WORDS, NULL_WORDS, UNKNOWN_WORD, Distinct, Reading, distinct, folded, reading

NO_TEXTS = (*NULL_WORDS, UNKNOWN_WORD)
_YES = "1 1.0 y yes true t x on ja j oui o si sí s sim да 是 对 有 ✓ ✔"
_NO = "0 0.0 n no false f off nein non não nao нет 否 错 无 ✗ ✘"


def texts(values: pa.ChunkedArray | pa.Array, missing: Sequence[str] = NO_TEXTS) -> Reading:
    """A column of texts without outer spaces; null where a cell is empty or holds one of the words of `missing`, and
    where it holds a spreadsheet's error, which is not understood.
    """
    found = distinct(values, missing)
    trimmed = pc.utf8_trim_whitespace(pc.replace_substring_regex(found.written, r'^\s*=\s*"(.*)"\s*$', r"\1"))
    return reading(found, pc.if_else(pc.and_(pc.is_valid(found.plain), pc.invert(_error(found))), trimmed, None))


def identifiers(values: pa.ChunkedArray | pa.Array) -> Reading:
    """A column of identifiers: texts, where `1001.0` is `1001` if all values with a full stop look like that.

    Leading zeros stay. `1.23E+12`, what a spreadsheet makes of a long number, and whole numbers that a float does not
    hold exactly have lost digits: they are not understood, nor are a spreadsheet's errors.
    """
    found = distinct(values, NO_TEXTS)
    column_type = values.type
    text = pc.utf8_trim_whitespace(pc.if_else(pc.is_valid(found.plain), found.plain, None))
    floats = pc.fill_null(pc.match_substring_regex(text, r"^-?\d+\.0+$"), False)
    dotted = pc.fill_null(pc.match_substring_regex(text, r"^-?\d+\.\d+$"), False)
    remarks = []
    if pc.any(floats).as_py() and pc.all(pc.equal(floats, dotted)).as_py():
        text = pc.if_else(floats, pc.replace_substring_regex(text, r"\.0+$", ""), text)
        remarks.append("whole numbers written like 1001.0 are read as 1001")
    lost = pc.fill_null(pc.match_substring_regex(text, r"^-?\d(?:[.,]\d+)?[eE]\+\d+$"), False)
    if pa.types.is_floating(column_type):
        exact = pc.match_substring_regex(text, r"^-?\d{1,15}$|^-?[1-8]\d{15}$")
        lost = pc.or_(lost, pc.invert(pc.fill_null(exact, True)))
    if pc.any(lost).as_py():
        remarks.append("identifiers like 1.23E+12 have lost their digits: export them as texts")
    return reading(found, pc.if_else(pc.or_(lost, _error(found)), None, text), remark="; ".join(remarks))


def yes_no(values: pa.ChunkedArray | pa.Array) -> Reading:
    """A column of yes and no, in several languages: `values` are booleans, null where a cell is empty."""
    found = distinct(values)
    low = pc.utf8_lower(pc.coalesce(found.plain, pc.utf8_trim_whitespace(found.written)))
    yes, no = (
        pc.is_in(low, pa.array(folded(_YES.split()), low.type)),
        pc.is_in(low, pa.array(folded(_NO.split()), low.type)),
    )
    return reading(found, pc.if_else(yes, True, pc.if_else(no, False, pa.scalar(None, pa.bool_()))))


def _error(found: Distinct) -> pa.Array:
    return pc.is_in(pc.utf8_lower(found.plain), pa.array(ERROR_WORDS, found.plain.type))
