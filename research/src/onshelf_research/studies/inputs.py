"""What studies start from: data cut before the test period, launches as numbers, rolling origins."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.training.history import History, load_history
from onshelf_exporter.training.recipe import Recipe
from onshelf_exporter.training.vocabulary import shrunk

LAST_WEEK = 39  # the test period's launches begin after it; nothing later is ever read by a study
ORIGINS = ((22, 25), (25, 28), (28, 32))  # learn from launches complete by the first, measure those up to the second
PARTS = 5  # in which launches to learn from are dealt, so that no column holds its own launch's outcome
SHRINKAGE = 10.0  # launches, or product-weeks / 8, that a category's mean is shrunk by
HISTORY = (
    *("department_rate", "category_rate", "type_rate", "type_products", "brand_products", "price_to_usual"),
    *("department_launches", "category_launches", "type_launches", "brand_launches"),
)  # columns of the block "history"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """Where a study reads, what it follows and where runs are kept."""

    data: Path
    recipe: Recipe
    runs: Path

    def history(self, cut: int) -> History:
        """The prepared data up to `cut`, never beyond LAST_WEEK."""
        return load_history(self.data, Cut(min(cut, LAST_WEEK)))


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Launches before and after one origin, as numbers.

    Attributes:
        week: the origin: nothing later is known to the features.
        launches: the launches' rows (launch_week, product_index, units_8w ...), those to learn from first.
        learn: bool [n], launches whose 8 weeks had ended by the origin.
        blocks: columns by name of the block, float64 [n, width] each: product, plan, history.
        units: float64 [n], units sold in the first 8 weeks.
        groups: int64 [n] by level "type" and "brand": the same number for the same type or manufacturer.
    """

    week: int
    launches: pd.DataFrame
    learn: NDArray[np.bool_]
    blocks: dict[str, Floats]
    units: Floats
    groups: dict[str, NDArray[np.int64]]


def origin(outcomes: History, before: History, until: int) -> Origin:
    """Launches that were complete at the cut of `before`, and those of the weeks after it up to `until`.

    Prices and plans are part of the question; what category, type and manufacturer sold is counted up to the origin.

    Args:
        outcomes: a history that reaches 8 weeks beyond `until`.
        before: the history up to the origin.
        until: the last launch week to measure.
    """
    frame = outcomes.launches.frame
    week = frame["launch_week"].to_numpy()
    learn = (week + 7 <= before.cut) & outcomes.launches.complete8
    measure = (week > before.cut) & (week <= until) & outcomes.launches.complete8
    kept = np.concatenate([np.flatnonzero(learn), np.flatnonzero(measure)])
    launches = outcomes.launches.take(kept)
    rows = launches.frame
    product = rows["product_index"].to_numpy()
    known = learn[kept]
    ids = before.ids[product]
    price = np.maximum(rows["price"].to_numpy(dtype=np.float64, na_value=1.0), 0.05)
    columns = [np.log(price), outcomes.label[product].astype(np.float64)]
    plan = launches.plan.astype(np.float64)
    used = plan[known].any(axis=0)
    extra = rows[["coupon", "entered_by_sale", "discount"]].fillna(0).to_numpy(dtype=np.float64)
    units = rows["units_8w"].to_numpy(dtype=np.float64)
    return Origin(
        week=before.cut,
        launches=rows,
        learn=known,
        blocks={
            "product": np.stack(columns, axis=1),
            "plan": np.concatenate([plan[:, used], plan.sum(1, keepdims=True), extra], axis=1),
            "history": _past(before, ids, price, units, known),
        },
        units=units,
        groups={"type": outcomes.ids[product, 2], "brand": outcomes.ids[product, 3]},
    )


def _past(before: History, ids: NDArray[np.int64], price: Floats, units: Floats, known: NDArray[np.bool_]) -> Floats:
    """What department, category, type and manufacturer sold: units a week, the median price, launches' units.

    The means over launches are taken from other parts than a launch's own.
    """
    sales = before.sales.groupby("product_index")["units"].sum()
    index = sales.index.to_numpy()
    weeks = before.cut - before.products["first_week"].to_numpy(dtype=np.float64)[index] + 1
    rate = np.log(sales.to_numpy(dtype=np.float64) / np.maximum(weeks, 1.0))[:, None]
    one = np.ones(len(index))
    department, category, kind = shrunk(rate, one, before.ids[index], before.vocabulary, SHRINKAGE)
    priced = np.flatnonzero(before.price > 0)
    log_price = np.log(before.price[priced].astype(np.float64))[:, None]
    prices = shrunk(log_price, np.ones(len(priced)), before.ids[priced], before.vocabulary, 1.0)
    usual = np.where(ids[:, 2] > 0, prices[2][ids[:, 2], 0], prices[1][ids[:, 1], 0])
    counts = [before.vocabulary.counts["type"][ids[:, 2]], before.vocabulary.counts["brand"][ids[:, 3]]]
    past = [department[ids[:, 0], 0], category[ids[:, 1], 0], kind[ids[:, 2], 0]]
    past += [np.log1p(np.where(ids[:, level] > 0, count, 0)) for level, count in zip((2, 3), counts, strict=True)]
    past += [np.log(price) - usual]
    past += [_others(np.log1p(units), ids[:, level], known) for level in range(4)]
    assert len(past) == len(HISTORY)
    return np.stack(past, axis=1)


def parts(n: int, seed: int = 1) -> NDArray[np.int64]:
    """Which of PARTS parts each of n launches falls into; a launch's own outcome never meets its own columns."""
    dealt: NDArray[np.int64] = np.random.default_rng(seed).integers(PARTS, size=n)
    return dealt


def _others(value: Floats, group: NDArray[np.int64], known: NDArray[np.bool_]) -> Floats:
    """Mean of `value` over known launches of the same group in the other parts, shrunk to the mean over all."""
    size, part = int(group.max()) + 1, parts(len(value))
    result = np.zeros(len(value))
    for number in range(PARTS + 1):  # the last round is for launches that are not learned from
        source = known & (part != number)
        wanted = known & (part == number) if number < PARTS else ~known
        overall = float(value[source].mean())
        total = np.bincount(group[source], value[source], minlength=size)
        count = np.bincount(group[source], minlength=size).astype(np.float64)
        mean = (total + SHRINKAGE * overall) / (count + SHRINKAGE)
        mean[0] = overall
        result[wanted] = mean[group[wanted]]
    return result
