"""The one predictor behind every text compared here, so that only the text differs: boosted trees on fixed settings.

Not the served model: small, quick and never tuned, so that no encoder is favoured.
"""

from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.evaluation import metrics

Floats = NDArray[np.float64]
SETTINGS = {
    "num_leaves": 15,
    "learning_rate": 0.05,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
}
ROUNDS = 120
SEEDS = 2
MAX_UNITS = 60.0  # in training a launch that sold more counts as that


@dataclass(frozen=True)
class Demand:
    """Forecasts of units in 8 weeks: mean and whole-unit median, float64 [n] each."""

    mean: Floats
    median: Floats

    def scores(self, units: Floats) -> tuple[float, float, float]:
        """WAPE of the median, Poisson deviance and Spearman of the mean."""
        return (
            metrics.wape(units, self.median),
            metrics.poisson_deviance(units, self.mean),
            metrics.spearman(units, self.mean),
        )


def forecast(columns: Floats, units: Floats, wanted: Floats, seed: int, seeds: int = SEEDS) -> Demand:
    """Learn from `columns` [n, width] and `units` [n]; forecast `wanted` [m, width]. Mean over `seeds` seeds."""
    mean = np.zeros(len(wanted))
    median = np.zeros(len(wanted))
    target = np.minimum(units, MAX_UNITS)
    for number in range(seeds):
        for objective, result in (({"objective": "poisson"}, mean), ({"objective": "quantile", "alpha": 0.5}, median)):
            data = lightgbm.Dataset(columns, target, params={"verbosity": -1})
            booster = lightgbm.train({**SETTINGS, **objective, "seed": seed + number}, data, ROUNDS)
            result += np.asarray(booster.predict(wanted)) / seeds
    return Demand(mean, np.maximum(np.round(median), 0.0))
