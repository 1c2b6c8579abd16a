"""What the decided action adds to recommendations of launches, and how that is compared."""

from typing import ClassVar

import numpy as np
import pytest

from onshelf_release.candidates import ENTERED_BY_SALE
from onshelf_research.evaluation import decided, recommend
from onshelf_research.evaluation.release import MeasuredRelease, find_release


@pytest.fixture(scope="module")
def release(published) -> MeasuredRelease:
    return find_release(published / "releases", published / "repository", 28, "invented")


@pytest.fixture
def task(data):
    return recommend.cold_task(data, data.launched((28, 32)), 27)


def test_the_lift_is_what_the_graph_promises_beyond_the_same_launch_without_promotion(release, data):
    rows = data.launched((28, 32))
    found = decided.lifts(release, data, rows)
    plain = 1 + rows.numbers("price")  # see `invented_shop.graphs`: the front display alone adds to it
    assert np.allclose(found, np.log((plain + 10 * rows.coverage[:, 0]) / plain), atol=1e-5)
    assert (found > 0).any()
    assert (found == 0).any()


class Listening(MeasuredRelease):
    """A model release that keeps what launch_outcome was asked."""

    asked: ClassVar[list[np.ndarray]] = []

    def outcomes(self, encoded, candidates):
        self.asked.append(candidates.copy())
        return super().outcomes(encoded, candidates)


def test_that_a_launch_entered_by_a_sale_is_not_told(release, data):
    rows = data.launched((28, 32))
    assert rows.numbers("entered_by_sale").any()
    listening = Listening(folder=release.folder, repository=release.repository, manifest=release.manifest)
    decided.lifts(listening, data, rows)
    assert len(listening.asked) == 2
    assert not any(candidates[..., ENTERED_BY_SALE].any() for candidates in listening.asked)


def test_a_lift_that_knows_who_sells_helps_and_one_that_knows_nothing_changes_nothing(data, task):
    flat = np.zeros(task.bought.shape)
    buyers = task.bought.sum(axis=1).astype(np.float64)
    helped = {(r.launches, r.column): r for r in decided.compare(data, task, flat, np.log1p(buyers), 1.0, 50)}
    assert {name for name, _ in helped} >= {"all"}
    assert helped["all", "rec_n10"].difference.value > 0
    assert helped["all", "rec_n10"].count == len(task.rows)
    for row in decided.compare(data, task, flat, np.zeros(len(buyers)), 1.0, 50):
        assert (row.difference.value, row.difference.low, row.difference.high) == (0, 0, 0)
        assert row.decided.value == row.today
