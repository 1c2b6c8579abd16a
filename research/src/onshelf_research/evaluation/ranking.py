"""Metrics of ranked lists (recommendations) and of scores over users (audiences); binary relevance throughout.

Normalised discounted cumulative gain: Jarvelin and Kekalainen (2002), Cumulated gain-based evaluation of IR techniques.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

Floats = NDArray[np.float64]


def list_hits(lists: NDArray[np.int64], relevant: sparse.csr_array) -> NDArray[np.bool_]:
    """Which places of each list hold a relevant item.

    Args:
        lists: int64 [rows, k], item per place, best first; -1 where the list is shorter.
        relevant: [rows, items], nonzero where the item is relevant to the row.

    Returns:
        bool [rows, k].
    """
    items = relevant.shape[1]
    marked = relevant.tocoo()
    wanted = marked.row.astype(np.int64) * items + marked.col
    keys = np.arange(len(lists), dtype=np.int64)[:, None] * items + lists
    hits: NDArray[np.bool_] = np.isin(keys, wanted) & (lists >= 0)
    return hits


def recall_at(hits: NDArray[np.bool_], positives: NDArray[np.int64], k: int) -> Floats:
    """Hits among the first k / min(k, positives), per row with at least one positive; NaN for rows without."""
    found = hits[:, :k].sum(axis=1)
    return np.where(positives > 0, found / np.maximum(np.minimum(positives, k), 1), np.nan)


def ndcg_at(hits: NDArray[np.bool_], positives: NDArray[np.int64], k: int) -> Floats:
    """Discounted gain / the best possible over min(k, positives) places, per row; NaN for rows without a positive."""
    discount = 1.0 / np.log2(np.arange(k) + 2.0)
    gain = hits[:, :k] @ discount[: hits.shape[1]]
    ideal = np.concatenate([[1.0], np.cumsum(discount)])[np.minimum(positives, k)]
    return np.where(positives > 0, gain / ideal, np.nan)


@dataclass(frozen=True)
class AudienceScores:
    """Metrics per launch, each float64 [launches]."""

    auc: Floats
    average_precision: Floats
    recall_100: Floats
    lift_10: Floats


def audience(
    scores: Floats, bought: NDArray[np.bool_], seed: int = 0, best: int = 100, share: float = 0.1
) -> AudienceScores:
    """How well scores over users find a launch's buyers.

    AUC counts ties as half; the others break ties at random by a fixed seed, the same for all models. lift_10 is the
    share of the buyers in the best tenth of the users / 0.1; recall_100 the share of the buyers among the best 100
    users.

    Args:
        scores: [launches, users].
        bought: [launches, users]; every launch needs at least one buyer and one user who is none.
        seed: of the order in which ties are broken.
        best: size of the list of recall_100.
        share: of the users in lift_10.

    Raises:
        ValueError: a launch without buyers, or bought by everybody.
    """
    users = scores.shape[1]
    buyers = bought.sum(axis=1)
    if np.any(buyers == 0) or np.any(buyers == users):
        raise ValueError("audience: every launch needs at least one buyer and one user who did not buy")
    shuffled = np.random.default_rng(seed).permutation(users)
    values, hits = scores[:, shuffled], bought[:, shuffled]
    ranks = stats.rankdata(values, axis=1)
    auc = ((ranks * hits).sum(axis=1) - buyers * (buyers + 1) / 2) / (buyers * (users - buyers))
    order = np.argsort(-values, axis=1, kind="stable")
    hits = np.take_along_axis(hits, order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, users + 1)
    tenth = max(1, round(users * share))
    return AudienceScores(
        auc=auc,
        average_precision=(precision * hits).sum(axis=1) / buyers,
        recall_100=hits[:, :best].sum(axis=1) / buyers,
        lift_10=hits[:, :tenth].sum(axis=1) / buyers / share,
    )


def top_items(scores: NDArray[np.floating[Any]], k: int, seed: int = 0) -> NDArray[np.int64]:
    """The k best columns of each row, best first, ties broken at random by a fixed seed; -1 where the score is -inf.

    Args:
        scores: [rows, items].
        k: places; at most the number of items.
        seed: of the order in which ties are broken.

    Returns:
        int64 [rows, k].
    """
    shuffled = np.random.default_rng(seed).permutation(scores.shape[1])
    values = scores[:, shuffled]
    k = min(k, values.shape[1])
    part = np.argpartition(-values, k - 1, axis=1)[:, :k]
    best = np.take_along_axis(values, part, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    places = np.take_along_axis(part, order, axis=1)
    kept = np.take_along_axis(values, places, axis=1) > -np.inf
    return np.where(kept, shuffled[places], -1).astype(np.int64)
