"""Prepared data as arrays, and the splits by time."""

import dataclasses

import numpy as np
import pytest

from onshelf_exporter.evaluation import splits
from onshelf_exporter.process.errors import SettingError, SourceError
from onshelf_research.data import dataset


def test_splits_of_the_default_data():
    info = {"dataset": "complete_journey", "first_week": 1, "last_week": 53, "launch_burn_in_weeks": 8}
    validation, test = splits.split_of("validation", info), splits.split_of("test", info)
    assert (validation.train, validation.evaluate, validation.cut) == ((9, 27), (28, 32), 27)
    assert (validation.purged_train, validation.is_purged, validation.warm_cut) == ((9, 20), False, 34)
    assert (test.train, test.evaluate, test.cut, test.warm_cut) == ((9, 32), (40, 46), 39, 39)
    assert test.is_purged


def test_impossible_splits_are_refused():
    info = {"dataset": "short", "first_week": 1, "last_week": 41, "launch_burn_in_weeks": 8}
    with pytest.raises(SettingError, match="too few for the validation split"):
        splits.split_of("validation", info)
    with pytest.raises(SettingError, match="must be one of validation, test"):
        splits.split_of("tset", info)


def test_missing_data_say_what_to_do(tmp_path):
    with pytest.raises(SourceError, match="onshelf-exporter data"):
        dataset.load(tmp_path)


def test_launches_carry_plan_and_outcome(data):
    rows = data.launched((9, 12))
    assert set(rows.week) == {9, 10, 11, 12}
    assert np.all(np.diff(rows.week) >= 0)
    first = rows.frame["is_promotion_first"].to_numpy(bool)
    assert np.array_equal(rows.coverage.sum(axis=1), np.where(first, 0.5, 0.0))
    row = 5
    product, week = rows.product[row], rows.week[row]
    bought = data.purchases
    near = (bought.product == product) & (bought.week >= week) & (bought.week < week + 8)
    assert rows.numbers("units_8w")[row] == near.sum()
    place = np.flatnonzero(data.launches.product == product)[0]
    assert set(np.flatnonzero(data.buyers[[place]].toarray()[0])) == set(bought.user[near])


def test_matrix_counts_only_its_weeks(data):
    bought = data.purchases
    inside = (bought.week >= 10) & (bought.week <= 12)
    matrix = data.matrix(10, 12)
    assert matrix.sum() == inside.sum()
    assert matrix.shape == (len(data.users), len(data.products))
    weighted = data.matrix(10, 12, np.full(len(bought.week), 0.5))
    assert weighted.sum() == inside.sum() / 2


def test_take_by_mask_and_by_position(data):
    rows = data.launched((9, 20))
    mask = rows.numbers("units_8w") > 1
    assert np.array_equal(rows.take(mask).product, rows.take(np.flatnonzero(mask)).product)
    assert len(dataclasses.replace(rows).take(np.array([2, 0]))) == 2
