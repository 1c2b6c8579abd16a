"""Neighbours and factors of the package `implicit`: item-kNN by BM25, and alternating least squares.

ALS: Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets. Factors of products that
nobody bought come from their content by ridge regression, as in Gantner et al. (2010), Learning attribute-to-feature
mappings for cold-start recommendations. `implicit` is imported where it is used: it is needed for baselines alone.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg

from onshelf_research.baselines.analogs import documents, vectors
from onshelf_research.baselines.warm import Recommender, Scores
from onshelf_research.data.dataset import Dataset, LaunchRows

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

FACTORS = 128
SWEEPS = 15
NEIGHBOURS = 10
ALPHA = 0.5  # weight of a purchase in the confidence 1 + alpha log(1 + weeks bought)
REGULARISATION = 0.1
RIDGE = 3.0


@dataclass(frozen=True)
class Factors:
    """Factors of users and of products that were sold; float32 [n, FACTORS] each."""

    users: Singles
    products: Singles
    sold: NDArray[np.int64]


def item_neighbours(history: sparse.csr_array, threads: int, neighbours: int = NEIGHBOURS) -> Recommender:
    """Item-kNN on BM25-weighted purchases.

    Args:
        history: [users, products], weeks in which bought.
        threads: of the search for neighbours.
        neighbours: of each product.
    """
    from implicit.nearest_neighbours import BM25Recommender

    model = BM25Recommender(K=neighbours, num_threads=threads)
    known = sparse.csr_matrix(history)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Method expects CSR input")  # it converts its own weights
        model.fit(known, show_progress=False)
    similarity = sparse.csr_array(model.similarity)

    def score(users: NDArray[np.int64]) -> Scores:
        return np.asarray((history[users] @ similarity).toarray(), dtype=np.float32)

    return score


def least_squares(history: sparse.csr_array, threads: int, advance: Callable[[], None], seed: int = 1) -> Factors:
    """ALS factors of users and of products that were sold.

    Args:
        history: [users, products], weeks in which bought.
        threads: of the sweeps.
        advance: told after each of SWEEPS sweeps.
        seed: of the first factors.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    sold = np.flatnonzero(np.asarray(history.sum(axis=0)).ravel() > 0)
    confidence = sparse.csr_matrix(ALPHA * history[:, sold].log1p()).astype(np.float32)
    with threadpool_limits(1, "blas"):  # the package starts threads of its own
        model = AlternatingLeastSquares(
            factors=FACTORS, regularization=REGULARISATION, iterations=SWEEPS, num_threads=threads, random_state=seed
        )
        model.fit(confidence, show_progress=False, callback=lambda *_: advance())
    return Factors(np.asarray(model.user_factors), np.asarray(model.item_factors), sold.astype(np.int64))


def recommender(factors: Factors, products: int) -> Recommender:
    """Scores of all products; those that were never sold score lowest."""

    def score(users: NDArray[np.int64]) -> Scores:
        scores = np.full((len(users), products), -np.inf, dtype=np.float32)
        scores[:, factors.sold] = factors.users[users] @ factors.products.T
        return scores

    return score


def content_factors(data: Dataset, factors: Factors, rows: LaunchRows, ridge: float = RIDGE) -> Floats:
    """Scores [launches, users]: a launch's factors by ridge regression of sold products' factors on their words.

    Args:
        data: for the words of products.
        factors: of the history.
        rows: launches.
        ridge: penalty of the squared weights.
    """
    wanted, known = vectors(documents(rows.frame), documents(data.products.iloc[factors.sold]))
    inputs = known.astype(np.float64)
    centre = factors.products.mean(axis=0, dtype=np.float64)
    words = inputs.shape[1]
    normal = LinearOperator((words, words), matvec=lambda w: inputs.T @ (inputs @ w) + ridge * w, dtype=np.float64)
    target = inputs.T @ (factors.products - centre)
    weights = np.stack([cg(normal, column, rtol=1e-4, maxiter=200)[0] for column in target.T], axis=1)
    predicted = wanted.astype(np.float64) @ weights + centre
    scores: Floats = predicted @ factors.users.T.astype(np.float64)
    return scores
