"""Which products are in the categories that a request names."""

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.catalog.shelf import Shelf


def in_categories(call: Call, shelf: Shelf, names: tuple[str, ...], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which products, by their category and brand ids [n, 4], are in one of the categories."""
    vocabulary = shelf.release.vocabulary
    inside = np.zeros(len(ids), dtype=bool)
    for n, name in enumerate(names):
        places = vocabulary.find(name)
        if not places:
            nearest = ", ".join(vocabulary.nearest(name)) or "none"
            call.notice(
                types_pb2.NOTICE_CODE_CATEGORY_UNKNOWN,
                f"category {name!r} is not in the history and holds no product; nearest names: {nearest}",
                f"categories[{n}]",
            )
        for level, number in places:
            inside |= ids[:, level] == number
    return inside
