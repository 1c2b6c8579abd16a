"""How a category is understood: the request's names, then the encoder's reading of the title."""

from dataclasses import dataclass, field

from onshelf.v1 import types_pb2
from onshelf_release.vocabulary import Vocabulary


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


@dataclass(frozen=True, kw_only=True)
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


def completed(vocabulary: Vocabulary, named: NamedCategory, ids: tuple[int, int, int], confidence: float) -> Category:
    """The category as the encoder completed it; its ids keep those of `named`."""
    added = vocabulary.path(ids)[len(vocabulary.path(named.ids)) :]
    return Category(
        ids=ids,
        path=tuple(vocabulary.path(named.ids if named.matched else ids)),
        matched=named.matched,
        confidence=1.0 if named.matched else confidence,
        nearest=() if named.matched and not named.unknown else named.nearest,
        inferred=" > ".join(added) if named.matched else "",
    )
