"""Doubly robust effects: augmented inverse propensity weighting with cross-fitting, shrunk by empirical Bayes.

Robins, Rotnitzky and Zhao (1994), Estimation of regression coefficients when some regressors are not always observed;
cross-fitting: Chernozhukov et al. (2018), Double/debiased machine learning. Both the propensity and the outcome model
are boosted trees; an estimate is consistent when either is right and nothing unseen drives both action and outcome.
That last part cannot be tested here, so each number is called an association.
"""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEAST_PROPENSITY = 0.03
TREES = 60
MIN_ARM = 30  # launches or product-weeks that each arm of a comparison needs


@dataclass(frozen=True)
class Scores:
    """Doubly robust scores: the mean of a column is the mean outcome if all had that action.

    Attributes:
        score: float64 [n, actions].
        expected: outcome model, float64 [n, actions].
        propensity: of each action, float64 [n, actions], at least LEAST_PROPENSITY.
    """

    score: Floats
    expected: Floats
    propensity: Floats


@dataclass(frozen=True)
class Lift:
    """Relative change of the outcome, 0.1 = 10 % more, with its standard error."""

    value: float
    error: float

    @property
    def bounds(self) -> tuple[float, float]:
        """95 % interval."""
        return self.value - 1.96 * self.error, self.value + 1.96 * self.error


def cross_fit(
    x: Floats,
    action: Ints,
    outcome: Floats,
    group: Ints,
    *,
    folds: int = 2,
    seed: int = 0,
    threads: int = 1,
    categorical: tuple[int, ...] = (),
    other: tuple[Floats, Ints, Floats] | None = None,
) -> Scores:
    """Scores of all rows; each row's nuisance models have not seen its group.

    Args:
        x: float64 [n, covariates].
        action: int64 [n], 0..actions-1.
        outcome: float64 [n], not negative.
        group: int64 [n]; rows of one group stay together.
        folds: of the cross-fitting.
        seed: of the folds.
        threads: of the trees.
        categorical: columns of x that are ids.
        other: more rows (x, action, outcome) that all folds learn from and that get no score.
    """
    count = int(action.max()) + 1
    groups, number = np.unique(group, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(np.arange(len(groups)) % folds)[number]
    propensity, expected = np.zeros((len(x), count)), np.zeros((len(x), count))
    for part in range(folds):
        held = fold == part
        learn = (x[~held], action[~held], outcome[~held])
        if other is not None:
            learn = (
                np.concatenate([learn[0], other[0]]),
                np.concatenate([learn[1], other[1]]),
                np.concatenate([learn[2], other[2]]),
            )
        propensity[held] = fit_propensity(*learn[:2], count, threads, categorical)(x[held])
        expected[held] = fit_outcome(*learn, count, threads, categorical)(x[held])
    return Scores(doubly_robust(action, outcome, expected, propensity), expected, propensity)


def doubly_robust(action: Ints, outcome: Floats, expected: Floats, propensity: Floats) -> Floats:
    """Scores [n, actions] from nuisance predictions."""
    row = np.arange(len(action))
    score = expected.copy()
    score[row, action] += (outcome - expected[row, action]) / propensity[row, action]
    return score


class Fitted:
    """A function of covariates from one or several boosters."""

    def __init__(self, models: list[lgb.Booster], classes: Ints | None, count: int) -> None:
        self.models, self.classes, self.count = models, classes, count

    def __call__(self, x: Floats) -> Floats:
        """Predictions [n, count]."""
        if self.classes is None:
            return np.stack([np.asarray(model.predict(x), dtype=np.float64) for model in self.models], axis=1)
        chance = np.zeros((len(x), self.count))
        raw = np.asarray(self.models[0].predict(x), dtype=np.float64)
        chance[:, self.classes] = raw if raw.ndim == 2 else np.stack([1.0 - raw, raw], axis=1)
        chance = np.maximum(chance, LEAST_PROPENSITY)
        return np.asarray(chance / chance.sum(axis=1, keepdims=True), dtype=np.float64)


def fit_propensity(x: Floats, action: Ints, count: int, threads: int, categorical: tuple[int, ...]) -> Fitted:
    """P(action | x)."""
    classes, label = np.unique(action, return_inverse=True)
    many = {"objective": "multiclass", "num_class": len(classes)} if len(classes) > 2 else {"objective": "binary"}
    return Fitted([_train(x, label.astype(np.float64), {**many}, threads, categorical)], classes, count)


def fit_outcome(
    x: Floats, action: Ints, outcome: Floats, count: int, threads: int, categorical: tuple[int, ...]
) -> Fitted:
    """E(outcome | x, action): one model per action, or, where an action is rare, the model of all rows."""
    models = []
    for one in range(count):
        mine = action == one
        mine = mine if mine.sum() >= MIN_ARM else np.ones_like(mine)
        models.append(_train(x[mine], outcome[mine], {"objective": "poisson"}, threads, categorical))
    return Fitted(models, None, count)


def _train(
    x: Floats, y: Floats, settings: dict[str, object], threads: int, categorical: tuple[int, ...]
) -> lgb.Booster:
    base: dict[str, object] = {
        "verbosity": -1,
        "num_threads": threads,
        "seed": 1,
        "deterministic": True,
        "learning_rate": 0.06,
        "num_leaves": 8,
        "min_data_in_leaf": 25,
        "lambda_l2": 5.0,
        "feature_fraction": 0.8,
        "cat_smooth": 30.0,
        "min_data_per_group": 30,
    }
    if y.max() <= 0 and settings["objective"] == "poisson":
        y = y + 1e-6  # nothing was sold by any: a forecast of almost nothing
    data = lgb.Dataset(x, y, categorical_feature=list(categorical), params={"verbosity": -1})
    return lgb.train({**base, **settings}, data, num_boost_round=TREES)


def lift(treated: Floats, control: Floats, group: Ints, rows: Mask | None = None) -> Lift:
    """Ratio of two mean scores less 1, its error by the delta method, clustered by group; NaN where the control's mean
    is not positive."""
    if rows is not None:
        treated, control, group = treated[rows], control[rows], group[rows]
    below = float(control.mean()) if len(control) else 0.0
    if below <= 0:
        return Lift(float("nan"), float("nan"))
    ratio = float(treated.mean()) / below
    influence = (treated - ratio * control) / below
    sums = np.bincount(np.unique(group, return_inverse=True)[1], influence)
    return Lift(ratio - 1.0, float(np.sqrt((sums**2).sum())) / len(control))


def shrink(values: Floats, errors: Floats, whole: Lift) -> tuple[Floats, Floats, float]:
    """Empirical Bayes: values pulled to the whole's by their errors and the spread between groups.

    The spread is estimated by the method of moments (DerSimonian and Laird 1986).

    Args:
        values: one per group, float64 [groups]; NaN counts as unknown and becomes the whole's.
        errors: their standard errors.
        whole: estimate over all groups.

    Returns:
        Shrunk values, their standard errors, and the variance between groups.
    """
    known = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    weight = np.where(known, 1.0 / np.maximum(errors, 1e-9) ** 2, 0.0)
    gap = np.where(known, values - whole.value, 0.0)
    total = weight.sum()
    spread = 0.0
    if known.sum() > 1:
        scale = total - (weight**2).sum() / total
        spread = max(0.0, float(((weight * gap**2).sum() - (known.sum() - 1)) / max(scale, 1e-12)))
    share = np.where(known, spread / (spread + np.where(known, errors, 1.0) ** 2), 0.0)
    error = np.sqrt(share * np.where(known, errors, 0.0) ** 2 + (1.0 - share) ** 2 * whole.error**2)
    return whole.value + share * gap, error, spread
