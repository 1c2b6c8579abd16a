"""How a category is understood: the request's names, then the encoder's reading of the title."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.vocabulary import LEVELS, Vocabulary

CONFIDENT = 0.3  # least probability at which an inferred level is used


@dataclass(frozen=True)
class NamedCategory:
    """What the request's names say: ids (department, category, type), 0 unknown, and names not in the release."""

    ids: tuple[int, int, int]
    unknown: tuple[tuple[int, str], ...] = ()
    nearest: tuple[str, ...] = field(default=())

    @property
    def matched(self) -> bool:
        """Whether any name was found."""
        return any(self.ids)


@dataclass(frozen=True)
class Category:
    """The category that is planned with; `path` is what the request names of it, or all of it where that is nothing."""

    ids: tuple[int, int, int]
    path: tuple[str, ...]
    matched: bool
    confidence: float
    nearest: tuple[str, ...]
    inferred: str = ""

    def message(self) -> types_pb2.CategoryResolution:
        """As the contract's message."""
        return types_pb2.CategoryResolution(
            category_path=self.path, matched=self.matched, confidence=self.confidence, nearest=self.nearest
        )


def named_category(vocabulary: Vocabulary, names: tuple[str, ...]) -> NamedCategory:
    """Find the narrowest level that the names agree on.

    Each name is looked up at every level. Of the places that the last known name has, the one that shares most
    ancestors with the other names wins; then the broader one (a category and a type in it often share a name); then
    the one with more products.
    """
    places = [vocabulary.find(name) for name in names]
    unknown = tuple((n, name) for n, (name, found) in enumerate(zip(names, places, strict=True)) if not found)
    nearest = tuple(vocabulary.nearest(unknown[-1][1])) if unknown else ()
    best: tuple[tuple[int, int, int], tuple[int, int, int]] | None = None
    for n in range(len(names) - 1, -1, -1):
        for rank, (level, number) in enumerate(places[n]):
            ids = vocabulary.with_parents(level, number)
            above = sum(any(ids[at] == other for at, other in found if at < level) for found in places[:n])
            key = (above, -level, -rank)
            if best is None or key > best[0]:
                best = (key, ids)
        if best is not None:
            break
    return NamedCategory(best[1] if best else (0, 0, 0), unknown, nearest)


def complete(vocabulary: Vocabulary, named: NamedCategory, type_probabilities: NDArray[np.float64]) -> Category:
    """Fill the levels that the names leave open from the encoder, as far down as it is confident.

    Args:
        vocabulary: of the release.
        named: what the request says; its levels are kept.
        type_probabilities: [type ids], position 0 unknown.
    """
    paths = np.zeros((len(type_probabilities), 3), dtype=np.int64)
    paths[:, 2] = np.arange(len(type_probabilities))
    paths[:, 1] = vocabulary.levels["type"].parents[paths[:, 2]]
    paths[:, 0] = vocabulary.levels["category"].parents[paths[:, 1]]
    weights = type_probabilities.copy()
    weights[0] = 0.0
    for position, number in enumerate(named.ids):
        if number:
            weights[paths[:, position] != number] = 0.0
    total = float(weights.sum())
    ids = list(named.ids)
    confidence = 1.0
    for position in range(len(LEVELS)):
        if ids[position] or total <= 0:
            continue
        sums = (
            np.bincount(paths[:, position], weights, minlength=len(vocabulary.levels[LEVELS[position]].names)) / total
        )
        number = int(sums.argmax())
        share = float(sums[number])
        if number == 0 or share < CONFIDENT:
            confidence = share if position == 0 else confidence
            break
        ids[position] = number
        confidence = share
        weights[paths[:, position] != number] = 0.0
    found = (ids[0], ids[1], ids[2])
    added = vocabulary.path(found)[len(vocabulary.path(named.ids)) :]
    return Category(
        found,
        tuple(vocabulary.path(named.ids if named.matched else found)),
        named.matched,
        1.0 if named.matched else confidence,
        () if named.matched and not named.unknown else named.nearest,
        " > ".join(added) if named.matched else "",
    )
