"""Figures of products as of a week, from what all users bought: popularity, and how regularly it is bought again."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onshelf_exporter.models.neighbourhood import LevelCounts
from onshelf_exporter.models.scorer import NONE
from onshelf_exporter.models.towers import Catalog
from onshelf_exporter.training.behaviour import Events
from onshelf_exporter.training.history import History
from onshelf_release.codes import EVENT_KINDS

Floats = NDArray[np.float64]

PRIOR_BUYERS = 5.0
PRIOR_RETURNS = 10.0
RECENT = 4  # weeks
PRIOR_WEIGHT = 1e-3  # of the log of recent purchases, beside what is bought together


def product_facts(events: Events, week: int, types: NDArray[np.int64]) -> NDArray[np.float32]:
    """[products, 14] as of the end of `week`; the first column is the log of the usual weeks between purchases."""
    seen = events.until(week)
    bought = seen.kind == EVENT_KINDS["purchase"]
    user, product = seen.user[bought], seen.product[bought]
    age = (week - seen.week[bought]).astype(np.float64)
    n = len(types)

    def count(rows: NDArray[np.bool_]) -> Floats:
        return np.bincount(product[rows], minlength=n).astype(np.float64)

    every = np.ones(len(product), dtype=bool)
    pairs, inverse, times = np.unique(user * n + product, return_inverse=True, return_counts=True)
    owned = pairs % n
    last, first = np.full(len(pairs), np.inf), np.zeros(len(pairs))
    np.minimum.at(last, inverse, age)
    np.maximum.at(first, inverse, age)
    buyers = np.bincount(owned, minlength=n).astype(np.float64)
    again = np.bincount(owned, times > 1, minlength=n)
    gap = np.where(times > 1, (first - np.where(np.isfinite(last), last, 0)) / np.maximum(times - 1, 1), 0.0)
    gaps = np.bincount(owned, gap, minlength=n)
    usual = _prior(gaps.sum(), again.sum(), 8.0)
    before = np.bincount(owned[first >= RECENT], minlength=n).astype(np.float64)
    returned = np.bincount(owned[(first >= RECENT) & (last < RECENT)], minlength=n).astype(np.float64)
    total, recent = count(every), count(age < RECENT)
    of_type = np.bincount(types, recent)[types]
    spent = np.bincount(product, (seen.revenue + seen.discount)[bought], minlength=n)
    units = np.bincount(product, np.maximum(seen.quantity[bought], 1.0), minlength=n)
    weeks = float(max(min(week, RECENT), 1))
    columns = [
        np.log((gaps + PRIOR_BUYERS * usual) / (again + PRIOR_BUYERS)),
        np.log1p(count(age < 1)),
        np.log1p(count(age < 2)),
        np.log1p(recent),
        np.log1p(count(age < 8)),
        np.log((recent + 1) / (total * weeks / max(week, 1) + 1)),
        np.log((count(age < 1) + 1) / (recent / weeks + 1)),
        (again + PRIOR_BUYERS * _prior(again.sum(), buyers.sum(), 0.2)) / (buyers + PRIOR_BUYERS),
        np.log1p(buyers),
        np.log((total + 3) / (buyers + 3)),
        (returned + PRIOR_RETURNS * _prior(returned.sum(), before.sum(), 0.1)) / (before + PRIOR_RETURNS),
        recent / np.maximum(of_type, 1.0),
        np.log1p(of_type),
        np.log1p(spent / np.maximum(units, 1.0)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def catalog_at(
    history: History, events: Events, week: int, factors: NDArray[np.float32], embeddings: NDArray[np.float32]
) -> Catalog:
    """The catalog's constant tables as of the end of `week`."""
    facts = product_facts(events, week, history.ids[:, 2])
    first = history.products["first_week"].fillna(np.inf).to_numpy(dtype=np.float64)
    shown = first <= week
    seen = events.until(week)
    sold = np.bincount(seen.product, minlength=len(first)) > 0
    ever = np.log1p(np.bincount(seen.product, minlength=len(first)))
    order = np.arange(len(first)) / len(first)  # so that no two products tie
    prior = np.where(shown, PRIOR_WEIGHT * (facts[:, 3] + 0.1 * ever + 0.1 * order), NONE)
    return Catalog(
        factors=_padded(factors, 0.0),
        content=_padded(embeddings, 0.0),
        sold=_padded(sold.astype(np.float32), 0.0),
        ids=_padded(history.ids, 0),
        facts=_padded(facts, 0.0),
        prior=_padded(prior, NONE),
    )


def level_counts(history: History, events: Events, week: int) -> LevelCounts:
    """Purchases and different products bought by department, category, type and brand as of the end of `week`."""
    seen = events.until(week)
    times = np.bincount(seen.product, minlength=len(history.ids)).astype(np.float64)
    tables = []
    for level, size in enumerate(history.vocabulary.sizes):
        ids = history.ids[:, level]
        counts = np.stack(
            [np.bincount(ids, times, minlength=size), np.bincount(ids, times > 0, minlength=size)], axis=1
        )
        counts[0] = 0.0
        tables.append(torch.from_numpy(counts))
    return LevelCounts(tables)


def _padded(values: NDArray[np.generic], fill: float) -> Tensor:
    """Row 0 before the rows of products."""
    row = np.full((1, *values.shape[1:]), fill, dtype=values.dtype)
    return torch.from_numpy(np.concatenate([row, values]))


def _prior(part: float, whole: float, fallback: float) -> float:
    return float(part / whole) if whole > 0 and part > 0 else fallback
