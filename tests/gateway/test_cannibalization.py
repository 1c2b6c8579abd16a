"""What a launch took and brought, in a shop where that was planted: the report finds it, and abstains where it must."""

import datetime as dt
import uuid
from dataclasses import dataclass, field

import grpc
import numpy as np
import pytest
import sqlalchemy as sa
from gateways import Running, connected
from google.protobuf.timestamp_pb2 import Timestamp

from onshelf.v1 import feedback_pb2, feedback_pb2_grpc, launch_pb2, recommendation_pb2, types_pb2
from onshelf_gateway.feedback import effects
from onshelf_gateway.testing import write_fake_release

F, L, R, T = feedback_pb2, launch_pb2, recommendation_pb2, types_pb2
START = dt.date(2018, 3, 5)  # a Monday
LAUNCHED = "launched-1"
KIDS, BERRIES = [f"P{n:04d}" for n in range(19, 24)], [f"P{n:04d}" for n in range(31, 36)]  # sold for long
OTHERS = [f"other-{n}" for n in range(20)]
TOOK, BROUGHT, TREND = 0.7, 1.4, 1.25
PRODUCT = {"title": "Greek yogurt, yogurt, honey", "category_path": ["Grocery", "Yogurt", "Greek yogurt"]}


@dataclass
class Shop:
    """A gateway with a store of its own, and events to send."""

    running: Running
    words: object
    events: list[F.Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.feedback = feedback_pb2_grpc.FeedbackServiceStub(self.running.channel)

    async def launched(self, product_id: str = LAUNCHED) -> str:
        """A plan that is executed from START on; returns its id."""
        asked = self.words.plan(product=T.Product(**PRODUCT), max_plans=1)
        plan = await self.running.launch.PlanLaunch(asked)
        decision = L.LaunchDecision(
            kind=L.DECISION_KIND_CHANGED,
            reason=L.DECISION_REASON_TIMING,
            decided_by="kim",
            product_id=product_id,
            executed_action=T.Action(launch_date=START.isoformat(), list_price=self.words.money(2.5)),
        )
        await self.running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision))
        return plan.plan_id

    def sold(self, product_id: str, week: int, units: int, user: str = "u", kind: str = "purchase") -> None:
        """Units of the week'th week from START on, on its Wednesday."""
        stamp = Timestamp()
        stamp.FromDatetime(dt.datetime.combine(START + dt.timedelta(weeks=week, days=2), dt.time(17)))
        if units:
            self.events.append(
                F.Event(
                    event_id=uuid.uuid4().hex,
                    kind=getattr(R, f"EVENT_KIND_{kind.upper()}"),
                    user_id=user,
                    product_id=product_id,
                    time=stamp,
                    quantity=units,
                )
            )

    async def record(self) -> None:
        """Send what was sold."""
        answer = await self.feedback.RecordEvents(F.RecordEventsRequest(events=self.events))
        assert answer.stored == len(self.events)
        self.events.clear()

    async def report(self, plan_id: str) -> F.GetLaunchReportResponse:
        """The launch's report."""
        return await self.feedback.GetLaunchReport(F.GetLaunchReportRequest(plan_id=plan_id))

    def goes_on(self, before: int = 8, since: int = 6, seed: int = 1, rate: float = 40.0) -> dict[str, float]:
        """Weeks of sales: the shop grows by TREND, kids' yogurt loses, berries win. Returns what was expected of it."""
        random = np.random.default_rng(seed)
        for week in range(-before, since):
            trend = TREND if week >= 0 else 1.0
            effects_ = [(KIDS, TOOK if week >= 0 else 1.0), (BERRIES, BROUGHT if week >= 0 else 1.0), (OTHERS, 1.0)]
            for names, effect in effects_:
                for name in names:
                    self.sold(name, week, int(random.poisson(rate * trend * effect)))
            if week >= 0:
                self.sold(LAUNCHED, week, int(random.poisson(80)))
        self.sold(OTHERS[0], since, 1)  # a later day: the weeks are complete
        return {"units": rate * TREND * since, "lost": rate * TREND * since * (1 - TOOK)}


def fresh_database(uri: str) -> str:
    name = f"shop_{uuid.uuid4().hex}"
    engine = sa.create_engine(uri, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return sa.make_url(uri).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
async def shop(request, releases, words):
    """A shop without events yet."""
    stores = {"store": fresh_database(request.getfixturevalue("postgresql"))} if request.param == "postgresql" else {}
    async with connected(releases, **stores) as running:
        yield Shop(running, words)


@pytest.fixture
async def small(releases, words):
    """The same on SQLite alone."""
    async with connected(releases) as running:
        yield Shop(running, words)


async def test_a_planted_loss_and_gain_are_recovered_beside_the_shops_own_growth(shop, words):
    plan_id = await shop.launched()
    truth = shop.goes_on()
    await shop.record()
    report = await shop.report(plan_id)
    assert {effect.product_id for effect in report.cannibalized} == set(KIDS)
    assert {effect.product_id for effect in report.complements} == set(BERRIES)
    total = report.cannibalization
    assert total.lift_low < TOOK < total.lift_high
    assert total.lift_high < 0.85
    assert total.clear
    assert -total.units_difference == pytest.approx(truth["lost"] * len(KIDS), rel=0.25)
    assert total.expected_units == pytest.approx(truth["units"] * len(KIDS), rel=0.1)
    assert total.units == sum(effect.units for effect in report.cannibalized)
    covered = [effect.lift_low < TOOK < effect.lift_high for effect in report.cannibalized]
    covered += [effect.lift_low < BROUGHT < effect.lift_high for effect in report.complements]
    assert sum(covered) >= 9
    assert all(effect.lift > 1.1 for effect in report.complements)
    losses = [effect.units_difference for effect in report.cannibalized]
    assert losses == sorted(losses)
    assert report.cannibalized[0].title.startswith("Kids yogurt")
    assert list(report.cannibalized[0].category_path) == ["Grocery", "Yogurt", "Kids yogurt"]
    assert {"ASSOCIATION", "INFERRED_FROM_SIMILAR"} <= set(words.notices(report))
    assert "EFFECTS_UNKNOWN" not in words.notices(report)


async def test_what_comes_later_counts_and_what_is_returned_does_not(small):
    plan_id = await small.launched()
    small.goes_on(since=2)
    await small.record()
    first = (await small.report(plan_id)).cannibalization
    small.sold(KIDS[0], 1, 9, kind="return")
    small.sold(KIDS[1], -3, 25)
    await small.record()
    second = (await small.report(plan_id)).cannibalization
    assert second.units == first.units - 9
    assert second.units_before == first.units_before + 25


async def test_a_forgotten_users_purchases_leave_the_comparison(small):
    plan_id = await small.launched()
    small.goes_on(since=2)
    await small.record()
    before = (await small.report(plan_id)).cannibalization
    small.sold(OTHERS[0], 1, 5_000, user="heavy")
    await small.record()
    between = (await small.report(plan_id)).cannibalization
    assert between.expected_units > 2 * before.expected_units
    await small.feedback.ForgetUser(F.ForgetUserRequest(user_id="heavy"))
    after = (await small.report(plan_id)).cannibalization
    assert after.expected_units == pytest.approx(before.expected_units)


async def test_without_a_complete_week_nothing_is_said_of_it_yet(small, words):
    plan_id = await small.launched()
    small.goes_on(since=0)
    await small.record()
    report = await small.report(plan_id)
    assert not report.cannibalized
    assert not report.HasField("cannibalization")
    assert "EFFECTS_UNKNOWN" not in words.notices(report)


@pytest.mark.parametrize(("before", "rate", "why"), [(3, 40.0, "begin less than 4 whole weeks"), (8, 0.4, "10 of 10")])
async def test_too_few_sales_before_the_launch_say_nothing(small, words, before, rate, why):
    plan_id = await small.launched()
    small.goes_on(before=before, rate=rate)
    await small.record()
    report = await small.report(plan_id)
    assert not report.cannibalized
    assert not report.complements
    assert "EFFECTS_UNKNOWN" in words.notices(report)
    assert any(why in notice.message for notice in report.info.notices), list(report.info.notices)


async def test_a_shop_that_sells_nothing_else_has_nothing_to_compare_with(small, words):
    plan_id = await small.launched()
    for week in range(-8, 3):
        small.sold(KIDS[0], week, 30)
    await small.record()
    report = await small.report(plan_id)
    assert any("nothing but the launch" in notice.message for notice in report.info.notices)


async def test_a_release_without_related_products_says_so(tmp_path, words):
    write_fake_release(tmp_path, related=False)
    async with connected(tmp_path) as running:
        shop = Shop(running, words)
        plan_id = await shop.launched()
        shop.goes_on(since=2)
        await shop.record()
        report = await shop.report(plan_id)
        assert not report.cannibalized
        assert any("before related products were learned" in notice.message for notice in report.info.notices)
        with pytest.raises(grpc.aio.AioRpcError):
            await running.recommend.FindRelatedProducts(R.FindRelatedProductsRequest(product_id=KIDS[0]))


@pytest.mark.parametrize("over", [1.0, 3.0])
def test_intervals_cover_the_effect_that_made_the_counts(over: float) -> None:
    random = np.random.default_rng(4)
    weeks, since, rate, shops = 8, 6, 12.0, 400

    def counts(mean: float, n: int) -> np.ndarray:
        size = (5, n)
        if over == 1.0:
            return random.poisson(mean, size).astype(float)
        return random.negative_binomial(mean / (over - 1.0), 1.0 / over, size).astype(float)

    covered = 0
    for _ in range(shops):
        before, later = counts(rate, weeks), counts(rate * TREND * TOOK, since)
        others = np.full(weeks, 1000.0), np.full(since, 1000.0 * TREND)
        spread = effects.scatter(before, later, *others)
        found = effects.effect(before[0].sum(), later[0].sum(), others[0].sum(), others[1].sum(), spread)
        covered += found.low < TOOK < found.high
    assert 0.92 < covered / shops < 0.99
