"""Topics: phrases that several reviews have in common, with what the sentences about them say.

A phrase is up to three words in a row, or two to four Chinese characters, none of them a word of grammar. Of phrases
within one another the longer one stays where it is nearly as frequent. Words that are opinions by themselves ("great")
are no topics; the model says which these are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.reviews.stopwords import CHINESE, ENGLISH

Floats = NDArray[np.float64]
WORD = re.compile(r"[一-鿿]|[^\W_一-鿿]+(?:['’-][^\W_一-鿿]+)*")
LONGEST, LONGEST_CHINESE = 3, 4
LEAST_SHARE = 0.03  # of the reviews
LEAST = 3  # reviews
WITHIN = 0.7  # share of a phrase's reviews that a longer one has for the longer one to stand for both
TOGETHER = 0.7  # Jaccard of the reviews of two phrases that are one topic
COMPARED = 300  # phrases, the most frequent ones, of which one may lie within another
CANDIDATES = 60
MOST = 8  # topics
QUOTES = 3


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence of a review: number of the review, its text, and its sentiment, -1 to 1."""

    review: int
    text: str
    sentiment: float


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A phrase, its reviews and sentences (numbers), and the mean sentiment of these."""

    phrase: str
    reviews: frozenset[int]
    sentences: tuple[int, ...]
    sentiment: float


def candidates(sentences: Sequence[Sentence], reviews: int) -> dict[str, list[int]]:
    """Phrases of at least LEAST and LEAST_SHARE of the reviews, most frequent first, with the sentences that have
    them."""
    found: dict[str, list[int]] = {}
    for number, sentence in enumerate(sentences):
        for phrase in phrases_of(sentence.text):
            found.setdefault(phrase, []).append(number)
    least = max(LEAST, int(np.ceil(LEAST_SHARE * reviews)))
    sets = {phrase: {sentences[n].review for n in numbers} for phrase, numbers in found.items()}
    enough = [phrase for phrase in found if len(sets[phrase]) >= least]
    enough.sort(key=lambda phrase: (-len(sets[phrase]), -len(phrase), phrase))
    frequent = {phrase: found[phrase] for phrase in enough[:COMPARED]}
    covered = {
        short
        for phrase in frequent
        for short in frequent
        if short != phrase and _is_within(short, phrase) and len(sets[phrase]) >= WITHIN * len(sets[short])
    }
    kept = [phrase for phrase in frequent if phrase not in covered]
    return {phrase: frequent[phrase] for phrase in kept[:CANDIDATES]}


def topics(sentences: Sequence[Sentence], found: dict[str, list[int]], is_opinion: Sequence[bool]) -> list[Topic]:
    """At most MOST topics of candidates, those that are opinions left out, of like ones the most frequent."""
    kept: list[Topic] = []
    for (phrase, numbers), opinion in zip(found.items(), is_opinion, strict=True):
        reviews = frozenset(sentences[n].review for n in numbers)
        if opinion or any(_alike(reviews, other.reviews) for other in kept):
            continue
        sentiment = float(np.mean([sentences[n].sentiment for n in numbers]))
        kept.append(Topic(phrase=phrase, reviews=reviews, sentences=tuple(numbers), sentiment=sentiment))
    return kept[:MOST]


def quotes_of(topic: Topic, sentences: Sequence[Sentence]) -> list[int]:
    """Numbers of the sentences that say best what is said of a topic, of different reviews."""
    side = 1.0 if topic.sentiment >= 0 else -1.0
    order = sorted(topic.sentences, key=lambda n: (-side * sentences[n].sentiment, len(sentences[n].text)))
    first: dict[int, int] = {}
    for number in order:
        first.setdefault(sentences[number].review, number)
    return list(first.values())[:QUOTES]


def phrases_of(text: str) -> set[str]:
    """The phrases of a sentence."""
    found: set[str] = set()
    words = [match.group().casefold().replace("’", "'") for match in WORD.finditer(text)]
    ends = [match.end() for match in WORD.finditer(text)]
    starts = [match.start() for match in WORD.finditer(text)]
    for first in range(len(words)):
        if not _is_topical(words[first]):
            continue
        chinese = _is_chinese(words[first])
        for last in range(first, min(len(words), first + (LONGEST_CHINESE if chinese else LONGEST))):
            # words of one phrase stand side by side, Chinese ones without anything between them
            between = text[ends[last - 1] : starts[last]] if last > first else ""
            if between != ("" if chinese else " " * bool(last > first)) or _is_chinese(words[last]) != chinese:
                break
            if not _is_topical(words[last]):
                break
            if not chinese or last > first:
                found.add(("" if chinese else " ").join(words[first : last + 1]))
    return found


def _is_topical(word: str) -> bool:
    if _is_chinese(word):
        return word not in CHINESE
    return len(word) > 2 and not word.isdigit() and word not in ENGLISH


def _is_chinese(word: str) -> bool:
    return "一" <= word[0] <= "鿿"


def _is_within(short: str, phrase: str) -> bool:
    return short in phrase if _is_chinese(phrase) else f" {short} " in f" {phrase} "


def _alike(one: frozenset[int], other: frozenset[int]) -> bool:
    return len(one & other) >= TOGETHER * len(one | other)
