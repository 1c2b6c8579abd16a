"""Training of launch_outcome for one cut: response from the panel, base from launches, epochs and levels from the
newest launches.

First a fit on the older launches chooses the number of epochs and gives the calibration on the newest ones, which it
has not seen; then the model is fitted again on all launches whose outcomes lie within the cut, for that many epochs,
and keeps the levels.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onshelf_exporter.errors import ExporterError
from onshelf_exporter.models.launch_outcome import LEVELS, LaunchOutcome, OutcomeGraph, ResponseTable, nb_loss
from onshelf_exporter.recipe import OutcomeRecipe
from onshelf_exporter.training.calendar import weeks_of_year
from onshelf_exporter.training.calibration import calibrated_levels, coverage
from onshelf_exporter.training.context import context_table, seasonality_table
from onshelf_exporter.training.history import History, Launches
from onshelf_exporter.training.loop import fit
from onshelf_exporter.training.response import estimate_response
from onshelf_exporter.training.targets import HOLDOUT_WEEKS

SCALE_PENALTY = 4.0  # precision of the prior by which launches may rescale the panel's response
MIN_CALIBRATION = 50


@dataclass(frozen=True)
class OutcomeRows:
    """Launches as tensors: inputs of the model and outcomes (NaN where not known by the cut)."""

    embedding: Tensor
    ids: Tensor
    attributes: Tensor
    candidates: Tensor
    units: Tensor
    buyers: Tensor
    repeats: Tensor

    def take(self, rows: NDArray[Any]) -> "OutcomeRows":
        """Some of the rows."""
        index = torch.from_numpy(np.flatnonzero(rows) if rows.dtype == bool else rows)
        return OutcomeRows(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def launch_attributes(launches: Launches, label: NDArray[np.float32]) -> NDArray[np.float32]:
    """[launches, 2]: the price the launch had, the product's private label."""
    frame = launches.frame
    price = frame["price"].fillna(0.0).to_numpy(dtype=np.float32)
    return np.stack([price, label[frame["product_index"].to_numpy()]], axis=1)


def actual_candidates(history: History, launches: Launches) -> NDArray[np.float32]:
    """[launches, 37]: the action that each launch really had."""
    frame = launches.frame
    head = [
        weeks_of_year(history.dataset, frame["launch_week"].to_numpy()),
        frame["price"].fillna(0.0),
        frame["discount"].fillna(0.0),
        frame["coupon"],
        frame["entered_by_sale"],
    ]
    return np.concatenate([np.stack([np.asarray(c, dtype=np.float32) for c in head], axis=1), launches.plan], axis=1)


def outcome_rows(history: History, embeddings: NDArray[np.float32]) -> OutcomeRows:
    """All known launches; outcomes beyond the cut are NaN even where the file has them."""
    launches = history.launches
    frame = launches.frame
    product = frame["product_index"].to_numpy()

    def outcome(name: str) -> NDArray[np.float32]:
        parts = []
        for weeks, complete in ((4, launches.complete4), (8, launches.complete8)):
            column = f"{name}_{weeks}w"
            values = (
                frame[column].to_numpy(dtype=np.float32) if column in frame else np.full(len(frame), np.nan, np.float32)
            )
            parts.append(np.where(complete, values, np.nan).astype(np.float32))
        return np.stack(parts, axis=1)

    return OutcomeRows(
        torch.from_numpy(embeddings),
        torch.from_numpy(history.ids[product]),
        torch.from_numpy(launch_attributes(launches, history.label)),
        torch.from_numpy(actual_candidates(history, launches)).unsqueeze(1),
        torch.from_numpy(outcome("units")),
        torch.from_numpy(outcome("buyers")),
        torch.from_numpy(outcome("repeat_buyers")),
    )


class OutcomeTask:
    """Negative binomial likelihood of units at both horizons, binomial of buyers and repeat buyers."""

    def __init__(self, model: LaunchOutcome, training: OutcomeRows, held_out: OutcomeRows | None) -> None:
        self.model, self.training, self.held_out = model, training, held_out

    @property
    def rows(self) -> int:
        """Launches to learn from."""
        return len(self.training.ids)

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        """Mean loss of a batch plus the prior on the scales."""
        batch = self.training.take(rows)
        penalty = 0.5 * SCALE_PENALTY * (self.model.log_scale.square().sum() + self.model.season_strength.square())
        return self._loss(batch, per_member=True) + penalty / self.rows

    def validate(self) -> float | None:
        """Mean loss on the newest launches."""
        return None if self.held_out is None else self._loss(self.held_out, per_member=False).item()

    def _loss(self, batch: OutcomeRows, per_member: bool) -> Tensor:
        forecast = self.model.forecast(
            batch.embedding, batch.ids, batch.attributes, batch.candidates, per_member=per_member
        )
        known = torch.isfinite(batch.units)
        units = torch.nan_to_num(batch.units)
        log_mean, log_size = forecast.log_mean.squeeze(-2), forecast.log_size.squeeze(-2)
        counts = (units - forecast.entered[:, 0]).clamp(min=0.0)
        sales = (nb_loss(counts, log_mean, log_size) * known).sum((-2, -1)) / known.sum().clamp(min=1)
        share = forecast.buyer_share.squeeze(-2).clamp(1e-4, 1 - 1e-4)
        buyers = torch.minimum(torch.nan_to_num(batch.buyers), units)
        sold = (units * known).sum().clamp(min=1)
        who = -((buyers * torch.log(share) + (units - buyers) * torch.log(1 - share)) * known).sum((-2, -1)) / sold
        again = torch.minimum(torch.nan_to_num(batch.repeats[:, 1:]), buyers[:, 1:])
        logit = forecast.repeat.squeeze(-2)
        rate = -(
            again * torch.nn.functional.logsigmoid(logit)
            + (buyers[:, 1:] - again) * torch.nn.functional.logsigmoid(-logit)
        )
        repeat = (rate * known[:, 1:]).sum((-2, -1)) / (buyers[:, 1:] * known[:, 1:]).sum().clamp(min=1)
        return (sales + 0.3 * who + 0.3 * repeat).mean()


@dataclass(frozen=True)
class OutcomeResult:
    """The trained model with its calibrated levels [2, 11], and what is written about it."""

    model: LaunchOutcome
    levels: NDArray[np.float64]
    calibration: dict[str, Any]
    metrics: dict[str, Any]


def train_outcome(
    history: History, embeddings: NDArray[np.float32], recipe: OutcomeRecipe, seed: int, folder: Path
) -> OutcomeResult:
    """Train for the cut of `history`; `embeddings` [launches, 128] are those of history.launches.

    Raises ExporterError where no launch has a complete outcome.
    """
    rows = outcome_rows(history, embeddings)
    usable = history.launches.complete4
    if int(history.launches.complete8.sum()) < 2:
        raise ExporterError(
            f"launches: {int(history.launches.complete8.sum())} with 8 weeks of outcome by week {history.cut}; "
            "at least 2 are needed"
        )
    week = history.launches.frame["launch_week"].to_numpy()
    response, figures = estimate_response(history, recipe)
    newest = int(week[history.launches.complete8].max())
    boundary = newest - HOLDOUT_WEEKS
    older, newer = usable & (week <= boundary), history.launches.complete8 & (week > boundary)
    levels, calibration = (
        np.stack([np.array(LEVELS)] * 2),
        {"method": "none: fewer than 50 launches to hold out", "launches": 0},
    )
    metrics: dict[str, Any] = {"response": figures}
    epochs = recipe.loop.epochs
    if older.sum() >= MIN_CALIBRATION and newer.sum() >= MIN_CALIBRATION:
        held = rows.take(newer)
        model = _new(history, response, recipe, rows.take(older), seed)
        chosen = fit(
            model,
            OutcomeTask(model, rows.take(older), held),
            recipe.loop,
            seed=seed,
            folder=folder,
            name="outcome_tune",
        )
        epochs = chosen.epoch
        levels, calibration = _calibrate(model, held, seed)
        calibration.update({"launch_weeks": [boundary + 1, newest], "trained_on_launch_weeks_to": boundary})
        metrics.update({"epochs": epochs, "validation": held_out_metrics(OutcomeGraph(model, levels), held)})
    settings = replace(recipe.loop, epochs=epochs, patience=0)
    model = _new(history, response, recipe, rows.take(usable), seed)
    fit(model, OutcomeTask(model, rows.take(usable), None), settings, seed=seed, folder=folder, name="outcome")
    metrics["launches"] = int(usable.sum())
    metrics["scale"] = [[round(v, 4) for v in row] for row in torch.exp(model.log_scale.detach()).tolist()]
    return OutcomeResult(model, levels, calibration, metrics)


def _new(
    history: History, response: ResponseTable, recipe: OutcomeRecipe, rows: OutcomeRows, seed: int
) -> LaunchOutcome:
    torch.manual_seed(seed)
    model = LaunchOutcome(
        history.vocabulary.sizes,
        context_table(history),
        seasonality_table(history),
        response,
        recipe.members,
        recipe.hidden,
        recipe.dropout,
    )
    with torch.no_grad():
        action = model.response(rows.ids, rows.attributes, rows.candidates) + model.season(rows.ids, rows.candidates)
        mean = torch.nanmean(rows.units, dim=0) / torch.exp(action[:, 0].clamp(-4, 4)).mean(0)
    start = torch.log(mean.clamp(min=0.02))
    model.start((float(start[0]), float(start[1])))
    return model


def _calibrate(model: LaunchOutcome, held: OutcomeRows, seed: int) -> tuple[NDArray[np.float64], dict[str, Any]]:
    with torch.no_grad():
        forecast = model.forecast(held.embedding, held.ids, held.attributes, held.candidates)
    levels, before = [], []
    for h in range(2):
        counts = (held.units[:, h] - held.candidates[:, 0, 4]).clamp(min=0).double().numpy()
        mean = torch.exp(forecast.log_mean[:, 0, h]).double().numpy()
        size = torch.exp(forecast.log_size[:, 0, h]).double().numpy()
        levels.append(calibrated_levels(counts, mean, size, seed + h))
        before.append(round(coverage(counts, mean, size, 0.1, 0.9, seed), 4))
    return np.stack(levels), {
        "method": "distributional conformal: levels are quantiles of the randomised PIT of launches held out",
        "launches": len(held.ids),
        "levels_4w": [round(float(v), 5) for v in levels[0]],
        "levels_8w": [round(float(v), 5) for v in levels[1]],
        "coverage_80_before": before,
    }


def held_out_metrics(graph: OutcomeGraph, held: OutcomeRows) -> dict[str, float]:
    """WAPE of the median, Poisson deviance and bias of the mean, mean pinball at .1/.5/.9, at 8 weeks."""
    with torch.no_grad():
        mean, _, quantiles, _, _ = graph.eval()(held.embedding, held.ids, held.attributes, held.candidates)
    y = held.units[:, 1].double().numpy()
    forecast = mean[:, 0, 1].double().numpy()
    q = np.ceil(quantiles[:, 0, 1].double().numpy() - 1e-6)
    deviance = 2 * np.mean(np.where(y > 0, y * np.log(np.maximum(y, 1e-9) / forecast), 0.0) - (y - forecast))
    pinball = np.mean(
        [np.mean(np.maximum(t * (y - q[:, i]), (t - 1) * (y - q[:, i]))) for t, i in ((0.1, 1), (0.5, 5), (0.9, 9))]
    )
    total = max(y.sum(), 1e-9)
    first = held.candidates[:, 0, 4].numpy() == 0
    return {
        "launches": float(len(y)),
        "wape_8w": round(float(np.abs(y - q[:, 5]).sum() / total), 4),
        "wape_8w_promotion_first": round(float(np.abs(y - q[:, 5])[first].sum() / max(y[first].sum(), 1e-9)), 4),
        "poisson_deviance_8w": round(float(deviance), 4),
        "bias_8w": round(float(forecast.sum() / total), 4),
        "pinball_8w": round(float(pinball), 4),
        "spearman_8w": round(_spearman(y, forecast), 4),
    }


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic) if len(a) > 2 and np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0
