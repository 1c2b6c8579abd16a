"""Who will buy a product that nobody has bought: scores [launches, users] from histories and content."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from onshelf_research.baselines.analogs import documents, vectors
from onshelf_research.data.dataset import LEVELS, Dataset, LaunchRows

Floats = NDArray[np.float64]

NEIGHBOURS = 200
BLOCK = 256


def activity(history: sparse.csr_array, launches: int) -> Floats:
    """How much each user buys (pairs of product and week), the same for every launch."""
    bought = np.asarray(history.sum(axis=1), dtype=np.float64).ravel()
    return np.broadcast_to(bought, (launches, len(bought))).copy()


def content_neighbours(data: Dataset, history: sparse.csr_array, rows: LaunchRows) -> Floats:
    """Similarity (TF-IDF cosine) to the NEIGHBOURS most alike products, summed over what the user bought of them.

    Args:
        data: for the words of products.
        history: [users, products], weeks in which bought, before the launches.
        rows: launches.
    """
    sold = np.flatnonzero(np.asarray(history.sum(axis=0)).ravel() > 0)
    wanted, known = vectors(documents(rows.frame), documents(data.products.iloc[sold]))
    bought = history[:, sold].log1p().tocsc()
    parts = []
    for start in range(0, len(rows), BLOCK):  # blocks bound the memory
        similarity = (wanted[start : start + BLOCK] @ known.T).toarray()
        parts.append(_sharpest(similarity, NEIGHBOURS) @ bought.T)
    scores: Floats = sparse.vstack(parts).toarray().astype(np.float64)
    return scores


def affinity(data: Dataset, history: sparse.csr_array, rows: LaunchRows) -> Floats:
    """Smoothed log shares of the user's purchases in the launch's categories and brand, and the log activity."""
    total = np.asarray(history.sum(axis=1)).ravel()
    scores = np.zeros((len(rows), history.shape[0]))
    for level in LEVELS:
        keys = list(LEVELS[: LEVELS.index(level) + 1]) if level != "brand" else ["brand"]
        codes = data.products.groupby(keys, sort=True, dropna=False).ngroup().to_numpy(dtype=np.int64)
        size = int(codes.max()) + 1
        one = sparse.coo_array((np.ones(len(codes)), (np.arange(len(codes)), codes)), shape=(len(codes), size)).tocsr()
        count = (history @ one).tocsc()
        prior = np.asarray(count.sum(axis=0)).ravel() / max(float(total.sum()), 1.0)
        kin = codes[rows.product]
        bought = count[:, kin].toarray().T
        expected = (total[None, :] + 20.0) * np.maximum(prior[kin], 1e-6)[:, None]
        scores += np.log((bought + 0.5) / (expected + 0.5))
    scores += np.log1p(total)[None, :]
    return scores


def _sharpest(similarity: NDArray[np.float32], keep: int) -> sparse.csr_array:
    """The `keep` largest entries of each row, cubed so that near products count most."""
    if similarity.shape[1] > keep:
        edge = np.partition(similarity, similarity.shape[1] - keep, axis=1)[:, -keep][:, None]
        similarity = np.where(similarity >= edge, similarity, 0.0)
    return sparse.csr_array(similarity**3)
