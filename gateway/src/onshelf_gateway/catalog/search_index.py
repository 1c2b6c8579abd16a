"""Products by words: BM25 over the encoder's own word pieces, so that any language that it reads can be searched.

BM25 as in Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", k1 = 1.2, b = .75.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from tokenizers import Encoding, Tokenizer

Floats = NDArray[np.float64]
K1, B = 1.2, 0.75


class SearchIndex:
    """Titles as weighted word pieces.

    Args:
        tokenizer: of the model release.
        titles: of the products, in their order.
    """

    def __init__(self, tokenizer: Tokenizer, titles: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        pieces = [np.array(one.ids, dtype=np.int64) for one in _encoded(tokenizer, titles)]
        lengths = np.array([len(one) for one in pieces], dtype=np.float64)
        rows = np.repeat(np.arange(len(pieces)), lengths.astype(np.int64))
        columns = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)
        shape = (len(pieces), tokenizer.get_vocab_size())
        counts = sparse.csr_matrix((np.ones(len(columns)), (rows, columns)), shape=shape)
        counts.sum_duplicates()
        present = np.diff(counts.tocsc().indptr)
        self._rarity = np.log1p((len(pieces) - present + 0.5) / (present + 0.5))
        norm = K1 * (1.0 - B + B * lengths / max(float(lengths.mean()) if len(lengths) else 1.0, 1e-9))
        of = np.repeat(norm, np.diff(counts.indptr))
        counts.data = counts.data * (K1 + 1.0) / (counts.data + of) * self._rarity[counts.indices]
        self._weights = counts.tocsc()

    def scores(self, query: str) -> Floats:
        """How well each title fits a query [n], from 0; 1 is about what a title has that is the query."""
        pieces = sorted(set(_encoded(self._tokenizer, [query])[0].ids))
        if not pieces or not self._weights.shape[0]:
            return np.zeros(self._weights.shape[0])
        found = np.asarray(self._weights[:, pieces].sum(axis=1), dtype=np.float64).ravel()
        return np.asarray(found / max(float(self._rarity[pieces].sum()), 1e-9))


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> Sequence[Encoding]:
    return tokenizer.encode_batch(list(texts), add_special_tokens=False)
