"""Ids of departments, categories, types and brands: 1.. in the order of their names, 0 = unknown."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from onshelf_exporter.data.titles import readable
from onshelf_exporter.models.completion import CategoryCompletion
from onshelf_release.codes import LEVELS


@dataclass(frozen=True)
class TrainingVocabulary:
    """`names[level][id]` (position 0 is ''), `parents[level][id]` (the id one level up) and the number of products of
    each id.

    A category counts below its department and a type below its category; brands stand alone.
    """

    names: dict[str, list[str]]
    parents: dict[str, NDArray[np.int64]]
    counts: dict[str, NDArray[np.int64]]

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Number of ids per level, 0 included."""
        d, c, t, b = (len(self.names[level]) for level in LEVELS)
        return d, c, t, b

    def ids(self, products: pd.DataFrame) -> NDArray[np.int64]:
        """[n, 4] ids of products with the columns department, category, type, brand; 0 where unknown."""
        result = np.zeros((len(products), 4), dtype=np.int64)
        parent = np.zeros(len(products), dtype=np.int64)
        for position, level in enumerate(LEVELS):
            values = _values(products, level)
            if level == "brand":
                parent = np.zeros(len(products), dtype=np.int64)
            keys = pd.MultiIndex.from_arrays([self.parents[level][1:], self.names[level][1:]])
            found = keys.get_indexer(pd.MultiIndex.from_arrays([parent, values])) + 1
            result[:, position] = np.where((values == "") | (found < 0), 0, found)
            parent = result[:, position]
        return result

    def table(self) -> pa.Table:
        """The table vocabulary.arrow of a model release."""
        parts = []
        for level in LEVELS:
            names = self.names[level]
            readable_names = names if level == "brand" else [readable(name) for name in names]
            parts.append(
                pa.table(
                    {
                        "level": pa.array([level] * (len(names) - 1), pa.string()),
                        "id": pa.array(range(1, len(names)), pa.int64()),
                        "name": pa.array(names[1:], pa.string()),
                        "readable_name": pa.array(readable_names[1:], pa.string()),
                        "parent_id": pa.array(self.parents[level][1:], pa.int64()),
                        "n_products": pa.array(self.counts[level][1:], pa.int64()),
                    }
                )
            )
        return pa.concat_tables(parts)


def category_completion(vocabulary: TrainingVocabulary) -> CategoryCompletion:
    """What fills the levels that a request leaves open."""
    return CategoryCompletion(
        torch.from_numpy(vocabulary.parents["type"]), torch.from_numpy(vocabulary.parents["category"])
    )


def build_vocabulary(products: pd.DataFrame, brand_min_products: int = 2) -> TrainingVocabulary:
    """Ids of all that the products (those known by the cut) have; brands need two products to be worth an id."""
    names: dict[str, list[str]] = {}
    parents: dict[str, NDArray[np.int64]] = {}
    counts: dict[str, NDArray[np.int64]] = {}
    parent = np.zeros(len(products), dtype=np.int64)
    for level in LEVELS:
        values = _values(products, level)
        if level == "brand":
            parent = np.zeros(len(products), dtype=np.int64)
        frame = pd.DataFrame({"parent": parent, "name": values})
        sizes = frame[frame["name"] != ""].groupby(["parent", "name"], sort=True).size()
        if level == "brand":
            sizes = sizes[sizes >= brand_min_products]
        keys = sizes.index
        names[level] = ["", *keys.get_level_values(1).astype(str)]
        parents[level] = np.concatenate([[0], keys.get_level_values(0).to_numpy()]).astype(np.int64)
        counts[level] = np.concatenate([[0], sizes.to_numpy()]).astype(np.int64)
        found = (
            keys.get_indexer(pd.MultiIndex.from_frame(frame)) + 1 if len(keys) else np.zeros(len(frame), dtype=np.int64)
        )
        parent = np.where(values == "", 0, found).astype(np.int64)
    return TrainingVocabulary(names, parents, counts)


def shrunk(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    ids: NDArray[np.int64],
    vocabulary: TrainingVocabulary,
    strength: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Weighted means of `values` [n, width] by department, category and type, each shrunk to the level above.

    `strength` is the weight of the parent's mean. Row 0 of departments is the mean over all rows. Returns three arrays
    [ids, width].
    """
    total = weights.sum()
    overall = (values * weights[:, None]).sum(0) / max(total, 1e-12)
    means: list[NDArray[np.float64]] = []
    above = overall[None, :]
    for position, level in enumerate(LEVELS[:3]):
        size = len(vocabulary.names[level])
        index = ids[:, position]
        weight = np.bincount(index, weights, minlength=size)
        sums = np.stack([np.bincount(index, weights * column, minlength=size) for column in values.T], axis=1)
        prior = above[vocabulary.parents[level]] if position else np.repeat(overall[None, :], size, 0)
        mean = (sums + strength * prior) / (weight[:, None] + strength)
        mean[0] = overall
        means.append(mean)
        above = mean
    return means[0], means[1], means[2]


def _values(products: pd.DataFrame, level: str) -> NDArray[np.object_]:
    values: NDArray[np.object_] = products[level].fillna("").astype(str).to_numpy(dtype=object)
    return values
