"""What the product encoder learns about each product, as far as the cut week lets it be known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import weeks_covered, weeks_of_year
from onshelf_exporter.models.product_encoder import DISCOUNT_BINS
from onshelf_exporter.training.history import History
from onshelf_release.candidates import CHANNEL_SLOTS
from onshelf_release.codes import DISCOUNT_EDGES

HOLDOUT_WEEKS = (
    5  # the last launch weeks with complete outcomes: they choose epochs and calibrate, and are not learned from
)


@dataclass(frozen=True, kw_only=True)
class Targets:
    """One entry per product_index. NaN or -1 says that nothing is known and the task leaves the product out.

    type: id or 0. units: sold so far, over `weeks` weeks on sale (NaN unknown). launch_units: units in the first 8
    weeks of a launch.
    week: position 0..52 of the launch's week of year. channels [n, 32]: 1 where coverage in L..L+3 is above 0.
    discount: bin of the launch's discount. ever [n, 32]: channels the product was ever in.
    depth [n, 5]: share of its selling weeks by discount bin. price: log price.
    """

    type: NDArray[np.int64]
    units: NDArray[np.float32]
    weeks: NDArray[np.float32]
    launch_units: NDArray[np.float32]
    week: NDArray[np.int64]
    channels: NDArray[np.float32]
    discount: NDArray[np.int64]
    ever: NDArray[np.float32]
    depth: NDArray[np.float32]
    price: NDArray[np.float32]

    def take(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """The targets of some products by name."""
        return {name: getattr(self, name)[rows] for name in self.__dataclass_fields__}


def build_targets(history: History, hidden_outcomes: NDArray[np.bool_]) -> Targets:
    """Targets of all products.

    `hidden_outcomes`, one entry per launch: launches of which nothing that follows from their sales is a target. The
    outcome model is calibrated on embeddings, which must not have learned the outcomes that they are judged on.
    """
    n = len(history.products)
    sales, promotions, launches = history.sales, history.promotions, history.launches
    index = sales["product_index"].to_numpy()
    first = history.products["first_week"].fillna(np.inf).to_numpy(dtype=np.float64)
    units = np.bincount(index, sales["units"].to_numpy(dtype=np.float64), minlength=n).astype(np.float32)
    on_sale = weeks_covered(history.dataset, first, history.cut)
    weeks = np.where(history.known, on_sale, np.nan).astype(np.float32)
    ever = np.zeros((n, CHANNEL_SLOTS), dtype=np.float32)
    ever[promotions["product_index"].to_numpy(), promotions["slot"].to_numpy()] = 1.0
    list_value = (sales["revenue"] + sales["discount"]).to_numpy(dtype=np.float64)
    depth_share = np.where(
        list_value > 0, sales["discount"].to_numpy(dtype=np.float64) / np.maximum(list_value, 1e-9), 0.0
    )
    bins = discount_bin(depth_share)
    depth = np.zeros((n, DISCOUNT_BINS), dtype=np.float32)
    np.add.at(depth, (index, bins), 1.0)
    depth /= np.maximum(depth.sum(1, keepdims=True), 1.0)
    frame = launches.frame
    product = frame["product_index"].to_numpy()
    launch_units = np.full(n, np.nan, dtype=np.float32)
    done8 = launches.complete8 & ~hidden_outcomes
    hidden = product[hidden_outcomes]
    units[hidden], depth[hidden] = np.nan, 0.0
    launch_units[product[done8]] = frame["units_8w"].to_numpy(dtype=np.float32)[done8]
    done4 = launches.complete4
    week = np.full(n, -1, dtype=np.int64)
    week[product[done4]] = weeks_of_year(history.dataset, frame["launch_week"].to_numpy()[done4]) - 1
    channels = np.full((n, CHANNEL_SLOTS), np.nan, dtype=np.float32)
    channels[product[done4]] = (launches.practice[done4] > 0).astype(np.float32)
    discount = np.full(n, -1, dtype=np.int64)
    # part of the action; the data stage imputes it where nothing was sold, so that it does not tell the outcome
    discount[product[done4]] = discount_bin(frame["discount"].fillna(0).to_numpy(dtype=np.float64)[done4])
    with np.errstate(divide="ignore"):
        price = np.where(history.price > 0, np.log(np.maximum(history.price, 1e-9)), np.nan).astype(np.float32)
    kind = np.where(history.known, history.ids[:, 2], 0)
    return Targets(
        type=kind,
        units=units,
        weeks=weeks,
        launch_units=launch_units,
        week=week,
        channels=channels,
        discount=discount,
        ever=ever,
        depth=depth,
        price=price,
    )


def newest_outcomes(history: History) -> NDArray[np.bool_]:
    """Launches whose outcome is not among the older ones: those that calibrate the outcome model, and later ones."""
    week = history.launches.frame["launch_week"].to_numpy()
    complete = week[history.launches.complete8]
    newer: NDArray[np.bool_] = week > (complete.max() - HOLDOUT_WEEKS if len(complete) else 0)
    return newer


def discount_bin(fraction: NDArray[np.float64]) -> NDArray[np.int64]:
    """0 none, 1 (0, .1], 2 (.1, .2], 3 (.2, .3], 4 above; under half a percent counts as none."""
    bins = 1 + np.searchsorted(np.array(DISCOUNT_EDGES), fraction, side="left")
    return np.where(fraction < 0.005, 0, bins).astype(np.int64)
