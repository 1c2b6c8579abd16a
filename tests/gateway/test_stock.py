"""First stock: what it covers, and how it is spread over sites."""

import numpy as np
import pytest

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.planning.allocation import allocate, least_units

L = launch_pb2


def _ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_units_go_to_the_largest_remainders():
    units, central = allocate(10, np.array([5.0, 3.0, 3.0]), _ints(1, 1, 1), _ints(0, 0, 0))
    assert (units.tolist(), central) == ([4, 3, 3], 0)  # fair: 4.55, 2.73, 2.73
    units, central = allocate(7, np.array([6.0, 5.0, 2.0]), _ints(1, 1, 1), _ints(0, 0, 0))
    assert (units.tolist(), central) == ([3, 3, 1], 0)  # fair: 3.23, 2.69, 1.08


def test_what_no_site_can_take_stays_central():
    units, central = allocate(20, np.ones(3), _ints(6, 6, 6), _ints(0, 0, 0))
    assert (units.tolist(), central) == ([6, 6, 6], 2)
    units, central = allocate(5, np.ones(2), _ints(6, 12), _ints(0, 0))
    assert (units.tolist(), central) == ([0, 0], 5)


def test_least_stock_comes_first_and_the_others_share_the_rest():
    units, central = allocate(20, np.array([18.0, 1.0, 1.0]), _ints(1, 1, 1), _ints(0, 5, 0))
    assert (units.tolist(), central) == ([14, 5, 1], 0)
    assert least_units(_ints(5, 6, 0), _ints(4, 6, 3)).tolist() == [8, 6, 0]


@pytest.mark.parametrize("seed", range(40))
def test_an_allocation_adds_up_whatever_the_sites(seed):
    draw = np.random.default_rng(seed)
    count = int(draw.integers(1, 60))
    weights = draw.gamma(0.5, size=count) + 1e-6
    multiples, minimums = draw.choice([1, 1, 2, 6, 12], count), draw.choice([0, 0, 1, 7], count)
    least = least_units(minimums, multiples)
    total = int(least.sum() + draw.integers(0, 400))
    units, central = allocate(total, weights, multiples, minimums)
    assert int(units.sum()) + central == total
    assert central >= 0
    assert (units % multiples == 0).all()
    assert (units >= least).all()
    if (multiples == 1).all():
        assert central == 0
    if not minimums.any():
        assert (np.abs(units - total * weights / weights.sum()) <= multiples.max() + 1e-9).all()


def _asked(words, **policy) -> L.EvaluatePlanRequest:
    request = words.evaluate()
    request.population_scale = 20
    request.stock_policy.CopyFrom(L.StockPolicy(**policy))
    return request


async def test_a_short_shelf_life_shortens_what_is_covered_and_says_so(running, words):
    stocks = []
    for days in (3, 7, 20, 27, 28, 40, 56, 0):
        response = await running.launch.EvaluatePlan(_asked(words, critical_fractile=0.8, shelf_life_days=days))
        stock = response.plan.stock
        stocks.append((stock.units, stock.expected_units))
        shortened = 0 < days < 56
        assert stock.covers_days == (days or 56)
        assert stock.limited_by_shelf_life == shortened
        assert ("STOCK_SHORTENED" in words.notices(response)) == shortened
    units, expected = zip(*stocks, strict=True)
    assert list(units) == sorted(units)
    assert units[0] < units[2] < units[4] < units[6]
    assert stocks[6] == stocks[7]
    four, eight = response.plan.forecasts
    assert expected[4] == pytest.approx(four.units.mean), "28 days are the forecast of 4 weeks"
    assert expected[6] == pytest.approx(eight.units.mean)


async def test_the_covered_days_follow_the_life_cycle(running, words):
    week = (await running.launch.EvaluatePlan(_asked(words, shelf_life_days=7))).plan
    plain = words.evaluate(channels=[types_pb2.ChannelUse(channel_id="display_in_aisle")])
    plain.population_scale = 20
    plain.stock_policy.shelf_life_days = 7
    promoted = (await running.launch.EvaluatePlan(plain)).plan

    def share(plan):
        return plan.stock.expected_units / plan.forecasts[0].units.mean

    # category 1 of the fake release: 1.1 ** week without promotion, 0.95 ** week with
    assert share(week) == pytest.approx(1 / (1.1 ** np.arange(4)).sum())
    assert share(promoted) == pytest.approx(1 / (0.95 ** np.arange(4)).sum())


async def test_the_stock_is_spread_over_sites(running, words):
    sites = [
        L.StockSite(site_id="north", weight=3, order_multiple=6),
        L.StockSite(site_id="south", weight=1, minimum_units=4),
        L.StockSite(site_id="web", weight=2),
    ]
    response = await running.launch.EvaluatePlan(_asked(words, critical_fractile=0.8, order_multiple=10, sites=sites))
    stock = response.plan.stock
    assert [site.site_id for site in stock.sites] == ["north", "south", "web"]
    assert sum(site.units for site in stock.sites) + stock.central_units == stock.units
    assert stock.units % 10 == 0
    assert stock.sites[0].units % 6 == 0
    assert stock.sites[1].units >= 4
    assert not stock.raised_to_minimum
    few = _asked(words, critical_fractile=0.8, sites=[L.StockSite(site_id="a", minimum_units=10_000)])
    response = await running.launch.EvaluatePlan(few)
    assert response.plan.stock.units == 10_000
    assert response.plan.stock.raised_to_minimum
    assert "STOCK_RAISED" in words.notices(response)


async def test_sites_of_the_constraints_share_evenly(running, words):
    request = words.plan(constraints=L.PlanConstraints(site_ids=["a", "b"]), population_scale=10)
    response = await running.launch.PlanLaunch(request)
    for plan in response.plans:
        first, second = (site.units for site in plan.stock.sites)
        assert first + second == plan.stock.units
        assert abs(first - second) <= 1
    assert not any(notice.field == "constraints.site_ids" for notice in response.info.notices)


@pytest.mark.parametrize(
    ("sites", "reason", "field"),
    [
        ([L.StockSite(weight=1)], "FIELD_REQUIRED", "sites[0].site_id"),
        ([L.StockSite(site_id="a")] * 2, "FIELDS_CONFLICT", "sites"),
        ([L.StockSite(site_id="a", weight=-1)], "VALUE_OUT_OF_RANGE", "sites[0].weight"),
        ([L.StockSite(site_id="a", weight=float("nan"))], "VALUE_OUT_OF_RANGE", "sites[0].weight"),
        ([L.StockSite(site_id="a", minimum_units=-1)], "VALUE_OUT_OF_RANGE", "sites[0].minimum_units"),
        ([L.StockSite(site_id=str(n)) for n in range(1001)], "TOO_MANY", "sites"),
    ],
)
async def test_wrong_sites_are_refused(running, words, sites, reason, field):
    refusal = await words.refusal(running.launch.EvaluatePlan(_asked(words, sites=sites)))
    assert (refusal.reason, refusal.fields[0]) == (reason, f"stock_policy.{field}")


async def test_the_policy_and_the_constraints_must_name_the_same_sites(running, words):
    request = words.plan(
        constraints=L.PlanConstraints(site_ids=["a"]),
        stock_policy=L.StockPolicy(sites=[L.StockSite(site_id="b")]),
    )
    refusal = await words.refusal(running.launch.PlanLaunch(request))
    assert (refusal.reason, refusal.fields) == ("FIELDS_CONFLICT", ["stock_policy.sites"])
