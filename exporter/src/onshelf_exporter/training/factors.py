"""What is bought together: a linear autoencoder of low rank over users and products.

With X [users, products] the decayed purchases and their truncated singular value decomposition, scores are X V F V',
where F shrinks weak directions. Halko et al. (2011) for the decomposition, Steck (2019) for the shrinkage.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from onshelf_exporter.models.habits import OTHER_WEIGHT
from onshelf_exporter.training.behaviour import Events
from onshelf_release.codes import EVENT_KINDS
from onshelf_release.signatures import VECTOR_DIM

Floats = NDArray[np.float32]

LEAST_BUYERS = 3  # users of a product that has factors
SHRINKAGE = 1.7  # of the weakest kept direction's variance, added to all
OVERSAMPLING, ITERATIONS = 16, 8


def tastes(events: Events, week: int, products: int) -> sparse.csr_array:
    """[users, products] as of the end of `week`: the square root of purchases with a half-life of 16 weeks; what is no
    purchase counts OTHER_WEIGHT with a half-life of 8."""
    seen = events.until(week)
    age = (week - seen.week).astype(np.float64)
    bought = seen.kind == EVENT_KINDS["purchase"]
    value = np.where(bought, 0.5 ** (age / 16.0), OTHER_WEIGHT * 0.5 ** (age / 8.0))
    shape = (events.users, products)
    matrix = sparse.coo_array((value, (seen.user, seen.product)), shape=shape).tocsr()
    matrix.data = np.sqrt(matrix.data)
    return matrix


def fit_factors(events: Events, week: int, products: int, seed: int) -> Floats:
    """Factors [products, 64]: the dot product of two products says how much buying one speaks for the other.

    Products with fewer than LEAST_BUYERS users have zeros, and so have directions that the data do not fill.
    """
    taste = tastes(events, week, products)
    users = np.bincount(taste.indices, minlength=products)
    kept = np.flatnonzero(users >= LEAST_BUYERS)
    result = np.zeros((products, VECTOR_DIM), dtype=np.float32)
    rank = min(VECTOR_DIM, len(kept), events.users)
    if rank == 0:
        return result
    matrix = sparse.csr_array(taste[:, kept])
    width = min(rank + OVERSAMPLING, len(kept), events.users)
    basis = np.random.default_rng(seed).standard_normal((len(kept), width))
    for _ in range(ITERATIONS):
        basis, _ = np.linalg.qr(matrix.T @ (matrix @ basis))
    small = matrix @ basis
    _, value, right = np.linalg.svd(small, full_matrices=False)
    variance = value[:rank] ** 2
    shrunk = variance / (variance + SHRINKAGE * variance[-1] + 1e-9)
    result[kept, :rank] = (basis @ right[:rank].T) * np.sqrt(shrunk)
    return result


def content_map(embeddings: Floats, factors: Floats, users: NDArray[np.float64], ridge: float = 20.0) -> Floats:
    """A linear map [128, 64] from embeddings to factors, weighted by the square root of a product's users, so that a
    product that nobody bought yet has a place among the others."""
    weight = np.sqrt(users) * (factors != 0).any(axis=1)
    known = weight > 0
    if not known.any():
        return np.zeros((embeddings.shape[1], factors.shape[1]), dtype=np.float32)
    x, y, w = (part[known].astype(np.float64) for part in (embeddings, factors, weight[:, None]))
    gram = x.T @ (x * w) + ridge * np.eye(x.shape[1])
    result: Floats = np.linalg.solve(gram, x.T @ (y * w)).astype(np.float32)
    return result
