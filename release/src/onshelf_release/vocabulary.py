"""Names of departments, categories, types and brands of a model release, with their ids and parents."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from onshelf_release.codes import BRAND, CATEGORY_LEVELS, LEVELS


def folded(name: str) -> str:
    """A name for comparison: case and runs of white space do not count."""
    return " ".join(name.casefold().split())


def _trigrams(name: str) -> set[str]:
    padded = f"  {name} "
    return {padded[n : n + 3] for n in range(len(padded) - 2)}


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level: position in the lists is the id; position 0 is the unknown.

    Attributes:
        names, readable: source names and what people read.
        parents: int64 [ids], id one level up.
        products: int64 [ids], number of products.
        ids_by_name: folded name or readable name -> ids that carry it.
    """

    names: list[str]
    readable: list[str]
    parents: NDArray[np.int64]
    products: NDArray[np.int64]
    ids_by_name: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Vocabulary:
    """All levels, and trigram sets for the nearest names."""

    levels: dict[str, Level]
    _grams: list[tuple[str, set[str]]]

    def path(self, ids: tuple[int, int, int]) -> list[str]:
        """Readable names from broad to narrow; unknown levels (0) at the end are left out."""
        names = [self.levels[level].readable[number] for level, number in zip(CATEGORY_LEVELS, ids, strict=True)]
        return [name for name in names if name]

    def with_parents(self, level: int, number: int) -> tuple[int, int, int]:
        """Ids (department, category, type) of an id at `level` (0..2) and all above it; 0 below."""
        ids = [0, 0, 0]
        for position in range(level, -1, -1):
            ids[position] = number
            number = int(self.levels[CATEGORY_LEVELS[position]].parents[number])
        return ids[0], ids[1], ids[2]

    def brand(self, name: str) -> int:
        """Id of a brand, 0 when unknown."""
        found = self.levels[BRAND].ids_by_name.get(folded(name), [])
        return found[0] if found else 0

    def find(self, name: str) -> list[tuple[int, int]]:
        """Every (level, id) of the category levels with this name, narrow levels first, large ones first."""
        key = folded(name)
        found = [
            (position, number)
            for position in range(len(CATEGORY_LEVELS) - 1, -1, -1)
            for number in self.levels[CATEGORY_LEVELS[position]].ids_by_name.get(key, [])
        ]
        return sorted(found, key=lambda at: (-at[0], -int(self.levels[CATEGORY_LEVELS[at[0]]].products[at[1]])))

    def nearest(self, name: str, count: int = 5) -> list[str]:
        """Names of any category level most like `name` by shared trigrams (Jaccard), best first; none below 0.2."""
        wanted = _trigrams(folded(name)[:128])
        scored = [(len(wanted & grams) / len(wanted | grams), text) for text, grams in self._grams]
        best = sorted((pair for pair in scored if pair[0] >= 0.2), key=lambda pair: (-pair[0], pair[1]))
        return list(dict.fromkeys(text for _, text in best))[:count]


def load_vocabulary(table: pa.Table) -> Vocabulary:
    """Read vocabulary.arrow: level, id (1.. ascending within a level), name, readable_name, parent_id, n_products.

    Raises:
        ValueError: ids of a level are not 1, 2, 3, ...
    """
    frame = table.to_pydict()
    rows: dict[str, list[int]] = defaultdict(list)
    for row, level in enumerate(frame["level"]):
        rows[level].append(row)
    levels: dict[str, Level] = {}
    for level in LEVELS:
        chosen = sorted(rows[level], key=lambda row: frame["id"][row])
        if [frame["id"][row] for row in chosen] != list(range(1, len(chosen) + 1)):
            raise ValueError(f"vocabulary.arrow: ids of level {level!r} must be 1..{len(chosen)}, each once")
        names = ["", *(frame["name"][row] for row in chosen)]
        readable = ["", *(frame["readable_name"][row] for row in chosen)]
        index: dict[str, list[int]] = defaultdict(list)
        for number in range(1, len(names)):
            for key in dict.fromkeys((folded(names[number]), folded(readable[number]))):
                index[key].append(number)
        levels[level] = Level(
            names=names,
            readable=readable,
            parents=np.array([0, *(frame["parent_id"][row] for row in chosen)], dtype=np.int64),
            products=np.array([0, *(frame["n_products"][row] for row in chosen)], dtype=np.int64),
            ids_by_name=dict(index),
        )
    shown = dict.fromkeys(name for level in CATEGORY_LEVELS for name in levels[level].readable[1:])
    return Vocabulary(levels, [(name, _trigrams(folded(name))) for name in shown])
