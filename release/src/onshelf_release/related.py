"""The tables of related products: what was bought together, and what was bought instead."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
COMPLEMENT, SUBSTITUTE = 1, 2  # as RelationKind of the contract

# Rows of `products`; kind; lift with its 95 % interval; baskets: joint ones, or changes from one to the other; users
# who did so; how many chance would make (a change is shared among the products that were dropped and picked up by it).
RELATED = (
    "product_index",
    "related_index",
    "kind",
    "lift",
    "lift_low",
    "lift_high",
    "baskets",
    "users",
    "expected",
)
RELATED_PRODUCTS = ("product_index", "embedding")  # of each product in `related`


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Related products, one each: [n]. `similar`: similar products that have the relation; 0: the product itself."""

    related: Ints
    kind: Ints
    lift: Floats
    lift_low: Floats
    lift_high: Floats
    baskets: Ints
    users: Ints
    expected: Floats
    similar: Ints

    def take(self, rows: NDArray[np.generic]) -> "Pairs":
        """Some of them, in this order."""
        return Pairs(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Related:
    """All relations of a release, sorted by product; `known` products with relations [k], their unit embeddings."""

    product: Ints
    pairs: Pairs
    known: Ints
    embeddings: NDArray[np.float32]

    def of(self, row: int) -> Pairs:
        """The relations of a product of the catalog; none where it has none."""
        first, end = np.searchsorted(self.product, [row, row + 1])
        return self.pairs.take(np.arange(first, end))


def read_related(related: pa.Table, products: pa.Table) -> Related:
    """The two tables, checked.

    Raises:
        ValueError: a rule is broken.
    """
    columns = {name: related[name].to_numpy() for name in RELATED}
    product = columns["product_index"].astype(np.int64)
    if (np.diff(product) < 0).any():
        raise ValueError("product_index must ascend")
    if not np.isin(columns["kind"], (COMPLEMENT, SUBSTITUTE)).all():
        raise ValueError(f"kind must be {COMPLEMENT} or {SUBSTITUTE}")
    known = products["product_index"].to_numpy().astype(np.int64)
    if not np.array_equal(known, np.unique(product)):
        raise ValueError("related_products must hold each product of related once, ascending")
    flat = products["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    embeddings = flat.reshape(len(known), -1) if len(known) else np.zeros((0, 0), dtype=np.float32)
    pairs = Pairs(
        related=columns["related_index"].astype(np.int64),
        kind=columns["kind"].astype(np.int64),
        **{name: columns[name].astype(np.float64) for name in ("lift", "lift_low", "lift_high")},
        baskets=columns["baskets"].astype(np.int64),
        users=columns["users"].astype(np.int64),
        expected=columns["expected"].astype(np.float64),
        similar=np.zeros(len(product), dtype=np.int64),
    )
    return Related(product, pairs, known, unit(embeddings))


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), dtype=np.float32)
