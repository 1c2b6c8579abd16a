"""Which baselines forecast which outcome of which launches, each learned once or again for every launch week.

"Rolling" learns again for each measured week w, from launches whose outcome had ended before it, as production would.
Settings of trees and forest are searched once, inside the training weeks, and kept for every refit.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.process.progress_display import progress_bar
from onshelf_research.baselines import analogs, forest, statistics, trees
from onshelf_research.baselines.forecast import Floats, Forecast, single
from onshelf_research.data.cache import Arrays, Cache, code_hash
from onshelf_research.data.dataset import Dataset, LaunchRows

CONFIGURATIONS = 12
SEARCH_SEED = 12
LEVELS = trees.QUANTILES
CODE = "onshelf_research.evaluation.rivals"
HORIZONS = {"units_4w": 4, "units_8w": 8, "buyers_8w": 8, "revenue_8w": 8}  # outcome -> weeks until it is known


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """The demand baselines of one evaluation.

    Attributes:
        data: prepared data.
        rows: measured launches.
        first: first launch week to learn from.
        last: last launch week to learn from where a model is not refitted, for outcomes of 8 weeks.
        cut: last week whose sales the models learned once may know.
        cache: of what they predict.
        threads: of trees.
    """

    data: Dataset
    rows: LaunchRows
    first: int
    last: int
    cut: Cut
    cache: Cache
    threads: int

    def train(self, outcome: str) -> LaunchRows:
        """The launches that models learned once may learn an outcome from."""
        return self.data.launched((self.first, max(self.last, min(self.cut - HORIZONS[outcome] + 1, self._before))))

    def simple(self, outcome: str) -> dict[str, Forecast]:
        """Statistics of past launches."""
        train = self.train(outcome)
        medians, means = statistics.category(train, self.rows, outcome)
        return {
            "global_median": statistics.global_median(train, self.rows, outcome),
            "category_median": medians,
            "category_mean": means,
        }

    def neighbours(self, outcome: str) -> dict[str, Forecast]:
        """Analogs."""
        median, mean = analogs.analogs(self.train(outcome), self.rows, outcome)
        return {"analog_median": median, "analog_mean": mean}

    def learned(self, outcome: str, rolling: bool) -> dict[str, Forecast]:
        """Trees, forest and the mean of three of them."""
        kind = "rolling" if rolling else "once"
        name = f"demand/{self.first}-{self.last}/{len(self.rows)}/{outcome}/{kind}"
        made = self.cache.arrays(name, code_hash(CODE), lambda: self._learn(outcome, rolling))
        parts = {
            model: {level: made[f"{model}/{level}"] for level in LEVELS}
            for model in ("lightgbm_q50", "quantile_forest")
        }
        result = {
            model: Forecast(mean=levels[0.5], median=levels[0.5], quantiles=levels) for model, levels in parts.items()
        }
        result |= {"lightgbm_tweedie": single(made["tweedie"]), "ensemble": single(made["ensemble"])}
        return {f"{model}_rolling" if rolling else model: forecast for model, forecast in result.items()}

    def repeat(self, learned: bool) -> dict[str, Forecast]:
        """Share of the buyers who buy again: overall, by category and, if `learned`, by trees."""
        train = self.train("buyers_8w")
        by_category, overall = statistics.repeat_share(train, self.rows)
        name = f"demand/{self.first}-{self.last}/{len(self.rows)}/repeat/once"
        shares = {"overall_share": overall, "category_share": by_category}
        if learned:
            made = self.cache.arrays(name, code_hash(CODE), lambda: {"share": self._repeat(train)})
            shares["lightgbm_share"] = made["share"]
        return {model: single(share) for model, share in shares.items()}

    def settings(self, outcome: str) -> dict[str, object]:
        """The settings that the searches chose, for the report."""
        tuned, leaves = self._tuned(outcome)
        return {**{name: asdict(one) for name, one in tuned.items()}, "quantile_forest": asdict(leaves)}

    @property
    def _before(self) -> int:
        return int(self.rows.week.min()) - 1

    @cached_property
    def _all(self) -> LaunchRows:
        return self.data.launched((self.first, int(self.rows.week.max())))

    @cached_property
    def _table(self) -> pd.DataFrame:
        return trees.features(self.data, self._all)

    def table_of(self, rows: LaunchRows) -> pd.DataFrame:
        """Inputs of the trees for some launches between the first training week and the last measured week."""
        place = np.full(len(self.data.products), -1, dtype=np.int64)
        place[self._all.product] = np.arange(len(self._all))
        return self._table.iloc[place[rows.product]].reset_index(drop=True)

    def refits(self, outcome: str, rolling: bool) -> list[tuple[NDArray[np.bool_], LaunchRows]]:
        """Which measured launches are forecast by what was learned from which launches."""
        train = self.train(outcome)
        if not rolling:
            return [(np.ones(len(self.rows), dtype=bool), train)]
        weeks = [int(week) for week in np.unique(self.rows.week)]
        parts = [self.data.launched((self.first, week - HORIZONS[outcome])) for week in weeks]
        return [(self.rows.week == week, part) for week, part in zip(weeks, parts, strict=True)]

    def _tuned(self, outcome: str) -> tuple[dict[str, trees.Tuned], forest.ForestSettings]:
        name = f"demand/{self.first}-{self.last}/{len(self.rows)}/{outcome}/settings"
        made = self.cache.arrays(name, code_hash(CODE), lambda: self._search(outcome))
        kept = json.loads(str(made["settings"]))
        tuned = {model: trees.Tuned(**kept[model]) for model in ("lightgbm_q50", "lightgbm_tweedie")}
        return tuned, forest.ForestSettings(**kept["quantile_forest"])

    def _search(self, outcome: str) -> Arrays:
        train = self.train(outcome)
        table, target = self.table_of(train), train.numbers(outcome)
        tries = trees.drawn_settings(CONFIGURATIONS, SEARCH_SEED)
        objectives = {"lightgbm_q50": trees.quantile_objective(0.5), "lightgbm_tweedie": trees.TWEEDIE}
        found: dict[str, object] = {}
        with progress_bar(f"settings for {outcome}", 2 * CONFIGURATIONS + len(forest.TRIES)) as advance:
            for name, objective in objectives.items():
                found[name] = asdict(trees.search(table, target, train.week, objective, tries, self.threads, advance))
            leaves = forest.search(table, target, train.week, trees.HOLDOUT_WEEKS, self.threads, lambda: advance(1))
        found["quantile_forest"] = asdict(leaves)
        return {"settings": np.array(json.dumps(found))}

    def _learn(self, outcome: str, rolling: bool) -> Arrays:
        tuned, leaves = self._tuned(outcome)
        made: Arrays = {}
        refits = self.refits(outcome, rolling)
        with progress_bar(f"{outcome}{', rolling' if rolling else ''}", len(refits)) as advance:
            for mask, train in refits:
                part = self.rows.take(mask)
                table, wanted, target = self.table_of(train), self.table_of(part), train.numbers(outcome)
                levels = trees.quantiles(tuned["lightgbm_q50"], table, target, wanted, self.threads, LEVELS)
                grown = forest.forecast(table, target, wanted, leaves, LEVELS, self.threads)
                mean = trees.predict(tuned["lightgbm_tweedie"], table, target, wanted, self.threads)
                kin = analogs.analogs(train, part, outcome)[1].mean
                found = {"tweedie": mean, "ensemble": (mean + grown.mean + kin) / 3}
                found |= {f"lightgbm_q50/{level}": values for level, values in levels.items()}
                found |= {f"quantile_forest/{level}": values for level, values in grown.quantiles.items()}
                for name, values in found.items():
                    made.setdefault(name, np.full(len(self.rows), np.nan))[mask] = values
                advance(1)
        return made

    def _repeat(self, train: LaunchRows) -> Floats:
        buyers = train.numbers("buyers_8w")
        bought = buyers > 0
        table = self.table_of(train)[bought].reset_index(drop=True)
        share = train.numbers("repeat_buyers_8w")[bought] / buyers[bought]
        tries = trees.drawn_settings(CONFIGURATIONS, SEARCH_SEED)
        week, weight = train.week[bought], buyers[bought]
        with progress_bar("settings for repeat", CONFIGURATIONS) as advance:
            tuned = trees.search(table, share, week, trees.SHARE, tries, self.threads, advance, weight)
        return trees.predict(tuned, table, share, self.table_of(self.rows), self.threads, weight)
