"""A forgotten user whom model releases still know: named in no audience, and unknown to recommendations."""

import asyncio
from pathlib import Path

import grpc
import psycopg
import pytest
import sqlalchemy as sa
from gateways import Running, connected

from onshelf.v1 import feedback_pb2, feedback_pb2_grpc, recommendation_pb2
from onshelf_release.forgotten_users import ForgottenUsers, hash_user

R = recommendation_pb2
EVERYBODY = 3840


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path: Path):
    """An empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url = sa.make_url(request.getfixturevalue("postgresql"))
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(False), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS forgotten WITH (FORCE)")
        connection.execute("CREATE DATABASE forgotten")
    return url.set(database="forgotten").render_as_string(hide_password=False)


async def forget(gateway: Running, user_id: str):
    feedback = feedback_pb2_grpc.FeedbackServiceStub(gateway.channel)
    return await feedback.ForgetUser(feedback_pb2.ForgetUserRequest(user_id=user_id))


async def audience(gateway: Running, words) -> list[str]:
    found = await gateway.recommend.FindAudience(R.FindAudienceRequest(product=words.product(), count=EVERYBODY))
    return [member.user_id for member in found.users]


async def test_no_process_uses_what_a_release_knows_of_a_forgotten_user(releases, words, store):
    async with connected(releases, store=store) as one, connected(releases, store=store) as other:
        request = words.plan(request_id="again", audience_size=20)
        plan = await other.launch.PlanLaunch(request)
        user = plan.audience[3].user_id
        before = await audience(one, words)
        receipt = await forget(one, user)
        assert (receipt.in_served_release, list(receipt.model_releases)) == (True, [2, 3])
        assert await audience(one, words) == [name for name in before if name != user]
        await asyncio.sleep(1.0)
        for gateway in (one, other):
            assert await audience(gateway, words) == [name for name in before if name != user]
            again = await gateway.launch.PlanLaunch(request)
            assert user not in {member.user_id for member in again.audience}
            assert len(again.audience) == 20
            profile = await words.refusal(gateway.recommend.GetUserProfile(R.GetUserProfileRequest(user_id=user)))
            asked = R.RecommendProductsRequest(user_id=user)
            unknown = await words.refusal(gateway.recommend.RecommendProducts(asked))
            assert {(one.code, one.reason) for one in (profile, unknown)} == {
                (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
            }
            asked.history.add(product_id=gateway.server.releases.serving.product_names[0])
            cold = await gateway.recommend.RecommendProducts(asked)
            stranger = R.RecommendProductsRequest(user_id="stranger", history=asked.history)
            assert "USER_COLD" in words.notices(cold)
            assert cold.products == (await gateway.recommend.RecommendProducts(stranger)).products


async def test_a_gateway_that_starts_knows_who_was_forgotten(releases, words, store):
    async with connected(releases, store=store) as gateway:
        user = (await audience(gateway, words))[0]
        await forget(gateway, user)
    async with connected(releases, store=store) as gateway:
        assert user not in await audience(gateway, words)


async def test_older_releases_leave_the_user_out_too(releases, words, store):
    async with connected(releases, store=store) as gateway:
        request = R.FindAudienceRequest(product=words.product(), count=EVERYBODY, model_release=2)
        user = (await gateway.recommend.FindAudience(request)).users[0].user_id
        await forget(gateway, user)
        assert user not in {member.user_id for member in (await gateway.recommend.FindAudience(request)).users}


async def test_a_user_that_no_release_knows_is_in_none(releases, words, tmp_path: Path):
    async with connected(releases, store=f"sqlite:///{tmp_path / 'store.db'}") as gateway:
        before = await audience(gateway, words)
        receipt = await forget(gateway, "nobody")
        assert (receipt.in_served_release, list(receipt.model_releases)) == (False, [])
        assert await audience(gateway, words) == before


def test_a_hash_is_of_the_id_and_of_the_stores_key():
    assert hash_user("key", " u1 ") == hash_user("key", "u1")
    assert hash_user("key", "u1") != hash_user("other", "u1")
    forgotten = ForgottenUsers("key", frozenset({hash_user("key", "u7"), hash_user("key", "u2")}))
    assert forgotten.among([f"u{n}" for n in range(9)]).tolist() == [2, 7]
    assert forgotten.among([]).tolist() == []
    assert ForgottenUsers().among(["u1"]).tolist() == []
