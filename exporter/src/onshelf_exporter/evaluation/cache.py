"""Predictions, kept by the content of everything that made them, so that a second evaluation is quick."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter import baselines, evaluation

Arrays = dict[str, NDArray[Any]]
KEPT_OUT = {
    "report.py",
    "summary.py",
    "predictions.py",
    "bootstrap.py",
    "metrics.py",
    "cache.py",
    "tables.py",
}  # make no predictions


@dataclass(frozen=True)
class Cache:
    """Arrays by the hash of what they were made from.

    Attributes:
        folder: where they are kept.
        content: hash of everything that all of them depend on: data, code, options.
    """

    folder: Path
    content: str

    def arrays(self, name: str, depends_on: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of `name`, made now unless they are kept.

        Args:
            name: of what is predicted by whom.
            depends_on: whatever else they depend on, such as the identity of a model release.
            make: makes them.
        """
        key = hashlib.sha256(f"{self.content}/{name}/{depends_on}".encode()).hexdigest()[:32]
        path = self.folder / f"{name.replace('/', '-')}-{key}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as kept:
                return {entry: kept[entry] for entry in kept.files}
        made = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        staging = path.with_suffix(f".{os.getpid()}.staging")
        with staging.open("wb") as file:
            np.savez(file, allow_pickle=False, **made)
        os.replace(staging, path)
        return made


def content_hash(*values: object) -> str:
    """Hash over values and over the code that makes predictions here."""
    digest = hashlib.sha256(repr(values).encode())
    for package in (baselines, evaluation):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.glob("*.py")):
            if path.name not in KEPT_OUT:
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
