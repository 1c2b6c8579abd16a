"""Plans are remembered, read back, listed, decided and computed again."""

import asyncio
import datetime as dt
import json
import sqlite3
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa
from gateways import connected

from onshelf.v1 import catalog_pb2, catalog_pb2_grpc, launch_pb2, recommendation_pb2, types_pb2
from onshelf_gateway.store.answers import ANSWERS

L = launch_pb2


@pytest.fixture(params=["sqlite", "postgresql"])
def running(request):
    """A gateway with a store of each kind."""
    return request.getfixturevalue(f"on_{request.param}")


def accepted(**fields) -> L.LaunchDecision:
    chosen = {"kind": L.DECISION_KIND_ACCEPTED, "decided_by": "kim", "product_id": "chips-1", **fields}
    return L.LaunchDecision(**chosen)


async def planned(running, words, **fields) -> L.PlanLaunchResponse:
    return await running.launch.PlanLaunch(words.plan(**fields))


async def test_a_plan_is_read_back_as_it_was_given(running, words):
    request = words.plan(max_plans=3)
    given = await running.launch.PlanLaunch(request)
    assert given.info.attribution_token == given.plan_id
    stored = (await running.launch.GetPlan(L.GetPlanRequest(plan_id=given.plan_id))).plan
    assert stored.plan_id == given.plan_id
    assert stored.state == L.LAUNCH_STATE_PLANNED
    assert not stored.HasField("decision")
    request.model_release = given.info.model_release.version
    assert stored.request == request
    del stored.response.info.timings[:]
    del given.info.timings[:]
    assert stored.response == given


async def test_a_what_if_is_remembered_too(running, words):
    request = words.evaluate(discount=0.2)
    given = await running.launch.EvaluatePlan(request)
    stored = (await running.launch.GetPlan(L.GetPlanRequest(plan_id=given.plan_id))).plan
    assert stored.evaluate_response.plan == given.plan
    assert stored.evaluate_request.action == request.action
    assert not stored.HasField("response")


async def test_a_plan_that_nobody_gave_is_not_found(running, words):
    for call in (
        running.launch.GetPlan(L.GetPlanRequest(plan_id="plan-none")),
        running.launch.ReplayPlan(L.ReplayPlanRequest(plan_id="plan-none")),
        running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id="plan-none", decision=accepted())),
    ):
        refusal = await words.refusal(call)
        assert (refusal.code, refusal.reason, refusal.fields) == (
            grpc.StatusCode.NOT_FOUND,
            "PLAN_NOT_FOUND",
            ["plan_id"],
        )
        assert "'plan-none'" in refusal.message


async def test_plans_are_listed_newest_first_and_pages_survive_inserts(running, words):
    product = words.product(product_id="paged")
    ids = [(await running.launch.PlanLaunch(words.plan(product=product, max_plans=1))).plan_id for _ in range(5)]
    request = L.ListPlansRequest(product_id="paged", page_size=2)
    first = await running.launch.ListPlans(request)
    assert [plan.plan_id for plan in first.plans] == ids[:2:-1]
    assert first.plans[0].title == words.title
    assert first.plans[0].units > 0
    assert first.plans[0].action.launch_date
    late = (await running.launch.PlanLaunch(words.plan(product=product, max_plans=1))).plan_id
    request.page_token = first.next_page_token
    second = await running.launch.ListPlans(request)
    assert [plan.plan_id for plan in second.plans] == ids[2:0:-1]
    request.page_token = second.next_page_token
    third = await running.launch.ListPlans(request)
    assert [plan.plan_id for plan in third.plans] == ids[:1]
    assert not third.next_page_token
    request.page_token = ""
    assert (await running.launch.ListPlans(request)).plans[0].plan_id == late


async def test_a_page_token_belongs_to_its_filters(running, words):
    product = words.product(product_id="token")
    for _ in range(2):
        await running.launch.PlanLaunch(words.plan(product=product, max_plans=1))
    page = await running.launch.ListPlans(L.ListPlansRequest(product_id="token", page_size=1))
    for request in (
        L.ListPlansRequest(product_id="other", page_token=page.next_page_token),
        L.ListPlansRequest(product_id="token", page_token="abc"),
    ):
        refusal = await words.refusal(running.launch.ListPlans(request))
        assert (refusal.reason, refusal.fields) == ("PAGE_TOKEN_INVALID", ["page_token"])


async def test_plans_are_found_by_time(running, words):
    given = await planned(running, words, product=words.product(product_id="when"), max_plans=1)
    stored = (await running.launch.GetPlan(L.GetPlanRequest(plan_id=given.plan_id))).plan
    request = L.ListPlansRequest(product_id="when", created_from=stored.created_at)
    assert len((await running.launch.ListPlans(request)).plans) == 1
    request = L.ListPlansRequest(product_id="when", created_before=stored.created_at)
    assert not (await running.launch.ListPlans(request)).plans


async def test_an_accepted_plan_executes_the_chosen_action(running, words):
    given = await planned(running, words, max_plans=3)
    decision = accepted(product_id="accepted-1", plan_rank=2)
    answer = await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=given.plan_id, decision=decision))
    assert answer.revised
    assert answer.plan.decision.executed_action == given.plans[1].action
    assert (answer.plan.decision.revision, answer.plan.decision.product_id) == (1, "accepted-1")
    assert answer.plan.decision.decided_at.seconds > 0
    assert answer.plan.state == L.LAUNCH_STATE_DECIDED
    listed = await running.launch.ListPlans(L.ListPlansRequest(product_id="accepted-1"))
    assert [plan.plan_id for plan in listed.plans] == [given.plan_id]
    assert listed.plans[0].units == pytest.approx(given.plans[1].forecasts[-1].units.mean)


async def test_the_same_decision_again_is_the_same_and_another_is_a_revision(running, words):
    given = await planned(running, words, max_plans=1)
    request = L.DecideLaunchRequest(plan_id=given.plan_id, decision=accepted(product_id="again-1"))
    assert (await running.launch.DecideLaunch(request)).revised
    again = await running.launch.DecideLaunch(request)
    assert not again.revised
    assert again.plan.decision.revision == 1
    request.decision.CopyFrom(
        L.LaunchDecision(
            kind=L.DECISION_KIND_REJECTED, decided_by="lee", reason=L.DECISION_REASON_BUDGET, comment="dear"
        )
    )
    other = await running.launch.DecideLaunch(request)
    assert other.revised
    assert other.plan.state == L.LAUNCH_STATE_REJECTED
    assert [one.revision for one in (*other.plan.earlier_decisions, other.plan.decision)] == [1, 2]
    assert other.plan.earlier_decisions[0].kind == L.DECISION_KIND_ACCEPTED


async def test_a_decision_that_somebody_changed_meanwhile_is_not_overwritten(running, words):
    given = await planned(running, words, max_plans=1)
    request = L.DecideLaunchRequest(plan_id=given.plan_id, decision=accepted(product_id="seen"), last_revision=0)
    await running.launch.DecideLaunch(request)
    request.decision.comment = "sure"
    refusal = await words.refusal(running.launch.DecideLaunch(request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "DECISION_CHANGED")
    request.last_revision = 1
    assert (await running.launch.DecideLaunch(request)).plan.decision.revision == 2


async def test_decisions_at_the_same_time_are_revisions_one_after_the_other(running, words):
    given = await planned(running, words, max_plans=1)
    requests = [
        L.DecideLaunchRequest(plan_id=given.plan_id, decision=accepted(product_id="race", comment=f"{n}"))
        for n in range(6)
    ]
    answers = await asyncio.gather(*map(running.launch.DecideLaunch, requests))
    assert sorted(answer.plan.decision.revision for answer in answers) == [1, 2, 3, 4, 5, 6]


REFUSED = {
    "no kind": ({"kind": 0}, "FIELD_REQUIRED", "decision.kind"),
    "unknown kind": ({"kind": 9}, "VALUE_OUT_OF_RANGE", "decision.kind"),
    "nobody": ({"decided_by": ""}, "FIELD_REQUIRED", "decision.decided_by"),
    "no product id": ({"product_id": ""}, "FIELD_REQUIRED", "decision.product_id"),
    "no such rank": ({"plan_rank": 9}, "VALUE_OUT_OF_RANGE", "decision.plan_rank"),
    "accepted with an action": (
        {"executed_action": types_pb2.Action(launch_date="2018-02-05")},
        "FIELDS_CONFLICT",
        "decision.executed_action",
    ),
    "changed without an action": (
        {"kind": L.DECISION_KIND_CHANGED, "reason": L.DECISION_REASON_PRICE},
        "FIELD_REQUIRED",
        "decision.executed_action",
    ),
    "changed to a channel that there is not": (
        {
            "kind": L.DECISION_KIND_CHANGED,
            "reason": L.DECISION_REASON_PRICE,
            "executed_action": types_pb2.Action(
                launch_date="2018-02-05", channels=[types_pb2.ChannelUse(channel_id="moon")]
            ),
        },
        "CHANNEL_UNKNOWN",
        "decision.executed_action.channels[0].channel_id",
    ),
    "rejected without a reason": (
        {"kind": L.DECISION_KIND_REJECTED, "product_id": ""},
        "FIELD_REQUIRED",
        "decision.reason",
    ),
    "rejected with a product": (
        {"kind": L.DECISION_KIND_REJECTED, "reason": L.DECISION_REASON_BUDGET},
        "FIELDS_CONFLICT",
        "decision.product_id",
    ),
    "another reason without words": (
        {"kind": L.DECISION_KIND_REJECTED, "reason": L.DECISION_REASON_OTHER, "product_id": ""},
        "FIELD_REQUIRED",
        "decision.comment",
    ),
    "a day of a plan that is not postponed": (
        {"postponed_until": "2018-03-05"},
        "FIELDS_CONFLICT",
        "decision.postponed_until",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_bad_decision_names_its_field(running, words, case):
    fields, reason, path = REFUSED[case]
    given = await planned(running, words, max_plans=1)
    request = L.DecideLaunchRequest(plan_id=given.plan_id, decision=accepted(**fields))
    refusal = await words.refusal(running.launch.DecideLaunch(request))
    assert refusal.reason == reason
    assert refusal.fields[0] == path
    stored = (await running.launch.GetPlan(L.GetPlanRequest(plan_id=given.plan_id))).plan
    assert not stored.HasField("decision")


async def test_a_postponed_plan_says_until_when(running, words):
    given = await planned(running, words, max_plans=1)
    decision = L.LaunchDecision(
        kind=L.DECISION_KIND_POSTPONED,
        decided_by="kim",
        reason=L.DECISION_REASON_SUPPLY,
        postponed_until="2018-06-04",
    )
    answer = await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=given.plan_id, decision=decision))
    assert answer.plan.state == L.LAUNCH_STATE_POSTPONED
    assert answer.plan.decision.postponed_until == "2018-06-04"


async def test_a_decided_product_is_recommended_at_once_and_a_rejected_one_no_more(running, words):
    catalog = catalog_pb2_grpc.CatalogServiceStub(running.channel)
    given = await planned(running, words, max_plans=1)
    request = L.DecideLaunchRequest(plan_id=given.plan_id, decision=accepted(product_id="on-the-shelf"))
    find = recommendation_pb2.FindSimilarLaunchesRequest(product_id="on-the-shelf")
    assert (await words.refusal(running.recommend.FindSimilarLaunches(find))).reason == "PRODUCT_NOT_FOUND"
    await running.launch.DecideLaunch(request)
    assert (await running.recommend.FindSimilarLaunches(find)).launches
    request.decision.CopyFrom(
        L.LaunchDecision(kind=L.DECISION_KIND_REJECTED, decided_by="kim", reason=L.DECISION_REASON_SUPPLY)
    )
    await running.launch.DecideLaunch(request)
    assert (await words.refusal(running.recommend.FindSimilarLaunches(find))).reason == "PRODUCT_NOT_FOUND"
    await catalog.DeleteProducts(catalog_pb2.DeleteProductsRequest(product_ids=["on-the-shelf"]))


async def offered(running, words, product_id: str) -> bool:
    find = recommendation_pb2.FindSimilarLaunchesRequest(product_id=product_id)
    call = running.recommend.FindSimilarLaunches(find)
    code = await call.code()
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND)
    return code == grpc.StatusCode.OK


async def test_a_refused_decision_leaves_the_catalog_alone(running, words):
    given = await planned(running, words, max_plans=1)
    request = L.DecideLaunchRequest(plan_id=given.plan_id, decision=accepted(product_id="stale"), last_revision=3)
    assert (await words.refusal(running.launch.DecideLaunch(request))).reason == "DECISION_CHANGED"
    assert not await offered(running, words, "stale")


async def test_another_product_id_takes_the_place_of_the_first(running, words):
    given = await planned(running, words, max_plans=1)
    for name in ("first-id", "second-id"):
        decision = accepted(product_id=name)
        await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=given.plan_id, decision=decision))
    assert not await offered(running, words, "first-id")
    assert await offered(running, words, "second-id")


async def test_a_product_that_another_plan_executes_or_the_release_has_stays(running, words):
    own = running.server.releases.serving.product_names[0]
    rejected = L.LaunchDecision(kind=L.DECISION_KIND_REJECTED, decided_by="kim", reason=L.DECISION_REASON_SUPPLY)
    for name in ("planned-twice", own):
        one, two = [await planned(running, words, max_plans=1) for _ in range(2)]
        for plan in (one, two):
            decision = accepted(product_id=name)
            await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision))
        await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=one.plan_id, decision=rejected))
        assert await offered(running, words, name)
        await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=two.plan_id, decision=rejected))
        assert await offered(running, words, name) == (name == own)


async def test_a_cancelled_call_drops_no_answers(releases, words, tmp_path: Path):
    store = tmp_path / "store.db"
    async with connected(releases, store=f"sqlite:///{store}") as gateway:
        with sqlite3.connect(store, isolation_level=None) as database:
            database.execute("BEGIN IMMEDIATE")
            given = await gateway.launch.PlanLaunch(words.plan(max_plans=1))
            for _ in range(2):
                with pytest.raises(grpc.aio.AioRpcError):
                    await gateway.launch.GetPlan(L.GetPlanRequest(plan_id=given.plan_id), timeout=0.3)
            database.execute("ROLLBACK")
        found = await gateway.launch.GetPlan(L.GetPlanRequest(plan_id=given.plan_id))
        assert found.plan.plan_id == given.plan_id


@pytest.mark.parametrize("kind", ["plan", "what if"])
async def test_a_plan_computed_again_is_the_same_bit_for_bit(running, words, kind):
    if kind == "plan":
        given = await planned(running, words, constraints=L.PlanConstraints(promotion_budget=words.money(50)))
    else:
        given = await running.launch.EvaluatePlan(words.evaluate(discount=0.1))
    answer = await running.launch.ReplayPlan(L.ReplayPlanRequest(plan_id=given.plan_id))
    assert list(answer.differences) == []
    assert answer.same


async def test_a_value_that_differs_is_named(running, words):
    given = await planned(running, words, max_plans=1)
    stored = L.PlanLaunchResponse()
    mine = ANSWERS.c.answer_id == given.plan_id

    def change(connection):
        stored.ParseFromString(connection.execute(sa.select(ANSWERS.c.response).where(mine)).scalar_one())
        stored.plans[0].forecasts[1].units.mean += 1.0
        connection.execute(sa.update(ANSWERS).where(mine).values(response=stored.SerializeToString()))

    await running.server.memory.write(change)
    answer = await running.launch.ReplayPlan(L.ReplayPlanRequest(plan_id=given.plan_id))
    assert not answer.same
    assert [one.field for one in answer.differences] == ["plans[0].forecasts[1].units.mean"]


async def test_recommendations_and_audiences_are_remembered_with_what_they_offered(running, words):
    user = next(iter(running.server.releases.serving.user_rows))
    asked = recommendation_pb2.RecommendProductsRequest(user_id=user, count=3)
    products = await running.recommend.RecommendProducts(asked)
    audience = await running.recommend.FindAudience(
        recommendation_pb2.FindAudienceRequest(product=words.product(), count=5)
    )
    tokens = [products.info.attribution_token, audience.info.attribution_token]
    query = sa.select(ANSWERS).where(ANSWERS.c.answer_id.in_(tokens))
    found = await running.server.memory.read(lambda connection: connection.execute(query).all())
    rows = {row.answer_id: row.offered for row in found}
    assert json.loads(rows[products.info.attribution_token]) == [
        {"position": n, "product_id": product.product_id, "probability": 1.0}
        for n, product in enumerate(products.products, start=1)
    ]
    assert audience.info.attribution_token in rows


async def test_nothing_is_remembered_where_the_setting_says_so(releases, words):
    async with connected(releases, remember=False) as gateway:
        launch = gateway.launch
        given = await launch.PlanLaunch(words.plan())
        assert given.plan_id
        assert not given.info.attribution_token
        refusal = await words.refusal(launch.GetPlan(L.GetPlanRequest(plan_id=given.plan_id)))
        assert refusal.reason == "PLAN_NOT_FOUND"


async def test_a_store_that_fails_costs_the_memory_and_not_the_plan(releases, words, tmp_path: Path):
    store = tmp_path / "store.db"
    async with connected(releases, store=f"sqlite:///{store}") as gateway:
        launch = gateway.launch
        with sqlite3.connect(store) as database:
            database.execute("ALTER TABLE answers RENAME TO elsewhere")
        first = await launch.PlanLaunch(words.plan())  # waits to be written
        refusal = await words.refusal(launch.GetPlan(L.GetPlanRequest(plan_id=first.plan_id)))
        assert (refusal.reason, refusal.retry is not None) == ("STORE_UNAVAILABLE", True)
        given = await launch.PlanLaunch(words.plan())
        assert given.plans
        assert not given.info.attribution_token
        assert "NOT_REMEMBERED" in words.notices(given)
        with sqlite3.connect(store) as database:
            database.execute("ALTER TABLE elsewhere RENAME TO answers")
        assert (await launch.GetPlan(L.GetPlanRequest(plan_id=first.plan_id))).plan.response.plans == first.plans
        assert (await launch.PlanLaunch(words.plan())).info.attribution_token


async def test_an_answer_that_cannot_be_written_does_not_keep_the_others(releases, words, tmp_path: Path):
    store = tmp_path / "store.db"
    async with connected(releases, store=f"sqlite:///{store}") as gateway:
        with sqlite3.connect(store) as database:
            database.execute(
                "CREATE TRIGGER never BEFORE INSERT ON answers WHEN NEW.title = 'never' "
                "BEGIN SELECT RAISE(ABORT, 'never'); END"
            )
        first = await gateway.launch.PlanLaunch(words.plan(max_plans=1))
        never = await gateway.launch.PlanLaunch(words.plan(product=words.product(title="never"), max_plans=1))
        last = await gateway.launch.PlanLaunch(words.plan(max_plans=1))
        for plan in (first, last):
            found = await gateway.launch.GetPlan(L.GetPlanRequest(plan_id=plan.plan_id))
            assert found.plan.plan_id == plan.plan_id
        refusal = await words.refusal(gateway.launch.GetPlan(L.GetPlanRequest(plan_id=never.plan_id)))
        assert refusal.reason == "PLAN_NOT_FOUND"
        assert (await gateway.launch.PlanLaunch(words.plan(max_plans=1))).info.attribution_token


async def test_a_remembered_plan_outlives_its_gateway(releases, words, tmp_path: Path):
    store = f"sqlite:///{tmp_path / 'store.db'}"
    async with connected(releases, store=store) as gateway:
        given = await gateway.launch.PlanLaunch(words.plan())
    async with connected(releases, store=store) as gateway:
        launch = gateway.launch
        assert (await launch.GetPlan(L.GetPlanRequest(plan_id=given.plan_id))).plan.response.plans == given.plans
        assert (await launch.ReplayPlan(L.ReplayPlanRequest(plan_id=given.plan_id))).same


async def test_old_answers_are_deleted_unless_somebody_decided(running, words):
    open_plan = await planned(running, words, max_plans=1)
    decided = await planned(running, words, max_plans=1)
    decision = accepted(product_id="old")
    await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=decided.plan_id, decision=decision))
    both = ANSWERS.c.answer_id.in_([open_plan.plan_id, decided.plan_id])
    long_ago = sa.update(ANSWERS).where(both).values(created_at=dt.datetime(2001, 1, 1))
    await running.server.memory.write(lambda connection: connection.execute(long_ago))
    assert await running.server.memory.forget_old() == 1
    gone = await words.refusal(running.launch.GetPlan(L.GetPlanRequest(plan_id=open_plan.plan_id)))
    assert gone.reason == "PLAN_NOT_FOUND"
    assert (await running.launch.GetPlan(L.GetPlanRequest(plan_id=decided.plan_id))).plan.HasField("decision")
