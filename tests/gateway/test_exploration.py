"""Exploration: the plan that stands first is drawn among near-ties with the probabilities that the answer states."""

import json

import pytest
import sqlalchemy as sa
from gateways import connected
from scipy import stats

from onshelf.v1 import launch_pb2
from onshelf_gateway.planning.exploration import Exploring, explore
from onshelf_gateway.store.answers import ANSWERS

L = launch_pb2
DRAWING = {"exploration_share": 0.6, "exploration_margin": 0.35, "exploration_seed": 7}


def asked(words, product_id: str, **fields) -> L.PlanLaunchRequest:
    """A plan with a cost, so that plans are ranked by the objective."""
    product = words.product(product_id=product_id, unit_cost=words.money(1))
    return words.plan(
        product=product, costs=L.Costs(coupon_cost=words.money(1)), audience_size=0, max_candidates=256, **fields
    )


def made_up(objectives: list[float], bands: list[tuple[float, float]]) -> list[L.LaunchPlan]:
    """Plans, best first, with these objectives and 10 % to 90 % bands."""
    plans = []
    for n, (value, (low, high)) in enumerate(zip(objectives, bands, strict=True)):
        plan = L.LaunchPlan(rank=n + 1, objective_value=value)
        plan.action.launch_date = f"2018-02-{5 + n:02}"
        units = plan.forecasts.add(horizon_weeks=8).units
        units.quantiles.add(level=0.1, value=low)
        units.quantiles.add(level=0.9, value=high)
        plans.append(plan)
    return plans


def first(objectives, bands, exploring, product):
    plans, said = explore(exploring, product, made_up(objectives, bands), 8)
    return plans[0].objective_value, said


def test_near_ties_are_close_in_the_objective_and_overlap_in_units():
    bands = [(10, 20), (18, 40), (21, 40), (5, 12), (10, 20)]
    _, said = first([100.0, 99.0, 99.0, 98.0, 97.0], bands, Exploring(0.5, 0.02, 1), "p")
    assert [tie.objective_value for tie in said.near_ties] == [100, 99, 98], "one does not overlap, one is too far"
    _, said = first([-100.0, -101.0, -103.0], [(1, 2)] * 3, Exploring(0.5, 0.02, 1), "p")
    assert [tie.objective_value for tie in said.near_ties] == [-100, -101], "of losses, too"


@pytest.mark.parametrize("seed", [0, 1, 2018])
def test_over_many_products_plans_stand_first_as_often_as_is_said(seed):
    objectives, exploring = [100.0, 99.5, 99.0], Exploring(0.3, 0.02, seed)
    found = [first(objectives, [(1, 2)] * 3, exploring, f"p{n}") for n in range(12_000)]
    expected = {100.0: 0.8, 99.5: 0.1, 99.0: 0.1}
    for value, said in found[:50]:
        assert {tie.objective_value: pytest.approx(tie.probability) for tie in said.near_ties} == expected
        assert value == min(said.near_ties, key=lambda tie: tie.rank).objective_value
    counts = [sum(value == one for value, _ in found) for one in objectives]
    assert stats.chisquare(counts, [12_000 * expected[one] for one in objectives]).pvalue > 0.001
    drawn = [value for value, said in found if said.drawn]
    assert stats.chisquare([drawn.count(one) for one in objectives]).pvalue > 0.001, "each alike, where one is drawn"


def test_a_larger_share_adds_products_and_changes_no_other():
    objectives, bands = [100.0, 99.5, 99.0], [(1, 2)] * 3
    by_share = {
        share: {n: first(objectives, bands, Exploring(share, 0.02, 5), f"p{n}") for n in range(400)}
        for share in (0.1, 0.4, 1.0)
    }
    drawn = {share: {n for n, (_, said) in found.items() if said.drawn} for share, found in by_share.items()}
    assert drawn[0.1] < drawn[0.4] < drawn[1.0] == set(range(400))
    for n in drawn[0.1]:
        assert len({by_share[share][n][0] for share in by_share}) == 1
    assert all(by_share[0.4][n][0] == 100.0 for n in set(range(400)) - drawn[0.4])


def test_a_further_near_tie_takes_a_place_or_changes_nothing():
    exploring = Exploring(1.0, 0.02, 5)
    for n in range(200):
        two, _ = first([100.0, 99.5], [(1, 2)] * 2, exploring, f"p{n}")
        three, _ = first([100.0, 99.5, 99.0], [(1, 2)] * 3, exploring, f"p{n}")
        assert three in (two, 99.0)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A store of each kind."""
    return f"sqlite:///{tmp_path / 'store.db'}" if request.param == "sqlite" else request.getfixturevalue("postgresql")


async def test_answers_state_their_draw_and_replays_repeat_it(releases, words, url):
    async with connected(releases, store=url, **DRAWING) as gateway:
        answers = [await gateway.launch.PlanLaunch(asked(words, f"p{n}")) for n in range(40)]
        for answer in answers:
            said = answer.exploration
            ties = list(said.near_ties)
            assert (said.policy, said.share, said.seed) == ("near_ties", 0.6, 7)
            assert sum(tie.probability for tie in ties) == pytest.approx(1.0)
            assert [plan.rank for plan in answer.plans] == list(range(1, len(answer.plans) + 1))
            best = max(plan.objective_value for plan in answer.plans)
            assert ties[0].objective_value == best
            assert min(ties, key=lambda tie: tie.rank).objective_value == answer.plans[0].objective_value
            assert said.drawn == ("ORDER_DRAWN" in words.notices(answer))
            if not said.drawn:
                assert answer.plans[0].objective_value == best
        assert len({len(answer.exploration.near_ties) for answer in answers} - {1}) >= 1
        moved = [answer for answer in answers if answer.exploration.near_ties[0].rank != 1]
        assert 4 <= len(moved) <= 28, "half of the share of .6 where there are two near-ties"
        again = await gateway.launch.PlanLaunch(asked(words, "p0", similar_launches=0))
        assert [plan.action for plan in again.plans] == [plan.action for plan in answers[0].plans]
        stored = await gateway.launch.GetPlan(L.GetPlanRequest(plan_id=moved[0].plan_id))
        assert stored.plan.response.exploration == moved[0].exploration
    async with connected(releases, store=url) as later:  # nothing is drawn any more
        for answer in (moved[0], moved[-1], answers[0]):
            replayed = await later.launch.ReplayPlan(L.ReplayPlanRequest(plan_id=answer.plan_id))
            assert replayed.same, list(replayed.differences)
        plain = await later.launch.PlanLaunch(asked(words, "p0"))
        assert not plain.HasField("exploration")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        query = sa.select(ANSWERS.c.policy, ANSWERS.c.offered)
        row = connection.execute(query.where(ANSWERS.c.answer_id == moved[0].plan_id)).one()
        undrawn = connection.execute(query.where(ANSWERS.c.answer_id == plain.plan_id)).one()
    engine.dispose()
    offered = json.loads(row.offered)
    assert row.policy == "near_ties"
    assert sum(offer["probability"] for offer in offered) == pytest.approx(1.0)
    assert offered[0]["probability"] == pytest.approx(0.6 / len(moved[0].exploration.near_ties))
    assert [offer["position"] for offer in offered] == list(range(1, len(offered) + 1))
    assert undrawn.policy == "best_first"
    assert {offer["probability"] for offer in json.loads(undrawn.offered)} == {1.0}


async def test_where_promotion_is_free_nothing_is_drawn(releases, words):
    async with connected(releases, exploration_share=1.0, exploration_margin=0.5) as gateway:
        answer = await gateway.launch.PlanLaunch(words.plan(audience_size=0))
        assert answer.frontier_instead_of_winner
        assert not answer.HasField("exploration")
