"""The simulated worlds: learners see what they may, the planner loses least, its intervals cover."""

from dataclasses import replace

import numpy as np
import pytest

from onshelf_research.policy.learners import LEARNERS, panel_response
from onshelf_research.policy.simulation import measure
from onshelf_research.policy.simulator import Products, World, WorldSetting, all_actions, world

POOL = Products(
    np.arange(400) % 40 // 8,
    np.arange(400) % 40,
    np.column_stack([np.random.default_rng(5).normal(size=(400, 2)), np.arange(400) % 2]),
)


@pytest.fixture(scope="module")
def one() -> World:
    return world(POOL, WorldSetting(), 3, launches=600, new=100, existing=300)


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "best_constant"])
def test_learners_do_not_see_the_truth(one: World, name: str) -> None:
    blind = replace(one, effects=np.full_like(one.effects, np.nan), base=np.full_like(one.base, np.nan))
    for seen, unseen in zip(LEARNERS[name](one).actions, LEARNERS[name](blind).actions, strict=True):
        np.testing.assert_array_equal(seen, unseen)


def test_profit_of_an_action_is_its_column_of_all_profits(one: World) -> None:
    grid = all_actions()
    profits = one.profits(grid)
    assert profits.shape == (100, 240)
    chosen = np.arange(100) % 240
    actions = type(grid)(*(field[chosen] for field in grid))
    np.testing.assert_allclose(one.profit(actions), profits[np.arange(100), chosen])


def test_practice_promotes_good_products_where_it_is_confounded() -> None:
    quality = {}
    for strength in (0.0, 2.0):
        drawn = world(POOL, WorldSetting(confounding=strength), 1, launches=3000, new=10, existing=50)
        expected = np.exp((drawn.effects[drawn.products.category] * drawn.actions.design()).sum(axis=1))
        left = np.log1p(drawn.units / expected)
        broad = drawn.actions.channel >= 2
        quality[strength] = left[broad].mean() - left[~broad].mean()
    assert abs(quality[0.0]) < 0.15
    assert quality[2.0] > 0.4


def test_the_panel_response_finds_the_effects(one: World) -> None:
    found = panel_response(world(POOL, WorldSetting(confounding=0.0, transfer=0.0), 2, existing=1500))
    truth = world(POOL, WorldSetting(confounding=0.0, transfer=0.0), 2, existing=1500).effects
    gap = found.effect - truth
    assert np.abs(gap[:, :4].mean(axis=0)).max() < 0.1
    assert np.corrcoef(found.effect[:, 3], truth[:, 3])[0, 1] > 0.5
    assert np.all(found.error > 0)


def test_the_planner_loses_least() -> None:
    result = measure(POOL, WorldSetting(), range(2))
    assert result["wins"]
    assert result["less_regret_than_nearest"] > 0.3
    assert 0.8 < result["coverage90"] < 0.99
