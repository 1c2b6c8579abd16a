"""Plans from a real model release on a real Triton, read as a merchandiser would."""

import dataclasses
import datetime
import itertools

import pytest

from onshelf import (
    Action,
    ChannelCost,
    ChannelUse,
    Client,
    Costs,
    DateWindow,
    ErrorReason,
    InvalidRequest,
    Money,
    NoticeCode,
    Objective,
    ObjectiveMetric,
    PlanConstraints,
    Product,
    StockPolicy,
    StockSite,
)

USD = "USD"
PROFIT = Objective(metric=ObjectiveMetric.GROSS_PROFIT)
CHIPS = Product(
    title="Kettle cooked potato chips with sea salt",
    category_path=("Grocery", "Bag snacks"),
    list_price=Money("3.49", USD),
    unit_cost=Money("1.80", USD),
)
SHAMPOO = Product(
    title="Moisturising shampoo with argan oil",
    category_path=("Drugstore and general merchandise", "Hair care products"),
    list_price=Money("5.99", USD),
)
APPLES = Product(title="Honeycrisp apples, bag", category_path=("Produce", "Apples"), list_price=Money("3.99", USD))


def units(result, horizon: int = 8) -> float:
    return next(f.units.mean for f in result.plan.forecasts if f.horizon_weeks == horizon)


def evaluate(system: Client, product: Product = CHIPS, **action) -> float:
    return units(system.evaluate_plan(product, Action(launch_date=datetime.date(2018, 2, 5), **action)))


def test_an_open_request_scores_over_a_thousand_candidates_and_answers_completely(system, small_release):
    result = system.plan_launch(CHIPS)
    assert result.candidates_scored >= 1000
    assert len(result.plans) == 5
    assert [plan.rank for plan in result.plans] == [1, 2, 3, 4, 5]
    assert result.practice_plan is not None
    assert result.audience
    assert result.similar_launches
    assert result.info.model_release.version == small_release.version
    assert "households" in result.info.units_basis.description
    stages = {timing.stage for timing in result.info.timings}
    assert {"validate", "tokenize", "product_encoder", "launch_outcome", "audience_retrieval"} <= stages
    assert not result.info.degraded
    assert result.frontier_instead_of_winner, "without costs the plans follow the frontier, from its knee on"
    costed = system.plan_launch(CHIPS, costs=Costs(coupon_cost=Money("20", USD)))
    values = [plan.objective_value for plan in costed.plans]
    assert values == sorted(values, reverse=True)
    for plan in result.plans:
        for forecast in plan.forecasts:
            quantiles = [q.value for q in forecast.units.quantiles]
            assert quantiles == sorted(quantiles)
            assert quantiles[0] >= 0


def test_three_products_of_three_departments_get_different_plans(system):
    results = [system.plan_launch(product) for product in (CHIPS, SHAMPOO, APPLES)]
    departments = [result.category.category_path[0] for result in results]
    assert len(set(departments)) == 3
    assert len({round(r.plans[0].forecasts[-1].units.mean, 3) for r in results}) == 3
    assert len({tuple(member.user_id for member in r.audience) for r in results}) == 3
    similar = [{launch.category_path[0] for launch in r.similar_launches} for r in results]
    assert [(d, s) for d, s in zip(departments, similar, strict=True) if d not in s] == []


def test_a_launch_is_stocked_priced_and_updated_after_its_first_weeks(system):
    sites = (StockSite(site_id="north", weight=2, order_multiple=6), StockSite(site_id="south", minimum_units=3))
    policy = StockPolicy(critical_fractile=0.8, shelf_life_days=20, sites=sites)
    action = Action(launch_date=datetime.date(2018, 2, 5), channels=(ChannelUse("display_in_aisle"),))
    plan = system.evaluate_plan(CHIPS, action, stock_policy=policy, population_scale=100).plan
    assert plan.stock.covers_days == 20
    assert plan.stock.expected_units < plan.forecast(4).units.mean
    assert sum(site.units for site in plan.stock.sites) + plan.stock.central_units == plan.stock.units
    assert [step.week for step in plan.price_path] == [1, 2, 3]
    assert plan.price_response.elasticity > 0
    answers = [
        system.update_forecast(CHIPS, action, sold, stock_units=50, stock_policy=StockPolicy(critical_fractile=0.8))
        for sold in ((0, 0), (4, 6))
    ]
    few, many = (answer.remaining.mean for answer in answers)
    assert few < many
    assert answers[0].prior == answers[1].prior
    assert answers[0].prior.mean == pytest.approx(evaluate_mean(system, action), rel=1e-5)
    for answer in answers:
        assert answer.total.mean == pytest.approx(answer.remaining.mean + answer.units_observed)
        assert len(answer.price_path) == 6


def evaluate_mean(system: Client, action: Action) -> float:
    return units(system.evaluate_plan(CHIPS, action))


def test_a_premium_price_lowers_expected_units(system):
    prices = ["2.49", "3.49", "4.99", "8.99"]
    expected = [evaluate(system, list_price=Money(price, USD)) for price in prices]
    assert all(dearer < cheaper for cheaper, dearer in itertools.pairwise(expected))


def test_more_promotion_does_not_lower_units_and_is_not_free(system):
    channel = "display_rear_end_cap"
    plain = evaluate(system)
    narrow = evaluate(system, channels=(ChannelUse(channel, 0.05),))
    broad = evaluate(system, channels=(ChannelUse(channel, 0.5),))
    both = evaluate(system, channels=(ChannelUse(channel, 0.5),), discount=0.2)
    assert plain <= narrow <= broad <= both
    assert plain < both
    costs = Costs(channel_costs=(ChannelCost(channel_id=channel, fixed_cost=Money(5000, USD)),))
    result = system.plan_launch(CHIPS, costs=costs)
    assert all(use.channel_id != channel for use in result.plans[0].action.channels)
    assert not result.frontier_instead_of_winner
    forced = system.plan_launch(CHIPS, costs=costs, constraints=PlanConstraints(required_channel_ids=(channel,)))
    assert forced.plans[0].promotion_cost.amount >= 5000
    assert forced.plans[0].objective_value < result.plans[0].objective_value


def test_without_costs_the_frontier_takes_the_place_of_a_winner(system):
    result = system.plan_launch(dataclasses.replace(CHIPS, unit_cost=None))
    assert result.frontier_instead_of_winner
    assert NoticeCode.PROMOTION_COST_ASSUMED_ZERO in {notice.code for notice in result.info.notices}
    effort = [point.promotion_effort for point in result.frontier]
    expected = [point.units for point in result.frontier]
    assert len(effort) > 2
    assert effort == sorted(effort)
    assert expected == sorted(expected)


def test_a_window_beyond_the_data_is_marked_as_seasonal_projection(system):
    window = DateWindow(start_date=datetime.date(2019, 5, 1), end_date=datetime.date(2019, 6, 30))
    result = system.plan_launch(CHIPS, window=window)
    assert NoticeCode.SEASONAL_PROJECTION in {notice.code for notice in result.info.notices}
    assert all(window.start_date <= plan.action.launch_date <= window.end_date for plan in result.plans)


@pytest.mark.parametrize(
    ("changed", "arguments", "reason", "field"),
    [
        ({}, {"objective": PROFIT}, "UNIT_COST_REQUIRED", "objective.metric"),
        ({"list_price": Money(5, "EUR")}, {}, "CURRENCY_MISMATCH", "product.list_price"),
        ({"title": "滋润洗发水，含摩洛哥坚果油"}, {}, "TEXT_NOT_UNDERSTOOD", "product.title"),
        ({"title": "Шампунь увлажняющий с маслом"}, {}, "TEXT_NOT_UNDERSTOOD", "product.title"),
    ],
    ids=["gross profit without cost", "foreign currency", "Chinese title", "Russian title"],
)
def test_what_cannot_be_answered_is_refused_in_words_that_say_what_to_do(system, changed, arguments, reason, field):
    with pytest.raises(InvalidRequest) as caught:
        system.plan_launch(dataclasses.replace(SHAMPOO, **changed), **arguments)
    assert caught.value.reason is ErrorReason[reason]
    assert caught.value.field == field
    assert any(word in str(caught.value) for word in ("send", "ask for", "serve", "never converted"))


def test_a_known_user_gets_products_and_a_profile(system):
    result = system.recommend_products("1489", count=5)
    assert len(result.products) == 5
    profile = system.get_user_profile("1489").profile
    assert 0 < profile.purchases_per_week < 30
    assert sum(interest.share for interest in profile.interests) <= 1.001
    audience = system.find_audience(CHIPS, count=50, segments=True)
    assert len(audience.users) == 50
    assert all(segment.users >= 10 for segment in audience.segments)


def test_the_replay_release_answers_beside_the_one_in_service(system, small_release):
    replay = system.plan_launch(CHIPS, model_release=small_release.version - 1)
    assert replay.info.model_release.role == "replay"
    assert replay.info.model_release.as_of < system.plan_launch(CHIPS).info.model_release.as_of
