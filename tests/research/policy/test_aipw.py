"""Doubly robust effects find a known effect that a naive comparison misses; shrinking follows the evidence."""

import numpy as np
import pytest

from onshelf_research.policy.aipw import Lift, cross_fit, lift, shrink


def confounded(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Good products (x high) are promoted more and sell more anyway; promotion itself sells 30 % more."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    treated = (rng.random(n) < 1 / (1 + np.exp(-1.2 * x[:, 0]))).astype(np.int64)
    units = rng.poisson(np.exp(1.0 + 0.6 * x[:, 0]) * np.where(treated, 1.3, 1.0)).astype(np.float64)
    return x, treated, units


def test_doubly_robust_lift_is_near_the_truth_and_naive_is_not() -> None:
    x, treated, units = confounded()
    group = np.arange(len(x))
    naive = units[treated == 1].mean() / units[treated == 0].mean() - 1
    scores = cross_fit(x, treated, units, group).score
    found = lift(scores[:, 1], scores[:, 0], group)
    assert naive > 0.7
    assert abs(found.value - 0.3) < 0.12
    assert found.bounds[0] < 0.3 < found.bounds[1]


def test_a_row_is_scored_by_models_that_have_not_seen_its_group() -> None:
    x, treated, units = confounded(400)
    group = np.arange(400) // 2
    before = cross_fit(x, treated, units, group)
    changed = units.copy()
    changed[:2] = 500.0
    after = cross_fit(x, treated, changed, group)
    np.testing.assert_array_equal(before.expected[:2], after.expected[:2])
    assert not np.array_equal(before.expected, after.expected)


def test_an_action_that_nobody_took_has_the_least_propensity() -> None:
    x, treated, units = confounded(400)
    scores = cross_fit(x, np.where(treated == 1, 2, 0), units, np.arange(400))
    assert scores.propensity.shape == (400, 3)
    np.testing.assert_allclose(scores.propensity.sum(axis=1), 1.0)
    assert scores.propensity[:, 1].max() < 0.05


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_groups_are_shrunk_as_far_as_their_spread_is_noise(spread: float) -> None:
    rng = np.random.default_rng(1)
    truth = 0.2 + spread * rng.normal(size=200)
    errors = np.full(200, 0.2)
    noisy = truth + errors * rng.normal(size=200)
    shrunk, error, variance = shrink(noisy, errors, Lift(0.2, 0.02))
    assert abs(variance - spread**2) < 0.1
    assert np.mean((shrunk - truth) ** 2) < np.mean((noisy - truth) ** 2)
    assert error.max() < 0.21


def test_unknown_groups_get_the_whole_and_its_error() -> None:
    shrunk, error, _ = shrink(np.array([np.nan, 0.9, 0.1]), np.array([np.nan, 0.1, 0.1]), Lift(0.5, 0.03))
    assert shrunk[0] == 0.5
    assert error[0] == pytest.approx(0.03)


def test_a_control_without_sales_has_no_lift() -> None:
    assert np.isnan(lift(np.ones(5), np.zeros(5), np.arange(5)).value)
