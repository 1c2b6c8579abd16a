"""How well the served propensities rank what practice does, beside prevalence, category rates and boosted trees.

Channels are the display and mailer codes with at least 20 positives among the training and among the measured launches,
over the first four weeks. A propensity says what is done, never what is best.
"""

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from onshelf_exporter.data.weeks import Cut, weeks_of_year
from onshelf_exporter.evaluation.bootstrap import cluster_weights, interval
from onshelf_exporter.training.targets import discount_bin
from onshelf_research.data.dataset import Dataset, LaunchRows
from onshelf_research.evaluation.release import MeasuredRelease
from onshelf_research.evaluation.tables import launch_clusters
from onshelf_research.policy.rows import PolicyError, kinds_of, served_propensity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

LABEL_WEEKS = 4
MIN_POSITIVES = 20
CATEGORY_STRENGTH = 3.0  # launches that the overall rate counts for
OURS = "served"


def carried(data: Dataset, rows: LaunchRows) -> Mask:
    """Which channels each launch had in its first four weeks, bool [n, channels]."""
    covered = pq.read_table(
        data.folder / "features" / "launch_channels.parquet", columns=["product_index", "channel_id", "coverage_4w"]
    ).to_pandas()
    row = pd.Series(np.arange(len(rows)), index=rows.product)
    covered = covered[covered["product_index"].isin(row.index) & (covered["coverage_4w"] > 0)]
    slot = covered["channel_id"].map(pd.Series(np.arange(len(data.channels)), index=data.channels["channel_id"]))
    result = np.zeros((len(rows), len(data.channels)), dtype=bool)
    result[row.loc[covered["product_index"]].to_numpy(), slot.to_numpy(dtype=np.int64)] = True
    return result


def practice_ranking(
    data: Dataset,
    release: MeasuredRelease,
    cut: Cut,
    first_week: int,
    measured: LaunchRows,
    *,
    draws: int = 200,
    seed: int = 0,
    threads: int = 1,
    trees: bool = True,
) -> dict[str, Any]:
    """Macro mAP and AUC over channels, AUC of any display and any mailer, by model.

    Args:
        data: prepared data.
        release: serves the propensities.
        cut: last week that a model may know; training launches have their four weeks before its end.
        first_week: first launch week to learn from.
        measured: launches of the measured weeks.
        draws: resamples of the interval of ours.
        seed: of the resamples.
        threads: of the trees.
        trees: whether to train them.

    Raises:
        PolicyError: no channel has enough positives.
    """
    train = data.launched((first_week, cut - LABEL_WEEKS + 1))
    learned, actual = carried(data, train), carried(data, measured)
    promoted = np.sort(np.concatenate([kinds_of(data, "display"), kinds_of(data, "mailer")]))
    enough = (learned[:, promoted].sum(axis=0) >= MIN_POSITIVES) & (actual[:, promoted].sum(axis=0) >= MIN_POSITIVES)
    channels = promoted[enough]
    if not len(channels):
        raise PolicyError(f"practice: no channel has {MIN_POSITIVES} positives in both periods")
    scores = {
        OURS: served_propensity(release, data, measured),
        "prevalence": np.repeat(learned.mean(axis=0, keepdims=True), len(measured), axis=0),
        "category_rate": _category_rate(train, learned, measured),
    }
    if trees:
        scores["lightgbm"] = _trees(data, train, learned, measured, promoted, threads)
    weights = cluster_weights(launch_clusters(measured), draws, seed)
    models = {name: _ranked(data, score, actual, channels, None) for name, score in scores.items()}
    drawn = [_ranked(data, scores[OURS], actual, channels, weight) for weight in weights]
    for key in list(models[OURS]):
        value = models[OURS][key]
        if value is not None:
            band = interval(value, np.array([np.nan if one[key] is None else one[key] for one in drawn], dtype=float))
            models[OURS][f"{key}_ci"] = [band.low, band.high]
    food, first = (measured.frame[name].to_numpy(bool) for name in ("is_food", "is_promotion_first"))
    parts = {"promotion first": first, "entered by a sale": ~first, "food": food, "non-food": ~food}
    return {
        "launches": len(measured),
        "trained": len(train),
        "slices": [
            {"slice": name, "n": int(mask.sum()), **_ranked(data, scores[OURS][mask], actual[mask], channels, None)}
            for name, mask in parts.items()
            if mask.any()
        ],
        "channels": [str(data.channels["channel_id"].iloc[c]) for c in channels],
        "models": models,
        "expected_to_actual": float(scores[OURS][:, channels].sum() / max(actual[:, channels].sum(), 1)),
        "promotion": _discounts(release, train, measured),
        "week": _weeks(data, release, measured),
    }


def _ranked(data: Dataset, score: Floats, actual: Mask, channels: Ints, weight: Floats | None) -> dict[str, Any]:
    if weight is not None:
        seen = weight > 0
        score, actual, weight = score[seen], actual[seen], weight[seen]
    count = actual.shape[0]
    both = [c for c in channels if 0 < actual[:, c].sum() < count]
    result: dict[str, Any] = {
        "map": _mean([average_precision_score(actual[:, c], score[:, c], sample_weight=weight) for c in both]),
        "auc": _mean([roc_auc_score(actual[:, c], score[:, c], sample_weight=weight) for c in both]),
    }
    for kind in ("display", "mailer"):
        slots = kinds_of(data, kind)
        happened = actual[:, slots].any(axis=1)
        result[f"any_{kind}_auc"] = (
            float(roc_auc_score(happened, score[:, slots].sum(axis=1), sample_weight=weight))
            if 0 < happened.sum() < count
            else None
        )
    return result


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _category_rate(train: LaunchRows, learned: Mask, measured: LaunchRows) -> Floats:
    overall = learned.mean(axis=0)
    keys = [
        (one.frame["department"].astype(str) + "/" + one.frame["category"].astype(str)) for one in (train, measured)
    ]
    names, number = np.unique(keys[0].to_numpy(), return_inverse=True)
    sums = np.zeros((len(names) + 1, learned.shape[1]))
    np.add.at(sums, number, learned.astype(np.float64))
    count = np.bincount(number, minlength=len(names) + 1)[:, None]
    rate = (sums + CATEGORY_STRENGTH * overall) / (count + CATEGORY_STRENGTH)
    row = pd.Series(np.arange(len(names)), index=names).reindex(keys[1]).fillna(len(names)).to_numpy(dtype=np.int64)
    return np.asarray(rate[row], dtype=np.float64)


def _trees(
    data: Dataset, train: LaunchRows, learned: Mask, measured: LaunchRows, channels: Ints, threads: int
) -> Floats:
    """One classifier per channel on categories, manufacturer, price, private label and week of year."""
    both = pd.concat([train.frame, measured.frame], ignore_index=True)
    week = weeks_of_year(data.info, both["launch_week"].to_numpy())
    codes = [pd.factorize(both[name].astype(str), sort=True)[0] for name in ("department", "category", "type", "brand")]
    numbers = [both["price"].fillna(0.0), both["private_label"].fillna(-1), week]
    x = np.column_stack([*codes, *numbers]).astype(np.float64)
    settings = {
        "objective": "binary",
        "verbosity": -1,
        "num_threads": threads,
        "seed": 1,
        "deterministic": True,
        "learning_rate": 0.05,
        "num_leaves": 15,
        "min_data_in_leaf": 20,
        "cat_smooth": 20.0,
    }
    result = np.zeros((len(measured), learned.shape[1]))
    for channel in channels:
        if not 0 < learned[:, channel].sum() < len(train):
            continue
        labels = learned[:, channel].astype(np.float64)
        rows = lgb.Dataset(x[: len(train)], labels, categorical_feature=[0, 1, 2, 3], params={"verbosity": -1})
        result[:, channel] = lgb.train(settings, rows, num_boost_round=80).predict(x[len(train) :])
    return result


def _discounts(release: MeasuredRelease, train: LaunchRows, measured: LaunchRows) -> dict[str, Any]:
    """AUC of "any discount": the served classes beside the category's share."""
    served = release.encode(measured.frame).get("discount_propensity")
    happened = discount_bin(np.nan_to_num(measured.numbers("discount"))) > 0
    if served is None or not 0 < happened.sum() < len(happened):
        return {}
    before = (discount_bin(np.nan_to_num(train.numbers("discount"))) > 0)[:, None]
    rate = _category_rate(train, before, measured)[:, 0]
    return {
        OURS: float(roc_auc_score(happened, 1.0 - served[:, 0])),
        "category_rate": float(roc_auc_score(happened, rate)),
        "share": float(happened.mean()),
    }


def _weeks(data: Dataset, release: MeasuredRelease, measured: LaunchRows) -> dict[str, Any]:
    """How the served head ranks the launch's week among the measured weeks (chance: .5 of them before it)."""
    served = release.encode(measured.frame).get("week_propensity")
    weeks = np.unique(measured.week)
    if served is None or len(weeks) < 2:
        return {}
    of_year = weeks_of_year(data.info, weeks) - 1
    chance = served[:, of_year].astype(np.float64)
    own = np.searchsorted(weeks, measured.week)
    mine = chance[np.arange(len(measured)), own][:, None]
    better = (chance > mine).sum(axis=1) + 0.5 * ((chance == mine).sum(axis=1) - 1)
    return {"weeks": len(weeks), OURS: float(1.0 - (better / (len(weeks) - 1)).mean()), "chance": 0.5}
