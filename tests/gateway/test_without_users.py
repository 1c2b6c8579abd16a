"""A model release that was learned from data without users: it plans, and says that it knows nobody."""

import json
from pathlib import Path

import grpc
import pytest
from gateways import connected
from grpc_health.v1 import health_pb2

from onshelf.v1 import launch_pb2, recommendation_pb2, types_pb2
from onshelf_gateway.testing import write_fake_release
from onshelf_gateway.testing.fake_release import forget_users

R, T = recommendation_pb2, types_pb2
MISSING = "the data have no users: no audience, no recommendations, no buyers"


@pytest.fixture
async def lonely(tmp_path: Path):
    folder = write_fake_release(tmp_path, 1)
    forget_users(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"not_learned": [MISSING]}))
    async with connected(tmp_path) as gateway:
        yield gateway


async def test_it_plans_and_says_what_it_did_not_learn(lonely, words):
    response = await lonely.launch.PlanLaunch(words.plan())
    assert [plan.rank for plan in response.plans] == [1, 2, 3, 4, 5]
    said = [notice.message for notice in response.info.notices if notice.code == T.NOTICE_CODE_NOT_LEARNED]
    assert said == [MISSING]
    assert not response.info.degraded
    assert not response.audience
    assert not response.segments
    assert {forecast.buyers for plan in response.plans for forecast in plan.forecasts} == {0.0}
    assert all(forecast.units.mean > 0 for plan in response.plans for forecast in plan.forecasts)
    models = {model for model, *_ in lonely.backend.calls}
    assert "audience_retrieval" not in models, "its most expensive model is not run"
    assert len(response.similar_launches) == 5


async def test_buyers_cannot_be_an_objective(lonely, words):
    objective = launch_pb2.Objective(metric=T.OBJECTIVE_METRIC_BUYERS)
    refused = await words.refusal(lonely.launch.PlanLaunch(words.plan(objective=objective)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_LEARNED")
    assert refused.fields == ["objective.metric"]
    asked = words.evaluate()
    asked.objective.CopyFrom(objective)
    assert (await words.refusal(lonely.launch.EvaluatePlan(asked))).reason == "NOT_LEARNED"


async def test_questions_about_users_are_refused_clearly(lonely, words):
    stub = lonely.recommend
    for call in (
        stub.RecommendProducts(R.RecommendProductsRequest(user_id="u1")),
        stub.FindAudience(R.FindAudienceRequest(product=words.product())),
        stub.GetUserProfile(R.GetUserProfileRequest(user_id="u1")),
    ):
        refused = await words.refusal(call)
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_LEARNED")
        assert "learned from data without users" in refused.message
    found = await stub.FindSimilarLaunches(R.FindSimilarLaunchesRequest(product=words.product()))
    assert len(found.launches) > 0


async def test_it_is_healthy(lonely):
    for service in ("", "onshelf.v1.LaunchService"):
        answer = await lonely.health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
