"""Medians and means of past launches: of all, and of the nearest category that has enough of them."""

import numpy as np
from numpy.typing import NDArray

from onshelf_research.baselines.forecast import Floats, Forecast, single
from onshelf_research.data.dataset import LaunchRows

LEVELS = (("department", "category", "type"), ("department", "category"), ("department",), ())
MIN_LAUNCHES = 5  # a type or category with fewer training launches passes the question to the level above
QUANTILES = (0.1, 0.5, 0.7, 0.8, 0.9)


def global_median(train: LaunchRows, rows: LaunchRows, outcome: str) -> Forecast:
    """The median of all training launches, for everything."""
    return single(np.full(len(rows), float(np.median(train.numbers(outcome)))))


def category(train: LaunchRows, rows: LaunchRows, outcome: str) -> tuple[Forecast, Forecast]:
    """Median and mean of the training launches of the nearest level with at least MIN_LAUNCHES of them.

    Returns:
        The forecast by medians, with the empirical quantiles and distribution function of its group, and that by means.
    """
    actual, seen = train.numbers(outcome), rows.numbers(outcome)
    mean, below, upto = (np.full(len(rows), np.nan) for _ in range(3))
    quantiles = {level: np.full(len(rows), np.nan) for level in QUANTILES}
    for keys in LEVELS:
        group, wanted = _groups(train, rows, keys)
        size = np.bincount(group, minlength=int(wanted.max()) + 1)
        open_rows = np.isnan(mean) & ((size[wanted] >= MIN_LAUNCHES) | (not keys))
        order = np.lexsort((actual, group))
        ordered, start = actual[order], np.cumsum(size) - size
        total = np.bincount(group, weights=actual, minlength=len(size))
        here = wanted[open_rows]
        count = size[here]
        mean[open_rows] = total[here] / count
        for level, values in quantiles.items():
            values[open_rows] = ordered[start[here] + np.ceil(count * level).astype(np.int64) - 1]
        span = float(max(actual.max(), seen.max())) + 2.0
        keyed = group[order] * span + ordered
        at = here * span + seen[open_rows]
        below[open_rows] = (np.searchsorted(keyed, at, side="left") - start[here]) / count
        upto[open_rows] = (np.searchsorted(keyed, at, side="right") - start[here]) / count
    median = quantiles[0.5]
    return Forecast(mean=median, median=median, quantiles=quantiles, below=below, upto=upto), single(mean)


def _groups(train: LaunchRows, rows: LaunchRows, keys: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group numbers of training and wanted rows that share all of `keys`."""
    both = [np.concatenate([train.frame[key].to_numpy(str), rows.frame[key].to_numpy(str)]) for key in keys]
    if not both:
        return np.zeros(len(train), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    codes = np.zeros(len(both[0]), dtype=np.int64)
    for values in both:
        _, code = np.unique(values, return_inverse=True)
        codes = codes * (int(code.max()) + 1) + code
    _, codes = np.unique(codes, return_inverse=True)
    return codes[: len(train)], codes[len(train) :]


def repeat_share(train: LaunchRows, rows: LaunchRows) -> tuple[Floats, Floats]:
    """Share of a launch's buyers who buy it again within 8 weeks: by category, and overall; float64 [rows] each."""
    again, once = (category(train, rows, outcome)[1].mean for outcome in ("repeat_buyers_8w", "buyers_8w"))
    overall = float(train.numbers("repeat_buyers_8w").sum() / max(train.numbers("buyers_8w").sum(), 1.0))
    return (again + overall) / (once + 1.0), np.full(len(rows), overall)
