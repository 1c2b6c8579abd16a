"""What one model release has to offer now: its own catalog, less what was deleted, with what was upserted."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.catalog.decided import NEVER, DecidedLaunch
from onshelf_gateway.catalog.delta import FIT_INPUTS, RECORD, Delta
from onshelf_gateway.inference.outputs import EncodedUser, Retrieved
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.store.products import ProductChange
from onshelf_release.signatures import CATALOG_MODELS, PRODUCT_BUCKETS

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
MOST = PRODUCT_BUCKETS[-1]  # products that are scored for a user, at most
KIN_WEIGHTS = {1: 1.0, 2: 2.0, 3: 1.0}  # of category, type and brand in the first order of more than MOST
PLACE_WEIGHT = 0.3
LISTED = 200  # new products that take part in a list, as in product_retrieval
LAST = 1e6  # place of what is not in a list


@dataclass(frozen=True)
class Entry:
    """A product that was upserted, or deleted (without a product), with the number of that change and its launch."""

    number: int
    product: types_pb2.Product | None
    launch: DecidedLaunch | None = None


@dataclass(frozen=True, kw_only=True)
class UpsertedProducts:
    """Upserted products that are scored for a user: ids and changes [n], what product_fit reads of each, and `rows`.

    These [n] are those of the release's own catalog, and beyond its end for products that it lacks. `lifts` [n] are
    added to the scores: what the decided action promises, 0 where nothing is decided.
    """

    names: NDArray[Any]
    changes: Ints
    rows: Ints
    inputs: dict[str, NDArray[Any]]
    lifts: NDArray[np.float32]


class Shelf:
    """The catalog of one release, with the changes since. Used on one event loop only.

    Attributes:
        missing: number of the change by product id, of products that the release's models have not read yet.
        refused: why, by product id, of products that they cannot read.
        supported: whether the release has the models for upserted products.
    """

    def __init__(self, release: ModelRelease, entries: Mapping[str, Entry]) -> None:
        self.release = release
        self._entries = entries
        self.delta = Delta()
        self.missing: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self.supported = set(CATALOG_MODELS) <= set(release.manifest.models)
        own = release.products.num_rows
        self._gone: Bools = np.zeros(own, dtype=bool)
        self._known: Bools = release.known_products
        self._ids: Ints = release.product_ids
        self._replaced_new: Bools = np.zeros(own, dtype=bool)

    def apply(self, changes: Sequence[ProductChange]) -> None:
        """Take over changes that are in the entries already; those without an encoding are then missing."""
        read = []
        for change in changes:
            name, row = change.product_id, self.release.product_rows.get(change.product_id)
            if change.deleted:
                self.missing.pop(name, None)
                self.refused.pop(name, None)
                self.delta.remove(name)
                if row is not None:
                    self._gone[row] = True
                    self._restore(row)
            else:
                if row is not None:
                    self._gone[row] = False
                self.refused.pop(name, None)
                if change.encoding is None:
                    self.missing[name] = change.number
                else:
                    read.append((name, change.number, change.encoding))
        self.add(read)

    def add(self, read: Iterable[tuple[str, int, bytes]]) -> None:
        """Take over encodings (product id, change that was read, encoding); those of another change are left alone."""
        fresh = []
        for name, number, encoding in read:
            entry = self._entries.get(name)
            if entry is not None and entry.product is not None and entry.number == number:
                self.missing.pop(name, None)
                fresh.append((name, number, encoding))
        if not fresh:
            return
        names = [name for name, _, _ in fresh]
        records = np.frombuffer(b"".join(encoding for _, _, encoding in fresh), dtype=RECORD)
        rows = np.array([self.release.product_rows.get(name, -1) for name in names], dtype=np.int64)
        mine, own = rows[rows >= 0], rows >= 0
        fits = ~own
        fits[own] = self.release.new_products[mine] | ~self.release.known_products[mine]
        if len(mine):
            self._own_tables()
            self._ids[mine] = records["categorical_ids"][own]
            self._known[mine] = True
            self._replaced_new[mine] = fits[own]
        launches = [self._entries[name].launch for name in names]
        lifts = [0.0 if one is None else one.lift for one in launches]
        ends = [NEVER if one is None else one.ends for one in launches]
        self.delta.put(
            names,
            records,
            changes=np.array([number for _, number, _ in fresh], dtype=np.int64),
            rows=rows,
            fits=fits,
            lifts=np.array(lifts, dtype=np.float32),
            ends=np.array(ends, dtype=np.int64),
        )

    def refuse(self, name: str, number: int, reason: str) -> None:
        """The release's models cannot read a product."""
        if self.missing.get(name) == number:
            del self.missing[name]
            self.delta.remove(name)  # what it was before
            self.refused[name] = reason

    def _own_tables(self) -> None:
        if self._ids is self.release.product_ids:
            self._ids, self._known = self._ids.copy(), self._known.copy()

    def _restore(self, row: int) -> None:
        self._own_tables()
        self._ids[row] = self.release.product_ids[row]
        self._known[row] = self.release.known_products[row]
        self._replaced_new[row] = False

    # What a request reads.

    def has(self, product_id: str) -> bool:
        """Whether a product is in the catalog."""
        entry = self._entries.get(product_id)
        return product_id in self.release.product_rows if entry is None else entry.product is not None

    def product(self, product_id: str) -> types_pb2.Product | None:
        """A product as it was upserted; None where it was not."""
        entry = self._entries.get(product_id)
        return None if entry is None else entry.product

    def launch(self, product_id: str, today: dt.date) -> DecidedLaunch | None:
        """The launch that was decided for an upserted product; None where there is none, or its weeks are over."""
        entry = self._entries.get(product_id)
        launch = None if entry is None else entry.launch
        return launch if launch is not None and today.toordinal() < launch.ends else None

    def title(self, product_id: str) -> str:
        """The title of a product of the catalog."""
        product = self.product(product_id)
        if product is not None:
            return str(product.title)
        title: str = self.release.products["title"][self.release.product_rows[product_id]].as_py()
        return title

    def record(self, product_id: str) -> dict[str, Any] | None:
        """What the models said of an upserted product, by column of RECORD; None where they have not read it."""
        place = self.delta.places.get(product_id)
        if place is None or product_id in self.missing:
            return None
        return {name: self.delta.array(name)[place] for name in RECORD.names or ()}

    def offered(self, rows: Ints) -> Bools:
        """Which rows of the release's catalog may be shown."""
        return np.asarray(self._known[rows] & ~self._gone[rows])

    def new(self, rows: Ints) -> Bools:
        """Which rows of the release's catalog are new: launched lately, or upserted before its data knew them."""
        return np.asarray(self.release.new_products[rows] | self._replaced_new[rows])

    def ids(self, rows: Ints) -> Ints:
        """Category and brand ids of rows of the release's catalog [n, 4]."""
        return np.asarray(self._ids[rows])

    def without_replaced(self, new: Retrieved) -> Retrieved:
        """The release's new products that were neither deleted nor replaced."""
        return new.take(np.flatnonzero(~self._replaced_new[new.indices] & ~self._gone[new.indices]))

    def candidates(self, user: EncodedUser, today: dt.date, categories: Bools | None = None) -> UpsertedProducts | None:
        """The upserted products that product_fit is to score for a user; None where there are none.

        All of them, up to MOST. Of more, those in the categories asked for; and of more than MOST of these, the best by
        purchases of the same category, type and brand, and a little by the place among the factors; a decided launch
        comes by as much earlier as its score is lifted.

        Args:
            user: as `Models.encode_user` says.
            today: launches whose weeks are over by this day are lifted no more.
            categories: whether each of the delta is in the categories asked for [n]; None where none were.
        """
        at = np.flatnonzero(self.delta.array("fits"))
        if len(at) > MOST and categories is not None:
            at = at[categories[at]]
        if len(at) > MOST:
            first = self._first_order(user, at) + self._lifts(at, today)
            at = at[np.sort(np.argpartition(-first, MOST)[:MOST])]
        if not len(at):
            return None
        rows = self.delta.array("rows")[at]
        beyond = self.release.products.num_rows + np.arange(len(at))
        return UpsertedProducts(
            names=self.delta.array("names")[at],
            changes=self.delta.array("changes")[at],
            rows=np.where(rows >= 0, rows, beyond),
            inputs={name: np.asarray(self.delta.array(name)[at]) for name in FIT_INPUTS},
            lifts=self._lifts(at, today),
        )

    def _lifts(self, at: Ints, today: dt.date) -> NDArray[np.float32]:
        """What is added to the scores of products of the delta [n]."""
        running = self.delta.array("ends")[at] > today.toordinal()
        weight = np.float32(self.release.manifest.decided_lift_weight)
        return np.asarray(self.delta.array("lifts")[at] * running * weight)

    def _first_order(self, user: EncodedUser, at: Ints) -> NDArray[np.float32]:
        inside = (user.history > 0) & (user.history <= self.release.products.num_rows)
        bought = self.release.product_ids[user.history[inside] - 1]
        vectors, ids = self.delta.array("product_vectors")[at], self.delta.array("categorical_ids")[at]
        return first_order(user.vector, bought, user.event_weights[inside], vectors, ids)


def first_order(
    user_vector: NDArray[np.float32],
    bought: Ints,
    weights: NDArray[np.float32],
    product_vectors: NDArray[np.float32],
    categorical_ids: Ints,
) -> NDArray[np.float32]:
    """A cheap score of products for a user [n]: each part in its standard deviations, weighted.

    Args:
        user_vector: [64].
        bought: categorical ids of the history's events [events, 4].
        weights: event weights of these [events, 4].
        product_vectors: [n, 64].
        categorical_ids: [n, 4].
    """
    strength = weights[:, [0, 2]].sum(axis=1)
    parts = [(product_vectors @ user_vector, PLACE_WEIGHT)]
    for level, weight in KIN_WEIGHTS.items():
        size = int(max(bought[:, level].max(initial=0), categorical_ids[:, level].max(initial=0))) + 1
        counts = np.bincount(bought[:, level], strength, minlength=size)
        counts[0] = 0.0  # unknown ids are not alike
        parts.append((np.log1p(counts)[categorical_ids[:, level]].astype(np.float32), weight))
    return np.asarray(sum(weight * (part - part.mean()) / max(float(part.std()), 1e-6) for part, weight in parts))


def merged(new: Retrieved, fits: Retrieved) -> Retrieved:
    """New products of a release and upserted ones, best first; of equal ones the upserted."""
    reasons = None
    if new.reasons is not None and fits.reasons is not None:
        reasons = np.concatenate([fits.reasons, new.reasons])
    both = Retrieved(np.concatenate([fits.indices, new.indices]), np.concatenate([fits.scores, new.scores]), reasons)
    return both.take(np.argsort(-both.scores, kind="stable")[:LISTED])


def shared(everything: Retrieved, new: Retrieved, share: float) -> Retrieved:
    """A list of all products with a share of its places for new ones, by the rule of product_retrieval.

    The n-th new one comes at place n / share or before, the n-th of the others at place n / (1 - share).

    Args:
        everything: products as they come without a share, best first.
        new: new products, best first; some may be in `everything`, too.
        share: 0 to 1; at 0 `everything` is returned.
    """
    if share <= 0 or not len(new.indices):
        return everything
    rank = np.arange(1, len(everything.indices) + 1) / max(1.0 - share, 1e-3)
    wanted = np.arange(1, len(new.indices) + 1) / max(share, 1e-3) - 0.5
    order = np.argsort(everything.indices, kind="stable")
    at = order[np.minimum(np.searchsorted(everything.indices, new.indices, sorter=order), len(order) - 1)]
    inside = everything.indices[at] == new.indices
    earned = np.where(inside, rank[at], LAST)
    scores = np.where(wanted < earned, new.scores, everything.scores[at])
    left = np.ones(len(everything.indices), dtype=bool)
    left[at[inside]] = False
    rest = everything.take(np.flatnonzero(left))
    reasons = None
    if new.reasons is not None and rest.reasons is not None:
        reasons = np.concatenate([new.reasons, rest.reasons])
    both = Retrieved(np.concatenate([new.indices, rest.indices]), np.concatenate([scores, rest.scores]), reasons)
    places = np.concatenate([np.minimum(earned, wanted), rank[left]])
    return both.take(np.argsort(places, kind="stable")[: len(everything.indices)])
