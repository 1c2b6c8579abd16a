"""How units fall into a launch's first weeks, and what they say about the rest."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom, poisson

from onshelf_exporter.training import life_cycle
from onshelf_exporter.training.life_cycle import WeeklyUnits, estimate, life_cycle_table, weekly_units
from onshelf_release.life_cycle import posterior

SHARES = np.array([[0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]] * 2)


def test_posterior_of_untempered_evidence_is_bayes_rule_by_quadrature():
    mean, size, seen, share = 6.0, 0.8, 3.0, 0.3
    rate = np.linspace(1e-4, 40, 400_000)
    prior = rate ** (size - 1) * np.exp(-size * rate)
    weight = prior * poisson.pmf(seen, rate * mean * share)
    expected = (weight * rate).sum() / weight.sum() * mean * (1 - share)
    got, after, _ = posterior(
        mean=np.array([mean]),
        size=np.array([size]),
        units=np.array([seen]),
        share=np.array([share]),
        evidence=1.0,
        dispersion=np.inf,
    )
    assert got[0] == pytest.approx(expected, rel=1e-3)
    nothing = (weight * poisson.pmf(0, rate * mean * (1 - share))).sum() / weight.sum()
    assert nbinom.pmf(0, after, after / (after + got))[0] == pytest.approx(nothing, rel=1e-3)


def test_posterior_without_evidence_is_the_forecast_and_the_sure_first_unit_tells_nothing():
    mean, size, seen = np.array([5.0, 5.0]), np.array([1.0, 1.0]), np.array([9.0, 1.0])
    same = {"size": size, "share": np.array([0.25, 0.25]), "dispersion": 2.0}
    rest = posterior(mean=mean, units=seen, evidence=0.0, entered=np.array([0.0, 1.0]), **same).mean
    assert rest.tolist() == pytest.approx([5.0 * 0.75, 4.0 * 0.75])
    entered = posterior(mean=mean, units=np.ones(2), evidence=0.5, entered=np.ones(2), **same).mean
    other = posterior(mean=mean - 1, units=np.zeros(2), evidence=0.5, **same).mean
    assert np.array_equal(entered, other)


def test_weekly_units_are_those_of_the_first_eight_weeks():
    sales = pd.DataFrame(
        {"product_index": [1, 1, 1, 0, 1], "week": [4, 5, 12, 5, 13], "units": [9.0, 2.0, 3.0, 1.0, 7.0]}
    )
    units = weekly_units(sales, np.array([1]), np.array([5]), 3)
    assert units.tolist() == [[2.0, 0, 0, 0, 0, 0, 0, 3.0]]


def _launches(lumps: int, n: int = 4000) -> tuple[WeeklyUnits, np.ndarray]:
    rng = np.random.default_rng(4)
    rate = 8.0 / lumps * rng.gamma(1.5, 1 / 1.5, n)
    units = rng.poisson(rate[:, None] * SHARES[0][None, :]).astype(float) * lumps
    return WeeklyUnits(units, np.zeros(n, dtype=np.int64), np.zeros(n)), np.zeros(n, dtype=np.int64)


def test_evidence_is_full_for_single_purchases_and_a_fraction_for_lumps():
    single, _ = estimate(*_launches(1), SHARES)
    lumps, _ = estimate(*_launches(3), SHARES)
    assert np.all((single > 0.8) & (single < 1.25))
    assert np.all(lumps < 0.55)


def test_few_launches_keep_the_starting_values():
    weekly, kind = _launches(1, n=10)
    evidence, dispersion = estimate(weekly, kind, SHARES)
    assert set(evidence) == {life_cycle.START[0]}
    assert set(dispersion) == {life_cycle.START[1]}


def test_table_has_every_id_twice_with_shares_that_sum_to_one(complete_journey):
    from onshelf_exporter.training.history import load_history

    history = load_history(complete_journey, 27)
    table = life_cycle_table(history).to_pandas()
    shares = table[[f"share_w{week}" for week in range(1, 9)]].to_numpy()
    assert np.allclose(shares.sum(axis=1), 1.0)
    assert table.groupby(["level", "id"])["promoted"].apply(list).map(lambda flags: flags == [0, 1]).all()
    sizes = table.groupby("level")["id"].nunique().to_dict()
    assert sizes == {
        "all": 1,
        "department": history.vocabulary.sizes[0] - 1,
        "category": history.vocabulary.sizes[1] - 1,
    }
    assert int(table.loc[table["level"] == "all", "launches"].sum()) == int(history.launches.complete8.sum())
    empty = table[(table["level"] == "category") & (table["launches"] == 0)].iloc[0]
    parent = history.vocabulary.parents["category"][int(empty["id"])]
    above = table[(table["level"] == "department") & (table["id"] == parent) & (table["promoted"] == empty["promoted"])]
    names = [f"share_w{week}" for week in range(1, 9)]
    assert np.allclose(empty[names].to_numpy(float), above[names].to_numpy(float)[0])
