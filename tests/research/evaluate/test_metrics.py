"""Every metric of a demand forecast on cases computed by hand."""

import math

import numpy as np
import pytest

from onshelf_exporter.evaluation import metrics

ACTUAL = np.array([0.0, 2.0, 8.0, 10.0])
FORECAST = np.array([1.0, 2.0, 4.0, 5.0])


def test_wape_and_bias():
    assert metrics.wape(ACTUAL, FORECAST) == pytest.approx((1 + 0 + 4 + 5) / 20)
    assert metrics.bias(ACTUAL, FORECAST) == pytest.approx(12 / 20)


def test_weights_repeat_rows():
    weight = np.array([1.0, 0.0, 2.0, 1.0])
    repeated, forecast = ACTUAL[[0, 2, 2, 3]], FORECAST[[0, 2, 2, 3]]
    for metric in (metrics.wape, metrics.bias, metrics.poisson_deviance, metrics.spearman):
        assert metric(ACTUAL, FORECAST, weight) == pytest.approx(metric(repeated, forecast)), metric.__name__
    assert metrics.pinball(ACTUAL, FORECAST, 0.9, weight) == pytest.approx(metrics.pinball(repeated, forecast, 0.9))
    capture = metrics.top_capture(ACTUAL, FORECAST, weight, share=0.25)
    assert capture == pytest.approx(metrics.top_capture(repeated, forecast, share=0.25))


def test_nothing_sold_has_no_wape():
    with pytest.raises(ValueError, match="no units were sold"):
        metrics.wape(np.zeros(3), np.ones(3))


def test_poisson_deviance():
    terms = [2 * 1.0, 0.0, 2 * (8 * math.log(2) - 4), 2 * (10 * math.log(2) - 5)]
    assert metrics.poisson_deviance(ACTUAL, FORECAST) == pytest.approx(sum(terms) / 4)
    floored = 2 * (3 * math.log(3 / metrics.MEAN_FLOOR) - (3 - metrics.MEAN_FLOOR))
    assert metrics.poisson_deviance(np.array([3.0]), np.array([0.0])) == pytest.approx(floored)


def test_spearman_with_ties_equals_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 5, 200).astype(float), rng.integers(0, 9, 200).astype(float)
    assert metrics.spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert metrics.spearman(np.arange(4.0), np.array([1.0, 2.0, 3.0, 9.0])) == pytest.approx(1.0)
    assert metrics.spearman(np.arange(4.0), -np.arange(4.0)) == pytest.approx(-1.0)
    assert metrics.spearman(np.arange(4.0), np.ones(4)) == 0.0


def test_top_capture():
    actual = np.array([5.0, 1.0, 2.0, 0.0, 2.0])
    assert metrics.top_capture(actual, np.array([9.0, 1, 1, 1, 1]), share=0.2) == pytest.approx(0.5)
    # the best fifth is one of two equal forecasts: half of (1 + 2) units expected
    assert metrics.top_capture(actual, np.array([0.0, 7, 7, 1, 1]), share=0.2) == pytest.approx(1.5 / 10)
    assert metrics.top_capture(actual, np.ones(5), share=0.2) == pytest.approx(0.2)


def test_pinball_and_newsvendor():
    assert metrics.pinball(np.array([10.0]), np.array([4.0]), 0.9) == pytest.approx(5.4)
    assert metrics.pinball(np.array([4.0]), np.array([10.0]), 0.9) == pytest.approx(0.6)
    assert metrics.newsvendor_loss(np.array([10.0, 4.0]), np.array([4.0, 10.0]), 0.9) == pytest.approx(3.0)
    y = np.array([2.0])
    three = metrics.mean_pinball(y, np.array([1.0]), np.array([3.0]), np.array([6.0]))
    assert three == pytest.approx((0.1 * 1 + 0.5 * 1 + 0.1 * 4) / 3)


def test_randomised_pit_is_uniform_for_the_true_distribution_only():
    from scipy.stats import poisson

    counts = np.random.default_rng(0).poisson(1.5, 4000).astype(float)
    right = metrics.randomised_pit(poisson.cdf(counts - 1, 1.5), poisson.cdf(counts, 1.5), seed=1)
    wrong = metrics.randomised_pit(poisson.cdf(counts - 1, 3.0), poisson.cdf(counts, 3.0), seed=1)
    assert metrics.pit_uniformity(right) > 0.01
    assert metrics.pit_uniformity(wrong) < 1e-6
    assert metrics.pit_coverage(right) == pytest.approx(0.8, abs=0.02)
    again = metrics.randomised_pit(poisson.cdf(counts - 1, 1.5), poisson.cdf(counts, 1.5), seed=1)
    assert np.array_equal(right, again)


def test_pit_of_a_sure_count_is_the_drawn_number():
    pit = metrics.randomised_pit(np.array([0.0]), np.array([1.0]), seed=5)
    assert pit[0] == np.random.default_rng(5).random(1)[0]
    assert metrics.pit_coverage(np.array([0.05, 0.1, 0.5, 0.95])) == pytest.approx(0.5)


def test_impossible_distribution_is_refused():
    with pytest.raises(ValueError, match="P"):
        metrics.randomised_pit(np.array([0.6]), np.array([0.5]), seed=0)


def test_binomial_log_loss():
    happened, trials, chance = np.array([1.0, 0.0]), np.array([2.0, 1.0]), np.array([0.8, 0.4])
    expected = -(math.log(0.8) + math.log(0.2) + math.log(0.6)) / 3
    assert metrics.binomial_log_loss(happened, trials, chance) == pytest.approx(expected)
    assert math.isfinite(metrics.binomial_log_loss(np.array([1.0]), np.array([1.0]), np.array([0.0])))
    with pytest.raises(ValueError, match="binomial_log_loss"):
        metrics.binomial_log_loss(np.zeros(1), np.zeros(1), chance[:1])


def test_binomial_auc():
    happened, trials = np.array([2.0, 0.0, 1.0]), np.array([2.0, 3.0, 2.0])
    # the pairs (happened, did not): (.9, .2) x 6, (.9, .5) x 2, (.5, .2) x 3 are in order, (.5, .5) x 1 is a tie
    auc = metrics.binomial_auc(happened, trials, np.array([0.9, 0.2, 0.5]))
    assert auc == pytest.approx((6 + 2 + 3 + 0.5) / 12)
    assert metrics.binomial_auc(happened, trials, np.full(3, 0.4)) == 0.5
    with pytest.raises(ValueError, match="binomial_auc"):
        metrics.binomial_auc(trials, trials, np.full(3, 0.4))
