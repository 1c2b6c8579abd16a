"""Quantile regression forest (Meinshausen 2006, Quantile regression forests).

A launch's distribution is that of the training launches that share its leaves, each weighted by how often it does so in
leaves of how many. Inputs are those of the boosted trees: categories by their codes (ordered by mean outcome they made
the forest worse, for a category's own launches are part of its mean), what is missing as the lowest value.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.ensemble import RandomForestRegressor

from onshelf_research.baselines.forecast import Floats

TREES = 300
SEARCH_TREES = 100
MISSING = -1.0


@dataclass(frozen=True)
class ForestSettings:
    """What is searched: fewest launches in a leaf, and the share of the inputs that each split looks at."""

    leaf: int
    share: float


TRIES = tuple(ForestSettings(leaf, share) for leaf in (3, 6, 12) for share in (0.2, 0.4))


@dataclass(frozen=True)
class ForestForecast:
    """Quantiles by level and means of the wanted launches, float64 [n] each."""

    quantiles: dict[float, Floats]
    mean: Floats


def search(
    table: pd.DataFrame,
    target: Floats,
    week: NDArray[np.int64],
    holdout: int,
    threads: int,
    advance: Callable[[], None],
) -> ForestSettings:
    """The settings whose median has the least absolute error on the last `holdout` training weeks."""
    late = week > int(week.max()) - holdout
    if not (~late).any():
        return TRIES[0]
    losses = []
    for one in TRIES:
        found = forecast(table[~late], target[~late], table[late], one, (0.5,), threads, SEARCH_TREES)
        losses.append(float(np.abs(target[late] - found.quantiles[0.5]).mean()))
        advance()
    return TRIES[int(np.argmin(losses))]


def forecast(
    table: pd.DataFrame,
    target: Floats,
    wanted: pd.DataFrame,
    settings: ForestSettings,
    levels: tuple[float, ...],
    threads: int,
    trees: int = TREES,
) -> ForestForecast:
    """Learn from `table` and `target`; forecast the rows of `wanted`."""
    known, asked = _numbers(table), _numbers(wanted)
    forest = RandomForestRegressor(
        trees, min_samples_leaf=settings.leaf, max_features=settings.share, n_jobs=threads, random_state=7
    )
    forest.fit(known, np.log1p(target))  # splits follow the logarithm: the largest launches do not decide alone
    size = np.array([tree.tree_.node_count for tree in forest.estimators_])
    start = np.cumsum(size) - size
    here, there = (sparse.csr_array(_leaves(forest.apply(part) + start, int(size.sum()))) for part in (known, asked))
    count = np.maximum(np.asarray(here.sum(axis=0)).ravel(), 1.0)
    weight = (there @ (here / count[None, :]).T).toarray() / trees
    order = np.argsort(target, kind="stable")
    mass = np.cumsum(weight[:, order], axis=1)
    place = {level: np.minimum((mass < level - 1e-9).sum(axis=1), len(target) - 1) for level in levels}
    quantiles = {level: target[order][at] for level, at in place.items()}
    return ForestForecast(quantiles, weight @ target)


def _leaves(leaf: NDArray[np.int64], nodes: int) -> sparse.coo_array:
    """One-hot leaves: [rows, nodes]."""
    rows = np.repeat(np.arange(len(leaf)), leaf.shape[1])
    return sparse.coo_array((np.ones(leaf.size), (rows, leaf.ravel())), shape=(len(leaf), nodes))


def _numbers(table: pd.DataFrame) -> NDArray[np.float32]:
    numbers: NDArray[np.float32] = np.nan_to_num(table.to_numpy(dtype=np.float32), nan=MISSING)
    return numbers
