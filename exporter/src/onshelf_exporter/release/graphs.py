"""PyTorch modules to ONNX graphs: export, int8, comparison with PyTorch on real rows."""

import contextlib
import gc
import io
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from onshelf_exporter.models.launch_outcome import OutcomeGraph
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.release import rounding
from onshelf_exporter.training.calibration import distribution_at
from onshelf_release.signatures import BY_DATA, SIGNATURES, Signature

OPSET = 18
MAX_IR, MAX_OPSET = 10, 20
TOLERANCES = {"product_encoder": 2e-4, "product_encoder_fp32": 2e-4, "user_encoder": 1e-4, "launch_outcome": 2e-3}
DEFAULT_TOLERANCE = 1e-3
# Trees and neighbourhoods compare floats: by rounding a row may fall on the other side of a threshold, in one tree of
# many, or a product out of a neighbourhood (of an audience 1 row in 200). Rows that PyTorch answers so, too, when its
# numbers move by rounding (see `rounding`) do not count. Of others, few may lie above the tolerance, and none far
# above. A row of user_encoder is a whole history, every product of which walks all trees.
STRAYS = {  # share of rows (rounded up), and the most that one may differ
    "launch_outcome": (0.01, 2e-2),
    "user_encoder": (0.05, 5e-2),
    "product_retrieval": (0.05, 5e-2),
    "product_neighbours": (0.05, 5e-2),
    "product_fit": (0.05, 5e-2),
    "audience_retrieval": (0.05, 5e-2),
}
# What an output differs by counts less where float32 keeps few digits: a variance sums squares of counts far out, and a
# median lies anywhere on a flat stretch of its distribution.
DIGITS = {"units_dispersion": 0.1, "buyers_median": 0.4}
INT8_COSINE = 0.95  # lowest cosine of an int8 embedding to the fp32 one that an export accepts
Arrays = dict[str, NDArray[Any]]


def export_graph(name: str, module: nn.Module, example: Arrays, path: Path, signature: Signature | None = None) -> None:
    """Write one module as ONNX with dynamic batch and sequence axes; `signature` is that of the model `name`, or given.

    Raises ExporterError above the allowed IR or opset."""
    signature = signature or SIGNATURES[name]
    names = [tensor.name for tensor in signature.inputs]
    shared: dict[str, Any] = {"batch": torch.export.Dim("batch", min=1, max=4096)}
    shapes = []
    for tensor in signature.inputs:
        axes: dict[int, Any] = {0: shared["batch"]}
        for axis, dim in enumerate(tensor.dims, start=1):
            if isinstance(dim, str):
                axes[axis] = shared.setdefault(dim, torch.export.Dim(dim, min=1, max=8192))
        shapes.append(axes)
    rows = np.arange(max(2, len(example[names[0]]))) % len(example[names[0]])  # an axis of one would be fixed at one
    arguments = tuple(torch.from_numpy(np.ascontiguousarray(example[n][rows])) for n in names)
    onnx_log = logging.getLogger("torch.onnx")
    level = onnx_log.level
    onnx_log.setLevel(logging.ERROR)
    gc.disable()  # millions of small objects that live to the end: a twelfth of the time goes into looking for garbage
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # the exporter warns about its own internals
            program = torch.onnx.export(
                module,
                arguments,
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=names,
                output_names=[f"output_{tensor.name}" for tensor in signature.outputs],
                dynamic_shapes=tuple(shapes),
                verbose=False,
            )
    finally:
        gc.enable()
        onnx_log.setLevel(level)
    assert program is not None
    model = program.model_proto
    for tensor in signature.outputs:
        # a value inside the graph may already have the output's name
        _rename(model, tensor.name, f"{tensor.name}_inner")
        _rename(model, f"output_{tensor.name}", tensor.name)
    free_widths(signature, model)
    check_axes(name, signature, model)
    del model.graph.value_info[:]  # runtimes infer shapes themselves; stale ones break quantisation
    onnx.checker.check_model(model)
    check_limits(name, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, str(path))


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    graph = model.graph
    for node in graph.node:
        node.input[:] = [new if value == old else value for value in node.input]
        node.output[:] = [new if value == old else value for value in node.output]
    for value in (*graph.output, *graph.value_info):
        if value.name == old:
            value.name = new
    for constant in graph.initializer:
        if constant.name == old:
            constant.name = new


def free_widths(signature: Signature, model: onnx.ModelProto) -> None:
    """Make widths that depend on the data symbolic in the graph's outputs, as the configuration in git says -1 for
    them.

    ONNX Runtime infers shapes and would find the constant again; a Reshape to (batch of the input, -1) hides it.
    """
    graph = model.graph
    first = graph.input[0]
    outputs = {output.name: output for output in graph.output}
    for tensor in signature.outputs:
        if not any(dim in BY_DATA for dim in tensor.dims):
            continue
        inner = f"{tensor.name}_fixed"
        for node in graph.node:
            node.output[:] = [inner if output == tensor.name else output for output in node.output]
            node.input[:] = [inner if value == tensor.name else value for value in node.input]
        minus, batch, shape = f"{inner}_minus", f"{inner}_batch", f"{inner}_shape"
        graph.initializer.append(helper.make_tensor(minus, TensorProto.INT64, [1], [-1]))
        graph.node.append(helper.make_node("Shape", [first.name], [batch], name=f"{inner}_Shape", start=0, end=1))
        graph.node.append(helper.make_node("Concat", [batch, minus], [shape], name=f"{inner}_Concat", axis=0))
        graph.node.append(helper.make_node("Reshape", [inner, shape], [tensor.name], name=f"{inner}_Reshape"))
        dim = next(d for d in tensor.dims if d in BY_DATA)
        outputs[tensor.name].type.tensor_type.shape.dim[1].Clear()
        outputs[tensor.name].type.tensor_type.shape.dim[1].dim_param = f"{tensor.name}_{dim}"


def check_axes(name: str, signature: Signature, model: onnx.ModelProto) -> None:
    """Raise ExporterError where an axis of an input that varies by the signature has one length in the graph."""
    inputs = {given.name: given.type.tensor_type.shape.dim for given in model.graph.input}
    for tensor in signature.inputs:
        varying = [0, *(axis for axis, dim in enumerate(tensor.dims, start=1) if isinstance(dim, str))]
        for axis in varying:
            length = inputs[tensor.name][axis]
            if length.HasField("dim_value"):
                raise ExporterError(
                    f"{name}: axis {axis} of input {tensor.name} has become {length.dim_value} in the graph and must "
                    "take any length"
                )


def check_limits(name: str, model: onnx.ModelProto) -> None:
    """Raise ExporterError where a graph's IR or opset is above what the pinned Triton release reads."""
    opset = default_opset(model)
    if model.ir_version > MAX_IR or opset > MAX_OPSET:
        raise ExporterError(
            f"{name}: IR {model.ir_version}, opset {opset}; at most IR {MAX_IR} and opset {MAX_OPSET} are served"
        )


def default_opset(model: onnx.ModelProto) -> int:
    """Opset of the default domain."""
    return max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def quantise(source: Path, target: Path) -> None:
    """Dynamic int8 of the matrix products, per channel."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = target.with_suffix(".prepared.onnx")
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        optimised = onnx.load(str(prepared))
        del optimised.graph.value_info[:]
        onnx.save_model(optimised, str(prepared))
        quantize_dynamic(
            str(prepared), str(target), weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul"]
        )
    finally:
        logging.root.setLevel(level)
        prepared.unlink(missing_ok=True)
    check_limits(target.stem, onnx.load(str(target)))


def quantise_words(source: Path, target: Path) -> None:
    """Store the largest table that is looked up, the word embeddings, as int8 with one scale; all else stays as it is.

    Raises ExporterError where the graph looks nothing up.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(str(source)).graph
    sizes = {constant.name: math.prod(constant.dims) for constant in graph.initializer}
    lookups = [node for node in graph.node if node.op_type == "Gather" and node.input[0] in sizes]
    if not lookups:
        raise ExporterError(f"{source.name}: looks nothing up, so there are no word embeddings to store as int8")
    words = max(lookups, key=lambda node: sizes[node.input[0]]).input[0]
    named = [node.name for node in lookups if node.input[0] == words]
    quantize_dynamic(
        str(source),
        str(target),
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Gather"],
        nodes_to_quantize=named,
    )
    check_limits(target.stem, onnx.load(str(target)))


def session(path: Path, threads: int = 2) -> onnxruntime.InferenceSession:
    """A CPU session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_graph(running: onnxruntime.InferenceSession, inputs: Arrays) -> Arrays:
    """Outputs by name."""
    names = [output.name for output in running.get_outputs()]
    wanted = {value.name for value in running.get_inputs()}
    return dict(zip(names, running.run(names, {k: v for k, v in inputs.items() if k in wanted}), strict=True))


def parity(name: str, module: nn.Module, path: Path, rows: Arrays) -> dict[str, Any]:
    """Compare ONNX with PyTorch on real rows. Rankings are compared by the score of each id, not by places.

    A row above the tolerance, which is relative to 1 + |value| (see `differences`), is compared again with all that
    PyTorch answers when numbers move by rounding (see `rounding`): a tie or an edge is no fault.

    Raises ExporterError above the tolerance and beyond STRAYS.
    """
    tolerance = TOLERANCES.get(name, DEFAULT_TOLERANCE)
    inputs = [torch.from_numpy(np.ascontiguousarray(rows[tensor.name])) for tensor in SIGNATURES[name].inputs]
    with torch.no_grad():
        said = module(*inputs)
    tensors = _named(name, said if isinstance(said, tuple) else (said,))
    got = run_graph(session(path), rows)
    for output, expected in tensors.items():
        if expected.shape != got[output].shape:
            raise ExporterError(f"{name}.{output}: ONNX gives shape {got[output].shape}, PyTorch {expected.shape}")
    support = module.outcome.get_buffer("support").numpy() if isinstance(module, OutcomeGraph) else np.zeros(0)
    worst = _worst(name, [tensors], got, rows, support)
    strange = np.flatnonzero(~(worst <= tolerance))
    if len(strange):
        few, asked = {key: value[strange] for key, value in got.items()}, torch.from_numpy(strange)
        moved = rounding.moved_answers(module, [value[asked] for value in inputs])
        runs = [{key: value[strange] for key, value in tensors.items()}, *(_named(name, answer) for answer in moved)]
        worst[strange] = _worst(name, runs, few, {key: value[strange] for key, value in rows.items()}, support)
    share, most = STRAYS.get(name, (0.0, tolerance))
    above = int((~(worst <= tolerance)).sum())
    if above > math.ceil(share * len(worst)) or not worst.max(initial=0.0) <= most:
        raise ExporterError(
            f"{name}: ONNX differs from PyTorch by up to {worst.max():.2e}, by more than {tolerance:.0e} in {above} of "
            f"{len(worst)} real rows"
        )
    return {
        "rows": len(worst),
        "max_abs_error": float(worst.max(initial=0.0)),
        "tolerance": tolerance,
        "rows_above_tolerance": above,
        "rows_at_an_edge": len(strange) - above,
        "relative_to": "1 + |value|",
    }


def _named(name: str, values: tuple[torch.Tensor, ...]) -> Arrays:
    return {t.name: value.numpy() for t, value in zip(SIGNATURES[name].outputs, values, strict=True)}


def _worst(name: str, runs: list[Arrays], got: Arrays, rows: Arrays, support: NDArray[Any]) -> NDArray[np.float64]:
    """The largest difference of each row to what any of `runs` answers or what lies between them."""
    rankings = rounding.RANKINGS.get(name, ())
    by_score = {ranking.scores for ranking in rankings}
    count = len(next(iter(got.values())))
    shared = rows["new_product_share"][:, 0] > 0 if "new_product_share" in rows else np.zeros(count, dtype=bool)
    # places that are shared out to new products do not follow scores
    parts = [
        rounding.ranked_difference(one, runs, got, ~shared if one.scores == "scores" else np.ones(count, dtype=bool))
        for one in rankings
    ]
    parts += [rounding.reasons_difference(one, runs, got) for one in rankings if one.reasons]
    for tensor in SIGNATURES[name].outputs:
        if tensor.name in rounding.EXACT:
            parts.append(rounding.exact_difference(tensor.name, runs, got))
        if tensor.dtype == "INT64" or tensor.name in by_score:
            continue
        values = np.stack([run[tensor.name] for run in runs])
        nearest = {**runs[0], tensor.name: np.clip(got[tensor.name], values.min(axis=0), values.max(axis=0))}
        found = differences(tensor.name, nearest if len(runs) > 1 else runs[0], got, support)
        parts.append(found.reshape(count, -1).max(axis=1, initial=0.0))
    worst: NDArray[np.float64] = np.max(parts, axis=0)
    return worst


def differences(output: str, want: Arrays, got: Arrays, support: NDArray[Any]) -> NDArray[np.float64]:
    """Differences relative to 1 + |value|, elementwise; two outputs are compared by what they say.

    A dispersion r says a standard deviation, the root of mean + mean^2 / r. A quantile says where the distribution
    reaches its level: where that is nearly flat, rounding moves it far, but not its probability by PyTorch's
    distribution; the smaller difference counts.
    """
    a, b = want[output].astype(np.float64), got[output].astype(np.float64)
    if output == "units_dispersion":
        mean = want["units_mean"].astype(np.float64)
        a, b = np.sqrt(mean + mean**2 / a), np.sqrt(mean + mean**2 / b)
    digits = DIGITS.get(output, 1.0)
    a, b = a * digits, b * digits
    found: NDArray[np.float64] = np.abs(a - b) / (1 + np.abs(a))
    if output == "units_quantiles":
        levels = a.shape[-1]
        distribution = np.repeat(
            want["units_distribution"].astype(np.float64).reshape(-1, len(support)), levels, axis=0
        )
        said = [distribution_at(distribution, support, value.ravel()).reshape(a.shape) for value in (a, b)]
        found = np.minimum(found, np.abs(said[0] - said[1]))
    return found


def int8_cosine(fp32: Path, int8: Path, rows: Arrays) -> dict[str, float]:
    """Cosine of int8 to fp32 embeddings on real rows; raises ExporterError below INT8_COSINE."""
    a, b = run_graph(session(fp32), rows)["embedding"], run_graph(session(int8), rows)["embedding"]
    cosine = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)
    result = {"cosine_min": float(cosine.min()), "cosine_mean": float(cosine.mean())}
    if result["cosine_min"] < INT8_COSINE:
        raise ExporterError(
            f"product_encoder_int8: cosine to fp32 {result['cosine_min']:.3f}; at least {INT8_COSINE} is required"
        )
    return result
