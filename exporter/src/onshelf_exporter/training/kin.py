"""Statistics of products' kin at any week, from the history; what they mean is in models/kin.py."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onshelf_exporter.data.weeks import Cut, share_held
from onshelf_exporter.models.kin import GROUPS, STATISTICS, KinTables, group_keys
from onshelf_exporter.training.behaviour import Events
from onshelf_exporter.training.history import History

RECENT, NEWEST = 8, 3
LAUNCH_WEEKS = 8
CAP_SHARE = 0.9998  # product-weeks above this quantile of units count as at it: a party is not a rate
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Kin:
    """What statistics are summed over: events of products by week, and each product's keys.

    Attributes:
        last: last week.
        keys: by group INT64 [products]; -1 none.
        events: by statistic (product, week, value): what is added to a group's running sum in that week.
        first: first week of each product, float64 [products]; infinite where it was never seen.
        shape: share of a launch's 8-week units by week of life, float64 [8].
        weekly: units of launches by week of life, float64 [launches, 8]; NaN beyond the cut.
        weekly_buyers: buyers likewise.
        held: float64 [last + 1], share of each week's days that the data hold.
    """

    last: int
    keys: dict[str, Ints]
    events: dict[str, tuple[Ints, Ints, Floats]]
    first: Floats
    shape: Floats
    weekly: Floats
    weekly_buyers: Floats
    held: Floats


def by_week_of_life(history: History, column: str) -> Floats:
    """Units or buyers of each launch by week of life, float64 [launches, 8]; NaN where the week lies beyond the cut."""
    frame = history.launches.frame
    product, start = frame["product_index"].to_numpy(), frame["launch_week"].to_numpy()
    week = start[:, None] + np.arange(LAUNCH_WEEKS)
    value = np.where(week <= history.cut, 0.0, np.nan)
    row_of = np.full(len(history.products), -1, dtype=np.int64)
    row_of[product] = np.arange(len(product))
    row = row_of[history.sales["product_index"].to_numpy()]
    age = history.sales["week"].to_numpy() - start[np.maximum(row, 0)]
    inside = (row >= 0) & (age >= 0) & (age < LAUNCH_WEEKS)
    value[row[inside], age[inside]] = history.sales[column].to_numpy(dtype=np.float64)[inside]
    return value


def build_kin(history: History, purchases: Events) -> Kin:
    """Everything up to the cut, ready to be summed."""
    sales, promotions, launches = history.sales, history.promotions, history.launches.frame
    product, week = sales["product_index"].to_numpy(dtype=np.int64), sales["week"].to_numpy(dtype=np.int64)
    cap = max(20.0, float(np.quantile(sales["units"], CAP_SHARE))) if len(sales) else 20.0
    units = np.minimum(sales["units"].to_numpy(dtype=np.float64), cap)
    buyers = sales["buyers"].to_numpy(dtype=np.float64)
    price = sales["price"].to_numpy(dtype=np.float64)
    priced = price > 0
    displays = history.channels.loc[history.channels["kind"] == "display", "channel_slot"]
    shown = promotions.assign(display=promotions["slot"].isin(displays))
    total = shown.groupby(["product_index", "week", "display"], sort=True)["coverage"].sum().clip(upper=1.0)
    total = total.reset_index()
    weekly = by_week_of_life(history, "units")
    known = np.isfinite(weekly)
    overall = np.nan_to_num(weekly).sum(0) / np.maximum(known.sum(0), 1)
    shape = overall / overall.sum() if overall.sum() > 0 else np.full(LAUNCH_WEEKS, 1 / LAUNCH_WEEKS)
    row, age = np.nonzero(known)
    launched = launches["product_index"].to_numpy(dtype=np.int64)[row]
    at = launches["launch_week"].to_numpy(dtype=np.int64)[row] + age
    one = np.ones(len(product))
    events = {
        "launch_units": (launched, at, np.minimum(weekly[row, age], cap)),
        "launch_exposure": (launched, at, shape[age]),
        "units": (product, week, units),
        "sales": (product, week, one),
        "buyers": (product, week, buyers),
        "log_price": (product[priced], week[priced], np.log(np.maximum(price[priced], 0.01))),
        "priced": (product[priced], week[priced], one[priced]),
    }
    for name, display in (("display", True), ("mail", False)):
        part = total[total["display"] == display]
        place = (part["product_index"].to_numpy(dtype=np.int64), part["week"].to_numpy(dtype=np.int64))
        events[name] = (*place, np.ones(len(part)))
        events[f"{name}_coverage"] = (*place, part["coverage"].to_numpy(dtype=np.float64))
    events |= repeat_events(purchases, history.cut)
    keys = group_keys(torch.from_numpy(history.ids), torch.from_numpy(history.label), history.vocabulary.sizes)
    first = history.products["first_week"].fillna(np.inf).to_numpy(dtype=np.float64)
    who = "buyers" if len(history.users) else "units"  # where nothing is known of buyers, each unit counts as one
    return Kin(
        last=history.cut,
        keys=dict(zip(GROUPS, keys.T.contiguous().numpy(), strict=True)),
        events=events,
        first=first,
        shape=shape,
        weekly=weekly,
        weekly_buyers=by_week_of_life(history, who),
        held=share_held(history.dataset, np.arange(history.cut + 1)),
    )


def repeat_events(purchases: Events, cut: Cut) -> dict[str, tuple[Ints, Ints, Floats]]:
    """Pairs of user and product 8 weeks after the first purchase, and whether there was a second week by then."""
    bought = (purchases.kind == 1) & (purchases.week <= cut)
    user, product, week = purchases.user[bought], purchases.product[bought], purchases.week[bought]
    order = np.lexsort((week, product, user))
    user, product, week = user[order], product[order], week[order]
    new = np.ones(len(user), dtype=bool)
    new[1:] = (user[1:] != user[:-1]) | (product[1:] != product[:-1])
    start = np.flatnonzero(new)
    following = np.minimum(start + 1, max(len(user) - 1, 0))
    second = (start + 1 < len(user)) & ~new[following]
    again = second & (week[following] - week[start] < LAUNCH_WEEKS)
    over = week[start] + LAUNCH_WEEKS - 1
    known = over <= cut
    place = (product[start][known], over[known])
    return {"tried": (*place, np.ones(int(known.sum()))), "tried_again": (*place, again[known].astype(np.float64))}


def statistics(kin: Kin, group: str, wanted: Ints, weeks: Ints) -> Floats:
    """Sums of some groups up to some weeks.

    Args:
        kin: as built.
        group: one of GROUPS.
        wanted: sorted keys, int64 [rows].
        weeks: int64 [n].

    Returns:
        float64 [n, rows, len(STATISTICS)].
    """
    index = np.searchsorted(wanted, kin.keys[group])
    index = np.minimum(index, max(len(wanted) - 1, 0))
    inside = (wanted[index] == kin.keys[group]) if len(wanted) else np.zeros(len(kin.keys[group]), dtype=bool)
    row_of = np.where(inside, index, -1)
    result = np.zeros((len(weeks), len(wanted), len(STATISTICS)))
    place = {name: i for i, name in enumerate(STATISTICS)}

    def running(name: str) -> Floats:
        product, week, value = kin.events[name]
        row = row_of[product]
        kept = row >= 0
        flat = np.bincount(
            row[kept] * (kin.last + 1) + np.clip(week[kept], 0, kin.last),
            value[kept],
            minlength=len(wanted) * (kin.last + 1),
        )
        return np.cumsum(flat.reshape(len(wanted), kin.last + 1), axis=1)

    def since(total: Floats, span: int) -> Floats:
        difference: Floats = (total[:, weeks] - total[:, np.maximum(weeks - span, 0)]).T
        return difference

    for name in ("launch_units", "launch_exposure", "units", "log_price", "priced", "tried", "tried_again"):
        result[:, :, place[name]] = running(name)[:, weeks].T
    units, sales = running("units"), running("sales")
    result[:, :, place["recent_units"]], result[:, :, place["recent_sales"]] = (
        since(units, RECENT),
        since(sales, RECENT),
    )
    result[:, :, place["newest_units"]], result[:, :, place["newest_sales"]] = (
        since(units, NEWEST),
        since(sales, NEWEST),
    )
    result[:, :, place["recent_buyers"]] = since(running("buyers"), RECENT)
    result[:, :, place["displayed"]] = since(running("display"), RECENT)
    result[:, :, place["display_coverage"]] = since(running("display_coverage"), RECENT)
    result[:, :, place["mailed"]] = since(running("mail"), RECENT)
    result[:, :, place["mail_coverage"]] = since(running("mail_coverage"), RECENT)
    seen = np.isfinite(kin.first) & (row_of >= 0)
    flat = np.bincount(
        row_of[seen] * (kin.last + 1) + np.clip(kin.first[seen].astype(np.int64), 0, kin.last),
        (kin.first[seen] <= kin.last).astype(np.float64),
        minlength=len(wanted) * (kin.last + 1),
    )
    known = np.cumsum(flat.reshape(len(wanted), kin.last + 1).astype(np.float64), axis=1)
    known *= kin.held
    result[:, :, place["weeks"]] = np.cumsum(known, axis=1)[:, weeks].T
    return result


def statistics_of(kin: Kin, products: Ints, weeks: Ints) -> Tensor:
    """Statistics of products' kin, each at a week of its own: FP32 [n, len(GROUPS), len(STATISTICS)]."""
    when, position = np.unique(weeks, return_inverse=True)
    result = np.zeros((len(products), len(GROUPS), len(STATISTICS)), dtype=np.float32)
    for place, group in enumerate(GROUPS):
        key = kin.keys[group][products]
        wanted = np.unique(key[key >= 0])
        table = statistics(kin, group, wanted, when)
        valid = key >= 0
        result[valid, place] = table[position[valid], np.searchsorted(wanted, key[valid])]
    return torch.from_numpy(result)


def overall_rates(kin: Kin, weeks: Ints) -> Tensor:
    """Over the whole shop before each week, units of a launch in 8 weeks and the repeat rate, FP32 [n, 2]."""
    columns = []
    for above, below, prior in (("launch_units", "launch_exposure", 1.0), ("tried_again", "tried", 0.2)):
        sums = []
        for name in (above, below):
            _, week, value = kin.events[name]
            sums.append(np.cumsum(np.bincount(np.clip(week, 0, kin.last), value, minlength=kin.last + 1))[weeks])
        columns.append((sums[0] + prior) / (sums[1] + 1.0))
    return torch.from_numpy(np.stack(columns, axis=1)).float()


def kin_tables(history: History, kin: Kin) -> KinTables:
    """The tables of a model release: all groups, at the cut."""
    weeks = np.array([history.cut])
    tables = {}
    for group in GROUPS:
        key = kin.keys[group][history.known]
        wanted = np.unique(key[key >= 0])
        tables[group] = (
            torch.from_numpy(wanted),
            torch.from_numpy(statistics(kin, group, wanted, weeks)[0]).float(),
        )
    return KinTables(history.vocabulary.sizes, overall_rates(kin, weeks), tables)
