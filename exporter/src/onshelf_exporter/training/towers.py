"""Training of all that recommends, for one cut: factors, the three rankers, and the tables that the graphs hold."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from onshelf_exporter.models.fit import ProductFit, ProductNeighbours
from onshelf_exporter.models.habits import OTHER_WEIGHT
from onshelf_exporter.models.neighbourhood import LevelCounts, fit_features, fit_sums, matches, neighbour_limits
from onshelf_exporter.models.product_encoder import ProductTower
from onshelf_exporter.models.scorer import Scorer, Scorers
from onshelf_exporter.models.towers import (
    AudienceRetrieval,
    Catalog,
    NewProducts,
    ProductRetrieval,
    UserEncoderGraph,
    closest_users,
    pair_features,
)
from onshelf_exporter.training.behaviour import Events, Histories, histories, profiles
from onshelf_exporter.training.boosting import fit_or_fall_back
from onshelf_exporter.training.factors import content_map, fit_factors
from onshelf_exporter.training.facts import catalog_at, level_counts
from onshelf_exporter.training.history import History
from onshelf_exporter.training.rankers import Lists, Rows, fit_lists, fit_scorers, thinned
from onshelf_exporter.training.recipe import TowerRecipe
from onshelf_exporter.training.user_tables import distinct, user_tables
from onshelf_release.codes import EVENT_KINDS
from onshelf_release.signatures import PROFILE_DIM

Floats = NDArray[np.float32]

LIFE = 8  # weeks in which the buyers of a new product count, as in the audience's definition
NEWEST = 2000  # new products that a recommendation chooses from, at most
USERS_AT_ONCE = 16
HIDDEN = 32  # width of the rankers that are networks


@dataclass(frozen=True, kw_only=True)
class TowerState:
    """All that graphs hold, as of the end of a week."""

    week: int
    past: Histories
    profile: Floats
    factors: Floats
    catalog: Catalog
    levels: LevelCounts
    content: Floats

    def inputs(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What user_encoder reads of some users."""
        past, profile = self.past, self.profile
        arrays = (past.products, past.ages, past.quantities, past.kinds, profile)
        products, ages, quantities, kinds, own = (torch.from_numpy(array[rows]) for array in arrays)
        return products, ages, quantities, kinds, own


@dataclass(frozen=True)
class Shelves:
    """All that users ever had to do with, sorted by user: number and event weights of each product [entries],
    [entries, 4]; where each user's entries begin [users + 1]; user vectors [users, 64]."""

    products: Tensor
    weights: Tensor
    start: Tensor
    vectors: Tensor

    def padded(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Products [n, longest] and weights [n, longest, 4] of some users, 0 padded."""
        count = self.start[users + 1] - self.start[users]
        place = torch.arange(max(1, int(count.max()))).unsqueeze(0)
        there = place < count.unsqueeze(1)
        index = torch.where(there, self.start[users].unsqueeze(1) + place, 0)
        return self.products[index] * there, self.weights[index] * there.unsqueeze(2)


class Limits(NamedTuple):
    """Products and users that the retrievals return."""

    products: int
    users: int


@dataclass(frozen=True, kw_only=True)
class TowerResult:
    """The served graphs and what the tables of a model release and the samples need."""

    user_encoder: UserEncoderGraph
    product_retrieval: ProductRetrieval
    audience_retrieval: AudienceRetrieval
    product_neighbours: ProductNeighbours
    product_fit: ProductFit
    tower: ProductTower
    products: Tensor
    history: Histories
    profile: Floats
    metrics: dict[str, float]


def train_towers(
    history: History,
    events: Events,
    embeddings: Floats,
    recipe: TowerRecipe,
    limits: Limits,
    seed: int,
    folder: Path,
) -> TowerResult:
    """Train for the cut of `history`; `embeddings` [products, 128] are those of all products."""
    rows = collect(history, events, embeddings, recipe, seed)
    state = state_at(history, events, embeddings, history.cut, recipe, seed)
    width = widths(state)
    habits, threads = (width["repeat"], REPEAT_FALLBACK), torch.get_num_threads()
    repeat, metrics = fit_or_fall_back(rows.repeat, habits, recipe.repeat, seed, threads, "repeat")
    scorers: dict[str, nn.Module] = {"repeat": repeat}
    seeds = (seed, recipe.members)
    shape = (width["first_buy"], HIDDEN, 0)
    scorers["first_buy"], figures = fit_scorers(
        rows.first_buy, shape, recipe.first_buy_loop, seeds, folder, "first_buy"
    )
    metrics |= figures
    shape = (width["launch"], HIDDEN, 0)
    scorers["launch"], figures = fit_lists(rows.launch, shape, recipe.launch_loop, seeds, folder, "launch")
    metrics |= figures
    metrics["loss"] = metrics.get("repeat_loss", math.nan)
    return replace(assemble(history, events, state, embeddings, scorers, limits), metrics=metrics)


@dataclass(frozen=True)
class RankerRows:
    """What each ranker learns from, one entry per anchor."""

    repeat: list[Rows]
    first_buy: list[Rows]
    launch: list[Lists]


def collect(history: History, events: Events, embeddings: Floats, recipe: TowerRecipe, seed: int) -> RankerRows:
    """The rows of all anchors before the cut of `history`."""
    weeks = [history.cut - recipe.target_weeks - k * recipe.anchor_step for k in range(recipe.anchors)]
    warm = [week for week in weeks if week >= 1]
    burn_in = int(history.dataset.get("launch_burn_in_weeks", 0))  # before it, everything seems new
    weeks = [history.cut - LIFE - k * recipe.launch_step for k in range(recipe.launch_anchors)]
    cold = [week for week in weeks if week > burn_in]
    found = RankerRows([], [], [])
    for week in sorted({*warm, *cold}):
        state = state_at(history, events, embeddings, week, recipe, seed)
        generator = np.random.default_rng([seed, week])
        if week in warm:
            repeat, candidates = warm_rows(state, events, recipe, generator)
            found.repeat.append(repeat)
            found.first_buy.append(candidates)
        if week in cold:
            found.launch.append(launch_rows(state, history, events, recipe, generator))
    return found


def assemble(
    history: History,
    events: Events,
    state: TowerState,
    embeddings: Floats,
    scorers: dict[str, nn.Module],
    limits: Limits,
) -> TowerResult:
    """The graphs of a state with trained rankers (repeat, first_buy, launch)."""
    shelves = user_shelves(events, state.week, state.factors)
    tower = ProductTower()
    with torch.no_grad():
        tower.map.weight.copy_(torch.from_numpy(state.content.T.copy()))
    places = torch.from_numpy(embeddings @ state.content)
    chosen = new_products(history)
    launch = scorers["launch"]
    profile = torch.from_numpy(state.profile)
    tables = user_tables(state.catalog, shelves.products, shelves.weights, shelves.start)
    numbers = torch.from_numpy(chosen + 1)
    with torch.no_grad():
        closest = closest_users(tables, state.catalog.get_buffer("content")[numbers])
    fresh = NewProducts(
        catalog=state.catalog,
        levels=state.levels,
        scorer=launch,
        products=numbers,
        vectors=places[chosen],
        closest=closest,
    )
    audience = AudienceRetrieval(
        tables=tables, levels=state.levels, scorer=launch, profile=profile, vectors=shelves.vectors, k=limits.users
    )
    contents, content = (torch.from_numpy(part) for part in distinct(state.catalog))
    return TowerResult(
        user_encoder=UserEncoderGraph(state.catalog, scorers["repeat"]).eval(),
        product_retrieval=ProductRetrieval(
            catalog=state.catalog, scorer=scorers["first_buy"], new=fresh, k=limits.products
        ).eval(),
        audience_retrieval=audience.eval(),
        product_neighbours=ProductNeighbours(tables.similar).eval(),
        product_fit=ProductFit(state.catalog, contents, content, fresh).eval(),
        tower=tower,
        products=places,
        history=state.past,
        profile=state.profile,
        metrics={},
    )


_NO_SCORER = Scorers([Scorer(1, 2)])  # where only features are wanted
REPEAT_FALLBACK = 21  # of habits.repeat_features: purchases with a half-life of 16 weeks


def state_at(
    history: History, events: Events, embeddings: Floats, week: int, recipe: TowerRecipe, seed: int
) -> TowerState:
    """Histories, profiles, factors and tables as of the end of `week`."""
    n = len(history.products)
    factors = fit_factors(events, week, n, seed)
    seen = events.until(week)
    users = np.bincount(np.unique(seen.user * n + seen.product) % n, minlength=n).astype(np.float64)
    return TowerState(
        week=week,
        past=histories(events, week, recipe.history, recipe.half_life_weeks, n),
        profile=profiles(events, history, week),
        factors=factors,
        catalog=catalog_at(history, events, week, factors, embeddings),
        levels=level_counts(history, events, week),
        content=content_map(embeddings, factors, users),
    )


def widths(state: TowerState) -> dict[str, int]:
    """Number of features of each ranker."""
    none = np.zeros(0, dtype=np.int64)
    encoder = UserEncoderGraph(state.catalog, _NO_SCORER)
    vector, weights, features, _ = encoder.features(*state.inputs(none))
    retrieval = _first_buys(state)
    at = torch.zeros(0, 1, dtype=torch.int64)
    products = torch.zeros(0, weights.shape[1], dtype=torch.int64)
    first = retrieval.features(vector, torch.zeros(0, PROFILE_DIM), products, weights, at)
    return {"repeat": features.shape[2], "first_buy": first.shape[2], "launch": 29 + 1 + PROFILE_DIM + 8}


def _first_buys(state: TowerState) -> ProductRetrieval:
    nothing = torch.zeros(0, dtype=torch.int64)
    new = NewProducts(
        catalog=state.catalog,
        levels=state.levels,
        scorer=_NO_SCORER,
        products=nothing,
        vectors=torch.zeros(0, 64),
        closest=torch.zeros(0),
    )
    return ProductRetrieval(catalog=state.catalog, scorer=_NO_SCORER, new=new, k=1)


def warm_rows(
    state: TowerState, events: Events, recipe: TowerRecipe, generator: np.random.Generator
) -> tuple[Rows, Rows]:
    """Rows of the products in the users' histories, and of candidates that are not; labels are purchases in the weeks
    after the anchor. Only users that bought anything in these weeks count."""
    n = state.catalog.get_buffer("ids").shape[0]
    later = (events.week > state.week) & (events.week <= state.week + recipe.target_weeks) & (events.kind == 1)
    bought = np.unique(events.user[later] * n + events.product[later] + 1)
    users = np.unique(bought // n)
    encoder, retrieval = UserEncoderGraph(state.catalog, _NO_SCORER), _first_buys(state)
    again, first = [], []
    with torch.no_grad():
        for rows in _blocks(users):
            inputs = state.inputs(rows)
            vector, weights, features, mark = encoder.features(*inputs)
            here = mark.numpy() > 0
            user = np.repeat(rows, here.sum(1))
            label = np.isin(user * n + inputs[0].numpy()[here], bought)
            again.append(thinned(features[torch.from_numpy(here)], label, 1.0, generator))
            at = torch.topk(retrieval.first_buys(vector, inputs[0], weights), retrieval.candidates, dim=1).indices
            found = retrieval.features(vector, inputs[4], inputs[0], weights, at)
            label = np.isin(rows[:, None] * n + at.numpy(), bought).ravel()
            first.append(thinned(found.flatten(0, 1), label, recipe.negative_share, generator))
    return _together(again), _together(first)


def launch_rows(
    state: TowerState, history: History, events: Events, recipe: TowerRecipe, generator: np.random.Generator
) -> Lists:
    """Users of products that came new in the weeks after the anchor, a list for each; labels are the users that bought
    it in its first 8 weeks, as far as the cut shows them. Where fewer than `recipe.launch_products` launches have
    buyers, other products that came new fill up."""
    product, week = _came_new(history, events, state.week)
    n, users = len(history.products), events.users
    number = np.full(n, -1, dtype=np.int64)
    number[product] = np.arange(len(product))
    start = np.zeros(n, dtype=np.int64)
    start[product] = week
    age = events.week - start[events.product]
    inside = (number[events.product] >= 0) & (age >= 0) & (age < LIFE) & (events.kind == 1)
    pairs = np.unique(number[events.product[inside]] * users + events.user[inside])
    buyers = np.bincount(pairs // users, minlength=len(product))
    launched = np.isin(product, history.launches.frame["product_index"].to_numpy())
    bought = np.flatnonzero(launched & (buyers > 0))
    others = np.flatnonzero(~launched & (buyers >= 2))
    room = max(0, recipe.launch_products - len(bought))
    keep = np.sort(np.concatenate([bought, generator.permutation(others)[:room]]))
    if not len(keep):
        return Lists(torch.zeros(0, 1), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    shelves = user_shelves(events, state.week, state.factors)
    features, labels, lists = [], [], []
    profile, places = torch.from_numpy(state.profile), torch.from_numpy(state.content)
    with torch.no_grad():
        for block in np.array_split(keep, max(1, len(keep) // 64)):
            drawn = (
                np.repeat(block, recipe.launch_negatives),
                generator.integers(users, size=len(block) * recipe.launch_negatives),
            )
            mine = pairs[np.isin(pairs // users, block)]
            drawn_pairs = drawn[0] * users + drawn[1]
            every = np.concatenate([mine, drawn_pairs[~np.isin(drawn_pairs, mine)]])
            index, user = every // users, torch.from_numpy(every % users)
            row = torch.from_numpy(np.searchsorted(block, index))
            numbers = torch.from_numpy(product[block] + 1)
            features.append(_pairs(state, shelves, numbers, row, user, profile, places))
            labels.append(np.arange(len(every)) < len(mine))
            lists.append(index)
    label = torch.from_numpy(np.concatenate(labels).astype(np.float32))
    return Lists(torch.cat(features), label, torch.from_numpy(np.concatenate(lists)))


def _pairs(
    state: TowerState, shelves: Shelves, numbers: Tensor, row: Tensor, user: Tensor, profile: Tensor, places: Tensor
) -> Tensor:
    """Features of pairs (row of `numbers`, user)."""
    catalog = state.catalog
    content = catalog.get_buffer("content")[numbers]
    cosine = content @ catalog.get_buffer("embeddings").T
    limits = neighbour_limits(cosine)
    ids = catalog.get_buffer("ids")
    expected, counts = state.levels(ids[numbers])
    place = ((content @ places)[row] * shelves.vectors[user]).sum(1)
    by_length = torch.argsort(shelves.start[user + 1] - shelves.start[user], stable=True)
    sums = torch.zeros(len(row), 22)
    for part in torch.split(by_length, 512):
        products, weights = shelves.padded(user[part])
        similarity = cosine[row[part].unsqueeze(1), products]
        matched = matches(ids[numbers][row[part]].unsqueeze(1), ids[products])
        sums[part] = fit_sums(similarity, limits[row[part]], matched, weights)
    return pair_features(fit_features(sums, expected[row]), place, profile[user], counts[row])


def _came_new(history: History, events: Events, week: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Products that came new in the LIFE - 1 weeks after `week`, and when: launches, and what was first bought then."""
    n = len(history.products)
    sold = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(sold, events.product, events.week)
    np.minimum.at(sold, history.sales["product_index"].to_numpy(), history.sales["week"].to_numpy())  # to guests, too
    frame = history.launches.frame
    launched = frame["product_index"].to_numpy()
    sold[launched] = frame["launch_week"].to_numpy()
    product = np.flatnonzero((sold > week) & (sold < week + LIFE))
    return product, sold[product]


def user_shelves(events: Events, week: int, factors: Floats) -> Shelves:
    """As of the end of `week`; what `event_weights` computes of a whole history inside the graphs."""
    seen = events.until(week)
    n = len(factors)
    age = (week - seen.week).astype(np.float64)
    key, inverse = np.unique(seen.user * n + seen.product, return_inverse=True)
    bought = seen.kind == EVENT_KINDS["purchase"]
    other = np.where(bought, 0.0, OTHER_WEIGHT * 0.5 ** (age / 8.0))
    parts = [np.where(bought, 0.5 ** (age / half_life), other) for half_life in (np.inf, 4.0, 16.0, 16.0)]
    sums = [np.bincount(inverse, part, minlength=len(key)) for part in parts]
    sums[3] = np.sqrt(sums[3])
    user, product = key // n, key % n
    taste = sparse.coo_array((sums[3], (user, product)), shape=(events.users, n)).tocsr()
    start = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=events.users))])
    return Shelves(
        torch.from_numpy(product + 1),
        torch.from_numpy(np.stack(sums, axis=1).astype(np.float32)),
        torch.from_numpy(start.astype(np.int64)),
        torch.from_numpy((taste @ factors).astype(np.float32)),
    )


def new_products(history: History) -> NDArray[np.int64]:
    """Products launched in the last LIFE weeks up to the cut, the newest first, at most NEWEST; where there are none,
    the product that came last."""
    frame = history.launches.frame
    week = frame["launch_week"].to_numpy()
    rows = np.flatnonzero(week > history.cut - LIFE)
    rows = rows[np.argsort(-week[rows], kind="stable")][:NEWEST]
    product: NDArray[np.int64] = frame["product_index"].to_numpy(dtype=np.int64)[rows]
    if len(product) == 0:
        first = history.products["first_week"].to_numpy(dtype=np.float64)
        product = np.array([int(np.argmax(np.where(history.known, first, -1.0)))])
    return product


def _blocks(users: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [users[start : start + USERS_AT_ONCE] for start in range(0, len(users), USERS_AT_ONCE)]


def _together(parts: list[Rows]) -> Rows:
    if not parts:
        return Rows(torch.zeros(0, 1), torch.zeros(0), torch.zeros(0))
    return Rows(*(torch.cat([getattr(part, name) for part in parts]) for name in ("features", "label", "weight")))
