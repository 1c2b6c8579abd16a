"""Training rows of the three rankers, computed by the served graphs at anchor weeks, and the fit of the networks.

An anchor is a week at which histories are cut; what was bought after it are the labels. Features come from the very
modules that are served, so that serving cannot drift from training.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from onshelf_exporter.models.scorer import NONE, Scorer, Scorers
from onshelf_exporter.training.loop import Task, fit
from onshelf_exporter.training.recipe import LoopRecipe


@dataclass(frozen=True)
class Rows:
    """Features [n, width], labels [n], weights [n]."""

    features: Tensor
    label: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Lists:
    """Users of products, each a list of its own: features [n, width], labels [n], number of the list [n], any
    integers."""

    features: Tensor
    label: Tensor
    number: Tensor

    def __len__(self) -> int:
        return len(self.label)


def join(parts: list[Rows]) -> Rows | None:
    """All rows together; None where there are none, or no label is positive or none negative."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return None
    rows = Rows(*(torch.cat([getattr(part, name) for part in parts]) for name in ("features", "label", "weight")))
    positive = int((rows.label > 0).sum())
    return rows if 0 < positive < len(rows) else None


def thinned(features: Tensor, label: NDArray[np.bool_], share: float, generator: np.random.Generator) -> Rows:
    """All positive rows and a share of the others, which weigh as many."""
    keep = label | (generator.random(len(label)) < share)
    weight = np.where(label[keep], 1.0, 1.0 / share)
    return Rows(
        features[torch.from_numpy(keep)],
        torch.from_numpy(label[keep].astype(np.float32)),
        torch.from_numpy(weight.astype(np.float32)),
    )


class RankerTask:
    """Binary cross-entropy of rows."""

    def __init__(self, scorer: Scorer, rows: Rows) -> None:
        self.scorer, self.data = scorer, rows

    @property
    def rows(self) -> int:
        """Rows of an epoch."""
        return len(self.data)

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        """Weighted mean over a batch."""
        at = torch.from_numpy(rows)
        x, y, w = (torch.as_tensor(part[at]) for part in (self.data.features, self.data.label, self.data.weight))
        return F.binary_cross_entropy_with_logits(self.scorer(x), y, w) / self.data.weight.mean()

    def validate(self) -> float | None:
        """Nothing is held out."""
        return None


class ListTask:
    """Softmax cross-entropy within lists (ListNet's top one; Cao et al. 2007): who of a list's users is a buyer.

    What lifts or lowers a whole list counts nothing, so a scorer learns whom a product suits and not how well it sells.
    """

    def __init__(self, scorer: Scorer, lists: Lists) -> None:
        self.scorer, self.data = scorer, lists
        _, number = np.unique(lists.number.numpy(), return_inverse=True)
        count = np.bincount(number)
        order = np.argsort(number, kind="stable")
        place = np.arange(len(order)) - np.concatenate([[0], np.cumsum(count)])[number[order]]
        members = np.full((len(count), int(count.max())), -1, dtype=np.int64)
        members[number[order], place] = order
        positive = np.bincount(number, lists.label.numpy())
        self.members = members[(positive > 0) & (positive < count)]

    @property
    def rows(self) -> int:
        """Lists of an epoch: those that hold both, users who bought and users who did not."""
        return len(self.members)

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        """Mean over the buyers of a batch of lists."""
        members = torch.from_numpy(self.members[rows])
        there = members >= 0
        at = members.clamp(min=0)
        score = torch.where(there, self.scorer(torch.as_tensor(self.data.features[at])), NONE)
        label = torch.as_tensor(self.data.label[at]) * there
        return -(F.log_softmax(score, dim=1) * label).sum() / label.sum()

    def validate(self) -> float | None:
        """Nothing is held out."""
        return None


def join_lists(parts: list[Lists]) -> Lists | None:
    """All lists together, those of different parts apart; None where no list tells buyers from others."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return None
    first = np.cumsum([0] + [int(part.number.max()) + 1 for part in parts])
    lists = Lists(
        torch.cat([part.features for part in parts]),
        torch.cat([part.label for part in parts]),
        torch.cat([part.number + int(start) for part, start in zip(parts, first, strict=False)]),
    )
    return lists if ListTask(Scorer(lists.features.shape[1], 2), lists).rows else None


def fallback(width: int, deciding: int) -> Scorers:
    """Scores rows of `width` features by one of them."""
    scorer = Scorer(width, 2)
    with torch.no_grad():
        scorer.outer.weight.zero_()
        scorer.outer.bias.zero_()
        scorer.wide.weight[0, deciding] = 1.0
        scorer.wide.bias.fill_(-4.0)
    return Scorers([scorer]).eval()


def fit_scorers(
    parts: list[Rows], shape: tuple[int, int, int], loop: LoopRecipe, seeds: tuple[int, int], folder: Path, name: str
) -> tuple[Scorers, dict[str, float]]:
    """Train the members of one ranker; with nothing to learn from, one scores by a single feature.

    Args:
        parts: rows.
        shape: number of features, width of the hidden layer, and the feature that decides where nothing is learned.
        loop: of each member.
        seeds: the first seed, and how many members there are.
        folder: for checkpoints and curves.
        name: of the ranker.

    Returns:
        The ranker; rows and last training loss.
    """
    rows = join(parts)
    if rows is None:
        return fallback(shape[0], shape[2]), {f"{name}_rows": 0.0}
    rate = float((rows.label * rows.weight).sum() / rows.weight.sum())
    bias = math.log(rate / (1 - rate))
    scorers, loss = _members(
        lambda scorer: RankerTask(scorer, rows), rows.features, bias, shape, loop, seeds, folder, name
    )
    return scorers, {f"{name}_rows": float(len(rows)), f"{name}_loss": loss}


def fit_lists(
    parts: list[Lists], shape: tuple[int, int, int], loop: LoopRecipe, seeds: tuple[int, int], folder: Path, name: str
) -> tuple[Scorers, dict[str, float]]:
    """The same as `fit_scorers` for lists; a batch is of lists, not of rows."""
    lists = join_lists(parts)
    if lists is None:
        return fallback(shape[0], shape[2]), {f"{name}_rows": 0.0}
    scorers, loss = _members(
        lambda scorer: ListTask(scorer, lists), lists.features, 0.0, shape, loop, seeds, folder, name
    )
    return scorers, {f"{name}_rows": float(len(lists)), f"{name}_loss": loss}


def _members(
    task: Callable[[Scorer], Task],
    features: Tensor,
    bias: float,
    shape: tuple[int, int, int],
    loop: LoopRecipe,
    seeds: tuple[int, int],
    folder: Path,
    name: str,
) -> tuple[Scorers, float]:
    first, members = seeds
    scorers, losses = [], []
    for member in range(members):
        torch.manual_seed(first + member)
        scorer = Scorer(shape[0], shape[1])
        scorer.standardise(features)
        with torch.no_grad():
            scorer.wide.bias.fill_(bias)
            scorer.outer.weight.mul_(0.1)
        result = fit(scorer, task(scorer), loop, seed=first + member, folder=folder, name=f"{name}_{member + 1}")
        scorers.append(scorer.eval())
        losses.append(result.training_losses[-1])
    return Scorers(scorers).eval(), float(np.mean(losses))
