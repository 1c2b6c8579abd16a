"""Reasons on a small model release of the real data, as it is served."""

import numpy as np
import pytest
from small_release import SmallRelease

from onshelf_research.data import dataset
from onshelf_research.evaluation import explanations, recommend
from onshelf_research.evaluation.release import MeasuredRelease, find_release


@pytest.fixture(scope="module")
def release(small_release: SmallRelease) -> MeasuredRelease:
    return find_release(small_release.releases, small_release.repository, 28, "complete_journey", 1)


@pytest.mark.parametrize("new", [False, True])
def test_without_the_named_reasons_scores_fall_by_more_than_without_others(release: MeasuredRelease, new: bool) -> None:
    found = explanations.deletion_test(release, users=30, new=new, seed=3)
    assert len(found.named) > 50
    assert found.named.mean() > found.others.mean() + 0.05
    assert found.share > 0.6


def test_users_of_an_audience_score_lower_without_what_is_named(release: MeasuredRelease, complete_journey) -> None:
    found = explanations.audience_deletion_test(release, dataset.load(complete_journey), seed=3)
    assert len(found.named) > 100
    assert found.named.mean() > found.others.mean() + 0.05
    assert found.share > 0.55  # of several hundred pairs: two standard errors above chance


def test_room_for_new_products_costs_relevance(release: MeasuredRelease, complete_journey) -> None:
    data = dataset.load(complete_journey)
    task = recommend.first_users(recommend.warm_task(data, release.cut_week), 48)
    costs = explanations.share_costs(release, data, task)
    assert list(costs) == list(explanations.SHARES)
    gains = [costs[share]["all_n10"] for share in explanations.SHARES]
    assert gains[0] > gains[2] > 0
    assert np.argmax(gains) == 0
