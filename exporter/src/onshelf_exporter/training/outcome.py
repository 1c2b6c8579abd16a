"""Training of launch_outcome for one cut: response from the panel, forest and action from launches.

Launches whose weeks are not all over by the cut count too: what they have sold so far turns a first forecast into a
distribution of what they will have sold, and that is learned from. Everything behind the forest is fitted on what its
trees say of launches that they have not seen (out of bag), newer launches counting more.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onshelf_exporter.data.weeks import weeks_of_year
from onshelf_exporter.models.kin import kin_features
from onshelf_exporter.models.launch_outcome import BUYER_ROWS, KINDS, LaunchOutcome, Leaves, OutcomeGraph, split_leaves
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training.behaviour import Events
from onshelf_exporter.training.calibration import beta_calibration, randomised_pit
from onshelf_exporter.training.context import seasonality_table
from onshelf_exporter.training.forest import at_most, bin_values, count_support, fit_forest
from onshelf_exporter.training.history import History, Launches
from onshelf_exporter.training.kin import Kin, build_kin, kin_tables, overall_rates, statistics_of
from onshelf_exporter.training.partial import life_shapes, likely_totals
from onshelf_exporter.training.recipe import OutcomeRecipe
from onshelf_exporter.training.response import estimate_response
from onshelf_exporter.training.runs import MIN_LAUNCHES
from onshelf_release.candidates import CHANNEL_SLOTS, ENTERED_BY_SALE, HORIZONS, candidate_rows
from onshelf_release.channels import COUPON_KIND
from onshelf_release.signatures import UNITS_SUPPORT

Floats = NDArray[np.float64]
LAG_WEEKS = 7  # a launch is seen as up to so many weeks before it, as a release sees the launches after its cut
SCALE_PENALTY = 4.0  # precision of the prior by which launches may rescale the panel's response


@dataclass(frozen=True, kw_only=True)
class OutcomeRows:
    """Launches as tensors: inputs of the model and outcomes (NaN where not known by the cut)."""

    ids: Tensor
    attributes: Tensor
    candidates: Tensor
    units: Tensor
    buyers: Tensor
    repeats: Tensor

    def take(self, rows: NDArray[Any]) -> "OutcomeRows":
        """Some of the rows."""
        index = torch.from_numpy(np.flatnonzero(rows) if rows.dtype == bool else rows)
        return OutcomeRows(**{name: values[index] for name, values in vars(self).items()})


def launch_attributes(launches: Launches, label: NDArray[np.float32]) -> NDArray[np.float32]:
    """[launches, 2]: the price the launch had, the product's private label."""
    frame = launches.frame
    price = frame["price"].fillna(0.0).to_numpy(dtype=np.float32)
    return np.stack([price, label[frame["product_index"].to_numpy()]], axis=1)


def actual_candidates(history: History, launches: Launches) -> NDArray[np.float32]:
    """The action that each launch really had, a row each; see `candidate_rows`."""
    frame = launches.frame
    return candidate_rows(
        week_of_year=weeks_of_year(history.dataset, frame["launch_week"].to_numpy()),
        price=frame["price"].fillna(0.0),
        discount=frame["discount"].fillna(0.0),
        coupon=frame["coupon"],
        entered_by_sale=frame["entered_by_sale"],
        coverage=launches.plan,
    )


def outcome_rows(history: History) -> OutcomeRows:
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
        ids=torch.from_numpy(history.ids[product]),
        attributes=torch.from_numpy(launch_attributes(launches, history.label)),
        candidates=torch.from_numpy(actual_candidates(history, launches)).unsqueeze(1),
        units=torch.from_numpy(outcome("units")),
        buyers=torch.from_numpy(outcome("buyers")),
        repeats=torch.from_numpy(outcome("repeat_buyers")),
    )


@dataclass(frozen=True)
class HonestForecasts:
    """Forecasts of launches with complete outcomes by trees that were not fitted on them.

    Attributes:
        rows: int64 [n], positions in history.launches.
        mean: float32 [n, 2], units at both horizons.
        size: float32 [n, 2], r of the negative binomial with the same variance.
    """

    rows: NDArray[np.int64]
    mean: NDArray[np.float32]
    size: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class OutcomeResult:
    """The trained model with its recalibration [2, 3], and what is written about it."""

    model: LaunchOutcome
    support: Floats
    curve: Floats
    calibration: dict[str, Any]
    metrics: dict[str, Any]
    honest: HonestForecasts


def train_outcome(
    history: History,
    purchases: Events,
    embeddings: NDArray[np.float32],
    recipe: OutcomeRecipe,
    seed: int,
    threads: int,
) -> OutcomeResult:
    """Train for the cut of `history`; `embeddings` [products, 128] are those of all products.

    Raises ExporterError where no launch has a complete outcome.
    """
    done = history.launches.complete8
    if int(done.sum()) < MIN_LAUNCHES:
        raise ExporterError(
            f"launches: {int(done.sum())} with 8 weeks of outcome by week {history.cut}; at least {MIN_LAUNCHES} are "
            "needed"
        )
    torch.manual_seed(seed)
    rows = outcome_rows(history)
    week = history.launches.frame["launch_week"].to_numpy(dtype=np.int64)
    kin = build_kin(history, purchases)
    center, directions = main_directions(embeddings[history.known], recipe.embedding_directions)
    launched = embeddings[history.launches.frame["product_index"].to_numpy()]
    features = np.concatenate(
        [launch_features(history, kin, rows, seed), (launched - center) @ directions], axis=1
    ).astype(np.float32)
    response, figures = estimate_response(history, recipe)
    highest = float(np.nanmax(rows.units.numpy()))
    support = count_support(highest)
    values = bin_values(support, rows.units.double().numpy()[done].ravel())

    def fitted(chosen: NDArray[np.int64], targets: Floats) -> tuple[LaunchOutcome, Leaves, Tensor]:
        recency = 0.5 ** ((history.cut - week[chosen]) / recipe.half_life_weeks)
        found = fit_forest(
            features[chosen],
            targets,
            support,
            recipe.trees,
            recipe.leaf_rows,
            recipe.split_share,
            seed,
            threads,
            recency,
        )
        model = LaunchOutcome(
            kin=kin_tables(history, kin),
            forest=found.forest,
            support=torch.from_numpy(support).float(),
            values=torch.from_numpy(values).float(),
            seasonality=seasonality_table(history),
            response=response,
            kinds=channel_kinds(history),
            center=torch.from_numpy(center),
            directions=torch.from_numpy(directions),
        )
        leaves = split_leaves(torch.from_numpy(found.out_of_bag).float(), torch.from_numpy(features[chosen]))
        fit_action(
            model,
            leaves,
            rows.take(chosen),
            torch.from_numpy(targets).float(),
            torch.from_numpy(recency).float(),
            recipe,
        )
        return model, leaves, torch.from_numpy(recency).float()

    complete = np.flatnonzero(done)
    targets = complete_targets(rows.take(complete), support)
    model, leaves, recency = fitted(complete, targets)
    partial = np.flatnonzero(~done)
    chosen = complete
    if len(partial) and recipe.partial_outcomes:
        first = forecast_targets(model, rows.take(partial), features[partial])
        entered = history.launches.frame["entered_by_sale"].to_numpy(dtype=np.int64)
        shapes = life_shapes(kin.weekly, entered)[partial]
        over = history.cut - week[partial] + 1
        learned = likely_totals(first, kin.weekly[partial], kin.weekly_buyers[partial], over, shapes, support)
        # buyers of single weeks count those who came back twice: where 4 weeks are over, their number is known
        known = np.isfinite(rows.buyers[partial, 0].numpy())
        buyers = at_most(rows.buyers[partial, 0].double().numpy()[known], support[list(BUYER_ROWS)])
        learned[known, 2 * UNITS_SUPPORT : 2 * UNITS_SUPPORT + len(BUYER_ROWS)] = buyers
        chosen = np.concatenate([complete, partial])
        targets = np.concatenate([targets, learned])
        model, leaves, recency = fitted(chosen, targets)
    model.eval()
    taken = rows.take(chosen)
    with torch.no_grad():
        forecast = model.forecast(leaves, taken.ids, taken.candidates)
    honest = forecast.units[:, 0].double().numpy()
    curve = beta_calibration(
        honest, targets[:, : 2 * UNITS_SUPPORT].reshape(-1, 2, UNITS_SUPPORT), recency.double().numpy()
    )
    graph = OutcomeGraph(model, curve).eval()
    with torch.no_grad():
        mean, variance = graph.moments(graph.calibrated(forecast.units))
    n = len(complete)
    size = (mean.square() / (variance - mean).clamp(min=1e-6)).clamp(0.05, 1000.0)
    honest_forecasts = HonestForecasts(complete, mean[:n, 0].numpy(), size[:n, 0].numpy())
    calibrated = graph.calibrated(forecast.units)[:n, 0].double().numpy()
    pit = randomised_pit(calibrated[:, 1], support, rows.units[complete, 1].double().numpy(), seed)
    metrics = {
        "response": figures,
        "launches": n,
        "launches_in_progress": len(chosen) - n,
        "out_of_bag": out_of_bag_metrics(mean[:n, 0, 1], calibrated[:, 1], support, rows.units[complete, 1]),
        "scale": [[round(v, 4) for v in row] for row in torch.exp(model.log_scale.detach()).tolist()],
        "channel_odds": [round(v, 3) for v in torch.nn.functional.softplus(model.channel.detach()).tolist()],
        "season_strength": round(float(torch.sigmoid(model.season_strength.detach())), 4),
    }
    calibration = {
        "method": "beta calibration of distributions out of bag, newer launches counting more",
        "launches": len(chosen),
        "curve_4w": [round(float(v), 5) for v in curve[0]],
        "curve_8w": [round(float(v), 5) for v in curve[1]],
        "coverage_80_out_of_bag": round(float(np.mean((pit >= 0.1) & (pit <= 0.9))), 4),
    }
    return OutcomeResult(
        model=model, support=support, curve=curve, calibration=calibration, metrics=metrics, honest=honest_forecasts
    )


def launch_features(history: History, kin: Kin, rows: OutcomeRows, seed: int) -> NDArray[np.float32]:
    """Features of all launches, each as seen up to LAG_WEEKS weeks before it: float32 [launches, columns]."""
    frame = history.launches.frame
    product, week = frame["product_index"].to_numpy(dtype=np.int64), frame["launch_week"].to_numpy(dtype=np.int64)
    lag = np.random.default_rng(seed).integers(0, LAG_WEEKS, len(frame))
    at = np.clip(week - 1 - lag, 1, history.cut)
    with torch.no_grad():
        result: NDArray[np.float32] = kin_features(
            statistics_of(kin, product, at), overall_rates(kin, at), rows.attributes, rows.candidates[:, 0, 4:5]
        ).numpy()
    return result


def main_directions(embeddings: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean [128] of embeddings and their first principal directions [128, count]."""
    center = embeddings.mean(axis=0)
    centred = (embeddings - center).astype(np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return center, np.ascontiguousarray(vectors[:, ::-1][:, :count]).astype(np.float32)


def channel_kinds(history: History) -> Tensor:
    """FP32 [32, KINDS]: displays, and every other channel but coupons (they have a column of their own)."""
    kinds = torch.zeros(CHANNEL_SLOTS, KINDS)
    slot, kind = history.channels["channel_slot"].to_numpy(dtype=np.int64), history.channels["kind"].to_numpy(str)
    kinds[slot[kind == "display"], 0] = 1.0
    kinds[slot[(kind != "display") & (kind != COUPON_KIND)], 1] = 1.0
    return kinds


def complete_targets(rows: OutcomeRows, support: Floats) -> Floats:
    """What the forest learns of launches with complete outcomes: float64 [launches, leaf_width()]."""
    units, buyers = rows.units.double().numpy(), rows.buyers.double().numpy()
    buyers = np.minimum(np.where(np.isfinite(buyers), buyers, units), units)
    repeats = np.minimum(np.nan_to_num(rows.repeats.double().numpy()[:, 1]), buyers[:, 1])
    parts = [at_most(units[:, h], support) for h in range(2)] + [
        at_most(buyers[:, h], support[list(BUYER_ROWS)]) for h in range(2)
    ]
    return np.concatenate([*parts, repeats[:, None], buyers[:, 1:]], axis=1)


def forecast_targets(model: LaunchOutcome, rows: OutcomeRows, features: NDArray[np.float32]) -> Floats:
    """The model's own forecast of launches, in the form of targets: float64 [launches, leaf_width()]."""
    with torch.no_grad():
        values = model.forest(torch.from_numpy(features))
        forecast = model.forecast(split_leaves(values, torch.from_numpy(features)), rows.ids, rows.candidates)
    parts = [part[:, 0].reshape(len(features), -1).numpy() for part in (forecast.units, forecast.buyers)]
    return np.concatenate([*parts, values[:, -2:].numpy()], axis=1).astype(np.float64)


def fit_action(
    model: LaunchOutcome, leaves: Leaves, rows: OutcomeRows, targets: Tensor, weight: Tensor, recipe: OutcomeRecipe
) -> None:
    """Fit everything behind the forest by the ranked likelihood of the distributions (LBFGS)."""
    n = len(targets)
    units = targets[:, : 2 * UNITS_SUPPORT].reshape(n, 2, UNITS_SUPPORT)
    buyers = targets[:, 2 * UNITS_SUPPORT : -2].reshape(n, 2, -1)
    weight = weight / weight.mean()
    entered = rows.candidates[:, 0, ENTERED_BY_SALE]
    ridge, soft = recipe.action_ridge, torch.nn.functional.softplus
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.LBFGS(parameters, max_iter=recipe.action_steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        forecast = model.forecast(leaves, rows.ids, rows.candidates)
        total = _entropy(forecast.units[:, 0], units, weight, entered) + 0.3 * _entropy(
            forecast.buyers[:, 0], buyers, weight, entered
        )
        bought = targets[:, -1] * weight
        rate = targets[:, -2] / targets[:, -1].clamp(min=1e-6)
        logit = forecast.repeat[:, 0]
        again = torch.nn.functional.binary_cross_entropy_with_logits(logit, rate.clamp(0, 1), reduction="none")
        total = total + 0.3 * (again * bought).sum() / bought.sum().clamp(min=1e-6)
        penalty = ridge * sum(soft(p).square().sum() for p in (model.channel, model.reach, model.extra))
        penalty = penalty + 0.5 * SCALE_PENALTY * model.log_scale.square().sum()
        penalty = penalty + (model.season_strength + 2.0).square()
        for head in (model.units, model.buyers):
            penalty = penalty + head.offset.square().sum() + head.entered.square().sum() + head.slope.square().sum()
        penalty = penalty + 10.0 * (model.repeat - torch.tensor([0.5, 0.0, 0.5, 0.0, 0.0])).square().sum()
        return total + penalty / n

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        torch.autograd.backward(value)
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    for parameter in parameters:
        parameter.requires_grad_(False)


def _entropy(distribution: Tensor, target: Tensor, weight: Tensor, entered: Tensor) -> Tensor:
    value = torch.nn.functional.binary_cross_entropy(distribution.clamp(1e-6, 1 - 1e-6), target, reduction="none")
    counted = torch.ones_like(value)
    counted[:, :, 0] = 1.0 - entered.unsqueeze(1)
    return ((value * counted).sum((1, 2)) * weight).mean() / len(HORIZONS)


def out_of_bag_metrics(mean: Tensor, distribution: Floats, support: Floats, units: Tensor) -> dict[str, float]:
    """WAPE of the median, Poisson deviance and bias of the mean at 8 weeks, by trees that have not seen the launch."""
    y, forecast = units.double().numpy(), mean.double().numpy()
    median = support[np.minimum((distribution < 0.5).sum(1), len(support) - 1)]
    deviance = 2 * np.mean(np.where(y > 0, y * np.log(np.maximum(y, 1e-9) / forecast), 0.0) - (y - forecast))
    total = max(y.sum(), 1e-9)
    return {
        "wape_8w": round(float(np.abs(y - median).sum() / total), 4),
        "poisson_deviance_8w": round(float(deviance), 4),
        "bias_8w": round(float(forecast.sum() / total), 4),
    }
