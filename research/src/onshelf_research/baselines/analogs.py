"""Analogs: the past launches that are most alike in words, price and plan, and what became of them."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from onshelf_research.baselines.forecast import Floats, Forecast, single
from onshelf_research.data.dataset import LEVELS, LaunchRows

NEIGHBOURS = 30
PRICE_WEIGHT = 0.25  # similarity lost per unit of difference in log price
PLAN_WEIGHT = 0.5  # similarity lost where one is promoted from the start and the other is not
QUANTILES = (0.1, 0.5, 0.7, 0.8, 0.9)


def documents(frame: pd.DataFrame) -> list[str]:
    """Words of products: their titles, and one word per category level and brand."""
    text = frame["title"].fillna("").astype(str).str.lower()
    for level in LEVELS:
        text = text + f" {level}=" + frame[level].fillna("").astype(str).str.replace(r"\W+", "_", regex=True)
    return [str(document) for document in text]


def vectors(documents_of: list[str], seen: list[str]) -> tuple[sparse.csr_array, sparse.csr_array]:
    """TF-IDF vectors of norm 1, in the order of the arguments; `seen` fixes the words and their weights."""
    vectorizer = TfidfVectorizer(token_pattern=r"[^\s,()]+", sublinear_tf=True, dtype=np.float32)
    known = vectorizer.fit_transform(seen)
    return sparse.csr_array(vectorizer.transform(documents_of)), sparse.csr_array(known)


def analogs(train: LaunchRows, rows: LaunchRows, outcome: str) -> tuple[Forecast, Forecast]:
    """Weighted median (with quantiles) and weighted mean of the NEIGHBOURS most similar training launches."""
    wanted, known = vectors(documents(rows.frame), documents(train.frame))
    similarity = (wanted @ known.T).toarray().astype(np.float64)
    price = [np.log(np.maximum(part.numbers("price"), 0.01)) for part in (rows, train)]
    similarity -= PRICE_WEIGHT * np.abs(price[0][:, None] - price[1][None, :])
    first = [part.numbers("entered_by_sale") for part in (rows, train)]
    similarity -= PLAN_WEIGHT * np.abs(first[0][:, None] - first[1][None, :])
    reach = [part.coverage.sum(axis=1) for part in (rows, train)]
    similarity -= PLAN_WEIGHT * np.minimum(np.abs(reach[0][:, None] - reach[1][None, :]), 1.0)
    k = min(NEIGHBOURS, len(train))
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    close = np.take_along_axis(similarity, nearest, axis=1)
    weight = np.exp(4.0 * (close - close.max(axis=1, keepdims=True)))
    weight /= weight.sum(axis=1, keepdims=True)
    units = train.numbers(outcome)[nearest]
    quantiles = {level: _weighted_quantile(units, weight, level) for level in QUANTILES}
    mean = (units * weight).sum(axis=1)
    return Forecast(mean=quantiles[0.5], median=quantiles[0.5], quantiles=quantiles), single(mean)


def _weighted_quantile(values: Floats, weight: Floats, level: float) -> Floats:
    order: NDArray[np.int64] = np.argsort(values, axis=1)
    mass = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    place = np.minimum((mass < level - 1e-12).sum(axis=1), values.shape[1] - 1)
    picked: Floats = np.take_along_axis(np.take_along_axis(values, order, axis=1), place[:, None], axis=1)[:, 0]
    return picked
