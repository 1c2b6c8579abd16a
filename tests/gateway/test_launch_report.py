"""Launch reports and the list of launches: plan against what events say, counted by hand here."""

import datetime as dt
import time

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from onshelf.v1 import feedback_pb2, feedback_pb2_grpc, launch_pb2, launch_pb2_grpc, recommendation_pb2, types_pb2
from onshelf_gateway.planning.forecasts import nb_quantile
from onshelf_gateway.testing import running_gateway

F, L, R = feedback_pb2, launch_pb2, recommendation_pb2
START = dt.date(2018, 1, 8)  # a Monday, the first day of a retail week of the fake shop
PRICE = 2.5


class Shop:
    """Short words for a launch and what happens to it."""

    def __init__(self, launch, channel, words, kind: str) -> None:
        self.launch, self.words, self.kind = launch, words, kind
        self.feedback = feedback_pb2_grpc.FeedbackServiceStub(channel)
        self.events: list[F.Event] = []

    async def decided(self, product_id: str, start: dt.date = START, scale: float = 1.0) -> L.StoredPlan:
        """A plan, changed to start on a day, executed under a product id."""
        plan = await self.launch.PlanLaunch(self.words.plan(max_plans=1, population_scale=scale))
        action = types_pb2.Action(launch_date=start.isoformat(), list_price=self.words.money(PRICE))
        decision = L.LaunchDecision(
            kind=L.DECISION_KIND_CHANGED,
            reason=L.DECISION_REASON_TIMING,
            decided_by="kim",
            product_id=product_id,
            executed_action=action,
        )
        asked = L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision)
        return (await self.launch.DecideLaunch(asked)).plan

    def happened(self, product_id: str, day: dt.date, kind: str, count: int = 1, user: str = "u", **fields) -> None:
        """Events at noon in New York of a day."""
        for n in range(count):
            stamp = Timestamp()
            stamp.FromDatetime(dt.datetime.combine(day, dt.time(17)) + dt.timedelta(seconds=n))
            name = f"{product_id}-{len(self.events)}"
            kind_ = getattr(R, f"EVENT_KIND_{kind.upper()}")
            self.events.append(
                F.Event(event_id=name, kind=kind_, user_id=user, product_id=product_id, time=stamp, **fields)
            )

    async def record(self) -> None:
        """Send what happened."""
        answer = await self.feedback.RecordEvents(F.RecordEventsRequest(events=self.events))
        assert answer.stored == len(self.events), list(answer.errors)[:3]
        self.events.clear()

    async def report(self, plan: L.StoredPlan) -> F.GetLaunchReportResponse:
        """The report of a launch."""
        return await self.feedback.GetLaunchReport(F.GetLaunchReportRequest(plan_id=plan.plan_id))


@pytest.fixture(params=["sqlite", "postgresql"])
def feedback(request, words):
    """A shop on a gateway with a store of each kind."""
    running = request.getfixturevalue(f"on_{request.param}")
    return Shop(running.launch, running.channel, words, request.param)


@pytest.fixture
async def alone(releases, words):
    """A shop on a gateway with a new store: no other test's events say how far events are in."""
    async with (
        running_gateway(releases) as (server, _),
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield Shop(launch_pb2_grpc.LaunchServiceStub(channel), channel, words, "alone")


async def test_a_report_counts_what_events_say(feedback):
    product = f"counted-{feedback.kind}"
    plan = await feedback.decided(product)
    paid = {"revenue": feedback.words.money(5), "quantity": 2}
    feedback.happened(product, START - dt.timedelta(days=1), "purchase", 3)  # before the launch
    feedback.happened(product, START, "impression", 10)
    feedback.happened(product, START, "click", 4)
    feedback.happened(product, START, "cart", 2)
    feedback.happened(product, START, "purchase", 2, user="a", **paid)
    feedback.happened(product, START + dt.timedelta(days=6), "purchase", 1, user="a", **paid)
    feedback.happened(product, START + dt.timedelta(days=7), "purchase", 1, user="b", **paid)
    feedback.happened(
        product, START + dt.timedelta(days=8), "return", 1, user="b", quantity=1, revenue=feedback.words.money(2.5)
    )
    feedback.happened(product, START + dt.timedelta(days=9), "review", 1, rating=4)
    feedback.happened(product, START + dt.timedelta(days=9), "review", 1, rating=2, text="Too salty")
    feedback.happened(product, START + dt.timedelta(weeks=8), "purchase", 5)  # after its 8 weeks
    feedback.happened(f"other-{feedback.kind}", START + dt.timedelta(weeks=8, days=1), "purchase")
    await feedback.record()
    report = await feedback.report(plan)
    assert [week.units for week in report.weeks] == [6, 1, 0, 0, 0, 0, 0, 0]
    assert [float(f"{week.revenue.units}.{week.revenue.nanos:09d}") for week in report.weeks[:3]] == [15, 2.5, 0]
    first = report.weeks[0]
    assert (first.impressions, first.clicks, first.carts, first.purchases, first.returns) == (10, 4, 2, 3, 0)
    assert report.weeks[1].returns == 1
    assert all(week.complete for week in report.weeks)
    assert [week.week_start_date for week in report.weeks[:2]] == ["2018-01-08", "2018-01-15"]
    assert report.click_through_rate == pytest.approx(0.4)
    assert report.conversion_rate == pytest.approx(4 / 4)
    assert (report.buyers, report.repeat_rate) == (2, 0.5)
    assert (report.reviews, report.mean_rating) == (2, 3.0)
    assert report.launch.units == 7
    assert not report.HasField("remaining"), "its weeks are over"
    assert report.decision.decided_by == "kim"


async def test_the_plan_of_each_week_is_the_forecast_of_the_executed_action(feedback):
    plan = await feedback.decided(f"planned-{feedback.kind}")
    forecast = plan.executed_plan.forecasts[-1].units
    assert plan.executed_plan.action.launch_date == START.isoformat()
    assert sum(plan.executed_weekly_units) == pytest.approx(forecast.mean, rel=1e-4)
    report = await feedback.report(plan)
    for week, units in zip(report.weeks, plan.executed_weekly_units, strict=True):
        assert week.planned_units.mean == pytest.approx(units)
        for quantile in week.planned_units.quantiles:
            expected = nb_quantile(quantile.level, units, forecast.dispersion)
            assert quantile.value == pytest.approx(float(expected), abs=1e-9)
    assert list(report.forecasts) == list(plan.executed_plan.forecasts)


async def test_what_remains_is_update_forecasts_own_answer(alone):
    product = "remaining"
    shop = alone
    plan = await shop.decided(product)
    shop.happened(product, START, "purchase", 9)
    shop.happened(product, START + dt.timedelta(days=7), "purchase", 4)
    shop.happened("some other", START + dt.timedelta(days=15), "purchase")
    await shop.record()
    report = await shop.report(plan)
    action = types_pb2.Action()
    action.CopyFrom(plan.executed_plan.action)
    action.ClearField("sale_price")
    asked = L.UpdateForecastRequest(product=plan.request.product, action=action, observed_weekly_units=[9, 4])
    updated = await shop.launch.UpdateForecast(asked)
    assert [week.complete for week in report.weeks] == [True, True, *[False] * 6]
    assert report.observed_until == (START + dt.timedelta(days=15)).isoformat()
    assert report.remaining.mean == pytest.approx(updated.remaining.mean, rel=1e-4)
    for ours, theirs in zip(report.total.quantiles, updated.total.quantiles, strict=True):
        assert ours.value == pytest.approx(theirs.value, rel=1e-3, abs=1e-3)


async def test_stock_that_ends_is_told_with_the_day_and_what_to_order(alone):
    shop = alone
    plan = await shop.decided("ends")
    stock = plan.executed_plan.stock.units
    assert stock > 2
    shop.happened("ends", START + dt.timedelta(days=1), "purchase", stock - 2, revenue=shop.words.money(2))
    shop.happened("other", START + dt.timedelta(days=7), "purchase")
    await shop.record()
    report = await shop.report(plan)
    assert report.stock_left == 2
    assert START + dt.timedelta(days=7) <= dt.date.fromisoformat(report.stock_ends_on) <= START + dt.timedelta(weeks=8)
    (order,) = [one for one in report.suggestions if one.field == "stock"]
    assert order.change.startswith("order ")
    assert 0 < order.units_difference <= report.remaining.mean
    saved = order.revenue_difference
    assert saved.units + saved.nanos / 1e9 == pytest.approx(2 * order.units_difference, abs=0.006)
    assert F.LAUNCH_EXCEPTION_STOCK_ENDS in report.launch.exceptions


async def test_launches_that_need_attention_come_first(alone):
    shop = alone
    plans = {name: await shop.decided(name) for name in ("usual", "above", "silent", "turning")}
    week = round(plans["usual"].executed_weekly_units[0])
    later = await shop.decided("later", START + dt.timedelta(weeks=20))
    shop.happened("usual", START, "purchase", max(1, week))
    shop.happened("above", START, "purchase", 400)
    shop.happened("turning", START, "purchase", max(1, week))
    for n, stars in enumerate([5, 5, 4, 5, 5, 4, 5, 5, 1, 2, 1, 1]):
        shop.happened("turning", START + dt.timedelta(days=1), "review", rating=stars, text=f"{n}")
    shop.happened("elsewhere", START + dt.timedelta(days=8), "click")
    await shop.record()
    listed = (await shop.feedback.ListLaunches(F.ListLaunchesRequest())).launches
    found = {one.product_id: [F.LaunchException.Name(e)[17:] for e in one.exceptions] for one in listed}
    assert found["above"] == ["ABOVE_BAND", "STOCK_ENDS"]
    assert found["silent"] == ["DATA_MISSING"]
    assert "REVIEWS_TURN" in found["turning"]
    assert found["later"] == []
    assert [bool(one.exceptions) for one in listed] == sorted([bool(one.exceptions) for one in listed], reverse=True)
    states = {one.product_id: one.state for one in listed}
    assert states["later"] == L.LAUNCH_STATE_DECIDED
    assert states["above"] == L.LAUNCH_STATE_ON_SALE
    only = await shop.feedback.ListLaunches(F.ListLaunchesRequest(state=L.LAUNCH_STATE_DECIDED))
    assert [one.plan_id for one in only.launches] == [later.plan_id]
    first = await shop.feedback.ListLaunches(F.ListLaunchesRequest(page_size=2))
    rest = await shop.feedback.ListLaunches(F.ListLaunchesRequest(page_size=50, page_token=first.next_page_token))
    assert [one.plan_id for one in (*first.launches, *rest.launches)] == [one.plan_id for one in listed]
    refusal = await shop.words.refusal(shop.feedback.ListLaunches(F.ListLaunchesRequest(state=L.LAUNCH_STATE_REJECTED)))
    assert (refusal.reason, refusal.fields) == ("VALUE_OUT_OF_RANGE", ["state"])


async def test_the_scoreboard_adds_launches_up(alone):
    shop = alone
    plans = [await shop.decided(f"board-{n}") for n in range(3)]
    for n, sold in enumerate((2, 0, 30)):
        shop.happened(f"board-{n}", START, "purchase", sold)
    shop.happened("board-2", START + dt.timedelta(days=7), "purchase", 5)
    shop.happened("elsewhere", START + dt.timedelta(days=14), "click")
    await shop.record()
    board = await shop.feedback.GetScoreboard(F.GetScoreboardRequest())
    assert [week.week for week in board.weeks] == [1, 2]
    assert [week.actual_units for week in board.weeks] == [32, 37]
    assert [week.launches for week in board.weeks] == [3, 3]
    weekly = [list(plan.executed_weekly_units) for plan in plans]
    assert board.weeks[1].executed_units == pytest.approx(sum(one[0] + one[1] for one in weekly))
    proposed = [plan.response.plans[0].forecasts[-1].units.mean for plan in plans]
    practice = [plan.response.practice_plan.forecasts[-1].units.mean for plan in plans]
    shares = [one[0] / sum(one) for one in weekly]
    assert board.weeks[0].proposed_units == pytest.approx(sum(a * b for a, b in zip(proposed, shares, strict=True)))
    assert board.weeks[0].practice_units == pytest.approx(sum(a * b for a, b in zip(practice, shares, strict=True)))
    assert board.weeks[0].practice_actual_units == 32
    (score,) = board.decisions
    assert (score.kind, score.reason) == (L.DECISION_KIND_CHANGED, L.DECISION_REASON_TIMING)
    sizes = [plan.response.plans[0].forecasts[-1].units.dispersion for plan in plans]
    medians = [
        float(nb_quantile(0.5, mean * (one[0] + one[1]) / sum(one), size))
        for mean, one, size in zip(proposed, weekly, sizes, strict=True)
    ]
    better = sum(sold > median for sold, median in zip((2, 0, 35), medians, strict=True))
    assert (score.launches, score.better) == (3, better)
    assert 0 < better < 3
    assert 0 < score.share_low < score.share == better / 3 < score.share_high < 1
    assert board.observed_until == (START + dt.timedelta(days=14)).isoformat()
    later = await shop.feedback.GetScoreboard(F.GetScoreboardRequest(created_before=Timestamp(seconds=1)))
    assert not later.weeks
    assert not later.decisions


async def test_sums_beyond_integers_are_added_up(feedback):
    product = f"dear-{feedback.kind}"
    plan = await feedback.decided(product)
    feedback.happened(product, START, "purchase", 12, revenue=feedback.words.money(1e9))
    await feedback.record()
    report = await feedback.report(plan)
    assert report.weeks[0].revenue.units == 12 * 10**9
    assert report.weeks[0].units == 12


async def test_reviews_of_before_the_launch_do_not_count(alone):
    shop = alone
    old, start = START, START + dt.timedelta(weeks=3)
    plan = await shop.decided("again", start)
    await shop.decided("older", old)
    for n, stars in enumerate([5, 5, 4, 5, 5, 4, 5, 5]):
        shop.happened("again", old, "review", rating=stars, text=f"{n}")
    for n, stars in enumerate([1, 2, 1, 1]):
        shop.happened("again", start, "review", rating=stars, text=f"new {n}")
    await shop.record()
    report = await shop.report(plan)
    assert (report.reviews, report.mean_rating) == (4, 1.25)
    assert F.LAUNCH_EXCEPTION_REVIEWS_TURN not in report.launch.exceptions
    listed = (await shop.feedback.ListLaunches(F.ListLaunchesRequest())).launches
    assert all(F.LAUNCH_EXCEPTION_REVIEWS_TURN not in one.exceptions for one in listed)


async def test_a_launch_that_falls_silent_is_told_where_it_should_have_sold(alone):
    shop = alone
    for name, scale in (("loud", 100.0), ("quiet", 0.1)):
        await shop.decided(name, scale=scale)
        shop.happened(name, START, "purchase", 1)
    shop.happened("other", START + dt.timedelta(days=9), "click")
    await shop.record()
    listed = (await shop.feedback.ListLaunches(F.ListLaunchesRequest())).launches
    silent = {one.product_id: F.LAUNCH_EXCEPTION_DATA_MISSING in one.exceptions for one in listed}
    assert silent == {"loud": True, "quiet": False}


async def test_list_and_report_say_the_same_of_a_scaled_launch(alone):
    shop = alone
    plan = await shop.decided("scaled", scale=100.0)
    assert plan.executed_plan.forecasts[-1].units.mean > 100
    shop.happened("scaled", START, "purchase", 90)
    shop.happened("other", START + dt.timedelta(days=10), "click")
    await shop.record()
    report = await shop.report(plan)
    (listed,) = (await shop.feedback.ListLaunches(F.ListLaunchesRequest())).launches
    assert listed == report.launch
    weekly = list(plan.executed_weekly_units)
    assert listed.expected_units == pytest.approx(weekly[0] + weekly[1] * 3 / 7)
    assert report.info.units_basis.scale_factor == 100


async def test_purchases_are_joined_by_token_by_last_touch_or_not(feedback):
    product = f"joined-{feedback.kind}"
    plan = await feedback.decided(product)
    day = dt.timedelta(days=1)
    feedback.happened(product, START, "impression", user="touched", attribution_token="audience-1")
    feedback.happened(product, START + 3 * day, "purchase", user="touched")
    feedback.happened(product, START + 12 * day, "purchase", user="touched")  # beyond the window of 7 days
    feedback.happened(product, START, "purchase", user="told", attribution_token="recommendation-1")
    feedback.happened(product, START, "click", user="plain")
    feedback.happened(product, START + day, "purchase", user="plain")  # its click names no answer
    feedback.happened(product, START, "purchase", user="")
    await feedback.record()
    joined = (await feedback.report(plan)).attribution
    assert (joined.by_token, joined.by_last_touch, joined.unattributed) == (1, 1, 3)


async def test_a_launch_without_events_says_so(feedback):
    plan = await feedback.decided(f"nothing-{feedback.kind}")
    report = await feedback.report(plan)
    assert "NO_EVENTS" in feedback.words.notices(report)
    assert not report.HasField("click_through_rate")
    assert not report.HasField("repeat_rate")


async def test_a_plan_that_is_not_executed_has_no_report(feedback):
    plan = await feedback.launch.PlanLaunch(feedback.words.plan(max_plans=1))
    asked = F.GetLaunchReportRequest(plan_id=plan.plan_id)
    refusal = await feedback.words.refusal(feedback.feedback.GetLaunchReport(asked))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_EXECUTED")
    assert "is not decided" in refusal.message
    rejected = L.LaunchDecision(kind=L.DECISION_KIND_REJECTED, decided_by="kim", reason=L.DECISION_REASON_BUDGET)
    await feedback.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=rejected))
    refusal = await feedback.words.refusal(feedback.feedback.GetLaunchReport(asked))
    assert "was rejected" in refusal.message


async def test_events_that_were_there_before_the_decision_join_at_once(feedback):
    product = f"early-{feedback.kind}"
    feedback.happened(product, START + dt.timedelta(days=2), "purchase", 3)
    await feedback.record()
    plan = await feedback.decided(product)
    began = time.monotonic()
    assert (await feedback.report(plan)).launch.units == 3
    assert time.monotonic() - began < 60
