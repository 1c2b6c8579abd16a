"""Boosted trees in tensors are LightGBM's."""

import lightgbm
import numpy as np
import pytest
import torch

from onshelf_exporter.training.boosting import fit_boosted, fit_or_fall_back, nodes_of
from onshelf_exporter.training.forest import joined
from onshelf_exporter.training.rankers import Rows
from onshelf_exporter.training.recipe import BoostingRecipe

RECIPE = BoostingRecipe(members=2, rounds=12, leaf_rows=5, leaves=15)


def rows(n: int = 600) -> Rows:
    random = np.random.default_rng(2)
    features = random.normal(size=(n, 5)).astype(np.float32)
    features[:, 3] = np.round(features[:, 3])  # many rows on one value
    label = (random.random(n) < 1 / (1 + np.exp(-2 * features[:, 0] - features[:, 3]))).astype(np.float32)
    return Rows(torch.from_numpy(features), torch.from_numpy(label), torch.ones(n))


def test_trees_in_tensors_are_lightgbm_s() -> None:
    made = rows()
    data = lightgbm.Dataset(made.features.numpy(), made.label.numpy())
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 15, "min_data_in_leaf": 5, "use_missing": False, "verbosity": -1},
        data,
        20,
    )
    trees = [nodes_of(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    column = np.concatenate([tree.feature[tree.left >= 0] for tree in trees])
    limit = np.concatenate([tree.threshold[tree.left >= 0] for tree in trees]).astype(np.float32)
    column, limit = column[np.abs(limit) > 1e-30], limit[np.abs(limit) > 1e-30]  # LightGBM reads 1e-35 as 0
    edges = np.concatenate([limit, np.nextafter(limit, np.float32(np.inf))])  # rows on a threshold, or beside it
    asked = np.random.default_rng(3).normal(size=(len(edges), 5)).astype(np.float32)
    asked[np.arange(len(edges)), np.tile(column, 2)] = edges
    found = joined(trees)(torch.from_numpy(asked)).numpy()[:, 0] * len(trees)
    assert np.allclose(found, booster.predict(asked, raw_score=True), atol=1e-5)
    assert found.std() > 0.3


def test_boosters_learn_and_any_shape_is_scored() -> None:
    made = rows()
    ranker, figures = fit_or_fall_back([made], (5, 0), RECIPE, 7, 1, "repeat")
    score = ranker(made.features)
    positive = made.label > 0
    assert float(score[positive].mean()) > float(score[~positive].mean()) + 0.5
    assert figures["repeat_rows"] == 600.0
    rate = float(made.label.mean())
    assert figures["repeat_loss"] < -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    assert torch.equal(ranker(made.features.reshape(30, 20, 5)), score.reshape(30, 20))


def test_the_same_seed_gives_the_same_trees_whatever_the_threads() -> None:
    made = rows()
    one, two = (fit_boosted(made, RECIPE, 7, threads, "repeat")(made.features) for threads in (1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, fit_boosted(made, RECIPE, 8, 1, "repeat")(made.features))


@pytest.mark.parametrize("parts", [[], [Rows(torch.zeros(3, 5), torch.zeros(3), torch.ones(3))]])
def test_without_anything_to_learn_one_feature_decides(parts: list[Rows]) -> None:
    ranker, figures = fit_or_fall_back(parts, (5, 2), RECIPE, 1, 1, "repeat")
    asked = torch.zeros(3, 5)
    asked[:, 2] = torch.tensor([0.0, 1.0, 2.0])
    assert bool((ranker(asked).diff() > 0.5).all())
    assert figures == {"repeat_rows": 0.0}
