"""What a model release may see: the prepared data up to and including its cut week, as arrays.

The one leak rule of training: a model release with cut week c reads rows of weeks <= c only; a launch is a training row
for 8-week outcomes when L + 7 <= c, for 4-week outcomes and practice labels when L + 3 <= c.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training.vocabulary import TrainingVocabulary, build_vocabulary
from onshelf_release.candidates import CHANNEL_SLOTS
from onshelf_release.channels import COUPON_KIND

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
SALES = ("product_index", "week", "units", "revenue", "discount", "buyers", "price")
PROMOTIONS = ("product_index", "week", "channel_id", "coverage")


@dataclass(frozen=True, kw_only=True)
class Launches:
    """Launches known by the cut, one row each, in order of (launch week, product index).

    `frame` has the columns of features/launches.parquet; `plan` and `practice` are coverage [n, 32] by channel slot in
    weeks L..L+1 and L..L+3; `complete4`, `complete8` say which outcomes and labels lie within the cut.
    """

    frame: pd.DataFrame
    plan: Floats
    practice: Floats
    complete4: NDArray[np.bool_]
    complete8: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: NDArray[Any]) -> "Launches":
        """Some of the launches."""
        return Launches(
            frame=self.frame[rows].reset_index(drop=True)
            if rows.dtype == bool
            else self.frame.iloc[rows].reset_index(drop=True),
            plan=self.plan[rows],
            practice=self.practice[rows],
            complete4=self.complete4[rows],
            complete8=self.complete8[rows],
        )


@dataclass(frozen=True, kw_only=True)
class History:
    """The prepared data up to `cut`; product arrays have one entry per product_index."""

    cut: Cut
    dataset: dict[str, Any]
    products: pd.DataFrame
    known: NDArray[np.bool_]
    ids: Ints
    price: Floats
    label: Floats
    texts: list[str]
    text_of: Ints
    vocabulary: TrainingVocabulary
    sales: pd.DataFrame
    promotions: pd.DataFrame
    coupons: pd.DataFrame
    channels: pd.DataFrame
    users: pd.DataFrame
    launches: Launches

    @property
    def attributes(self) -> Floats:
        """[products, 2]: price as of the cut (0 unknown), private label."""
        return np.stack([self.price, self.label], axis=1)


def load_dataset(folder: Path) -> dict[str, Any]:
    """Read dataset.json of a prepared data set; raises ExporterError where there is none."""
    path = folder / "dataset.json"
    if not path.is_file():
        raise ExporterError(f"{folder}: no prepared data (dataset.json is missing); run `onshelf-exporter data` first")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def load_history(folder: Path, cut: Cut) -> History:
    """Read the prepared data below `folder`, cut after week `cut`."""
    dataset = load_dataset(folder)
    features = folder / "features"
    products = _read(features / "products.parquet").sort_values("product_index").reset_index(drop=True)
    sales = _read(features / "product_weeks.parquet", cut, SALES)
    promotions = _read(features / "promotion_weeks.parquet", cut, PROMOTIONS)
    coupon_file = features / "coupon_weeks.parquet"  # absent where the data have no campaigns
    coupons = (
        _read(coupon_file, cut)
        if coupon_file.is_file()
        else pd.DataFrame({"product_index": np.zeros(0, int), "week": np.zeros(0, int)})
    )
    channels = _read(features / "channels.parquet").sort_values("channel_slot").reset_index(drop=True)
    slots = dict(zip(channels["channel_id"], channels["channel_slot"], strict=True))
    channel = promotions.pop("channel_id").astype("category").cat
    promotions["slot"] = np.array([slots[name] for name in channel.categories], dtype=np.int64)[channel.codes]
    known = np.array(products["first_week"].fillna(np.inf) <= cut)
    vocabulary = build_vocabulary(products[known])
    label = np.array(products["private_label"].fillna(-1), dtype=np.float32)
    titles = products["title"].fillna("").astype(str)
    codes, texts = pd.factorize(titles, sort=True)
    price = np.zeros(len(products), dtype=np.float32)
    median = sales[sales["price"] > 0].groupby("product_index")["price"].median()
    price[median.index.to_numpy()] = median.to_numpy(dtype=np.float32)
    launches = _launches(features, cut, slots)
    ids = vocabulary.ids(products)
    _as_known(launches, ids, cut, sales, promotions, coupons, channels)
    # a launch without a sale has the price that the data stage imputed: a missing price would say that nothing was sold
    launched = launches.frame["product_index"].to_numpy()
    price[launched] = np.where(price[launched] > 0, price[launched], launches.frame["price"].fillna(0.0))
    return History(
        cut=cut,
        dataset=dataset,
        products=products,
        known=known,
        ids=ids,
        price=price,
        label=label,
        texts=[str(text) for text in texts],
        text_of=codes.astype(np.int64),
        vocabulary=vocabulary,
        sales=sales,
        promotions=promotions,
        coupons=coupons,
        channels=channels,
        users=_read(features / "users.parquet").sort_values("user_index").reset_index(drop=True),
        launches=launches,
    )


def _launches(features: Path, cut: Cut, slots: dict[str, int]) -> Launches:
    frame = _read(features / "launches.parquet")
    frame = frame[frame["launch_week"] <= cut].sort_values(["launch_week", "product_index"]).reset_index(drop=True)
    rows = pd.Series(np.arange(len(frame)), index=frame["product_id"])
    covered = _read(features / "launch_channels.parquet")
    covered = covered[covered["product_id"].isin(rows.index)]
    row = rows.loc[covered["product_id"]].to_numpy()
    slot = covered["channel_id"].map(slots).to_numpy(dtype=np.int64)
    plan = np.zeros((len(frame), CHANNEL_SLOTS), dtype=np.float32)
    practice = plan.copy()
    plan[row, slot] = covered["coverage_plan"].fillna(0.0).to_numpy(dtype=np.float32)
    practice[row, slot] = covered["coverage_4w"].fillna(0.0).to_numpy(dtype=np.float32)
    week = frame["launch_week"].to_numpy()
    return Launches(frame=frame, plan=plan, practice=practice, complete4=week + 3 <= cut, complete8=week + 7 <= cut)


def _as_known(
    launches: Launches,
    ids: Ints,
    cut: Cut,
    sales: pd.DataFrame,
    promotions: pd.DataFrame,
    coupons: pd.DataFrame,
    channels: pd.DataFrame,
) -> None:
    """Replace, in place, what the prepared data know of launches from weeks after the cut: prices of launches whose 8
    weeks are not over, plans and discounts of launches in the cut week.

    A launch that has not sold by the cut gets the price of a launch that is over, of its type if there is one (hot
    deck), as the data stage does for launches that never sold: a missing price would say that nothing was sold.
    """
    frame, over = launches.frame, launches.complete8
    product, week = (frame[name].to_numpy(dtype=np.int64) for name in ("product_index", "launch_week"))
    newest = week == cut
    start = np.full(len(ids), cut + 1)
    start[product] = week
    sold = sales["product_index"].to_numpy(dtype=np.int64)
    inside = sales["week"].to_numpy(dtype=np.int64) >= start[sold]
    units, revenue, discount = (
        np.bincount(sold[inside], sales[name].to_numpy(dtype=np.float64)[inside], minlength=len(ids))[product]
        for name in ("units", "revenue", "discount")
    )
    listed = revenue + discount
    seen = (units > 0) & (listed > 0)
    price = np.where(seen, listed / np.where(seen, units, 1.0), _drawn(frame["price"], over, ids[product], cut))
    frame["price"] = np.where(over, frame["price"], price)
    share = np.where(seen, discount / np.where(seen, listed, 1.0), _drawn(frame["discount"], over, ids[product], cut))
    frame["discount"] = np.where(newest, share, frame["discount"])
    active = coupons.loc[coupons["week"] == cut, "product_index"].to_numpy()
    frame["coupon"] = np.where(newest, np.isin(product, active), frame["coupon"]).astype(frame["coupon"].dtype)
    launches.plan[newest] = 0.0
    row = np.full(len(ids), -1)
    row[product[newest]] = np.flatnonzero(newest)
    now = promotions[promotions["week"] == cut]
    now = now[row[now["product_index"].to_numpy(dtype=np.int64)] >= 0]
    at = row[now["product_index"].to_numpy(dtype=np.int64)]
    launches.plan[at, now["slot"].to_numpy(dtype=np.int64)] = now["coverage"].to_numpy(dtype=np.float32)
    for slot in channels.loc[channels["kind"] == COUPON_KIND, "channel_slot"]:
        launches.plan[newest, int(slot)] = frame["coupon"].to_numpy(dtype=np.float32)[newest]


def _drawn(values: pd.Series, donors: NDArray[np.bool_], ids: Ints, seed: int) -> NDArray[np.float64]:
    """For each launch the value of a donor, drawn among those of its type, else category, department, shop; NaN where
    there is no donor."""
    place = np.random.default_rng(seed).random(len(values))
    value = values.to_numpy(dtype=np.float64)
    donors = donors & np.isfinite(value)
    result = np.full(len(values), np.nan)
    for level in (None, 0, 1, 2):
        key = np.ones(len(values), dtype=np.int64) if level is None else ids[:, level]
        order = np.flatnonzero(donors)[np.argsort(key[donors], kind="stable")]
        first, last = (np.searchsorted(key[order], key, side=side) for side in ("left", "right"))
        found = (last > first) & (key > 0)
        chosen = first + np.floor(place * (last - first)).astype(np.int64)
        result[found] = value[order[chosen[found]]]
    return result


def _read(path: Path, cut: Cut | None = None, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    if not path.is_file():
        raise ExporterError(f"{path}: missing; run `onshelf-exporter data` again")
    filters = None if cut is None else [("week", "<=", cut)]
    names = None if columns is None else list(columns)
    dictionary = ["channel_id"] if names and "channel_id" in names else None
    frame: pd.DataFrame = pq.read_table(path, columns=names, filters=filters, read_dictionary=dictionary).to_pandas()
    return frame
