"""What launches in progress will likely have sold, given what they have sold so far."""

import numpy as np
import pytest
from scipy.special import betaln, comb

from onshelf_exporter.models.launch_outcome import BUYER_ROWS, leaf_width
from onshelf_exporter.training.forest import at_most, count_support
from onshelf_exporter.training.partial import CONCENTRATION, life_shapes, likely_totals
from onshelf_release.signatures import UNITS_SUPPORT

POINTS = count_support(100.0)
BUYER_POINTS = POINTS[list(BUYER_ROWS)]
SHAPE = np.array([0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
PARTS = (
    slice(0, UNITS_SUPPORT),
    slice(UNITS_SUPPORT, 2 * UNITS_SUPPORT),
    slice(2 * UNITS_SUPPORT, 2 * UNITS_SUPPORT + 12),
    slice(-14, -2),
)


def forecast(n: int) -> np.ndarray:
    """Geometric totals with the mean 6 in 4 weeks and 10 in 8, buyers fewer; repeats 1 of 4."""
    horizons = ((6, POINTS), (10, POINTS), (5, BUYER_POINTS), (8, BUYER_POINTS))
    parts = [1 - (mean / (1 + mean)) ** (points + 1) for mean, points in horizons]
    return np.tile(np.concatenate([*parts, [1.0, 4.0]]), (n, 1))


def seen(*weeks: float) -> np.ndarray:
    return np.array([[*weeks, *[np.nan] * (8 - len(weeks))]])


def totals(*weeks: float) -> np.ndarray:
    found = likely_totals(forecast(1), seen(*weeks), seen(*weeks), np.array([len(weeks)]), SHAPE[None], POINTS)
    assert found.shape == (1, leaf_width())
    return found[0]


@pytest.mark.parametrize("weeks", [(0.0,), (3.0, 1.0), (0.0, 0.0, 9.0), (2.0,) * 5, (40.0,), (5.0,) * 7, (500.0,)])
def test_what_comes_out_is_a_distribution_above_what_was_sold(weeks: tuple[float, ...]) -> None:
    found = totals(*weeks)
    horizons = ((4, POINTS), (8, POINTS), (4, BUYER_POINTS), (8, BUYER_POINTS))
    for part, (horizon, points) in zip(PARTS, horizons, strict=True):
        assert np.all(np.diff(found[part]) >= -1e-12)
        assert np.all((found[part] >= 0) & (found[part] <= 1))
        assert np.all(found[part][points < min(sum(weeks[:horizon]), points[-1])] < 1e-6)
    assert np.array_equal(found[-2:], [1.0, 4.0])


def test_more_sold_means_more_to_come() -> None:
    found = np.stack([totals(float(n), 0.0) for n in (0, 1, 3, 8, 20)])
    for part in PARTS:
        assert np.all(np.diff(found[:, part], axis=0) <= 1e-9)
        assert found[0, part].sum() > found[-1, part].sum() + 2


def test_a_total_whose_weeks_are_over_is_known() -> None:
    found = totals(2.0, 1.0, 0.0, 4.0)
    assert np.array_equal(found[PARTS[0]], at_most(np.array([7.0]), POINTS)[0])
    assert np.array_equal(found[PARTS[2]], at_most(np.array([7.0]), BUYER_POINTS)[0])
    assert 0 < found[PARTS[1]][9] < 1
    later = totals(2.0, 1.0, 0.0, 4.0, 3.0)
    assert np.array_equal(later[PARTS[0]], found[PARTS[0]])  # the fifth week is no part of the first four


def test_the_posterior_is_bayes_rule_over_every_total() -> None:
    """Over totals 0..20,000 one by one, with the probabilities of the forecast spread evenly between its counts."""
    sold, every = 4.0, np.arange(20_001.0)
    before = forecast(1)[0, PARTS[1]]
    at = np.interp(every, [-1.0, *POINTS, 1.5 * POINTS[-1]], [0.0, *before, 1.0])
    prior = np.diff(at, prepend=0.0)
    share = SHAPE[:3].sum()
    a, b = CONCENTRATION * share, CONCENTRATION * (1 - share)
    enough = every >= sold
    rest = every[enough] - sold
    likelihood = np.zeros_like(prior)
    with np.errstate(over="ignore"):
        ways = np.log(comb(every[enough][:400], sold))
    likelihood[np.flatnonzero(enough)[:400]] = np.exp(ways + betaln(sold + a, rest[:400] + b) - betaln(a, b))
    wanted = np.cumsum(prior * likelihood) / (prior * likelihood).sum()
    found = totals(3.0, 0.0, 1.0)[PARTS[1]]
    assert np.allclose(found, wanted[POINTS.astype(int)], atol=2e-3)


def test_rows_do_not_see_each_other() -> None:
    units = np.concatenate([seen(1.0), seen(9.0, 2.0), seen(0.0, 0.0, 0.0, 0.0, 1.0)])
    over = np.array([1, 2, 5])
    together = likely_totals(forecast(3), units, units, over, np.tile(SHAPE, (3, 1)), POINTS)
    for row in range(3):
        alone = likely_totals(
            forecast(1), units[row : row + 1], units[row : row + 1], over[row : row + 1], SHAPE[None], POINTS
        )
        assert np.allclose(together[row], alone[0])


def test_the_forecast_itself_is_left_alone() -> None:
    before = forecast(1)
    kept = before.copy()
    likely_totals(before, seen(3.0), seen(3.0), np.array([1]), SHAPE[None], POINTS)
    assert np.array_equal(before, kept)


def test_shapes_are_those_of_launches_that_entered_alike_as_far_as_there_are_many() -> None:
    early, late = np.array([8.0, *[0.0] * 7]), np.array([*[0.0] * 7, 8.0])
    many = life_shapes(np.concatenate([np.tile(early, (900, 1)), np.tile(late, (900, 1))]), np.repeat([0, 1], 900))
    assert np.allclose(many.sum(1), 1)
    assert many[0, 0] > 0.9
    assert many[-1, 7] > 0.9
    few = life_shapes(np.stack([early, late]), np.array([0, 1]))
    assert few[0, 0] == pytest.approx(0.5, abs=0.03)
    assert np.allclose(life_shapes(np.zeros((2, 8)), np.array([0, 1])), 1 / 8)
    unknown = life_shapes(np.concatenate([np.tile(early, (900, 1)), seen(5.0)]), np.zeros(901, dtype=int))
    assert unknown[-1, 0] > 0.9
