"""Relations of a product without enough sales of its own: those of the products nearest in embedding, pooled.

Each similar product counts by its similarity. A relation that one of them lacks counts there as a lift of 1. The
interval is one for a single further product: it holds how much the similar ones differ, and what each one's own
interval leaves open.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onshelf_release.related import COMPLEMENT, SUBSTITUTE, Pairs, Related, unit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SIMILAR = 10  # products that are pooled
LEAST_SIMILARITY = 0.5  # cosine
LEAST_NEAR = 2  # similar products of a type, or category, for these alone to count
LEAST_SHARING = {COMPLEMENT: 2, SUBSTITUTE: 1}  # similar products that have a relation, for it to be inferred
NORMAL = 1.96


def nearest(related: Related, embedding: NDArray[np.float32], kin: Sequence[Bools]) -> tuple[Ints, Floats]:
    """Products with known relations that are most similar, best first, and their cosines.

    `kin`: which of the known products may be taken, narrowest first [k] each; the first that leaves enough counts.
    """
    if not len(related.known):
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    similarity = (related.embeddings @ unit(np.asarray(embedding, dtype=np.float32))).astype(np.float64)
    near = similarity >= LEAST_SIMILARITY
    allowed = next((mask for mask in kin if (mask & near).sum() >= LEAST_NEAR), kin[-1])
    found = np.flatnonzero(allowed & near)
    best = found[np.argsort(-similarity[found], kind="stable")[:SIMILAR]]
    return related.known[best], similarity[best]


def pooled(related: Related, similar: Ints, similarity: Floats) -> Pairs:
    """The relations that these products share; lifts whose pooled value is above 1."""
    rows = np.flatnonzero(np.isin(related.product, similar))
    if not len(rows):
        return related.pairs.take(rows)
    order = np.argsort(similar)
    weight = (similarity / similarity.sum())[order][np.searchsorted(similar[order], related.product[rows])]
    pairs = related.pairs.take(rows)
    _, first, group = np.unique(np.stack([pairs.related, pairs.kind]), axis=1, return_index=True, return_inverse=True)
    group = group.ravel()

    def total(values: NDArray[np.generic]) -> Floats:
        return np.asarray(np.bincount(group, values.astype(np.float64), minlength=len(first)), dtype=np.float64)

    logs = np.log(pairs.lift)
    error = (np.log(pairs.lift_high) - np.log(np.maximum(pairs.lift_low, 1e-9))) / (2 * NORMAL)
    mean = total(weight * logs)
    differing = np.maximum(total(weight * logs**2) - mean**2, 0.0)  # those that lack it have a log of 0
    uncertain = total(weight * error**2) / total(weight)  # not less for several: the same users made their counts
    half = NORMAL * np.sqrt(differing + uncertain)
    result = Pairs(
        related=pairs.related[first],
        kind=pairs.kind[first],
        lift=np.exp(mean),
        lift_low=np.exp(mean - half),
        lift_high=np.exp(mean + half),
        baskets=total(pairs.baskets).astype(np.int64),
        users=total(pairs.users).astype(np.int64),
        expected=total(pairs.expected),
        similar=np.bincount(group, minlength=len(first)).astype(np.int64),
    )
    least = np.where(result.kind == COMPLEMENT, LEAST_SHARING[COMPLEMENT], LEAST_SHARING[SUBSTITUTE])
    return result.take(np.flatnonzero(result.similar >= np.minimum(least, len(similar))))


def strongest(pairs: Pairs, kind: int, count: int) -> Pairs:
    """The pairs of a kind (0: of both) with the largest lower ends."""
    rows = np.arange(len(pairs.kind)) if not kind else np.flatnonzero(pairs.kind == kind)
    order = np.lexsort((pairs.related[rows], -pairs.lift_low[rows]))
    return pairs.take(rows[order][:count])
