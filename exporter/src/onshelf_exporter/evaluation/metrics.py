"""Metrics of a demand forecast. Each takes optional weights, one per launch, so that a bootstrap can reweight it.

All arrays are float64 [n], one entry per launch, units of the launch's horizon. No weights means weight 1 each.

Calibration by the randomised probability integral transform: Czado, Gneiting and Held (2009), Predictive model
assessment for count data. Stock loss: the newsvendor problem, whose loss at a critical fractile is the pinball loss
at that level (Koenker and Bassett 1978, Regression quantiles).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

MEAN_FLOOR = 0.05  # units; a mean of 0 for a launch that sold would be an infinite deviance


def wape(actual: Floats, forecast: Floats, weight: Floats | None = None) -> float:
    """Weighted absolute percentage error: sum |y - forecast| / sum y.

    Raises:
        ValueError: nothing was sold at all, so that the ratio has no meaning.
    """
    w = _weights(actual, weight)
    return _ratio(float(w @ np.abs(actual - forecast)), float(w @ actual), "wape")


def bias(actual: Floats, forecast: Floats, weight: Floats | None = None) -> float:
    """Sum of forecasts / sum y: 1 is unbiased.

    Raises:
        ValueError: nothing was sold at all.
    """
    w = _weights(actual, weight)
    return _ratio(float(w @ forecast), float(w @ actual), "bias")


def poisson_deviance(actual: Floats, mean: Floats, weight: Floats | None = None) -> float:
    """2 mean(y log(y / mean) - (y - mean)); means below MEAN_FLOOR count as MEAN_FLOOR."""
    w = _weights(actual, weight)
    forecast = np.maximum(mean, MEAN_FLOOR)
    log = np.log(np.where(actual > 0, actual, 1.0) / forecast)
    terms = 2.0 * (np.where(actual > 0, actual * log, 0.0) - (actual - forecast))
    return float(w @ terms / w.sum())


def spearman(actual: Floats, forecast: Floats, weight: Floats | None = None) -> float:
    """Rank correlation with mid-ranks for ties; 0 where one side is constant."""
    w = _weights(actual, weight)
    a, b = _weighted_ranks(actual, w), _weighted_ranks(forecast, w)
    total = w.sum()
    a, b = a - w @ a / total, b - w @ b / total
    spread = float(np.sqrt((w @ a**2) * (w @ b**2)))
    return float(w @ (a * b)) / spread if spread > 0 else 0.0


def top_capture(actual: Floats, forecast: Floats, weight: Floats | None = None, share: float = 0.1) -> float:
    """Share of all units sold by the `share` of launches forecast highest.

    Equal forecasts share their places: the value is the expectation over all orders of a tie, so a constant forecast
    captures `share`.
    """
    w = _weights(actual, weight)
    _, group = np.unique(-forecast, return_inverse=True)
    mass = np.bincount(group, weights=w)
    sold = np.bincount(group, weights=w * actual)
    before = np.cumsum(mass) - mass
    taken = np.clip(w.sum() * share - before, 0.0, mass)
    part = np.divide(taken, mass, out=np.zeros_like(mass), where=mass > 0)
    return _ratio(float(part @ sold), float(sold.sum()), "top_capture")


def pinball(actual: Floats, quantile: Floats, level: float, weight: Floats | None = None) -> float:
    """Mean quantile loss at `level`: level (y - q) above the quantile, (1 - level) (q - y) below it."""
    w = _weights(actual, weight)
    gap = actual - quantile
    return float(w @ np.maximum(level * gap, (level - 1.0) * gap) / w.sum())


def mean_pinball(actual: Floats, p10: Floats, p50: Floats, p90: Floats, weight: Floats | None = None) -> float:
    """Pinball loss averaged over the levels .1, .5 and .9."""
    losses = [pinball(actual, q, level, weight) for q, level in ((p10, 0.1), (p50, 0.5), (p90, 0.9))]
    return float(np.mean(losses))


def newsvendor_loss(actual: Floats, stock: Floats, fractile: float, weight: Floats | None = None) -> float:
    """Loss per launch of `stock` units where a unit short costs `fractile` and a unit over costs 1 - `fractile`."""
    return pinball(actual, stock, fractile, weight)


def randomised_pit(below: Floats, upto: Floats, seed: int) -> Floats:
    """P(Y < y) + v P(Y = y) with v uniform from a fixed seed: uniform where the forecast distribution is right.

    Args:
        below: P(Y < y) at the observed y.
        upto: P(Y <= y) at the observed y.
        seed: of v.

    Raises:
        ValueError: some P(Y <= y) lies below P(Y < y), or outside [0, 1].
    """
    if np.any(upto < below) or np.any(below < 0) or np.any(upto > 1):
        raise ValueError("randomised_pit: needs 0 <= P(Y < y) <= P(Y <= y) <= 1")
    return below + np.random.default_rng(seed).random(len(below)) * (upto - below)


def pit_coverage(pit: Floats, low: float = 0.1, high: float = 0.9) -> float:
    """Share of the randomised PIT within [low, high]."""
    return float(np.mean((pit >= low) & (pit <= high)))


def pit_uniformity(pit: Floats) -> float:
    """p-value of the two-sided Kolmogorov-Smirnov test of the PIT against the uniform distribution."""
    return float(stats.kstest(pit, "uniform").pvalue)


def binomial_log_loss(happened: Floats, trials: Floats, probability: Floats) -> float:
    """Negative log likelihood per trial; probabilities are kept within [1e-6, 1 - 1e-6].

    Args:
        happened: number of trials in which it happened.
        trials: number of trials.
        probability: of one trial.

    Raises:
        ValueError: there was no trial at all.
    """
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    loss = -(happened * np.log(p) + (trials - happened) * np.log(1 - p))
    return _ratio(float(loss.sum()), float(trials.sum()), "binomial_log_loss")


def binomial_auc(happened: Floats, trials: Floats, probability: Floats) -> float:
    """Chance that a trial in which it happened had the higher probability than one in which it did not; ties half.

    Args:
        happened: number of trials in which it happened.
        trials: number of trials.
        probability: of one trial.

    Raises:
        ValueError: it happened in every trial, or in none.
    """
    failed = trials - happened
    pairs = float(happened.sum()) * float(failed.sum())
    if pairs <= 0:
        raise ValueError("binomial_auc: needs trials in which it happened and trials in which it did not")
    _, group = np.unique(probability, return_inverse=True)
    lost = np.bincount(group, weights=failed)
    won = np.bincount(group, weights=happened)
    return float(won @ (np.cumsum(lost) - lost / 2)) / pairs


def _weights(actual: Floats, weight: Floats | None) -> Floats:
    return np.ones(len(actual)) if weight is None else weight


def _ratio(part: float, whole: float, name: str) -> float:
    if whole <= 0:
        raise ValueError(f"{name}: no units were sold by any of these launches (the ratio's denominator is {whole})")
    return part / whole


def _weighted_ranks(values: Floats, weight: Floats) -> Floats:
    _, group = np.unique(values, return_inverse=True)
    mass = np.bincount(group, weights=weight)
    ranks: Floats = (np.cumsum(mass) - mass / 2)[group]
    return ranks
