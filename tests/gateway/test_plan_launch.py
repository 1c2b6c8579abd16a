"""PlanLaunch on a real port over fake models."""

import asyncio
import datetime as dt

import pytest
from gateways import connected

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.services.launch.plan_launch import _explain
from onshelf_gateway.testing import write_fake_release

T, L = types_pb2, launch_pb2


def cents(money) -> int:
    return money.units * 100 + money.nanos // 10_000_000


def seconds(duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def units(plan, weeks: int = 8) -> float:
    return next(f.units.mean for f in plan.forecasts if f.horizon_weeks == weeks)


def costs(words, **channels: float) -> launch_pb2.Costs:
    rows = [launch_pb2.ChannelCost(channel_id=name, fixed_cost=words.money(value)) for name, value in channels.items()]
    return launch_pb2.Costs(channel_costs=rows, coupon_cost=words.money(5))


async def test_an_open_request_gets_plans_with_evidence(running, words):
    response = await running.launch.PlanLaunch(words.plan())
    assert response.candidates_scored >= 1000
    assert [plan.rank for plan in response.plans] == [1, 2, 3, 4, 5]
    assert response.practice_plan.rank == 0
    assert response.practice_plan.summary
    assert list(response.category.category_path) == ["Grocery", "Bag snacks"]
    assert any("Tortilla chips" in notice.message for notice in response.info.notices), "what it added is said"
    assert response.category.matched
    assert len(response.audience) == 20
    assert len(response.similar_launches) == 5
    assert response.segments
    assert all(segment.users >= 10 for segment in response.segments)
    assert len(response.timing) == 12
    best = response.plans[0]
    assert best.effects
    assert best.summary.startswith("Launch in the week of")
    assert best.support.level != T.SUPPORT_LEVEL_UNSPECIFIED
    assert dt.date.fromisoformat(best.action.launch_date).weekday() == 0
    for forecast in best.forecasts:
        values = [quantile.value for quantile in forecast.units.quantiles]
        assert values == sorted(values)
        assert forecast.units.mean > 0
    assert response.info.model_release.version == 3
    assert response.info.units_basis.users == 120


async def test_other_work_gets_its_turn_between_plans():
    order = []

    class Slow:
        def plan(self, row, rank):
            order.append((row, rank))
            return row

    async def other() -> None:
        while len(order) < 6:
            order.append("other")
            await asyncio.sleep(0)

    working = asyncio.create_task(other())
    assert await _explain(Slow(), [7, 5, 9], [1, 2, 0]) == [7, 5, 9]
    working.cancel()
    assert order[:5] == [(7, 1), "other", (5, 2), "other", (9, 0)]


async def test_each_model_is_called_once(running, words):
    known = words.product(category_path=["Grocery", "Bag snacks", "Tortilla chips"])
    await running.launch.PlanLaunch(words.plan(product=known))
    assert running.backend.count("product_encoder_int8") == 1
    assert running.backend.count("launch_outcome") == 1
    assert running.backend.count("audience_retrieval") == 1
    assert running.backend.count("launch_retrieval") == 1
    assert {version for _, version, _ in running.backend.calls} == {3}


async def test_the_same_request_gives_the_same_plans(running, words):
    first = await running.launch.PlanLaunch(words.plan())
    second = await running.launch.PlanLaunch(words.plan())
    assert first.plan_id != second.plan_id
    for response in (first, second):
        response.plan_id = ""
        response.info.ClearField("timings")
        response.info.ClearField("attribution_token")
    assert first == second


async def test_without_costs_the_frontier_takes_the_place_of_a_winner(running, words):
    response = await running.launch.PlanLaunch(words.plan())
    assert response.frontier_instead_of_winner
    assert "PROMOTION_COST_ASSUMED_ZERO" in words.notices(response)
    effort = [point.promotion_effort for point in response.frontier]
    assert effort == sorted(effort)
    assert [p.units for p in response.frontier] == sorted(p.units for p in response.frontier)
    first = response.plans[0]
    assert cents(first.action.list_price) == 299, "the price is kept where nothing balances it"
    most = response.frontier[-1]
    assert first.action != most.action, "the first plan is not simply the most promotion"


async def test_plans_differ_in_more_than_the_price(running, words):
    request = words.plan(costs=costs(words, mailer_front_feature=3), max_plans=20)
    response = await running.launch.PlanLaunch(request)
    keys = {(p.action.launch_date, str(p.action.channels), p.action.discount, p.action.coupon) for p in response.plans}
    assert len(keys) == len(response.plans) == 20
    values = [plan.objective_value for plan in response.plans]
    assert values == sorted(values, reverse=True)
    assert not response.frontier_instead_of_winner


async def test_a_premium_price_lowers_units(running, words):
    prices = [words.money(value) for value in (2.49, 2.99, 3.99, 5.99)]
    response = await running.launch.EvaluatePlan(words.evaluate(list_price=prices[0]))
    expected = [units(response.plan)]
    for price in prices[1:]:
        answer = await running.launch.EvaluatePlan(words.evaluate(list_price=price))
        expected.append(units(answer.plan))
    assert expected == sorted(expected, reverse=True)
    assert len(set(expected)) == len(expected)


async def test_more_promotion_does_not_lower_units_and_is_not_free(running, words):
    request = words.plan(
        product=words.product(unit_cost=words.money(1.5)),
        costs=costs(words, mailer_front_feature=50, display_in_aisle=1),
    )
    response = await running.launch.PlanLaunch(request)
    for plan in [*response.plans, response.practice_plan]:
        for effect in plan.effects:
            if effect.field == "channels":
                more = len(effect.action.channels) - len(plan.action.channels)
                assert effect.units_difference * more >= 0, effect.change
            if effect.field == "coupon" and effect.action.coupon:
                assert effect.units_difference > 0
                assert effect.objective_difference < effect.units_difference * 3
    used = [use.channel_id for plan in response.plans for use in plan.action.channels]
    assert "mailer_front_feature" not in used, "50 USD for a few chips never pay"


async def test_the_budget_is_respected(running, words):
    limits = launch_pb2.PlanConstraints(promotion_budget=words.money(6))
    request = words.plan(costs=costs(words, mailer_front_feature=4, display_front_end_cap=5), constraints=limits)
    response = await running.launch.PlanLaunch(request)
    assert response.candidates_feasible < response.candidates_scored
    for plan in response.plans:
        assert cents(plan.promotion_cost) + cents(plan.discount_cost) <= 600
        for effect in plan.effects:
            if effect.action.coupon:
                assert effect.field != "coupon" or not effect.feasible or cents(plan.promotion_cost) + 500 <= 600


async def test_what_is_not_asked_for_is_not_computed(running, words):
    await running.launch.PlanLaunch(words.plan())
    assert running.backend.count("audience_retrieval") == 1
    running.backend.calls.clear()
    response = await running.launch.PlanLaunch(words.plan(audience_size=0, similar_launches=0))
    assert not response.audience
    assert not response.segments
    assert not response.similar_launches
    assert not response.info.degraded
    assert sorted(name for name, _, _ in running.backend.calls) == [
        "launch_outcome",
        "launch_retrieval",  # the nearest launch decides how well the history supports a plan
        "product_encoder_int8",
    ]
    assert response.plans[0].support.nearest_similarity > 0


async def test_gross_profit_by_default_where_a_cost_is_known(running, words):
    with_cost = await running.launch.PlanLaunch(words.plan(product=words.product(unit_cost=words.money(1.5))))
    assert with_cost.objective_metric == T.OBJECTIVE_METRIC_GROSS_PROFIT
    assert with_cost.plans[0].forecasts[1].HasField("gross_profit")
    without = await running.launch.PlanLaunch(words.plan())
    assert without.objective_metric == T.OBJECTIVE_METRIC_REVENUE
    assert not without.plans[0].forecasts[1].HasField("gross_profit")
    assumed = await running.launch.PlanLaunch(words.plan(costs=launch_pb2.Costs(assumed_gross_margin=0.4)))
    assert assumed.objective_metric == T.OBJECTIVE_METRIC_GROSS_PROFIT
    assert assumed.frontier_instead_of_winner, "a margin is no cost of promotion"


@pytest.mark.parametrize("metric", ["GROSS_PROFIT", "REVENUE", "UNITS", "BUYERS"])
async def test_every_metric_ranks_by_its_value(running, words, metric):
    request = words.plan(
        product=words.product(unit_cost=words.money(1)),
        objective=launch_pb2.Objective(metric=T.ObjectiveMetric.Value(f"OBJECTIVE_METRIC_{metric}"), horizon_weeks=4),
        costs=costs(words, mailer_front_feature=3),
    )
    response = await running.launch.PlanLaunch(request)
    best = response.plans[0]
    four = best.forecasts[0]
    if metric == "UNITS":
        assert best.objective_value == pytest.approx(four.units.mean)
    if metric == "BUYERS":
        assert best.objective_value == pytest.approx(four.buyers)
    if metric in ("REVENUE", "GROSS_PROFIT"):
        expected = (cents(getattr(four, metric.lower()).mean) - cents(best.promotion_cost)) / 100
        assert best.objective_value == pytest.approx(expected, abs=0.02)


async def test_a_careful_objective_is_a_low_quantile(running, words):
    metric = T.OBJECTIVE_METRIC_UNITS
    careful = await running.launch.PlanLaunch(
        words.plan(objective=launch_pb2.Objective(metric=metric, risk_quantile=0.2), costs=costs(words))
    )
    best = careful.plans[0]
    quantile = next(q.value for q in best.forecasts[1].units.quantiles if q.level == pytest.approx(0.2))
    assert best.objective_value == pytest.approx(quantile, rel=1e-6)
    assert best.objective_value < best.forecasts[1].units.mean


async def test_stock_is_a_multiple_and_grows_with_the_fractile(running, words):
    async def advised(case_units=0, **policy):
        request = words.evaluate()
        request.product.case_units = case_units
        request.stock_policy.CopyFrom(L.StockPolicy(**policy))
        answer = await running.launch.EvaluatePlan(request)
        assert ("CRITICAL_FRACTILE_ASSUMED" in words.notices(answer)) == answer.plan.stock.critical_fractile_assumed
        return answer.plan.stock

    low, usual, high, lowest = [await advised(critical_fractile=fractile) for fractile in (0.5, 0.8, 0.95, 0.05)]
    assert lowest.units <= low.units < usual.units < high.units
    assert not any(stock.critical_fractile_assumed for stock in (low, usual, high, lowest))
    sevens = await advised(order_multiple=7)
    assert sevens.units % 7 == 0
    assert 0 <= sevens.units - usual.units < 7
    assert (await advised(case_units=9)).units % 9 == 0, "whole cases"
    assert (await advised(case_units=9, order_multiple=7)).units % 7 == 0, "unless the policy says otherwise"
    costed = await advised(underage_cost=words.money(3), overage_cost=words.money(1))
    assert costed.critical_fractile == pytest.approx(0.75)
    short = await advised(shelf_life_days=20)
    assert (short.covers_weeks, short.covers_days, short.critical_fractile_assumed) == (3, 20, True)


async def test_stock_limits_exclude_plans(running, words):
    tight = launch_pb2.PlanConstraints(max_stock_units=9)
    response = await running.launch.PlanLaunch(words.plan(constraints=tight))
    assert all(plan.stock.units <= 9 for plan in response.plans)


async def test_constraints_on_channels_price_and_days(running, words):
    limits = launch_pb2.PlanConstraints(
        allowed_channel_ids=["display_in_aisle", "display_front_end_cap", "mailer_front_feature"],
        required_channel_ids=["display_in_aisle"],
        max_channels=2,
        prices=[words.money(2.59), words.money(3.19)],
        max_discount=0.1,
        allow_coupon=False,
        blackout_windows=[T.DateWindow(start_date="2018-02-01", end_date="2018-02-20")],
    )
    request = words.plan(
        constraints=limits, window=T.DateWindow(start_date="2018-01-29", end_date="2018-03-11"), max_plans=50
    )
    response = await running.launch.PlanLaunch(request)
    assert response.plans
    for plan in [*response.plans, response.practice_plan]:
        names = [use.channel_id for use in plan.action.channels]
        assert "display_in_aisle" in names
        assert len(names) <= 2
        assert set(names) <= set(limits.allowed_channel_ids)
        assert cents(plan.action.list_price) in (259, 319)
        assert plan.action.discount <= 0.1
        assert not plan.action.coupon
        assert plan.action.launch_date in {"2018-01-29", "2018-02-26", "2018-03-05"}
        sale = cents(plan.action.list_price) * (1 - plan.action.discount)
        assert cents(plan.action.sale_price) == pytest.approx(sale, abs=1)


async def test_lead_times_exclude_early_weeks(running, words):
    request = words.plan(stock_policy=launch_pb2.StockPolicy(lead_time_days=30), max_plans=50)
    response = await running.launch.PlanLaunch(request)
    assert min(plan.action.launch_date for plan in response.plans) >= "2018-01-31"


@pytest.mark.parametrize(("stated", "first"), [(0, "2018-02-05"), (10, "2018-01-15"), (60, "2018-03-05")])
async def test_a_channels_lead_time_is_the_retailers_unless_the_request_states_one(tmp_path, words, stated, first):
    write_fake_release(tmp_path, lead_time_days=30)
    costs = launch_pb2.Costs(
        channel_costs=[launch_pb2.ChannelCost(channel_id="display_in_aisle", lead_time_days=stated)]
    )
    constraints = launch_pb2.PlanConstraints(required_channel_ids=["display_in_aisle"])
    request = words.plan(costs=costs, constraints=constraints, max_plans=50)
    async with connected(tmp_path) as gateway:
        response = await gateway.launch.PlanLaunch(request)
    assert min(plan.action.launch_date for plan in response.plans) == first


async def test_a_window_within_a_week_is_planned_on_its_first_day(running, words):
    request = words.plan(window=T.DateWindow(start_date="2018-02-07", end_date="2018-02-09"))
    response = await running.launch.PlanLaunch(request)
    assert {plan.action.launch_date for plan in response.plans} == {"2018-02-07"}


async def test_a_long_window_is_thinned_and_says_so(running, words):
    request = words.plan(window=T.DateWindow(start_date="2018-01-01", end_date="2018-12-30"))
    response = await running.launch.PlanLaunch(request)
    assert "CANDIDATES_LIMITED" in words.notices(response)
    assert response.candidates_scored <= 2048
    assert len(response.timing) == 52
    many = await running.launch.PlanLaunch(words.plan(max_candidates=10_000))
    assert 2048 < many.candidates_scored <= 10_000
    assert running.backend.count("launch_outcome") == 2
    one = await running.launch.PlanLaunch(words.plan(max_candidates=1))
    assert one.candidates_scored == 1
    assert not one.HasField("practice_plan")
    assert len(one.plans) == 1


async def test_as_many_candidates_as_a_gateway_allows_are_scored_in_parts(releases, words):
    request = words.plan(
        window=T.DateWindow(start_date="2018-01-01", end_date="2018-12-30"),
        constraints=L.PlanConstraints(max_discount=0.9, allow_coupon=True),
        max_candidates=30_000,
    )
    async with connected(releases, max_candidates=30_000) as gateway:
        launch = gateway.launch
        answer = await launch.PlanLaunch(request)
        assert 20_480 < answer.candidates_scored <= 30_000
        scored = [row.items for row in answer.info.timings if row.stage == "launch_outcome"]
        assert scored == [10_240, 10_240, answer.candidates_scored - 20_480]
        assert gateway.backend.count("launch_outcome") == 3
        every = [*answer.plans, answer.practice_plan, *answer.frontier]
        actions = {one.action.SerializeToString(): one.action for one in every}
        for data, action in actions.items():  # each forecast is that of its own action
            alone = await launch.EvaluatePlan(L.EvaluatePlanRequest(product=request.product, action=action))
            means = {plan.action.SerializeToString(): units(plan) for plan in [*answer.plans, answer.practice_plan]}
            means |= {point.action.SerializeToString(): point.units for point in answer.frontier}
            assert units(alone.plan) == pytest.approx(means[data], rel=1e-5)
            for point in (one for one in answer.frontier if one.action == action):  # costs mean the same everywhere
                assert cents(point.promotion_cost) == pytest.approx(cents(alone.plan.promotion_cost), abs=1)
                assert cents(point.discount_cost) == pytest.approx(cents(alone.plan.discount_cost), abs=1)
        request.max_candidates = 30_001
        refusal = await words.refusal(launch.PlanLaunch(request))
    assert (refusal.reason, refusal.fields) == ("VALUE_OUT_OF_RANGE", ["max_candidates"])
    assert "30000" in refusal.message.replace(",", "")


async def test_a_gateway_may_allow_fewer_candidates_than_are_usual(releases, words):
    async with connected(releases, max_candidates=100) as gateway:
        answer = await gateway.launch.PlanLaunch(words.plan())
    assert 50 < answer.candidates_scored <= 100


async def test_seasons_in_another_year_are_marked(running, words):
    response = await running.launch.PlanLaunch(words.plan())
    assert "SEASONAL_PROJECTION" in words.notices(response)
    inside = words.plan(model_release=2, window=T.DateWindow(start_date="2017-08-07", end_date="2017-09-03"))
    replay = await running.launch.PlanLaunch(inside)
    assert "SEASONAL_PROJECTION" not in words.notices(replay)
    assert replay.info.model_release.version == 2
    assert replay.info.model_release.role == "replay"


async def test_population_scale_widens_properly(running, words):
    request = words.evaluate()
    plain = (await running.launch.EvaluatePlan(request)).plan.forecasts[1].units
    request.population_scale = 10
    answer = await running.launch.EvaluatePlan(request)
    scaled = answer.plan.forecasts[1].units
    assert "POPULATION_SCALED" in words.notices(answer)
    assert answer.info.units_basis.scale_factor == 10
    assert scaled.mean == pytest.approx(10 * plain.mean)
    assert scaled.dispersion == pytest.approx(plain.dispersion)
    ends = {q.level: q.value for q in plain.quantiles}
    for quantile in scaled.quantiles:
        assert quantile.value != pytest.approx(10 * ends[quantile.level], rel=1e-3)


async def test_timings_are_measured_once_and_fit_into_the_call(running, words):
    response = await running.launch.PlanLaunch(words.plan(), timeout=30)
    stages = {timing.stage: timing for timing in response.info.timings}
    for name in ("validate", "admit", "tokenize", "product_encoder", "launch_outcome", "constraints", "explanation"):
        assert name in stages
    order = [seconds(timing.start) for timing in response.info.timings]
    assert order == sorted(order)
    left = [seconds(timing.deadline_left) for timing in response.info.timings]
    assert left == sorted(left, reverse=True)
    assert 0 < left[0] < 31, "gRPC rounds a deadline up"
    alone = "validate, tokenize, product_encoder, candidates, objective, constraints, ranking, explanation"
    total = sum(seconds(stages[name].duration) for name in alone.split(", "))
    assert total <= max(seconds(timing.start) + seconds(timing.duration) for timing in response.info.timings)
    assert stages["launch_outcome"].items == response.candidates_scored
    without = await running.launch.PlanLaunch(words.plan())
    assert not without.info.timings[0].HasField("deadline_left")


async def test_unknown_things_are_planned_and_flagged(running, words):
    product = words.product(category_path=["Snacks of the moon"], brand="Nobody", seller_id="S1")
    response = await running.launch.PlanLaunch(words.plan(product=product))
    codes = words.notices(response)
    assert {"CATEGORY_UNKNOWN", "BRAND_UNKNOWN", "FIELD_IGNORED"} <= set(codes)
    assert not response.category.matched
    assert "Bag snacks" in response.category.nearest
    assert list(response.category.category_path)[:2] == ["Grocery", "Bag snacks"], "planned from the title"
    running.backend.calls.clear()
    inferred = await running.launch.PlanLaunch(words.plan(product=words.product(category_path=[], list_price=None)))
    assert running.backend.count("product_encoder_int8") == 1, "it finds the category by itself"
    assert running.backend.count("launch_outcome") == 1
    assert {"CATEGORY_INFERRED", "PRICE_ASSUMED"} <= set(words.notices(inferred))
    assert cents(inferred.plans[0].action.list_price) == 299


async def test_category_names_ignore_case_and_level(running, words):
    for path in (["bag SNACKS"], ["GROCERY", "bag  snacks"], ["Tortilla chips"]):
        response = await running.launch.PlanLaunch(words.plan(product=words.product(category_path=path)))
        assert response.category.matched
        assert list(response.category.category_path)[:2] == ["Grocery", "Bag snacks"]
        assert "CATEGORY_UNKNOWN" not in words.notices(response)


async def test_departments_differ(running, words):
    answers = []
    for path, title, price in (
        (["Grocery", "Bag snacks"], "Potato chips, classic", 3.49),
        (["Produce", "Fresh fruit"], "Berries, cherry", 3.99),
        (["Drug GM", "Hair care"], "Shampoo, mint", 5.49),
    ):
        product = words.product(title=title, category_path=path, list_price=words.money(price))
        answers.append(await running.launch.PlanLaunch(words.plan(product=product)))
    assert len({answer.plans[0].action.launch_date for answer in answers}) > 1
    for answer in answers:
        top = answer.similar_launches[0]
        assert top.category_path[0] == answer.category.category_path[0]


async def test_emoji_are_read_around_and_unusual_prices_flagged(running, words):
    product = words.product(title="🍋 Lime tortilla chips 🌮", list_price=words.money(99))
    response = await running.launch.PlanLaunch(words.plan(product=product))
    assert "TITLE_PARTLY_UNKNOWN" not in words.notices(response)
    assert "PRICE_UNUSUAL" in words.notices(response)
    mixed = words.product(title="薯片 tortilla chips lime honey classic mint ginger")
    assert "TITLE_PARTLY_UNKNOWN" in words.notices(await running.launch.PlanLaunch(words.plan(product=mixed)))


async def test_tax_basis_is_flagged_not_converted(running, words):
    product = words.product(price_tax=T.PRICE_TAX_INCLUDED)
    assert "TAX_BASIS_DIFFERS" in words.notices(await running.launch.PlanLaunch(words.plan(product=product)))


async def test_context_without_effect_is_flagged(running, words):
    festival = T.DateWindow(start_date="2018-03-02", end_date="2018-03-02")
    request = words.plan(
        market_signals=[T.MarketSignal(name="search", week_start_dates=["2018-01-01"], values=[1.0])],
        calendar_events=[T.CalendarEvent(name="Lantern festival", window=festival)],
    )
    response = await running.launch.PlanLaunch(request)
    fields = {notice.field for notice in response.info.notices}
    assert {"market_signals", "calendar_events"} <= fields


async def test_evaluate_plan_prices_an_action(running, words):
    use = T.ChannelUse(channel_id="display_in_aisle", coverage=0.3)
    request = words.evaluate(
        channels=[use, T.ChannelUse(channel_id="coupon_campaign")], discount=0.2, launch_date="2018-02-08"
    )
    request.costs.CopyFrom(costs(words, display_in_aisle=2))
    response = await running.launch.EvaluatePlan(request)
    plan = response.plan
    assert plan.rank == 0
    assert plan.action.launch_date == "2018-02-05", "any day stands for its retail week"
    assert plan.action.coupon
    assert [(u.channel_id, u.coverage) for u in plan.action.channels] == [("display_in_aisle", pytest.approx(0.3))]
    assert cents(plan.promotion_cost) == 700
    assert cents(plan.discount_cost) > 0
    fields = {effect.field for effect in plan.effects}
    assert fields == {"launch_date", "channels", "discount", "coupon", "list_price"}
    assert running.backend.count("launch_outcome") == 1
    assert response.similar_launches
    default = await running.launch.EvaluatePlan(words.evaluate(channels=[T.ChannelUse(channel_id="display_in_aisle")]))
    assert default.plan.action.channels[0].coverage == pytest.approx(0.15)
    assert len(default.plan.forecasts) == 2


@pytest.mark.parametrize("limits", [{}, {"max_channels": 1}, {"max_discount": 0.0}], ids=str)
@pytest.mark.parametrize("candidates", [2, 40, 2048])
async def test_no_plan_is_worth_less_than_a_past_practice_that_is_allowed(running, words, candidates, limits):
    request = words.plan(
        product=words.product(unit_cost=words.money(1)),
        costs=costs(words, display_in_aisle=2),
        constraints=L.PlanConstraints(**limits),
        max_candidates=candidates,
    )
    response = await running.launch.PlanLaunch(request)
    practice = response.practice_plan
    assert list(practice.broken_constraints) == []
    assert response.plans[0].objective_value >= practice.objective_value * (1 - 1e-9)
    if candidates == 2:  # one candidate beside practice: both are ranked
        assert practice.action in [plan.action for plan in response.plans]


async def test_past_practice_says_which_constraints_it_breaks(running, words):
    limits = launch_pb2.PlanConstraints(promotion_budget=words.money(0), required_channel_ids=["display_store_front"])
    response = await running.launch.PlanLaunch(words.plan(constraints=limits, costs=costs(words, display_in_aisle=2)))
    kept = await running.launch.PlanLaunch(words.plan())
    assert list(kept.practice_plan.broken_constraints) == []
    assert all(not plan.broken_constraints for plan in response.plans)
    late = words.plan(max_plans=1)
    late.constraints.promotion_budget.CopyFrom(words.money(0))
    late.costs.channel_costs.add(channel_id="mailer_front_feature", fixed_cost=words.money(5))
    broken = (await running.launch.PlanLaunch(late)).practice_plan
    assert list(broken.broken_constraints) == ["constraints.promotion_budget"]
    assert cents(broken.promotion_cost) + cents(broken.discount_cost) > 0


async def test_evaluate_plan_checks_lead_times(running, words):
    request = words.evaluate(channels=[T.ChannelUse(channel_id="display_in_aisle")], launch_date="2018-01-15")
    request.costs.channel_costs.add(channel_id="display_store_front", lead_time_days=60)
    request.costs.channel_costs.add(channel_id="display_in_aisle", lead_time_days=21)
    plan = (await running.launch.EvaluatePlan(request)).plan
    assert list(plan.broken_constraints) == ["costs.channel_costs.lead_time_days"]
    feasible = {effect.change: effect.feasible for effect in plan.effects}
    assert feasible["one week later"]
    assert not feasible["one week earlier"]
    assert feasible["without in-aisle display"]
    request.stock_policy.lead_time_days = 30
    plan = (await running.launch.EvaluatePlan(request)).plan
    assert list(plan.broken_constraints) == ["costs.channel_costs.lead_time_days", "stock_policy.lead_time_days"]
    assert not any(effect.feasible for effect in plan.effects)


async def test_equal_requests_under_way_are_planned_once(running, words):
    running.backend.delay = 0.2
    answers = await asyncio.gather(*(running.launch.PlanLaunch(words.plan(max_plans=2)) for _ in range(6)))
    assert running.backend.count("launch_outcome") == 1
    assert len({answer.plan_id for answer in answers}) == 6
    assert all(answer.plans == answers[0].plans for answer in answers)
    waited = [any(timing.stage == "shared" and timing.cached for timing in a.info.timings) for a in answers]
    assert sorted(waited) == [False, *[True] * 5]
    await asyncio.gather(*(running.launch.PlanLaunch(words.plan(max_plans=n)) for n in (1, 2)))
    assert running.backend.count("launch_outcome") == 3  # not the same question


async def test_who_waits_for_a_call_that_is_cancelled_is_answered_all_the_same(running, words):
    running.backend.delay = 0.3
    first = running.launch.PlanLaunch(words.plan(max_plans=2))
    waiting = asyncio.create_task(first.wait_for_connection())
    await waiting
    second = asyncio.ensure_future(running.launch.PlanLaunch(words.plan(max_plans=2)))
    await asyncio.sleep(0.15)
    first.cancel()
    assert (await second).plans
