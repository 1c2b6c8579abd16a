"""Boosted trees over pairs of user and launch: what the user bought of the launch's kin, how active the user is, how
alike the words, what is planned for the launch, how its kin sell.

Of the launch itself they see the plan's own columns: display and mailer coverage, coupon (weeks L..L+1) and price. All
else ends with the cut. Trees learn from earlier launches of the same history: those of the last weeks before the cut,
with features from before them and buyers up to the cut. Then features move up to the cut and score the launches that
come after it.
"""

from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from onshelf_exporter.data.weeks import Cut
from onshelf_research.baselines import cold, trees
from onshelf_research.data.dataset import LEVELS, Dataset, LaunchRows

Floats = NDArray[np.float64]

LEARNING_WEEKS = 8
NEGATIVES = 40  # users drawn for each launch beside its buyers
ROUNDS = 250
BLOCK = 64
LEAF = 1 / 50  # least share of the pairs in a leaf, many launches of them: else a leaf learns one launch by heart
SETTINGS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "feature_fraction": 0.8,
    "lambda_l2": 10.0,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 7,
}


def two_sided_trees(data: Dataset, rows: LaunchRows, cut: Cut, threads: int) -> Floats:
    """Log odds [launches, users] that a user buys, for launches after week `cut`.

    Args:
        data: prepared data.
        rows: launches to score.
        cut: last week that may be known.
        threads: of the trees.
    """
    before = Cut(cut - LEARNING_WEEKS)
    past = data.launched((before + 1, cut))
    learned = _PairFeatures(data, past, before)
    bought = _bought(data, past, cut)
    rng = np.random.default_rng(7)
    drawn = np.repeat(np.arange(len(past)), NEGATIVES), rng.integers(len(data.users), size=len(past) * NEGATIVES)
    launch, user = (np.concatenate([a, b]) for a, b in zip(bought.nonzero(), drawn, strict=True))
    label = bought[launch, user].astype(np.float64)
    settings = {**SETTINGS, "min_data_in_leaf": max(1, int(LEAF * len(label))), "num_threads": threads}
    model = lightgbm.train(settings, lightgbm.Dataset(learned.of(launch, user), label), ROUNDS)
    wanted = _PairFeatures(data, rows, cut)
    everyone = np.arange(len(data.users))
    scores = np.empty((len(rows), len(everyone)))
    for start in range(0, len(rows), BLOCK):  # blocks bound the memory
        block = np.arange(start, min(start + BLOCK, len(rows)))
        pairs = wanted.of(np.repeat(block, len(everyone)), np.tile(everyone, len(block)))
        scores[block] = model.predict(pairs, raw_score=True, num_threads=threads).reshape(len(block), -1)
    return scores


class _PairFeatures:
    """Features of pairs from history up to `cut`, looked up by row of the launch and of the user."""

    def __init__(self, data: Dataset, rows: LaunchRows, cut: Cut) -> None:
        first = int(data.info["first_week"])
        history = data.matrix(first, cut)
        recent = data.matrix(max(first, cut - 7), cut)
        self.activity = np.log1p(np.asarray(history.sum(axis=1)).ravel())
        self.recent = np.log1p(np.asarray(recent.sum(axis=1)).ravel())
        self.words = cold.content_neighbours(data, history, rows)
        self.kin: list[tuple[NDArray[np.int64], Floats, Floats]] = []
        for level in LEVELS:
            codes = data.products.groupby(
                list(LEVELS[: LEVELS.index(level) + 1]) if level != "brand" else ["brand"], sort=True, dropna=False
            ).ngroup()
            code = codes.to_numpy(dtype=np.int64)
            names, place = np.unique(code[rows.product], return_inverse=True)
            column = np.full(int(code.max()) + 1, -1, dtype=np.int64)
            column[names] = np.arange(len(names))
            kept = column[code] >= 0
            shape = (len(code), len(names))
            one = sparse.coo_array((np.ones(int(kept.sum())), (np.flatnonzero(kept), column[code][kept])), shape=shape)
            count = (history @ one.tocsr()).toarray().astype(np.float64)
            self.kin.append((place.astype(np.int64), count, count.sum(axis=0)))
        self.label = rows.numbers("private_label")
        self.price = np.log(np.maximum(rows.numbers("price"), 0.01))
        self.launch = launch_features(data, rows, cut)

    def of(self, launch: NDArray[np.int64], user: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of pairs: float32 [pairs, features]."""
        total = np.expm1(self.activity[user])
        columns = [
            self.activity[user],
            self.recent[user],
            self.words[launch, user],
            self.label[launch],
            self.price[launch],
        ]
        for place, count, overall in self.kin:
            kin = place[launch]
            bought = count[user, kin]
            columns += [np.log1p(bought), bought / (total + 5.0), np.log1p(overall[kin])]
        return np.concatenate([np.stack(columns, axis=1).astype(np.float32), self.launch[launch]], axis=1)


def launch_features(data: Dataset, rows: LaunchRows, cut: int) -> NDArray[np.float32]:
    """The plan, and what is known of the launch's kin by week `cut`, whatever its own week: float32 [launches, n]."""
    as_of_cut = LaunchRows(rows.frame.assign(launch_week=cut + 1), rows.coverage)
    planned = trees.plan_features(data, rows).filter(regex="_(coverage|places)$").assign(coupon=rows.numbers("coupon"))
    known = trees.kin_features(data, as_of_cut)
    return np.concatenate([planned.to_numpy(np.float32), known.to_numpy(np.float32)], axis=1)


def _bought(data: Dataset, rows: LaunchRows, cut: Cut) -> NDArray[np.bool_]:
    """Who bought each launch in weeks L..min(L + 7, cut): bool [launches, users]."""
    place = np.full(len(data.products), -1, dtype=np.int64)
    place[rows.product] = np.arange(len(rows))
    bought = data.purchases
    row = place[bought.product]
    age = bought.week - np.where(row >= 0, rows.week[row], 0)
    kept = (row >= 0) & (age >= 0) & (age < 8) & (bought.week <= cut)
    result = np.zeros((len(rows), len(data.users)), dtype=bool)
    result[row[kept], bought.user[kept]] = True
    return result
