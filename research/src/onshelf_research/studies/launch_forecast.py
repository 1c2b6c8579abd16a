"""How should launches be forecast? The served model, the same without its parts, and boosted trees on identical inputs.

onshelf-exporter study launch_forecast
"""

from dataclasses import dataclass, replace

import lightgbm
import numpy as np
import torch
from numpy.typing import NDArray

from onshelf_exporter.evaluation import metrics
from onshelf_exporter.models.kin import kin_features
from onshelf_exporter.models.launch_outcome import OutcomeGraph
from onshelf_exporter.process.progress_display import progress_bar
from onshelf_exporter.process.threads import usable
from onshelf_exporter.training.behaviour import load_events
from onshelf_exporter.training.calibration import randomised_pit
from onshelf_exporter.training.history import History
from onshelf_exporter.training.kin import build_kin, overall_rates, statistics_of
from onshelf_exporter.training.outcome import (
    actual_candidates,
    launch_attributes,
    launch_features,
    outcome_rows,
    train_outcome,
)
from onshelf_exporter.training.recipe import OutcomeRecipe
from onshelf_release.signatures import QUANTILE_LEVELS
from onshelf_research.studies.inputs import ORIGINS, Floats, Setting
from onshelf_research.studies.table import Table

TREES = {"learning_rate": 0.03, "num_leaves": 8, "min_data_in_leaf": 30, "feature_fraction": 0.4, "extra_trees": True}
ROUNDS = 250
EIGHT = 1  # position of the horizon of 8 weeks


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Forecasts of launches and what became of them; `pit` is empty where there is no distribution."""

    actual: Floats
    mean: Floats
    median: Floats
    low: Floats
    high: Floats
    pit: Floats


def study(setting: Setting) -> Table:
    """One row per variant: scores over the launches after all origins, each weighed alike."""
    table = Table(
        title="Models of the launch forecast",
        question="What do the parts of launch_outcome add, by rolling origins inside the training weeks?",
        columns=[
            "model",
            "n",
            "WAPE",
            "Poisson deviance",
            "Spearman",
            "top-10 %",
            "pinball",
            "PIT in [.1, .9]",
            "PIT p",
        ],
    )
    plain = replace(setting.recipe.outcome, embedding_directions=0)
    variants: dict[str, OutcomeRecipe | str] = {
        "forest and response (as served, without the embedding)": plain,
        "without launches in progress": replace(plain, partial_outcomes=False),
        "old launches count as much as new ones": replace(plain, half_life_weeks=1e6),
        "leaves of 8 launches": replace(plain, leaf_rows=8),
        "nothing from launches about the plan (panel's response only)": replace(plain, action_ridge=1e6),
        "boosted trees on the same columns and the plan: median": "quantile",
        "boosted trees on the same columns and the plan: mean (Tweedie 1.3)": "tweedie",
    }
    with progress_bar("launch_forecast", len(variants) * len(ORIGINS)) as advance:
        for name, variant in variants.items():
            answers = []
            for week, until in ORIGINS:
                learned, later = setting.history(week), setting.history(until + 7)
                if isinstance(variant, str):
                    answers.append(boosted(setting, learned, later, until, variant))
                else:
                    answers.append(served(setting, learned, later, until, variant))
                advance(1)
            table.add(name, sum(len(a.actual) for a in answers), *_scores(answers))
    table.remarks += [
        "Rolling origins: weeks "
        + ", ".join(f"{week} (launches of weeks {week + 1}-{until})" for week, until in ORIGINS)
        + "; features and outcomes end with the origin, launches in progress at it included where a row does not say "
        "otherwise. Means over origins.",
        "The embedding is left out of all rows: it is learned once and would know the later origins' launches.",
        "The boosted trees learn from complete launches only and have no response that could be moved: they compare "
        "accuracy, not use.",
    ]
    return table


def served(setting: Setting, learned: History, later: History, until: int, recipe: OutcomeRecipe) -> Answer:
    """The forecast of launch_outcome for the launches after the cut of `learned`."""
    nothing = np.zeros((len(learned.products), 128), dtype=np.float32)
    result = train_outcome(
        learned,
        load_events(setting.data, learned.cut),
        nothing,
        recipe,
        setting.recipe.seed,
        usable(setting.recipe.threads),
    )
    launches = later.launches.take(_asked(learned, later, until))
    product = launches.frame["product_index"].to_numpy()
    with torch.no_grad():
        mean, _, quantiles, _, _, distribution, _ = OutcomeGraph(result.model, result.curve).eval()(
            torch.zeros(len(product), 128),
            torch.from_numpy(learned.vocabulary.ids(later.products.iloc[product])),
            torch.from_numpy(launch_attributes(launches, later.label)),
            torch.from_numpy(actual_candidates(later, launches)).unsqueeze(1),
        )
    actual = launches.frame["units_8w"].to_numpy(dtype=np.float64)
    whole = np.ceil(quantiles[:, 0, EIGHT].double().numpy() - 1e-3)
    pit = randomised_pit(distribution[:, 0, EIGHT].double().numpy(), result.support, actual, setting.recipe.seed)
    places = [QUANTILE_LEVELS.index(level) for level in (0.1, 0.5, 0.9)]
    low, median, high = (whole[:, place] for place in places)
    return Answer(actual=actual, mean=mean[:, 0, EIGHT].double().numpy(), median=median, low=low, high=high, pit=pit)


def boosted(setting: Setting, learned: History, later: History, until: int, objective: str) -> Answer:
    """LightGBM on the forest's features and the plan's columns."""
    known, seed = learned.launches.complete8, setting.recipe.seed
    kin = build_kin(learned, load_events(setting.data, learned.cut))
    rows, units = outcome_rows(learned), learned.launches.frame["units_8w"].to_numpy(dtype=np.float64)
    columns = np.concatenate([launch_features(learned, kin, rows, seed), rows.candidates[:, 0, 2:].numpy()], axis=1)
    asked = _asked(learned, later, until)
    after = outcome_rows(later).take(asked)
    product = later.launches.frame["product_index"].to_numpy(dtype=np.int64)[asked]
    at = np.full(len(product), learned.cut)
    with torch.no_grad():
        seen = kin_features(
            statistics_of(kin, product, at), overall_rates(kin, at), after.attributes, after.candidates[:, 0, 4:5]
        ).numpy()
    wanted = np.concatenate([seen, after.candidates[:, 0, 2:].numpy()], axis=1)
    actual = after.units[:, EIGHT].double().numpy()
    settings = {**TREES, "verbosity": -1, "num_threads": usable(setting.recipe.threads), "seed": seed % 2**31}

    def fitted(extra: dict[str, object]) -> Floats:
        model = lightgbm.train({**settings, **extra}, lightgbm.Dataset(columns[known], units[known]), ROUNDS)
        told: Floats = np.maximum(np.asarray(model.predict(wanted), dtype=np.float64), 0.0)
        return told

    if objective == "tweedie":
        mean = fitted({"objective": "tweedie", "tweedie_variance_power": 1.3})
        return Answer(actual=actual, mean=mean, median=mean, low=np.empty(0), high=np.empty(0), pit=np.empty(0))
    low, median, high = np.sort([fitted({"objective": "quantile", "alpha": a}) for a in (0.1, 0.5, 0.9)], axis=0)
    return Answer(actual=actual, mean=median, median=median, low=low, high=high, pit=np.empty(0))


def _asked(learned: History, later: History, until: int) -> NDArray[np.bool_]:
    week = later.launches.frame["launch_week"].to_numpy()
    asked: NDArray[np.bool_] = (week > learned.cut) & (week <= until) & later.launches.complete8
    return asked


def _scores(answers: list[Answer]) -> list[float | None]:
    rows = []
    for a in answers:
        pinball = metrics.mean_pinball(a.actual, a.low, a.median, a.high) if len(a.low) else np.nan
        even = [metrics.pit_coverage(a.pit), metrics.pit_uniformity(a.pit)] if len(a.pit) else [np.nan, np.nan]
        rows.append(
            [
                metrics.wape(a.actual, a.median),
                metrics.poisson_deviance(a.actual, a.mean),
                metrics.spearman(a.actual, a.mean),
                metrics.top_capture(a.actual, a.mean),
                pinball,
                *even,
            ]
        )
    return [None if np.isnan(value) else float(value) for value in np.mean(rows, axis=0)]
