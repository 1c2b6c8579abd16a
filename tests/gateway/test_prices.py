"""Prices by week: elasticity from scored candidates, and the best path that never rises."""

import datetime as dt
import itertools
from decimal import Decimal

import numpy as np
import pytest

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.planning.candidates import cross
from onshelf_gateway.planning.prices import Elasticities, PriceLimits, Pricing, Season, demand_levels, falling

L, T = launch_pb2, types_pb2
FREE = PriceLimits(0.0, 0.5, None, None)
PROFIT, REVENUE, UNITS = T.OBJECTIVE_METRIC_GROSS_PROFIT, T.OBJECTIVE_METRIC_REVENUE, T.OBJECTIVE_METRIC_UNITS


def _pricing(**fields) -> Pricing:
    usual = {"metric": PROFIT, "unit_cost": 1.0, "salvage": 0.0, "holding": 0.0, "limits": FREE}
    return Pricing(currency="USD", week_start="monday", **{**usual, **fields})


def _season(stock, demand=(10.0,) * 8, levels=(1.0,), **fields) -> Season:
    usual = {"first": 1, "day": dt.date(2018, 1, 1), "discount": 0.0, "spent": 0.0}
    return Season(stock=stock, demand=np.array(demand), levels=np.array(levels), **{**usual, **fields})


def _cents(step: L.PriceStep) -> int:
    return step.price.units * 100 + step.price.nanos // 10_000_000


def test_all_falling_paths_are_there_once():
    paths = falling(8, 6)
    assert len(paths) == 1716
    assert (np.diff(paths, axis=1) >= 0).all()
    assert len(np.unique(paths, axis=0)) == len(paths)
    assert (paths[0] == 0).all()
    assert falling(8, 0).shape == (1, 0)


@pytest.mark.parametrize("seed", range(24))
def test_the_path_is_the_best_of_all_that_do_not_rise(seed):
    draw = np.random.default_rng(seed)
    demand, stock = draw.gamma(2.0, 5.0, 4), float(draw.integers(10, 120))
    levels = demand_levels(np.sort(draw.gamma(1.0, 1.0, 5)))
    elasticity, salvage, holding = draw.uniform(0.5, 3.0), draw.uniform(0, 2), draw.uniform(0, 0.1)
    if seed >= 12:  # where no markdown can pay, fewer paths are looked at
        elasticity, salvage, holding = (draw.uniform(0, 1), salvage, 0.0) if seed % 2 else (elasticity, 4.0, 0.0)
    pricing = _pricing(salvage=None if salvage == 4.0 else salvage, holding=holding)
    season = _season(stock, demand, levels, first=5)
    steps = pricing.path(Decimal("4.00"), season, elasticity, 0.2)
    prices = [float(price) for price in pricing.prices(Decimal("4.00"))]

    def worth(path):
        total = 0.0
        for level in levels:
            left = stock
            for n, price in enumerate(path):
                sold = min(level * demand[n] * (price / 4.0) ** -elasticity, left)
                left -= sold
                total += sold * (price - 0.2) - holding * left
            total += salvage * left
        return total / len(levels)

    rising_never = [path for path in itertools.product(prices, repeat=4) if list(path) == sorted(path, reverse=True)]
    best = max(map(worth, rising_never))
    assert worth([_cents(step) / 100 for step in steps]) == pytest.approx(best, rel=1e-9)


def test_what_would_be_left_is_marked_down_where_demand_is_elastic():
    steps = _pricing().path(Decimal("4.00"), _season(120.0), 2.0, 0.0)
    prices = [_cents(step) for step in steps]
    assert prices == sorted(prices, reverse=True)
    assert prices[:2] == [400, 400]
    assert prices[-1] < 400
    assert steps[-1].stock_left < 120 - 80
    assert sum(step.units for step in steps) + steps[-1].stock_left == pytest.approx(120)
    assert steps[-1].phase == L.PRICE_PHASE_MARKDOWN
    assert [step.week_start_date for step in steps[:2]] == ["2018-01-01", "2018-01-08"]


def test_no_markdown_where_it_does_not_pay():
    plenty = _season(120.0)
    inelastic = _pricing().path(Decimal("4.00"), plenty, 0.8, 0.0)
    scarce = _pricing().path(Decimal("4.00"), _season(60.0), 2.0, 0.0)
    kept = _pricing(salvage=None, unit_cost=None, metric=REVENUE).path(Decimal("4.00"), plenty, 2.0, 0.0)
    for steps in (inelastic, scarce, kept):
        assert {_cents(step) for step in steps} == {400}
        assert {step.phase for step in steps} == {L.PRICE_PHASE_REGULAR}


def test_the_launch_discount_ends_after_two_weeks():
    steps = _pricing().path(Decimal("4.00"), _season(80.0, discount=0.25), 2.0, 0.0)
    assert [_cents(step) for step in steps[:3]] == [300, 300, 400]
    assert [step.phase for step in steps[:3]] == [L.PRICE_PHASE_LAUNCH_PROMOTION] * 2 + [L.PRICE_PHASE_REGULAR]
    assert steps[0].discount == pytest.approx(0.25)
    second = _pricing().path(Decimal("4.00"), _season(70.0, (10.0,) * 7, first=2, discount=0.25), 2.0, 0.0)
    assert [(step.week, _cents(step)) for step in second[:2]] == [(2, 300), (3, 400)]


@pytest.mark.parametrize(
    ("limits", "lowest"),
    [
        (PriceLimits(0.0, 0.2, None, None), 320),
        (PriceLimits(3.5, 0.5, None, None), 350),
        (PriceLimits(0.0, 0.5, 0.5, None), 300),
        (PriceLimits(0.0, 0.0, None, None), 400),
    ],
    ids=["discount", "price", "margin", "none at all"],
)
def test_markdowns_keep_within_their_limits(limits, lowest):
    pricing = _pricing(unit_cost=1.5, limits=limits)
    prices = pricing.prices(Decimal("4.00"))
    assert min(prices) >= Decimal(lowest) / 100
    assert min(prices) < Decimal(lowest) / 100 + Decimal("0.20")
    steps = pricing.path(Decimal("4.00"), _season(400.0), 3.0, 0.0)
    assert min(_cents(step) for step in steps) >= lowest


def test_markdowns_keep_to_the_budget():
    free = _pricing().path(Decimal("4.00"), _season(200.0), 2.5, 0.0)
    bound = PriceLimits(0.0, 0.5, None, 12.0)
    steps = _pricing(limits=bound).path(Decimal("4.00"), _season(200.0, spent=5.0), 2.5, 0.0)

    def given(path):
        return sum(step.units * (4 - _cents(step) / 100) for step in path)

    assert given(free) > 7
    assert 0 < given(steps) <= 7 + 1e-9
    none = _pricing(limits=bound).path(Decimal("4.00"), _season(200.0, spent=50.0), 2.5, 0.0)
    assert given(none) == 0


def test_units_as_objective_sell_what_is_there_at_the_least_discount():
    steps = _pricing(metric=UNITS).path(Decimal("4.00"), _season(85.0), 2.0, 0.0)
    assert sum(step.units for step in steps) == pytest.approx(85.0)
    assert _cents(steps[2]) > 200


def _candidates(prices=("2.00", "3.00", "4.00"), channels=2):
    sets = np.zeros((channels, 32))
    sets[1:, 0] = 0.5
    return cross([dt.date(2018, 1, 1)], sets, [Decimal(price) for price in prices], [0.0, 0.2], [False])


def test_the_elasticity_is_that_of_the_scored_candidates():
    candidates = _candidates()
    units = 50 * np.exp(candidates.discount + candidates.channel_set) * candidates.amounts**-1.7
    found = Elasticities(candidates, units).of(0)
    assert (found.used, found.plan, found.category) == pytest.approx((1.7, 1.7, 1.7))
    assert "association" in found.message().basis


def test_a_plan_of_its_own_response_is_shrunk_to_all_actions():
    candidates = _candidates()
    own = np.where(candidates.channel_set == 1, 3.0, 1.0)
    found = Elasticities(candidates, 50 * candidates.amounts**-own).of(
        int(np.flatnonzero(candidates.channel_set == 1)[0])
    )
    assert (found.plan, found.category) == pytest.approx((3.0, 2.0))
    assert found.weight == pytest.approx(3 / 7)
    assert found.used == pytest.approx(2.0 + 3 / 7)


def test_one_price_tells_nothing_of_prices():
    found = Elasticities(_candidates(prices=("2.00",)), np.full(4, 7.0)).of(0)
    assert found.used == 0
    assert "only one price" in found.message().basis


async def test_a_plan_carries_its_prices(running, words):
    product = words.product(unit_cost=words.money(1.2))
    policy = L.StockPolicy(critical_fractile=0.95, shelf_life_days=50)
    limits = L.PlanConstraints(max_discount=0.3, min_gross_margin=0.2)
    settings = {"constraints": limits, "population_scale": 30, "costs": L.Costs(coupon_cost=words.money(5))}
    response = await running.launch.PlanLaunch(words.plan(product=product, stock_policy=policy, **settings))
    assert running.backend.count("launch_outcome") == 1, "no model is asked again"
    for plan in [*response.plans, response.practice_plan]:
        path = plan.price_path
        assert [step.week for step in path] == list(range(1, 9))
        list_price = plan.action.list_price
        for step in path:
            assert 0 <= step.discount <= 0.3 + 1e-9
            assert _cents(step) >= 120 / 0.8 - 1
        later = [_cents(step) for step in path[2:]]
        assert later == sorted(later, reverse=True)
        assert max(_cents(step) for step in path) <= list_price.units * 100 + list_price.nanos // 10_000_000
        assert [step.discount for step in path[:2]] == pytest.approx([plan.action.discount] * 2)
        left = [plan.stock.units, *[step.stock_left for step in path]]
        assert np.diff(left) == pytest.approx([-step.units for step in path], abs=1e-6)
        assert plan.price_response.elasticity == pytest.approx(1.8, abs=0.01), "that of the fake model"
    assert any(step.phase == L.PRICE_PHASE_MARKDOWN for plan in response.plans for step in plan.price_path)
    assert "ASSOCIATION" in words.notices(response)


async def test_the_path_has_the_weeks_that_the_stock_covers(running, words):
    request = words.evaluate()
    request.stock_policy.shelf_life_days = 10
    response = await running.launch.EvaluatePlan(request)
    assert [step.week for step in response.plan.price_path] == [1, 2]
