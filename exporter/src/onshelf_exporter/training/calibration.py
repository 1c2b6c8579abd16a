"""Calibration of forecast distributions: the randomised PIT, and beta calibration.

Beta calibration (Kull, Silva Filho and Flach 2017) maps a probability F to one with log odds a log F - b log(1 - F) +
c; with a, b >= 0 it keeps the order. It is fitted to all indicators "at most k" of the launches at once.
"""

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHRINK = 100.0  # launches that no change counts for


def beta_calibration(distribution: Floats, targets: Floats, weight: Floats) -> Floats:
    """(a, b, c) for each horizon, [2, 3]; (1, 1, 0) changes nothing.

    Args:
        distribution: float64 [n, 2, counts].
        targets: float64 [n, 2, counts], whether the outcome is at most each count, or how likely.
        weight: float64 [n].
    """
    curves = []
    for horizon in range(2):
        value = torch.from_numpy(np.clip(distribution[:, horizon], 1e-5, 1 - 1e-5))
        wanted = torch.from_numpy(np.clip(targets[:, horizon], 0.0, 1.0))
        share = torch.from_numpy(weight / weight.mean())
        curve = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([curve], max_iter=60, line_search_fn="strong_wolfe")

        def closure(
            curve: torch.Tensor = curve,
            value: torch.Tensor = value,
            wanted: torch.Tensor = wanted,
            share: torch.Tensor = share,
            optimizer: torch.optim.Optimizer = optimizer,
        ) -> torch.Tensor:
            optimizer.zero_grad()
            odds = torch.exp(curve[0]) * torch.log(value) - torch.exp(curve[1]) * torch.log1p(-value) + curve[2]
            fit = torch.nn.functional.binary_cross_entropy_with_logits(odds, wanted, reduction="none").sum(1) * share
            loss = fit.mean() + SHRINK * curve.square().sum() / len(value)
            torch.autograd.backward(loss)
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        found = curve.detach().numpy()
        curves.append([float(np.exp(found[0])), float(np.exp(found[1])), float(found[2])])
    return np.array(curves)


def distribution_at(distribution: Floats, support: Floats, counts: Floats) -> Floats:
    """P(Y <= count) of each row, float64 [n]; linear between counts of the support, 0 below 0.

    Args:
        distribution: float64 [n, counts of the support], increasing.
        support: float64 [counts of the support].
        counts: float64 [n].
    """
    edges = np.concatenate([[-1.0], support, [support[-1] * 1.5]])
    ones = np.ones((len(distribution), 1))
    levels = np.concatenate([0 * ones, distribution, ones], axis=1)
    right = np.clip(np.searchsorted(edges, counts, side="left"), 1, len(edges) - 1)
    part = np.clip((counts - edges[right - 1]) / (edges[right] - edges[right - 1]), 0.0, 1.0)
    row = np.arange(len(distribution))
    value: Floats = levels[row, right - 1] + part * (levels[row, right] - levels[row, right - 1])
    return np.where(counts < 0, 0.0, value)


def randomised_pit(distribution: Floats, support: Floats, counts: Floats, seed: int) -> Floats:
    """P(Y < y) + v P(Y = y), v uniform from a fixed seed: uniform where the forecast is right (Czado, Gneiting and Held
    2009)."""
    below, upto = (distribution_at(distribution, support, c) for c in (counts - 1, counts))
    pit: Floats = below + np.random.default_rng(seed).random(len(counts)) * (upto - below)
    return pit
