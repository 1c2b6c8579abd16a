"""What the real server answers from configurations as production has them, compared with ONNX Runtime here."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from onshelf_local_triton import LocalTriton, processes

Infer = Callable[..., dict[str, np.ndarray]]
Inputs = Callable[[dict[str, np.ndarray]], list[triton_grpc.InferInput]]


def in_process(repository: Path, model: str, version: int, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    path = repository / model / str(version) / "model.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, arrays), strict=True))


def lookup(batch: int, length: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(batch * 100 + length)
    weights = random.normal(size=(batch, length)).astype(np.float32)
    return {"ids": random.integers(0, 10, (batch, length)), "weights": weights}


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_answers_equal_those_of_onnxruntime(infer: Infer, repository: Path, batch: int) -> None:
    arrays = {"x": np.random.default_rng(batch).normal(size=(batch, 4)).astype(np.float32)}
    answer = infer("linear", arrays)
    np.testing.assert_allclose(answer["y"], in_process(repository, "linear", 3, arrays)["y"], rtol=1e-6)


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (2, 7), (4, 33)])
def test_open_axes_and_several_outputs(infer: Infer, repository: Path, batch: int, length: int) -> None:
    arrays = lookup(batch, length)
    answer, expected = infer("lookup", arrays), in_process(repository, "lookup", 1, arrays)
    assert set(answer) == {"rows", "sum", "ids_out"}
    for name, array in expected.items():
        assert answer[name].dtype == array.dtype
        np.testing.assert_allclose(answer[name], array, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(answer["ids_out"], arrays["ids"])


def test_only_requested_outputs_come(infer: Infer) -> None:
    assert set(infer("lookup", lookup(1, 3), outputs=["sum"])) == {"sum"}


def test_the_last_two_versions_are_served_by_number(infer: Infer) -> None:
    arrays = {"x": np.ones((1, 4), dtype=np.float32)}
    latest = infer("linear", arrays)["y"]
    np.testing.assert_allclose(infer("linear", arrays, version="3")["y"], latest)
    np.testing.assert_allclose(infer("linear", arrays, version="2")["y"], latest * 2 / 3, rtol=1e-6)
    with pytest.raises(InferenceServerException, match="version 1 is not found"):
        infer("linear", arrays, version="1")


def counts(triton: LocalTriton, model: str) -> tuple[int, int]:
    """Inferences (rows) and executions of the latest version."""
    with triton_grpc.InferenceServerClient(triton.grpc_url) as client:
        latest = client.get_inference_statistics(model).model_stats[-1]
    return latest.inference_count, latest.execution_count


async def test_concurrent_requests_share_an_execution(triton: LocalTriton, repository: Path, inputs: Inputs) -> None:
    batches = [{"x": np.full((1, 4), number, dtype=np.float32)} for number in range(64)]
    inferences, executions = counts(triton, "linear")
    async with triton_aio.InferenceServerClient(triton.grpc_url) as client:
        answers = await asyncio.gather(*(client.infer("linear", inputs(batch)) for batch in batches))
    done, ran = (
        after - before for after, before in zip(counts(triton, "linear"), (inferences, executions), strict=True)
    )
    assert done == 64
    assert ran < 64
    expected = in_process(repository, "linear", 3, {"x": np.concatenate([batch["x"] for batch in batches])})["y"]
    np.testing.assert_allclose(np.concatenate([answer.as_numpy("y") for answer in answers]), expected, rtol=1e-5)


async def test_a_failing_request_leaves_the_rest_of_its_batch_unharmed(triton: LocalTriton, inputs: Inputs) -> None:
    batches = [lookup(1, 5) for _ in range(16)]
    batches[7]["ids"][0, 2] = 99  # beyond the table of 10 rows: fails in the graph
    async with triton_aio.InferenceServerClient(triton.grpc_url) as client:
        answers = await asyncio.gather(
            *(client.infer("lookup", inputs(batch)) for batch in batches), return_exceptions=True
        )
    failed = [number for number, answer in enumerate(answers) if isinstance(answer, BaseException)]
    assert failed == [7]
    error = answers[7]
    assert isinstance(error, InferenceServerException)
    assert error.status() == "StatusCode.INVALID_ARGUMENT"
    assert "lookup version 1" in error.message()
    assert "idx=99" in error.message()
    for number in set(range(16)) - {7}:
        np.testing.assert_array_equal(answers[number].as_numpy("ids_out"), batches[number]["ids"])


WRONG = {
    "shape": ("linear", {"x": np.ones((2, 5), np.float32)}, r"unexpected shape for input 'x'"),
    "type": (
        "linear",
        {"x": np.ones((2, 4), np.int64)},
        r"'x' data-type is 'INT64', but model 'linear' expects 'FP32'",
    ),
    "batch too large": ("linear", {"x": np.ones((17, 4), np.float32)}, r"batch-size must be <= 16"),
    "missing": ("lookup", {"ids": np.ones((1, 2), np.int64)}, r"expected 2 inputs but got 1"),
    "lengths": (
        "lookup",
        {"ids": np.ones((1, 2), np.int64), "weights": np.ones((1, 3), np.float32)},
        r"lookup version 1: .*MatMul",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_refused_with_the_reason(infer: Infer, name: str) -> None:
    model, arrays, message = WRONG[name]
    with pytest.raises(InferenceServerException, match=message):
        infer(model, arrays)


def test_each_instance_is_a_process_and_says_that_tensorrt_is_not_used(triton: LocalTriton) -> None:
    state = triton.state
    assert state is not None
    found = sorted((one.model, one.version) for one in processes.model_processes(state.pid))
    assert found == [("linear", "2"), ("linear", "3"), ("lookup", "1"), ("lookup", "1")]
    lines = [line for line in Path(state.log).read_text().splitlines() if "TensorRT provider is configured" in line]
    assert len([line for line in lines if "linear version" in line and "2 thread(s)" in line]) == 2
    assert len([line for line in lines if "lookup version 1" in line and "1 thread(s)" in line]) == 2


def test_metrics_are_served(triton: LocalTriton, infer: Infer) -> None:
    infer("linear", {"x": np.ones((1, 4), np.float32)})
    with urlopen(triton.metrics_url) as answer:
        assert 'nv_inference_request_success{model="linear",version="3"}' in answer.read().decode()
