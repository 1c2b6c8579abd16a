"""One evaluation: which models predict what. What is measured is in `tables`, how it reads in `report`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import ModuleType

import numpy as np
from scipy import sparse

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.evaluation import bootstrap
from onshelf_exporter.evaluation.splits import Split
from onshelf_exporter.process import imported
from onshelf_exporter.process.progress_display import progress_bar
from onshelf_exporter.training import runs
from onshelf_exporter.training.recipe import EncoderRecipe, Recipe
from onshelf_exporter.training.texts import model_folder
from onshelf_research.baselines import cold, factors, tutorials, two_sided, warm
from onshelf_research.baselines.forecast import Floats, Forecast
from onshelf_research.data.cache import Arrays, Cache, code_hash
from onshelf_research.data.dataset import Dataset, LaunchRows
from onshelf_research.evaluation import outcomes, recommend, rolling, served, tables, update
from onshelf_research.evaluation.recommend import ColdTask, Lists, WarmTask
from onshelf_research.evaluation.release import MeasuredRelease
from onshelf_research.evaluation.rivals import Rivals
from onshelf_research.evaluation.tables import OURS
from onshelf_research.evaluation.update import EarlyWeeks

UNITS = "units_8w"
EASE_REGULARISATION = 300.0  # the best of 100, 300, 1000 on the validation weeks, for households' lists of all products
BERT_EPOCHS = 1
EMBEDDING_EPOCHS = 3
QUICK_LAUNCHES, QUICK_USERS = 120, 150
CODE = "onshelf_research."
SERVED_CODE = code_hash(CODE + "evaluation.served")
ROLLING_CODE = code_hash(CODE + "evaluation.rolling", CODE + "evaluation.served") + imported.code_hash(runs.TRAINING)
TUTORIALS_CODE = code_hash(CODE + "baselines.tutorials")
WARM_CODE = code_hash(CODE + "baselines.warm", CODE + "baselines.factors", CODE + "baselines.tutorials")
BLEND = 1.0  # weight of the log of the neighbours' share of the best score, beside the trees' log odds (validation)


@dataclass(frozen=True, kw_only=True)
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
        recipe: by which the forecast is fitted again for each week; None = it is not.
    """

    data: Dataset
    split: Split
    release: MeasuredRelease
    warm_release: MeasuredRelease
    cache: Cache
    threads: int = 2
    quick: bool = False
    recipe: Recipe | None = None

    @cached_property
    def measures_warm(self) -> bool:
        """Whether a user with purchases after the cut tells what a recommendation is worth."""
        return self.data.has_users and len(warm_task(self).users) > 0

    @cached_property
    def measures_cold(self) -> bool:
        """Whether a user with a history bought one of the launches."""
        if not self.data.has_users:
            return False
        return bool(recommend.cold_task(self.data, self.measured(), self.release.cut_week).bought.any())

    def measured(self) -> LaunchRows:
        """The launches that are measured."""
        rows = self.data.launched(self.split.evaluate)
        return rows.take(np.arange(min(len(rows), QUICK_LAUNCHES))) if self.quick else rows


@dataclass(frozen=True, kw_only=True)
class DemandPredictions:
    """Forecasts by model, OURS among them.

    Attributes:
        rows: measured launches.
        trained: number of launches that the baselines learned from.
        units: of units in 8 weeks.
        others: by outcome (units_4w, buyers_8w, ...), the forecasts of fewer models.
        weeks: launch weeks by model, float64 [n].
        settings: of trees and forest, as the search chose them.
        rolling: forecasts by outcome of ours fitted again for each week; empty where it is not.
    """

    rows: LaunchRows
    trained: int
    units: dict[str, Forecast]
    others: dict[str, dict[str, Forecast]] = field(default_factory=dict)
    weeks: dict[str, Floats] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    rolling: dict[str, Forecast] = field(default_factory=dict)


def _rivals(study: Study, rows: LaunchRows, weeks: tuple[int, int]) -> Rivals:
    first, last = weeks
    return Rivals(
        data=study.data,
        rows=rows,
        first=first,
        last=last,
        cut=study.split.cut,
        cache=study.cache,
        threads=study.threads,
    )


def demand(study: Study, weeks: tuple[int, int], complete: bool = True) -> DemandPredictions:
    """Forecasts of the measured launches by all models.

    Args:
        study: what is measured.
        weeks: launch weeks that models learned once may learn from.
        complete: also what is learned again for each week, other outcomes, and launch weeks.
    """
    rows, train = study.measured(), study.data.launched(weeks)
    rivals = _rivals(study, rows, weeks)
    units = {**rivals.simple(UNITS), **rivals.neighbours(UNITS)}
    launch_weeks: dict[str, Floats] = {"mean_week": np.full(len(rows), float(train.week.mean()))}
    others: dict[str, dict[str, Forecast]] = {}
    if not study.quick:
        units |= rivals.learned(UNITS, rolling=False)
    ours = outcomes.of_ours(rows, _ours_demand(study, rows))
    units[OURS] = ours[UNITS]
    if not complete:
        return DemandPredictions(rows=rows, trained=len(train), units=units)
    if not study.quick:
        units |= rivals.learned(UNITS, rolling=True)
        launch_weeks |= _tutorial_weeks(study, f"demand/{weeks[0]}-{weeks[1]}", train, rows)
        for model in ("seed_linear", "seed_bert"):
            units[model] = tutorials.units_of_week(train, launch_weeks[model], UNITS)
    for outcome in ("units_4w", "revenue_8w", *(("buyers_8w",) if study.data.has_users else ())):
        others[outcome] = rivals.simple(outcome)
        if not study.quick:
            others[outcome] |= rivals.learned(outcome, rolling=False)
    if not study.quick:
        others["units_4w"] |= rivals.learned("units_4w", rolling=True)
    if study.data.has_users:
        others["repeat"] = rivals.repeat(not study.quick)
    for outcome, models in others.items():
        models[OURS] = ours[outcome]
    settings = {} if study.quick else rivals.settings(UNITS)
    return DemandPredictions(
        rows=rows,
        trained=len(train),
        units=units,
        others=others,
        weeks=launch_weeks,
        settings=settings,
        rolling=_rolling(study, rows),
    )


def early_weeks(study: Study, weeks: tuple[int, int]) -> list[EarlyWeeks]:
    """Forecasts of the weeks that remain after 1 and 2 weeks on sale."""
    rivals = _rivals(study, study.measured(), weeks)
    return [update.early_weeks(study.release, rivals, seen, not study.quick) for seen in (1, 2)]


def recommendations(study: Study) -> tuple[WarmTask, dict[str, Lists]]:
    """Lists for households with a history, by model."""
    task = warm_task(study)
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
            "item_knn_bm25": lambda: factors.item_neighbours(task.history, study.threads),
            "als": lambda: factors.recommender(_factors(study, task.history, task.cut), task.history.shape[1]),
            "seed_embedding": lambda: _seed_recommender(study, task),
        }
    name = f"warm/{task.cut}/{len(task.users)}"
    result: dict[str, Lists] = {}
    with progress_bar("recommendations", len(models)) as advance:
        for model, make in models.items():
            made = study.cache.arrays(f"{name}/{model}", WARM_CODE, partial(_recommend, task, make))
            result[model] = Lists(made["everything"], made["fresh"])
            advance(1)
    result[OURS] = _ours_lists(study, task)
    return task, result


def audiences(study: Study) -> tuple[ColdTask, dict[str, Floats]]:
    """Scores [launches, users] of launches that nobody could have bought, by model."""
    data = study.data
    task = recommend.cold_task(data, study.measured(), study.release.cut_week)
    models: dict[str, tuple[ModuleType, Callable[[], Floats]]] = {
        "activity_only": (cold, lambda: cold.activity(task.history, len(task.rows))),
        "content_knn": (cold, lambda: cold.content_neighbours(data, task.history, task.rows)),
    }
    if not study.quick:
        models |= {
            "affinity": (cold, lambda: cold.affinity(data, task.history, task.rows)),
            "als_content_ridge": (
                factors,
                lambda: factors.content_factors(data, _factors(study, task.history, task.cut), task.rows),
            ),
            "lightgbm_two_sided": (
                two_sided,
                lambda: two_sided.two_sided_trees(data, task.rows, task.cut, study.threads),
            ),
            "seed_embedding": (tutorials, lambda: _seed_audience(study, task)),
        }
    name = f"cold/{task.cut}/{len(task.rows)}"
    result: dict[str, Floats] = {}
    with progress_bar("audiences", len(models)) as advance:
        for model, (module, make) in models.items():
            made = study.cache.arrays(f"{name}/{model}", code_hash(module.__name__), partial(_scored, make))
            result[model] = made["scores"][:, task.users].astype(np.float64)
            advance(1)
    if "lightgbm_two_sided" in result:
        result["two_sided_content_knn"] = _blend(result["lightgbm_two_sided"], result["content_knn"])
    result[OURS] = _ours_audiences(study, task)
    return task, result


def ours(study: Study, warm: bool) -> dict[str, dict[str, float]]:
    """What is measured of one model release in every column of the tables: demand, cold and, if asked for, warm."""
    rows = study.measured()
    means = {}
    if study.measures_cold:
        cold = recommend.cold_task(study.data, rows, study.release.cut_week)
        means["cold"] = recommend.measure_cold(cold, _ours_audiences(study, cold))
    if warm and study.measures_warm:
        task = warm_task(study)
        means["warm"] = recommend.measure_warm(task, _ours_lists(study, task))
    result = {part: {name: bootstrap.mean(values) for name, values in own.items()} for part, own in means.items()}
    return {"demand": tables.measure_demand(rows, UNITS, _ours_demand(study, rows)[UNITS]), **result}


def warm_task(study: Study) -> WarmTask:
    """Recommendations to households with a history, from the cut of the model release that recommends."""
    task = recommend.warm_task(study.data, study.warm_release.cut_week)
    return recommend.first_users(task, QUICK_USERS) if study.quick else task


def _ours_lists(study: Study, task: WarmTask) -> Lists:
    release = study.warm_release
    made = study.cache.arrays(
        f"warm/{task.cut}/{len(task.users)}/{_named(release)}",
        release.identity + SERVED_CODE,
        lambda: _listed(served.recommendations(release, study.data, task)),
    )
    return Lists(made["everything"], made["fresh"])


def _ours_audiences(study: Study, task: ColdTask) -> Floats:
    release = study.release
    made = study.cache.arrays(
        f"cold/{task.cut}/{len(task.rows)}/{_named(release)}",
        release.identity + SERVED_CODE,
        lambda: {"scores": served.audiences(release, study.data, task).astype(np.float32)},
    )
    return made["scores"].astype(np.float64)


def _named(release: MeasuredRelease) -> str:
    """Name of what a model release predicts: each seed keeps its own."""
    return f"{OURS}-{release.manifest.get('seed', 0)}"


def _tutorial_weeks(study: Study, name: str, train: LaunchRows, rows: LaunchRows) -> dict[str, Floats]:
    def bert() -> Arrays:
        with progress_bar("seed_bert", BERT_EPOCHS * len(train)) as advance:
            return {"week": tutorials.seed_bert(train, rows, model_folder(EncoderRecipe()), advance, BERT_EPOCHS)}

    linear = study.cache.arrays(
        f"{name}/seed_linear", TUTORIALS_CODE, lambda: {"week": tutorials.seed_linear(train, rows)}
    )
    return {
        "seed_linear": linear["week"],
        "seed_bert": study.cache.arrays(f"{name}/seed_bert", TUTORIALS_CODE, bert)["week"],
    }


def _embedding(study: Study, cut: Cut) -> tutorials.EmbeddingScores:
    def make() -> Arrays:
        bought = study.data.matrix(int(study.data.info["first_week"]), cut)
        with progress_bar("seed_embedding", EMBEDDING_EPOCHS) as advance:
            scores = tutorials.seed_embedding(bought, advance, EMBEDDING_EPOCHS)
        return {"user": scores.user, "product": scores.product}

    made = study.cache.arrays(f"seed_embedding/{cut}", TUTORIALS_CODE, make)
    return tutorials.EmbeddingScores(made["user"], made["product"])


def _seed_recommender(study: Study, task: WarmTask) -> warm.Recommender:
    scores = _embedding(study, task.cut)
    return lambda users: (scores.user[users][:, None] + scores.product[None, :]).astype(np.float32)


def _seed_audience(study: Study, task: ColdTask) -> Floats:
    scores = _embedding(study, task.cut)
    return scores.product[task.rows.product][:, None] + scores.user[None, :]


def _factors(study: Study, history: sparse.csr_array, cut: Cut) -> factors.Factors:
    def make() -> Arrays:
        with progress_bar("least squares", factors.SWEEPS) as advance:
            made = factors.least_squares(history, study.threads, lambda: advance(1))
        return {"users": made.users, "products": made.products, "sold": made.sold}

    made = study.cache.arrays(f"als/{cut}", code_hash(CODE + "baselines.factors"), make)
    return factors.Factors(made["users"], made["products"], made["sold"])


def _blend(trees: Floats, neighbours: Floats) -> Floats:
    """Log odds of the trees plus the log of the neighbours' score, relative to the best household's."""
    best = np.maximum(neighbours.max(axis=1, keepdims=True), 1e-9)
    blended: Floats = trees + BLEND * np.log(neighbours / best + 0.05)
    return blended


def _recommend(task: WarmTask, make: Callable[[], warm.Recommender]) -> Arrays:
    return _listed(recommend.recommend(task, make()))


def _scored(make: Callable[[], Floats]) -> Arrays:
    return {"scores": make().astype(np.float32)}


def _listed(lists: Lists) -> Arrays:
    return {"everything": lists.everything, "fresh": lists.fresh}


def _rolling(study: Study, rows: LaunchRows) -> dict[str, Forecast]:
    recipe = study.recipe
    if recipe is None or study.quick:
        return {}
    made = study.cache.arrays(
        f"demand/rolling/{study.split.evaluate[0]}-{study.split.evaluate[1]}/{len(rows)}",
        ROLLING_CODE + repr((recipe.outcome, recipe.seed)),
        lambda: _kept(rolling.forecasts(study.data, rows, recipe.outcome, recipe.seed, study.threads)),
    )
    return outcomes.of_ours(rows, _found(made))


def _ours_demand(study: Study, rows: LaunchRows) -> dict[str, Forecast]:
    release = study.release
    span = f"{study.split.evaluate[0]}-{study.split.evaluate[1]}/{len(rows)}"
    made = study.cache.arrays(
        f"demand/{_named(release)}/{span}",
        release.identity + SERVED_CODE,
        lambda: _kept(served.forecasts(release, study.data, rows)),
    )
    return _found(made)


def _kept(forecasts: dict[str, Forecast]) -> Arrays:
    made: Arrays = {}
    for outcome, forecast in forecasts.items():
        made |= {f"{outcome}/mean": forecast.mean, f"{outcome}/median": forecast.median}
        if forecast.below is not None and forecast.upto is not None:
            made |= {f"{outcome}/below": forecast.below, f"{outcome}/upto": forecast.upto}
        made |= {f"{outcome}/quantile/{level}": values for level, values in forecast.quantiles.items()}
    return made


def _found(made: Arrays) -> dict[str, Forecast]:
    return {
        outcome: Forecast(
            mean=made[f"{outcome}/mean"],
            median=made[f"{outcome}/median"],
            quantiles={float(key.split("/")[2]): made[key] for key in made if key.startswith(f"{outcome}/quantile/")},
            below=made.get(f"{outcome}/below"),
            upto=made.get(f"{outcome}/upto"),
        )
        for outcome in {key.split("/")[0] for key in made}
    }
