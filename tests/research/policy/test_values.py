"""Off-policy estimates: by hand on four launches, and near the truth where the propensities are known."""

import numpy as np
import pytest

from onshelf_research.policy.aipw import Scores, doubly_robust
from onshelf_research.policy.values import estimate


def test_estimates_by_hand() -> None:
    action = np.array([0, 1, 0, 1])
    reward = np.array([2.0, 6.0, 4.0, 0.0])
    propensity = np.array([[0.5, 0.5], [0.75, 0.25], [0.5, 0.5], [0.5, 0.5]])
    expected = np.array([[1.0, 3.0]] * 4)
    scores = Scores(doubly_robust(action, reward, expected, propensity), expected, propensity)
    always_one = np.repeat([[0.0, 1.0]], 4, axis=0)
    found = estimate(always_one, action, reward, scores)
    assert found.snips == pytest.approx((4 * 6 + 2 * 0) / 6)
    assert found.dr == pytest.approx(3 + (4 * 3 + 2 * -3) / 4)
    assert found.sndr == pytest.approx(3 + (4 * 3 + 2 * -3) / 6)
    assert found.ess == pytest.approx(36 / 20)
    assert found.dr == pytest.approx(scores.score[:, 1].mean())


def test_a_policy_that_nobody_followed_has_no_weighted_estimate() -> None:
    action, reward = np.zeros(3, dtype=np.int64), np.ones(3)
    scores = Scores(np.ones((3, 2)), np.full((3, 2), 2.0), np.full((3, 2), 0.5))
    found = estimate(np.repeat([[0.0, 1.0]], 3, axis=0), action, reward, scores)
    assert found.ess == 0
    assert np.isnan(found.snips)
    assert np.isnan(found.sndr)


def test_doubly_robust_estimates_forgive_a_wrong_outcome_model() -> None:
    rng = np.random.default_rng(0)
    n = 20000
    x = rng.random(n)
    propensity = np.stack([1 - 0.2 - 0.6 * x, 0.2 + 0.6 * x], axis=1)
    action = (rng.random(n) < propensity[:, 1]).astype(np.int64)
    reward = 5 * x + 2 * action + rng.normal(size=n)
    wrong = np.full((n, 2), 1.0)
    scores = Scores(doubly_robust(action, reward, wrong, propensity), wrong, propensity)
    always = np.repeat([[0.0, 1.0]], n, axis=0)
    found = estimate(always, action, reward, scores)
    assert reward[action == 1].mean() > 5.0
    for value in (found.snips, found.dr, found.sndr):
        assert abs(value - 4.5) < 0.1
