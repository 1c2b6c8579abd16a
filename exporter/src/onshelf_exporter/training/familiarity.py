"""How strange a title reads to the shop and its encoder: another language, a misread encoding, a hand on the keyboard.

A word costs -log2 of a chance: its share among the words of the shop's titles, its place among the words that the
encoder's tokenizer knows in one piece (Zipf), and its letters, each after the three before it (Witten and Bell 1991,
The zero-frequency problem), learned from both lists. What a title costs beyond `typical` bits a letter, over the square
root of its letters, is its strangeness: a long title of usual words stays near 0, and one odd name in it weighs little.

The gateway judges titles by the table that is published (`onshelf_gateway.releases.familiarity`); a test holds both
together.
"""

import math
import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from tokenizers import Tokenizer

Floats = NDArray[np.float64]
WORD = re.compile(r"[^\W\d_]+")
START, END = "\x02", "\x03"
ORDER = 4  # letters that are looked at together
ALPHABET = 2_000  # a letter never seen has so many equals
ZIPF = 50  # a word of the tokenizer is as frequent as 1 / (place + ZIPF)
SHARES = (0.3, 0.3, 0.4)  # of the shop's words, the tokenizer's words, the letters
# Measured (docs/decisions.md, "Text"); a shop whose own titles read harder raises them.
TYPICAL = 2.25  # bits a letter
NOTICE = 9.0  # strangeness beyond which a title is flagged
REFUSE = 25.0  # beyond which it is refused
OWN_QUANTILE = 0.99  # of a shop's own titles, held out, are never flagged
FOLDS = 3
MANY = "mul"  # language of an encoder that reads many: it refuses no title


@dataclass(frozen=True)
class Reader:
    """What words and letters cost.

    Attributes:
        tokenizer: for its normalisation.
        words: bits of words that are listed.
        letters: bits of the last of up to ORDER letters after the others.
        unseen: bits to add where a letter was not seen after these, and one letter less is looked at.
    """

    tokenizer: Tokenizer
    words: dict[str, float]
    letters: dict[str, float]
    unseen: dict[str, float]

    def cost(self, titles: list[str]) -> tuple[Floats, Floats]:
        """Bits of each title and its letters (the end of a word is one), float64 [titles] each."""
        said = pd.Series([words_of(self.tokenizer, title) for title in titles], dtype=object).explode().dropna()
        known = {word: self.bits(word) for word in said.unique()}
        place = said.index.to_numpy(dtype=np.int64)
        size = said.str.len().to_numpy(dtype=np.float64) + 1.0
        bits = said.map(known).to_numpy(dtype=np.float64)
        return tuple(np.bincount(place, value, minlength=len(titles)) for value in (bits, size))  # type: ignore[return-value]

    def strangeness(self, titles: list[str], typical: float = TYPICAL) -> Floats:
        """Strangeness of each title; 0 where it has no letter."""
        return _strangeness(*self.cost(titles), typical)

    def bits(self, word: str) -> float:
        """What a word costs."""
        known = self.words.get(word)
        if known is not None:
            return known
        text = f"{START}{word}{END}"
        return sum(self._letter(text[max(0, end - ORDER) : end]) for end in range(2, len(text) + 1)) + _OTHER

    def _letter(self, run: str) -> float:
        more = 0.0
        while run and run not in self.letters:
            more += self.unseen.get(run[:-1], 0.0)
            run = run[1:]
        return more + self.letters.get(run, 0.0)


_OTHER = -math.log2(SHARES[2])


def words_of(tokenizer: Tokenizer, title: str) -> list[str]:
    """Runs of letters as the encoder sees them: after the tokenizer's own normalisation, in lower case."""
    seen = title if tokenizer.normalizer is None else tokenizer.normalizer.normalize_str(title)
    return WORD.findall(unicodedata.normalize("NFC", seen.casefold()))


def reader(tokenizer: Tokenizer, titles: list[str]) -> Reader:
    """Learn from a shop's titles and the words of a tokenizer."""
    return _reader(tokenizer, _said(tokenizer, titles))


def familiarity_table(tokenizer: Tokenizer, titles: list[str], language: str) -> pa.Table:
    """familiarity.arrow: kind ("word" or "letters"), text, bits, unseen_bits; metadata order, other_bits, typical,
    notice, refuse.

    The limits are the measured ones, or wider where the shop's own titles, held out, read harder.

    Args:
        tokenizer: the encoder's.
        titles: distinct titles of the shop.
        language: the encoder's; where it reads many, no title is refused.
    """
    said = _said(tokenizer, titles)
    typical, notice = _limits(tokenizer, titles, said)
    learned = _reader(tokenizer, said)
    runs = list(dict.fromkeys([*learned.letters, *learned.unseen]))
    count = len(learned.words)
    limits = {"typical": typical, "notice": notice, "refuse": REFUSE * notice / NOTICE}
    if language == MANY:
        limits["refuse"] = math.inf
    return pa.table(
        {
            "kind": pa.array(["word"] * count + ["letters"] * len(runs), pa.string()),
            "text": pa.array([*learned.words, *runs], pa.string()),
            "bits": pa.array([*learned.words.values(), *map(learned.letters.get, runs)], pa.float64()),
            "unseen_bits": pa.array([*[None] * count, *map(learned.unseen.get, runs)], pa.float64()),
        }
    ).replace_schema_metadata(
        {"order": str(ORDER), "other_bits": repr(_OTHER)} | {k: repr(v) for k, v in limits.items()}
    )


def _limits(tokenizer: Tokenizer, titles: list[str], said: "pd.Series[list[str]]") -> tuple[float, float]:
    """Typical bits a letter and the limit of a notice, from titles read by what the others of them teach."""
    if len(titles) < FOLDS:
        return TYPICAL, NOTICE
    fold = np.random.default_rng(0).permutation(len(titles)) % FOLDS
    cost, letters = np.zeros(len(titles)), np.zeros(len(titles))
    for out in range(FOLDS):
        rows = np.flatnonzero(fold == out)
        cost[rows], letters[rows] = _reader(tokenizer, said[fold != out]).cost([titles[row] for row in rows])
    typical = max(TYPICAL, float(cost.sum() / max(letters.sum(), 1.0)))
    return typical, max(NOTICE, float(np.quantile(_strangeness(cost, letters, typical), OWN_QUANTILE)))


def _strangeness(cost: Floats, letters: Floats, typical: float) -> Floats:
    return (cost - typical * letters) / np.sqrt(np.maximum(letters, 1.0))


def _said(tokenizer: Tokenizer, titles: list[str]) -> "pd.Series[list[str]]":
    return pd.Series([words_of(tokenizer, title) for title in titles], dtype=object)


def _reader(tokenizer: Tokenizer, said: "pd.Series[list[str]]") -> Reader:
    spoken = said.explode().dropna().value_counts(normalize=True)
    zipf = 1.0 / (_known_words(tokenizer) + ZIPF)
    words = spoken.index.union(zipf.index)
    if not len(words):
        return Reader(tokenizer, {}, {}, {"": math.log2(ALPHABET)})
    spelled = Reader(tokenizer, {}, *_letters(words))
    shares = (spoken, zipf / zipf.sum())
    listed = sum(
        share * values.reindex(words).fillna(0.0).to_numpy(dtype=np.float64)
        for share, values in zip(SHARES, shares, strict=False)
    )
    bits = -np.log2(listed + 2.0 ** -np.array([spelled.bits(word) for word in words]))
    return Reader(tokenizer, dict(zip(words, bits.tolist(), strict=True)), spelled.letters, spelled.unseen)


def _known_words(tokenizer: Tokenizer) -> "pd.Series[float]":
    """Words that the tokenizer knows in one piece, with their place in its vocabulary, whose order is by frequency."""
    pieces = pd.Series(pd.Series(tokenizer.get_vocab()).sort_values().index, dtype=object)
    if pieces.str.startswith("▁").any():  # SentencePiece marks where a word starts, except where blanks are not used
        starts = pieces.str.startswith("▁") | (pieces.str.lower() == pieces.str.upper())
    else:
        starts = ~pieces.str.startswith("##")
    words = pieces[starts].str.removeprefix("▁").str.casefold()
    words = words[(words.str.len() > 1) & words.str.fullmatch(WORD.pattern)].drop_duplicates()
    return pd.Series(np.arange(1.0, len(words) + 1.0), index=pd.Index(words, dtype=object))


def _letters(words: "pd.Index[str]") -> tuple[dict[str, float], dict[str, float]]:
    """Bits of each run of letters (its last after the others), and of a letter unseen after each run."""
    counter = CountVectorizer(analyzer="char", lowercase=False, ngram_range=(1, ORDER), dtype=np.int64)
    counts = np.asarray(counter.fit_transform([f"{START}{word}{END}" for word in words]).sum(axis=0)).ravel()
    table = pd.DataFrame({"run": np.asarray(counter.get_feature_names_out(), dtype=object), "count": counts})
    table = table[table["run"] != START]
    table = table.assign(before=table["run"].str[:-1], size=table["run"].str.len())
    after = table.groupby("before")["count"].agg(["sum", "size"])
    total, kinds = (table["before"].map(after[name]).to_numpy(dtype=np.float64) for name in ("sum", "size"))
    chance: pd.Series[float] = pd.Series({"": 1.0 / ALPHABET})
    for size in range(1, ORDER + 1):
        rows = (table["size"] == size).to_numpy()
        shorter = table["run"][rows].str[1:].map(chance).to_numpy(dtype=np.float64)
        own = (table["count"][rows].to_numpy() + kinds[rows] * shorter) / (total[rows] + kinds[rows])
        chance = pd.concat([chance, pd.Series(own, index=table["run"][rows].to_numpy())])
    unseen = -np.log2(after["size"] / (after["sum"] + after["size"]))
    unseen.loc[""] += math.log2(ALPHABET)
    return (-np.log2(chance.drop(""))).to_dict(), unseen.to_dict()
