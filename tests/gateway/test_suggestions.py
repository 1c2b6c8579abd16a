"""What to change of a launch now: each suggestion's effect is counted again here, from the fake models' own rules."""

import datetime as dt
import math

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from onshelf.v1 import feedback_pb2, feedback_pb2_grpc, launch_pb2, launch_pb2_grpc, recommendation_pb2, types_pb2
from onshelf_gateway.inference.backend import BackendUnavailableError
from onshelf_gateway.testing import running_gateway
from onshelf_gateway.testing.fake_backend import COVERAGE, DISCOUNT, ELASTICITY

F, L, R = feedback_pb2, launch_pb2, recommendation_pb2
START = dt.date(2018, 1, 8)
PRICE, COST = 3.0, 1.0
PLENTY = L.StockPolicy(critical_fractile=0.95, order_multiple=10_000)  # so that the stock limits nothing


class Shop:
    """A launch on a gateway of its own, and what happens to it."""

    def __init__(self, server, backend, channel, words) -> None:
        self.server, self.backend, self.words = server, backend, words
        self.launch = launch_pb2_grpc.LaunchServiceStub(channel)
        self.feedback = feedback_pb2_grpc.FeedbackServiceStub(channel)
        self.events: list[F.Event] = []

    async def decided(self, **fields) -> L.StoredPlan:
        """A launch without promotion; `fields` are the question's."""
        money = self.words.money
        product = self.words.product(product_id="p", list_price=money(PRICE), unit_cost=money(COST))
        asked = {"max_plans": 1, "population_scale": 10.0, "costs": L.Costs(coupon_cost=money(1)), **fields}
        plan = await self.launch.PlanLaunch(self.words.plan(product=product, **asked))
        decision = L.LaunchDecision(
            kind=L.DECISION_KIND_CHANGED,
            reason=L.DECISION_REASON_TIMING,
            decided_by="kim",
            executed_action=types_pb2.Action(launch_date=START.isoformat(), list_price=money(PRICE)),
        )
        return (await self.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision))).plan

    def happened(self, kind: str, user: str = "u", days: int = 0, product: str = "p", **fields) -> None:
        stamp = Timestamp()
        stamp.FromDatetime(dt.datetime.combine(START + dt.timedelta(days=days), dt.time(17)))
        name, number = f"e{len(self.events)}", getattr(R, f"EVENT_KIND_{kind.upper()}")
        self.events.append(F.Event(event_id=name, kind=number, user_id=user, product_id=product, time=stamp, **fields))

    async def reported(self, plan: L.StoredPlan, weeks: int = 2) -> F.GetLaunchReportResponse:
        """The report once so many weeks are complete."""
        self.happened("click", days=7 * weeks, product="other")
        answer = await self.feedback.RecordEvents(F.RecordEventsRequest(events=self.events))
        assert answer.stored == len(self.events)
        return await self.feedback.GetLaunchReport(F.GetLaunchReportRequest(plan_id=plan.plan_id))


@pytest.fixture(params=["sqlite", "postgresql"])
async def shop(request, releases, words):
    """A shop on a store of each kind."""
    url = {} if request.param == "sqlite" else {"store": request.getfixturevalue("new_postgresql")}
    async with (
        running_gateway(releases, **url) as (server, backend),
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield Shop(server, backend, channel, words)


@pytest.fixture
def new_postgresql(postgresql):
    """An empty database."""
    import sqlalchemy as sa

    engine = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS suggestions WITH (FORCE)"))
        connection.execute(sa.text("CREATE DATABASE suggestions"))
    engine.dispose()
    return postgresql.replace("/postgres?", "/suggestions?")


def dollars(amount) -> float:
    return amount.units + amount.nanos / 1e9


def of(report, field: str) -> list[F.LaunchSuggestion]:
    return [one for one in report.suggestions if one.field == field]


async def usual(shop, share: float = 1.0, **fields) -> L.StoredPlan:
    """A launch that sells `share` of its forecast in two weeks, at its list price."""
    plan = await shop.decided(**fields)
    for week in range(2):
        units = max(1.0, round(share * plan.executed_weekly_units[week]))
        shop.happened("purchase", days=7 * week, quantity=units, revenue=shop.words.money(PRICE * units))
    return plan


async def test_a_channel_more_is_worth_its_share_of_what_remains(shop):
    costs = L.Costs(channel_costs=[L.ChannelCost(channel_id="mailer_front_feature", fixed_cost=shop.words.money(2))])
    plan = await usual(shop, stock_policy=PLENTY, costs=costs)
    before = shop.backend.count("launch_outcome")
    report = await shop.reported(plan)
    assert shop.backend.count("launch_outcome") == before + 1, "one call of the model scores all changes"
    channels = of(report, "channels")
    assert len(channels) == 3
    gains = [dollars(one.gain) for one in report.suggestions]
    assert gains == sorted(gains, reverse=True)
    assert min(gains) > 0
    for one in channels:
        coverage = int(one.change.rpartition(" ")[2].removesuffix("%")) / 100
        lift = math.exp(COVERAGE * coverage) - 1
        assert one.units_difference == pytest.approx(lift * report.remaining.mean, rel=0.03)
        assert dollars(one.revenue_difference) == pytest.approx(PRICE * one.units_difference, abs=0.02)
        paid = dollars(one.cost_difference) if one.HasField("cost_difference") else 0.0
        expected = dollars(one.revenue_difference) - paid - COST * one.units_difference
        assert dollars(one.gain) == pytest.approx(expected, abs=0.03)
        assert ("its cost is not stated" in one.basis) == (not one.HasField("cost_difference"))
        assert "not an identified cause" in one.basis
    stated = [one for one in channels if one.HasField("cost_difference")]
    assert [dollars(one.cost_difference) for one in stated] == [2.0] * len(stated)


async def test_what_does_not_pay_is_not_suggested(shop):
    names = [channel.channel_id for channel in next(iter(shop.server.releases.loaded.values())).plannable]
    dear = [L.ChannelCost(channel_id=name, fixed_cost=shop.words.money(100_000)) for name in names]
    plan = await usual(shop, costs=L.Costs(channel_costs=dear), stock_policy=PLENTY)
    report = await shop.reported(plan)
    assert not of(report, "channels")
    constraints = L.PlanConstraints(max_channels=0, max_discount=0.0)
    assert not of(await again(shop, constraints), "discount"), "the plan's own constraints hold"


async def again(shop, constraints: L.PlanConstraints) -> F.GetLaunchReportResponse:
    """The same launch with constraints."""
    plan = await shop.decided(constraints=constraints)
    return await shop.feedback.GetLaunchReport(F.GetLaunchReportRequest(plan_id=plan.plan_id))


async def test_a_discount_now_costs_what_it_gives_away(shop):
    plan = await usual(shop, stock_policy=PLENTY, costs=L.Costs(assumed_gross_margin=0.9))
    report = await shop.reported(plan)
    for one in of(report, "discount"):
        depth = int(one.change.split("%")[0].split()[-1]) / 100
        more = (math.exp(DISCOUNT * depth) - 1) * report.remaining.mean
        assert one.units_difference == pytest.approx(more, rel=0.03)
        given = PRICE * one.units_difference - dollars(one.revenue_difference)
        assert 0 < given < depth * PRICE * report.remaining.mean * 1.3, "on two weeks' units, not on all"
    assert of(report, "discount")


async def test_where_the_stock_does_not_last_a_higher_price_and_an_order_are_weighed(shop):
    plan = await shop.decided()
    stock = plan.executed_plan.stock.units
    shop.happened("purchase", quantity=stock - 3, revenue=shop.words.money(PRICE * (stock - 3)))
    report = await shop.reported(plan)
    (order,) = of(report, "stock")
    assert 0 < order.units_difference <= report.remaining.mean
    (price,) = of(report, "list_price")
    assert price.change == "ask 3.60 instead of 3.00 USD: the stock does not last"
    assert dollars(price.revenue_difference) == pytest.approx(0.6 * 3, rel=0.25), "the last units bring more"
    assert not of(report, "markdown")
    assert order.gain.units > price.gain.units
    assert report.suggestions[0] == order


async def test_where_too_much_is_left_prices_fall_as_an_update_says(shop):
    worthless = L.StockPolicy(critical_fractile=0.95, salvage_value=shop.words.money(0))
    plan = await usual(shop, share=0.1, stock_policy=worthless)
    report = await shop.reported(plan)
    (markdown,) = of(report, "markdown")
    action = types_pb2.Action()
    action.CopyFrom(plan.executed_plan.action)
    action.ClearField("sale_price")
    updated = await shop.launch.UpdateForecast(
        L.UpdateForecastRequest(
            product=plan.request.product,
            action=action,
            observed_weekly_units=[round(week.units) for week in report.weeks[:2]],
            stock_units=round(report.stock_left),
            stock_policy=worthless,
            population_scale=10.0,
        )
    )
    lower = [step for step in updated.price_path if step.phase == L.PRICE_PHASE_MARKDOWN]
    assert markdown.change.startswith(f"ask {dollars(lower[0].price):.2f} USD from week {lower[0].week} on")
    assert markdown.units_difference > 0
    assert "elasticity of" in markdown.basis
    assert ELASTICITY > 1


async def test_an_audience_that_buys_is_widened_where_the_launch_sells_little(shop):
    plan = await shop.decided(stock_policy=PLENTY, population_scale=100.0)
    for n in range(40):
        shop.happened("impression", user=f"H{n:05d}", attribution_token="audience-1")
        if n < 12:
            shop.happened("purchase", user=f"H{n:05d}", days=1, revenue=shop.words.money(PRICE))
    report = await shop.reported(plan)
    assert F.LAUNCH_EXCEPTION_BELOW_BAND in report.launch.exceptions
    (wider,) = of(report, "audience")
    assert wider.change == "show it to 40 users more, as many again"
    low = 0.1807  # of 12 of 40, the lower end of Wilson's interval
    assert wider.units_difference == pytest.approx(40 * low, rel=0.1), "six weeks are more than two: counted once"
    assert wider.basis.startswith("at least 18.1% of those reached bought, 0.0% of the others")


async def test_an_audience_that_does_not_buy_is_chosen_anew(shop):
    plan = await shop.decided(stock_policy=PLENTY)
    for n in range(300):
        shop.happened("impression", user=f"shown-{n}", attribution_token="audience-1")
    for n in range(400):
        shop.happened("purchase", user=f"other-{n}", days=1, revenue=shop.words.money(PRICE))
    report = await shop.reported(plan)
    (anew,) = of(report, "audience")
    assert anew.change == "choose the 300 users of the audience anew"
    assert anew.basis.startswith("at most 1.3% of those reached bought, 44.4% of the others")
    assert 0 < anew.units_difference < 300


async def test_few_users_reached_say_nothing_of_an_audience(shop):
    plan = await shop.decided(stock_policy=PLENTY)
    for n in range(29):
        shop.happened("impression", user=f"shown-{n}", attribution_token="audience-1")
    shop.happened("purchase", user="other")
    assert not of(await shop.reported(plan), "audience")


async def test_without_models_the_report_says_what_is_missing(shop):
    plan = await shop.decided()
    stock = plan.executed_plan.stock.units
    shop.happened("purchase", quantity=stock - 3, revenue=shop.words.money(PRICE * (stock - 3)))
    shop.backend.failing["launch_outcome"] = BackendUnavailableError("down")
    report = await shop.reported(plan)
    assert report.info.degraded
    assert "DEGRADED" in shop.words.notices(report)
    assert {one.field for one in report.suggestions} == {"stock"}
    assert report.launch.units == stock - 3


async def test_before_the_first_week_and_after_the_last_nothing_is_suggested(shop):
    plan = await shop.decided()
    shop.happened("purchase", days=2)
    before = shop.backend.count("launch_outcome")
    shop.events.append(F.Event())
    shop.events.pop()
    early = await shop.reported(plan, weeks=0)
    assert not early.suggestions
    shop.events.clear()
    shop.happened("click", days=57, product="later")
    shop.events[0].event_id = "late"
    await shop.feedback.RecordEvents(F.RecordEventsRequest(events=shop.events))
    late = await shop.feedback.GetLaunchReport(F.GetLaunchReportRequest(plan_id=plan.plan_id))
    assert not late.suggestions
    assert shop.backend.count("launch_outcome") == before, "no model is asked"
