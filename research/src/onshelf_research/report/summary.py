"""From a study to the content of evaluation.json: every number of the report."""

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.evaluation import bootstrap, metrics
from onshelf_exporter.evaluation.bootstrap import Interval, value_of
from onshelf_research.baselines.forecast import Floats, Forecast
from onshelf_research.data.dataset import LaunchRows
from onshelf_research.evaluation import decided, explanations, recommend, study, tables, update
from onshelf_research.evaluation.recommend import ColdTask
from onshelf_research.evaluation.release import MeasuredRelease
from onshelf_research.evaluation.study import DemandPredictions, Study
from onshelf_research.evaluation.tables import OURS, Versus
from onshelf_research.evaluation.update import EarlyWeeks
from onshelf_research.policy import report as policy
from onshelf_research.report.study_tables import StudyTable

Summary = dict[str, Any]
THIRDS = ("lowest", "middle", "highest")
FEW_BUYERS = 6


def describe(one: Study) -> Summary:
    """What was measured on what."""
    split = one.split
    return {
        "schema_version": 1,
        "dataset": one.data.info["dataset"],
        "data_hash": one.data.info["data_hash"],
        "split": split.name,
        "weeks": asdict(split) | {"purged_train": split.purged_train, "is_purged": split.is_purged},
        "as_of": one.release.manifest["as_of"],
        "model_release": _described(one.release),
        "warm_model_release": _described(one.warm_release),
        "units_basis": one.data.info["units_basis"],
        "users": len(one.data.users),
        "quick": one.quick,
        "ours": {},
        "baselines": {},
        "versus": {},
    }


def add_demand(summary: Summary, predictions: DemandPredictions, not_purged: DemandPredictions, draws: int) -> None:
    """Units in 8 weeks, calibration, other outcomes and timing.

    Args:
        summary: to be completed.
        predictions: baselines that learned from outcomes known by the cut.
        not_purged: baselines that learned from all launches of the training weeks.
        draws: resamples of each interval.
    """
    rows = predictions.rows
    summary["demand"] = {
        "launches": len(rows),
        "trained": predictions.trained,
        "trained_not_purged": not_purged.trained,
    }
    intervals, versus = tables.compare_demand(rows, study.UNITS, predictions.units, draws)
    for key, source in (("demand", predictions), ("demand_not_purged", not_purged)):
        for model, forecast in source.units.items():
            if model != OURS or key == "demand":
                _entry(summary, model)[key] = tables.measure_demand(rows, study.UNITS, forecast)
    summary["ours"]["demand"] |= _bounds(intervals)
    summary["versus"]["demand"] = [_compared(one) for one in versus]
    if not_purged is not predictions:
        _, rivals = tables.compare_demand(rows, study.UNITS, not_purged.units, draws)
        summary["versus"]["demand_not_purged"] = [_compared(one) for one in rivals]
    summary["slices"] = tables.slice_rows(rows, study.UNITS, predictions.units[OURS])
    summary["search"] = predictions.settings
    summary["ours_rolling"] = {
        outcome: tables.measure_demand(rows, outcome, predictions.rolling[outcome])
        for outcome in (study.UNITS, *predictions.others)
        if outcome in predictions.rolling and outcome != "repeat"
    }
    if predictions.rolling:
        again = {**predictions.units, OURS: predictions.rolling[study.UNITS]}
        _, rivals = tables.compare_demand(rows, study.UNITS, again, draws)
        summary["versus"]["demand_rolling"] = [_compared(one) for one in rivals]
    summary["other"] = {
        outcome: {model: _other(rows, outcome, forecast) for model, forecast in models.items()}
        for outcome, models in predictions.others.items()
    }
    summary["versus_other"] = {
        outcome: [_compared(one) for one in _compare_other(rows, outcome, models, draws)]
        for outcome, models in predictions.others.items()
    }
    summary["timing"] = {model: _timing(rows, week) for model, week in predictions.weeks.items()}


def add_warm(summary: Summary, one: Study, draws: int) -> None:
    """Recommendations to households with a history."""
    task, lists = study.recommendations(one)
    measured = {model: recommend.measure_warm(task, own) for model, own in lists.items()}
    households = np.arange(len(task.users), dtype=np.int64)
    intervals, versus = tables.compare_rows(measured, {name: [households] for name in tables.WARM_COLUMNS}, draws)
    summary["warm"] = {
        "cut": task.cut,
        "households": len(task.users),
        "products_bought": int(task.wanted[task.users].nnz),
        "of_them_new": int(task.fresh[task.users].nnz),
    }
    weeks = np.asarray(task.history[task.users].sum(axis=1)).ravel()
    tercile = (weeks.argsort(kind="stable").argsort(kind="stable") * 3) // max(len(weeks), 1)
    summary["warm"]["slices"] = _sliced(
        measured[OURS], {f"households, {name} third by purchases": tercile == i for i, name in enumerate(THIRDS)}
    )
    _add(summary, "warm", measured, intervals, versus)


def add_cold(summary: Summary, one: Study, draws: int) -> None:
    """Audiences of launches, and launches for households."""
    task, scores = study.audiences(one)
    measured = {model: recommend.measure_cold(task, own) for model, own in scores.items()}
    enough = task.told
    launches = [cluster[enough] for cluster in tables.launch_clusters(task.rows)]
    households = [np.arange(int(task.bought.any(axis=0).sum()), dtype=np.int64)]
    clusters = {name: households if name.startswith("rec_") else launches for name in tables.COLD_COLUMNS}
    intervals, versus = tables.compare_rows(measured, clusters, draws)
    summary["cold"] = {
        "cut": task.cut,
        "launches": int(enough.sum()),
        "households": len(task.users),
        "households_that_bought_one": len(households[0]),
    }
    ours = {name: measured[OURS][name] for name in ("auc", "map", "r100", "lift10")}
    kinds = {name: mask[enough] for name, mask in tables.slices(task.rows).items() if not name.startswith("week ")}
    buyers = task.bought[enough].sum(axis=1)
    few = {"fewer than 6 buyers": buyers < FEW_BUYERS, "6 buyers or more": buyers >= FEW_BUYERS}
    summary["cold"]["slices"] = _sliced(ours, {name: mask for name, mask in kinds.items() if name != "all"} | few)
    _add(summary, "cold", measured, intervals, versus)
    summary["cold"]["decided"] = _decided(one, task, scores[OURS], draws)


def _decided(one: Study, task: ColdTask, scores: Floats, draws: int) -> list[Summary]:
    weight = float(one.release.manifest.get("decided_lift_weight", 0.0))
    if not weight:
        return []
    lift = decided.lifts(one.release, one.data, task.rows)
    rows = decided.compare(one.data, task, scores, lift, weight, draws)
    return [
        {
            "launches": row.launches,
            "count": row.count,
            "column": row.column,
            "today": row.today,
            "decided": row.decided.value,
            "difference": [row.difference.value, row.difference.low, row.difference.high],
        }
        for row in rows
    ]


def _sliced(measured: dict[str, Floats], masks: dict[str, NDArray[np.bool_]]) -> list[Summary]:
    """Means of columns over parts of their rows, those without a value left out."""
    result: list[Summary] = []
    for name, mask in masks.items():
        known = {key: values[mask][np.isfinite(values[mask])] for key, values in measured.items()}
        if mask.any():
            means = {key: float(values.mean()) if len(values) else None for key, values in known.items()}
            result.append({"slice": name, "n": int(mask.sum()), **means})
    return result


def add_explanations(summary: Summary, one: Study) -> None:
    """Whether named reasons are the reasons, and what room for new products costs."""
    users = 20 if one.quick else explanations.USERS
    tests = {
        name: explanations.deletion_test(one.warm_release, users, new=new)
        for name, new in (("first purchases", False), ("new products", True))
    }
    tests["users of an audience"] = explanations.audience_deletion_test(one.warm_release, one.data, users)
    summary["explanations"] = {
        name: {
            "pairs": len(found.named),
            "share": found.share,
            "fall_named": float(found.named.mean()) if len(found.named) else None,
            "fall_others": float(found.others.mean()) if len(found.others) else None,
        }
        for name, found in tests.items()
    }
    task = explanations.some_users(study.warm_task(one), 2 * users)
    costs = explanations.share_costs(one.warm_release, one.data, task)
    summary["new_product_share"] = {
        "households": len(task.users),
        "shares": {str(share): values for share, values in costs.items()},
    }


def _add(
    summary: Summary,
    part: str,
    measured: dict[str, dict[str, Floats]],
    intervals: dict[str, Interval],
    versus: list[Versus],
) -> None:
    for model, columns in measured.items():
        _entry(summary, model)[part] = {name: bootstrap.mean(values) for name, values in columns.items()}
    summary["ours"][part] |= _bounds(intervals)
    summary["versus"][part] = [_compared(one) for one in versus]


def _entry(summary: Summary, model: str) -> Summary:
    entry: Summary = summary["ours"] if model == OURS else summary["baselines"].setdefault(model, {})
    return entry


def _bounds(intervals: dict[str, Interval]) -> Summary:
    return {f"{name}_ci": [band.low, band.high] for name, band in intervals.items()}


def _compared(one: Versus) -> Summary:
    return {
        "column": one.column,
        "baseline": one.baseline,
        "difference": one.difference.value,
        "difference_ci": [one.difference.low, one.difference.high],
        "more_is_better": one.more_is_better,
        "verdict": one.verdict,
    }


def add_early_weeks(summary: Summary, parts: list[EarlyWeeks], draws: int) -> None:
    """Forecasts of the weeks that remain after the first ones on sale, by number of weeks seen."""
    summary["early_weeks"] = {}
    for part in parts:
        _, versus = tables.compare_demand(part.rows, update.REST, part.forecasts, draws)
        summary["early_weeks"][str(part.seen)] = {
            "models": {
                model: tables.measure_demand(part.rows, update.REST, forecast)
                for model, forecast in part.forecasts.items()
            },
            "versus": [_compared(one) for one in versus],
        }


def add_policy(summary: Summary, numbers: Summary) -> None:
    """Practice, effects and policies as `policy_report` gives them, and their headline figures."""
    summary["policy"] = numbers
    head = policy.headline(numbers)
    if head["ours"]:
        summary["ours"]["policy"] = head["ours"]
    for name, values in head["baselines"].items():
        _entry(summary, name)["policy"] = values


def add_seeds(summary: Summary, repeated: list[MeasuredRelease], one: Study) -> None:
    """Mean and spread of ours over seeds: the served model release first, then `repeated`.

    Recommendations to households with a history are repeated where they come from the same model release as the
    forecasts.
    """
    same = one.warm_release.identity == one.release.identity
    parts = [part for part in ("demand", "warm", "cold") if part in summary["ours"] and (same or part != "warm")]
    columns = {part: [key for key in summary["ours"][part] if not key.endswith("_ci")] for part in parts}
    values = {part: [[summary["ours"][part][key] for key in names]] for part, names in columns.items()}
    for release in repeated:
        again = replace(one, release=release, warm_release=release if same else one.warm_release)
        measured = study.ours(again, same)
        for part, names in columns.items():
            values[part].append([measured[part][key] for key in names])
    table = {part: np.array(rows, dtype=np.float64) for part, rows in values.items()}
    summary["seeds"] = {
        "count": 1 + len(repeated),
        "values": [release.manifest.get("seed") for release in (one.release, *repeated)],
        "mean": {
            part: dict(zip(columns[part], rows.mean(axis=0).tolist(), strict=True)) for part, rows in table.items()
        },
        "low": {part: dict(zip(columns[part], rows.min(axis=0).tolist(), strict=True)) for part, rows in table.items()},
        "high": {
            part: dict(zip(columns[part], rows.max(axis=0).tolist(), strict=True)) for part, rows in table.items()
        },
        "spread": {
            part: dict(zip(columns[part], rows.std(axis=0, ddof=min(1, len(rows) - 1)).tolist(), strict=True))
            for part, rows in table.items()
        },
    }


def add_studies(summary: Summary, studies: list[StudyTable]) -> None:
    """Tables of studies."""
    summary["studies"] = studies


def _compare_other(rows: LaunchRows, outcome: str, models: dict[str, Forecast], draws: int) -> list[Versus]:
    if outcome == "repeat":
        return tables.compare_repeat(rows, models, draws)[1]
    shown = set(_other(rows, outcome, models[OURS]))
    return [one for one in tables.compare_demand(rows, outcome, models, draws)[1] if one.column in shown]


def _other(rows: LaunchRows, outcome: str, forecast: Forecast) -> dict[str, float]:
    if outcome == "repeat":
        return {name: value_of(metric, None) for name, metric in tables.repeat_metrics(rows, forecast).items()}
    measured = tables.measure_demand(rows, outcome, forecast)
    kept = ["wape", "wape_pf", "bias", "spearman", "top10_capture"]
    if outcome != "revenue_8w":
        kept += ["poisson_deviance", "pit_coverage80", "pit_p"]
    return {name: measured[name] for name in kept if name in measured}


def _timing(rows: LaunchRows, week: Floats) -> dict[str, float]:
    actual = rows.week.astype(np.float64)
    return {"mean_absolute_weeks": float(np.mean(np.abs(actual - week))), "spearman": metrics.spearman(actual, week)}


def _described(release: MeasuredRelease) -> Summary:
    kept = ("version", "role", "cut_week", "as_of", "recipe", "git_commit", "data_hash")
    return {name: release.manifest.get(name) for name in kept} | {"identity": release.identity}


def finite_numbers(summary: Summary) -> Summary:
    """The same content with numbers that JSON cannot hold as null."""
    return {key: _finite(value) for key, value in summary.items()}


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
