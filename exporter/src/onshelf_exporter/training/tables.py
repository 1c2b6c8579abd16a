"""The tables of a model release, as Arrow IPC files: what the gateway looks up instead of computing it."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
from numpy.typing import NDArray

from onshelf_exporter.data import features
from onshelf_exporter.data.weeks import calendar_of, weeks_of_year
from onshelf_exporter.training.behaviour import Events, bought
from onshelf_exporter.training.context import price_levels, seasonality_levels
from onshelf_exporter.training.familiarity import familiarity_table
from onshelf_exporter.training.history import History
from onshelf_exporter.training.life_cycle import life_cycle_table
from onshelf_exporter.training.outcome import launch_attributes
from onshelf_exporter.training.recipe import EncoderRecipe
from onshelf_exporter.training.related.table import related_tables
from onshelf_exporter.training.texts import load_tokenizer
from onshelf_exporter.training.towers import TowerResult
from onshelf_release.channels import ATTRIBUTES
from onshelf_release.codes import LEVELS
from onshelf_release.tables import check_columns

TRAITS = ("purchases_per_week", "price_tier", "promotion_sensitivity", "new_product_share")


def write_tables(
    history: History,
    events: Events,
    towers: TowerResult,
    data: Path,
    folder: Path,
    encoder: EncoderRecipe,
    embeddings: NDArray[np.float32],
) -> None:
    """Write all tables of the model release below `folder`; `data` is the prepared data behind `history`, `embeddings`
    those of its products."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "vocabulary": history.vocabulary.table(),
        "categories": categories_table(history),
        "channels": channels_table(history),
        "products": products_table(history),
        "users": users_table(history, events, towers, features.user_features(features.at(data, history.cut))),
        "launches": launches_table(history),
        "life_cycle": life_cycle_table(history),
        "familiarity": familiarity_table(load_tokenizer(encoder), known_titles(history), encoder.language),
        **related_tables(data, history, embeddings),
    }
    for name, table in tables.items():
        check_columns(name, table)
        feather.write_feather(table, str(folder / f"{name}.arrow"), compression="uncompressed")


def known_titles(history: History) -> list[str]:
    """The distinct titles of the products known by the cut."""
    return [history.texts[number] for number in np.unique(history.text_of[history.known])]


def categories_table(history: History) -> pa.Table:
    """Prices, seasonality and past launches by department, category and type; prices fall back to the level above below
    5 products."""
    seasons, prices = seasonality_levels(history), price_levels(history)
    known = history.known & (history.price > 0)
    launches = history.launches
    launch_ids = history.ids[launches.frame["product_index"].to_numpy()]
    parts = []
    above: pd.DataFrame | None = None
    for position, level in enumerate(LEVELS[:3]):
        size = history.vocabulary.sizes[position]
        index = pd.RangeIndex(size)
        priced = pd.Series(history.price[known]).groupby(history.ids[known, position])
        table = pd.DataFrame(
            {f"price_p{q:02d}": priced.quantile(q / 100).reindex(index) for q in (5, 25, 50, 75, 95)}, index=index
        )
        few = priced.size().reindex(index).fillna(0).to_numpy() < 5
        if above is not None:
            fallback = above.iloc[history.vocabulary.parents[level]].to_numpy()
            table = pd.DataFrame(np.where(few[:, None], fallback, table.to_numpy()), index=index, columns=table.columns)
        table = table.fillna(pd.Series({c: float(np.exp(prices[position][0, 0])) for c in table.columns}))
        above = table
        done = launches.complete8
        units = launches.frame["units_8w"].to_numpy(dtype=np.float64)[done]
        grouped = pd.Series(units).groupby(launch_ids[done, position])
        depth = pd.Series(launches.frame["discount"].fillna(0.0).to_numpy(dtype=np.float64)[launches.complete4])
        discount = depth.groupby(launch_ids[launches.complete4, position]).median().reindex(index)
        overall = (float(np.median(units)), float(np.mean(units))) if len(units) else (0.0, 0.0)
        parts.append(
            pa.table(
                {
                    "level": pa.array([level] * (size - 1), pa.string()),
                    "id": pa.array(range(1, size), pa.int64()),
                    "median_price": _floats(table["price_p50"])[1:],
                    **{f"price_p{q:02d}": _floats(table[f"price_p{q:02d}"])[1:] for q in (5, 25, 75, 95)},
                    "seasonality": pa.array(list(seasons[position][1:].astype(np.float32)), pa.list_(pa.float32())),
                    "n_launches": pa.array(grouped.size().reindex(index).fillna(0).astype(np.int64)[1:], pa.int64()),
                    "launch_units_8w_median": _floats(grouped.median().reindex(index).fillna(overall[0]))[1:],
                    "launch_units_8w_mean": _floats(grouped.mean().reindex(index).fillna(overall[1]))[1:],
                    "discount_median": _floats(discount.fillna(0.0))[1:],
                }
            )
        )
    return pa.concat_tables(parts)


def channels_table(history: History) -> pa.Table:
    """Channels by slot with the coverage that past launches had where it was above 0: median and 75th percentile."""
    channels = history.channels
    plan = history.launches.plan
    typical, broad, count = [], [], []
    for slot in channels["channel_slot"]:
        positive = plan[:, int(slot)][plan[:, int(slot)] > 0]
        typical.append(float(np.median(positive)) if len(positive) else 0.0)
        broad.append(float(np.quantile(positive, 0.75)) if len(positive) else 0.0)
        count.append(len(positive))
    return pa.table(
        {
            "channel_slot": pa.array(channels["channel_slot"].astype(np.int64), pa.int64()),
            **{name: pa.array(channels[name], from_pandas=True).cast(kind) for name, kind in ATTRIBUTES.items()},
            "typical_coverage": pa.array(typical, pa.float64()),
            "broad_coverage": pa.array(broad, pa.float64()),
            "n_launches": pa.array(count, pa.int64()),
        }
    )


def products_table(history: History) -> pa.Table:
    """All products in order of product_index; what lies beyond the cut is unknown (price 0, popularity 0, no launch
    date)."""
    products, n = history.products, len(history.products)
    sales = history.sales
    recent = sales["week"].to_numpy() > history.cut - 8
    newest = sales["week"].to_numpy() > history.cut - 4
    index, units = sales["product_index"].to_numpy(), sales["units"].to_numpy(dtype=np.float64)
    popularity = np.bincount(index[recent], units[recent], minlength=n)
    last = np.bincount(index[newest], units[newest], minlength=n)
    trend = np.log((last + 1.0) / (popularity - last + 1.0))
    priced = pd.Series(np.where(history.price > 0, history.price, np.nan))
    band = priced.groupby(history.ids[:, 1]).rank(pct=True)
    calendar = calendar_of(history.dataset)
    week = products["launch_week"].to_numpy(dtype=np.float64)
    known = np.where(week <= history.cut, week, np.nan)
    dates = {w: calendar.first_day(int(w)).isoformat() for w in np.unique(known[np.isfinite(known)])}
    first = products["first_week"].to_numpy(dtype=np.float64)
    return pa.table(
        {
            "product_index": pa.array(range(n), pa.int64()),
            "product_id": pa.array(products["product_id"].astype(str), pa.string()),
            "title": pa.array(products["title"].fillna("").astype(str), pa.string()),
            "brand": pa.array(products["brand"].fillna("").astype(str), pa.string()),
            **{f"{level}_id": pa.array(history.ids[:, i], pa.int64()) for i, level in enumerate(LEVELS)},
            "price": pa.array(history.price.astype(np.float64), pa.float64()),
            "private_label": pa.array(history.label.astype(np.int64), pa.int64()),
            "first_week": pa.array(
                [int(w) if np.isfinite(w) and w <= history.cut else None for w in first], pa.int64()
            ),
            "launch_date": pa.array([dates.get(w) if np.isfinite(w) else None for w in known], pa.string()),
            "popularity": pa.array(popularity, pa.float64()),
            "popularity_trend": pa.array(trend, pa.float64()),
            "price_band": pa.array(band.fillna(0.5).to_numpy(dtype=np.float64), pa.float64()),
        }
    )


def users_table(history: History, events: Events, towers: TowerResult, traits: pa.Table) -> pa.Table:
    """All users in order of user_index, as of the end of the cut week; `traits` are the user features of then."""
    past, profile = towers.history, towers.profile
    count = len(history.users)
    if not count:  # the one that stands for nobody is left out below
        traits = pa.table({name: pa.nulls(1, pa.float64()) for name in TRAITS})
    ids = _user_ids(history) or [""]
    lengths = (past.products > 0).sum(1)
    mask = past.products > 0
    user, product = bought(events)
    interests = _interests(history, events, len(profile))
    table = pa.table(
        {
            "user_index": pa.array(range(len(profile)), pa.int64()),
            "user_id": pa.array(ids, pa.string()),
            "history_products": _lists(past.products[mask], lengths, pa.int64()),
            "history_ages": _lists(past.ages[mask], lengths, pa.float32()),
            "history_quantities": _lists(past.quantities[mask], lengths, pa.float32()),
            "history_kinds": _lists(past.kinds[mask], lengths, pa.int64()),
            "profile": pa.array(list(profile), pa.list_(pa.float32())),
            "recency_weeks": pa.array(profile[:, 2].astype(np.float64), pa.float64()),
            **{name: traits[name] for name in TRAITS},
            "interests": interests,
            "bought": _lists(product, np.bincount(user, minlength=len(profile)), pa.int64()),
        }
    )
    return table.slice(0, count)


def launches_table(history: History) -> pa.Table:
    """Launches whose 8 weeks of outcome lie within the cut, in the order of launch_retrieval's rows."""
    launches = history.launches.take(history.launches.complete8)
    frame = launches.frame
    product = frame["product_index"].to_numpy()
    ids = history.ids[product]
    prices = price_levels(history)
    usual = np.where(
        ids[:, 2] > 0,
        prices[2][ids[:, 2], 0],
        np.where(ids[:, 1] > 0, prices[1][ids[:, 1], 0], prices[0][ids[:, 0], 0]),
    )
    price = launch_attributes(launches, history.label)[:, 0].astype(np.float64)
    calendar = calendar_of(history.dataset)
    weeks = frame["launch_week"].to_numpy()
    dates: dict[int, dt.date] = {int(w): calendar.first_day(int(w)) for w in np.unique(weeks)}
    names = dict(zip(history.channels["channel_slot"], history.channels["channel_id"], strict=True))
    covered = [[str(names[slot]) for slot in np.flatnonzero(row) if slot in names] for row in launches.plan > 0]
    return pa.table(
        {
            "launch_index": pa.array(range(len(frame)), pa.int64()),
            "product_id": pa.array(frame["product_id"].astype(str), pa.string()),
            "title": pa.array(history.products["title"].fillna("").astype(str).to_numpy()[product], pa.string()),
            **{f"{level}_id": pa.array(ids[:, i], pa.int64()) for i, level in enumerate(LEVELS[:3])},
            "launch_date": pa.array([dates[int(w)].isoformat() for w in weeks], pa.string()),
            "week_of_year": pa.array(weeks_of_year(history.dataset, weeks), pa.int64()),
            "channels": pa.array(covered, pa.list_(pa.string())),
            "coverage": pa.array(list(launches.plan), pa.list_(pa.float32())),
            "discount": _floats(frame["discount"].fillna(0.0)),
            "coupon": pa.array(frame["coupon"].astype(np.int64), pa.int64()),
            "price": pa.array(price, pa.float64()),
            "price_ratio": pa.array(np.where(price > 0, price / np.exp(usual), 1.0), pa.float64()),
            "units_4w": _floats(frame["units_4w"]),
            "units_8w": _floats(frame["units_8w"]),
            "buyers_8w": _floats(frame["buyers_8w"]),
            "is_promotion_first": pa.array(frame["is_promotion_first"].astype(bool), pa.bool_()),
        }
    )


def _interests(history: History, events: Events, users: int) -> pa.Array:
    """The 8 categories a user buys most often, with their share of the user's purchases."""
    category = history.ids[events.product, 1]
    frame = pd.DataFrame({"user": events.user, "category": category})[category > 0]
    counts = frame.value_counts(sort=False).reset_index(name="count")
    total = np.bincount(counts["user"], counts["count"], minlength=users)
    counts["share"] = counts["count"] / total[counts["user"]]
    counts = counts.sort_values(["user", "share", "category"], ascending=[True, False, True])
    counts = counts[counts.groupby("user").cumcount() < 8]
    values = pa.StructArray.from_arrays(
        [pa.array(counts["category"], pa.int64()), pa.array(counts["share"], pa.float64())],
        names=["category_id", "share"],
    )
    lengths = np.bincount(counts["user"], minlength=users)
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()), values)


def _user_ids(history: History) -> list[str]:
    return [str(value) for value in history.users["user_id"]]


def _lists(flat: NDArray[Any], lengths: NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(flat, kind))


def _floats(values: Any) -> pa.Array:
    return pa.array(np.asarray(values, dtype=np.float64), pa.float64())
