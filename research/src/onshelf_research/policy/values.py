"""What policies would have been worth on PF launches, from what other actions sold: off-policy evaluation.

Estimators: self-normalised inverse propensity scoring (Swaminathan and Joachims 2015), doubly robust (Dudik, Langford
and Li 2011) and self-normalised doubly robust. Nuisance models are cross-fitted; intervals come from the clustered
bootstrap of the evaluation. With a thousand launches no estimate has an effective sample of 1,000, and none of them
decides anything.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.evaluation.bootstrap import cluster_weights, interval
from onshelf_release.candidates import COVERAGE
from onshelf_research.data.dataset import Dataset
from onshelf_research.evaluation.release import MeasuredRelease
from onshelf_research.evaluation.served import actions as served_actions
from onshelf_research.evaluation.tables import launch_clusters
from onshelf_research.policy.aipw import Scores, cross_fit, fit_outcome, fit_propensity
from onshelf_research.policy.rows import ACTIONS, CATEGORICAL, PolicyError, PolicyStudy, kinds_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COSTS = (0.25, 0.75, 0.25, 0.75)  # of each action, in units of the product: broad promotion is not free
GATE = 1000.0  # effective sample below which an estimate decides nothing


@dataclass(frozen=True)
class Estimate:
    """Value of one policy: units of 8 weeks a launch by three estimators, and its effective sample size."""

    snips: float
    dr: float
    sndr: float
    ess: float


def estimate(policy: Floats, action: Ints, reward: Floats, scores: Scores, weight: Floats | None = None) -> Estimate:
    """Value of a policy.

    Args:
        policy: probabilities, float64 [n, actions].
        action: what was done, int64 [n].
        reward: of what was done, float64 [n].
        scores: cross-fitted nuisance predictions of the reward.
        weight: of each launch, for a bootstrap; None = 1.
    """
    w = np.ones(len(action)) if weight is None else weight
    row = np.arange(len(action))
    ratio = policy[row, action] / scores.propensity[row, action]
    expected = (policy * scores.expected).sum(axis=1)
    rest = ratio * (reward - scores.expected[row, action])
    total, used = w.sum(), float(w @ ratio)
    squares = float(w @ ratio**2)
    if used <= 0:
        return Estimate(float("nan"), float(w @ expected / total), float("nan"), 0.0)
    return Estimate(
        snips=float(w @ (ratio * reward)) / used,
        dr=float(w @ (expected + rest) / total),
        sndr=float(w @ expected / total + (w @ rest) / used),
        ess=used**2 / squares,
    )


def policies(
    data: Dataset,
    release: MeasuredRelease,
    train: PolicyStudy,
    measured: PolicyStudy,
    broad_above: float,
    threads: int = 1,
) -> dict[str, Floats]:
    """All policies as probabilities [n, 4] on the measured launches; those that learn know the training launches only.

    logging is what practice did (its estimated propensities), planner what the served launch_outcome prefers in units,
    planner_with_cost the same after the costs of promotion in COSTS.
    """
    n, count = len(measured), len(ACTIONS)
    taken = train.actions(broad_above)
    outcome = fit_outcome(train.x, taken, train.units, count, threads, CATEGORICAL)(measured.x)
    served = served_units(data, release, train, measured, broad_above)
    constant = {name: np.repeat(np.eye(count)[[i]], n, axis=0) for i, name in enumerate(ACTIONS)}
    return {
        "logging": fit_propensity(train.x, taken, count, threads, CATEGORICAL)(measured.x),
        "uniform": np.full((n, count), 1.0 / count),
        **constant,
        "greedy_outcome": np.eye(count)[outcome.argmax(axis=1)],
        "planner": np.eye(count)[served.argmax(axis=1)],
        "planner_with_cost": np.eye(count)[(served - np.array(COSTS)).argmax(axis=1)],
    }


def served_units(
    data: Dataset, release: MeasuredRelease, train: PolicyStudy, measured: PolicyStudy, broad_above: float
) -> Floats:
    """Units of 8 weeks that launch_outcome expects of each measured launch under each action, float64 [n, 4].

    An action's coverage is the mean of the training launches that had it; week, price, discount and coupon stay.
    """
    slots = release.table("channels").set_index("channel_id")["channel_slot"]
    base = served_actions(release, data, measured.rows)
    candidates = np.repeat(base, len(ACTIONS), axis=1)
    taken = train.actions(broad_above)
    promoted = np.concatenate([kinds_of(data, "display"), kinds_of(data, "mailer")])
    for number in range(len(ACTIONS)):
        mine = train.rows.coverage[taken == number]
        mean = mine.mean(axis=0) if len(mine) else np.zeros(train.rows.coverage.shape[1])
        for channel in promoted:
            name = data.channels["channel_id"].iloc[channel]
            if name in slots.index:
                candidates[:, number, COVERAGE.start + int(slots[name])] = mean[channel]
    encoded = release.encode(measured.rows.frame)
    means = release.outcomes(encoded, candidates.astype(np.float32))["units_mean"]
    return np.asarray(means[:, :, list(release.manifest["horizons_weeks"]).index(8)], dtype=np.float64)


def policy_values(
    data: Dataset,
    release: MeasuredRelease,
    train: PolicyStudy,
    measured: PolicyStudy,
    *,
    draws: int = 400,
    seed: int = 0,
    threads: int = 1,
) -> dict[str, Any]:
    """Values of all policies with effective sample sizes and 95 % intervals.

    Raises:
        PolicyError: the measured launches had one action only.
    """
    shown = train.display[train.display > 0]
    broad_above = float(np.median(shown)) if len(shown) else 0.0
    taken = measured.actions(broad_above)
    if len(np.unique(taken)) < 2 or len(np.unique(train.actions(broad_above))) < 2:
        raise PolicyError("policy values: all launches had the same action")
    counts = np.bincount(taken, minlength=len(ACTIONS))
    other = (train.x, train.actions(broad_above), train.units)
    scores = _padded(
        cross_fit(
            measured.x,
            taken,
            measured.units,
            measured.rows.product,
            folds=5,
            seed=seed,
            threads=threads,
            categorical=CATEGORICAL,
            other=other if taken.max() >= other[1].max() else None,
        )
    )
    weights = cluster_weights(launch_clusters(measured.rows), draws, seed)
    named = policies(data, release, train, measured, broad_above, threads)
    cost = np.array(COSTS)
    table: dict[str, Any] = {}
    for name, policy in named.items():
        one = estimate(policy, taken, measured.units, scores)
        drawn = [estimate(policy, taken, measured.units, scores, weight) for weight in weights]
        table[name] = {
            "snips": one.snips,
            "dr": one.dr,
            "sndr": one.sndr,
            "ess": one.ess,
            "passes_gate": bool(one.ess >= GATE),
            "mean_cost": float((policy @ cost).mean()),
            "share": [float(share) for share in policy.mean(axis=0)],
            **{
                f"{key}_ci": _bounds(getattr(one, key), [getattr(d, key) for d in drawn])
                for key in ("snips", "dr", "sndr")
            },
        }
    table["logging"] |= {"observed": float(measured.units.mean())}
    return {
        "launches": len(measured),
        "trained": len(train),
        "actions": dict(zip(ACTIONS, counts.tolist(), strict=True)),
        "broad_above": broad_above,
        "costs": dict(zip(ACTIONS, COSTS, strict=True)),
        "gate": GATE,
        "policies": table,
        "best_constant": max(ACTIONS, key=lambda name: np.nan_to_num(table[name]["sndr"], nan=-1.0)),
    }


def _padded(scores: Scores) -> Scores:
    """The same with a column for every action; one that nobody took has propensity 1 and is never weighted."""
    missing = len(ACTIONS) - scores.score.shape[1]
    if not missing:
        return scores
    n = len(scores.score)
    mean = np.repeat(scores.expected.mean(axis=1, keepdims=True), missing, axis=1)
    return Scores(
        np.concatenate([scores.score, mean], axis=1),
        np.concatenate([scores.expected, mean], axis=1),
        np.concatenate([scores.propensity, np.ones((n, missing))], axis=1),
    )


def _bounds(value: float, samples: list[float]) -> list[float] | None:
    if not np.isfinite(value) or not np.isfinite(samples).any():
        return None
    band = interval(value, np.array(samples))
    return [band.low, band.high]
