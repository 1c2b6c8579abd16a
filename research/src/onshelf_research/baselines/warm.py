"""Recommendations from what households bought before: scores over the whole catalog, for a block of users at a time.

A recommender is a function from user rows to float32 scores [rows, products].
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Scores = NDArray[np.float32]
Recommender = Callable[[NDArray[np.int64]], Scores]

HALF_LIFE_WEEKS = 16.0
RECENT_WEEKS = 8


def popularity(recent: sparse.csr_array) -> Recommender:
    """The same list for everybody: the number of (user, week) pairs with a purchase.

    Args:
        recent: purchases of the last weeks, [users, products].
    """
    sold = np.asarray(recent.sum(axis=0), dtype=np.float32).ravel()
    return lambda users: np.broadcast_to(sold, (len(users), len(sold))).copy()


def own_frequency(decayed: sparse.csr_array, recent: sparse.csr_array) -> Recommender:
    """How often a user bought the product, each week weighted by its age; what was never bought follows by popularity.

    Args:
        decayed: purchases weighted by 0.5 ** (age in weeks / HALF_LIFE_WEEKS).
        recent: purchases of the last weeks.
    """
    sold = np.asarray(recent.sum(axis=0), dtype=np.float32).ravel()
    tie = sold / (sold.max() * 1e4 + 1.0)
    return lambda users: decayed[users].toarray().astype(np.float32) + tie


def ease(interactions: sparse.csr_array, regularisation: float) -> Recommender:
    """EASE (Steck 2019, Embarrassingly shallow autoencoders for sparse data), exact and over the whole catalog.

    EASE inverts the products' Gram matrix; with far more products than users the same scores follow from the users'
    Gram matrix. With K = (X X' + r I)^-1, the inverse of X' X + r I is P = (I - X' K X) / r, so that X P = K X and
    the scores are X - (K X) / diag(P).

    Args:
        interactions: X, [users, products].
        regularisation: r.
    """
    known = interactions.astype(np.float64)
    gram = (known @ known.T).toarray()
    gram[np.diag_indices_from(gram)] += regularisation
    inverse = np.linalg.inv(gram)
    columns = known.tocsc()
    diagonal = np.empty(known.shape[1])
    for start in range(0, known.shape[1], 8192):  # blocks bound the memory
        block = columns[:, start : start + 8192]
        explained = np.asarray(block.multiply(inverse @ block).sum(axis=0)).ravel()
        diagonal[start : start + 8192] = (1.0 - explained) / regularisation

    def score(users: NDArray[np.int64]) -> Scores:
        part = inverse[users] @ columns
        scores: Scores = (known[users].toarray() - part / diagonal).astype(np.float32)
        return scores

    return score
