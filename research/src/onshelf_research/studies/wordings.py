"""Titles as people and other systems would write them, for measuring only: training never sees these word lists.

Each family turns the data's own titles into other wordings of the same products. `shop_titles.csv` holds titles
written by hand in the manner of shops, with the category and type that a person gave them.
"""

import csv
import re
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onshelf_exporter.data.titles import is_vague, readable
from onshelf_exporter.training.vocabulary import TrainingVocabulary

MAKERS = ("Hartwell", "Bluestone", "Casa Verde", "O'Malley's", "Northfield", "Dr. Amery", "Sunny Acres", "Kirra")
PRAISE = ("improved", "tasty", "deluxe", "handy", "everyday", "best ever", "crunchy", "gentle")
ENDINGS = ("NEW", "- limited edition", "bonus buy", "(2017)", "special!", "", "", "")


class ShopTitle(NamedTuple):
    """A title written by hand, and the source's names of its category and type."""

    title: str
    category: str
    type: str


def labelled_titles(file: str) -> list[ShopTitle]:
    """The titles of a file of this package: shop_titles.csv or chinese_titles.csv."""
    text = (resources.files("onshelf_research.studies") / file).read_text(encoding="utf-8")
    return [ShopTitle(**row) for row in csv.DictReader(text.splitlines())]


def known_titles(file: str, vocabulary: TrainingVocabulary) -> tuple[list[str], NDArray[np.int64]]:
    """The titles of a file whose type the vocabulary has, and its id; none where the data are another shop's."""
    categories = np.array(vocabulary.names["category"], dtype=object)[vocabulary.parents["type"]]
    ids = {pair: number for number, pair in enumerate(zip(categories, vocabulary.names["type"], strict=True))}
    rows = [row for row in labelled_titles(file) if (row.category, row.type) in ids]
    return [row.title for row in rows], np.array([ids[row.category, row.type] for row in rows], dtype=np.int64)


def families(products: pd.DataFrame, seed: int) -> dict[str, list[str]]:
    """Wordings by family, one per row of `products` (title, category, type, package_size, private_label).

    casing: shouting, small letters and Title Case in turn. dropped: the size, the category or both left out.
    paraphrase: other words and another order. abbreviations: shortened words, sizes without blanks. source: the names
    as the retailer's own system writes them. typing: one slip in one of the longer words. shop: maker's name, praise,
    type, compact size, ending.
    """
    generator = np.random.default_rng(seed)
    title = products["title"].fillna("").astype(str).reset_index(drop=True)
    n = len(title)
    pick = np.arange(n)
    stem = title.str.replace(r" \(private label\)$", "", regex=True)
    size = products["package_size"].fillna("").astype(str).str.lower().str.replace(" ", "").reset_index(drop=True)
    kind = products["type"].fillna("").astype(str).reset_index(drop=True)
    category = products["category"].fillna("").astype(str).reset_index(drop=True)
    names = {name: readable(name) if name else "" for name in pd.concat([kind, category]).unique()}
    said = kind.map(names)
    vague = {name for name in said.unique() if is_vague(name)}
    said = said.where(~said.isin(vague), said + " " + category.map(names)).where(kind != "", stem)
    spoken = stem.str.lower().map(lambda text: _replaced(text, "paraphrase"))
    halves = spoken.str.split(", ", n=1)
    short = stem.str.lower().map(lambda text: _replaced(text, "abbreviations"))
    short = short.str.replace(r"(?<=\d) (?=[a-z])", "", regex=True).str.replace(",", "")
    maker, praise, ending = (
        pd.Series(np.array(words, dtype=object)[generator.integers(len(words), size=n)])
        for words in (MAKERS, PRAISE, ENDINGS)
    )
    shop = maker + " " + praise + " " + said.str.lower().str.replace(",", "") + " " + size + " " + ending
    return {
        "casing": _clean(pd.Series(np.choose(pick % 3, [title.str.upper(), title.str.lower(), title.str.title()]))),
        "dropped": _clean(_alternate([stem.str.replace(r", [^,]*\d[^,]*$", "", regex=True), said, said + " " + size])),
        "paraphrase": _clean(halves.map(lambda parts: " ".join(reversed(parts)))),
        "abbreviations": _clean(short),
        "source": _clean(kind.where(kind != "", category) + " " + size.str.upper()),
        "typing": [_slip(text, generator) for text in title],
        "shop": _clean(shop),
    }


def _alternate(columns: "list[pd.Series[str]]") -> "pd.Series[str]":
    chosen = np.arange(len(columns[0])) % len(columns)
    result = columns[0]
    for number, column in enumerate(columns[1:], start=1):
        result = result.where(chosen != number, column)
    return result


@cache
def other_words(family: str) -> tuple[tuple[str, str], ...]:
    """Patterns and the words that take their place, from other_words.csv."""
    text = (resources.files("onshelf_research.studies") / "other_words.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple((row["pattern"], row["word"]) for row in rows if row["family"] == family)


def _replaced(text: str, family: str) -> str:
    for pattern, word in other_words(family):
        text = re.sub(pattern, word, text)
    return text


def _clean(column: "pd.Series[str]") -> list[str]:
    return [str(text) for text in column.str.replace(r"\s+", " ", regex=True).str.strip()]


def _slip(text: str, generator: np.random.Generator) -> str:
    """Two neighbouring letters of one of the longer words swapped."""
    words = list(re.finditer(r"[A-Za-z]{5,}", text))
    if not words:
        return text
    word = words[int(generator.integers(len(words)))]
    place = word.start() + 1 + int(generator.integers(len(word[0]) - 2))
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
