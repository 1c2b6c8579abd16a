"""Regret, rate of optimal actions and interval coverage of all learners over many simulated worlds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_research.policy.learners import LEARNERS
from onshelf_research.policy.simulator import CHANNELS, Products, WorldSetting, all_actions, world

Floats = NDArray[np.float64]

OURS = "planner"
MAIN = WorldSetting()
SETTINGS = (
    *(WorldSetting(confounding=c, heterogeneity=h) for c in (0.0, 1.0, 2.0) for h in (0.0, 0.5, 1.0)),
    WorldSetting(heterogeneity=1.5),
    WorldSetting(transfer=0.2),
    WorldSetting(transfer=0.4),
    WorldSetting(saturation=1.0),
)
NORMAL_90 = 1.645


def simulate(pool: Products, seeds: int = 20, sensitivity_seeds: int = 3) -> dict[str, Any]:
    """The main setting over many seeds, and a table of others.

    Args:
        pool: covariates of real launches.
        seeds: worlds of the main setting.
        sensitivity_seeds: worlds of each other setting; 0 = none.
    """
    main = measure(pool, MAIN, range(seeds))
    others = [
        measure(pool, setting, range(1000, 1000 + sensitivity_seeds)) for setting in SETTINGS if sensitivity_seeds
    ]
    return {"seeds": seeds, "main": main, "sensitivity": others}


def measure(pool: Products, setting: WorldSetting, seeds: range) -> dict[str, Any]:
    """Learners in the worlds of some seeds.

    Regret is the expected profit that the best actions have and the chosen ones lack, as a share of the former.
    Coverage is that of nominal 90 % intervals of the effects of every field in every category that new launches have.
    """
    grid = all_actions()
    regret: dict[str, list[float]] = {name: [] for name in LEARNERS}
    optimal: dict[str, list[float]] = {name: [] for name in LEARNERS}
    covered, covered_channels = [], []
    for seed in seeds:
        one = world(pool, setting, seed)
        best = one.profits(grid).max(axis=1)
        for name, learn in LEARNERS.items():
            decision = learn(one)
            profit = one.profit(decision.actions)
            regret[name].append(float((best - profit).sum() / best.sum()))
            optimal[name].append(float((profit >= best - 1e-9).mean()))
            if decision.response is not None:
                seen = np.unique(one.new.category)
                gap = np.abs(decision.response.effect - one.effects)[seen] / decision.response.error[seen]
                covered.append(float((gap < NORMAL_90).mean()))
                covered_channels.append(float((gap[:, : len(CHANNELS) - 1] < NORMAL_90).mean()))
    table = {name: {**_summary(regret[name]), "optimal": float(np.mean(optimal[name]))} for name in LEARNERS}
    rivals = [name for name in LEARNERS if name != OURS]
    nearest = min(rivals, key=lambda name: table[name]["regret"])
    saved = np.array(regret[nearest]) - np.array(regret[OURS])
    return {
        "setting": setting._asdict(),
        "worlds": len(seeds),
        "learners": table,
        "nearest": nearest,
        "less_regret_than_nearest": 1.0 - table[OURS]["regret"] / max(table[nearest]["regret"], 1e-12),
        "saved": _summary(list(saved)),
        "wins": bool(table[OURS]["regret"] < table[nearest]["regret"]),
        "coverage90": float(np.mean(covered)),
        "coverage90_channels": float(np.mean(covered_channels)),
    }


def _summary(values: list[float]) -> dict[str, Any]:
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    bounds = [mean - 1.96 * error, mean + 1.96 * error] if np.isfinite(error) else None
    return {"regret": mean, "regret_ci": bounds}
