"""Data with few launches, or few buyers, are measured where that means something and refused where it does not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from onshelf_exporter.evaluation.splits import Split, split_from
from onshelf_exporter.process.errors import SettingError
from onshelf_research.evaluate import check_enough
from onshelf_research.evaluation.recommend import ColdTask
from onshelf_research.evaluation.tables import launch_clusters


@pytest.mark.parametrize(
    ("buyers", "told"),
    [
        ([0, 1, 3, 4], [False, False, True, False]),  # bought by nobody, by too few, by enough, by everybody
        ([0, 1, 2, 4], [False, True, True, False]),  # none has enough: what there is
    ],
)
def test_audiences_are_measured_on_launches_that_tell_users_apart(data, buyers, told):
    bought = np.arange(4)[None, :] < np.array(buyers)[:, None]
    rows = data.launches.take(np.arange(4))
    task = ColdTask(cut=1, rows=rows, history=sparse.csr_array((4, 1)), users=np.arange(4), bought=bought)
    assert task.told.tolist() == told


def test_data_on_which_nothing_can_be_measured_are_refused(data):
    split = Split(name="validation", train=(9, 27), evaluate=(28, 32), cut=27, warm_cut=34)
    check_enough(data, split)
    with pytest.raises(SettingError, match=r"0 launches of weeks 200-204 to learn from; the validation split needs 5"):
        check_enough(data, replace(split, train=(200, 204), cut=300))
    with pytest.raises(SettingError, match=r"none of the 0 launches of weeks 900-904 sold anything"):
        check_enough(data, replace(split, evaluate=(900, 904)))


def test_launches_without_brand_or_type_are_resampled_one_by_one(data):
    rows = data.launches.take(np.arange(6))
    frame = rows.frame.assign(
        brand=["a", "a", None, "", "b", "b"],
        type=["x", "x", "", "", "", ""],
        category=["c", "c", "c", "c", "", ""],
        department=["d", "d", "d", "d", "d", ""],
    )
    brand, kind = launch_clusters(replace(rows, frame=frame))
    assert len(set(brand)) == 4
    assert brand[0] == brand[1]
    assert kind[2] == kind[3]
    assert len(set(kind)) == 4  # type x, category c, department d, and one of which nothing is known


def test_refusals_say_which_weeks_can_be_measured(data):
    split = Split(name="validation", train=(9, 27), evaluate=(28, 32), cut=27, warm_cut=34)
    first = int(np.sort(data.launches.week)[4]) + 8
    last = int(data.launches.week.max())
    with pytest.raises(SettingError, match=rf"these data can be measured with --weeks {first} {last}$"):
        check_enough(data, replace(split, evaluate=(900, 904)))
    few = replace(data, launches=data.launches.take(np.arange(4)))
    with pytest.raises(SettingError, match=r"needed are 5 launches with their 8 weeks of outcome.*the data have 4"):
        check_enough(few, split)


def test_weeks_may_be_chosen():
    info = {"dataset": "short", "first_week": 1, "last_week": 30, "launch_burn_in_weeks": 6}
    split = split_from(20, 22, info)
    assert (split.evaluate, split.cut, split.purged_train) == ((20, 22), 19, (7, 12))
    for first, last in ((7, 22), (21, 20), (20, 24)):
        with pytest.raises(SettingError, match=r"within 8 23"):
            split_from(first, last, info)
