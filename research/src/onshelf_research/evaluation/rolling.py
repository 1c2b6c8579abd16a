"""The forecast of a shop that trains every week: launch_outcome fitted again for each measured launch week, on the data
up to the week before it, with launches in progress.

What is served is one model release; this is the row beside it that the rolling baselines compare with. The embedding is
left out (the text encoder is learned once), so the forest reads kin, price and season only; the graph runs in PyTorch.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.models.launch_outcome import OutcomeGraph
from onshelf_exporter.process.progress_display import progress_bar
from onshelf_exporter.training.behaviour import load_events
from onshelf_exporter.training.history import load_history
from onshelf_exporter.training.outcome import train_outcome
from onshelf_exporter.training.recipe import OutcomeRecipe
from onshelf_release.signatures import QUANTILE_LEVELS, SIGNATURES
from onshelf_research.baselines.forecast import Floats, Forecast
from onshelf_research.data.dataset import Dataset, LaunchRows
from onshelf_research.evaluation import served

EMBEDDING = 128
OUTPUTS = [tensor.name for tensor in SIGNATURES["launch_outcome"].outputs]


def forecasts(data: Dataset, rows: LaunchRows, recipe: OutcomeRecipe, seed: int, threads: int) -> dict[str, Forecast]:
    """Forecasts by outcome, as `served.forecasts` gives them.

    Args:
        data: prepared data.
        rows: measured launches.
        recipe: of the served forecast.
        seed: of the served forecast.
        threads: that fit trees.
    """
    parts: list[dict[str, Forecast]] = []
    places = []
    weeks = np.unique(rows.week)
    with progress_bar("ours, rolling", len(weeks)) as advance:
        for week in weeks.tolist():
            here = np.flatnonzero(rows.week == week)
            places.append(here)
            parts.append(_of_week(data, rows.take(here), week - 1, recipe, (seed, threads)))
            advance(1)
    order = np.argsort(np.concatenate(places))
    return {outcome: _joined([part[outcome] for part in parts], order) for outcome in parts[0]}


def _of_week(
    data: Dataset, rows: LaunchRows, cut: Cut, recipe: OutcomeRecipe, settings: tuple[int, int]
) -> dict[str, Forecast]:
    history = load_history(data.folder, cut)
    nothing = np.zeros((len(history.products), EMBEDDING), dtype=np.float32)
    plain = replace(recipe, embedding_directions=0)
    result = train_outcome(history, load_events(data.folder, cut), nothing, plain, *settings)
    slots = history.channels.set_index("channel_id")["channel_slot"]
    attributes = np.stack([rows.numbers("price"), rows.numbers("private_label")], axis=1).astype(np.float32)
    with torch.no_grad():
        values = OutcomeGraph(result.model, result.curve).eval()(
            torch.zeros(len(rows), EMBEDDING),
            torch.from_numpy(history.ids[rows.product]),
            torch.from_numpy(np.nan_to_num(attributes, nan=-1.0)),
            torch.from_numpy(served.actual_actions(data, rows, slots)),
        )
    out = {name: value.numpy() for name, value in zip(OUTPUTS, values, strict=True)}
    return served.told(out, rows, np.asarray(QUANTILE_LEVELS), result.support)


def _joined(parts: list[Forecast], order: NDArray[np.int64]) -> Forecast:
    def of(name: str) -> Floats:
        joined: Floats = np.concatenate([getattr(part, name) for part in parts])[order]
        return joined

    known = parts[0].below is not None
    levels = {level: np.concatenate([part.quantiles[level] for part in parts])[order] for level in parts[0].quantiles}
    return Forecast(
        mean=of("mean"),
        median=of("median"),
        quantiles=levels,
        below=of("below") if known else None,
        upto=of("upto") if known else None,
    )
