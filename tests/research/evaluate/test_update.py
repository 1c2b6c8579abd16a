"""Forecasts of the weeks that remain after the first ones on sale."""

import dataclasses

import numpy as np
import pytest

from onshelf_release.life_cycle import posterior
from onshelf_research.data.cache import Cache
from onshelf_research.data.dataset import Dataset
from onshelf_research.evaluation import update
from onshelf_research.evaluation.release import MeasuredRelease, find_release
from onshelf_research.evaluation.rivals import Rivals


@pytest.fixture(scope="module")
def release(published) -> MeasuredRelease:
    return find_release(published / "releases", published / "repository", 28, "invented")


def rivals(data: Dataset, folder) -> Rivals:
    return Rivals(
        data=data, rows=data.launched((28, 32)), first=9, last=20, cut=27, cache=Cache(folder, "shop", "x"), threads=1
    )


def test_the_nearest_level_that_the_table_knows_counts(release, data):
    rows = data.launched((28, 32))
    cycle = update.life_cycle(release, rows)
    food, promoted = rows.product % 6 < 3, rows.coverage.sum(axis=1) > 0
    assert np.allclose(cycle.shares[~food & ~promoted], 1 / 8)
    assert np.allclose(cycle.shares[~food & promoted][:, 0], 2 / 9)
    assert np.allclose(cycle.shares[food & ~promoted][:, 0], 0.3)
    assert np.allclose(cycle.shares[food & promoted][:, -1], 0.37)
    assert (set(cycle.evidence), set(cycle.dispersion), len(cycle.evidence)) == ({0.5}, {2.0}, 7)


def test_ours_is_the_posterior_of_the_served_forecast(release, data, tmp_path):
    one = rivals(data, tmp_path)
    rows = one.rows
    early = update.early_weeks(release, one, 2, learned=False)
    bought = data.purchases
    near = [(bought.product == p) & (bought.week >= w) for p, w in zip(rows.product, rows.week, strict=True)]
    first = np.array([(m & (bought.week < w + 2)).sum() for m, w in zip(near, rows.week, strict=True)], dtype=float)
    rest = np.array([(m & (bought.week < w + 8)).sum() for m, w in zip(near, rows.week, strict=True)]) - first
    assert np.array_equal(early.rows.numbers(update.REST), rest)
    mean = 1 + rows.numbers("price") + 10 * rows.coverage[:, 0]
    share = update.life_cycle(release, rows).shares[:, :2].sum(axis=1)
    entered = rows.numbers("entered_by_sale")
    expected = posterior(
        mean=mean, size=np.ones(len(rows)), units=first, share=share, evidence=0.5, dispersion=2.0, entered=entered
    ).mean
    assert np.allclose(early.forecasts["ours"].mean, expected, rtol=1e-4)
    assert np.allclose(early.forecasts["no_update"].mean, (mean - entered) * (1 - share), rtol=1e-4)
    assert set(early.forecasts) == {"ours", "no_update", "gamma_poisson_category"}
    assert np.all(early.forecasts["ours"].below <= early.forecasts["ours"].upto)


def test_no_forecast_sees_the_weeks_that_it_forecasts(release, data, tmp_path):
    sales, frame = data.sales.copy(), data.launches.frame.copy()
    week = sales["product_index"].map(frame.set_index("product_index")["launch_week"])
    late = ((week >= 28) & (sales["week"] >= week + 2)).to_numpy()
    sales.loc[late, "units"] *= 50
    other = dataclasses.replace(data, sales=sales)
    known, told = (
        update.early_weeks(release, rivals(source, tmp_path / name), 2, learned=True)
        for name, source in (("a", data), ("b", other))
    )
    assert not np.array_equal(known.rows.numbers(update.REST), told.rows.numbers(update.REST))
    rows = known.rows.week == 28  # features of later launches see earlier launches' later weeks, as they may
    assert rows.any()
    assert set(known.forecasts) >= {"ours", "lightgbm_early_q50", "lightgbm_early_tweedie"}
    for name, forecast in known.forecasts.items():
        assert np.array_equal(forecast.mean[rows], told.forecasts[name].mean[rows]), name
        assert np.array_equal(forecast.median[rows], told.forecasts[name].median[rows]), name
