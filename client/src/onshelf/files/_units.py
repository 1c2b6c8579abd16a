"""The unit of a column that its header states: "Discount (%)", "Price (cents)", "Amount (USD)"."""

import dataclasses
import re
import unicodedata

from onshelf.files._numbers import CURRENCIES

_IN_BRACKETS = re.compile(r"[(（\[【](.*?)[)）\]】]")
_PERCENT = ("percent", "per cent", "pct", "prozent", "百分比")
# What one unit of the column is in whole units of the currency.
_SCALES = {
    0.01: "cent cents ct cts c eurocent eurocents us-cents pence p 分",
    1_000.0: "k '000 000 000s 1000 1,000 1.000 x1000 tsd thousand thousands tausend mille miles 千 千元",
    10_000.0: "万 万元",
}
_SCALE_OF = {word: factor for factor, words in _SCALES.items() for word in words.split()}
# Words and short units that are marks of currencies, too: these count in capitals alone, and not among capitals.
_WORDS = ("all", "ang", "bam", "cop", "cup", "fr", "ft", "gel", "mad", "mop", "p", "pen", "r", "ron", "top", "try")
_PERCENT_SIGN = re.compile(r"^\s*%|%\s*$|^[^(（\[【]*\s%\s")  # before or behind the words: "19% VAT" is none


@dataclasses.dataclass(frozen=True)
class Unit:
    """What a header says of its numbers.

    Attributes:
        percent: they are percentages.
        factor: by which an amount is multiplied to be in whole units of its currency.
        mark: the currency, as `Reading.currencies` has it; "" for none.
    """

    percent: bool = False
    factor: float = 1.0
    mark: str = ""


def unit_of(header: str) -> Unit:
    """The unit that a header states: a percent sign, or what stands in brackets. A remark that is no unit is none."""
    text = unicodedata.normalize("NFKC", header)
    remarks = [re.sub(r"^(?:in|en|em)\s+", "", one.strip(), flags=re.IGNORECASE) for one in _IN_BRACKETS.findall(text)]
    if _PERCENT_SIGN.search(_IN_BRACKETS.sub("", text)) or any(one.casefold() in ("%", *_PERCENT) for one in remarks):
        return Unit(percent=True)
    found = Unit()
    for written in remarks:
        factor, rest = _SCALE_OF.get(written.casefold(), 1.0), written
        thousands = re.fullmatch(r"([kKtT])\s?(€|\$|£|[A-Z]{3})|(€|\$|£)\s?([kK])", written)
        if thousands and _mark(thousands[2] or thousands[3], text):
            factor, rest = 1_000.0, thousands[2] or thousands[3]
        found = Unit(factor=found.factor * factor, mark=found.mark or _mark(rest, text))
    return found


def _mark(written: str, header: str) -> str:
    """The currency that a remark of a header names; "" for none."""
    bare = written.casefold()
    codes = CURRENCIES.get(bare, ())
    as_code = written.isupper() and len(bare) == 3 and not header.isupper()
    if not codes or (bare in _WORDS and not as_code):
        return ""
    return codes[0] if len(codes) == 1 else bare
