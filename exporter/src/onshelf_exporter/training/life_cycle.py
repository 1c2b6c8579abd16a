"""How a launch's units fall into its first weeks, and how much its first weeks say about the rest.

The shares, the weight w_k of a unit seen in the first k weeks and the dispersion phi_k of the weeks that remain, as
`onshelf_release.life_cycle.posterior` reads them. Weight and dispersion are estimated by likelihood on past launches
(Holmes and Walker 2017, Assigning a value to a power likelihood), whose forecast is taken to be the mean of the other
launches of their kind.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import minimize

from onshelf_exporter.training.history import History, Launches
from onshelf_release.codes import CATEGORY_LEVELS
from onshelf_release.life_cycle import EVIDENCE, SHARES, SIZES, WEEKS, posterior

Floats = NDArray[np.float64]

LEVELS = CATEGORY_LEVELS[:2]
SHARE_PRIOR = 50.0  # units by which the shares of a group are drawn to those of the level above
MEAN_PRIOR = 5.0  # launches by which the mean of a kind is drawn to that of all
MIN_LAUNCHES = 30  # fewer launches than this keep START
START = (0.4, 2.0)  # evidence and dispersion where there are too few launches to estimate them
EVIDENCE_RANGE, DISPERSION_RANGE = (0.02, 1.5), (0.2, 50.0)


@dataclass(frozen=True)
class WeeklyUnits:
    """Launches with 8 weeks of outcome: units by week of life [n, 8], whether promoted at first, entered by a sale."""

    units: Floats
    promoted: NDArray[np.int64]
    entered: Floats

    @property
    def free(self) -> Floats:
        """Units by week without the first one of launches that entered by it, which tells nothing; [n, 8]."""
        units = self.units.copy()
        units[:, 0] = np.maximum(units[:, 0] - self.entered, 0.0)
        return units


def weekly_units(sales: pd.DataFrame, product: NDArray[np.int64], week: NDArray[np.int64], products: int) -> Floats:
    """Units of each launch in its first 8 weeks: float64 [launches, 8].

    Args:
        sales: product_index, week, units.
        product: product_index of each launch.
        week: launch week of each.
        products: number of products.
    """
    place = np.full(products, -1, dtype=np.int64)
    place[product] = np.arange(len(product))
    row = place[sales["product_index"].to_numpy()]
    known = row >= 0
    row = row[known]
    age = sales["week"].to_numpy()[known] - week[row]
    within = (age >= 0) & (age < WEEKS)
    flat = row[within] * WEEKS + age[within]
    sold = sales["units"].to_numpy(dtype=np.float64)[known][within]
    return _sums(flat, sold, len(product) * WEEKS).reshape(len(product), WEEKS)


def life_cycle_table(history: History) -> pa.Table:
    """Shares, evidence and dispersion by (level, id, promoted), as docs/architecture.md lists the columns."""
    launches = history.launches.take(history.launches.complete8)
    product = launches.frame["product_index"].to_numpy(dtype=np.int64)
    weekly = _weekly(history, launches)
    free = weekly.free
    parts = []
    ids = {"all": np.zeros(len(product), dtype=np.int64)}
    ids |= {level: history.ids[product, place] for place, level in enumerate(LEVELS)}
    above = np.full((1, 2, WEEKS), 1.0 / WEEKS)
    parents = {"all": np.zeros(1, dtype=np.int64), **history.vocabulary.parents}
    for level, code in ids.items():
        n = 1 if level == "all" else history.vocabulary.sizes[LEVELS.index(level)]
        start = above[parents[level]] if level == "category" else np.repeat(above[:1], n, axis=0)
        units, count = _totals(code, weekly.promoted, free, n)
        shares = units + SHARE_PRIOR * start
        above = shares / shares.sum(axis=2, keepdims=True)
        number = np.arange(n) if level == "all" else np.arange(1, n)
        parts.append(_rows(level, number, above[number], count[number]))
    evidence, dispersion = estimate(weekly, ids["department"], _shares_of_all(parts[0]))
    table = pa.concat_tables(parts)
    for name, value in zip((*EVIDENCE, *SIZES), (*evidence, *dispersion), strict=True):
        table = table.append_column(name, pa.array(np.full(len(table), value)))
    return table


def estimate(weekly: WeeklyUnits, kind: NDArray[np.int64], shares: Floats) -> tuple[Floats, Floats]:
    """Evidence and dispersion after 1..7 weeks, float64 [7] each, by the likelihood of the weeks that remain.

    Args:
        weekly: past launches.
        kind: a group of each launch, whose other launches give its forecast.
        shares: of the weeks by `promoted`, [2, 8].
    """
    if len(kind) < MIN_LAUNCHES:
        return np.full(WEEKS - 1, START[0]), np.full(WEEKS - 1, START[1])
    free = weekly.free
    total = free.sum(axis=1)
    keys = np.stack([kind, weekly.promoted, weekly.entered.astype(np.int64)], axis=1)
    group = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    units, count = np.bincount(group, total)[group], np.bincount(group)[group]
    mean = (units - total + MEAN_PRIOR * total.mean()) / (count - 1 + MEAN_PRIOR)

    def forecast_loss(parameters: Floats) -> float:
        return _loss(total, mean, np.full(len(total), np.exp(parameters[0])))

    size = np.exp(minimize(forecast_loss, np.zeros(1), method="Nelder-Mead").x[0])
    sizes = np.full(len(mean), size)
    evidence, dispersion = np.empty(WEEKS - 1), np.empty(WEEKS - 1)
    cumulative = np.cumsum(shares, axis=1)[weekly.promoted]
    bounds = [tuple(np.log(limits)) for limits in (EVIDENCE_RANGE, DISPERSION_RANGE)]
    for week in range(1, WEEKS):
        seen, rest = free[:, :week].sum(axis=1), free[:, week:].sum(axis=1)
        share = cumulative[:, week - 1]

        def loss(parameters: Floats, seen: Floats = seen, rest: Floats = rest, share: Floats = share) -> float:
            w, phi = np.exp(parameters)
            after = posterior(mean=mean, size=sizes, units=seen, share=share, evidence=w, dispersion=phi)
            return _loss(rest, after.mean, after.size)

        found = minimize(loss, np.log(START), method="L-BFGS-B", bounds=bounds)
        evidence[week - 1], dispersion[week - 1] = np.exp(found.x)
    return evidence, dispersion


def _loss(units: Floats, mean: Floats, size: Floats) -> float:
    """Mean negative log likelihood of the negative binomial."""
    mean = np.maximum(mean, 1e-3)
    value = special.gammaln(units + size) - special.gammaln(size) - special.gammaln(units + 1)
    value += size * np.log(size / (size + mean)) + units * np.log(mean / (size + mean))
    return -float(value.mean())


def _weekly(history: History, launches: Launches) -> WeeklyUnits:
    frame = launches.frame
    units = weekly_units(
        history.sales,
        frame["product_index"].to_numpy(dtype=np.int64),
        frame["launch_week"].to_numpy(dtype=np.int64),
        len(history.products),
    )
    promoted = (launches.plan.sum(axis=1) > 0).astype(np.int64)
    return WeeklyUnits(units, promoted, frame["entered_by_sale"].to_numpy(dtype=np.float64))


def _totals(
    code: NDArray[np.int64], promoted: NDArray[np.int64], units: Floats, size: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Units [size, 2, 8] and number of launches [size, 2] by code and whether promoted."""
    group = code * 2 + promoted
    flat = (group[:, None] * WEEKS + np.arange(WEEKS)[None, :]).ravel()
    total = _sums(flat, units.ravel(), size * 2 * WEEKS).reshape(size, 2, WEEKS)
    return total, np.bincount(group, minlength=size * 2).reshape(size, 2)


def _sums(group: NDArray[np.int64], values: Floats, groups: int) -> Floats:
    return np.bincount(group, values, minlength=groups).astype(np.float64)


def _rows(level: str, number: NDArray[np.int64], shares: Floats, count: NDArray[np.int64]) -> pa.Table:
    flat = shares.reshape(-1, WEEKS)
    return pa.table(
        {
            "level": pa.array([level] * len(flat), pa.string()),
            "id": pa.array(np.repeat(number, 2), pa.int64()),
            "promoted": pa.array(np.tile([0, 1], len(number)), pa.int64()),
            "launches": pa.array(count.ravel(), pa.int64()),
            **{name: pa.array(flat[:, week], pa.float64()) for week, name in enumerate(SHARES)},
        }
    )


def _shares_of_all(table: pa.Table) -> Floats:
    """Shares by `promoted` [2, 8]."""
    return np.stack([table[name].to_numpy() for name in SHARES], axis=1)
