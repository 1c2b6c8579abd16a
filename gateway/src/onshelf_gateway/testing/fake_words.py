"""Embeddings of the invented shop: a text is the sum of its words' vectors, so texts that share words are near."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

VOCABULARY, EMBEDDING, VECTOR, SEED = 50_000, 128, 64, 3


@cache
def drawn() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A vector for each token [VOCABULARY, EMBEDDING], and the map to product vectors [EMBEDDING, VECTOR]."""
    random = np.random.default_rng(SEED)
    words = random.normal(size=(VOCABULARY, EMBEDDING))
    return words, random.normal(size=(EMBEDDING, VECTOR)) / EMBEDDING**0.5


def embed(ids: NDArray[Any], mask: NDArray[Any]) -> NDArray[np.float64]:
    """Embeddings [texts, EMBEDDING] of length 1, of tokens [texts, length]."""
    total = (drawn()[0][ids] * mask[:, :, None]).sum(axis=1)
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True))
