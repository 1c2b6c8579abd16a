"""When models fail or hang, or the caller goes away: degraded answers, errors with a retry, nothing left behind."""

import asyncio
import json
from pathlib import Path

import grpc
import pytest
from gateways import connected, until
from grpc_health.v1 import health_pb2
from tritonclient.grpc import service_pb2, service_pb2_grpc

from onshelf.v1 import (
    launch_pb2,
    launch_pb2_grpc,
    recommendation_pb2,
)
from onshelf.v1 import model_release_pb2 as releases_pb2
from onshelf.v1 import model_release_pb2_grpc as releases_pb2_grpc
from onshelf_gateway.call import metrics
from onshelf_gateway.inference.backend import BackendAnswerError, BackendTimeoutError, BackendUnavailableError

R = recommendation_pb2
ADDRESS = "ipv4:127.0.0.1:8001"
GONE = BackendUnavailableError(f"UNAVAILABLE: failed to connect to {ADDRESS}")


@pytest.mark.parametrize(
    ("model", "missing"), [("audience_retrieval", "audience"), ("launch_retrieval", "similar_launches")]
)
@pytest.mark.parametrize("error", [GONE, BackendAnswerError(ADDRESS), BackendTimeoutError(ADDRESS)])
async def test_without_a_retrieval_the_plan_still_comes(model, missing, error, running, words):
    running.backend.failing[model] = error
    response = await running.launch.PlanLaunch(words.plan())
    assert response.plans
    assert response.info.degraded
    assert "DEGRADED" in words.notices(response)
    assert any(model in notice.message for notice in response.info.notices)
    assert ADDRESS not in str(response)
    assert not getattr(response, missing)
    assert not (await _healthy(running, words)).info.degraded


async def _healthy(running, words) -> launch_pb2.PlanLaunchResponse:
    running.backend.failing.clear()
    return await running.launch.PlanLaunch(words.plan())


async def test_a_retrieval_that_hangs_does_not_hold_the_plan(running, words):
    running.backend.blocking.add("audience_retrieval")
    response = await running.launch.PlanLaunch(words.plan(), timeout=4)
    assert response.plans
    assert response.info.degraded
    assert running.backend.cancelled == ["audience_retrieval"]


@pytest.mark.parametrize("model", ["product_encoder_int8", "launch_outcome"])
async def test_without_an_essential_model_there_is_no_plan(model, running, words):
    running.backend.failing[model] = GONE
    refusal = await words.refusal(running.launch.PlanLaunch(words.plan()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
    assert refusal.message == f"model {model} is not being served; retry later"
    assert refusal.retry is not None
    assert refusal.retry.retry_delay.ToMilliseconds() > 0


async def test_a_model_that_breaks_its_contract_is_a_fault_of_the_service(running, words):
    running.backend.failing["launch_outcome"] = BackendAnswerError(f"{ADDRESS}: two outputs with one buffer")
    call = running.launch.PlanLaunch(words.plan(), metadata=(("x-request-id", "call-8"),))
    refusal = await words.refusal(call)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "MODEL_OUTPUT_INVALID")
    assert "launch_outcome" in refusal.message
    assert "call-8" in refusal.message
    assert ADDRESS not in refusal.message


async def test_what_the_model_server_said_is_in_the_log(running, words, logged):
    running.backend.failing["audience_retrieval"] = GONE
    await running.launch.PlanLaunch(words.plan(), metadata=(("x-request-id", "call-9"),))
    (failed,) = [line for line in logged() if line["event"] == "model_failed"]
    assert (failed["model"], failed["kind"], failed["call_id"]) == ("audience_retrieval", "unavailable", "call-9")
    assert ADDRESS in failed["error"]


@pytest.mark.parametrize("model", ["product_encoder_int8", "launch_outcome"])
async def test_the_deadline_reaches_the_models(model, running, words):
    running.backend.blocking.add(model)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.launch.PlanLaunch(words.plan(), timeout=2)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: model in running.backend.cancelled)


async def test_an_unexpected_failure_says_no_more_than_a_call_id(running, words):
    running.backend.failing["launch_outcome"] = ZeroDivisionError("secret detail")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.launch.PlanLaunch(words.plan(), metadata=(("x-request-id", "call-7"),))
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "call-7" in caught.value.details()
    assert "secret" not in caught.value.details()


async def test_a_call_without_deadline_gets_the_default_one(releases, words):
    async with connected(releases, default_deadline_ms=1_500) as gateway:
        gateway.backend.blocking.add("launch_outcome")
        refusal = await words.refusal(gateway.launch.PlanLaunch(words.plan()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert gateway.backend.cancelled == ["launch_outcome"]


@pytest.mark.parametrize("timeout", [None, 3_000])
async def test_no_call_takes_longer_than_the_longest_deadline(timeout, releases, words):
    async with connected(releases, max_deadline_ms=1_500) as gateway:
        gateway.backend.blocking.add("launch_outcome")
        async with asyncio.timeout(60):
            refusal = await words.refusal(gateway.launch.PlanLaunch(words.plan(), timeout=timeout))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert "the gateway's limit of 1500 ms (max_deadline_ms) passed" in refusal.message
    assert gateway.backend.cancelled == ["launch_outcome"]


async def test_a_deadline_below_the_margin_is_refused_at_once(releases, words):
    async with connected(releases, deadline_margin_ms=5_000) as gateway:
        refusal = await words.refusal(gateway.launch.PlanLaunch(words.plan(), timeout=3))
    assert refusal.reason == "DEADLINE_EXCEEDED"
    assert not gateway.backend.calls


async def test_a_server_that_falls_silent_ends_waiting_calls(releases, words):
    async with connected(releases, probe_interval_ms=60_000) as gateway:
        backend, probe = gateway.backend, gateway.server.monitor.probe
        backend.blocking.add("launch_outcome")
        waiting = asyncio.ensure_future(gateway.launch.PlanLaunch(words.plan(), timeout=60))
        await asyncio.wait_for(backend.entered.wait(), 10)

        async def silent(*_):
            raise BackendTimeoutError("late")

        backend.ready = silent
        await probe()
        assert not waiting.done()
        await probe()
        refusal = await words.refusal(waiting)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
        assert backend.cancelled == ["launch_outcome"]
        calls = len(backend.calls)
        assert (await words.refusal(gateway.launch.PlanLaunch(words.plan()))).reason == "MODEL_UNAVAILABLE"
        assert len(backend.calls) == calls, "refused at once, without asking a silent server"
        del backend.ready
        backend.blocking.clear()
        await probe()
        assert (await gateway.launch.PlanLaunch(words.plan())).plans


async def test_a_cancelled_call_cancels_downstream(running, words):
    running.backend.blocking.add("launch_outcome")
    call = running.launch.PlanLaunch(words.plan(), timeout=30)
    await asyncio.wait_for(running.backend.entered.wait(), 10)
    call.cancel()
    await until(lambda: running.backend.cancelled == ["launch_outcome"])
    await until(lambda: running.server.interceptor.in_flight == 0)


async def test_a_model_that_fails_cancels_no_other(running, words):
    """Triton before 25.04 can die where a request is cancelled at the moment of its answer."""
    running.backend.delays["audience_retrieval"] = 0.3
    running.backend.failing["launch_outcome"] = BackendUnavailableError("launch_outcome: UNAVAILABLE: is not ready")
    with pytest.raises(grpc.aio.AioRpcError, match="launch_outcome"):
        await running.launch.PlanLaunch(words.plan(), timeout=10)
    assert running.backend.count("audience_retrieval") == 1
    assert running.backend.cancelled == []


async def test_a_silent_model_delays_no_failure_for_long(running, words):
    running.backend.blocking.add("audience_retrieval")
    running.backend.failing["launch_outcome"] = BackendUnavailableError("launch_outcome: UNAVAILABLE: is not ready")
    async with asyncio.timeout(10):  # an optional part may otherwise take half of the time
        refusal = await words.refusal(running.launch.PlanLaunch(words.plan(), timeout=60))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
    assert running.backend.cancelled == ["audience_retrieval"]


async def test_more_calls_than_permits_are_refused_and_counted(releases, words):
    async with connected(releases, max_in_flight=1) as gateway:
        gateway.backend.blocking.add("product_encoder_int8")
        before, plan = metrics.refused_permits._value.get(), gateway.launch.PlanLaunch
        first = plan(words.plan(), timeout=30)
        await asyncio.wait_for(gateway.backend.entered.wait(), 10)
        refusal = await words.refusal(plan(words.plan(max_plans=2), timeout=30))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert refusal.retry is not None
        invalid = await words.refusal(plan(launch_pb2.PlanLaunchRequest()))
        assert invalid.reason == "FIELD_REQUIRED", "validation comes before admission"
        first.cancel()
        gateway.backend.blocking.clear()
        await until(lambda: gateway.server.interceptor.in_flight == 0)
        assert (await plan(words.plan())).plans
        assert metrics.refused_permits._value.get() == before + 1


async def test_draining_refuses_new_calls_and_lets_running_ones_finish(releases, words):
    async with connected(releases) as gateway:
        server, backend, gate = gateway.server, gateway.backend, asyncio.Event()
        real = backend._models["launch_outcome"]
        original = backend.infer

        async def slow(model, *rest):
            if model == "launch_outcome":
                backend.entered.set()
                await gate.wait()
            return await original(model, *rest)

        backend.infer = slow
        running = asyncio.ensure_future(gateway.launch.PlanLaunch(words.plan(), timeout=30))
        await asyncio.wait_for(backend.entered.wait(), 10)
        drain = asyncio.create_task(server.drain())
        await until(lambda: server.interceptor.draining)
        refusal = await words.refusal(gateway.launch.PlanLaunch(words.plan()))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
        state = await gateway.health.Check(health_pb2.HealthCheckRequest())
        assert state.status == health_pb2.HealthCheckResponse.NOT_SERVING
        gate.set()
        assert (await running).plans
        await drain
        assert real is backend._models["launch_outcome"]


async def test_repeated_requests_get_the_same_plan(running, words):
    request = words.plan(request_id="order-1")
    first = await running.launch.PlanLaunch(request)
    calls = len(running.backend.calls)
    assert await running.launch.PlanLaunch(request) == first
    assert len(running.backend.calls) == calls
    refusal = await words.refusal(running.launch.PlanLaunch(words.plan(request_id="order-1", max_plans=2)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_degraded_answer_is_not_kept(running, words):
    request = words.plan(request_id="order-3")
    running.backend.failing["audience_retrieval"] = GONE
    first = await running.launch.PlanLaunch(request)
    assert first.info.degraded
    running.backend.failing.clear()
    second = await running.launch.PlanLaunch(request)
    assert second.audience
    assert not second.info.degraded
    assert first.plan_id == second.plan_id


async def test_concurrent_repeats_get_the_same_id(running, words):
    request = words.plan(request_id="order-2")
    one, two = await asyncio.gather(running.launch.PlanLaunch(request), running.launch.PlanLaunch(request))
    assert one.plan_id == two.plan_id
    assert one.plans == two.plans
    assert running.backend.count("launch_outcome") == 1, "the second waits for the first"


async def test_an_id_that_is_being_answered_is_taken(running, words):
    running.backend.blocking.add("launch_outcome")
    first = running.launch.PlanLaunch(words.plan(request_id="order-4"), timeout=30)
    await asyncio.wait_for(running.backend.entered.wait(), 10)
    refusal = await words.refusal(running.launch.PlanLaunch(words.plan(request_id="order-4", max_plans=2)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    waiting = running.launch.PlanLaunch(words.plan(request_id="order-4"), timeout=30)
    await until(lambda: running.server.interceptor.in_flight == 2)
    running.backend.blocking.clear()
    first.cancel()
    assert (await waiting).plans, "where the first one ends without an answer, the next one gives it"
    assert running.backend.count("launch_outcome") == 2
    other = await running.launch.PlanLaunch(words.plan(request_id="order-5", max_plans=2))
    assert len(other.plans) == 2


async def test_a_product_is_encoded_once_for_several_questions(releases, words):
    async with connected(releases, encoder_cache_entries=2) as gateway:
        stub, backend = gateway.launch, gateway.backend
        product = words.product(category_path=["Tortilla chips"])
        evaluate = words.evaluate()
        evaluate.product.CopyFrom(product)
        first = await stub.PlanLaunch(words.plan(product=product))
        second = await stub.EvaluatePlan(evaluate)
        assert backend.count("product_encoder_int8") == 1
        cached = [t.cached for r in (first, second) for t in r.info.timings if t.stage == "product_encoder"]
        assert cached == [False, True]
        await stub.PlanLaunch(words.plan(model_release=2, product=product))
        dearer = words.product(category_path=["Tortilla chips"], list_price=words.money(3.29))
        await stub.PlanLaunch(words.plan(product=dearer))
        assert backend.count("product_encoder_int8") == 3, "another release or another price is another encoding"
        await stub.PlanLaunch(words.plan(product=product))
        assert backend.count("product_encoder_int8") == 4, "only two are kept"


UNSERVED = {
    "PlanCalendar": (launch_pb2_grpc.LaunchServiceStub, launch_pb2.PlanCalendarRequest),
    "CompareModelReleases": (releases_pb2_grpc.ModelReleaseServiceStub, releases_pb2.CompareModelReleasesRequest),
}


@pytest.mark.parametrize("method", UNSERVED)
async def test_calls_of_later_versions_are_unimplemented(method, running, words):
    stub, message = UNSERVED[method]
    refusal = await words.refusal(getattr(stub(running.channel), method)(message()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED")
    assert method in refusal.message


async def test_streams_of_later_versions_are_unimplemented(running, words):
    inference = service_pb2_grpc.GRPCInferenceServiceStub(running.channel)
    call = inference.ModelStreamInfer(iter([service_pb2.ModelInferRequest()]))
    assert (await words.refusal(call.read())).reason == "NOT_IMPLEMENTED"


async def test_logs_hold_no_user_ids(running, words, logged):
    def calls():
        return [line for line in logged() if line["event"] == "call"]

    await running.recommend.RecommendProducts(R.RecommendProductsRequest(user_id="H00003"))
    await words.refusal(running.recommend.GetUserProfile(R.GetUserProfileRequest(user_id="ann@example.com")))
    await words.refusal(running.recommend.GetUserProfile(R.GetUserProfileRequest(user_id="stranger-9")))
    await running.launch.PlanLaunch(words.plan(), metadata=(("x-request-id", "trace-42"),))
    await until(lambda: len(calls()) >= 4)
    text = json.dumps(logged(), ensure_ascii=False)
    for secret in ("H00003", "ann@example.com", "stranger-9", "Honey lime"):
        assert secret not in text
    first, personal, stranger, planned, *_ = calls()
    assert first["user"] != stranger["user"]
    assert personal["reason"] == "USER_ID_PERSONAL"
    assert planned["call_id"] == "trace-42"
    assert planned["stages"]["launch_outcome"] > 0


async def test_no_release_yet_is_unavailable(tmp_path: Path, words):
    (tmp_path / "releases").mkdir()
    async with connected(tmp_path / "releases") as gateway:
        refusal = await words.refusal(gateway.launch.PlanLaunch(words.plan()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")


async def two_at_once(running, words, request, first) -> list:
    """Two equal calls; `first` answers the first call of its model once both are under way."""
    model, answer = first
    original, came = running.backend.infer, []

    async def held(name, *rest):
        if name != model or came:
            return await original(name, *rest)
        came.append(name)
        await until(lambda: running.server.interceptor.in_flight == 2)
        return await answer(original(name, *rest))

    running.backend.infer = held
    try:
        calls = [running.launch.PlanLaunch(request, timeout=30) for _ in range(2)]
        return await asyncio.gather(*calls, return_exceptions=True)
    finally:
        del running.backend.infer


async def as_it_is(answer):
    return await answer


async def gone(answer):
    answer.close()
    raise GONE


async def test_a_refusal_by_content_is_shared_by_equal_plans_under_way(running, words):
    limits = launch_pb2.PlanConstraints(min_gross_margin=0.9, promotion_budget=words.money(1))
    request = words.plan(product=words.product(unit_cost=words.money(2.9)), constraints=limits)
    both = await two_at_once(running, words, request, ("launch_outcome", as_it_is))
    assert [error.code() for error in both] == [grpc.StatusCode.FAILED_PRECONDITION] * 2
    assert both[0].details() == both[1].details()
    assert running.backend.count("launch_outcome") == 1


async def test_a_failure_that_passes_is_not_shared(running, words):
    both = await two_at_once(running, words, words.plan(), ("launch_outcome", gone))
    (failed,) = [one for one in both if isinstance(one, grpc.aio.AioRpcError)]
    assert failed.code() == grpc.StatusCode.UNAVAILABLE
    (plan,) = [one for one in both if one is not failed]
    assert plan.plans
    assert running.backend.count("launch_outcome") == 1, "the other one's, which went alone"


async def test_a_degraded_answer_is_not_shared(running, words):
    both = await two_at_once(running, words, words.plan(), ("audience_retrieval", gone))
    assert sorted(plan.info.degraded for plan in both) == [False, True]
    assert sorted(bool(plan.audience) for plan in both) == [False, True]
    assert running.backend.count("launch_outcome") == 2
