"""Forecasts, recommendations and audiences of a model release, in the form in which baselines are measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import weeks_of_year
from onshelf_exporter.training.calibration import distribution_at
from onshelf_release.candidates import CHANNEL_SLOTS, HORIZONS, candidate_rows
from onshelf_research.baselines.forecast import Floats, Forecast
from onshelf_research.data.dataset import Dataset, LaunchRows
from onshelf_research.evaluation.recommend import ColdTask, Lists, WarmTask, split_lists
from onshelf_research.evaluation.release import MeasuredRelease

ROUNDING = 1e-3  # of a continuous quantile, before it is rounded up to whole units


def actions(release: MeasuredRelease, data: Dataset, rows: LaunchRows) -> NDArray[np.float32]:
    """The action that each launch really had, as one candidate of a model release, see `actual_actions`."""
    slots = release.table("channels").set_index("channel_id")["channel_slot"]
    return actual_actions(data, rows, slots)


def actual_actions(data: Dataset, rows: LaunchRows, slots: pd.Series) -> NDArray[np.float32]:
    """The action that each launch really had, as one candidate: float32 [n, 1, candidate columns].

    Price and discount are those of the prepared data: where a launch had no sale they were drawn by hot deck, so that
    they do not give its outcome away. entered_by_sale is what it was: all models compared here know it, by the empty
    plan.

    Args:
        data: prepared data.
        rows: launches.
        slots: channel slot by channel_id.
    """
    here = data.channels["channel_id"].map(slots)
    known = here.notna().to_numpy()
    coverage = np.zeros((len(rows), CHANNEL_SLOTS))
    coverage[:, here[known].astype(np.int64)] = rows.coverage[:, known]
    names = ("price", "discount", "coupon", "entered_by_sale")
    numbers = {name: np.nan_to_num(rows.numbers(name)) for name in names}  # 0 = unknown, as in training
    week = weeks_of_year(data.info, rows.week)
    return candidate_rows(week_of_year=week, coverage=coverage, **numbers)[:, None]


def forecasts(release: MeasuredRelease, data: Dataset, rows: LaunchRows) -> dict[str, Forecast]:
    """Forecasts of a model release by outcome, see `told`."""
    out = release.outcomes(release.encode(rows.frame), actions(release, data, rows))
    levels = np.asarray(release.manifest["quantile_levels"], dtype=np.float64)
    support = np.asarray(release.manifest["units_support"], dtype=np.float64)
    return told(out, rows, levels, support)


def told(out: Mapping[str, NDArray[Any]], rows: LaunchRows, levels: Floats, support: Floats) -> dict[str, Forecast]:
    """Forecasts by outcome: units_4w, units_8w with quantiles and distribution, buyers_4w, buyers_8w, repeat as their
    means.

    Medians and quantiles are whole units, as stock is: the continuous quantiles of the graph rounded up.

    Args:
        out: what launch_outcome gives for one candidate of each launch, by name.
        rows: launches.
        levels: of the quantiles.
        support: counts at which distributions are described.
    """
    result: dict[str, Forecast] = {}
    for place, weeks in enumerate(HORIZONS):
        distribution = out["units_distribution"][:, 0, place].astype(np.float64)
        quantiles = out["units_quantiles"][:, 0, place].astype(np.float64)
        actual = rows.numbers(f"units_{weeks}w")
        whole = np.ceil(np.maximum(quantiles - ROUNDING, 0.0))
        by_level = {float(level): whole[:, i] for i, level in enumerate(levels)}
        result[f"units_{weeks}w"] = Forecast(
            mean=out["units_mean"][:, 0, place].astype(np.float64),
            median=by_level[0.5],
            quantiles=by_level,
            below=distribution_at(distribution, support, actual - 1),
            upto=distribution_at(distribution, support, actual),
        )
        buyers = out["buyers_median"][:, 0, place].astype(np.float64)
        result[f"buyers_{weeks}w"] = Forecast(
            mean=out["buyers_mean"][:, 0, place].astype(np.float64), median=np.ceil(np.maximum(buyers - ROUNDING, 0.0))
        )
    repeat = out["repeat_rate"][:, 0, 0].astype(np.float64)
    result["repeat"] = Forecast(mean=repeat, median=repeat)
    return result


def recommendations(release: MeasuredRelease, data: Dataset, task: WarmTask, new_product_share: float = 0.0) -> Lists:
    """Lists for the task's users from the histories in the model release; `fresh` leaves out what was ever bought."""
    users = release.table("users")
    place = pd.Series(np.arange(len(users)), index=users["user_id"].astype(str))
    wanted = data.users["user_id"].astype(str).iloc[task.users]
    row = place.reindex(wanted).to_numpy(dtype=np.float64)
    known = ~np.isnan(row)
    best = release.recommendations(users.iloc[row[known].astype(np.int64)], new_product_share)["product_indices"]
    index = pd.Series(data.products["product_index"].to_numpy(), index=data.products["product_id"].astype(str))
    listed = index.reindex(release.table("products")["product_id"].astype(str)).fillna(-1).to_numpy(dtype=np.int64)
    everything = np.full((len(task.users), best.shape[1]), -1, dtype=np.int64)
    everything[known] = listed[best]
    return split_lists(task, everything)


def audiences(release: MeasuredRelease, data: Dataset, task: ColdTask) -> Floats:
    """Scores [launches, users of the task]; users unknown to the model release score lowest."""
    users = release.table("users")
    scores = release.audience(release.encode(task.rows.frame), len(users))
    place = pd.Series(np.arange(len(users)), index=users["user_id"].astype(str))
    row = place.reindex(data.users["user_id"].astype(str).iloc[task.users]).to_numpy(dtype=np.float64)
    result = np.full((len(scores), len(task.users)), scores.min() - 1.0)
    result[:, ~np.isnan(row)] = scores[:, row[~np.isnan(row)].astype(np.int64)]
    return result
