"""Triton's protocol at the gateway's port, spoken by Triton's own client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest
from gateways import Running, connected, until
from tritonclient.grpc import aio, model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from onshelf.v1 import launch_pb2
from onshelf_gateway.inference.backend import BackendUnavailableError
from onshelf_gateway.services.kserve.served import MODELS

Client, Stub = aio.InferenceServerClient, service_pb2_grpc.GRPCInferenceServiceStub
TITLE = "Honey lime tortilla chips, 12 oz"
PLAN_INPUTS = {"title": [[TITLE]], "category": [["Grocery > Bag snacks"]], "list_price": [[2.99]]}
DTYPES = {"list_price": np.float64, "unit_cost": np.float64, "max_candidates": np.int32, "count": np.int32}


@pytest.fixture
async def triton(running) -> AsyncIterator[Client]:
    async with aio.InferenceServerClient(running.server.address) as client:
        yield client


@asynccontextmanager
async def served(releases, **settings) -> AsyncIterator[tuple[Running, Client]]:
    """A gateway of its own and Triton's client of it."""
    async with connected(releases, **settings) as gateway, aio.InferenceServerClient(gateway.server.address) as client:
        yield gateway, client


async def embeddings(triton: Client, *texts: str) -> np.ndarray:
    return (await triton.infer("product_text", tensors({"text": [[text] for text in texts]}))).as_numpy("embedding")


@pytest.fixture
def stub(running) -> Stub:
    return service_pb2_grpc.GRPCInferenceServiceStub(running.channel)


def tensors(values: dict[str, list]) -> list[aio.InferInput]:
    made = []
    for name, value in values.items():
        array = np.array(value, dtype=DTYPES.get(name, object))
        made.append(aio.InferInput(name, array.shape, np_to_triton_dtype(array.dtype)))
        made[-1].set_data_from_numpy(array)
    return made


async def test_a_plan_is_that_of_plan_launch(triton: Client, running, words) -> None:
    result = await triton.infer("launch_plan", tensors(PLAN_INPUTS), request_id="7")
    answer = launch_pb2.PlanLaunchResponse.FromString(result.as_numpy("response")[0, 0])
    best = answer.plans[0]
    assert result.get_response().id == "7"
    assert result.get_response().model_version == "3"
    assert result.as_numpy("launch_date")[0, 0].decode() == best.action.launch_date
    channels = result.as_numpy("channels")[0, 0].decode()
    assert channels == ",".join(use.channel_id for use in best.action.channels)
    assert result.as_numpy("stock_units").tolist() == [[best.stock.units]]
    assert result.as_numpy("units")[0, 0] == best.forecasts[-1].units.mean
    low, middle, high = result.as_numpy("units_quantiles")[0]
    assert low <= middle <= high
    typed = await running.launch.PlanLaunch(words.plan())
    assert typed.plans[0].action == best.action
    assert typed.plans[0].objective_value == pytest.approx(best.objective_value)


async def test_the_audience_is_found_only_for_the_whole_response(triton: Client, running) -> None:
    outputs = [aio.InferRequestedOutput(name) for name in ("summary", "units")]
    part = await triton.infer("launch_plan", tensors(PLAN_INPUTS), outputs=outputs)
    assert running.backend.count("audience_retrieval") == 0
    whole = await triton.infer("launch_plan", tensors(PLAN_INPUTS))
    assert running.backend.count("audience_retrieval") == 1
    assert part.as_numpy("units") == whole.as_numpy("units")
    assert launch_pb2.PlanLaunchResponse.FromString(whole.as_numpy("response")[0, 0]).audience


async def test_the_index_lists_the_gateways_models_and_whether_they_answer(releases) -> None:
    async with served(releases) as (gateway, client):
        found = await client.get_model_repository_index()
        rows = sorted((model.name, model.version, model.state, model.reason) for model in found.models)
        assert rows == [(name, version, "READY", "") for name in sorted(MODELS) for version in ("2", "3")]
        gateway.backend.down = True
        await gateway.server.monitor.probe()
        found = await client.get_model_repository_index()
        assert {model.state for model in found.models} == {"UNAVAILABLE"}
        assert all(model.reason for model in found.models)


async def test_rows_of_a_batch_are_answered_one_by_one(triton: Client) -> None:
    rows = {"title": [[TITLE], ["Frozen peas, 16 oz"]], "max_candidates": [[50], [50]]}
    both = await triton.infer("launch_plan", tensors(rows))
    second = await triton.infer("launch_plan", tensors({name: value[1:] for name, value in rows.items()}))
    assert both.as_numpy("units").shape == (2, 1)
    assert both.as_numpy("units")[1] == second.as_numpy("units")[0]
    assert both.as_numpy("launch_date")[1] == second.as_numpy("launch_date")[0]


ROWS = {"title": [[f"{TITLE} {n}"] for n in range(16)], "max_candidates": [[50]] * 16}


@pytest.mark.parametrize("permits", [1, 3, 64])
async def test_rows_of_a_batch_take_turns_where_permits_are_few(releases, triton, permits: int) -> None:
    async with served(releases, max_in_flight=permits) as (gateway, client):
        original, at_once = gateway.backend.infer, [0]

        async def counted(model, *rest):
            if model != "launch_outcome":
                return await original(model, *rest)
            at_once.append(at_once[-1] + 1)
            try:
                await asyncio.sleep(0)
                return await original(model, *rest)
            finally:
                at_once.append(at_once[-1] - 1)

        gateway.backend.infer = counted
        few = await client.infer("launch_plan", tensors(ROWS), client_timeout=60)
        many = await triton.infer("launch_plan", tensors(ROWS), client_timeout=60)
        assert few.as_numpy("units").tolist() == many.as_numpy("units").tolist()
        assert gateway.backend.count("launch_outcome") == 16
        assert max(at_once) <= permits
        assert gateway.server.gateway.permits._free == permits


async def test_a_row_that_fails_cancels_no_other(triton: Client, running) -> None:
    """Triton before 25.04 can die where a request is cancelled at the moment of its answer."""
    running.backend.delays["audience_retrieval"] = 0.2
    running.backend.failing["launch_outcome"] = BackendUnavailableError("launch_outcome: UNAVAILABLE: is not ready")
    with pytest.raises(InferenceServerException, match="launch_outcome"):
        await triton.infer("launch_plan", tensors(ROWS))
    assert running.backend.count("audience_retrieval") == len(ROWS["title"])
    assert running.backend.cancelled == []


async def test_no_row_begins_after_one_has_failed(releases) -> None:
    rows = ROWS | {"list_price": [[2.99]] * 2 + [[-1.0]] + [[2.99]] * 13}
    async with served(releases, max_in_flight=1) as (gateway, client):
        with pytest.raises(InferenceServerException, match="list_price"):
            await client.infer("launch_plan", tensors(rows))
        assert gateway.backend.count("launch_outcome") == 2


async def test_a_batch_is_refused_where_no_permit_is_free(releases, words) -> None:
    async with served(releases, max_in_flight=1) as (gateway, client):
        gateway.backend.blocking.add("launch_outcome")
        first = gateway.launch.PlanLaunch(words.plan(), timeout=30)
        await asyncio.wait_for(gateway.backend.entered.wait(), 10)
        with pytest.raises(InferenceServerException, match="as many as --max-in-flight allows"):
            await client.infer("launch_plan", tensors(ROWS))
        first.cancel()


async def test_rows_that_wait_end_at_the_deadline_and_leave_no_permit_behind(releases) -> None:
    async with served(releases, max_in_flight=3, default_deadline_ms=500) as (gateway, client):
        gateway.backend.blocking.add("launch_outcome")
        with pytest.raises(InferenceServerException, match="passed before the answer was ready"):
            await client.infer("launch_plan", tensors(ROWS))
        assert gateway.backend.count("launch_outcome") <= 3
        assert gateway.server.gateway.permits._free == 3
        gateway.backend.blocking.clear()
        answer = await client.infer("launch_plan", tensors(ROWS), client_timeout=60)
        assert answer.as_numpy("units").shape == (16, 1)


async def test_short_and_long_texts_share_a_batch_of_an_encoder_that_computes_no_padding(
    triton: Client, running
) -> None:
    texts = [" ".join(["oats"] * (2 + 9 * (n % 3)) + [str(n)]) for n in range(9)]
    alone = [await embeddings(triton, text) for text in texts]
    widths = {shapes["input_ids"][1] for name, _, shapes in running.backend.calls if name == "product_encoder_int8"}
    assert len(widths) > 1
    running.backend.calls.clear()
    assert np.allclose(await embeddings(triton, *texts), np.concatenate(alone))
    assert running.backend.count("product_encoder_int8") == 1


async def test_an_audience_has_as_many_users_as_asked_for(triton: Client) -> None:
    result = await triton.infer("audience", tensors({"title": [TITLE], "count": [5]}))
    assert result.as_numpy("user_ids").shape == (5,)
    scores = result.as_numpy("scores")
    assert (np.diff(scores) <= 0).all()
    assert scores.dtype == np.float32


async def test_texts_of_many_callers_share_batches(triton: Client, running) -> None:
    texts = [f"oats {n}" for n in range(12)]
    alone = [await embeddings(triton, text) for text in texts]
    running.backend.calls.clear()
    running.backend.delay = 0.5
    together = await asyncio.gather(*(embeddings(triton, text) for text in texts))
    assert np.allclose(np.concatenate(alone), np.concatenate(together))
    sizes = [shapes["input_ids"][0] for name, _, shapes in running.backend.calls if name == "product_encoder_int8"]
    assert sum(sizes) == len(texts)
    assert max(sizes) >= 4  # two leave at once, the others wait for them together
    running.backend.calls.clear()
    assert np.allclose(await embeddings(triton, *texts), np.concatenate(alone))
    assert running.backend.count("product_encoder_int8") == 1


async def test_a_text_that_the_encoder_answers_with_nonsense_fails_its_own_caller_alone(triton, running) -> None:
    original, gate = running.backend.infer, asyncio.Event()

    async def nonsense(model, version, inputs, *rest):
        await gate.wait()
        outputs = await original(model, version, inputs, *rest)
        if len(inputs["input_ids"]) > 1:  # whoever is the last of those that go together
            outputs["embedding"][-1] = np.nan
        return outputs

    running.backend.infer = nonsense
    try:
        texts = [f"rye {n}" for n in range(8)]
        calls = [asyncio.create_task(embeddings(triton, text)) for text in texts]
        await until(lambda: running.server.interceptor.in_flight >= len(texts))
        gate.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        del running.backend.infer
    failed = [one for one in found if isinstance(one, Exception)]
    assert len(failed) == 1
    assert "embedding must hold finite numbers" in str(failed[0])


@pytest.mark.parametrize("name", MODELS)
async def test_metadata_and_configuration_agree(triton: Client, name: str) -> None:
    """perf_analyzer reads both."""
    metadata = await triton.get_model_metadata(name)
    config = (await triton.get_model_config(name)).config
    assert [tensor.name for tensor in metadata.inputs] == [tensor.name for tensor in config.input]
    assert [tensor.name for tensor in metadata.outputs] == [tensor.name for tensor in config.output]
    assert [v for v in metadata.versions if not v.isdecimal()] == []
    assert config.platform != "ensemble"
    for told, configured in zip([*metadata.inputs, *metadata.outputs], [*config.input, *config.output], strict=True):
        kind = model_config_pb2.DataType.Name(configured.data_type).removeprefix("TYPE_")
        assert told.datatype == {"STRING": "BYTES"}.get(kind, kind)
        assert list(told.shape) == ([-1] if config.max_batch_size else []) + list(configured.dims)


async def test_statistics_grow_and_those_of_triton_pass_through(triton: Client, running) -> None:
    async def counted(name: str) -> service_pb2.ModelStatistics:
        return (await triton.get_inference_statistics(name)).model_stats[0]

    before = await counted("launch_plan")
    await triton.infer("launch_plan", tensors(PLAN_INPUTS))
    with pytest.raises(Exception, match="title"):
        await triton.infer("launch_plan", tensors({"title": [[""]]}))
    after = await counted("launch_plan")
    assert after.inference_count - before.inference_count == 1
    assert after.inference_stats.queue.count - before.inference_stats.queue.count == 1
    assert after.inference_stats.fail.count - before.inference_stats.fail.count == 1
    spent = after.inference_stats
    parts = spent.queue.ns + spent.compute_input.ns + spent.compute_infer.ns + spent.compute_output.ns
    assert parts == pytest.approx(spent.success.ns, rel=0.01)
    assert (await counted("launch_outcome")).inference_count == running.backend.count("launch_outcome")
    assert (await triton.get_model_config("launch_outcome")).config.name == "launch_outcome"
    everything = (await triton.get_inference_statistics()).model_stats
    assert {"launch_plan", "product_text", "launch_outcome", "product_encoder_int8"} <= {row.name for row in everything}


async def test_readiness_follows_health(triton: Client, running) -> None:
    assert await triton.is_server_live()
    assert await triton.is_server_ready()
    assert await triton.is_model_ready("launch_plan", "3")
    assert "statistics" in (await triton.get_server_metadata()).extensions
    for ready in (False, True):
        running.backend.down = not ready
        async with asyncio.timeout(10):
            while await triton.is_server_ready() is not ready:
                await asyncio.sleep(0.02)
        assert await triton.is_server_live()


def raw(*texts: bytes) -> bytes:
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def request(model: str = "product_text", **tensor: object) -> service_pb2.ModelInferRequest:
    given = {"name": "text", "datatype": "BYTES", "shape": [1, 1], **tensor}
    content = given.pop("raw", raw(b"oats"))
    made = service_pb2.ModelInferRequest(model_name=model)
    made.inputs.add(**given)
    if content is not None:
        made.raw_input_contents.append(content)
    return made


BAD = {
    "unknown tensor": (request(name="txt"), "TENSOR_INVALID", "unknown; the inputs are text"),
    "type": (request(datatype="FP32"), "TENSOR_INVALID", "has type 'FP32'; must be BYTES"),
    "shape": (request(shape=[1]), "TENSOR_INVALID", "has shape [1]; must be [batch, 1]"),
    "batch": (request(shape=[65, 1]), "TENSOR_INVALID", "has a batch of 65; must be 1 to 64"),
    "negative": (request(shape=[-1, 1]), "TENSOR_INVALID", "has a batch of -1"),
    "fewer texts": (request(shape=[2, 1]), "TENSOR_INVALID", "has 1 elements for shape [2, 1]"),
    "cut off": (request(raw=b"\x09\x00\x00\x00oats"), "TENSOR_INVALID", "9 bytes announced, 4 left"),
    "utf-8": (request(raw=raw(b"\xff\xfe")), "TEXT_INVALID", "is not UTF-8"),
    "empty": (request(raw=raw(b"")), "FIELD_REQUIRED", "inputs.text: is empty and required"),
    "no content": (request(raw=None), "TENSOR_INVALID", "has 0 elements"),
    "missing": (service_pb2.ModelInferRequest(model_name="product_text"), "TENSOR_INVALID", "inputs.text: is missing"),
    "composing": (request(model="launch_outcome"), "MODEL_NOT_FOUND", "is no model of the gateway: launch_plan"),
    "bad price": (
        request("launch_plan", name="list_price", datatype="FP64", raw=np.array([2.0, 3.0]).tobytes()),
        "TENSOR_INVALID",
        "has 16 bytes for 1 elements of FP64",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_request_is_told_which_tensor_and_why(stub: Stub, words, name: str) -> None:
    bad, reason, why = BAD[name]
    refusal = await words.refusal(stub.ModelInfer(bad))
    assert refusal.reason == reason
    assert why in refusal.message


async def test_unknown_versions_outputs_and_infinite_prices_are_refused(stub: Stub, triton: Client, words) -> None:
    wrong = request()
    wrong.outputs.add(name="vector")
    assert "is no output of product_text: embedding" in (await words.refusal(stub.ModelInfer(wrong))).message
    other = request()
    other.model_version = "latest"
    refusal = await words.refusal(stub.ModelInfer(other))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    other.model_version = "99"
    assert (await words.refusal(stub.ModelInfer(other))).reason == "MODEL_RELEASE_NOT_FOUND"
    with pytest.raises(Exception, match="inf is no amount"):
        await triton.infer("launch_plan", tensors(PLAN_INPUTS | {"list_price": [[float("inf")]]}))
    asked = service_pb2.ModelMetadataRequest(name="resnet50")
    assert (await words.refusal(stub.ModelMetadata(asked))).reason == "MODEL_NOT_FOUND"


async def test_typed_contents_are_read_too(stub: Stub) -> None:
    typed = request(raw=None)
    typed.inputs[0].contents.bytes_contents.append(b"oats")
    first, second = await stub.ModelInfer(typed), await stub.ModelInfer(request())
    assert first.raw_output_contents == second.raw_output_contents


async def test_an_output_is_sent_once_and_amounts_have_a_limit(stub: Stub, triton: Client, words) -> None:
    twice = request()
    for _ in range(2):
        twice.outputs.add(name="embedding")
    assert "name one of them twice" in (await words.refusal(stub.ModelInfer(twice))).message
    for amount in (1e19, 1e300, -1e19):
        with pytest.raises(Exception, match="is no amount of at most 1,000,000"):
            await triton.infer("launch_plan", tensors(PLAN_INPUTS | {"list_price": [[amount]]}))
    long = request()
    long.model_version = "1" * 5000
    assert (await words.refusal(stub.ModelInfer(long))).reason == "MODEL_NOT_FOUND"
    many = request(raw=raw(*[b""] * 100_000))
    assert "has more than the 1 elements" in (await words.refusal(stub.ModelInfer(many))).message
