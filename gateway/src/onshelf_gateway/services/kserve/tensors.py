"""Tensors of Triton's protocol to and from numpy arrays; every refusal names the tensor, what it has and the rule."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from onshelf_gateway.call.errors import refuse
from onshelf_gateway.requests.checks import shown

Array = NDArray[Any]
NUMBERS: dict[str, type[np.generic]] = {
    "BOOL": np.bool_,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP32": np.float32,
    "FP64": np.float64,
}
TYPED = {
    "BOOL": "bool_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
MAX_ELEMENTS = 65_536


@dataclass(frozen=True)
class Spec:
    """One tensor of a model without its batch dimension; -1 is any length. `optional`: it may be left out."""

    name: str
    datatype: str
    dims: tuple[int, ...]
    optional: bool = False


def read(request: service_pb2.ModelInferRequest, specs: tuple[Spec, ...], most: int) -> tuple[dict[str, Array], int]:
    """The inputs of a request and its number of rows.

    Args:
        request: with raw or typed contents.
        specs: inputs of the model.
        most: largest batch; 0: the tensors have no batch dimension, and the request is one row.

    Returns:
        Arrays by name, [rows, *dims] each (texts as objects of str), and the number of rows.

    Raises:
        GatewayError: TENSOR_INVALID.
    """
    known = {spec.name: spec for spec in specs}
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise _refused("raw_input_contents", f"has {len(raw)} buffers for {len(request.inputs)} inputs; send one each")
    arrays: dict[str, Array] = {}
    for place, tensor in enumerate(request.inputs):
        spec = known.get(tensor.name)
        if spec is None or tensor.name in arrays:
            why = "comes twice" if spec is not None else f"is unknown; the inputs are {', '.join(known)}"
            raise _refused(f"inputs[{place}]", f"{shown(tensor.name)} {why}")
        arrays[spec.name] = _array(tensor, raw[place] if raw else None, spec, most)
    missing = [spec.name for spec in specs if not spec.optional and spec.name not in arrays]
    if missing:
        raise _refused(f"inputs.{missing[0]}", f"is missing and required; given are {', '.join(arrays) or 'none'}")
    rows = {len(array) for array in arrays.values()}
    if len(rows) != 1:
        lengths = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise _refused("inputs", f"differ in their batch dimension: {lengths}")
    return arrays, rows.pop()


def _array(tensor: service_pb2.ModelInferRequest.InferInputTensor, raw: bytes | None, spec: Spec, most: int) -> Array:
    field = f"inputs.{spec.name}"
    if tensor.datatype != spec.datatype:
        raise _refused(field, f"has type {shown(tensor.datatype)}; must be {spec.datatype}")
    shape = list(tensor.shape)
    rows, dims = (shape[:1], shape[1:]) if most else ([1], shape)
    if len(dims) != len(spec.dims) or any(
        have != want for have, want in zip(dims, spec.dims, strict=True) if want >= 0
    ):
        batch = ["batch"] if most else []
        raise _refused(field, f"has shape {shape}; must be {[*batch, *spec.dims]}".replace("'", ""))
    if most and not 1 <= rows[0] <= most:
        raise _refused(field, f"has a batch of {rows[0]}; must be 1 to {most}")
    count = math.prod([*rows, *dims])
    if min(dims, default=1) < 0 or count > MAX_ELEMENTS:
        raise _refused(field, f"has shape {shape}; at most {MAX_ELEMENTS:,} elements")
    if raw is None and len(getattr(tensor.contents, TYPED[spec.datatype])) != count:
        given = len(getattr(tensor.contents, TYPED[spec.datatype]))
        raise _refused(field, f"has {given} elements for shape {shape}")
    values = _from_typed(tensor, spec, field) if raw is None else _from_raw(raw, spec, field, count)
    if len(values) != count:
        raise _refused(field, f"has {len(values)} elements for shape {shape}")
    return values.reshape([*rows, *dims])


def _from_raw(raw: bytes, spec: Spec, field: str, count: int) -> Array:
    if spec.datatype == "BYTES":
        return np.array(_texts(raw, field, count), dtype=object)
    dtype = np.dtype(NUMBERS[spec.datatype])
    if len(raw) != count * dtype.itemsize:
        raise _refused(field, f"has {len(raw)} bytes for {count} elements of {spec.datatype}")
    return np.frombuffer(raw, dtype=dtype)


def _from_typed(tensor: service_pb2.ModelInferRequest.InferInputTensor, spec: Spec, field: str) -> Array:
    values = getattr(tensor.contents, TYPED[spec.datatype])
    if spec.datatype == "BYTES":
        return np.array([_text(value, field) for value in values], dtype=object)
    return np.array(values, dtype=NUMBERS[spec.datatype])


def _texts(raw: bytes, field: str, count: int) -> list[str]:
    """Texts, each behind its length as a little-endian uint32."""
    texts: list[str] = []
    at = 0
    while at < len(raw):
        if len(texts) == count:
            raise _refused(field, f"has more than the {count} elements of its shape")
        size = int.from_bytes(raw[at : at + 4], "little")
        at += 4
        if at + size > len(raw):
            raise _refused(field, f"ends within an element: {size} bytes announced, {max(len(raw) - at, 0)} left")
        texts.append(_text(raw[at : at + size], field))
        at += size
    return texts


def _text(value: bytes, field: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse("TEXT_INVALID", field, f"is not UTF-8: {error.reason} at byte {error.start}") from error


def write(
    response: service_pb2.ModelInferResponse, specs: tuple[Spec, ...], arrays: Mapping[str, Array], batched: bool
) -> None:
    """Put outputs [rows, *dims] into a response as raw contents, in the order of `specs`."""
    for spec in specs:
        array = arrays[spec.name] if batched else arrays[spec.name][0]
        response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        if spec.datatype == "BYTES":
            parts = [value if isinstance(value, bytes) else str(value).encode() for value in array.reshape(-1).tolist()]
            raw = b"".join(len(part).to_bytes(4, "little") + part for part in parts)
        else:
            raw = np.ascontiguousarray(array, dtype=NUMBERS[spec.datatype]).tobytes()
        response.raw_output_contents.append(raw)


def _refused(field: str, message: str) -> Exception:
    return refuse("TENSOR_INVALID", field, message)
