"""How recommendations and audiences are measured: the tasks, and what every model is measured by.

Warm: the history of weeks 1..cut, then what each household bought in the next four weeks. Cold: launches after the
    cut, the history
up to it; their buyers are the households that bought them in weeks L..L+7.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.evaluation.splits import WARM_WEEKS
from onshelf_research.baselines.warm import HALF_LIFE_WEEKS, RECENT_WEEKS, Recommender
from onshelf_research.data.dataset import Dataset, LaunchRows
from onshelf_research.evaluation import ranking

Floats = NDArray[np.float64]

PLACES = 50
BLOCK = 200  # users scored at a time
MIN_BUYERS = 3  # an audience is measured on launches with at least so many buyers


@dataclass(frozen=True, kw_only=True)
class WarmTask:
    """Recommendations to households with a history.

    Attributes:
        cut: last week of the history.
        users: int64 [n], user_index of the measured households (those that bought in the target weeks).
        history: all weeks, weeks in which bought, [all users, products].
        decayed: the same, weighted by age with a half-life.
        recent: the same over the last RECENT_WEEKS weeks.
        wanted: bought in the target weeks, [all users, products].
        fresh: the part of `wanted` that the household had not bought before.
    """

    cut: Cut
    users: NDArray[np.int64]
    history: sparse.csr_array
    decayed: sparse.csr_array
    recent: sparse.csr_array
    wanted: sparse.csr_array
    fresh: sparse.csr_array


@dataclass(frozen=True)
class Lists:
    """Recommended products, int64 [users of the task, PLACES]; -1 where a list ends.

    `everything` may hold any product, `fresh` only products that the household never bought.
    """

    everything: NDArray[np.int64]
    fresh: NDArray[np.int64]


def warm_task(data: Dataset, cut: Cut) -> WarmTask:
    """The task with history up to week `cut`."""
    first = int(data.info["first_week"])
    history = data.matrix(first, cut)
    wanted = data.matrix(cut + 1, cut + WARM_WEEKS)
    wanted.data[:] = 1.0
    bought = history.copy()
    bought.data[:] = 1.0
    fresh = wanted - wanted.multiply(bought)
    fresh.eliminate_zeros()
    return WarmTask(
        cut=cut,
        users=np.flatnonzero(np.asarray(wanted.sum(axis=1)).ravel() > 0).astype(np.int64),
        history=history,
        decayed=data.matrix(first, cut, 0.5 ** ((cut - data.purchases.week) / HALF_LIFE_WEEKS)),
        recent=data.matrix(cut - RECENT_WEEKS + 1, cut),
        wanted=wanted,
        fresh=sparse.csr_array(fresh),
    )


def recommend(task: WarmTask, model: Recommender) -> Lists:
    """The lists that a model's scores give; products never sold before the cut are left out."""
    sold = np.flatnonzero(np.asarray(task.history.sum(axis=0)).ravel() > 0)
    everything, fresh = [], []
    for start in range(0, len(task.users), BLOCK):  # blocks bound the memory
        users = task.users[start : start + BLOCK]
        scores = model(users)[:, sold]
        everything.append(_named(ranking.top_items(scores, PLACES), sold))
        bought = task.history[users][:, sold].tocoo()
        scores[bought.row, bought.col] = -np.inf
        fresh.append(_named(ranking.top_items(scores, PLACES), sold))
    return Lists(np.concatenate(everything), np.concatenate(fresh))


def split_lists(task: WarmTask, everything: NDArray[np.int64]) -> Lists:
    """The first PLACES of ranked products [users of the task, k], and of those that the household never bought."""
    history = task.history[task.users].tocoo()
    keys = history.row.astype(np.int64) * history.shape[1] + history.col
    mine = np.arange(len(task.users))[:, None] * history.shape[1] + everything
    fresh = np.where(np.isin(mine, keys), -1, everything)
    order = np.argsort(fresh < 0, axis=1, kind="stable")
    return Lists(everything[:, :PLACES], np.take_along_axis(fresh, order, axis=1)[:, :PLACES])


def measure_warm(task: WarmTask, lists: Lists) -> dict[str, Floats]:
    """Recall and gain at 10 per household: all_n10, all_r10, new_n10, new_r10; NaN where it has no positive."""
    result: dict[str, Floats] = {}
    for name, places, relevant in (
        ("all", lists.everything, task.wanted[task.users]),
        ("new", lists.fresh, task.fresh[task.users]),
    ):
        hits = ranking.list_hits(places, relevant)
        positives = np.diff(relevant.indptr).astype(np.int64)
        result[f"{name}_n10"] = ranking.ndcg_at(hits, positives, 10)
        result[f"{name}_r10"] = ranking.recall_at(hits, positives, 10)
    return result


@dataclass(frozen=True, kw_only=True)
class ColdTask:
    """Launches that nobody could have bought by the cut.

    Attributes:
        cut: last week of the history.
        rows: the launches.
        history: [users, products], weeks in which bought.
        users: int64, user_index of households with a history.
        bought: bool [launches, users of `users`].
    """

    cut: Cut
    rows: LaunchRows
    history: sparse.csr_array
    users: NDArray[np.int64]
    bought: NDArray[np.bool_]

    @property
    def told(self) -> NDArray[np.bool_]:
        """bool [launches]: at least MIN_BUYERS bought it (in a shop where none had so many, at least one) and not
        everybody did."""
        buyers = self.bought.sum(axis=1)
        some = (buyers > 0) & (buyers < len(self.users))
        enough = some & (buyers >= MIN_BUYERS)
        told: NDArray[np.bool_] = enough if enough.any() else some
        return told


def cold_task(data: Dataset, rows: LaunchRows, cut: Cut) -> ColdTask:
    """The task of launches `rows`, all of them after week `cut`."""
    if int(rows.week.min()) <= cut:
        raise ValueError(f"cold task: launch week {int(rows.week.min())} is not after the cut, week {cut}")
    history = data.matrix(int(data.info["first_week"]), cut)
    users = np.flatnonzero(np.asarray(history.sum(axis=1)).ravel() > 0).astype(np.int64)
    position = np.full(len(data.products), -1, dtype=np.int64)
    position[data.launches.product] = np.arange(len(data.launches))
    bought = data.buyers[position[rows.product]].toarray()[:, users] > 0
    return ColdTask(cut=cut, rows=rows, history=history, users=users, bought=bought)


def measure_cold(task: ColdTask, scores: Floats) -> dict[str, Floats]:
    """Metrics of scores [launches, users of the task].

    Returns:
        auc, map, r100, lift10 per launch of `task.told`; rec_n10 and rec_r10 per household that
        bought one of the launches, which are its candidates.
    """
    rows = task.told
    found = ranking.audience(scores[rows], task.bought[rows])
    takers = np.flatnonzero(task.bought.any(axis=0))
    relevant = sparse.csr_array(task.bought[:, takers].T)
    hits = ranking.list_hits(ranking.top_items(scores[:, takers].T, 10), relevant)
    positives = np.diff(relevant.indptr).astype(np.int64)
    return {
        "auc": found.auc,
        "map": found.average_precision,
        "r100": found.recall_100,
        "lift10": found.lift_10,
        "rec_n10": ranking.ndcg_at(hits, positives, 10),
        "rec_r10": ranking.recall_at(hits, positives, 10),
    }


def _named(places: NDArray[np.int64], names: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(places >= 0, names[places], -1)


def first_users(task: WarmTask, count: int) -> WarmTask:
    """The same task for the first `count` households only."""
    return replace(task, users=task.users[:count])
