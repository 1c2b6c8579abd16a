"""Learns what practice does: rates of each channel by category and manufacturer, and how much each rate counts.

A rate is a share of launches (recent ones, all) or of products on sale (last 2, last 8 weeks) that a channel carried,
by department, category, type and manufacturer, each shrunk to the level above by empirical Bayes (Efron and Morris
1975, Data analysis using Stein's estimator). Their log odds are averaged with weights that a penalised logistic
regression learns over rolling origins: at each origin the rates know the weeks up to it, the launches of the next six
weeks are the targets. The penalty pulls the weights to equal ones, which alone beat boosted trees on the same rates.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import sparse

from onshelf_exporter.models.lookups import BRAND, CategoryTable
from onshelf_exporter.models.practice_rates import PracticeRates
from onshelf_exporter.training.history import History
from onshelf_release.candidates import CHANNEL_SLOTS
from onshelf_release.channels import COUPON_KIND

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LABEL_WEEKS, COUPON_WEEKS = 4, 2  # a launch's channels are those of its first 4 weeks, coupons of its first 2
HALF_LIVES = (6.0, np.inf)  # weeks, of launches
SPANS = (2, 8)  # weeks, of products on sale
ALIVE_WEEKS = 8
LAUNCH_STRENGTH, PRODUCT_STRENGTH = 4.0, 12.0  # launches or products that the level above counts for
ORIGINS, HORIZON = 8, 6
WEIGHT_PRIOR = 750.0  # precision of the prior, per rate, by which all rates have equal weights
INTERCEPT_PRIOR = 5.0
MIN_TARGETS = 200
CLIP = 1e-4
PATH = 7  # rates that depend on department, category and type; the rest on the manufacturer


class RateSource(NamedTuple):
    """What rates are shares of: n things with categorical ids [n, 4], weights [n] and channels [n, CHANNEL_SLOTS]."""

    ids: Ints
    weight: Floats
    channels: sparse.csr_array
    strength: float


class SourceRates(NamedTuple):
    """Rates of one source, [ids, CHANNEL_SLOTS + 1] by level; the last column is the share with any channel."""

    whole: Floats
    department: Floats
    category: Floats
    type: Floats
    brand: Floats


class _Carried(NamedTuple):
    """Which product was in which channel in which week, promotions and coupons alike."""

    product: Ints
    week: Ints
    slot: Ints


def practice_rates(history: History) -> PracticeRates:
    """Tables of channel log odds as of the cut of `history`."""
    carried = _carried(history)
    used = np.zeros(CHANNEL_SLOTS, dtype=bool)
    used[history.channels["channel_slot"].to_numpy(dtype=np.int64)] = True
    kinds = np.zeros(CHANNEL_SLOTS, dtype=np.int64)
    kinds[used] = np.unique(history.channels["kind"].astype(str), return_inverse=True)[1] if used.any() else 0
    weights, intercept = _fit_weights(history, carried, kinds)
    rates = rates_at(history, carried, history.cut)
    paths = []
    parents = history.vocabulary.parents
    department, category, kind = (np.arange(size) for size in history.vocabulary.sizes[:3])
    above = parents["category"]
    for chain in (
        (department, np.zeros_like(department), np.zeros_like(department)),
        (above, category, np.zeros_like(category)),
        (above[parents["type"]], parents["type"], kind),
    ):
        ids = np.stack([*chain, np.zeros_like(chain[0])], axis=1)
        path = features(rates, ids)[:, _path_columns()]
        paths.append(np.einsum("nfc,cf->nc", path, weights[:, _path_columns()]) + intercept)
    brand = np.zeros((history.vocabulary.sizes[BRAND], 4), dtype=np.int64)
    brand[:, BRAND] = np.arange(len(brand))
    others = np.setdiff1d(np.arange(weights.shape[1]), _path_columns())
    brands = np.einsum("nfc,cf->nc", features(rates, brand)[:, others], weights[:, others])
    for table in (*paths, brands):
        table[:, ~used] = -9.0 if table is not brands else 0.0
    return PracticeRates(CategoryTable(*(torch.from_numpy(table) for table in paths)), torch.from_numpy(brands))


def _path_columns() -> Ints:
    width = PATH + 2
    sources = len(HALF_LIVES) + len(SPANS)
    return (np.arange(sources)[:, None] * width + np.arange(PATH)).ravel()


def rates_at(history: History, carried: _Carried, week: int) -> list[SourceRates]:
    """Rates of all sources, from rows of weeks up to `week` only."""
    return [_shrink(source, history) for source in _sources(history, carried, week)]


def features(rates: list[SourceRates], ids: Ints) -> Floats:
    """Log odds [n, rates, CHANNEL_SLOTS] for categorical ids [n, 4]; an unknown id has the rate of the level above."""
    columns = []
    for source in rates:
        whole = np.repeat(source.whole, len(ids), axis=0)
        department = np.where(ids[:, :1] > 0, source.department[ids[:, 0]], whole)
        category = np.where(ids[:, 1:2] > 0, source.category[ids[:, 1]], department)
        kind = np.where(ids[:, 2:3] > 0, source.type[ids[:, 2]], category)
        brand = np.where(ids[:, 3:4] > 0, source.brand[ids[:, 3]], whole)
        path = [department, category, kind]
        columns += [part[:, :CHANNEL_SLOTS] for part in (whole, *path)]
        columns += [np.repeat(part[:, CHANNEL_SLOTS:], CHANNEL_SLOTS, axis=1) for part in path]
        columns += [brand[:, :CHANNEL_SLOTS], np.repeat(brand[:, CHANNEL_SLOTS:], CHANNEL_SLOTS, axis=1)]
    share = np.clip(np.stack(columns, axis=1), CLIP, 1.0 - CLIP)
    return np.asarray(np.log(share / (1.0 - share)), dtype=np.float64)


def _carried(history: History) -> _Carried:
    promotions, coupons = history.promotions, history.coupons
    slots = history.channels.loc[history.channels["kind"] == COUPON_KIND, "channel_slot"].to_numpy(dtype=np.int64)
    if not len(slots):
        coupons = coupons.iloc[:0]
    slot = np.full(len(coupons), slots[0] if len(slots) else 0, dtype=np.int64)
    return _Carried(
        np.concatenate([promotions["product_index"].to_numpy(dtype=np.int64), coupons["product_index"].to_numpy()]),
        np.concatenate([promotions["week"].to_numpy(dtype=np.int64), coupons["week"].to_numpy()]),
        np.concatenate([promotions["slot"].to_numpy(dtype=np.int64), slot]),
    )


def _sources(history: History, carried: _Carried, week: int) -> list[RateSource]:
    frame = history.launches.frame
    launched, at = frame["product_index"].to_numpy(dtype=np.int64), frame["launch_week"].to_numpy(dtype=np.int64)
    row = np.full(len(history.products), -1, dtype=np.int64)
    row[launched] = np.arange(len(launched))
    of = row[carried.product]
    coupon = history.channels.loc[history.channels["kind"] == COUPON_KIND, "channel_slot"].to_numpy(dtype=np.int64)
    span = np.where(np.isin(carried.slot, coupon), COUPON_WEEKS, LABEL_WEEKS)
    offset = carried.week - at[np.maximum(of, 0)] if len(at) else carried.week
    seen = (of >= 0) & (offset >= 0) & (offset < span) & (carried.week <= week)
    channels = _matrix(of[seen], carried.slot[seen], len(launched), coupon)
    age = np.where(at <= week, week - at, np.inf)
    sources = [
        RateSource(history.ids[launched], np.where(at <= week, 0.5 ** (age / half), 0.0), channels, LAUNCH_STRENGTH)
        if np.isfinite(half)
        else RateSource(history.ids[launched], (at <= week).astype(np.float64), channels, LAUNCH_STRENGTH)
        for half in HALF_LIVES
    ]
    sales = history.sales
    recent = (sales["week"].to_numpy() <= week) & (sales["week"].to_numpy() > week - ALIVE_WEEKS)
    for span_of in SPANS:
        inside = (carried.week <= week) & (carried.week > week - span_of)
        alive = np.zeros(len(history.products))
        alive[sales["product_index"].to_numpy()[recent]] = 1.0
        alive[carried.product[inside]] = 1.0
        matrix = _matrix(carried.product[inside], carried.slot[inside], len(history.products), coupon)
        sources.append(RateSource(history.ids, alive, matrix, PRODUCT_STRENGTH))
    return sources


def _matrix(row: Ints, slot: Ints, rows: int, coupon: Ints) -> sparse.csr_array:
    """Which of `rows` had which channel, 0 or 1, with a last column for any channel but coupons."""
    promoted = row[~np.isin(slot, coupon)]
    both = (np.concatenate([row, promoted]), np.concatenate([slot, np.full(len(promoted), CHANNEL_SLOTS)]))
    matrix = sparse.coo_array((np.ones(len(both[0])), both), shape=(rows, CHANNEL_SLOTS + 1)).tocsr()
    matrix.data[:] = 1.0
    return matrix


def _shrink(source: RateSource, history: History) -> SourceRates:
    kept = np.flatnonzero(source.weight > 0)
    ids, weight, channels = source.ids[kept], source.weight[kept], source.channels[kept]
    whole = np.asarray(weight @ channels).reshape(1, -1) / max(weight.sum(), 1e-12)
    levels: list[Floats] = []
    for position, name in enumerate(("department", "category", "type", "brand")):
        size = history.vocabulary.sizes[position]
        group = sparse.coo_array((weight, (ids[:, position], np.arange(len(kept)))), shape=(size, len(kept))).tocsr()
        prior = levels[position - 1][history.vocabulary.parents[name]] if name in ("category", "type") else whole
        number = np.bincount(ids[:, position], weight, minlength=size)[:, None]
        levels.append(((group @ channels).toarray() + source.strength * prior) / (number + source.strength))
        levels[-1][0] = whole
    return SourceRates(whole, *levels)


def _fit_weights(history: History, carried: _Carried, kinds: Ints) -> tuple[Floats, Floats]:
    """Weights [CHANNEL_SLOTS, rates] with the slope in them, and intercepts [CHANNEL_SLOTS]."""
    count = (len(HALF_LIVES) + len(SPANS)) * (PATH + 2)
    frame, launches = history.launches.frame, history.launches
    week = frame["launch_week"].to_numpy(dtype=np.int64)
    last = history.cut - LABEL_WEEKS + 1
    first = int(week.min()) + LABEL_WEEKS - 1 if len(week) else last
    inputs, targets = [], []
    for origin in range(max(first, last - ORIGINS), last):
        rows = np.flatnonzero(launches.complete4 & (week > origin) & (week <= origin + HORIZON))
        ids = history.ids[frame["product_index"].to_numpy()[rows]]
        inputs.append(features(rates_at(history, carried, origin), ids).astype(np.float32))
        targets.append((launches.practice[rows] > 0).astype(np.float32))
    equal = np.full((CHANNEL_SLOTS, count), 1.0 / count)
    if sum(len(part) for part in targets) < MIN_TARGETS:
        return equal, np.zeros(CHANNEL_SLOTS)
    x, y = torch.from_numpy(np.concatenate(inputs)), torch.from_numpy(np.concatenate(targets))
    kind = torch.from_numpy(kinds)
    weight = torch.full((int(kinds.max()) + 1, count), 1.0 / count, requires_grad=True)
    slope = torch.ones(len(weight), requires_grad=True)
    intercept = torch.zeros(CHANNEL_SLOTS, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, slope, intercept], max_iter=40, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = torch.einsum("nfc,cf->nc", x, weight[kind] * slope[kind].unsqueeze(1)) + intercept
        total = F.binary_cross_entropy_with_logits(logits, y, reduction="sum") / HORIZON
        total = total + WEIGHT_PRIOR * count * (weight - 1.0 / count).square().sum()
        total = total + 0.5 * INTERCEPT_PRIOR * intercept.square().sum()
        torch.autograd.backward(total)
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    scaled = (weight * slope.unsqueeze(1))[kind].detach().double().numpy()
    return scaled, intercept.detach().double().numpy()
