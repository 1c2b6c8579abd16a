"""Training rows of the three rankers, computed by the served graphs at anchor weeks, and the fit of the networks.

An anchor is a week at which histories are cut; what was bought after it are the labels. Features come from the very
modules that are served, so that serving cannot drift from training.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from onshelf_exporter.models.scorer import Scorer, Scorers
from onshelf_exporter.recipe import LoopRecipe
from onshelf_exporter.training.loop import fit


@dataclass(frozen=True)
class Rows:
    """Features [n, width], labels [n], weights [n]."""

    features: Tensor
    label: Tensor
    weight: Tensor

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
    width, hidden, deciding = shape
    first, members = seeds
    rows = join(parts)
    if rows is None:
        return fallback(width, deciding), {f"{name}_rows": 0.0}
    rate = float((rows.label * rows.weight).sum() / rows.weight.sum())
    scorers, losses = [], []
    for member in range(members):
        torch.manual_seed(first + member)
        scorer = Scorer(width, hidden)
        scorer.standardise(rows.features)
        with torch.no_grad():
            scorer.wide.bias.fill_(math.log(rate / (1 - rate)))
            scorer.outer.weight.mul_(0.1)
        title = f"{name}_{member + 1}"
        result = fit(scorer, RankerTask(scorer, rows), loop, seed=first + member, folder=folder, name=title)
        scorers.append(scorer.eval())
        losses.append(result.training_losses[-1])
    return Scorers(scorers).eval(), {f"{name}_rows": float(len(rows)), f"{name}_loss": float(np.mean(losses))}
