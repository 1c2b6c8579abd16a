"""Categories as people name them, as the history's own paths."""

from collections.abc import Iterable, Sequence

from onshelf_exporter.data.titles import LEVEL


class CategoryPaths:
    """The history's category paths.

    Args:
        known: path, the same as a person reads it (None: as it is), and how many products it has.
    """

    def __init__(self, known: Iterable[tuple[str, str | None, int]]) -> None:
        self._readable: dict[str, str] = {}
        self._prefixes: dict[tuple[str, ...], str] = {}
        weights: dict[tuple[str, str], int] = {}
        for path, readable, count in known:
            raw, shown = path.split(LEVEL), (readable or path).split(LEVEL)
            for depth in range(1, len(raw) + 1):
                prefix = LEVEL.join(raw[:depth])
                self._readable.setdefault(prefix, LEVEL.join(shown[:depth]))
                for names in (raw, shown):
                    self._prefixes.setdefault(_folded(names[:depth]), prefix)
                    place = (names[depth - 1].casefold(), prefix)
                    weights[place] = weights.get(place, 0) + count
        heaviest = sorted(weights.items(), key=lambda one: (one[1], one[0]))
        self._places = {name: prefix for (name, prefix), _ in heaviest}

    def find(self, names: Sequence[str]) -> tuple[str | None, str | None]:
        """A path and its readable form: the longest known beginning with what follows it; else the place of the
        narrowest known name; else the names themselves.
        """
        given = [name.strip() for name in names if name.strip()]
        for depth in range(len(given), 0, -1):
            prefix = self._prefixes.get(_folded(given[:depth]))
            if prefix is not None:
                return LEVEL.join([prefix, *given[depth:]]), LEVEL.join([self._readable[prefix], *given[depth:]])
        for name in reversed(given):
            place = self._places.get(name.casefold())
            if place is not None:
                return place, self._readable[place]
        path = LEVEL.join(given) or None
        return path, path


def _folded(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.casefold() for name in names)
