"""Calibration of distributions, and how the PIT reads them."""

import numpy as np
import pytest
from scipy.stats import nbinom

from onshelf_exporter.training.calibration import beta_calibration, distribution_at, randomised_pit
from onshelf_exporter.training.forest import at_most, count_support

SUPPORT = count_support(120.0)
LEVELS = np.arange(0.05, 1.0, 0.05)


def negative_binomials(n: int, seed: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Means and their distribution functions at the support, [n, counts]."""
    mean = np.exp(np.random.default_rng(seed).normal(1.0, 1.0, n))[:, None]
    return mean[:, 0], nbinom.cdf(SUPPORT[None, :], size, size / (size + mean))


def drawn(mean: np.ndarray, size: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).negative_binomial(size, size / (size + mean)).astype(float)


def calibrated(distribution: np.ndarray, curve: np.ndarray) -> np.ndarray:
    value = np.clip(distribution, 1e-12, 1 - 1e-12)
    odds = curve[0] * np.log(value) - curve[1] * np.log1p(-value) + curve[2]
    return 1 / (1 + np.exp(-odds))


def test_distribution_is_linear_between_counts_and_nothing_below_zero() -> None:
    value = distribution_at(
        np.array([[0.2, 0.5, 0.6]] * 6), np.array([0.0, 1.0, 5.0]), np.array([-1, 0, 1, 3, 5, 6.25])
    )
    assert np.allclose(value, [0.0, 0.2, 0.5, 0.55, 0.6, 0.8])
    assert distribution_at(np.array([[0.2, 0.6]]), np.array([0.0, 4.0]), np.array([100.0]))[0] == 1.0


def test_distribution_at_the_support_is_itself() -> None:
    _, levels = negative_binomials(SUPPORT.size, 1, 0.7)
    assert np.allclose(distribution_at(levels, SUPPORT, SUPPORT), np.diag(levels))


def test_pit_is_uniform_where_the_forecast_is_right_and_only_there() -> None:
    mean, levels = negative_binomials(6000, 2, 0.8)
    counts = drawn(mean, 0.8, 3)
    pit = randomised_pit(levels, SUPPORT, counts, seed=4)
    assert np.allclose(np.quantile(pit, LEVELS), LEVELS, atol=0.03)
    assert np.array_equal(pit, randomised_pit(levels, SUPPORT, counts, seed=4))
    _, narrow = negative_binomials(6000, 2, 8.0)
    wrong = randomised_pit(narrow, SUPPORT, counts, seed=4)
    assert np.abs(np.quantile(wrong, LEVELS) - LEVELS).max() > 0.1


def test_calibration_changes_nothing_that_is_right() -> None:
    mean, levels = negative_binomials(6000, 5, 0.8)
    targets = at_most(drawn(mean, 0.8, 6), SUPPORT)
    both = np.stack([levels, levels], axis=1)
    curves = beta_calibration(both, np.stack([targets, targets], axis=1), np.ones(6000))
    assert curves.shape == (2, 3)
    assert np.allclose(curves, [[1, 1, 0]] * 2, atol=0.08)


@pytest.mark.parametrize(("true", "claimed"), [(0.5, 6.0), (6.0, 0.5)])
def test_calibration_mends_what_is_too_narrow_or_too_wide(true: float, claimed: float) -> None:
    mean, levels = negative_binomials(6000, 7, claimed)
    counts = drawn(mean, true, 8)
    targets = at_most(counts, SUPPORT)
    curve = beta_calibration(np.stack([levels] * 2, axis=1), np.stack([targets] * 2, axis=1), np.ones(6000))[1]
    mended = calibrated(levels, curve)
    assert np.all(np.diff(mended, axis=1) >= 0)

    def off(distribution: np.ndarray) -> float:
        pit = randomised_pit(distribution, SUPPORT, counts, seed=9)
        return float(np.abs(np.quantile(pit, LEVELS) - LEVELS).max())

    assert off(mended) < 0.5 * off(levels)


def test_each_horizon_has_its_own_curve_and_weights_count() -> None:
    mean, levels = negative_binomials(4000, 10, 0.8)
    right = at_most(drawn(mean, 0.8, 11), SUPPORT)
    low = at_most(drawn(3 * mean, 0.8, 12), SUPPORT)
    both = np.stack([levels] * 2, axis=1)
    curves = beta_calibration(both, np.stack([right, low], axis=1), np.ones(4000))
    assert calibrated(np.array([0.5]), curves[1])[0] < calibrated(np.array([0.5]), curves[0])[0] - 0.1
    mixed = np.where((np.arange(4000) < 2000)[:, None], right, low)
    first = beta_calibration(both, np.stack([mixed] * 2, axis=1), np.where(np.arange(4000) < 2000, 1.0, 1e-6))
    assert np.allclose(calibrated(LEVELS, first[0]), LEVELS, atol=0.05)


def test_few_launches_hardly_change_anything() -> None:
    _, levels = negative_binomials(3, 13, 0.8)
    targets = at_most(np.array([50.0, 60.0, 70.0]), SUPPORT)
    curve = beta_calibration(np.stack([levels] * 2, axis=1), np.stack([targets] * 2, axis=1), np.ones(3))[0]
    assert np.allclose(curve, [1, 1, 0], atol=0.5)
