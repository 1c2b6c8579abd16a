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

from onshelf_exporter.errors import ExporterError
from onshelf_exporter.models.product_encoder import CHANNELS
from onshelf_exporter.training.vocabulary import Vocabulary, build_vocabulary

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
SALES = ("product_index", "week", "units", "revenue", "discount", "buyers", "price")
PROMOTIONS = ("product_index", "week", "channel_id", "coverage")


@dataclass(frozen=True)
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
            self.frame[rows].reset_index(drop=True)
            if rows.dtype == bool
            else self.frame.iloc[rows].reset_index(drop=True),
            self.plan[rows],
            self.practice[rows],
            self.complete4[rows],
            self.complete8[rows],
        )


@dataclass(frozen=True)
class History:
    """The prepared data up to `cut`; product arrays have one entry per product_index."""

    cut: int
    dataset: dict[str, Any]
    products: pd.DataFrame
    known: NDArray[np.bool_]
    ids: Ints
    price: Floats
    label: Floats
    texts: list[str]
    text_of: Ints
    vocabulary: Vocabulary
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


def load_history(folder: Path, cut: int) -> History:
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
    # a launch without a sale has the price that the data stage imputed: a missing price would say that nothing was sold
    launched = launches.frame["product_index"].to_numpy()
    price[launched] = np.where(price[launched] > 0, price[launched], launches.frame["price"].fillna(0.0))
    return History(
        cut=cut,
        dataset=dataset,
        products=products,
        known=known,
        ids=vocabulary.ids(products),
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


def _launches(features: Path, cut: int, slots: dict[str, int]) -> Launches:
    frame = _read(features / "launches.parquet")
    frame = frame[frame["launch_week"] <= cut].sort_values(["launch_week", "product_index"]).reset_index(drop=True)
    rows = pd.Series(np.arange(len(frame)), index=frame["product_id"])
    covered = _read(features / "launch_channels.parquet")
    covered = covered[covered["product_id"].isin(rows.index)]
    row = rows.loc[covered["product_id"]].to_numpy()
    slot = covered["channel_id"].map(slots).to_numpy(dtype=np.int64)
    plan = np.zeros((len(frame), CHANNELS), dtype=np.float32)
    practice = plan.copy()
    plan[row, slot] = covered["coverage_plan"].fillna(0.0).to_numpy(dtype=np.float32)
    practice[row, slot] = covered["coverage_4w"].fillna(0.0).to_numpy(dtype=np.float32)
    week = frame["launch_week"].to_numpy()
    return Launches(frame, plan, practice, week + 3 <= cut, week + 7 <= cut)


def _read(path: Path, cut: int | None = None, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    if not path.is_file():
        raise ExporterError(f"{path}: missing; run `onshelf-exporter data` again")
    filters = None if cut is None else [("week", "<=", cut)]
    names = None if columns is None else list(columns)
    dictionary = ["channel_id"] if names and "channel_id" in names else None
    frame: pd.DataFrame = pq.read_table(path, columns=names, filters=filters, read_dictionary=dictionary).to_pandas()
    return frame
