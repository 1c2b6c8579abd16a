"""Triton backend named `onnxruntime`, in Python, on ONNX Runtime's CPU provider.

Triton finds this file as `<backend directory>/onnxruntime/model.py` and uses it for every model whose config.pbtxt says
`backend: "onnxruntime"`. It stands in for the native backend of the Triton container, so that an unmodified model
repository is served on a CPU. It reads from a configuration what the native backend reads:

- `default_model_filename` (empty: `model.onnx`), the names, types and dims of `input` and `output`, `max_batch_size`;
- `parameters`: `intra_op_thread_count` (default here: 1 for each instance; 0: as many as there are cores),
  `inter_op_thread_count` (default 1), `execution_mode` (0 sequential, the default; 1 parallel), and one that only this
  backend knows, `session.intra_op.allow_spinning` (0, the default: threads sleep when they wait; 1: they spin for a
  while, which takes the cores from the models in the other processes);
- `optimization { graph { level } }`: -1 basic, 1 extended, 2 none; otherwise everything;
- `optimization { execution_accelerators }`: those for GPUs are named in the log and not used, those for CPUs refused.

Like the native backend it refuses a configuration that does not describe the graph: an axis that is fixed in the graph
must have that number in `dims`; an axis that is open in the graph may have any in an input and must be -1 in an output.

Instances (`instance_group`), dynamic batching, warm-up and versions are Triton's own work and need nothing here.
It runs in the environment of the local Triton (numpy 1) and imports nothing of Onshelf.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

PROVIDERS = ["CPUExecutionProvider"]
SPINNING = "session.intra_op.allow_spinning"

# Triton's type -> (the type as ONNX Runtime writes it, numpy's).
TYPES: dict[str, tuple[str, Any]] = {
    "TYPE_BOOL": ("tensor(bool)", np.bool_),
    "TYPE_INT8": ("tensor(int8)", np.int8),
    "TYPE_INT16": ("tensor(int16)", np.int16),
    "TYPE_INT32": ("tensor(int32)", np.int32),
    "TYPE_INT64": ("tensor(int64)", np.int64),
    "TYPE_UINT8": ("tensor(uint8)", np.uint8),
    "TYPE_UINT16": ("tensor(uint16)", np.uint16),
    "TYPE_UINT32": ("tensor(uint32)", np.uint32),
    "TYPE_UINT64": ("tensor(uint64)", np.uint64),
    "TYPE_FP16": ("tensor(float16)", np.float16),
    "TYPE_FP32": ("tensor(float)", np.float32),
    "TYPE_FP64": ("tensor(double)", np.float64),
}

GRAPH_LEVELS = {
    0: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}

Feeds = dict[str, Any]  # input name -> array
Member = tuple[int, Any, Feeds]  # position in the list that execute() got, request, its arrays


class RequestError(Exception):
    """A request that cannot be computed; the message is the client's answer."""


class TritonPythonModel:
    """One instance of one version of one model: one ONNX Runtime session in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the session; raises TritonModelException (the model then fails to load) with the reason."""
        if int(np.__version__.split(".")[0]) >= 2:
            raise pb_utils.TritonModelException(
                f"numpy {np.__version__} is installed in the local Triton's environment; this Triton needs numpy<2: "
                "with numpy 2 its Python backend answers with empty buffers and no error. "
                "Run `onshelf-local-triton install --force`."
            )
        config = json.loads(args["model_config"])
        self._label = f"{config['name']} version {args['model_version']}"
        filename = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"]) / args["model_version"] / filename
        if not path.is_file():
            raise pb_utils.TritonModelException(f"there is no {path}")
        try:
            options = _session_options(config)
            self._session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=PROVIDERS)
            if self._session.get_providers() != PROVIDERS:
                raise ValueError(
                    f"ONNX Runtime uses the providers {self._session.get_providers()}, asked for were {PROVIDERS}"
                )
            self._batching = int(config.get("max_batch_size", 0)) > 0
            self._inputs = _checked("input", config, self._session.get_inputs(), self._batching)
            self._outputs = _checked("output", config, self._session.get_outputs(), self._batching)
            unused = _gpu_accelerators(config)
        except Exception as error:  # whatever ONNX Runtime raises on a bad file; Triton reports this type readably
            raise pb_utils.TritonModelException(str(error)) from error
        self._optional = {entry["name"] for entry in config["input"] if entry.get("optional")}
        if unused:
            pb_utils.Logger.log_info(
                f"{self._label}: {', '.join(unused)} configured and not used here: this is the CPU provider with "
                f"{options.intra_op_num_threads} thread(s) in each instance"
            )

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer the requests that Triton batched: one run for all of equal shapes; an error goes to its own only."""
        responses: list[Any] = [None] * len(requests)
        groups: dict[Any, list[Member]] = {}
        for position, request in enumerate(requests):
            if request.is_cancelled():  # 0.03 ms a request: little beside any model worth cancelling
                responses[position] = _error("cancelled before it was computed", pb_utils.TritonError.CANCELLED)
                continue
            try:
                feeds = self._read(request)
            except RequestError as error:
                responses[position] = _error(f"{self._label}: {error}", pb_utils.TritonError.INVALID_ARG)
                continue
            key = tuple((name, array.shape[1:]) for name, array in feeds.items()) if self._batching else position
            groups.setdefault(key, []).append((position, request, feeds))
        for members in groups.values():
            self._answer(members, responses)
        return responses

    def finalize(self) -> None:
        """Free the session when the model is unloaded."""
        del self._session

    def _read(self, request: Any) -> Feeds:
        """Return the request's arrays, in the configuration's order (so that equal shapes give equal keys)."""
        given = {tensor.name(): tensor for tensor in request.inputs()}
        feeds: Feeds = {}
        for name, dtype in self._inputs.items():
            if name not in given:
                if name in self._optional:
                    continue
                raise RequestError(f"input '{name}' is missing")
            array = given[name].as_numpy()
            if array.dtype != dtype:
                raise RequestError(f"input '{name}' is {array.dtype}, the model wants {np.dtype(dtype)}")
            feeds[name] = array
        if self._batching and len({array.shape[0] for array in feeds.values()}) > 1:
            shapes = ", ".join(f"'{name}' {list(array.shape)}" for name, array in feeds.items())
            raise RequestError(f"the inputs differ in their batch dimension: {shapes}")
        return feeds

    def _answer(self, members: list[Member], responses: list[Any]) -> None:
        """Compute one group in one run; when it fails, each member alone, so that only the culprit gets the error."""
        wanted: set[str] = set()
        for _, request, _ in members:
            wanted.update(request.requested_output_names())
        names = [name for name in self._outputs if name in wanted]
        try:
            results = self._run(names, [feeds for _, _, feeds in members])
        except Exception as error:  # noqa: BLE001  (ONNX Runtime's errors share no narrower base class)
            if len(members) > 1:
                for member in members:
                    self._answer([member], responses)
            else:
                responses[members[0][0]] = _error(f"{self._label}: {error}", pb_utils.TritonError.INVALID_ARG)
            return
        for (position, request, _), arrays in zip(members, results, strict=True):
            asked = request.requested_output_names()
            tensors = [pb_utils.Tensor(name, array) for name, array in zip(names, arrays, strict=True) if name in asked]
            responses[position] = pb_utils.InferenceResponse(tensors)

    def _run(self, names: list[str], batch: list[Feeds]) -> list[list[Any]]:
        """Run the session once; returns for each request the arrays of `names`: views where computed together."""
        if len(batch) == 1:
            feeds = batch[0]
        else:
            feeds = {name: np.concatenate([one[name] for one in batch]) for name in batch[0]}
        outputs = self._session.run(names, feeds)
        for name, array in zip(names, outputs, strict=True):
            if array.dtype != self._outputs[name]:
                raise RequestError(
                    f"output '{name}' came as {array.dtype}, configured is {np.dtype(self._outputs[name])}"
                )
        if not self._batching:
            return [outputs]
        rows = [len(next(iter(one.values()))) for one in batch]
        for name, array in zip(names, outputs, strict=True):
            if array.shape[:1] != (sum(rows),):
                raise RequestError(
                    f"output '{name}' has shape {list(array.shape)} for {sum(rows)} rows: not a batched output"
                )
        ends = np.cumsum(rows)
        return [[array[end - n : end] for array in outputs] for n, end in zip(rows, ends, strict=True)]


def _error(message: str, code: Any) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))


def _session_options(config: dict[str, Any]) -> Any:
    """Read threads, execution mode and graph level; raises ValueError naming the parameter."""
    parameters = {key: value.get("string_value", "") for key, value in config.get("parameters", {}).items()}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = (
        4  # fatal only: errors are raised and answered, and a request's values stay out of logs
    )
    options.intra_op_num_threads = _count(parameters, "intra_op_thread_count")
    options.inter_op_num_threads = _count(parameters, "inter_op_thread_count")
    modes = {"0": onnxruntime.ExecutionMode.ORT_SEQUENTIAL, "1": onnxruntime.ExecutionMode.ORT_PARALLEL}
    mode = parameters.get("execution_mode", "0")
    if mode not in modes:
        raise ValueError(f"parameter 'execution_mode' is '{mode}': must be 0 (sequential) or 1 (parallel)")
    options.execution_mode = modes[mode]
    spinning = parameters.get(SPINNING, "0")
    if spinning not in ("0", "1"):
        raise ValueError(f"parameter '{SPINNING}' is '{spinning}': must be 0 (threads sleep) or 1 (they spin)")
    options.add_session_config_entry(SPINNING, spinning)
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    if level not in GRAPH_LEVELS:
        raise ValueError(f"optimization graph level is {level}: must be -1, 0, 1 or 2")
    options.graph_optimization_level = GRAPH_LEVELS[level]
    return options


def _count(parameters: dict[str, str], key: str) -> int:
    text = parameters.get(key, "1")
    if not (text.isascii() and text.isdigit()):
        raise ValueError(
            f"parameter '{key}' is '{text}': must be a whole number of threads, 0 for as many as there are cores"
        )
    return int(text)


def _gpu_accelerators(config: dict[str, Any]) -> list[str]:
    """Return the readable names of the configured GPU providers; raises ValueError on one for CPUs."""
    accelerators = config.get("optimization", {}).get("execution_accelerators", {})
    for accelerator in accelerators.get("cpu_execution_accelerator", []):
        raise ValueError(
            f"cpu_execution_accelerator '{accelerator['name']}' is configured and not available in the local Triton"
        )
    readable = {"tensorrt": "the TensorRT provider is", "cuda": "CUDA provider options are"}
    return [readable.get(a["name"], f"'{a['name']}' is") for a in accelerators.get("gpu_execution_accelerator", [])]


def _checked(side: str, config: dict[str, Any], graph: Sequence[Any], batching: bool) -> dict[str, Any]:
    """Compare the configured inputs or outputs with the graph's; returns name -> numpy type, in configured order."""
    nodes = {node.name: node for node in graph}
    checked: dict[str, Any] = {}
    for entry in config.get(side, []):
        name, triton_type = entry["name"], entry["data_type"]
        if name not in nodes:
            raise ValueError(f"{side} '{name}' of config.pbtxt is not in the graph, which has {sorted(nodes)}")
        if triton_type not in TYPES:
            raise ValueError(f"{side} '{name}' is {triton_type}, which the local Triton does not serve")
        onnx_type, dtype = TYPES[triton_type]
        node = nodes[name]
        if node.type != onnx_type:
            raise ValueError(f"{side} '{name}' is {triton_type} in config.pbtxt and {node.type} in the graph")
        dims = ([-1] if batching else []) + [int(dim) for dim in entry["dims"]]
        if not _fits(dims, node.shape, exact=side == "output"):
            raise ValueError(
                f"{side} '{name}' is {dims} by config.pbtxt (the batch first) and {node.shape} in the graph, which the "
                "native backend refuses too: a number in the graph must be that number in dims, and a name there is -1"
            )
        checked[name] = dtype
    if not checked:
        raise ValueError(f"config.pbtxt names no {side}")
    if side == "input" and set(checked) != set(nodes):
        raise ValueError(f"the graph's inputs {sorted(set(nodes) - set(checked))} are not in config.pbtxt")
    return checked


def _fits(dims: list[int], shape: Sequence[Any], *, exact: bool) -> bool:
    """Tell whether `dims` (-1: any) describe a graph's shape (a name or None: any); see the head of this file."""
    if len(dims) != len(shape):
        return False
    return all(
        dim == axis if isinstance(axis, int) else dim == -1 or not exact for dim, axis in zip(dims, shape, strict=True)
    )
