"""A traced call says what each model spent on waiting and computing; others do not ask for it."""

from datetime import timedelta

from onshelf_gateway.inference.backend import BackendUnavailableError, ModelTimes

TRACED = (("x-onshelf-trace", "1"),)
PARTS = ("queue", "compute")


def stages(response) -> dict[str, object]:
    return {timing.stage: timing for timing in response.info.timings}


async def test_a_traced_call_has_the_parts_of_every_model(running, words):
    product = words.product(title="Chips that only this trace reads")
    seen = stages(await running.launch.PlanLaunch(words.plan(product=product), metadata=TRACED))
    for model in ("product_encoder", "launch_outcome", "audience_retrieval", "launch_retrieval"):
        assert {f"{model}.{part}" for part in PARTS} <= set(seen)
    queue, compute = seen["launch_outcome.queue"], seen["launch_outcome.compute"]
    assert queue.duration.ToTimedelta() == timedelta(milliseconds=1)
    assert compute.duration.ToTimedelta() == timedelta(milliseconds=2)
    assert compute.start.ToTimedelta() - queue.start.ToTimedelta() == timedelta(milliseconds=1)
    assert queue.start == seen["launch_outcome"].start
    assert compute.items == 1  # alone in its batch


async def test_other_calls_have_no_parts(running, words):
    assert not [name for name in stages(await running.launch.PlanLaunch(words.plan())) if "." in name]


async def test_a_server_that_keeps_its_counts_to_itself_spoils_no_plan(running, words, monkeypatch):
    async def times(model: str, version: int, timeout: float) -> None:
        raise BackendUnavailableError(model)

    monkeypatch.setattr(running.backend, "times", times)
    response = await running.launch.PlanLaunch(words.plan(), metadata=TRACED)
    assert response.plans
    assert not response.info.degraded
    assert not [name for name in stages(response) if "." in name]


async def test_a_server_that_counts_late_is_asked_again(running, words, monkeypatch):
    counted, asked = running.backend.times, {}

    async def times(model: str, version: int, timeout: float) -> ModelTimes:
        asked[model] = asked.get(model, 0) + 1
        if asked[model] < 4:  # before the request, and twice after its answer
            return ModelTimes(0, 0, 0, 0)
        return await counted(model, version, timeout)

    monkeypatch.setattr(running.backend, "times", times)
    product = words.product(title="Chips that are counted late")
    seen = stages(await running.launch.PlanLaunch(words.plan(product=product), metadata=TRACED))
    assert {f"launch_outcome.{part}" for part in PARTS} <= set(seen)
    assert asked["launch_outcome"] == 4
