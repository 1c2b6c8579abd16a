"""How strange a title reads to the shop and its encoder: another language, a misread encoding, a hand on the keyboard.

A word costs -log2 of a chance: its share among the words of the shop's titles, its place among the words that the
encoder's tokenizer knows in one piece (Zipf), and its letters, each after the three before it (Witten and Bell 1991,
The zero-frequency problem), learned from both lists. What a title costs beyond `typical` bits a letter, over the square
root of its letters, is its strangeness: a long title of usual words stays near 0, and one odd name in it weighs little.

What is learned is published as familiarity.arrow; training and serving read it by `onshelf_release.familiarity`.
"""

import dataclasses
import math

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from tokenizers import Tokenizer

from onshelf_release.familiarity import END, START, WORD, Familiarity, words_of

Floats = NDArray[np.float64]
ORDER = 4  # letters that are looked at together
ALPHABET = 2_000  # a letter never seen has so many equals
ZIPF = 50  # a word of the tokenizer is as frequent as 1 / (place + ZIPF)
SHARES = (0.3, 0.3, 0.4)  # of the shop's words, the tokenizer's words, the letters
# Measured (docs/decisions/text.md); a shop whose own titles read harder raises them.
TYPICAL = 2.25  # bits a letter
NOTICE = 9.0  # strangeness beyond which a title is flagged
REFUSE = 25.0  # beyond which it is refused
OWN_QUANTILE = 0.99  # of a shop's own titles, held out, are never flagged
FOLDS = 3
MANY = "mul"  # language of an encoder that reads many: it refuses no title


def learned_familiarity(tokenizer: Tokenizer, titles: list[str]) -> Familiarity:
    """Learn from a shop's titles and the words of a tokenizer; the limits are the measured ones."""
    return _learned(tokenizer, _said(tokenizer, titles))


def familiarity_table(tokenizer: Tokenizer, titles: list[str], language: str) -> pa.Table:
    """familiarity.arrow. The limits are the measured ones, or wider where the shop's own titles, held out, read harder.

    Args:
        tokenizer: the encoder's.
        titles: distinct titles of the shop.
        language: the encoder's; where it reads many, no title is refused.
    """
    said = _said(tokenizer, titles)
    typical, notice = _limits(tokenizer, said)
    refuse = math.inf if language == MANY else REFUSE * notice / NOTICE
    known = _learned(tokenizer, said)
    return dataclasses.replace(known, typical=typical, notice=notice, refuse=refuse).table()


def _limits(tokenizer: Tokenizer, said: "pd.Series[list[str]]") -> tuple[float, float]:
    """Typical bits a letter and the limit of a notice, from titles read by what the others of them teach."""
    if len(said) < FOLDS:
        return TYPICAL, NOTICE
    fold = np.random.default_rng(0).permutation(len(said)) % FOLDS
    cost, letters = np.zeros(len(said)), np.zeros(len(said))
    for out in range(FOLDS):
        rows = fold == out
        cost[rows], letters[rows] = _costs(_learned(tokenizer, said[~rows]), said[rows])
    typical = max(TYPICAL, float(cost.sum() / max(letters.sum(), 1.0)))
    strangeness = (cost - typical * letters) / np.sqrt(np.maximum(letters, 1.0))
    return typical, max(NOTICE, float(np.quantile(strangeness, OWN_QUANTILE)))


def _costs(known: Familiarity, said: "pd.Series[list[str]]") -> tuple[Floats, Floats]:
    """Bits of each title and its letters (the end of a word is one), float64 [titles] each; every word once."""
    words = said.reset_index(drop=True).explode().dropna()
    bits = words.map({word: known.bits(word) for word in words.unique()}).to_numpy(dtype=np.float64)
    size = words.str.len().to_numpy(dtype=np.float64) + 1.0
    cost, letters = (np.bincount(words.index, values, minlength=len(said)) for values in (bits, size))
    return cost.astype(np.float64), letters.astype(np.float64)


def _said(tokenizer: Tokenizer, titles: list[str]) -> "pd.Series[list[str]]":
    return pd.Series([words_of(tokenizer, title) for title in titles], dtype=object)


def _learned(tokenizer: Tokenizer, said: "pd.Series[list[str]]") -> Familiarity:
    spoken = said.explode().dropna().value_counts(normalize=True)
    zipf = 1.0 / (_known_words(tokenizer) + ZIPF)
    words = spoken.index.union(zipf.index)
    letters, unseen = _letters(words) if len(words) else ({}, {"": math.log2(ALPHABET)})
    known = Familiarity(
        words={},
        letters=letters,
        unseen=unseen,
        order=ORDER,
        other_bits=-math.log2(SHARES[2]),
        typical=TYPICAL,
        notice=NOTICE,
        refuse=REFUSE,
    )
    if not len(words):
        return known
    shares = (spoken, zipf / zipf.sum())
    listed = sum(
        share * values.reindex(words).fillna(0.0).to_numpy(dtype=np.float64)
        for share, values in zip(SHARES, shares, strict=False)
    )
    bits = -np.log2(listed + 2.0 ** -np.array([known.bits(word) for word in words]))
    return dataclasses.replace(known, words=dict(zip(words, bits.tolist(), strict=True)))


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
