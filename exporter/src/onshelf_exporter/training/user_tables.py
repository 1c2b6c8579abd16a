"""The tables of what all users bought that audience_retrieval holds."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onshelf_exporter.models.neighbourhood import MATCHES
from onshelf_exporter.models.towers import Catalog
from onshelf_exporter.models.user_tables import FIGURES, KinPurchases, SimilarPurchases, UserTables, level_keys
from onshelf_release.signatures import REASONS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROW = 64  # contents of a row; users have a few rows each


def user_tables(catalog: Catalog, products: Tensor, weights: Tensor, start: Tensor, row: int = ROW) -> UserTables:
    """Tables of users' distinct products.

    Args:
        catalog: constant tables of products.
        products: numbers of the products, user by user [entries].
        weights: their event weights [entries, 4].
        start: where each user's entries begin [users + 1].
        row: contents of a row, at least REASONS.
    """
    users = len(start) - 1
    user = np.repeat(np.arange(users), start.diff().numpy())
    number, weight = products.numpy(), weights.numpy().astype(np.float64)
    totals = np.stack([np.bincount(user, weight[:, column], minlength=users) for column in range(3)], axis=1)
    return UserTables(
        similar_purchases(catalog, user, number, weight, users, max(row, REASONS)),
        kin_purchases(catalog.get_buffer("ids")[products], user, weight, users),
        torch.from_numpy(totals),
    )


def similar_purchases(
    catalog: Catalog, user: Ints, product: Ints, weight: Floats, users: int, width: int
) -> SimilarPurchases:
    """Users' products by distinct embedding; `user` is sorted."""
    embeddings, content = distinct(catalog)
    key = user * len(embeddings) + content[product]
    pairs, inverse = np.unique(key, return_inverse=True)
    owner, last = pairs // len(embeddings), np.cumsum(np.bincount(inverse, minlength=len(pairs))) - 1
    strength, lately = (np.bincount(inverse, np.log1p(weight[:, n]), minlength=len(pairs)) for n in (0, 2))
    speaks = np.log1p(weight[:, 0]) + np.log1p(weight[:, 2])
    favourite = np.lexsort((speaks, key))[last]
    count = np.bincount(owner, minlength=users)
    needed = (count + width - 1) // width
    first = np.concatenate([[0], np.cumsum(needed)])
    place = np.arange(len(pairs)) - np.concatenate([[0], np.cumsum(count)])[owner]
    rows = max(1, int(first[-1]))

    def padded(values: NDArray[np.generic]) -> Tensor:
        table = np.zeros((rows, width), dtype=values.dtype)
        table[first[owner] + place // width, place % width] = values
        return torch.from_numpy(table)

    return SimilarPurchases(
        embeddings=torch.from_numpy(embeddings),
        members=torch.from_numpy(np.bincount(content, minlength=len(embeddings))),
        contents=padded(pairs % len(embeddings)),
        products=padded(product[favourite]),
        strength=padded(strength),
        lately=padded(lately),
        most=padded(speaks[favourite]),
        owner=torch.from_numpy(np.resize(np.repeat(np.arange(users), needed), rows)),
        users=users,
    )


def distinct(catalog: Catalog) -> tuple[NDArray[np.float32], Ints]:
    """Distinct embeddings [contents, 128], and which of them each product has [products + 1]. They are in order of
    categories and brands, so that a row of `SimilarPurchases` holds products of a kind."""
    table = catalog.get_buffer("embeddings").numpy()
    found, first, content = np.unique(table, axis=0, return_index=True, return_inverse=True)
    order = np.lexsort(catalog.get_buffer("ids").numpy()[first, ::-1].T)
    return found[order], np.argsort(order)[content]


def kin_purchases(ids: Tensor, user: Ints, weight: Floats, users: int) -> KinPurchases:
    """Users' purchases by category and brand; `ids` [entries, 4] are those of their products."""
    key = level_keys(ids).numpy()
    known = key >= 0
    owner = np.broadcast_to(user[:, None], key.shape)[known]
    keys, row = np.unique(key[known], return_inverse=True)
    pairs, inverse = np.unique(row * users + owner, return_inverse=True)
    entry = np.repeat(np.arange(len(user)), MATCHES).reshape(key.shape)[known]
    figures = (weight[entry, 0], weight[entry, 2], (weight[entry, 0] > 0).astype(np.float64))
    sums = np.zeros((FIGURES, len(pairs) + 1))
    for column, figure in enumerate(figures):
        sums[column, :-1] = np.bincount(inverse, figure, minlength=len(pairs))
    length = np.bincount(pairs // users, minlength=len(keys))
    return KinPurchases(
        keys=torch.from_numpy(np.concatenate([[-2], keys])),
        start=torch.from_numpy(np.concatenate([[0, 0], np.cumsum(length)])),
        owner=torch.from_numpy(np.append(pairs % users, 0)),
        figures=torch.from_numpy(sums),
        users=users,
    )
