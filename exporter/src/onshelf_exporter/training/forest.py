"""Fitting of the forest, and of the distributions at its leaves.

Extremely randomised trees (Geurts, Ernst and Wehenkel 2006) with many outputs: whether the outcome is at most each
count of a support. Splits that reduce the squared error of these indicators reduce the ranked probability score, and
the mean at a leaf is a distribution function (as in distributional forests).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from onshelf_exporter.models.forest import Forest
from onshelf_exporter.models.launch_outcome import BUYER_ROWS
from onshelf_release.signatures import UNITS_SUPPORT

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ForestFit:
    """A fitted forest, and what its trees say of the rows that they were not fitted on, float64 [rows, outputs]."""

    forest: Forest
    out_of_bag: Floats


def count_support(highest: float) -> NDArray[np.float64]:
    """UNITS_SUPPORT increasing counts: 0..8, then geometric to a little above the highest outcome."""
    first = np.arange(9, dtype=np.float64)
    last = max(1.25 * highest, 90.0)
    rest = np.round(8.0 * (last / 8.0) ** (np.arange(1, UNITS_SUPPORT - 8) / (UNITS_SUPPORT - 9)))
    for i in range(len(rest)):  # rounding must not join two counts
        rest[i] = max(rest[i], (rest[i - 1] if i else 8.0) + 1)
    return np.concatenate([first, rest])


def bin_values(support: Floats, outcomes: Floats) -> Floats:
    """Mean count in each bin (previous, this] of the support and beyond the last, [UNITS_SUPPORT + 1]: the middle,
    moved towards the outcomes seen there as far as there are any."""
    edges = np.concatenate([[-1.0], support, [support[-1] * 1.5]])
    middle = np.concatenate([support[:1], (edges[1:-2] + 1 + support[1:]) / 2, [support[-1] * 1.25]])
    place = np.searchsorted(support, outcomes)
    count = np.bincount(place, minlength=len(middle))
    total = np.bincount(place, outcomes, minlength=len(middle))
    return (total + 10.0 * middle) / (count + 10.0)


def at_most(outcomes: Floats, support: Floats) -> Floats:
    """Whether each outcome is at most each count: float64 [rows, counts], NaN where the outcome is not known."""
    result = (outcomes[:, None] <= support[None, :]).astype(np.float64)
    result[~np.isfinite(outcomes)] = np.nan
    return result


def split_weights(support: Floats) -> Floats:
    """How much each indicator counts when trees choose splits: the square root of the bin's width."""
    return np.sqrt(np.diff(np.concatenate([support, [support[-1] * 1.25]])))


def output_weights(support: Floats) -> Floats:
    """The same for all outputs, [leaf_width()]; buyers and repeat buyers count little."""
    units, buyers = split_weights(support), split_weights(support[list(BUYER_ROWS)])
    return np.concatenate([units, units, 0.5 * buyers, 0.5 * buyers, [0.05, 0.05]])


def fit_forest(
    features: NDArray[np.float32],
    targets: Floats,
    support: Floats,
    trees: int,
    leaf_rows: int,
    share: float,
    seed: int,
    threads: int,
    weight: Floats | None = None,
) -> ForestFit:
    """Fit on rows of features and complete targets.

    Args:
        features: float32 [rows, columns].
        targets: float64 [rows, leaf_width()].
        support: counts.
        trees: number of trees.
        leaf_rows: least rows of a leaf.
        share: of the columns that each split looks at.
        seed: of bootstrap and splits.
        threads: that fit trees.
        weight: of each row.
    """
    scale = output_weights(support)
    model = ExtraTreesRegressor(
        n_estimators=trees,
        min_samples_leaf=max(1, min(leaf_rows, len(features) // 4)),
        max_features=share,
        bootstrap=True,
        random_state=seed % 2**32,
        n_jobs=threads,
    )
    model.fit(features, targets * scale, sample_weight=weight)
    forest = to_torch(model, scale)
    # the bootstrap's rows by tree: scikit-learn draws them from each tree's own seed
    inside = np.zeros((len(features), trees), dtype=bool)
    for number, tree in enumerate(model.estimators_samples_):
        inside[tree, number] = True
    with torch.no_grad():
        leaves = forest.leaves(torch.from_numpy(np.ascontiguousarray(features))).numpy()
    values = forest.get_buffer("values").numpy()
    out = np.zeros(targets.shape)
    for number in range(trees):
        rows = np.flatnonzero(~inside[:, number])
        out[rows] += values[leaves[rows, number]]
    never = inside.all(axis=1)
    out /= np.maximum((~inside).sum(axis=1), 1)[:, None]
    out[never] = targets.mean(axis=0)
    return ForestFit(forest, out)


class TreeNodes(NamedTuple):
    """One tree, its nodes numbered from 0, the root.

    Attributes:
        feature: the column that a node compares, int64 [nodes].
        threshold: not above it goes left, float64 [nodes].
        left: int64 [nodes], negative at leaves.
        right: likewise.
        values: float64 [leaves, outputs], in order of the leaves' nodes.
        depth: of the deepest leaf.
    """

    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    values: Floats
    depth: int


def to_torch(model: ExtraTreesRegressor, scale: Floats) -> Forest:
    """The same forest as tensors."""
    trees = []
    for estimator in model.estimators_:
        tree = estimator.tree_
        end = tree.children_left < 0
        values = tree.value[end, :, 0] / scale
        trees.append(
            TreeNodes(
                tree.feature, tree.threshold, tree.children_left, tree.children_right, values, int(tree.max_depth)
            )
        )
    return joined(trees)


def joined(trees: Sequence[TreeNodes]) -> Forest:
    """Trees one after the other, as tensors.

    Features are float32 and thresholds float64: the largest float32 that is not above a threshold decides alike.
    """
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("feature", "threshold", "left", "right", "leaf")}
    roots, values, nodes, leaves = [], [], 0, 0
    for tree in trees:
        end = tree.left < 0
        own = np.arange(len(tree.left))
        roots.append(nodes)
        parts["feature"].append(np.where(end, 0, tree.feature))
        parts["threshold"].append(np.where(end, 0.0, tree.threshold))
        parts["left"].append(np.where(end, own, tree.left) + nodes)
        parts["right"].append(np.where(end, own, tree.right) + nodes)
        number = np.zeros(len(own), dtype=np.int64)
        number[end] = np.arange(int(end.sum())) + leaves
        parts["leaf"].append(number)
        values.append(tree.values)
        nodes += len(own)
        leaves += int(end.sum())

    def whole(name: str) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(parts[name]).astype(np.int64))

    limit = np.concatenate(parts["threshold"])
    single = limit.astype(np.float32)
    single = np.where(single.astype(np.float64) > limit, np.nextafter(single, np.float32(-np.inf)), single)
    return Forest(
        roots=torch.tensor(roots),
        feature=whole("feature"),
        threshold=torch.from_numpy(single.astype(np.float32)),
        left=whole("left"),
        right=whole("right"),
        leaf=whole("leaf"),
        values=torch.from_numpy(np.concatenate(values).astype(np.float32)),
        depth=max(tree.depth for tree in trees),
    )
