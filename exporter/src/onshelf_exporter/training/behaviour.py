"""What users did until a week, as the towers read it: histories of products and profiles of 16 numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import Cut, weeks_covered
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training.history import History
from onshelf_release.codes import EVENT_KINDS, NEW_PRODUCT_WEEKS
from onshelf_release.signatures import PROFILE_DIM

PROFILE_COLUMNS = (
    "log_purchases_per_week",
    "log_purchases_per_week_ever",
    "recency_weeks",
    "price_tier",
    "promotion_sensitivity",
    "new_product_share",
    "variety",
    *(f"share_department_{rank}" for rank in range(PROFILE_DIM - 7)),
)


@dataclass(frozen=True, kw_only=True)
class Events:
    """Rows (user, product, week) up to the cut, sorted by user: quantity, revenue, discount, kind id."""

    users: int
    user: NDArray[np.int64]
    product: NDArray[np.int64]
    week: NDArray[np.int64]
    quantity: NDArray[np.float64]
    revenue: NDArray[np.float64]
    discount: NDArray[np.float64]
    kind: NDArray[np.int64]

    def until(self, week: int) -> "Events":
        """The rows of weeks <= `week`."""
        rows = self.week <= week
        kept = {name: values[rows] for name, values in vars(self).items() if name != "users"}
        return Events(users=self.users, **kept)


@dataclass(frozen=True)
class Histories:
    """[users, history] each: product_index + 1 (0 pad), age of the event in weeks, quantity, kind."""

    products: NDArray[np.int64]
    ages: NDArray[np.float32]
    quantities: NDArray[np.float32]
    kinds: NDArray[np.int64]


def load_events(folder: Path, cut: Cut) -> Events:
    """Read features/user_product_weeks.parquet and users.parquet; kinds that are no sign of interest (returns) are left
    out. A shop without users has one that did nothing: graphs hold at least one row, and nobody asks for it."""
    features = folder / "features"
    path = features / "user_product_weeks.parquet"
    if not path.is_file():
        raise ExporterError(f"{path}: missing; run `onshelf-exporter data` again")
    frame = pq.read_table(path, filters=[("week", "<=", cut)], read_dictionary=["kind"]).to_pandas()
    users = max(1, pq.read_table(features / "users.parquet", columns=["user_index"]).num_rows)
    kind = frame["kind"].map(EVENT_KINDS).astype("float64")
    frame = (
        frame[kind.notna()]
        .assign(kind=kind.dropna().astype(np.int64))
        .sort_values(["user_index", "week", "product_index"])
    )
    return Events(
        users=users,
        user=frame["user_index"].to_numpy(dtype=np.int64),
        product=frame["product_index"].to_numpy(dtype=np.int64),
        week=frame["week"].to_numpy(dtype=np.int64),
        quantity=frame["quantity"].to_numpy(dtype=np.float64),
        revenue=frame["revenue"].to_numpy(dtype=np.float64),
        discount=frame["discount"].to_numpy(dtype=np.float64),
        kind=frame["kind"].to_numpy(dtype=np.int64),
    )


def histories(events: Events, week: int, length: int, half_life: float, products: int) -> Histories:
    """Each user's events as of the end of `week`, newest first.

    Ages count from the end of `week`: what was done in that very week has age 0. Where a user has more than `length`
    events, those of the products that weigh most are kept, each event weighing 0.5 ** (age / half_life); in the
    default data 256 events say as much as all.
    """
    seen = events.until(week)
    age = (week - seen.week).astype(np.float64)
    weight = 0.5 ** (age / half_life)
    _, inverse = np.unique(seen.user * products + seen.product, return_inverse=True)
    total = np.bincount(inverse, weight) if len(weight) else np.zeros(0)
    keep = _rank(seen.user, age * 1e-6 - total[inverse]) < length
    user, age = seen.user[keep], age[keep]
    position = _rank(user, age - 1e-6 * total[inverse[keep]])
    result = Histories(
        np.zeros((events.users, length), dtype=np.int64),
        np.zeros((events.users, length), dtype=np.float32),
        np.zeros((events.users, length), dtype=np.float32),
        np.zeros((events.users, length), dtype=np.int64),
    )
    result.products[user, position] = seen.product[keep] + 1
    result.ages[user, position] = age
    result.quantities[user, position] = np.maximum(seen.quantity[keep], 1.0)
    result.kinds[user, position] = seen.kind[keep]
    return result


def profiles(events: Events, history: History, week: int, window: int = 12) -> NDArray[np.float32]:
    """[users, 16] raw figures as of the end of `week`; columns in PROFILE_COLUMNS. Users without events have zeros and
    recency 53."""
    seen = events.until(week)
    n, user = events.users, seen.user
    recent = seen.week > week - window
    ones = np.ones(len(user))
    spans = weeks_covered(history.dataset, np.array([week - window + 1, history.dataset["first_week"]]), week)
    recent_weeks, all_weeks = np.maximum(spans, 1.0)
    count = np.bincount(user, ones, minlength=n)
    last = np.full(n, -1.0)
    np.maximum.at(last, user, seen.week.astype(np.float64))
    value = seen.revenue + seen.discount
    price = np.log(np.maximum(value / np.maximum(seen.quantity, 1.0), 0.01))
    kind_id = history.ids[seen.product, 2]
    sums = np.bincount(kind_id, price, minlength=history.vocabulary.sizes[2])
    usual = sums / np.maximum(np.bincount(kind_id, minlength=history.vocabulary.sizes[2]), 1)
    tier = np.bincount(user, np.clip(price - usual[kind_id], -2, 2), minlength=n) / np.maximum(count, 1)
    spent = np.bincount(user, value, minlength=n)
    sensitivity = np.bincount(user, seen.discount, minlength=n) / np.maximum(spent, 1e-9)
    first = history.products["first_week"].fillna(np.inf).to_numpy(dtype=np.float64)[seen.product]
    burn_in = int(history.dataset["launch_burn_in_weeks"])
    new = (first > seen.week - NEW_PRODUCT_WEEKS) & (first > burn_in) & recent
    recent_count = np.bincount(user, recent, minlength=n)
    variety = pd.DataFrame({"user": user, "product": seen.product}).drop_duplicates()["user"].value_counts()
    distinct = np.zeros(n)
    distinct[variety.index.to_numpy()] = variety.to_numpy()
    departments = top_departments(history)
    share = np.zeros((n, PROFILE_DIM - 7))  # a shop may have few departments, or none
    for place, department in enumerate(departments):
        share[:, place] = np.bincount(user, history.ids[seen.product, 0] == department, minlength=n)
    share /= np.maximum(count, 1)[:, None]
    head = [
        np.log1p(recent_count / recent_weeks),
        np.log1p(count / all_weeks),
        np.where(last < 0, 53.0, np.minimum(week - last, 53.0)),
        tier,
        np.clip(sensitivity, 0.0, 1.0),
        np.bincount(user, new, minlength=n) / np.maximum(recent_count, 1),
        distinct / np.maximum(count, 1),
    ]
    return np.concatenate([np.stack(head, axis=1), share], axis=1).astype(np.float32)


def top_departments(history: History) -> NDArray[np.int64]:
    """Ids of the departments with most products known by the cut, at most 9."""
    counts = np.asarray(history.vocabulary.counts["department"])
    order: NDArray[np.int64] = np.argsort(-counts[1:], kind="stable")[: PROFILE_DIM - 7] + 1
    return order


def bought(events: Events) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct (user, product) pairs of purchases, sorted: two arrays."""
    rows = events.kind == EVENT_KINDS["purchase"]
    pairs: NDArray[Any] = np.unique(np.stack([events.user[rows], events.product[rows]], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _rank(group: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.int64]:
    """Position of each row within its group (groups sorted or not) by rising value."""
    order = np.lexsort((value, group))
    ordered = group[order]
    first = np.searchsorted(ordered, ordered, side="left")
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - first
    return rank
