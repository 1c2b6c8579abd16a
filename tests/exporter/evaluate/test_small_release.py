"""A small model release of the real data: the command runs on it, and what is served is what was trained."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from small_release import SmallRelease, small_release

from onshelf_exporter import evaluate
from onshelf_exporter.evaluation import dataset, served
from onshelf_exporter.evaluation.release import find_release
from onshelf_exporter.training.history import load_history
from onshelf_exporter.training.outcome import actual_candidates, launch_attributes

CUT = 27


@pytest.fixture(scope="module")
def small(complete_journey: Path) -> SmallRelease:
    return small_release(complete_journey, roles=("replay",))


def test_the_command_measures_the_small_release(small, complete_journey, tmp_path):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    paths = {"--releases": small.releases, "--repository": small.repository, "--data": complete_journey}
    paths |= {"--out": tmp_path / "reports", "--cache": tmp_path / "cache"}
    words = [str(word) for pair in paths.items() for word in pair]
    assert evaluate.run(parser.parse_args([*words, "--quick", "--draws", "50"])) == 0
    numbers = json.loads((tmp_path / "reports" / "evaluation.json").read_text())
    assert (numbers["model_release"]["role"], numbers["model_release"]["cut_week"]) == ("replay", CUT)
    assert numbers["weeks"]["evaluate"] == [28, 32]
    ours, rivals = numbers["ours"], numbers["baselines"]
    assert 0 < ours["demand"]["wape"] < 2
    assert ours["demand"]["spearman"] > 0.1  # it learned something that a constant does not know
    assert rivals["own_frequency"]["warm"]["all_n10"] > 0.2
    assert rivals["content_knn"]["cold"]["auc"] > 0.6


def test_launch_counts_are_those_of_the_protocol(complete_journey):
    data = dataset.load(complete_journey)
    assert len(data.launches) == 5994
    assert [len(data.launched(weeks)) for weeks in ((9, 27), (28, 32), (40, 46))] == [2028, 917, 1650]
    assert int(data.launches.frame["is_promotion_first"].sum()) == 3574


def test_what_goes_into_the_graphs_is_what_was_trained_on(small, complete_journey):
    data, history = dataset.load(complete_journey), load_history(complete_journey, CUT)
    release = find_release(small.releases, small.repository, CUT + 1, "complete_journey")
    rows = data.launched((9, CUT))
    assert np.array_equal(rows.product, history.launches.frame["product_index"].to_numpy())
    assert np.allclose(served.actions(release, data, rows)[:, 0], actual_candidates(history, history.launches))
    some = rows.take(np.arange(0, len(rows), 40))
    encoded = release.encode(some.frame)
    assert np.array_equal(encoded["categorical_ids"], history.ids[some.product])
    wanted = launch_attributes(history.launches, history.label)[np.arange(0, len(rows), 40)]
    assert np.allclose(encoded["attributes"], wanted)
    assert np.allclose(np.linalg.norm(encoded["embedding"], axis=1), 1.0, atol=1e-4)
