"""A tiny model repository and a real Triton that serves it, once for all tests of this folder."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tritonclient.grpc as triton_grpc
from onnx import TensorProto, helper, numpy_helper

from onshelf_local_triton import LocalTriton, state
from onshelf_local_triton.environment import install

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-triton"

# What production writes: TensorRT for GPUs, no kind of instance group, dynamic batching, warm-up, two versions kept.
PRODUCTION = """
backend: "onnxruntime"
max_batch_size: 16
dynamic_batching { max_queue_delay_microseconds: 20000 }
instance_group { count: 1 }
version_policy { latest { num_versions: 2 } }
optimization {
  execution_accelerators {
    gpu_execution_accelerator {
      name: "tensorrt"
      parameters { key: "precision_mode" value: "FP32" }
      parameters { key: "trt_engine_cache_enable" value: "true" }
    }
  }
}
"""

LINEAR = (
    PRODUCTION
    + """
input { name: "x" data_type: TYPE_FP32 dims: 4 }
output { name: "y" data_type: TYPE_FP32 dims: 3 }
parameters { key: "intra_op_thread_count" value { string_value: "2" } }
model_warmup {
  name: "four rows"
  batch_size: 4
  inputs { key: "x" value { data_type: TYPE_FP32 dims: 4 random_data: true } }
}
"""
)

# Token ids of any length: the weights of their mean, and the ids themselves, gathered out of a table of 10 rows.
LOOKUP = (
    PRODUCTION.replace("count: 1", "count: 2")
    + """
input { name: "ids" data_type: TYPE_INT64 dims: -1 }
input { name: "weights" data_type: TYPE_FP32 dims: -1 }
output { name: "rows" data_type: TYPE_FP32 dims: [ -1, 2 ] }
output { name: "sum" data_type: TYPE_FP32 dims: 2 }
output { name: "ids_out" data_type: TYPE_INT64 dims: -1 }
"""
)


def write_model(folder: Path, graph: onnx.GraphProto, config: str, versions: tuple[int, ...] = (1,)) -> None:
    """Write config.pbtxt and the same graph as each of `versions`, with IR 10 and opset 20 as production has them."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(config, encoding="utf-8")
    for version in versions:
        (folder / str(version)).mkdir(exist_ok=True)
        onnx.save(model, folder / str(version) / "model.onnx")


def linear_graph(factor: float = 1.0) -> onnx.GraphProto:
    """y [batch, 3] = x [batch, 4] times a fixed matrix times `factor`."""
    matrix = (np.arange(12, dtype=np.float32).reshape(4, 3) - 5) * np.float32(factor)
    return helper.make_graph(
        [helper.make_node("MatMul", ["x", "matrix"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(matrix, "matrix")],
    )


def lookup_graph() -> onnx.GraphProto:
    """Rows of a table by id, and their weighted sum; an id beyond the table fails when it is computed."""
    table = np.linspace(-1, 1, 20, dtype=np.float32).reshape(10, 2)
    return helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"], axis=0),
            helper.make_node("Unsqueeze", ["weights", "one"], ["row"]),
            helper.make_node("MatMul", ["row", "rows"], ["product"]),
            helper.make_node("Squeeze", ["product", "one"], ["sum"]),
            helper.make_node("Identity", ["ids"], ["ids_out"]),
        ],
        "lookup",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["batch", "length"]),
        ],
        [
            helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", "length", 2]),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info("ids_out", TensorProto.INT64, ["batch", "length"]),
        ],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1], dtype=np.int64), "one")],
    )


@pytest.fixture(scope="session")
def venv() -> Path:
    """The local Triton's environment; at once when it is there."""
    return install(VENV).root


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model repository that `triton` serves."""
    root = tmp_path_factory.mktemp("repository")
    write_model(root / "linear", linear_graph(), LINEAR, versions=(1,))
    write_model(root / "linear", linear_graph(factor=2), LINEAR, versions=(2,))
    write_model(root / "linear", linear_graph(factor=3), LINEAR, versions=(3,))
    write_model(root / "lookup", lookup_graph(), LOOKUP)
    return root


@pytest.fixture(scope="session")
def triton(repository: Path, venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTriton]:
    """A running Triton; tests leave it running with the repository's models loaded."""
    with LocalTriton(repository, tmp_path_factory.mktemp("run"), venv=venv) as server:
        yield server


@pytest.fixture
def write_linear() -> Callable[..., Path]:
    """write_linear(root, name='linear', version=1, replace=('', '')) adds a version whose matrix is times `version`."""

    def write(root: Path, name: str = "linear", version: int = 1, replace: tuple[str, str] = ("", "")) -> Path:
        write_model(root / name, linear_graph(factor=version), LINEAR.replace(*replace), versions=(version,))
        return root

    return write


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., state.State]:
    """record(**fields): what a started server leaves in its run folder; what is not given is invented."""

    def invented(**fields: Any) -> state.State:
        ports = dict(zip(state.PORT_NAMES, (1, 2, 3), strict=True))
        given = {"server_id": "onshelf-x", "pid": os.getpid(), "repository": "/r", "log": str(tmp_path / "log")}
        return state.State(**{**given, **ports, **fields})

    return invented


@pytest.fixture
def inputs() -> Callable[[dict[str, np.ndarray]], list[triton_grpc.InferInput]]:
    """inputs({name: array}) -> tritonclient's inputs."""
    return request_inputs


@pytest.fixture
def infer(triton: LocalTriton) -> Callable[..., dict[str, np.ndarray]]:
    """infer(model, {input: array}, version='', outputs=None) -> {output: array}, over gRPC."""

    def one(
        model: str,
        arrays: dict[str, np.ndarray],
        version: str = "",
        outputs: list[str] | None = None,
    ) -> dict[str, np.ndarray]:
        return call(triton.grpc_url, model, arrays, version, outputs)

    return one


@pytest.fixture
def infer_at() -> Callable[..., dict[str, np.ndarray]]:
    """infer_at(url, model, {input: array}, version='') -> {output: array}, over gRPC."""
    return call


def call(
    url: str, model: str, arrays: dict[str, np.ndarray], version: str = "", outputs: list[str] | None = None
) -> dict[str, np.ndarray]:
    """Send one request and return the outputs as arrays."""
    requested = None if outputs is None else [triton_grpc.InferRequestedOutput(name) for name in outputs]
    with triton_grpc.InferenceServerClient(url) as client:
        result = client.infer(
            model, request_inputs(arrays), model_version=version, outputs=requested, client_timeout=30
        )
    return {output.name: result.as_numpy(output.name) for output in result.get_response().outputs}


def request_inputs(arrays: dict[str, np.ndarray]) -> list[triton_grpc.InferInput]:
    """Return the arrays as tritonclient's inputs."""
    types = {"float32": "FP32", "int64": "INT64"}
    made = []
    for name, array in arrays.items():
        one = triton_grpc.InferInput(name, list(array.shape), types[array.dtype.name])
        one.set_data_from_numpy(array)
        made.append(one)
    return made
