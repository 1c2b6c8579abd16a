"""Boosted trees (LightGBM) on categories, price, plan, season and the past of a launch's kin.

Objectives: quantiles (the .5 one is the row `lightgbm_q50`) and Tweedie with power 1.3 (`lightgbm_tweedie`), after Ke
et al. (2017), LightGBM. Settings come from a random search whose rounds stop early on the last training weeks; then the
model is fitted again on all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onshelf_research.baselines.forecast import Floats
from onshelf_research.data.dataset import LEVELS, Dataset, LaunchRows

QUANTILES = (0.1, 0.5, 0.7, 0.8, 0.9)
HOLDOUT_WEEKS = 4
MAX_ROUNDS = 600
PATIENCE = 50
RECENT_WEEKS = 8
MIN_ROUNDS = 20
SHARE: dict[str, Any] = {"objective": "cross_entropy"}
TWEEDIE: dict[str, Any] = {"objective": "tweedie", "tweedie_variance_power": 1.3}
FIXED: dict[str, Any] = {
    "bagging_freq": 1,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 7,
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
    table["discount"] = rows.numbers("discount")
    table["coupon"] = rows.numbers("coupon")
    table["entered_by_sale"] = rows.numbers("entered_by_sale")
    table["week_of_year"] = rows.week.astype(np.float64)
    return pd.concat([table, plan_features(data, rows)], axis=1)


def plan_features(data: Dataset, rows: LaunchRows) -> pd.DataFrame:
    """The plan's own columns: coverage of weeks L..L+1, by kind of channel (sum, number of places) and by slot."""
    table = pd.DataFrame(index=rows.frame.index)
    kinds = data.channels["kind"].to_numpy(str)
    for kind in np.unique(kinds):
        covered = rows.coverage[:, kinds == kind]
        table[f"{kind}_coverage"] = covered.sum(axis=1)
        table[f"{kind}_places"] = (covered > 0).sum(axis=1)
    for slot in range(rows.coverage.shape[1]):
        table[f"coverage_{slot:02d}"] = rows.coverage[:, slot]
    return table


@dataclass(frozen=True)
class Tuned:
    """Settings of LightGBM with the number of rounds that stopped early, and the loss on the held-out weeks."""

    settings: dict[str, Any]
    rounds: int
    loss: float


def drawn_settings(count: int, seed: int) -> list[dict[str, Any]]:
    """`count` configurations of the random search (Bergstra and Bengio 2012, Random search for hyper-parameter
    optimization)."""
    rng = np.random.default_rng(seed)
    return [
        {
            "learning_rate": float(rng.choice([0.02, 0.03, 0.05, 0.08])),
            "num_leaves": int(rng.choice([4, 7, 15, 31])),
            "min_data_in_leaf": int(rng.choice([10, 20, 40, 80])),
            "feature_fraction": float(rng.uniform(0.3, 0.9)),
            "bagging_fraction": float(rng.uniform(0.5, 1.0)),
            "lambda_l1": float(rng.choice([0.0, 0.5, 2.0])),
            "lambda_l2": float(rng.choice([0.0, 1.0, 5.0, 20.0])),
            "cat_smooth": float(rng.choice([10.0, 20.0, 50.0])),
            "min_data_per_group": int(rng.choice([10, 20, 50])),
        }
        for _ in range(count)
    ]


def quantile_objective(level: float) -> dict[str, Any]:
    """The pinball loss at `level`."""
    return {"objective": "quantile", "alpha": level}


def search(
    table: pd.DataFrame,
    target: Floats,
    week: NDArray[np.int64],
    objective: dict[str, Any],
    tries: Sequence[dict[str, Any]],
    threads: int,
    advance: Callable[[int], None],
    weight: Floats | None = None,
) -> Tuned:
    """The configuration that is best on the last HOLDOUT_WEEKS of the training weeks after learning from those before.

    Args:
        table: inputs, as `features` returns them.
        target: what is learned.
        week: launch week of each row.
        objective: LightGBM's settings of the loss.
        tries: configurations.
        threads: of LightGBM.
        advance: told after each configuration.
        weight: of each row; None = 1.

    Returns:
        The best configuration; where the weeks are too few to hold any out, the first with MIN_ROUNDS rounds.
    """
    late = week > int(week.max()) - HOLDOUT_WEEKS
    if not (~late).any():
        return Tuned({**FIXED, **objective, **tries[0]}, MIN_ROUNDS, float("nan"))
    codes = [column for column in table.columns if column.endswith("_code")]
    best: Tuned | None = None
    for one in tries:
        settings = {**FIXED, **objective, **one, "num_threads": threads}
        parts = [(table[part], target[part], None if weight is None else weight[part]) for part in (~late, late)]
        early = lightgbm.Dataset(*parts[0][:2], weight=parts[0][2], categorical_feature=codes, params=settings)
        held = lightgbm.Dataset(*parts[1][:2], reference=early, weight=parts[1][2], categorical_feature=codes)
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        fitted = lightgbm.train(settings, early, MAX_ROUNDS, valid_sets=[held], callbacks=[stop])
        loss = float(next(iter(fitted.best_score["valid_0"].values())))
        if best is None or loss < best.loss:
            best = Tuned({**FIXED, **objective, **one}, max(int(fitted.best_iteration), MIN_ROUNDS), loss)
        advance(1)
    assert best is not None
    return best


def predict(
    tuned: Tuned,
    table: pd.DataFrame,
    target: Floats,
    wanted: pd.DataFrame,
    threads: int,
    weight: Floats | None = None,
    **changed: float,
) -> Floats:
    """Learn from all rows of `table` with tuned settings (`changed` in some) and predict those of `wanted`."""
    codes = [column for column in table.columns if column.endswith("_code")]
    settings = {**tuned.settings, **changed, "num_threads": threads}
    model = lightgbm.train(
        settings, lightgbm.Dataset(table, target, weight=weight, categorical_feature=codes), tuned.rounds
    )
    predicted: Floats = np.asarray(model.predict(wanted, num_threads=threads), dtype=np.float64)
    return predicted


def quantiles(
    tuned: Tuned, table: pd.DataFrame, target: Floats, wanted: pd.DataFrame, threads: int, levels: tuple[float, ...]
) -> dict[float, Floats]:
    """One model per level, with the settings tuned at the median; levels that cross are put in order."""
    fitted = [predict(tuned, table, target, wanted, threads, alpha=level) for level in levels]
    return dict(zip(levels, np.sort(np.maximum(np.stack(fitted), 0.0), axis=0), strict=True))


def _codes(products: pd.DataFrame, keys: tuple[str, ...]) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = products.groupby(list(keys), sort=True, dropna=False).ngroup().to_numpy(dtype=np.int64)
    return codes


def _cumulative(group: NDArray[np.int64], week: NDArray[np.int64], value: Floats, groups: int, last: int) -> Floats:
    """[groups, last + 1]: sums of `value` over weeks <= the column's number."""
    flat = np.bincount(group * (last + 1) + np.minimum(week, last), weights=value, minlength=groups * (last + 1))
    total: Floats = np.cumsum(flat.reshape(groups, last + 1), axis=1)
    return total
