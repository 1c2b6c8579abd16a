"""Predictions, kept by the content of everything that made them, so that a second evaluation is quick.

What is kept depends on data, options and the modules that make it: a change in one model's code spoils that model's
predictions and no other's. Of each name only the newest content is kept.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.process import imported

Arrays = dict[str, NDArray[Any]]
WITHIN = (*imported.FOLLOWED, "onshelf_research")
WITHOUT_EFFECT = (*imported.WITHOUT_EFFECT, "onshelf_research.data.cache")


@dataclass(frozen=True)
class Cache:
    """Arrays by the hash of what they were made from.

    Attributes:
        folder: where they are kept.
        scope: what all of them belong to, such as the name of the data set and of the split; part of the file's name.
        content: hash of everything that all of them depend on: data, options.
    """

    folder: Path
    scope: str
    content: str

    def arrays(self, name: str, depends_on: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of `name`, made now unless they are kept; older ones of that name are removed.

        Args:
            name: of what is predicted by whom.
            depends_on: whatever else they depend on: `code_hash` of the modules that make them, the identity of a
                model release.
            make: makes them.
        """
        key = hashlib.sha256(f"{self.content}/{name}/{depends_on}".encode()).hexdigest()[:32]
        stem = f"{self.scope}-{name}".replace("/", "-")
        path = self.folder / f"{stem}.{key}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as kept:
                return {entry: kept[entry] for entry in kept.files}
        made = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        staging = path.with_suffix(f".{os.getpid()}.staging")
        with staging.open("wb") as file:
            np.savez(file, allow_pickle=False, **made)
        os.replace(staging, path)
        for older in self.folder.glob(f"{stem}.*.npz"):
            if older != path:
                older.unlink(missing_ok=True)
        return made


def content_hash(*values: object) -> str:
    """Hash over values."""
    return hashlib.sha256(repr(values).encode()).hexdigest()


def code_hash(*modules: str) -> str:
    """Hash over the source of modules and of what they import from this package and the exporter, however deep.

    Args:
        modules: full names, such as "onshelf_research.baselines.trees".
    """
    return imported.code_hash(*modules, within=WITHIN, without=WITHOUT_EFFECT)
