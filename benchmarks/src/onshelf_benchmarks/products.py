"""Products that no cache can know, made of those of a model release."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.feather as feather
from numpy.typing import NDArray
from tokenizers import Tokenizer

from onshelf import Money, Product
from onshelf_release.codes import BRAND, LEVELS
from onshelf_release.vocabulary import load_vocabulary

TOKENS = 16  # of a text for an encoder, padded


def products_of(release: Path, count: int, seed: int, *, paths: bool = False) -> list[Product]:
    """Distinct products: titles of the catalog with a running number; `paths`: they say their category, too."""
    table = feather.read_table(release / "products.arrow").to_pandas()
    vocabulary = load_vocabulary(feather.read_table(release / "vocabulary.arrow"))
    rows = table.drop_duplicates("title").sample(n=count, random_state=seed, replace=True).fillna({"price": 1.0})
    return [
        Product(
            title=f"{row.title} no. {number}",
            category_path=vocabulary.path((row.department_id, row.category_id, row.type_id)) if paths else (),
            list_price=Money(Decimal(str(round(max(float(row.price), 0.5), 2))), "USD"),
        )
        for number, row in enumerate(rows.itertuples())
    ]


@dataclass(frozen=True, kw_only=True)
class CatalogProduct:
    """A product of the catalog: texts for a gateway, numbers for a model."""

    title: str
    category: str
    brand: str
    list_price: float
    ids: tuple[int, ...]
    private_label: float


class Catalog:
    """Products of a model release, each handed out once.

    They have their own category, brand and price. After one pass through the catalog the first word of a title gives
    way to another word of the vocabulary: ever new products of about as many tokens.
    """

    def __init__(self, release: Path, start: int = 0) -> None:
        manifest = json.loads((release / "manifest.json").read_text())
        self.columns: list[str] = manifest["candidate_columns"]
        self._pad = int(manifest["tokenizer"]["pad_id"])
        self._tokenizer = Tokenizer.from_file(str(release / manifest["tokenizer"]["file"]))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._vocabulary = load_vocabulary(feather.read_table(release / "vocabulary.arrow"))
        table = feather.read_table(release / "products.arrow").to_pandas()
        table = table[table["title"].str.len() > 0].drop_duplicates("title").sample(frac=1, random_state=7)
        self._rows = list(table.to_dict("records"))
        self.products = int(table["product_index"].max()) + 1
        self.profiles = np.array(
            feather.read_table(release / "users.arrow", columns=["profile"])["profile"].to_pylist(), dtype=np.float32
        )
        words = (word for word in self._tokenizer.get_vocab() if re.fullmatch("[a-z]{4,}", word))
        self._words = np.random.default_rng(7).permutation(sorted(words)).tolist()
        self._given: set[str] = set()
        self.number = start

    def take(self, count: int, tokens: int | None = None) -> list[CatalogProduct]:
        """The next products, no title given before; with `tokens` those whose text has at most so many."""
        found: list[CatalogProduct] = []
        while len(found) < count:
            product = self._product(self.number)
            self.number += 1
            if product.title not in self._given and (tokens is None or self.length(product.title) <= tokens):
                self._given.add(product.title)
                found.append(product)
        return found

    def length(self, title: str) -> int:
        """Its number of tokens."""
        return len(self._tokenizer.encode(title).ids)

    def tokens(self, title: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Token ids and mask, int64 [TOKENS]."""
        ids = self._tokenizer.encode(title).ids
        padded = np.full(TOKENS, self._pad, dtype=np.int64)
        padded[: len(ids)] = ids
        return padded, (np.arange(TOKENS) < len(ids)).astype(np.int64)

    def _product(self, number: int) -> CatalogProduct:
        turn, place = divmod(number, len(self._rows))
        row = self._rows[place]
        title = str(row["title"])
        if turn:
            word = self._words[(place + 7919 * turn) % len(self._words)].capitalize()
            title = re.sub(r"\w+", word, title, count=1)
        ids = tuple(int(row[f"{level}_id"]) for level in LEVELS)
        price = float(row["price"])
        return CatalogProduct(
            title=title,
            category=" > ".join(self._vocabulary.path((ids[0], ids[1], ids[2]))),
            brand=self._vocabulary.levels[BRAND].readable[ids[3]],
            list_price=round(max(price, 0.5), 2) if price > 0 else 1.0,
            ids=ids,
            private_label=float(row["private_label"]),
        )
