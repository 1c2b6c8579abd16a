"""The prepared data as arrays for measuring: launches with plan and outcome, purchases by user, sales by week.

Nothing here chooses what a model may see: that is the business of the callers, who cut by week.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from onshelf_exporter.process.errors import SourceError

LEVELS = ("department", "category", "type", "brand")


@dataclass(frozen=True)
class LaunchRows:
    """Some launches, one row each in order of (launch week, product index).

    Attributes:
        frame: the columns of features/launches.parquet and title, department, category, type, brand, private_label.
        coverage: float64 [n, channels], share of sites per channel slot in weeks L..L+1 (the plan).
    """

    frame: pd.DataFrame
    coverage: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: NDArray[Any]) -> "LaunchRows":
        """Some of the rows, by a mask or by positions."""
        positions = np.flatnonzero(rows) if rows.dtype == bool else rows
        return LaunchRows(self.frame.iloc[positions].reset_index(drop=True), self.coverage[positions])

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A numeric column as float64."""
        values: NDArray[np.float64] = self.frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
        return values

    @property
    def week(self) -> NDArray[np.int64]:
        """Launch week L of each row."""
        weeks: NDArray[np.int64] = self.frame["launch_week"].to_numpy(dtype=np.int64)
        return weeks

    @property
    def product(self) -> NDArray[np.int64]:
        """product_index of each row."""
        index: NDArray[np.int64] = self.frame["product_index"].to_numpy(dtype=np.int64)
        return index


@dataclass(frozen=True)
class Purchases:
    """What users bought, one entry per user, product and week: int64 [n] each."""

    user: NDArray[np.int64]
    product: NDArray[np.int64]
    week: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A prepared data set.

    Attributes:
        folder: var/data/<dataset>.
        info: content of dataset.json.
        products: features/products.parquet in order of product_index.
        users: features/users.parquet in order of user_index.
        channels: features/channels.parquet in order of channel_slot.
        launches: all launches whose 8 weeks of outcome lie within the data.
        purchases: all purchases.
        sales: features/product_weeks.parquet.
    """

    folder: Path
    info: dict[str, Any]
    products: pd.DataFrame
    users: pd.DataFrame
    channels: pd.DataFrame
    launches: LaunchRows
    purchases: Purchases
    sales: pd.DataFrame

    @property
    def has_users(self) -> bool:
        """Whether the data know users; without them demand alone is measured."""
        return len(self.users) > 0

    def launched(self, weeks: tuple[int, int]) -> LaunchRows:
        """The launches of weeks first..last, inclusive."""
        week = self.launches.week
        return self.launches.take((week >= weeks[0]) & (week <= weeks[1]))

    def matrix(self, first: int, last: int, weight: NDArray[np.float64] | None = None) -> sparse.csr_array:
        """Purchases of weeks first..last as float64 [users, products]: weeks in which bought, or the sum of `weight`.

        Args:
            first: first week.
            last: last week, inclusive.
            weight: value per entry of `purchases`; None = 1.
        """
        bought = self.purchases
        rows = (bought.week >= first) & (bought.week <= last)
        value = np.ones(int(rows.sum())) if weight is None else weight[rows]
        shape = (len(self.users), len(self.products))
        return sparse.coo_array((value, (bought.user[rows], bought.product[rows])), shape=shape).tocsr()

    @cached_property
    def buyers(self) -> sparse.csr_array:
        """Who bought each launch in weeks L..L+7: bool-like float64 [launches, users] in the order of `launches`."""
        row_of = np.full(len(self.products), -1, dtype=np.int64)
        row_of[self.launches.product] = np.arange(len(self.launches))
        row = row_of[self.purchases.product]
        week = self.purchases.week - np.where(row >= 0, self.launches.week[row], 0)
        kept = (row >= 0) & (week >= 0) & (week < 8)
        shape = (len(self.launches), len(self.users))
        matrix = sparse.coo_array(
            (np.ones(int(kept.sum())), (row[kept], self.purchases.user[kept])), shape=shape
        ).tocsr()
        matrix.data[:] = 1.0
        return matrix


def load(folder: Path) -> Dataset:
    """Read a prepared data set.

    Raises:
        SourceError: the folder holds no prepared data.
    """
    described = folder / "dataset.json"
    if not described.is_file():
        raise SourceError(f"{folder}: no prepared data (dataset.json is missing); run `onshelf-exporter data` first")
    features = folder / "features"
    products = _read(features / "products.parquet").sort_values("product_index").reset_index(drop=True)
    users = _read(features / "users.parquet").sort_values("user_index").reset_index(drop=True)
    channels = _read(features / "channels.parquet").sort_values("channel_slot").reset_index(drop=True)
    bought = _read(features / "user_product_weeks.parquet", [("kind", "==", "purchase")])
    return Dataset(
        folder=folder,
        info=json.loads(described.read_text(encoding="utf-8")),
        products=products,
        users=users,
        channels=channels,
        launches=_launches(features, products, channels),
        purchases=Purchases(
            *(bought[name].to_numpy(dtype=np.int64) for name in ("user_index", "product_index", "week"))
        ),
        sales=_read(features / "product_weeks.parquet"),
    )


def _launches(features: Path, products: pd.DataFrame, channels: pd.DataFrame) -> LaunchRows:
    frame = _read(features / "launches.parquet")
    frame = frame[frame["units_8w"].notna()].sort_values(["launch_week", "product_index"])
    described = products[["product_index", "title", *LEVELS, "private_label"]]
    frame = frame.merge(described, on="product_index", how="left").reset_index(drop=True)
    row_of = pd.Series(np.arange(len(frame)), index=frame["product_index"])
    covered = _read(features / "launch_channels.parquet")
    covered = covered[covered["product_index"].isin(row_of.index)]
    slot = covered["channel_id"].map(pd.Series(channels["channel_slot"].to_numpy(), index=channels["channel_id"]))
    coverage = np.zeros((len(frame), len(channels)))
    rows = row_of.loc[covered["product_index"]].to_numpy()
    coverage[rows, slot.to_numpy(dtype=np.int64)] = covered["coverage_plan"].fillna(0.0).to_numpy()
    return LaunchRows(frame, coverage)


def _read(path: Path, filters: list[tuple[str, str, object]] | None = None) -> pd.DataFrame:
    if not path.is_file():
        raise SourceError(f"{path}: missing; run `onshelf-exporter data` again")
    frame: pd.DataFrame = pq.read_table(path, filters=filters).to_pandas()
    return frame
