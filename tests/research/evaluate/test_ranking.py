"""Ranking metrics and the bootstrap on cases computed by hand."""

import math

import numpy as np
import pytest
from scipy import sparse

from onshelf_exporter.evaluation import bootstrap
from onshelf_research.evaluation import ranking


def test_recall_and_ndcg_of_lists():
    lists = np.array([[3, 0, 1], [2, 4, -1], [0, 1, 2]])
    relevant = np.zeros((3, 5))
    relevant[0, [0, 1, 2, 4]] = 1
    relevant[1, 4] = 1
    hits = ranking.list_hits(lists, sparse.csr_array(relevant))
    assert hits.tolist() == [[False, True, True], [False, True, False], [False, False, False]]
    positives = np.array([4, 1, 0])
    recall = ranking.recall_at(hits, positives, 3)
    assert recall[:2].tolist() == pytest.approx([2 / 3, 1.0])
    assert np.isnan(recall[2])
    gains = [1 / math.log2(2), 1 / math.log2(3), 1 / math.log2(4)]
    ndcg = ranking.ndcg_at(hits, positives, 3)
    assert ndcg[:2].tolist() == pytest.approx([(gains[1] + gains[2]) / sum(gains), gains[1] / gains[0]])
    assert np.isnan(ndcg[2])


def test_audience_of_two_launches():
    scores = np.array([[0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4]])
    bought = np.array([[True, False, True, False], [True, False, False, False]])
    measured = ranking.audience(scores, bought, best=2, share=0.25)
    assert measured.auc.tolist() == pytest.approx([3 / 4, 0.0])
    assert measured.average_precision.tolist() == pytest.approx([(1 + 2 / 3) / 2, 1 / 4])
    assert measured.recall_100.tolist() == pytest.approx([0.5, 0.0])
    assert measured.lift_10.tolist() == pytest.approx([0.5 / 0.25, 0.0])


def test_auc_counts_ties_as_half():
    measured = ranking.audience(np.zeros((1, 4)), np.array([[True, False, False, False]]))
    assert measured.auc[0] == 0.5


def test_launch_without_buyers_is_refused():
    with pytest.raises(ValueError, match="at least one buyer"):
        ranking.audience(np.zeros((1, 3)), np.zeros((1, 3), dtype=bool))


def test_top_items_are_best_first_and_leave_out_the_excluded():
    scores = np.array([[0.1, 0.9, 0.5, -np.inf], [-np.inf, -np.inf, -np.inf, 2.0]])
    assert ranking.top_items(scores, 3).tolist() == [[1, 2, 0], [3, -1, -1]]


def test_cluster_weights_move_a_cluster_together():
    makers, types = np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1])
    weights = bootstrap.cluster_weights([makers, types], 300, seed=4)
    assert np.array_equal(weights[:, 0], weights[:, 1])
    assert (weights[:, 2] != weights[:, 3]).any()
    assert (weights.sum(axis=1) > 0).all()
    assert np.array_equal(weights, bootstrap.cluster_weights([makers, types], 300, seed=4))


def test_intervals_and_weighted_means():
    band = bootstrap.interval(5.0, np.arange(101.0))
    assert (band.value, band.low, band.high) == pytest.approx((5.0, 2.5, 97.5))
    values, weights = np.array([1.0, np.nan, 4.0]), np.array([[1.0, 5.0, 1.0], [3.0, 0.0, 0.0]])
    assert bootstrap.weighted_means(values, weights).tolist() == [2.5, 1.0]

    def undefined(weight: np.ndarray) -> float:
        raise ValueError("nothing sold")

    assert np.isnan(bootstrap.resampled(undefined, weights)).all()
