"""Which texts of a list are there already, word for word or nearly so."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SHINGLE = 5  # letters
ALIKE = 0.8  # share of common shingles (Jaccard) from which on two texts are the same
BANDS, ROWS = 16, 4  # two texts that are ALIKE share a band with a probability of .9998
MIX = np.uint64(0x9E3779B97F4A7C15)
Hashes = NDArray[np.uint64]


def distinct(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Mask of the texts that stay: the first of those that agree in letters and digits, or in ALIKE of their shingles.

    Pairs are found by minima of hashes in bands (Broder 1997; Leskovec, Rajaraman and Ullman 2014, chapter 3), and
    compared shingle by shingle.
    """
    letters = pd.Series(texts, dtype=str).str.casefold().str.replace(r"[\W_]+", "", regex=True)
    keep = ~letters.duplicated().to_numpy()
    rows = np.flatnonzero(keep & (letters.str.len() >= SHINGLE).to_numpy())
    if len(rows) < 2:
        return np.asarray(keep)
    shingles, starts = _shingles(letters.iloc[rows].tolist())
    for first, second in _pairs(_bands(shingles, starts)):
        if keep[rows[first]] and keep[rows[second]] and _jaccard(shingles, starts, first, second) >= ALIKE:
            keep[rows[second]] = False
    return np.asarray(keep)


def _shingles(texts: Sequence[str]) -> tuple[Hashes, NDArray[np.int64]]:
    """Distinct hashes of each text's shingles one after the other, and where each text's begin (with the end)."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in texts])
    begins = np.cumsum(lengths) - lengths
    windows = np.lib.stride_tricks.sliding_window_view(codes, SHINGLE)
    hashes = np.zeros(len(windows), dtype=np.uint64)
    for place in range(SHINGLE):
        hashes = (hashes ^ windows[:, place]) * MIX
        hashes ^= hashes >> np.uint64(29)
    counts = lengths - SHINGLE + 1
    text_of = np.repeat(np.arange(len(texts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    found = hashes[np.repeat(begins, counts) + within]
    order = np.lexsort((found, text_of))
    found, text_of = found[order], text_of[order]
    new = np.ones(len(found), dtype=bool)
    new[1:] = (found[1:] != found[:-1]) | (text_of[1:] != text_of[:-1])
    starts = np.searchsorted(text_of[new], np.arange(len(texts) + 1))
    return found[new], starts


def _bands(shingles: Hashes, starts: NDArray[np.int64]) -> Hashes:
    """[texts, BANDS]: texts with the same value in a band share the least hash under each of its ROWS functions."""
    salts = np.random.default_rng(0).integers(1, 2**63, size=BANDS * ROWS, dtype=np.uint64)
    bands = np.zeros((len(starts) - 1, BANDS), dtype=np.uint64)
    for number, salt in enumerate(salts):
        mixed = (shingles ^ salt) * MIX
        mixed ^= mixed >> np.uint64(32)
        least = np.minimum.reduceat(mixed * MIX, starts[:-1])
        bands[:, number // ROWS] = (bands[:, number // ROWS] ^ least) * MIX
    return bands


def _pairs(bands: Hashes) -> list[tuple[int, int]]:
    """Pairs of texts that share a band: each with the first text of its bucket."""
    found: set[tuple[int, int]] = set()
    for band in bands.T:
        order = np.argsort(band, kind="stable")
        _, begin = np.unique(band[order], return_index=True)
        sizes = np.diff(np.append(begin, len(band)))
        first = np.repeat(order[begin], sizes)
        found.update(zip(first[first != order].tolist(), order[first != order].tolist(), strict=True))
    return sorted(found)


def _jaccard(shingles: Hashes, starts: NDArray[np.int64], one: int, other: int) -> float:
    a, b = shingles[starts[one] : starts[one + 1]], shingles[starts[other] : starts[other + 1]]
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)
