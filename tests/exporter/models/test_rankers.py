"""Rankers of lists learn whom a product suits, whatever it sells."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from onshelf_exporter.models.scorer import Scorer
from onshelf_exporter.training.rankers import Lists, ListTask, fit_lists, join_lists
from onshelf_exporter.training.recipe import LoopRecipe

LOOP = LoopRecipe(epochs=20, learning_rate=2e-2, batch_size=8)


def lists(products: int = 40, users: int = 30) -> Lists:
    """The first feature tells who buys within a product; the second only how many buy it."""
    random = np.random.default_rng(4)
    features = random.normal(size=(products, users, 3)).astype(np.float32)
    demand = np.linspace(-1.0, 2.0, products, dtype=np.float32)[:, None]
    features[:, :, 1] = demand
    chance = 1 / (1 + np.exp(1.0 - 2.0 * features[:, :, 0] - 2.0 * demand))
    label = (random.random((products, users)) < chance).astype(np.float32)
    number = np.repeat(np.arange(products), users)
    order = random.permutation(products * users)  # lists need not lie together
    flat = features.reshape(-1, 3)[order], label.ravel()[order], number[order]
    return Lists(*(torch.from_numpy(part) for part in flat))


def test_lists_teach_whom_a_product_suits_and_not_how_well_it_sells(tmp_path: Path) -> None:
    ranker, figures = fit_lists([lists()], (3, 4, 0), LOOP, (1, 2), tmp_path, "launch")
    at = torch.zeros(3, 3)
    at[1, 0], at[2, 1] = 1.0, 1.0
    base, suits, sells = ranker(at).tolist()
    assert suits - base > 1.0
    assert abs(sells - base) < 0.3
    assert figures["launch_rows"] == 1200.0


def test_the_loss_is_the_softmax_of_each_list() -> None:
    made = Lists(
        torch.tensor([[1.0], [0.0], [0.0], [2.0], [5.0]]),
        torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0]),
        torch.tensor([7, 7, 3, 3, 9]),
    )
    scorer = Scorer(1, 2)
    with torch.no_grad():
        scorer.outer.weight.zero_()
        scorer.outer.bias.zero_()
        scorer.wide.weight.fill_(1.0)
    task = ListTask(scorer, made)
    assert task.rows == 2  # the list of the last row has nobody who did not buy
    found = task.loss(np.arange(2), np.random.default_rng(0)).item()
    expected = -(np.log(1 / (1 + np.exp(2.0))) + np.log(np.exp(1.0) / (np.exp(1.0) + 1.0))) / 2
    assert found == pytest.approx(expected, abs=1e-5)


def test_lists_of_different_anchors_stay_apart() -> None:
    made = lists(2, 30)
    both = join_lists([made, made])
    assert both is not None
    assert len(torch.unique(both.number)) == 4


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_without_lists_that_tell_buyers_from_others_one_feature_decides(tmp_path: Path, label: float) -> None:
    alike = dataclasses.replace(lists(3, 5), label=torch.full((15,), label))
    ranker, figures = fit_lists([alike], (3, 4, 2), LOOP, (1, 1), tmp_path, "launch")
    assert bool((ranker(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])).diff() > 0.5).all())
    assert figures == {"launch_rows": 0.0}
