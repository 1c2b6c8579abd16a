"""Training of the two towers for one cut.

An example is a user at an anchor week: the history up to it, and targets bought in the weeks after it. Candidates are
the user's own history (with its repeat weights), the target and sampled products, corrected for their sampling
probability. Known products also have an id vector that is dropped at random, so that content alone works too.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.models.product_encoder import VECTOR_DIM, ContentEncoder, ProductTower
from onshelf_exporter.models.towers import CONTENT, UserEncoder
from onshelf_exporter.recipe import TowerRecipe
from onshelf_exporter.training.behaviour import Events, Histories, histories, profiles
from onshelf_exporter.training.history import History
from onshelf_exporter.training.loop import fit


class TowerModel(nn.Module):
    """Both towers with what only training and known products need: id vectors and the spread of popularity."""

    def __init__(
        self, tower: ProductTower, user: UserEncoder, id_of: Tensor, popularity: Tensor, id_dropout: float
    ) -> None:
        super().__init__()
        self.tower, self.user, self.id_dropout = tower, user, id_dropout
        self.register_buffer("id_of", id_of)
        self.register_buffer("popularity", popularity)
        self.own = nn.Embedding(int(id_of.max()) + 1, VECTOR_DIM, padding_idx=0)
        nn.init.zeros_(self.own.weight)
        self.bias = nn.Parameter(torch.tensor([0.5, 0.0]))

    def vectors(self, products: Tensor, embedding: Tensor, ids: Tensor, price: Tensor) -> Tensor:
        """Vectors of known products [n, 64]: content plus, where the product has one, its own vector and popularity."""
        content = self.tower(embedding, ids, price)
        own = self.own(self.get_buffer("id_of")[products])
        keep = torch.ones(len(products), 1)
        if self.training:
            keep = (torch.rand(len(products), 1) >= self.id_dropout).float()
        popularity = self.get_buffer("popularity")[products].unsqueeze(1)
        bias = content[:, CONTENT:] * (1 - keep) + keep * (self.bias[0] * popularity + self.bias[1] + own[:, CONTENT:])
        return torch.cat([content[:, :CONTENT] + keep * own[:, :CONTENT], bias], dim=1)


@dataclass(frozen=True)
class Anchors:
    """Examples: per anchor and user the history, the profile, and the targets as a range of `targets`."""

    history: Histories
    profile: NDArray[np.float32]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    targets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)


class TowerTask:
    """Sampled softmax over history, target and negatives."""

    def __init__(
        self,
        model: TowerModel,
        content: dict[str, Tensor],
        anchors: Anchors,
        recipe: TowerRecipe,
        counts: NDArray[np.float64],
        held: NDArray[np.bool_],
    ) -> None:
        self.model, self.content, self.anchors, self.recipe = model, content, anchors, recipe
        weight = counts**0.75
        weight = 0.8 * weight / max(weight.sum(), 1e-9) + 0.2 / len(weight)
        self.cumulative = np.cumsum(weight / weight.sum())
        self.probability = weight / weight.sum()
        self.train_rows, self.held_rows = np.flatnonzero(~held), np.flatnonzero(held)

    @property
    def rows(self) -> int:
        """Examples of an epoch."""
        return len(self.train_rows)

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        """Mean negative log likelihood of sampled targets."""
        return self._loss(self.train_rows[rows], generator)

    def validate(self) -> float | None:
        """The same on held-out users, with negatives drawn from a fixed seed."""
        if len(self.held_rows) == 0:
            return None
        parts = [self.held_rows[start : start + 256] for start in range(0, len(self.held_rows), 256)]
        losses = [
            self._loss(part, np.random.default_rng(number)).item() * len(part) for number, part in enumerate(parts)
        ]
        return sum(losses) / len(self.held_rows)

    def _loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        a, per_user = self.anchors, self.recipe.targets_per_user
        start, stop = a.start[rows], a.stop[rows]
        pick = start[:, None] + (generator.random((len(rows), per_user)) * (stop - start)[:, None]).astype(np.int64)
        target = a.targets[pick]
        negative = np.searchsorted(self.cumulative, generator.random(self.recipe.negatives)).clip(
            0, len(self.cumulative) - 1
        )
        past = a.history.products[rows]
        everything, place = np.unique(
            np.concatenate([past.ravel(), target.ravel() + 1, negative + 1]), return_inverse=True
        )
        vectors = self._vectors(everything)
        at = torch.from_numpy(place)
        n, h = past.shape
        items = vectors[at[: n * h]].reshape(n, h, VECTOR_DIM)
        targets = vectors[at[n * h : n * h + target.size]].reshape(n, per_user, VECTOR_DIM)
        negatives = vectors[at[n * h + target.size :]]
        mask = torch.from_numpy(past > 0)
        user, repeat = self.model.user(
            items,
            mask,
            torch.from_numpy(a.history.ages[rows]),
            torch.from_numpy(a.history.quantities[rows]),
            torch.from_numpy(a.history.kinds[rows]),
            torch.from_numpy(a.profile[rows]),
        )
        log_q = torch.from_numpy(np.log(self.probability[negative] * self.recipe.negatives).astype(np.float32))
        sampled = user @ negatives.T - log_q
        own = ((items * user.unsqueeze(1)).sum(2) + repeat).masked_fill(~mask, -1e4)
        base = torch.logsumexp(torch.cat([sampled, own], dim=1), dim=1, keepdim=True)
        fresh = (targets * user.unsqueeze(1)).sum(2)
        match = torch.from_numpy(past[:, None, :] == target[:, :, None] + 1)
        known = match.any(2)
        again = (own.unsqueeze(1) * match).sum(2)
        return torch.where(known, base - again, torch.logaddexp(base, fresh) - fresh).mean()

    def _vectors(self, index: NDArray[np.int64]) -> Tensor:
        product = torch.from_numpy(np.maximum(index - 1, 0))
        c = self.content
        return self.model.vectors(product, c["embedding"][product], c["ids"][product], c["price"][product])


@dataclass(frozen=True)
class TowerResult:
    """The trained towers, the vectors of all products [products, 64], all users [users, 64] and the audience's weights
    [3]."""

    model: TowerModel
    products: Tensor
    users: Tensor
    activity: Tensor
    audience_weights: Tensor
    history: Histories
    profile: NDArray[np.float32]
    metrics: dict[str, float]


def content_tensors(history: History, content: ContentEncoder, embeddings: NDArray[np.float32]) -> dict[str, Tensor]:
    """What the product tower reads, for all products."""
    ids, attributes = torch.from_numpy(history.ids), torch.from_numpy(history.attributes)
    with torch.no_grad():
        price = content.price_features(ids, attributes)
    return {"embedding": torch.from_numpy(embeddings), "ids": ids, "price": price}


def train_towers(
    history: History,
    events: Events,
    content: ContentEncoder,
    embeddings: NDArray[np.float32],
    recipe: TowerRecipe,
    seed: int,
    folder: Path,
) -> TowerResult:
    """Train for the cut of `history`; `embeddings` [products, 128] are those of all products."""
    torch.manual_seed(seed)
    n = len(history.products)
    inputs = content_tensors(history, content, embeddings)
    recent = events.week > history.cut - 8
    popularity = np.bincount(events.product[recent], minlength=n).astype(np.float64)
    ever = np.bincount(events.product, minlength=n)
    order = np.argsort(-ever, kind="stable")[: recipe.id_products]
    id_of = np.zeros(n, dtype=np.int64)
    id_of[order[ever[order] >= 5]] = np.arange(1, int((ever[order] >= 5).sum()) + 1)
    anchors = build_anchors(history, events, recipe)
    profile = profiles(events, history, history.cut)
    scale = profile.std(0)
    user = UserEncoder(torch.from_numpy(profile.mean(0)), torch.from_numpy(np.where(scale < 1e-6, 1.0, scale)))
    tower = ProductTower(history.vocabulary.sizes, 0.2)
    with torch.no_grad():
        tower.outer.weight.mul_(0.5)
    model = TowerModel(
        tower,
        user,
        torch.from_numpy(id_of),
        torch.from_numpy(np.log1p(popularity).astype(np.float32)),
        recipe.id_dropout,
    )
    metrics: dict[str, float] = {}
    if len(anchors):
        held = np.random.default_rng(seed).random(len(anchors)) < 0.05
        task = TowerTask(
            model, inputs, anchors, recipe, popularity + 0.1, held if (~held).any() else np.zeros(len(anchors), bool)
        )
        result = fit(model, task, recipe.loop, seed=seed, folder=folder, name="towers")
        metrics["loss"] = result.training_losses[-1]
        with torch.no_grad():
            value = task.validate()
        metrics["validation_loss"] = value if value is not None else math.nan
    model.eval()
    with torch.no_grad():
        parts = torch.split(torch.arange(n), 16384)
        products = torch.cat(
            [model.vectors(p, inputs["embedding"][p], inputs["ids"][p], inputs["price"][p]) for p in parts]
        )
        content_only = torch.cat(
            [model.tower(inputs["embedding"][p], inputs["ids"][p], inputs["price"][p]) for p in parts]
        )
    past = histories(events, history.cut, recipe.history, recipe.half_life_weeks, n)
    users = user_vectors(model, products, past, profile)
    weights, fitted = fit_audience(history, events, model, products, content_only, recipe)
    metrics.update(fitted)
    activity = torch.from_numpy(profile[:, 0])
    return TowerResult(model, products, users, activity, weights, past, profile, metrics)


def build_anchors(history: History, events: Events, recipe: TowerRecipe) -> Anchors:
    """Users at the anchor weeks cut - target_weeks - k * anchor_step who bought something in the weeks after."""
    n = len(history.products)
    weeks = [history.cut - recipe.target_weeks - k * recipe.anchor_step for k in range(recipe.anchors)]
    parts: list[tuple[Histories, NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    offset = 0
    for week in [w for w in weeks if w >= 1]:
        past = histories(events, week, recipe.history, recipe.half_life_weeks, n)
        rows = (events.week > week) & (events.week <= week + recipe.target_weeks) & (events.kind == 1)
        pairs = np.unique(events.user[rows] * n + events.product[rows])
        user, product = pairs // n, pairs % n
        start = np.searchsorted(user, np.arange(events.users))
        stop = np.searchsorted(user, np.arange(events.users), side="right")
        use = stop > start
        chosen = Histories(past.products[use], past.ages[use], past.quantities[use], past.kinds[use])
        parts.append((chosen, profiles(events, history, week)[use], start[use] + offset, stop[use] + offset, product))
        offset += len(product)
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        none = Histories(
            empty.reshape(0, recipe.history),
            np.zeros((0, recipe.history), np.float32),
            np.zeros((0, recipe.history), np.float32),
            empty.reshape(0, recipe.history),
        )
        return Anchors(none, np.zeros((0, 16), np.float32), empty, empty, empty)
    history_parts = [part[0] for part in parts]
    joined = Histories(
        *(np.concatenate([getattr(p, name) for p in history_parts]) for name in Histories.__dataclass_fields__)
    )
    return Anchors(joined, *(np.concatenate([part[i] for part in parts]) for i in range(1, 5)))


def user_vectors(model: TowerModel, products: Tensor, past: Histories, profile: NDArray[np.float32]) -> Tensor:
    """[users, 64]."""
    table = torch.cat([torch.zeros(1, VECTOR_DIM), products])
    vectors = []
    with torch.no_grad():
        for rows in np.array_split(np.arange(len(profile)), max(1, len(profile) // 512)):
            index = torch.from_numpy(past.products[rows])
            vector, _ = model.user(
                table[index],
                index > 0,
                torch.from_numpy(past.ages[rows]),
                torch.from_numpy(past.quantities[rows]),
                torch.from_numpy(past.kinds[rows]),
                torch.from_numpy(profile[rows]),
            )
            vectors.append(vector)
    return torch.cat(vectors)


def fit_audience(
    history: History, events: Events, model: TowerModel, products: Tensor, content_only: Tensor, recipe: TowerRecipe
) -> tuple[Tensor, dict[str, float]]:
    """Weights (dot product, activity, constant) of the logit that a user buys a launch in its first 8 weeks.

    Fitted on launches of the last 8 complete launch weeks, with users as they were before these weeks and products by
    content alone.
    """
    frame = history.launches.frame
    week = frame["launch_week"].to_numpy()
    before = history.cut - 15
    rows = history.launches.complete8 & (week > before)
    fallback = torch.tensor([0.5, 1.0, -6.0])
    if before < 1 or not rows.any():
        return fallback, {}
    past = histories(events, before, recipe.history, recipe.half_life_weeks, len(history.products))
    profile = profiles(events, history, before)
    users = user_vectors(model, products, past, profile)
    launched = frame["product_index"].to_numpy()[rows]
    number = np.full(len(history.products), -1, dtype=np.int64)
    number[launched] = np.arange(len(launched))
    first = np.full(len(history.products), 10**6, dtype=np.int64)
    first[launched] = week[rows]
    inside = (
        (number[events.product] >= 0)
        & (events.week >= first[events.product])
        & (events.week < first[events.product] + 8)
        & (events.kind == 1)
    )
    label = np.zeros((len(launched), events.users), dtype=np.float32)
    label[number[events.product[inside]], events.user[inside]] = 1.0
    wanted = label.sum(1) > 0
    if not wanted.any():
        return fallback, {}
    dot = (content_only[torch.from_numpy(launched[wanted])] @ users.T).detach()
    activity = torch.from_numpy(profile[:, 0]).unsqueeze(0).expand_as(dot)
    y = torch.from_numpy(label[wanted])
    weights = fallback.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([weights], max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = F.binary_cross_entropy_with_logits(weights[0] * dot + weights[1] * activity + weights[2], y)
        torch.autograd.backward(value + 1e-4 * (weights - fallback).square().sum())
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    fitted = weights.detach()
    # with little data the slope may come out negative, which would turn audiences round
    fitted[0] = fitted[0].clamp(min=0.05)
    with torch.no_grad():
        score = fitted[0] * dot + fitted[1] * activity
        figures = {
            "audience_auc_in_sample": _auc(score, y),
            "audience_auc_activity_only": _auc(activity, y),
            "audience_dot_weight": float(fitted[0]),
        }
    return fitted, figures


def _auc(score: Tensor, label: Tensor) -> float:
    rank = score.argsort(1).argsort(1).double() + 1
    positives = label.sum(1).double()
    negatives = label.shape[1] - positives
    area = ((rank * label).sum(1) - positives * (positives + 1) / 2) / (positives * negatives).clamp(min=1)
    return float(area.mean())
