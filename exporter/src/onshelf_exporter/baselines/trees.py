"""Boosted trees (LightGBM) on categories, price, plan, season and the past of a launch's kin.

Objectives: quantiles (the .5 one is the row `lightgbm_q50`) and Tweedie with power 1.3 (`lightgbm_tweedie`), after Ke
    et al. (2017),
LightGBM. The number of rounds is chosen by early stopping on the last training weeks, then the model is fitted again
on all of them.
"""

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onshelf_exporter.baselines.forecast import Floats, Forecast
from onshelf_exporter.evaluation.dataset import LEVELS, Dataset, LaunchRows

QUANTILES = (0.1, 0.5, 0.7, 0.8, 0.9)
HOLDOUT_WEEKS = 3
MAX_ROUNDS = 600
PATIENCE = 50
RECENT_WEEKS = 8
SETTINGS: dict[str, Any] = {
    "learning_rate": 0.04,
    "num_leaves": 15,
    "min_data_in_leaf": 25,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 20.0,
    "min_data_per_group": 20,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}


def kin_features(data: Dataset, rows: LaunchRows) -> pd.DataFrame:
    """What was known at week L-1 about a launch's kin: sales of the last weeks, and launches whose outcome was
    complete.

    The cut is rolling: a launch of week L sees sales of weeks < L and launches with L' + 7 < L.

    Returns:
        One row per launch; per level (department, category, type, brand) units a week and products on sale in the
        last RECENT_WEEKS, and number and mean log1p of 8-week units of past launches (NaN where there were none).
    """
    last = int(data.info["last_week"])
    columns: dict[str, Floats] = {}
    week = rows.week
    for level in LEVELS:
        keys = LEVELS[: LEVELS.index(level) + 1] if level != "brand" else ("brand",)
        codes = _codes(data.products, keys)
        size = int(codes.max()) + 1
        kin = codes[rows.product]
        sold = codes[data.sales["product_index"].to_numpy()]
        sold_week = data.sales["week"].to_numpy()
        units = _cumulative(sold, sold_week, data.sales["units"].to_numpy(dtype=np.float64), size, last)
        products = _cumulative(sold, sold_week, np.ones(len(sold)), size, last)
        start = np.maximum(week - 1 - RECENT_WEEKS, 0)
        columns[f"{level}_units"] = (units[kin, week - 1] - units[kin, start]) / RECENT_WEEKS
        columns[f"{level}_products"] = (products[kin, week - 1] - products[kin, start]) / RECENT_WEEKS
        past = codes[data.launches.product]
        known = data.launches.week + 8  # the first launch week that may know the outcome
        count = _cumulative(past, known, np.ones(len(past)), size, last + 8)
        outcome = _cumulative(past, known, np.log1p(data.launches.numbers("units_8w")), size, last + 8)
        columns[f"{level}_launches"] = count[kin, week]
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[f"{level}_launch_units"] = outcome[kin, week] / count[kin, week]
    return pd.DataFrame(columns)


def features(data: Dataset, rows: LaunchRows) -> pd.DataFrame:
    """All inputs of the trees; categorical columns hold int codes and end in `_code`."""
    table = kin_features(data, rows)
    for level in LEVELS:
        keys = LEVELS[: LEVELS.index(level) + 1] if level != "brand" else ("brand",)
        table[f"{level}_code"] = _codes(data.products, keys)[rows.product]
    table["private_label"] = rows.numbers("private_label")
    table["log_price"] = np.log(np.maximum(rows.numbers("price"), 0.01))
    table["coupon"] = rows.numbers("coupon")
    table["entered_by_sale"] = rows.numbers("entered_by_sale")
    table["week_of_year"] = rows.week.astype(np.float64)
    kinds = data.channels["kind"].to_numpy(str)
    for kind in np.unique(kinds):
        covered = rows.coverage[:, kinds == kind]
        table[f"{kind}_coverage"] = covered.sum(axis=1)
        table[f"{kind}_places"] = (covered > 0).sum(axis=1)
    for slot in range(rows.coverage.shape[1]):
        table[f"coverage_{slot:02d}"] = rows.coverage[:, slot]
    return table


def quantile_trees(data: Dataset, train: LaunchRows, rows: LaunchRows, outcome: str, threads: int) -> Forecast:
    """One model per level; levels that cross are put in order."""
    fitted = [_fit(data, train, rows, outcome, {"objective": "quantile", "alpha": q}, threads) for q in QUANTILES]
    ordered = np.sort(np.maximum(np.stack(fitted), 0.0), axis=0)
    quantiles = dict(zip(QUANTILES, ordered, strict=True))
    return Forecast(quantiles[0.5], quantiles[0.5], quantiles)


def tweedie_trees(data: Dataset, train: LaunchRows, rows: LaunchRows, outcome: str, threads: int) -> Forecast:
    """The mean, as one number for every column."""
    mean = _fit(data, train, rows, outcome, {"objective": "tweedie", "tweedie_variance_power": 1.3}, threads)
    return Forecast(mean, mean)


def _fit(
    data: Dataset, train: LaunchRows, rows: LaunchRows, outcome: str, objective: dict[str, Any], threads: int
) -> Floats:
    settings = {**SETTINGS, **objective, "num_threads": threads, "seed": 7}
    inputs, target = features(data, train), train.numbers(outcome)
    codes = [column for column in inputs.columns if column.endswith("_code")]
    late = train.week > int(train.week.max()) - HOLDOUT_WEEKS
    early = lightgbm.train(
        settings,
        lightgbm.Dataset(inputs[~late], target[~late], categorical_feature=codes, free_raw_data=False),
        MAX_ROUNDS,
        valid_sets=[lightgbm.Dataset(inputs[late], target[late], categorical_feature=codes, free_raw_data=False)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    rounds = max(int(early.best_iteration), 20)
    model = lightgbm.train(settings, lightgbm.Dataset(inputs, target, categorical_feature=codes), rounds)
    predicted: Floats = np.asarray(model.predict(features(data, rows), num_threads=threads), dtype=np.float64)
    return predicted


def _codes(products: pd.DataFrame, keys: tuple[str, ...]) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = products.groupby(list(keys), sort=True, dropna=False).ngroup().to_numpy(dtype=np.int64)
    return codes


def _cumulative(group: NDArray[np.int64], week: NDArray[np.int64], value: Floats, groups: int, last: int) -> Floats:
    """[groups, last + 1]: sums of `value` over weeks <= the column's number."""
    flat = np.bincount(group * (last + 1) + np.minimum(week, last), weights=value, minlength=groups * (last + 1))
    total: Floats = np.cumsum(flat.reshape(groups, last + 1), axis=1)
    return total
