"""Power: how large a test of two plans must be; what is stated holds where samples are drawn."""

import numpy as np
import pytest

from onshelf.v1 import launch_pb2
from onshelf_gateway.planning.power import Counts, Odds, Shares

L = launch_pb2
RUNS = 40_000
Z = 1.959964


def seen_shares(random, first: float, second: float, each: int) -> float:
    """How often the z-test with the pooled share sees a difference."""
    ours, theirs = random.binomial(each, first, RUNS), random.binomial(each, second, RUNS)
    pooled = (ours + theirs) / (2 * each)
    error = np.sqrt(np.maximum(pooled * (1 - pooled) * 2 / each, 1e-30))
    return float((np.abs(ours - theirs) / each > Z * error).mean())


def seen_counts(random, first: float, second: float, size: float, each: int) -> float:
    """How often the logarithm of the ratio of means does, with the variance of the pooled mean."""
    runs = 6_000
    one, other = (
        random.negative_binomial(size, size / (size + mean), (runs, each)).mean(axis=1) for mean in (first, second)
    )
    error = np.sqrt(2 / each * (2 / (one + other) + 1 / size))
    with np.errstate(divide="ignore"):
        return float((np.abs(np.log(other / one)) > Z * error).mean())


@pytest.mark.parametrize(("first", "second"), [(0.02, 0.03), (0.1, 0.12), (0.3, 0.25), (0.01, 0.011)])
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_users_see_the_difference_as_often_as_stated(first, second, power):
    random = np.random.default_rng(2018)
    needed = Shares(Odds(power)).needed(first, second)
    assert seen_shares(random, first, second, needed // 2) == pytest.approx(power, abs=0.02)
    assert seen_shares(random, first, first, needed // 2) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    ("first", "second", "size"), [(4.0, 6.0, 1.5), (10.0, 13.0, 3.0), (0.8, 1.2, 1.0), (20.0, 14.0, 0.7)]
)
def test_sites_see_the_difference_as_often_as_stated(first, second, size):
    random = np.random.default_rng(2018)
    needed = Counts(Odds(), size).needed(first, second)
    assert seen_counts(random, first, second, size, needed // 2) == pytest.approx(0.8, abs=0.02)
    assert seen_counts(random, first, first, size, needed // 2) == pytest.approx(0.05, abs=0.01)


def test_the_smallest_visible_difference_is_the_one_that_needs_these_numbers():
    shares = Shares(Odds())
    gap = shares.visible(0.05, 2_000, 2_000)
    assert shares.needed(0.05, 0.05 + gap) in (4_000, 4_002)
    counts = Counts(Odds(), 2.0)
    gap = counts.visible(5.0, 150, 150)
    assert counts.needed(5.0, 5.0 + gap) in (300, 302)
    assert shares.visible(0.05, 2, 2) == 0.0, "two users see nothing"


@pytest.fixture(params=["sqlite", "postgresql"])
def running(request):
    """A gateway with a store of each kind."""
    return request.getfixturevalue(f"on_{request.param}")


async def planned(running, words, **fields):
    return await running.launch.PlanLaunch(words.plan(costs=L.Costs(coupon_cost=words.money(5)), **fields))


async def test_an_underpowered_test_is_refused_in_words(running, words):
    plan = await planned(running, words)
    found = await running.launch.EstimatePower(L.EstimatePowerRequest(plan_id=plan.plan_id))
    ours, theirs = (one.forecasts[-1].buyers for one in plan.plans[:2])
    users = plan.info.units_basis.users
    assert found.available == users
    assert found.buyers_difference == pytest.approx(theirs - ours)
    assert found.by_week[-1].first == pytest.approx(ours / users)
    assert found.by_week[3].second == pytest.approx(plan.plans[1].forecasts[0].buyers / users)
    assert found.relative_difference == pytest.approx(theirs / ours - 1)
    assert (found.sufficient, found.weeks_needed, found.weeks) == (False, 0, 8)
    assert found.needed == Shares(Odds()).needed(ours / users, theirs / users)
    assert found.verdict.startswith(f"underpowered: 8 weeks and {users:,} users see ")
    assert f"which takes {found.needed:,} users" in found.verdict
    assert [week.week for week in found.by_week] == list(range(1, 9))
    needed = [week.needed for week in found.by_week]
    assert needed == sorted(needed, reverse=True), "later weeks need fewer"


async def test_enough_users_see_it_in_a_week_that_is_named(running, words):
    plan = await planned(running, words)
    asked = L.EstimatePowerRequest(plan_id=plan.plan_id)
    few = await running.launch.EstimatePower(asked)
    asked.users = few.by_week[5].needed
    found = await running.launch.EstimatePower(asked)
    assert found.sufficient
    assert found.weeks_needed == 6
    assert found.verdict.startswith(f"{few.by_week[5].needed:,} of {asked.users:,} users, half of them under each plan")
    assert "after 6 weeks with a probability of 80%" in found.verdict
    asked.weeks = 5
    assert not (await running.launch.EstimatePower(asked)).sufficient


async def test_sites_compare_units(running, words):
    plan = await planned(running, words)
    asked = L.EstimatePowerRequest(plan_id=plan.plan_id, unit=L.POWER_UNIT_SITES, sites=30, other_rank=3)
    found = await running.launch.EstimatePower(asked)
    first, third = plan.plans[0].forecasts[-1].units, plan.plans[2].forecasts[-1].units
    assert found.units_difference == pytest.approx(third.mean - first.mean)
    assert found.dispersion == first.dispersion
    assert found.dispersion_assumed
    assert found.needed == Counts(Odds(), first.dispersion).needed(first.mean / 30, third.mean / 30)
    asked.dispersion = 50.0
    stated = await running.launch.EstimatePower(asked)
    assert not stated.dispersion_assumed
    assert stated.needed < found.needed


async def test_two_answers_of_a_product_are_compared(running, words):
    plan = await planned(running, words)
    other = await running.launch.EvaluatePlan(words.evaluate(discount=0.3))
    asked = L.EstimatePowerRequest(plan_id=plan.plan_id, other_plan_id=other.plan_id)
    found = await running.launch.EstimatePower(asked)
    assert found.buyers_difference == pytest.approx(
        other.plan.forecasts[-1].buyers - plan.plans[0].forecasts[-1].buyers
    )
    elsewhere = await planned(running, words, product=words.product(title="Cream soda, 2 litre bottle"))
    scaled = await planned(running, words, population_scale=3.0)
    for wrong, said in ((elsewhere, "another product"), (scaled, "another population_scale")):
        asked = L.EstimatePowerRequest(plan_id=plan.plan_id, other_plan_id=wrong.plan_id)
        refusal = await words.refusal(running.launch.EstimatePower(asked))
        assert (refusal.reason, refusal.fields) == ("VALUE_OUT_OF_RANGE", ["other_plan_id"])
        assert said in refusal.message


@pytest.mark.parametrize(
    ("wrong", "reason", "field"),
    [
        ({"unit": L.POWER_UNIT_SITES}, "FIELD_REQUIRED", "sites"),
        ({"sites": 30}, "FIELDS_CONFLICT", "sites"),
        ({"unit": L.POWER_UNIT_SITES, "sites": 9, "users": 9}, "FIELDS_CONFLICT", "users"),
        ({"dispersion": 2.0}, "FIELDS_CONFLICT", "dispersion"),
        ({"users": 1}, "VALUE_OUT_OF_RANGE", "users"),
        ({"weeks": 9}, "VALUE_OUT_OF_RANGE", "weeks"),
        ({"power": 0.2}, "VALUE_OUT_OF_RANGE", "power"),
        ({"significance": 0.5}, "VALUE_OUT_OF_RANGE", "significance"),
        ({"rank": 2}, "VALUE_OUT_OF_RANGE", "other_plan_id"),
        ({"other_rank": 40}, "VALUE_OUT_OF_RANGE", "other_rank"),
        ({"unit": 9}, "VALUE_OUT_OF_RANGE", "unit"),
        ({"plan_id": "plan-unknown"}, "PLAN_NOT_FOUND", "plan_id"),
    ],
)
async def test_wrong_questions_are_refused(on_sqlite, words, wrong, reason, field):
    plan = await planned(on_sqlite, words)
    asked = L.EstimatePowerRequest(**{"plan_id": plan.plan_id, **wrong})
    refusal = await words.refusal(on_sqlite.launch.EstimatePower(asked))
    assert (refusal.reason, refusal.fields) == (reason, [field])
