"""A decided launch's forecast ranks its product in recommendations, and says why, until it is rejected."""

import asyncio
import datetime as dt
import math
from pathlib import Path

import pytest
from gateways import connected

from onshelf.v1 import catalog_pb2, launch_pb2, recommendation_pb2, types_pb2
from onshelf_gateway.testing import write_fake_release

C, L, R, T = catalog_pb2, launch_pb2, recommendation_pb2, types_pb2
PROMOTED = {
    "discount": 0.3,
    "coupon": True,
    "channels": [T.ChannelUse(channel_id="display_front_end_cap", coverage=0.8)],
}
REJECTED = L.LaunchDecision(kind=L.DECISION_KIND_REJECTED, decided_by="kim", reason=L.DECISION_REASON_SUPPLY)


@pytest.fixture(params=["sqlite", "postgresql"])
def running(request):
    """A gateway with a store of each kind."""
    return request.getfixturevalue(f"on_{request.param}")


async def upsert(gateway, words, *names):
    products = [words.product(product_id=name) for name in names]
    await gateway.catalog.UpsertProducts(C.UpsertProductsRequest(products=products))


async def decide(gateway, words, name, **action):
    """Decide a launch under an id; returns the plan as it is stored."""
    asked = words.evaluate(**action)
    given = await gateway.launch.EvaluatePlan(asked)
    decision = L.LaunchDecision(kind=L.DECISION_KIND_ACCEPTED, decided_by="kim", product_id=name)
    request = L.DecideLaunchRequest(plan_id=given.plan_id, decision=decision)
    return (await gateway.launch.DecideLaunch(request)).plan


async def reject(gateway, plan):
    await gateway.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=REJECTED))


async def new_products(gateway, **fields):
    """New products for a user, by id, best first."""
    request = {"user_id": "H00003", "count": 200, "scope": R.RECOMMENDATION_SCOPE_NEW_PRODUCTS, **fields}
    found = await gateway.recommend.RecommendProducts(R.RecommendProductsRequest(**request))
    return {product.product_id: product for product in found.products}


async def ahead(gateway, one, other):
    names = list(await new_products(gateway))
    return names.index(one) < names.index(other)


async def clear(gateway, *names):
    await gateway.catalog.DeleteProducts(C.DeleteProductsRequest(product_ids=names))


async def test_of_two_alike_the_one_that_will_be_promoted_comes_first_until_it_is_rejected(running, words):
    await upsert(running, words, "promoted", "quiet")
    before = await new_products(running)
    assert before["promoted"].score == pytest.approx(before["quiet"].score)
    plan = await decide(running, words, "promoted", **PROMOTED)
    await upsert(running, words, "quiet")  # the later change would come first of equal scores
    found = await new_products(running)
    assert list(found).index("promoted") < list(found).index("quiet")
    assert found["quiet"].score == pytest.approx(before["quiet"].score), "nothing was decided about it"
    executed = plan.executed_plan
    buyers = executed.forecasts[1].buyers
    times = buyers / executed.buyers_without_promotion
    assert times > 1.5
    promised = found["promoted"]
    assert promised.score - before["promoted"].score == pytest.approx(math.log(times), abs=1e-4)
    assert promised.reason.startswith("expected to sell well: ")
    for words_of_it in ("front end cap", "30% off", "a coupon", f"{round(buyers)} buyers", "new, "):
        assert words_of_it in promised.reason
    assert "buyers" not in found["quiet"].reason
    await reject(running, plan)
    await upsert(running, words, "promoted")
    found = await new_products(running)
    assert found["promoted"].score == pytest.approx(before["promoted"].score)
    assert "sell well" not in found["promoted"].reason
    await clear(running, "promoted", "quiet")


async def test_a_share_of_places_goes_to_the_promoted_first(running, words):
    await upsert(running, words, "in-a-share", "not-decided")
    await decide(running, words, "in-a-share", **PROMOTED)
    await upsert(running, words, "not-decided")
    found = list(await new_products(running, scope=R.RECOMMENDATION_SCOPE_UNSPECIFIED, new_product_share=0.5))
    assert found.index("in-a-share") < found.index("not-decided")
    await clear(running, "in-a-share", "not-decided")


async def test_a_launch_without_promotion_is_neutral(running, words):
    await upsert(running, words, "plain")
    before = (await new_products(running))["plain"]
    plan = await decide(running, words, "plain")
    assert plan.executed_plan.buyers_without_promotion == pytest.approx(plan.executed_plan.forecasts[1].buyers)
    after = (await new_products(running))["plain"]
    assert (after.score, after.reason) == (pytest.approx(before.score), before.reason)
    await clear(running, "plain")


async def test_the_decision_made_last_counts_and_the_one_before_it_once_that_is_rejected(running, words):
    strong = await decide(running, words, "twice", **PROMOTED)
    first = (await new_products(running))["twice"].score
    weak = await decide(running, words, "twice", discount=0.1)
    second = (await new_products(running))["twice"].score
    assert second < first
    await reject(running, weak)
    assert (await new_products(running))["twice"].score == pytest.approx(first)
    await reject(running, strong)
    assert "twice" not in await new_products(running)


async def test_a_changed_action_changes_what_it_promises(running, words):
    plan = await decide(running, words, "revised", **PROMOTED)
    first = (await new_products(running))["revised"].score
    decision = L.LaunchDecision(
        kind=L.DECISION_KIND_CHANGED, decided_by="kim", product_id="revised", reason=L.DECISION_REASON_BUDGET
    )
    decision.executed_action.CopyFrom(T.Action(launch_date="2018-02-05", discount=0.1))
    await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision))
    assert (await new_products(running))["revised"].score < first
    await clear(running, "revised")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path: Path):
    """A store of each kind that several gateways may share."""
    return f"sqlite:///{tmp_path / 'store.db'}" if request.param == "sqlite" else request.getfixturevalue("postgresql")


async def test_another_process_sees_it_and_so_does_the_next_one(releases, words, store):
    shared = {"store": store, "catalog_poll_ms": 20}
    async with connected(releases, **shared) as one, connected(releases, **shared) as two:
        await upsert(one, words, "everywhere", "beside-it")
        plan = await decide(one, words, "everywhere", **PROMOTED)
        other = await decide(one, words, "everywhere", discount=0.1)
        await reject(one, other)  # what is left is the strong one, though no product changed
        await upsert(one, words, "beside-it")
        wanted = (await new_products(one))["everywhere"].score

        async def seen(gateway):
            found = await new_products(gateway)
            return "everywhere" in found and found["everywhere"].score == pytest.approx(wanted)

        await eventually(lambda: seen(two))
        assert await ahead(two, "everywhere", "beside-it")
    async with connected(releases, **shared) as three:
        assert await seen(three), "it is durable"
        assert await ahead(three, "everywhere", "beside-it")
        await reject(three, plan)
        assert "everywhere" not in await new_products(three)
        await clear(three, "beside-it")


async def eventually(true, seconds: float = 1.0) -> None:
    """Wait until an answer is so, as other processes know of a change within a second."""
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.02)


async def test_it_counts_for_the_eight_weeks_of_the_launch(tmp_path, words):
    root = tmp_path / "releases"
    write_fake_release(root, 3)
    store = f"sqlite:///{tmp_path / 'store.db'}"
    async with connected(root, store=store) as gateway:
        await upsert(gateway, words, "soon", "never")
        plain = (await new_products(gateway))["soon"].score
        await decide(gateway, words, "soon", **PROMOTED)
        assert (await new_products(gateway))["soon"].score > plain + 0.3
    write_fake_release(root, 4, as_of=dt.date(2018, 4, 2))  # 8 weeks after the launch date
    async with connected(root, store=store) as gateway:

        async def read_by_the_new_release():
            return {"soon", "never"} <= set(await new_products(gateway))

        await eventually(read_by_the_new_release, 30)
        found = await new_products(gateway)
        assert found["soon"].score == pytest.approx(found["never"].score)
        assert "sell well" not in found["soon"].reason


async def test_a_release_from_before_it_serves_as_before(tmp_path, words):
    root = tmp_path / "releases"
    write_fake_release(root, 3, decided_lift_weight=0.0)
    async with connected(root) as gateway:
        await upsert(gateway, words, "promoted")
        before = (await new_products(gateway))["promoted"]
        await decide(gateway, words, "promoted", **PROMOTED)
        after = (await new_products(gateway))["promoted"]
        assert (after.score, after.reason) == (before.score, before.reason)


async def test_deciding_the_same_again_brings_a_product_back_that_is_missing(running, words):
    plan = await decide(running, words, "missing", **PROMOTED)
    before = (await new_products(running))["missing"].score
    await clear(running, "missing")
    decision = L.LaunchDecision(kind=L.DECISION_KIND_ACCEPTED, decided_by="kim", product_id="missing")
    again = await running.launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision))
    assert not again.revised
    assert (await new_products(running))["missing"].score == pytest.approx(before)
    await clear(running, "missing")
