"""Products beside a model release's own, as arrays: what its models said of each, grown geometrically."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
LEAST = 64  # places that are made first

# What the models of one release say of a product, as the store keeps it.
RECORD = np.dtype(
    [
        ("embeddings", "<f4", (128,)),
        ("product_vectors", "<f4", (64,)),
        ("categorical_ids", "<i4", (4,)),
        ("neighbour_limits", "<f4", (3,)),
        ("closest", "<f4"),
        ("confidence", "<f4"),  # that the category, where it was inferred, is right
    ]
)
FIT_INPUTS: dict[str, Any] = {  # of product_fit
    "embeddings": np.float32,
    "categorical_ids": np.int64,
    "product_vectors": np.float32,
    "neighbour_limits": np.float32,
    "closest": np.float32,
}


class Delta:
    """Products in places 0 .. n - 1; a place is another product's after a removal. Used on one event loop only.

    Attributes:
        places: place of each product id.
        names: product ids [capacity]; changes: their numbers; rows: their rows in the release's own catalog, -1 where
            they have none; fits: whether product_fit scores them; lifts, ends: of `DecidedLaunch`, 0 without one.
    """

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self._arrays: dict[str, NDArray[Any]] = {
            name: np.zeros((0, *RECORD[name].shape), dtype=FIT_INPUTS.get(name, np.float32))
            for name in RECORD.names or ()
        }
        self._arrays["names"] = np.zeros(0, dtype=object)
        self._arrays["changes"] = np.zeros(0, dtype=np.int64)
        self._arrays["rows"] = np.zeros(0, dtype=np.int64)
        self._arrays["fits"] = np.zeros(0, dtype=bool)
        self._arrays["lifts"] = np.zeros(0, dtype=np.float32)
        self._arrays["ends"] = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, without the products' texts."""
        return sum(array.nbytes for array in self._arrays.values())

    def array(self, name: str) -> NDArray[Any]:
        """A column of all products [n, ...]; a view that the next change may outdate."""
        return self._arrays[name][: len(self)]

    def put(self, names: Sequence[str], records: NDArray[np.void], **columns: NDArray[Any]) -> None:
        """Add or replace products, distinct ids; all arguments have one entry for each.

        Args:
            names: product ids.
            records: of RECORD.
            columns: changes, rows, fits, lifts and ends.
        """
        new = [name for name in names if name not in self.places]
        self._grow(len(self) + len(new))
        for name in new:
            self.places[name] = len(self.places)
        at = np.array([self.places[name] for name in names], dtype=np.int64)
        for field in RECORD.names or ():
            self._arrays[field][at] = records[field]
        self._arrays["names"][at] = np.array(names, dtype=object)
        for field, values in columns.items():
            self._arrays[field][at] = values

    def remove(self, name: str) -> None:
        """Take a product out, if it is there; the last one gets its place."""
        place = self.places.pop(name, None)
        if place is None:
            return
        last = len(self)
        if place != last:
            for array in self._arrays.values():
                array[place] = array[last]
            self.places[self._arrays["names"][place]] = place
        self._arrays["names"][last] = None

    def _grow(self, size: int) -> None:
        if size <= len(self._arrays["changes"]):
            return
        room = max(LEAST, size, 2 * len(self._arrays["changes"]))
        for name, array in self._arrays.items():
            larger = np.zeros((room, *array.shape[1:]), dtype=array.dtype)
            larger[: len(array)] = array
            self._arrays[name] = larger


def pack(columns: dict[str, NDArray[Any]]) -> NDArray[np.void]:
    """Records [n] from the columns of RECORD [n, ...]."""
    records = np.zeros(len(columns["closest"]), dtype=RECORD)
    for name in RECORD.names or ():
        records[name] = columns[name]
    return records
