"""Lifts with intervals: counts of pairs, drawn to what is known of the kinds of their products.

A pair's count is Poisson around lift times what chance makes. Lifts of pairs of the same two kinds follow a gamma
distribution around the kinds' own lift (DuMouchel 1999, Bayesian data mining in large frequency tables, with a mean for
each cell of kinds). Its strength is estimated by likelihood on drawn pairs, those without a joint purchase included, so
that the largest of many lifts are drawn back as far as such lifts are noise; for pairs within one kind by itself, as
these differ more. Users repeat themselves: a pair's counts
are divided by how much more they scatter over users than Poisson counts.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]
LEVELS = (0.025, 0.975)
KIND_STRENGTH = 5.0  # joint purchases by which the lift of two kinds is drawn to 1
SCATTER_STRENGTH = 10.0  # purchases by which a pair's scatter over users is drawn to that of all pairs
STRENGTHS = (0.2, 50.0)
LEAST_PAIRS = 100  # drawn pairs with something expected, and purchases of these; with fewer: DEFAULT
DEFAULT = 2.0


@dataclass(frozen=True)
class Prior:
    """What is known of a lift before its own count: gamma distributed with this shape around the lift of the kinds."""

    within: float  # one kind
    across: float  # two kinds

    def strength(self, pairs: pd.DataFrame) -> Floats:
        """The shape for each pair."""
        return np.where(pairs["kind_a"] == pairs["kind_b"], self.within, self.across)


def kind_lifts(kinds: pd.DataFrame) -> pd.Series:
    """Lift of pairs of kinds, drawn to 1: indexed by (kind_a, kind_b)."""
    lift = (kinds["observed"] + KIND_STRENGTH) / (kinds["expected"] + KIND_STRENGTH)
    return pd.Series(lift.to_numpy(), index=pd.MultiIndex.from_frame(kinds[["kind_a", "kind_b"]]))


def means(pairs: pd.DataFrame, lifts: pd.Series) -> Floats:
    """The lift of each pair's kinds; 1 where nothing is known of them."""
    ordered = np.sort(pairs[["kind_a", "kind_b"]].to_numpy(), axis=1)
    found = lifts.reindex(pd.MultiIndex.from_arrays([ordered[:, 0], ordered[:, 1]]))
    return np.asarray(found.fillna(1.0).to_numpy(), dtype=np.float64)


def fit_prior(pairs: pd.DataFrame, mean: Floats) -> Prior:
    """The strengths under which drawn pairs are likeliest."""
    within = (pairs["kind_a"] == pairs["kind_b"]).to_numpy()
    observed, rate = pairs["observed"].to_numpy(dtype=np.float64), mean * pairs["expected"].to_numpy(dtype=np.float64)
    return Prior(*(fit_strength(observed[rows], rate[rows]) for rows in (within, ~within)))


def fit_strength(observed: Floats, rate: Floats) -> float:
    """The shape of a gamma distribution of mean 1 that makes these negative binomial counts likeliest."""
    observed, rate = observed[rate > 0], rate[rate > 0]
    if len(rate) < LEAST_PAIRS or observed.sum() < LEAST_PAIRS:
        return DEFAULT

    def loss(log_strength: float) -> float:
        shape = np.exp(log_strength)
        value = special.gammaln(observed + shape) - special.gammaln(shape) - special.gammaln(observed + 1)
        value += shape * np.log(shape / (shape + rate)) + observed * np.log(rate / (shape + rate))
        return -float(value.sum())

    low, high = np.log(STRENGTHS)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def scatter(pairs: pd.DataFrame) -> Floats:
    """How many times more a pair's counts scatter over users than Poisson counts would, 1 or more.

    Args:
        pairs: observed, expected, and sums over users: observed2, both (observed times expected), expected2.
    """
    observed = pairs["observed"].to_numpy(dtype=np.float64)
    lift = observed / np.maximum(pairs["expected"].to_numpy(dtype=np.float64), 1e-9)
    squares = (
        pairs["observed2"].to_numpy() - 2 * lift * pairs["both"].to_numpy() + lift**2 * pairs["expected2"].to_numpy()
    )
    usual = max(1.0, float(squares.sum() / max(observed.sum(), 1e-9)))
    drawn = (squares + SCATTER_STRENGTH * usual) / (observed + SCATTER_STRENGTH)
    return np.asarray(np.maximum(drawn, 1.0), dtype=np.float64)


def with_lifts(pairs: pd.DataFrame, mean: Floats, prior: Prior) -> pd.DataFrame:
    """The pairs with the mean, the 95 % interval, shape and rate of their gamma posterior."""
    over = scatter(pairs)
    strength = prior.strength(pairs)
    shape = strength + pairs["observed"].to_numpy(dtype=np.float64) / over
    rate = strength / mean + pairs["expected"].to_numpy(dtype=np.float64) / over
    low, high = (stats.gamma.ppf(level, shape, scale=1.0 / rate) for level in LEVELS)
    return pairs.assign(lift=shape / rate, lift_low=low, lift_high=high, shape=shape, rate=rate)
