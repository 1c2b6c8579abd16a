"""How well the history supports a plan: past launches of the category with a comparable price and promotion."""

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.product.understanding import UnderstoodProduct
from onshelf_gateway.releases.model_release import ModelRelease

Floats = NDArray[np.float64]
PRICE_FACTOR = 1.5  # a price within this factor is comparable
ENOUGH = 10  # comparable launches of good support
FAR = 0.3  # below this similarity even the nearest launch is another thing


class ComparableLaunches:
    """Launches of the product's category, ready to be compared with many plans."""

    def __init__(self, release: ModelRelease, product: UnderstoodProduct) -> None:
        numbers = release.launch_numbers
        self._rows = np.zeros(0, dtype=np.int64)
        for name, wanted in (("category_id", product.category.ids[1]), ("department_id", product.category.ids[0])):
            if wanted and not len(self._rows):
                self._rows = np.flatnonzero(numbers[name] == wanted)
        self._ratio = numbers["price_ratio"][self._rows]
        self._discount = numbers["discount"][self._rows]
        self._coupon = numbers["coupon"][self._rows] > 0
        self._coverage = release.launch_coverage[self._rows] > 0
        self._median = product.facts.median_price
        self._coupon_slots = [channel.slot for channel in release.coupon_channels]

    def comparable(self, candidates: Candidates, row: int) -> int:
        """Number of launches with a price within half as much again and promotion of the same kind.

        That is: a coupon where the plan has one, otherwise channels in common (or none on both sides); and a discount
        where the plan has a deep one.
        """
        if not len(self._rows):
            return 0
        coverage = candidates.sets[candidates.channel_set[row]] > 0
        theirs = self._coverage.copy()
        theirs[:, self._coupon_slots] = False
        if candidates.coupon[row]:
            alike = self._coupon.copy()
        elif coverage.any():
            shared = (theirs & coverage).sum(axis=1)
            alike = shared * 2 >= min(int(coverage.sum()), 4)
        else:
            alike = np.asarray(~theirs.any(axis=1))
        if self._median > 0:
            ratio = candidates.amounts[row] / self._median
            with np.errstate(divide="ignore", invalid="ignore"):
                distance = np.abs(np.log(self._ratio / ratio))
            alike &= distance <= np.log(PRICE_FACTOR)
        if candidates.discount[row] > 0.25:
            alike &= self._discount > 0.1
        return int(alike.sum())

    def verdict(self, candidates: Candidates, row: int, nearest: float | None) -> types_pb2.Support:
        """The contract's message; `nearest` is the similarity of the most similar launch, None when it is not known."""
        count = self.comparable(candidates, row)
        near = 0.0 if nearest is None else nearest
        if count >= ENOUGH and (nearest is None or near >= FAR):
            level = types_pb2.SUPPORT_LEVEL_GOOD
        elif count > 0 or near >= FAR:
            level = types_pb2.SUPPORT_LEVEL_LOW
        else:
            level = types_pb2.SUPPORT_LEVEL_NONE
        return types_pb2.Support(level=level, comparable_launches=count, nearest_similarity=near)
