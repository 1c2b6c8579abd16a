"""One evaluation: which models predict what. What is measured is in `tables`, how it reads in `report`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from onshelf_exporter.baselines import analogs, cold, statistics, trees, tutorials, two_sided, warm
from onshelf_exporter.baselines.forecast import Floats, Forecast, single
from onshelf_exporter.evaluation import recommend, served
from onshelf_exporter.evaluation.cache import Arrays, Cache
from onshelf_exporter.evaluation.dataset import Dataset, LaunchRows
from onshelf_exporter.evaluation.recommend import ColdTask, Lists, WarmTask
from onshelf_exporter.evaluation.release import ModelRelease
from onshelf_exporter.evaluation.splits import Split
from onshelf_exporter.evaluation.tables import OURS
from onshelf_exporter.recipe import EncoderRecipe
from onshelf_exporter.training.progress import progress_bar
from onshelf_exporter.training.texts import model_folder

UNITS = "units_8w"
EASE_REGULARISATION = 300.0  # the best of 100, 300, 1000 on the validation weeks, for households' lists of all products
BERT_EPOCHS = 1
EMBEDDING_EPOCHS = 3
QUICK_LAUNCHES, QUICK_USERS = 120, 150


@dataclass(frozen=True)
class Study:
    """What an evaluation works on.

    Attributes:
        data: prepared data.
        split: by time.
        release: the model release that forecasts the split's launches.
        warm_release: the model release that recommends to households with a history; its cut is the warm task's.
        cache: of predictions.
        threads: for trees and graphs.
        quick: only cheap baselines on a sample.
    """

    data: Dataset
    split: Split
    release: ModelRelease
    warm_release: ModelRelease
    cache: Cache
    threads: int = 2
    quick: bool = False

    def measured(self) -> LaunchRows:
        """The launches that are measured."""
        rows = self.data.launched(self.split.evaluate)
        return rows.take(np.arange(min(len(rows), QUICK_LAUNCHES))) if self.quick else rows


@dataclass(frozen=True)
class DemandPredictions:
    """Forecasts by model, OURS among them.

    Attributes:
        rows: measured launches.
        trained: number of launches that the baselines learned from.
        units: of units in 8 weeks.
        others: by outcome (units_4w, buyers_8w, ...), the forecasts of fewer models.
        weeks: launch weeks by model, float64 [n].
    """

    rows: LaunchRows
    trained: int
    units: dict[str, Forecast]
    others: dict[str, dict[str, Forecast]] = field(default_factory=dict)
    weeks: dict[str, Floats] = field(default_factory=dict)


def demand(study: Study, weeks: tuple[int, int]) -> DemandPredictions:
    """Forecasts of the measured launches by all models; baselines learn from the launches of `weeks`."""
    rows, train = study.measured(), study.data.launched(weeks)
    name = f"demand/{weeks[0]}-{weeks[1]}"
    units = {"global_median": statistics.global_median(train, rows, UNITS)}
    units["category_median"], units["category_mean"] = statistics.category(train, rows, UNITS)
    units["analog_median"], units["analog_mean"] = analogs.analogs(train, rows, UNITS)
    launch_weeks: dict[str, Floats] = {"mean_week": np.full(len(rows), float(train.week.mean()))}
    others: dict[str, dict[str, Forecast]] = {}
    if not study.quick:
        units |= _trees(study, name, train, rows, UNITS)
        launch_weeks |= _tutorial_weeks(study, name, train, rows)
        for model in ("seed_linear", "seed_bert"):
            units[model] = tutorials.units_of_week(train, launch_weeks[model], UNITS)
    for outcome in ("units_4w", "buyers_8w"):
        others[outcome] = {"global_median": statistics.global_median(train, rows, outcome)}
        medians, means = statistics.category(train, rows, outcome)
        others[outcome] |= {"category_median": medians, "category_mean": means}
        if not study.quick:
            others[outcome] |= _trees(study, name, train, rows, outcome)
    by_category, overall = statistics.repeat_share(train, rows)
    others["repeat"] = {"overall_share": single(overall), "category_share": single(by_category)}
    ours = _ours_demand(study, rows)
    units[OURS] = ours[UNITS]
    for outcome, models in others.items():
        models[OURS] = ours[outcome]
    return DemandPredictions(rows, len(train), units, others, launch_weeks)


def recommendations(study: Study) -> tuple[WarmTask, dict[str, Lists]]:
    """Lists for households with a history, by model."""
    task = recommend.warm_task(study.data, study.warm_release.cut_week)
    if study.quick:
        task = recommend.first_users(task, QUICK_USERS)
    bought = task.history.copy()
    bought.data[:] = 1.0
    models: dict[str, Callable[[], warm.Recommender]] = {
        "popularity_8w": lambda: warm.popularity(task.recent),
        "own_frequency": lambda: warm.own_frequency(task.decayed, task.recent),
    }
    if not study.quick:
        models |= {
            "ease_binary": lambda: warm.ease(bought, EASE_REGULARISATION),
            "ease_log_count": lambda: warm.ease(task.history.log1p(), EASE_REGULARISATION),
            "seed_embedding": lambda: _seed_recommender(study, task),
        }
    name = f"warm/{task.cut}/{len(task.users)}"
    result: dict[str, Lists] = {}
    with progress_bar("recommendations", len(models)) as advance:
        for model, make in models.items():
            made = study.cache.arrays(f"{name}/{model}", "", partial(_recommend, task, make))
            result[model] = Lists(made["everything"], made["fresh"])
            advance(1)
    release = study.warm_release
    made = study.cache.arrays(
        f"{name}/{OURS}", release.identity, lambda: _listed(served.recommendations(release, study.data, task))
    )
    result[OURS] = Lists(made["everything"], made["fresh"])
    return task, result


def audiences(study: Study) -> tuple[ColdTask, dict[str, Floats]]:
    """Scores [launches, users] of launches that nobody could have bought, by model."""
    data, release = study.data, study.release
    task = recommend.cold_task(data, study.measured(), release.cut_week)
    models: dict[str, Callable[[], Floats]] = {
        "activity_only": lambda: cold.activity(task.history, len(task.rows)),
        "content_knn": lambda: cold.content_neighbours(data, task.history, task.rows),
    }
    if not study.quick:
        models |= {
            "affinity": lambda: cold.affinity(data, task.history, task.rows),
            "lightgbm_two_sided": lambda: two_sided.two_sided_trees(data, task.rows, task.cut, study.threads),
            "seed_embedding": lambda: _seed_audience(study, task),
        }
    name = f"cold/{task.cut}/{len(task.rows)}"
    result: dict[str, Floats] = {}
    with progress_bar("audiences", len(models)) as advance:
        for model, make in models.items():
            made = study.cache.arrays(f"{name}/{model}", "", partial(_scored, make))
            result[model] = made["scores"][:, task.users].astype(np.float64)
            advance(1)
    made = study.cache.arrays(
        f"{name}/{OURS}", release.identity, lambda: {"scores": served.audiences(release, data, task).astype(np.float32)}
    )
    result[OURS] = made["scores"].astype(np.float64)
    return task, result


def _trees(study: Study, name: str, train: LaunchRows, rows: LaunchRows, outcome: str) -> dict[str, Forecast]:
    def make() -> Arrays:
        quantile = trees.quantile_trees(study.data, train, rows, outcome, study.threads)
        mean = trees.tweedie_trees(study.data, train, rows, outcome, study.threads).mean
        return {"mean": mean, **{f"q{level}": values for level, values in quantile.quantiles.items()}}

    made = study.cache.arrays(f"{name}/trees/{outcome}", "", make)
    quantiles = {level: made[f"q{level}"] for level in trees.QUANTILES}
    return {
        "lightgbm_q50": Forecast(quantiles[0.5], quantiles[0.5], quantiles),
        "lightgbm_tweedie": single(made["mean"]),
    }


def _tutorial_weeks(study: Study, name: str, train: LaunchRows, rows: LaunchRows) -> dict[str, Floats]:
    def bert() -> Arrays:
        with progress_bar("seed_bert", BERT_EPOCHS * len(train)) as advance:
            return {"week": tutorials.seed_bert(train, rows, model_folder(EncoderRecipe()), advance, BERT_EPOCHS)}

    linear = study.cache.arrays(f"{name}/seed_linear", "", lambda: {"week": tutorials.seed_linear(train, rows)})
    return {"seed_linear": linear["week"], "seed_bert": study.cache.arrays(f"{name}/seed_bert", "", bert)["week"]}


def _embedding(study: Study, cut: int) -> tutorials.EmbeddingScores:
    def make() -> Arrays:
        bought = study.data.matrix(int(study.data.info["first_week"]), cut)
        with progress_bar("seed_embedding", EMBEDDING_EPOCHS) as advance:
            scores = tutorials.seed_embedding(bought, advance, EMBEDDING_EPOCHS)
        return {"user": scores.user, "product": scores.product}

    made = study.cache.arrays(f"seed_embedding/{cut}", "", make)
    return tutorials.EmbeddingScores(made["user"], made["product"])


def _seed_recommender(study: Study, task: WarmTask) -> warm.Recommender:
    scores = _embedding(study, task.cut)
    return lambda users: (scores.user[users][:, None] + scores.product[None, :]).astype(np.float32)


def _seed_audience(study: Study, task: ColdTask) -> Floats:
    scores = _embedding(study, task.cut)
    return scores.product[task.rows.product][:, None] + scores.user[None, :]


def _recommend(task: WarmTask, make: Callable[[], warm.Recommender]) -> Arrays:
    return _listed(recommend.recommend(task, make()))


def _scored(make: Callable[[], Floats]) -> Arrays:
    return {"scores": make().astype(np.float32)}


def _listed(lists: Lists) -> Arrays:
    return {"everything": lists.everything, "fresh": lists.fresh}


def _ours_demand(study: Study, rows: LaunchRows) -> dict[str, Forecast]:
    release = study.release

    def make() -> Arrays:
        made: Arrays = {}
        for outcome, forecast in served.forecasts(release, study.data, rows).items():
            made |= {f"{outcome}/mean": forecast.mean, f"{outcome}/median": forecast.median}
            if forecast.below is not None and forecast.upto is not None:
                made |= {f"{outcome}/below": forecast.below, f"{outcome}/upto": forecast.upto}
            made |= {f"{outcome}/quantile/{level}": values for level, values in forecast.quantiles.items()}
        return made

    span = f"{study.split.evaluate[0]}-{study.split.evaluate[1]}/{len(rows)}"
    made = study.cache.arrays(f"demand/{OURS}/{span}", release.identity, make)
    outcomes = {key.split("/")[0] for key in made}
    return {
        outcome: Forecast(
            made[f"{outcome}/mean"],
            made[f"{outcome}/median"],
            {float(key.split("/")[2]): made[key] for key in made if key.startswith(f"{outcome}/quantile/")},
            made.get(f"{outcome}/below"),
            made.get(f"{outcome}/upto"),
        )
        for outcome in outcomes
    }
