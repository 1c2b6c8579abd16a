"""The forest in tensors is scikit-learn's, and what its leaves are made of."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesRegressor

from onshelf_exporter.models.launch_outcome import BUYER_ROWS, leaf_width
from onshelf_exporter.training.forest import (
    ForestFit,
    at_most,
    bin_values,
    count_support,
    fit_forest,
    output_weights,
    to_torch,
)
from onshelf_release.signatures import UNITS_SUPPORT

ROWS, COLUMNS = 300, 7
Floats = np.ndarray


@pytest.fixture(scope="module")
def rows() -> tuple[Floats, Floats, Floats]:
    random = np.random.default_rng(3)
    features = random.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    features[:, 3] = np.round(features[:, 3])  # many rows on one value, so that thresholds lie between equal ones
    units = random.poisson(np.exp(features[:, 0]) * 3).astype(float)
    targets = np.concatenate(
        [at_most(units, count_support(60.0)), random.random((ROWS, leaf_width() - UNITS_SUPPORT))], axis=1
    )
    return features, targets, random.random(ROWS) + 0.1


@pytest.fixture(scope="module")
def fitted(rows: tuple[Floats, Floats, Floats]) -> tuple[ForestFit, ExtraTreesRegressor, Floats]:
    features, targets, weight = rows
    scale = output_weights(count_support(60.0))
    fit = fit_forest(features, targets, count_support(60.0), 80, 5, 0.5, 11, 1, weight)
    sklearn = ExtraTreesRegressor(
        n_estimators=80, min_samples_leaf=5, max_features=0.5, bootstrap=True, oob_score=True, random_state=11
    )
    return fit, sklearn.fit(features, targets * scale, sample_weight=weight), scale


def test_the_forest_is_scikit_learn_s(fitted: tuple[ForestFit, ExtraTreesRegressor, Floats]) -> None:
    fit, sklearn, scale = fitted
    other = np.random.default_rng(4).normal(size=(500, COLUMNS)).astype(np.float32) * 1.5
    other[:, 3] = np.round(other[:, 3])
    found = fit.forest(torch.from_numpy(other)).numpy()
    assert np.allclose(found, sklearn.predict(other) / scale, atol=1e-5)
    assert found[:, :UNITS_SUPPORT].std(axis=0).max() > 0.1


def test_a_row_on_a_threshold_goes_where_scikit_learn_sends_it(
    fitted: tuple[ForestFit, ExtraTreesRegressor, Floats],
) -> None:
    """Thresholds are float64, features float32: rows at the two float32 beside each threshold."""
    _, sklearn, scale = fitted
    places = [
        (tree.feature[i], tree.threshold[i])
        for tree in (e.tree_ for e in sklearn.estimators_)
        for i in (0, 1)
        if i < tree.node_count
    ]
    edge = np.zeros((2 * len(places), COLUMNS), dtype=np.float32)
    for n, (column, threshold) in enumerate(places):
        near = np.float32(threshold)
        edge[2 * n : 2 * n + 2, column] = (near, np.nextafter(near, np.float32(np.inf)))
    wanted = np.stack([e.tree_.apply(edge) for e in sklearn.estimators_], axis=1)
    forest = to_torch(sklearn, scale)
    leaves = forest.leaves(torch.from_numpy(edge)).numpy()
    ends = [np.flatnonzero(e.tree_.children_left < 0) for e in sklearn.estimators_]
    start = np.cumsum([0, *map(len, ends)])
    numbers = np.stack([np.searchsorted(end, wanted[:, i]) + start[i] for i, end in enumerate(ends)], axis=1)
    assert np.array_equal(leaves, numbers)


def test_out_of_bag_is_scikit_learn_s_where_a_tree_has_not_seen_the_row(
    fitted: tuple[ForestFit, ExtraTreesRegressor, Floats],
) -> None:
    fit, sklearn, scale = fitted
    never = np.all([np.isin(np.arange(ROWS), inside) for inside in sklearn.estimators_samples_], axis=0)
    assert not never.all()
    assert np.allclose(fit.out_of_bag[~never], (sklearn.oob_prediction_ / scale)[~never], atol=1e-5)


def test_a_row_that_every_tree_has_seen_has_the_mean(rows: tuple[Floats, Floats, Floats]) -> None:
    features, targets, _ = rows
    fit = fit_forest(features[:8], targets[:8], count_support(60.0), 1, 25, 0.5, 1, 1)
    sampled = ExtraTreesRegressor(n_estimators=1, bootstrap=True, random_state=1).fit(features[:8], targets[:8])
    inside = np.isin(np.arange(8), sampled.estimators_samples_[0])
    assert np.allclose(fit.out_of_bag[inside], targets[:8].mean(axis=0))


def test_rows_may_all_be_alike() -> None:
    same = np.zeros((4, 3), dtype=np.float32)
    fit = fit_forest(same, np.ones((4, leaf_width())), count_support(1.0), 2, 25, 0.4, 1, 1)
    assert np.allclose(fit.forest(torch.from_numpy(same)).numpy(), 1.0)
    assert fit.forest.depth == 0


@pytest.mark.parametrize("highest", [0.0, 3.0, 72.0, 90.0, 411.0, 25_000.0, 3e6])
def test_the_support_rises_in_whole_counts_beyond_every_outcome(highest: float) -> None:
    support = count_support(highest)
    assert len(support) == UNITS_SUPPORT
    assert np.array_equal(support[:9], np.arange(9))
    assert np.all(np.diff(support) >= 1)
    assert np.array_equal(support, np.round(support))
    assert support[-1] >= max(highest, 90.0)
    assert float(support[-1]) == float(np.float32(support[-1]))  # the graph holds it in single precision
    assert set(BUYER_ROWS) <= set(range(UNITS_SUPPORT))


def test_bins_have_the_mean_of_what_was_seen_there_as_far_as_there_is_any() -> None:
    support = count_support(100.0)
    nothing = bin_values(support, np.zeros(0))
    assert np.array_equal(nothing[:9], np.arange(9))
    assert np.all(np.diff(nothing) > 0)
    low, high = support[14] + 1, support[15]
    assert nothing[15] == (low + high) / 2
    assert nothing[-1] > support[-1]
    much = bin_values(support, np.full(10_000, low))
    assert low < much[15] < low + 0.05
    assert np.array_equal(np.delete(much, 15), np.delete(nothing, 15))


def test_indicators_are_those_of_the_outcome_and_unknown_where_it_is() -> None:
    found = at_most(np.array([0.0, 2.0, np.nan]), np.array([0.0, 1.0, 2.0, 3.0]))
    assert found[:2].tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]
    assert np.isnan(found[2]).all()
