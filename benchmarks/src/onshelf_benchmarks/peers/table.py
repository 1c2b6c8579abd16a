"""The peers, one row each: how to start it, how to ask it for one text, how to read its answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from google.protobuf.wrappers_pb2 import BytesValue, StringValue
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from onshelf_benchmarks.record import ROOT

Vector = NDArray[np.float32]
SERVERS = ROOT / "benchmarks/peers/servers"  # what runs in the peers' own environments
REQUIREMENTS = ROOT / "benchmarks/peers/requirements"
KSERVE = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True)
class Wire:
    """How one text travels: by HTTP to a path, or by gRPC to a method."""

    protocol: Literal["http", "grpc"]
    path: str
    encode: Callable[[str], bytes]
    decode: Callable[[bytes], Vector]


@dataclass(frozen=True)
class Peer:
    """A way to serve the model, in an environment of its own."""

    script: str  # below SERVERS
    wire: Wire


def _json(key: str, many: bool = False) -> Callable[[str], bytes]:
    return lambda text: json.dumps({key: [text] if many else text}).encode()


def _vector(value: object) -> Vector:
    return np.asarray(value, dtype=np.float32).reshape(-1)


def _kserve(text: str) -> bytes:
    """KServe's ModelInfer with one text: `text` BYTES [1, 1] in, `embedding` FP32 [1, 128] out."""
    content = text.encode()
    request = service_pb2.ModelInferRequest(model_name="product_text")
    request.inputs.add(name="text", datatype="BYTES", shape=[1, 1])
    request.outputs.add(name="embedding")
    request.raw_input_contents.append(len(content).to_bytes(4, "little") + content)
    return bytes(request.SerializeToString())


GATEWAY = Wire(
    "grpc",
    KSERVE,
    _kserve,
    lambda answer: np.frombuffer(service_pb2.ModelInferResponse.FromString(answer).raw_output_contents[0], np.float32),
)
_EMBED = Wire("http", "/embed", _json("text"), lambda answer: _vector(json.loads(answer)["embedding"]))
_ONNX = Wire(
    "grpc",
    "/peers.Embedder/Embed",
    lambda text: StringValue(value=text).SerializeToString(),
    lambda answer: np.frombuffer(BytesValue.FromString(answer).value, dtype=np.float32),
)
_BENTO = Wire("http", "/embed", _json("texts", many=True), lambda answer: _vector(json.loads(answer)))

PEERS = {
    "onnx_grpc": Peer("onnx_grpc.py", _ONNX),  # ONNX Runtime in grpc.aio
    "fastapi_torch": Peer("fastapi_torch.py", _EMBED),
    "sentence_transformers": Peer("fastapi_sentence.py", _EMBED),  # behind FastAPI
    "litserve": Peer("lit.py", _EMBED),
    "bentoml": Peer("bento.py", _BENTO),
}
WIRES = {"gateway": GATEWAY} | {name: peer.wire for name, peer in PEERS.items()}
