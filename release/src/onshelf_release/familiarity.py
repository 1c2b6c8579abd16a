"""How strange a title reads to the shop and its encoder: another language, a misread encoding, a hand on the keyboard.

A word costs the bits of familiarity.arrow, or those of its letters, each after the ones before it; a title's
strangeness is what it costs beyond the typical bits a letter, over the square root of its letters: a long title of
usual words stays near 0, and one odd name in it weighs little.
"""

import math
import re
import unicodedata
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

COLUMNS = ("kind", "text", "bits", "unseen_bits")
LIMITS = ("other_bits", "typical", "notice", "refuse")
WORD = re.compile(r"[^\W\d_]+")
START, END = "\x02", "\x03"


def words_of(tokenizer: Tokenizer, title: str) -> list[str]:
    """Runs of letters as the encoder sees them: after the tokenizer's own normalisation, in lower case."""
    seen = title if tokenizer.normalizer is None else tokenizer.normalizer.normalize_str(title)
    return WORD.findall(unicodedata.normalize("NFC", seen.casefold()))


@dataclass(frozen=True, kw_only=True)
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
        cost, letters = self.cost(tokenizer, title)
        return (cost - self.typical * letters) / math.sqrt(max(letters, 1))

    def cost(self, tokenizer: Tokenizer, title: str) -> tuple[float, int]:
        """Bits of a title and its letters; the end of a word is one."""
        words = words_of(tokenizer, title)
        return sum(self.bits(word) for word in words), sum(len(word) + 1 for word in words)

    def bits(self, word: str) -> float:
        """What a word costs."""
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

    def table(self) -> pa.Table:
        """familiarity.arrow: kind ("word" or "letters"), text, bits, unseen_bits; the other values are metadata."""
        runs = list(dict.fromkeys([*self.letters, *self.unseen]))
        count = len(self.words)
        table = pa.table(
            {
                "kind": pa.array(["word"] * count + ["letters"] * len(runs), pa.string()),
                "text": pa.array([*self.words, *runs], pa.string()),
                "bits": pa.array([*self.words.values(), *map(self.letters.get, runs)], pa.float64()),
                "unseen_bits": pa.array([*[None] * count, *map(self.unseen.get, runs)], pa.float64()),
            }
        )
        said = {"order": str(self.order)} | {name: repr(getattr(self, name)) for name in LIMITS}
        return table.replace_schema_metadata(said)


def read_familiarity(table: pa.Table) -> Familiarity:
    """Read familiarity.arrow; raises ValueError where its metadata lack a limit, or it is no number."""
    said = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    missing = [name for name in ("order", *LIMITS) if name not in said]
    if missing:
        raise ValueError(f"its metadata lack {', '.join(missing)}")
    words = table.filter(pc.equal(table["kind"], "word"))
    letters = table.filter(pc.equal(table["kind"], "letters"))
    return Familiarity(
        words=dict(zip(words["text"].to_pylist(), words["bits"].to_pylist(), strict=True)),
        letters=_known(letters, "bits"),
        unseen=_known(letters, "unseen_bits"),
        order=int(said["order"]),
        **{name: float(said[name]) for name in LIMITS},
    )


def _known(table: pa.Table, column: str) -> dict[str, float]:
    rows = table.filter(pc.is_valid(table[column]))
    return dict(zip(rows["text"].to_pylist(), rows[column].to_pylist(), strict=True))
