"""Health learns from calls: a model that fails all its calls is not served, whatever the model server says."""

import asyncio

import grpc
import pytest
from gateways import connected, until

from onshelf.v1 import recommendation_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.inference.backend import BackendAnswerError, BackendTimeoutError, BackendUnavailableError
from onshelf_gateway.inference.trials import ENOUGH, Trials
from onshelf_gateway.services.health import CATALOG, LAUNCH, RECOMMENDATION
from onshelf_gateway.testing import write_fake_release

R = recommendation_pb2
STUB = BackendUnavailableError("INTERNAL: Stub process 'launch_outcome_0_0' is not healthy.")
NONSENSE = BackendAnswerError("INVALID_ARGUMENT: CUDA failure 719")


@pytest.fixture
async def own(releases, words):
    """A gateway that has planned once, and answers PlanLaunch with its status code."""
    async with connected(releases, encoder_cache_entries=0) as gateway:

        async def plan(**fields):
            return await gateway.launch.PlanLaunch(words.plan(**fields)).code()

        assert await plan() == grpc.StatusCode.OK
        yield gateway.server, gateway.backend, plan, gateway.launch


@pytest.mark.parametrize("model", ["product_encoder_int8", "launch_outcome"])
@pytest.mark.parametrize("error", [STUB, NONSENSE])
async def test_a_model_that_fails_all_calls_is_not_served_until_it_answers(own, model, error, words):
    server, backend, plan, stub = own
    backend.failing[model] = error
    backend.praised.add(model)
    first = await plan()
    assert first == (grpc.StatusCode.UNAVAILABLE if error is STUB else grpc.StatusCode.INTERNAL)
    await until(lambda: not server.health.serving(LAUNCH), "one failed call is enough to ask again")
    assert not server.health.serving("")
    assert server.health.serving(RECOMMENDATION)
    refusal = await words.refusal(stub.PlanLaunch(words.plan()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
    assert refusal.message == f"model {model} is not being served; retry later"
    assert refusal.retry is not None
    del backend.failing[model]
    await until(lambda: server.health.serving(LAUNCH), "no caller is needed for the recovery")
    assert await plan() == grpc.StatusCode.OK


async def test_the_catalog_has_a_health_of_its_own(own):
    server, backend, plan, _ = own
    assert server.health.serving(CATALOG)
    backend.failing["product_neighbours"] = STUB
    await server.monitor.probe()
    assert not server.health.serving(CATALOG)
    assert server.health.serving(LAUNCH)
    assert server.health.serving("")
    assert await plan() == grpc.StatusCode.OK
    del backend.failing["product_neighbours"]
    await server.monitor.probe()
    assert server.health.serving(CATALOG)
    del server.releases.serving.manifest.models["product_fit"]  # as of a release from before the catalog
    await server.monitor.probe()
    assert not server.health.serving(CATALOG)


async def test_an_input_that_a_model_refuses_is_no_illness(own):
    server, backend, plan, _ = own
    infer, refused = backend.infer, asyncio.Event()

    async def picky(model, version, inputs, outputs, timeout):
        if model == "launch_outcome" and inputs["candidates"].shape[1] == 64:
            refused.set()
            raise NONSENSE
        return await infer(model, version, inputs, outputs, timeout)

    backend.infer = picky
    for _ in range(2 * ENOUGH):
        assert await plan(max_candidates=20) == grpc.StatusCode.INTERNAL
        await server.models.trials.settled()
        assert server.health.serving(LAUNCH), "what was answered before still is"
    assert refused.is_set()


async def test_answers_without_finite_numbers_are_failures_too(own):
    server, backend, plan, _ = own
    infer = backend.infer

    async def nonsense(model, *rest):
        answer = await infer(model, *rest)
        return answer | {"units_mean": answer["units_mean"] * float("nan")} if model == "launch_outcome" else answer

    backend.infer = nonsense
    assert await plan() == grpc.StatusCode.INTERNAL
    await until(lambda: not server.health.serving(LAUNCH), "nonsense")
    assert await plan() == grpc.StatusCode.UNAVAILABLE
    backend.infer = infer
    await until(lambda: server.health.serving(LAUNCH), "sense")


async def test_a_model_that_only_degrades_answers_leaves_health_alone(own, words):
    server, backend, _, stub = own
    backend.failing["audience_retrieval"] = NONSENSE
    backend.praised.add("audience_retrieval")
    for _ in range(ENOUGH):
        assert (await stub.PlanLaunch(words.plan())).info.degraded
    await until(
        lambda: server.models.trials.failing("audience_retrieval", server.releases.serving.fingerprint), "the count"
    )
    await server.monitor.probe()
    assert server.health.serving("")


async def test_an_older_release_takes_over_from_one_whose_model_fails(tmp_path, words):
    root = tmp_path / "releases"
    for version in (1, 2):
        write_fake_release(root, version)
    async with connected(root) as gateway:
        server, backend, stub = gateway.server, gateway.backend, gateway.launch
        infer = backend.infer

        async def only_the_first(model, version, *rest):
            if model == "launch_outcome" and version == 2:
                raise NONSENSE
            return await infer(model, version, *rest)

        assert (await stub.PlanLaunch(words.plan())).info.model_release.version == 2
        backend.infer = only_the_first
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.PlanLaunch(words.plan())
        await until(lambda: server.releases.serving.version == 1, "the older one")
        assert server.health.serving(LAUNCH)
        assert (await stub.PlanLaunch(words.plan())).info.model_release.version == 1
        backend.infer = infer
        await until(lambda: server.releases.serving.version == 2, "the newer one again")


async def test_recommendations_have_their_own_models(releases):
    async with connected(releases) as gateway:
        server, backend = gateway.server, gateway.backend
        backend.failing["user_encoder"] = STUB  # before it ever answered: what failed is asked again
        backend.praised.add("user_encoder")
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.recommend.RecommendProducts(R.RecommendProductsRequest(user_id="H00003"))
        await until(lambda: not server.health.serving(RECOMMENDATION), "the failure")
        assert server.health.serving(LAUNCH)
        backend.failing.clear()
        await until(lambda: server.health.serving(RECOMMENDATION), "the recovery")


@pytest.fixture
async def tried():
    found = Trials(1_000, 0.01)
    yield found
    await found.close()


def call():
    return Call(call_id="test", deadline=asyncio.get_running_loop().time() + 10, caller_deadline=True)


async def test_a_deadline_that_was_short_is_not_held_against_the_model(tried):
    async def late(_):
        raise BackendTimeoutError("no time left")

    for _ in range(2 * ENOUGH):
        with pytest.raises(BackendTimeoutError):
            await tried.run("model", "a", call(), late)
    await tried.settled()
    assert not tried.failing("model", "a")


async def test_a_model_that_hangs_is_not_served():
    tried, hangs = Trials(1_000, 0.01, hang=0.02), True

    async def ask(_):
        if hangs:
            await asyncio.sleep(0.03)
            raise BackendTimeoutError("no answer")
        return 7

    changes = []
    tried.changed = lambda: changes.append(tried.failing("model", "a"))
    with pytest.raises(BackendTimeoutError):
        await tried.run("model", "a", call(), ask)
    await until(lambda: changes == [True], "enough trials hang")
    hangs = False
    await until(lambda: changes == [True, False], "one answers")


async def test_calls_that_end_late_say_nothing_of_a_model_that_has_answered_since(tried):
    ended = asyncio.Event()

    async def waits(_):
        await ended.wait()
        raise STUB

    async def answers(_):
        return 7

    waiting = [asyncio.create_task(tried.run("model", "a", call(), waits)) for _ in range(2 * ENOUGH)]
    await asyncio.sleep(0.01)
    assert await tried.run("model", "a", call(), answers) == 7
    ended.set()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(error) for error in failed} == {BackendUnavailableError}
    assert not tried.failing("model", "a")


async def test_a_model_that_fails_when_its_release_is_gone_is_not_tried(tried):
    asked = 0

    async def ask(_):
        nonlocal asked
        asked += 1
        tried.keep({"b"})
        raise STUB

    with pytest.raises(BackendUnavailableError):
        await tried.run("model", "a", call(), ask)
    await asyncio.sleep(0.1)
    assert asked == 1


async def test_nothing_is_asked_while_the_server_is_away(tried):
    asked = 0

    async def ask(_):
        nonlocal asked
        asked += 1
        raise STUB

    tried.paused = True
    with pytest.raises(BackendUnavailableError):
        await tried.run("model", "a", call(), ask)
    await asyncio.sleep(0.1)
    assert asked == 1
    tried.paused = False
    await until(lambda: tried.failing("model", "a"), "it is tried again")
    tried.keep({"b"})
    assert not tried.failing("model", "a"), "its release is gone"
