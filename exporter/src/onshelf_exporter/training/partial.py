"""Launches whose weeks are not all over: what their outcomes will likely be, given what they have sold so far."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from onshelf_exporter.models.launch_outcome import BUYER_ROWS
from onshelf_exporter.training.forest import at_most
from onshelf_exporter.training.kin import LAUNCH_WEEKS
from onshelf_release.candidates import HORIZONS
from onshelf_release.signatures import UNITS_SUPPORT

Floats = NDArray[np.float64]
CONCENTRATION = 6.0  # of the beta distribution of the share of a launch's total that falls into its first weeks
SHAPE_PRIOR = 50.0  # launches that the shape of all launches counts for
FINE = 60  # totals up to here are looked at one by one


def likely_totals(
    forecast: Floats, units: Floats, buyers: Floats, weeks_over: NDArray[np.int64], shape: Floats, support: Floats
) -> Floats:
    """Distributions of totals given the first weeks, by Bayes' rule: the forecast before, times the beta-binomial
    probability of what was seen.

    Args:
        forecast: float64 [n, leaf_width()], what was expected before.
        units: float64 [n, 8], units by week of life; NaN where the week is not over.
        buyers: float64 [n, 8], buyers by week of life, likewise.
        weeks_over: int64 [n], 1..7.
        shape: float64 [n, 8], share of the 8-week units by week of life.
        support: float64 [UNITS_SUPPORT].

    Returns:
        float64 [n, leaf_width()]; what nothing was seen of stays as expected.
    """
    result = forecast.copy()
    width = (UNITS_SUPPORT, len(BUYER_ROWS))
    start = 0
    for seen, counts, points in ((units, width[0], support), (buyers, width[1], support[list(BUYER_ROWS)])):
        for horizon in HORIZONS:
            place = slice(start, start + counts)
            over = np.minimum(weeks_over, horizon)
            within = np.arange(LAUNCH_WEEKS)[None, :] < over[:, None]
            so_far = np.where(within, np.nan_to_num(seen), 0.0).sum(axis=1)
            inside = shape[:, :horizon] / np.maximum(shape[:, :horizon].sum(axis=1, keepdims=True), 1e-9)
            share = np.where(within[:, :horizon], inside, 0.0).sum(axis=1)
            after = _posterior(forecast[:, place], points, so_far, np.clip(share, 0.02, 0.98))
            known = over == horizon
            result[:, place] = np.where(known[:, None], at_most(so_far, points), after)
            start += counts
    return result


def _posterior(before: Floats, points: Floats, so_far: Floats, share: Floats) -> Floats:
    totals = np.unique(
        np.concatenate([np.arange(FINE + 1.0), points, np.geomspace(FINE, points[-1] * 1.5, 40)]).round()
    )
    edges = np.concatenate([[-1.0], points, [totals[-1]]])
    levels = np.concatenate([np.zeros((len(before), 1)), before, np.ones((len(before), 1))], axis=1)
    right = np.clip(np.searchsorted(edges, totals, side="left"), 1, len(edges) - 1)
    part = (totals - edges[right - 1]) / (edges[right] - edges[right - 1])
    distribution = levels[:, right - 1] + part * (levels[:, right] - levels[:, right - 1])
    prior = np.maximum(np.diff(distribution, axis=1, prepend=0.0), 1e-9)
    seen, y = np.minimum(so_far, totals[-1])[:, None], totals[None, :]
    rest = np.maximum(y - seen, 0.0)
    a, b = (CONCENTRATION * share)[:, None], (CONCENTRATION * (1 - share))[:, None]
    choose = gammaln(np.maximum(y, seen) + 1) - gammaln(seen + 1) - gammaln(rest + 1)
    likelihood = np.where(y >= seen, np.exp(choose + betaln(seen + a, rest + b) - betaln(a, b)), 0.0)
    after = prior * likelihood
    after /= after.sum(axis=1, keepdims=True)
    cumulative = np.cumsum(after, axis=1)
    result: Floats = np.minimum(cumulative[:, np.searchsorted(totals, points)], 1.0)
    return result


def life_shapes(weekly: Floats, entered: NDArray[np.int64]) -> Floats:
    """Share of a launch's 8-week units by week of life, [launches, 8]: of launches that entered alike, shrunk to
    all."""
    known = np.isfinite(weekly)
    overall = np.nan_to_num(weekly).sum(0) / np.maximum(known.sum(0), 1)
    overall = overall / overall.sum() if overall.sum() > 0 else np.full(LAUNCH_WEEKS, 1 / LAUNCH_WEEKS)
    result = np.empty(weekly.shape)
    for kind in (0, 1):
        rows = entered == kind
        count = known[rows].sum(0)
        mean = np.nan_to_num(weekly[rows]).sum(0) / np.maximum(count, 1)
        own = mean / mean.sum() if mean.sum() > 0 else overall
        weight = count / (count + SHAPE_PRIOR)
        mixed = weight * own + (1 - weight) * overall
        result[rows] = mixed / mixed.sum()
    return result
