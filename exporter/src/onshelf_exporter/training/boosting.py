"""Boosted trees for a ranker: LightGBM (Ke et al. 2017) fits them, plain tensors serve them."""

from typing import Any

import lightgbm
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from onshelf_exporter.models.boosted import BoostedTrees
from onshelf_exporter.process.progress_display import progress_bar
from onshelf_exporter.training.forest import TreeNodes, joined
from onshelf_exporter.training.rankers import Rows, fallback, join
from onshelf_exporter.training.recipe import BoostingRecipe

LOSS_ROWS = 20_000  # on which the training loss is measured, at most


def fit_or_fall_back(
    parts: list[Rows], shape: tuple[int, int], recipe: BoostingRecipe, seed: int, threads: int, name: str
) -> tuple[nn.Module, dict[str, float]]:
    """Boosted trees; with nothing to learn from, a ranker that scores by a single feature.

    Args:
        parts: rows.
        shape: number of features, and the one that decides where nothing is learned.
        recipe: of each booster.
        seed: of the first booster.
        threads: that fit trees.
        name: of the ranker.

    Returns:
        The ranker, features [..., width] -> log odds [...]; its number of rows, and its loss on some of them.
    """
    rows = join(parts)
    if rows is None:
        return fallback(*shape), {f"{name}_rows": 0.0}
    trees = fit_boosted(rows, recipe, seed, threads, name).eval()
    some = torch.arange(0, len(rows), -(-len(rows) // LOSS_ROWS))
    with torch.no_grad():
        loss = F.binary_cross_entropy_with_logits(trees(rows.features[some]), rows.label[some])
    return trees, {f"{name}_rows": float(len(rows)), f"{name}_loss": float(loss)}


def fit_boosted(rows: Rows, recipe: BoostingRecipe, seed: int, threads: int, name: str) -> BoostedTrees:
    """Fit `recipe.members` boosters that differ in the rows and columns they draw; their mean is the ranker.

    Args:
        rows: features, labels 0 and 1, weights.
        recipe: of each booster.
        seed: of the first booster; the others count up from it.
        threads: that fit trees; they do not change the result.
        name: of the ranker, for the progress.
    """
    data = lightgbm.Dataset(rows.features.numpy(), rows.label.numpy(), weight=rows.weight.numpy())
    trees: list[TreeNodes] = []
    with progress_bar(name, recipe.members * recipe.rounds) as advance:
        for member in range(recipe.members):
            own = (seed + member) % 2**31
            settings = {
                "objective": "binary",
                "learning_rate": recipe.learning_rate,
                "num_leaves": recipe.leaves,
                "max_depth": recipe.depth,
                "min_data_in_leaf": min(recipe.leaf_rows, max(1, len(rows) // 4)),
                "feature_fraction": recipe.split_share,
                "bagging_fraction": recipe.row_share,
                "bagging_freq": 1,
                "lambda_l2": recipe.ridge,
                "max_bin": 127,
                "use_missing": False,
                "bagging_seed": own,
                "feature_fraction_seed": own,
                "deterministic": True,
                "force_row_wise": True,
                "num_threads": threads,
                "verbosity": -1,
            }
            booster = lightgbm.train(settings, data, recipe.rounds, callbacks=[lambda _: advance(1)])
            trees += [nodes_of(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    return BoostedTrees(joined([tree._replace(values=tree.values / recipe.members) for tree in trees]))


def nodes_of(structure: dict[str, Any]) -> TreeNodes:
    """The nodes of one tree as LightGBM describes it, in order of a walk to the left first."""
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    values: list[float] = []
    depth = 0
    waiting: list[tuple[dict[str, Any], int, int, bool]] = [(structure, 0, -1, False)]
    while waiting:
        node, level, parent, is_right = waiting.pop()
        place = len(feature)
        if parent >= 0:
            (right if is_right else left)[parent] = place
        depth = max(depth, level)
        inner = "split_feature" in node
        feature.append(int(node["split_feature"]) if inner else 0)
        threshold.append(float(node["threshold"]) if inner else 0.0)
        left.append(-1)
        right.append(-1)
        if inner:
            waiting.append((node["right_child"], level + 1, place, True))
            waiting.append((node["left_child"], level + 1, place, False))
        else:
            values.append(float(node["leaf_value"]))
    return TreeNodes(
        np.array(feature), np.array(threshold), np.array(left), np.array(right), np.array(values)[:, None], depth
    )
