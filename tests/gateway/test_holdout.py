"""The holdout: who is in it stays in it, targeting does not reach them, and reports say what that shows."""

import datetime as dt
import json

import numpy as np
import pytest
import sqlalchemy as sa
from gateways import connected
from google.protobuf.timestamp_pb2 import Timestamp

from onshelf.v1 import feedback_pb2, feedback_pb2_grpc, launch_pb2, recommendation_pb2, types_pb2
from onshelf_gateway.services.feedback.holdout_effect import effect, newcombe
from onshelf_gateway.store.answers import ANSWERS

F, L, R = feedback_pb2, launch_pb2, recommendation_pb2
EVERYBODY = 3_840
START = dt.date(2018, 1, 8)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A store of each kind."""
    return f"sqlite:///{tmp_path / 'store.db'}" if request.param == "sqlite" else request.getfixturevalue("postgresql")


async def reached(releases, words, store: str, share: float) -> set[str]:
    """All whom an audience may name."""
    async with connected(releases, store=store, holdout_share=share) as gateway:
        asked = R.FindAudienceRequest(product=words.product(), count=EVERYBODY)
        answer = await gateway.recommend.FindAudience(asked)
        assert answer.holdout_share == share
        assert ("HELD_OUT" in words.notices(answer)) == (share > 0)
        return {user.user_id for user in answer.users}


async def test_a_larger_share_only_adds_users_and_restarts_change_nothing(releases, words, url):
    found = {share: await reached(releases, words, url, share) for share in (0.0, 0.1, 0.3, 0.5)}
    assert found[0.5] < found[0.3] < found[0.1] < found[0.0]
    everyone = len(found[0.0])
    for share, users in found.items():
        out = everyone - len(users)
        assert abs(out - share * everyone) <= 4 * np.sqrt(share * (1 - share) * everyone), "by lot"
    assert await reached(releases, words, url, 0.3) == found[0.3], "after a smaller share, a larger one, a restart"


async def test_stores_have_keys_of_their_own(releases, words, tmp_path):
    urls = [f"sqlite:///{tmp_path / name}" for name in ("one.db", "other.db")]
    one, other = [await reached(releases, words, url, 0.5) for url in urls]
    assert one != other


async def test_plans_name_nobody_who_is_held_out_and_replays_hold_out_the_same(releases, words, url):
    asked = words.plan(audience_size=1_000, max_plans=1)
    async with connected(releases, store=url, holdout_share=0.4) as gateway:
        plan = await gateway.launch.PlanLaunch(asked)
    async with connected(releases, store=url, holdout_share=0.1) as later:
        other = await later.launch.PlanLaunch(asked)
        replayed = await later.launch.ReplayPlan(L.ReplayPlanRequest(plan_id=plan.plan_id))
    assert (plan.holdout_share, other.holdout_share) == (0.4, 0.1)
    assert {one.user_id for one in plan.audience} < {one.user_id for one in other.audience}
    assert replayed.same, list(replayed.differences)


async def test_held_out_users_get_no_places_for_new_products(releases, words, url):
    inside = await reached(releases, words, url, 0.5)
    everyone = await reached(releases, words, url, 0.0)
    held, free = sorted(everyone - inside)[0], sorted(inside)[0]
    async with connected(releases, store=url, holdout_share=0.5) as gateway:
        recommend = gateway.recommend.RecommendProducts
        asked = {"count": 10, "new_product_share": 0.5}
        control = await recommend(R.RecommendProductsRequest(user_id=held, **asked))
        plain = await recommend(R.RecommendProductsRequest(user_id=held, count=10))
        targeted = await recommend(R.RecommendProductsRequest(user_id=free, **asked))
        new = R.RECOMMENDATION_SCOPE_NEW_PRODUCTS
        drawn = [await recommend(R.RecommendProductsRequest(user_id=held, scope=new, count=3)) for _ in range(2)]
        best = await recommend(R.RecommendProductsRequest(user_id=free, scope=new, count=3))
    assert [one.product_id for one in control.products] == [one.product_id for one in plain.products]
    assert "HELD_OUT" in words.notices(control)
    assert "HELD_OUT" not in words.notices(targeted)
    assert sum(one.new_product for one in targeted.products) >= 5
    assert list(drawn[0].products) == list(drawn[1].products), "a user always meets the same order"
    assert len(drawn[0].products) == 3
    policies = stored(url)
    assert policies[control.info.attribution_token][0] == "holdout"
    assert policies[targeted.info.attribution_token] == ("best_first", {1.0})
    assert policies[best.info.attribution_token] == ("best_first", {1.0})
    policy, chances = policies[drawn[0].info.attribution_token]
    assert policy == "holdout"
    assert max(chances) < 0.5, "each new product is as likely as the others"


def stored(url: str) -> dict[str, tuple[str, set[float]]]:
    """Policy and probabilities of remembered answers."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(ANSWERS.c.answer_id, ANSWERS.c.policy, ANSWERS.c.offered)).all()
    engine.dispose()
    return {row[0]: (row[1], {offer["probability"] for offer in json.loads(row[2])}) for row in rows}


async def test_reports_count_buyers_among_those_held_out(releases, words, url):
    everyone = sorted(await reached(releases, words, url, 0.0))
    async with connected(releases, store=url, holdout_share=0.3) as gateway:
        plan = await gateway.launch.PlanLaunch(words.plan(max_plans=1, audience_size=1_000))
        named = {one.user_id for one in plan.audience}
        held = [user for user in everyone if user not in named]
        action = types_pb2.Action(launch_date=START.isoformat(), list_price=words.money(2.5))
        decision = L.LaunchDecision(
            kind=L.DECISION_KIND_CHANGED,
            reason=L.DECISION_REASON_TIMING,
            decided_by="kim",
            product_id="held",
            executed_action=action,
        )
        await gateway.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision))
        feedback = feedback_pb2_grpc.FeedbackServiceStub(gateway.channel)
        buyers = [*sorted(named)[:40], *held[:2], held[0], "a stranger", ""]
        stamp = Timestamp()
        stamp.FromDatetime(dt.datetime.combine(START, dt.time(17)))
        events = [
            F.Event(event_id=f"e{n}", kind=R.EVENT_KIND_PURCHASE, user_id=user, product_id="held", time=stamp)
            for n, user in enumerate(buyers)
        ]
        assert (await feedback.RecordEvents(F.RecordEventsRequest(events=events))).stored == len(events)
        report = await feedback.GetLaunchReport(F.GetLaunchReportRequest(plan_id=plan.plan_id))
    found = report.holdout
    assert (found.share, found.users, found.held_out_users) == (0.3, len(named), len(held))
    assert (found.buyers, found.held_out_buyers) == (40, 2)
    assert found.difference == pytest.approx(40 / len(named) - 2 / len(held))
    assert found.difference_low < found.difference < found.difference_high
    async with connected(releases, store=url) as later:  # the share is the plan's own
        feedback = feedback_pb2_grpc.FeedbackServiceStub(later.channel)
        again = await feedback.GetLaunchReport(F.GetLaunchReportRequest(plan_id=plan.plan_id))
        assert again.holdout == found


async def test_without_a_holdout_reports_say_nothing_of_it(on_sqlite, words):
    running = on_sqlite
    plan = await running.launch.PlanLaunch(words.plan(max_plans=1))
    assert plan.holdout_share == 0
    decision = L.LaunchDecision(kind=L.DECISION_KIND_ACCEPTED, decided_by="kim", product_id="not held")
    await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision))
    feedback = feedback_pb2_grpc.FeedbackServiceStub(running.channel)
    report = await feedback.GetLaunchReport(F.GetLaunchReportRequest(plan_id=plan.plan_id))
    assert not report.HasField("holdout")


@pytest.mark.parametrize(
    ("counts", "verdict", "said"),
    [
        ((9_500, 950, 500, 20), "SEEN", "a difference of +6.00 points (95 % interval +3.8"),
        ((9_500, 950, 500, 48), "NOT_SEEN", "no difference is seen; a difference of +0.40 points"),
        ((2_345, 12, 124, 0), "UNDERPOWERED", "underpowered, no claim is made: 12 of 2,345 users bought, 0 of 124"),
        ((2_345, 0, 124, 0), "UNDERPOWERED", "these users see no difference, however large"),
        ((120, 3, 0, 0), "UNDERPOWERED", "one of the groups has no user"),
    ],
)
def test_what_a_holdout_says(counts, verdict, said):
    found = effect(0.05, *counts)
    assert F.HoldoutVerdict.Name(found.verdict) == f"HOLDOUT_VERDICT_{verdict}"
    assert said in found.words


def test_the_interval_is_newcombes():
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)  # his own example, method 10


def test_the_interval_holds_the_difference_as_often_as_stated():
    random, runs = np.random.default_rng(2018), 4_000
    ours, theirs = random.binomial(2_000, 0.06, runs), random.binomial(120, 0.04, runs)
    covered = [
        low <= 0.02 <= high
        for low, high in (newcombe(a, 2_000, b, 120) for a, b in zip(ours.tolist(), theirs.tolist(), strict=True))
    ]
    assert np.mean(covered) >= 0.93
