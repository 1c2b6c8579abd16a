"""A bounded store that forgets what was not used for longest."""

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The `size` values that were used last, as many of them as weigh no more than `room`; size 0 keeps none."""

    def __init__(self, size: int, room: float = math.inf) -> None:
        self._size = size
        self._room = room
        self._weight = 0
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def weight(self) -> int:
        """What the kept values weigh together."""
        return self._weight

    def get(self, key: K) -> V | None:
        """The value of a key, which counts as a use; None where there is none."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: K, value: V, weight: int = 0) -> None:
        """Keep a value; one that alone weighs more than the room takes no other's place."""
        self._weight -= self._kept.pop(key, (value, 0))[1]
        if weight > self._room:
            return
        self._kept[key] = (value, weight)
        self._weight += weight
        while len(self._kept) > self._size or self._weight > self._room:
            self._weight -= self._kept.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self._weight = 0
