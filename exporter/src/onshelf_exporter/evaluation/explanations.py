"""What recommendations and their reasons are worth: the deletion test, and the price of room for new products.

Deletion test: when the products that were named as reasons are taken out of a user's history, a product's score must
fall by more than when as many other products are taken out (Zeiler and Fergus 2014; DeYoung et al. 2020 call it
comprehensiveness).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onshelf_exporter.evaluation import recommend, served
from onshelf_exporter.evaluation.dataset import Dataset
from onshelf_exporter.evaluation.recommend import WarmTask
from onshelf_exporter.evaluation.release import ModelRelease

SHARES = (0.0, 0.1, 0.2, 0.3)
USERS = 200
HISTORY = ("history_products", "history_ages", "history_quantities", "history_kinds")
ALL = ("product_indices", "scores", "reason_events")
NEW = ("new_indices", "new_scores", "new_reason_events")
LEAST_PRODUCTS = 6  # of a history that has others to take out


@dataclass(frozen=True)
class Deletions:
    """Fall of the score, log odds [pairs of user and product]: without the named reasons, without as many others."""

    named: NDArray[np.float64]
    others: NDArray[np.float64]

    @property
    def share(self) -> float:
        """Share of pairs whose score falls by more without the named reasons; NaN without pairs."""
        return float((self.named > self.others).mean()) if len(self.named) else float("nan")


def deletion_test(
    release: ModelRelease, users: int = USERS, products: int = 3, new: bool = False, seed: int = 0
) -> Deletions:
    """Take reasons out of the histories of some users.

    Args:
        release: the model release.
        users: users drawn from those with at least LEAST_PRODUCTS products.
        products: the best recommendations that a user never bought, so many of each user.
        new: take the best new products instead, as an audience would see them.
        seed: of the draw, of users and of other products.
    """
    random = np.random.default_rng(seed)
    table = release.table("users")
    known = table["history_products"].map(lambda history: len(set(history))).to_numpy()
    eligible = np.flatnonzero(known >= LEAST_PRODUCTS)
    chosen = np.sort(random.permutation(eligible)[:users])
    if len(chosen) == 0:
        return Deletions(np.zeros(0), np.zeros(0))
    asked = table.iloc[chosen].reset_index(drop=True)
    names = NEW if new else ALL
    indices, scores, reasons = (release.recommendations(asked)[name] for name in names)
    reasons = reasons.reshape(len(asked), indices.shape[1], -1)
    rows, targets, before, kept_named, kept_others = [], [], [], [], []
    for row, history in enumerate(asked["history_products"]):
        fresh = np.flatnonzero(~np.isin(indices[row], np.asarray(history) - 1) & (reasons[row, :, 0] >= 0))[:products]
        for place in fresh:
            named = {int(history[event]) for event in reasons[row, place] if event >= 0}
            others = sorted(set(history.tolist()) - named)
            drawn = set(random.permutation(others)[: len(named)].tolist())
            rows.append(row)
            targets.append(indices[row, place])
            before.append(scores[row, place])
            kept_named.append(~np.isin(history, list(named)))
            kept_others.append(~np.isin(history, list(drawn)))
    if not rows:
        return Deletions(np.zeros(0), np.zeros(0))
    fall = [
        np.asarray(before) - _score(release.recommendations(_without(asked.iloc[rows], kept)), names, np.array(targets))
        for kept in (kept_named, kept_others)
    ]
    return Deletions(fall[0], fall[1])


def share_costs(release: ModelRelease, data: Dataset, task: WarmTask) -> dict[float, dict[str, float]]:
    """Mean metrics of recommendations by the share of places that new products have, SHARES."""
    result = {}
    for share in SHARES:
        measured = recommend.measure_warm(task, served.recommendations(release, data, task, share))
        result[share] = {name: float(np.nanmean(values)) for name, values in measured.items()}
    return result


def some_users(task: WarmTask, count: int) -> WarmTask:
    """The same task for at most `count` of its households, spread evenly."""
    step = max(1, -(-len(task.users) // count))
    return replace(task, users=task.users[::step])


def _without(users: pd.DataFrame, kept: list[NDArray[np.bool_]]) -> pd.DataFrame:
    """The users with a part of their histories."""
    changed = {
        name: [np.asarray(values)[keep] for values, keep in zip(users[name], kept, strict=True)] for name in HISTORY
    }
    return users.reset_index(drop=True).assign(**changed)


def _score(
    found: dict[str, NDArray[Any]], names: tuple[str, str, str], targets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The score of one product per row; the lowest of the list where it is not in it."""
    indices, scores = found[names[0]], found[names[1]].astype(np.float64)
    here = indices == targets[:, None]
    found_scores: NDArray[np.float64] = np.where(here.any(axis=1), (scores * here).sum(axis=1), scores.min(axis=1))
    return found_scores
