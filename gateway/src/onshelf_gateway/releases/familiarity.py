"""How strange a title reads to the shop and its encoder, by familiarity.arrow of the model release.

A word costs the bits of the table, or those of its letters, each after the ones before it; a title's strangeness is
what it costs beyond the typical bits a letter, over the square root of its letters. onshelf-exporter learns the table
and the limits from the shop's own titles and the encoder's tokenizer (its `training/familiarity.py`).
"""

import math
import re
import unicodedata
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

COLUMNS = ("kind", "text", "bits", "unseen_bits")
WORD = re.compile(r"[^\W\d_]+")
START, END = "\x02", "\x03"


@dataclass(frozen=True)
class Familiarity:
    """What words and letters cost.

    Attributes:
        words: bits of words that are listed.
        letters: bits of the last of up to `order` letters after the others.
        unseen: bits to add where a letter was not seen after these, and one letter less is looked at.
        order: letters that are looked at together.
        other_bits: what a word costs that is not listed, beside its letters.
        typical: bits a letter of a usual title.
        notice, refuse: strangeness beyond which a title is flagged and refused.
    """

    words: dict[str, float]
    letters: dict[str, float]
    unseen: dict[str, float]
    order: int
    other_bits: float
    typical: float
    notice: float
    refuse: float

    def strangeness(self, tokenizer: Tokenizer, title: str) -> float:
        """How strange a title reads; about 0 for usual ones, 0 where it has no letter."""
        seen = title if tokenizer.normalizer is None else tokenizer.normalizer.normalize_str(title)
        words = WORD.findall(unicodedata.normalize("NFC", seen.casefold()))
        size = sum(len(word) + 1 for word in words)
        cost = sum(self._bits(word) for word in words)
        return (cost - self.typical * size) / math.sqrt(max(size, 1))

    def _bits(self, word: str) -> float:
        known = self.words.get(word)
        if known is not None:
            return known
        text = f"{START}{word}{END}"
        runs = (text[max(0, end - self.order) : end] for end in range(2, len(text) + 1))
        return sum(self._letter(run) for run in runs) + self.other_bits

    def _letter(self, run: str) -> float:
        more = 0.0
        while run and run not in self.letters:
            more += self.unseen.get(run[:-1], 0.0)
            run = run[1:]
        return more + self.letters.get(run, 0.0)


def read_familiarity(table: pa.Table) -> Familiarity:
    """Read familiarity.arrow.

    Raises:
        ValueError: its metadata lack a limit, or it is no number.
    """
    said = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    limits = ("other_bits", "typical", "notice", "refuse")
    missing = [name for name in ("order", *limits) if name not in said]
    if missing:
        raise ValueError(f"its metadata lack {', '.join(missing)}")
    words = table.filter(pc.equal(table["kind"], "word"))
    letters = table.filter(pc.equal(table["kind"], "letters"))
    return Familiarity(
        dict(zip(words["text"].to_pylist(), words["bits"].to_pylist(), strict=True)),
        _known(letters, "bits"),
        _known(letters, "unseen_bits"),
        int(said["order"]),
        *(float(said[name]) for name in limits),
    )


def _known(table: pa.Table, column: str) -> dict[str, float]:
    rows = table.filter(pc.is_valid(table[column]))
    return dict(zip(rows["text"].to_pylist(), rows[column].to_pylist(), strict=True))
