"""Constant tables by category that the graphs look up: median price, context of the outcome, seasonality."""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import first_whole_week, weeks_covered, weeks_of_year
from onshelf_exporter.models.lookups import CategoryTable
from onshelf_exporter.training.history import History
from onshelf_exporter.training.vocabulary import shrunk
from onshelf_release.calendar import WEEKS_OF_YEAR
from onshelf_release.candidates import HORIZONS

PRICE_STRENGTH = 5.0  # products that the level above counts for
SEASON_STRENGTH = 60.0  # the same for units of a week
CONTEXT_FEATURES = ("log_units_per_week", "log_products", "share_promoted", "share_new")


def price_table(history: History) -> CategoryTable:
    """Log median price by type, category and department, shrunk to the level above. Width 1."""
    return _table(*price_levels(history))


def price_levels(history: History) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The same as arrays [ids, 1] of departments, categories and types; a mean of logs stands for the median."""
    rows = (history.price > 0) & history.known
    if not rows.any():
        zero = [np.zeros((size, 1)) for size in history.vocabulary.sizes[:3]]
        return zero[0], zero[1], zero[2]
    log_price = np.log(history.price[rows].astype(np.float64))
    return shrunk(log_price[:, None], np.ones(len(log_price)), history.ids[rows], history.vocabulary, PRICE_STRENGTH)


def context_table(history: History) -> CategoryTable:
    """(log median price, CONTEXT_FEATURES standardised) by category: what is known of a product's neighbourhood,
    without outcomes of single launches."""
    n = len(history.products)
    rows = history.known.copy()
    rows[history.launches.frame["product_index"].to_numpy()] = False
    if not rows.any():
        rows = history.known
    index = history.sales["product_index"].to_numpy()
    units = np.bincount(index, history.sales["units"].to_numpy(dtype=np.float64), minlength=n)
    first = history.products["first_week"].fillna(np.inf).to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        weeks = np.maximum(weeks_covered(history.dataset, first, history.cut), 1.0)
    rate = np.log(units / np.where(np.isfinite(weeks), weeks, 1.0) + 0.02)
    promoted = np.zeros(n)
    promoted[history.promotions["product_index"].unique()] = 1.0
    new = (first > history.cut - 13).astype(np.float64)
    values = np.stack([rate, promoted, new], axis=1)[rows]
    ids = history.ids[rows]
    levels = shrunk(values, np.ones(len(values)), ids, history.vocabulary, 10.0)
    prices = price_levels(history)
    tables = []
    for position, (level, price) in enumerate(zip(levels, prices, strict=True)):
        size = np.bincount(ids[:, position], minlength=len(level)).astype(np.float64)
        features = np.column_stack([level[:, 0], np.log1p(size), level[:, 1], level[:, 2]])
        tables.append(np.concatenate([price, features], axis=1))
    # by the most specific level that there is: a shop may have no types, no categories, or no category at all
    deepest = next((table[1:, 1:] for table in reversed(tables) if len(table) > 1), tables[0][:, 1:])
    mean, scale = deepest.mean(0), deepest.std(0) + 1e-6
    for table in tables:
        table[:, 1:] = np.clip((table[:, 1:] - mean) / scale, -4.0, 4.0)
    return _table(tables[0], tables[1], tables[2])


def seasonality_levels(history: History) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Index of sales by week of year, mean 1, [ids, 53] for departments, categories and types: smoothed over
    neighbouring weeks and shrunk to the level above. Weeks of the year that the data up to the cut do not show are
    1, and a first week that they hold in part does not count."""
    whole_from = first_whole_week(history.dataset)
    sales = history.sales[history.sales["week"] >= whole_from]
    week = weeks_of_year(history.dataset, sales["week"].to_numpy()) - 1
    units = np.minimum(sales["units"].to_numpy(dtype=np.float64), 50.0)
    ids = history.ids[sales["product_index"].to_numpy()]
    shown = np.zeros(WEEKS_OF_YEAR)
    np.add.at(shown, weeks_of_year(history.dataset, np.arange(whole_from, history.cut + 1)) - 1, 1.0)
    result: list[NDArray[np.float64]] = []
    whole = _index(
        np.bincount(week, units, minlength=WEEKS_OF_YEAR).astype(np.float64)[None, :],
        shown,
        np.ones((1, WEEKS_OF_YEAR)),
    )
    above = whole
    for position, level in enumerate(("department", "category", "type")):
        size = history.vocabulary.sizes[position]
        flat = (
            np.bincount(ids[:, position] * WEEKS_OF_YEAR + week, units, minlength=size * WEEKS_OF_YEAR)
            .reshape(size, WEEKS_OF_YEAR)
            .astype(np.float64)
        )
        prior = above[history.vocabulary.parents[level]] if position else np.repeat(whole, size, 0)
        index = _index(flat, shown, prior)
        index[0] = whole[0]
        result.append(index)
        above = index
    return result[0], result[1], result[2]


def _index(units: NDArray[np.float64], shown: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel = np.array([0.25, 0.5, 0.25])
    weights = (shown > 0).astype(np.float64)
    rate = units / np.maximum(shown, 1.0)
    smooth = _circular(rate * weights, kernel) / np.maximum(_circular(weights[None, :], kernel), 1e-9) * weights
    level = smooth.sum(1, keepdims=True) / max(weights.sum(), 1.0)
    index = (smooth + SEASON_STRENGTH * prior) / (level + SEASON_STRENGTH)
    index = np.where(weights > 0, index, 1.0)
    mean = (index * weights).sum(1, keepdims=True) / max(weights.sum(), 1.0)
    return np.where(weights > 0, np.clip(index / np.maximum(mean, 1e-9), 0.1, 10.0), 1.0)


def _circular(values: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros(values.shape, dtype=np.float64)
    for offset, weight in enumerate(kernel):
        total += np.roll(values, offset - 1, axis=1) * weight
    return total


def seasonality_table(history: History) -> CategoryTable:
    """Log of the mean index over the horizon that starts in each week: 53 columns for 4 weeks, then 53 for 8."""
    tables = []
    for level in seasonality_levels(history):
        parts = [np.log(np.mean([np.roll(level, -step, axis=1) for step in range(h)], axis=0)) for h in HORIZONS]
        tables.append(np.concatenate(parts, axis=1))
    return _table(tables[0], tables[1], tables[2])


def _table(
    departments: NDArray[np.float64], categories: NDArray[np.float64], types: NDArray[np.float64]
) -> CategoryTable:
    return CategoryTable(
        *(torch.from_numpy(np.ascontiguousarray(part)).float() for part in (departments, categories, types))
    )


def product_week_frame(history: History) -> pd.DataFrame:
    """Sales by product and whole week with the list price and the discount's share of it, for the response panel."""
    sales = history.sales[history.sales["week"] >= first_whole_week(history.dataset)]
    value = (sales["revenue"] + sales["discount"]).to_numpy(dtype=np.float64)
    share = np.where(value > 0, sales["discount"].to_numpy(dtype=np.float64) / np.maximum(value, 1e-9), 0.0)
    return pd.DataFrame(
        {
            "product": sales["product_index"].to_numpy(),
            "week": sales["week"].to_numpy(),
            "units": sales["units"].to_numpy(dtype=np.float64),
            "price": sales["price"].to_numpy(dtype=np.float64),
            "discount": np.clip(share, 0.0, 0.9),
        }
    )
