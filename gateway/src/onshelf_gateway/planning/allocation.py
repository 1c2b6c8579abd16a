"""Stock spread over sites: whole units, largest remainders (Hamilton's apportionment; Balinski and Young 1982).

Every site first gets its least stock. What its part of the total comes to beyond that is filled up in the site's order
multiples; the multiples that are left go to the largest remainders. What no site can take stays central.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def least_units(minimums: Ints, multiples: Ints) -> Ints:
    """Least stock of each site [n], rounded up to its order multiple."""
    return np.asarray(-(-minimums // multiples) * multiples)


def allocate(total: int, weights: Floats, multiples: Ints, minimums: Ints) -> tuple[Ints, int]:
    """Units of each site [n], and those that stay central; together `total`.

    Args:
        total: at least the sum of the sites' least stock.
        weights: [n] parts of the sales, above 0.
        multiples: [n] order multiples, at least 1.
        minimums: [n] least stock, at least 0.
    """
    units = least_units(minimums, multiples)
    wanted = _fair(total, weights, units.astype(np.float64))
    room = np.maximum(wanted - units, 0.0)
    units = units + np.floor(room / multiples + 1e-9).astype(np.int64) * multiples
    left = total - int(units.sum())
    order = np.argsort(-((wanted - units) / multiples), kind="stable")
    while left > 0 and len(order):
        order = order[multiples[order] <= left]
        fits = np.cumsum(multiples[order]) <= left
        units[order[fits]] += multiples[order[fits]]
        left -= int(multiples[order[fits]].sum())
        order = order[~fits]
    return units, left


def _fair(total: int, weights: Floats, least: Floats) -> Floats:
    """Parts [n] of the total in proportion to weights, but none below its least: the others share what is left."""
    fixed = np.zeros(len(weights), dtype=bool)
    while True:
        free = total - least[fixed].sum()
        share = np.where(fixed, least, free * weights / max(float(weights[~fixed].sum()), 1e-300))
        short = ~fixed & (share < least - 1e-9)
        if not short.any():
            return np.asarray(share)
        fixed |= short
