"""What recommendations and their reasons are worth: the deletion test, and the price of room for new products.

Deletion test: when the products that were named as reasons are taken out of a user's history, a product's score must
fall by more than when as many other products are taken out (Zeiler and Fergus 2014; DeYoung et al. 2020 call it
comprehensiveness).
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onshelf_exporter.evaluation import bootstrap
from onshelf_research.data.dataset import Dataset
from onshelf_research.evaluation import recommend, served
from onshelf_research.evaluation.recommend import WarmTask
from onshelf_research.evaluation.release import MeasuredRelease

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


class Pair(NamedTuple):
    """A user, by row, and a product, by row of the table `products`: its score, and the numbers (product_index + 1) of
    the products that are named as reasons."""

    row: int
    product: int
    score: float
    named: set[int]


def deletion_test(
    release: MeasuredRelease, users: int = USERS, products: int = 3, new: bool = False, seed: int = 0
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
    chosen = np.sort(random.permutation(_eligible(table))[:users])
    if len(chosen) == 0:
        return Deletions(np.zeros(0), np.zeros(0))
    asked = table.iloc[chosen].reset_index(drop=True)
    names = NEW if new else ALL
    indices, scores, reasons = (release.recommendations(asked)[name] for name in names)
    reasons = reasons.reshape(len(asked), indices.shape[1], -1)
    pairs = []
    for row, history in enumerate(asked["history_products"]):
        fresh = np.flatnonzero(~np.isin(indices[row], np.asarray(history) - 1) & (reasons[row, :, 0] >= 0))[:products]
        for place in fresh:
            named = {int(history[event]) for event in reasons[row, place] if event >= 0}
            pairs.append(Pair(row, int(indices[row, place]), float(scores[row, place]), named))
    return _deletions(release, asked, pairs, names, random)


def audience_deletion_test(
    release: MeasuredRelease, data: Dataset, products: int = USERS, users: int = 3, seed: int = 0
) -> Deletions:
    """Take out what audiences name as reasons.

    `audience_retrieval` holds what users bought as constants; `product_retrieval` scores new products by the same
    ranker from a history that is given. So the products are those that are new to the model release, and the pairs
    those of its audiences that both graphs rank.

    Args:
        release: the model release.
        data: prepared data: titles and categories of the new products.
        products: new products, at most.
        users: the first of each audience that have reasons, so many.
        seed: of the draw of other products.
    """
    random = np.random.default_rng(seed)
    table, listed = release.table("users"), release.table("products")["product_id"].astype(str)
    if not len(_eligible(table)):
        return Deletions(np.zeros(0), np.zeros(0))
    new = release.recommendations(table.iloc[:1])[NEW[0]][0]
    described = data.products.set_index(data.products["product_id"].astype(str))
    known = [row for row in new.tolist() if listed.iloc[row] in described.index][:products]
    if not known:
        return Deletions(np.zeros(0), np.zeros(0))
    members = release.audience_members(release.encode(described.loc[listed.iloc[known]].assign(price=0.0)))
    reasons = members["reason_products"].reshape(*members["user_indices"].shape, -1)
    chosen, rows = [], []
    for place, target in enumerate(known):
        for rank in np.flatnonzero(reasons[place, :, 0] >= 0)[:users]:
            user = int(members["user_indices"][place, rank])
            history = set(np.asarray(table["history_products"].iloc[user]).tolist())
            named = {int(product) + 1 for product in reasons[place, rank] if product >= 0} & history
            if named and len(history) >= LEAST_PRODUCTS:
                chosen.append((target, named))
                rows.append(user)
    asked = table.iloc[rows].reset_index(drop=True)
    if not rows:
        return Deletions(np.zeros(0), np.zeros(0))
    found = release.recommendations(asked)
    pairs = []
    for row, (target, named) in enumerate(chosen):
        here = np.flatnonzero(found[NEW[0]][row] == target)
        if len(here):
            pairs.append(Pair(row, target, float(found[NEW[1]][row, here[0]]), named))
    return _deletions(release, asked, pairs, NEW, random)


def _eligible(users: pd.DataFrame) -> NDArray[np.int64]:
    """Rows of users with at least LEAST_PRODUCTS products."""
    known = users["history_products"].map(lambda history: len(set(history))).to_numpy()
    return np.flatnonzero(known >= LEAST_PRODUCTS)


def _deletions(
    release: MeasuredRelease,
    asked: pd.DataFrame,
    pairs: list[Pair],
    names: tuple[str, str, str],
    random: np.random.Generator,
) -> Deletions:
    if not pairs:
        return Deletions(np.zeros(0), np.zeros(0))
    kept_named, kept_others = [], []
    for pair in pairs:
        history = np.asarray(asked["history_products"].iloc[pair.row])
        others = sorted(set(history.tolist()) - pair.named)
        kept_named.append(~np.isin(history, list(pair.named)))
        kept_others.append(~np.isin(history, random.permutation(others)[: len(pair.named)]))
    users = asked.iloc[[pair.row for pair in pairs]]
    targets, before = np.array([pair.product for pair in pairs]), np.array([pair.score for pair in pairs])
    fall = [
        before - _score(release.recommendations(_without(users, kept)), names, targets)
        for kept in (kept_named, kept_others)
    ]
    return Deletions(fall[0], fall[1])


def share_costs(release: MeasuredRelease, data: Dataset, task: WarmTask) -> dict[float, dict[str, float]]:
    """Mean metrics of recommendations by the share of places that new products have, SHARES."""
    result = {}
    for share in SHARES:
        measured = recommend.measure_warm(task, served.recommendations(release, data, task, share))
        result[share] = {name: bootstrap.mean(values) for name, values in measured.items()}
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
