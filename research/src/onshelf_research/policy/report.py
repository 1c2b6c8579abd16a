"""The policy part of an evaluation: measured once, then rendered, summed up and drawn from the same numbers.

    numbers = policy_report(data, release, split)      # a plain dictionary, kept in the cache where there is one
    print(render(numbers))

Keys: practice (`practice_accuracy.practice_ranking`), effects.launches and effects.panel (`effects`), survivors, values
(`values.policy_values`), simulator (`simulation.simulate`) and timing. A part that the data cannot answer holds
{"skipped": why}.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from onshelf_exporter.evaluation.splits import Split
from onshelf_exporter.training.history import load_history
from onshelf_research.data.cache import Cache, code_hash
from onshelf_research.data.dataset import Dataset
from onshelf_research.evaluation.release import MeasuredRelease
from onshelf_research.policy import effects, practice_accuracy, simulation, simulator, survivors, timing, values
from onshelf_research.policy.rows import PolicyError, promotion_first
from onshelf_research.policy.tables import render

__all__ = ["figures", "headline", "policy_report", "render"]

Numbers = dict[str, Any]
OURS = "planner"


def policy_report(
    data: Dataset,
    release: MeasuredRelease,
    split: Split,
    *,
    cache: Cache | None = None,
    draws: int = 400,
    threads: int = 1,
    seed: int = 0,
    quick: bool = False,
) -> Numbers:
    """Measure practice, effects, survivors, policy values, the simulator and timing.

    Args:
        data: prepared data.
        release: served models, cut before the measured weeks.
        split: what is learned from and what is measured; nothing later than its measured outcomes is read.
        cache: keeps the result under the model release, the split and the code of this package.
        draws: bootstrap resamples.
        threads: of trees and graphs.
        seed: of everything drawn.
        quick: few worlds, products and resamples: proves the path.

    Raises:
        PolicyError: the model release has seen the measured weeks.
    """
    if release.cut_week >= split.evaluate[0]:
        raise PolicyError(f"model release cut at week {release.cut_week}: must lie before week {split.evaluate[0]}")

    def make() -> Numbers:
        return _measure(data, release, split, draws=draws, threads=threads, seed=seed, quick=quick)

    if not (data.folder / "features" / "promotion_weeks.parquet").is_file():
        return {"skipped": "the data have no promotions"}
    if cache is None:
        return make()
    depends = f"{release.identity}/{split}/{draws}/{seed}/{quick}/{code_hash(__name__)}"
    kept = cache.arrays("policy", depends, lambda: {"json": np.array(json.dumps(make()))})
    numbers: Numbers = json.loads(str(kept["json"]))
    return numbers


def _measure(
    data: Dataset, release: MeasuredRelease, split: Split, *, draws: int, threads: int, seed: int, quick: bool
) -> Numbers:
    history = load_history(data.folder, split.cut)
    measured = data.launched(split.evaluate)
    weeks = split.purged_train
    few = min(draws, 50) if quick else draws

    def ranking() -> Numbers:
        return practice_accuracy.practice_ranking(
            data,
            release,
            split.cut,
            split.train[0],
            measured,
            draws=few // 2,
            seed=seed,
            threads=threads,
            trees=not quick,
        )

    def launches() -> Numbers:
        return effects.launch_effects(promotion_first(data, release, history, weeks), seed, threads)

    def panel() -> Numbers:
        return effects.panel_effects(history, seed, threads, 200 if quick else effects.PANEL_PRODUCTS)

    def value() -> Numbers:
        train, new = (promotion_first(data, release, history, span) for span in (weeks, split.evaluate))
        return values.policy_values(data, release, train, new, draws=few, seed=seed, threads=threads)

    def simulated() -> Numbers:
        pool = simulator.pool_of(data.launched((weeks[0], split.cut)))
        return simulation.simulate(pool, 2 if quick else 20, 0 if quick else 3)

    numbers: Numbers = {
        "practice": _or_skipped(ranking),
        "effects": {"launches": _or_skipped(launches), "panel": _or_skipped(panel)},
        "survivors": _or_skipped(lambda: survivors.survivors(data, release, history, weeks, measured, threads)),
        "values": _or_skipped(value),
        "simulator": simulated() if len(data.launched((weeks[0], split.cut))) else {"skipped": "no launches"},
        "timing": _or_skipped(lambda: timing.timing(data, history, weeks, 100 if quick else 500, seed)),
    }
    finite: Numbers = _finite(numbers)
    return finite


def _or_skipped(measure: Callable[[], Numbers]) -> Numbers:
    """What was measured, or why these data cannot answer it."""
    try:
        return measure()
    except PolicyError as error:
        return {"skipped": str(error)}


def headline(numbers: Numbers) -> Numbers:
    """For evaluation.json: {"ours": {...}, "baselines": {policy: {...}}} with sndr, sndr_ci, ess, regret, regret_ci.

    A key that was not measured (a policy without a value, or without a learner in the simulator) is left out.
    """
    parts: dict[str, Numbers] = {}
    if "skipped" in numbers:
        return {"ours": {}, "baselines": {}}
    table = numbers["values"].get("policies", {})
    for name, entry in table.items():
        parts[name] = {key: entry[key] for key in ("sndr", "sndr_ci", "ess")}
    if table:
        best = numbers["values"]["best_constant"]
        parts["best_constant"] = dict(parts[best]) | {"constant": best}
    for name, entry in numbers["simulator"].get("main", {}).get("learners", {}).items():
        parts.setdefault(name, {}).update(regret=entry["regret"], regret_ci=entry["regret_ci"])
    return {"ours": parts.pop(OURS, {}), "baselines": parts}


def figures(numbers: Numbers) -> list[Numbers]:
    """Dot-and-interval plots: name, title, unit, rows of label, value, low, high, and a reference line or None."""
    result: list[Numbers] = []
    if "skipped" in numbers:
        return result
    table = numbers["values"].get("policies", {})
    if table:
        rows = [_row(name, entry["sndr"], entry["sndr_ci"]) for name, entry in table.items()]
        reference = table["logging"]["observed"]
        result.append(
            _figure("policy_values", "Value of policies (SNDR)", "units in 8 weeks a launch", rows, reference)
        )
    rows = []
    for source in ("launches", "panel"):
        part = numbers["effects"][source]
        for name, entry in part.get("effects", part).items():
            if isinstance(entry, dict) and "doubly_robust" in entry:
                own = entry["doubly_robust"]
                rows.append(_row(f"{name}, {source}: naive", entry["naive"], None))
                rows.append(_row(f"{name}, {source}: doubly robust", own["lift"], [own["low"], own["high"]]))
    if rows:
        result.append(_figure("promotion_lift", "Lift with promotion", "relative change of units", rows, 0.0))
    learners = numbers["simulator"].get("main", {}).get("learners", {})
    if learners:
        rows = [_row(name, entry["regret"], entry["regret_ci"]) for name, entry in learners.items()]
        result.append(_figure("policy_regret", "Regret in simulated worlds", "share of the best profit", rows, 0.0))
    return result


def _figure(name: str, title: str, unit: str, rows: list[Numbers], reference: float | None) -> Numbers:
    return {"name": name, "title": title, "unit": unit, "rows": rows, "reference": reference}


def _row(label: str, value: float | None, bounds: list[float | None] | None) -> Numbers:
    low, high = bounds if bounds is not None else (None, None)
    return {"label": label.replace("_", " "), "value": value, "low": low, "high": high}


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
