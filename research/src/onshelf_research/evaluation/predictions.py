"""The raw predictions of the served models, so that anybody can compute every metric again without this code."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from onshelf_research.baselines.forecast import Forecast
from onshelf_research.evaluation import recommend, study, tables
from onshelf_research.evaluation.ranking import top_items
from onshelf_research.evaluation.study import DemandPredictions, Study
from onshelf_research.evaluation.tables import OURS

WRITTEN_LEVELS = (0.1, 0.5, 0.9)


def write_predictions(folder: Path, one: Study, demand: DemandPredictions) -> None:
    """Write demand, audience, recommend_warm and recommend_cold as Parquet files below `folder`; demand alone where the
    data have no users.

    demand: product_id, launch_week, is_pf, is_food, price_tercile (0..2), horizon_weeks, mean, p10, p50, p90,
        cdf_below = P(Y < y), cdf_at = P(Y <= y) at the observed y; in order of (horizon 8 before 4, launch week,
        product index), the order in which the random numbers of the PIT are drawn.
    audience: product_id, user_id, score, for every launch with at least 3 buyers and every user with a history.
    recommend_warm: user_id, product_id, rank (1..50), list (all, new). recommend_cold: the same with list = cold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    horizons = {8: demand.units[OURS], 4: demand.others["units_4w"][OURS]}
    tables_of = [_demand(demand, weeks, forecast) for weeks, forecast in horizons.items()]
    pq.write_table(pa.concat_tables(tables_of), folder / "demand.parquet", compression="zstd")
    users = one.data.users["user_id"].to_numpy(dtype=object)
    products = one.data.products["product_id"].to_numpy(dtype=object)

    if one.measures_warm:
        warm, lists = study.recommendations(one)
        names, found = users[warm.users], lists[OURS]
        parts = [_ranks(names, products, found.everything, "all"), _ranks(names, products, found.fresh, "new")]
        pq.write_table(pa.concat_tables(parts), folder / "recommend_warm.parquet", compression="zstd")

    if not one.measures_cold:
        return
    cold, scores = study.audiences(one)
    kept = cold.told
    ids = products[cold.rows.product]
    audience = {
        "product_id": pa.array(np.repeat(ids[kept], len(cold.users)), pa.string()),
        "user_id": pa.array(np.tile(users[cold.users], int(kept.sum())), pa.string()),
        "score": scores[OURS][kept].ravel().astype(np.float32),
    }
    pq.write_table(pa.table(audience), folder / "audience.parquet", compression="zstd")
    takers = np.flatnonzero(cold.bought.any(axis=0))
    best = top_items(scores[OURS][:, takers].T, recommend.PLACES)
    pq.write_table(
        _ranks(users[cold.users[takers]], ids, best, "cold"), folder / "recommend_cold.parquet", compression="zstd"
    )


def _demand(demand: DemandPredictions, weeks: int, forecast: Forecast) -> pa.Table:
    rows = demand.rows
    frame = rows.frame
    return pa.table(
        {
            "product_id": pa.array(frame["product_id"].to_numpy(dtype=object), pa.string()),
            "launch_week": rows.week,
            "is_pf": frame["is_promotion_first"].to_numpy(bool),
            "is_food": frame["is_food"].to_numpy(bool),
            "price_tercile": tables.price_tercile(rows),
            "horizon_weeks": np.full(len(rows), weeks),
            "mean": forecast.mean,
            **{f"p{round(level * 100)}": forecast.quantiles[level] for level in WRITTEN_LEVELS},
            "cdf_below": forecast.below,
            "cdf_at": forecast.upto,
        }
    )


def _ranks(users: NDArray[np.object_], products: NDArray[np.object_], lists: NDArray[np.int64], name: str) -> pa.Table:
    row, place = np.nonzero(lists >= 0)
    return pa.table(
        {
            "user_id": pa.array(users[row], pa.string()),
            "product_id": pa.array(products[lists[row, place]], pa.string()),
            "rank": (place + 1).astype(np.int32),
            "list": pa.array([name] * len(row), pa.string()),
        }
    )
