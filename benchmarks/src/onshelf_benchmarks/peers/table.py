"""The peers, one row each: how to start it, how to ask it for one text, how to read its answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
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
GATEWAY_MODEL = "product_text"


@dataclass(frozen=True)
class Wire:
    """How one text travels: by HTTP to a path, or by gRPC to a method."""

    protocol: Literal["http", "grpc"]
    path: str
    encode: Callable[[str], bytes]
    decode: Callable[[bytes], Vector]


@dataclass(frozen=True)
class Peer:
    """A way to serve the model: the server's script, in an environment of its own."""

    name: str
    server: str  # below servers/
    wire: Wire

    @property
    def script(self) -> Path:
        """The script that runs in the peer's environment."""
        return SERVERS / self.server

    @property
    def requirements(self) -> Path:
        """What the environment holds."""
        return REQUIREMENTS / f"{self.name}.txt"


def _json(key: str, many: bool = False) -> Callable[[str], bytes]:
    return lambda text: json.dumps({key: [text] if many else text}).encode()


def _vector(value: object) -> Vector:
    return np.asarray(value, dtype=np.float32).reshape(-1)


def kserve(model: str, output: str) -> Wire:
    """KServe's ModelInfer with one text: `text` BYTES [1, 1] in, FP32 [1, dim] out."""

    def encode(text: str) -> bytes:
        content = text.encode()
        request = service_pb2.ModelInferRequest(model_name=model)
        request.inputs.add(name="text", datatype="BYTES", shape=[1, 1])
        request.outputs.add(name=output)
        request.raw_input_contents.append(len(content).to_bytes(4, "little") + content)
        return bytes(request.SerializeToString())

    def decode(answer: bytes) -> Vector:
        response = service_pb2.ModelInferResponse.FromString(answer)
        place = [tensor.name for tensor in response.outputs].index(output)
        if response.raw_output_contents:
            return np.frombuffer(response.raw_output_contents[place], dtype=np.float32)
        return _vector(response.outputs[place].contents.fp32_contents)

    return Wire("grpc", KSERVE, encode, decode)


GATEWAY = kserve(GATEWAY_MODEL, "embedding")
_EMBED = Wire("http", "/embed", _json("text"), lambda answer: _vector(json.loads(answer)["embedding"]))
_ONNX = Wire(
    "grpc",
    "/peers.Embedder/Embed",
    lambda text: StringValue(value=text).SerializeToString(),
    lambda answer: np.frombuffer(BytesValue.FromString(answer).value, dtype=np.float32),
)
_BENTO = Wire("http", "/embed", _json("texts", many=True), lambda answer: _vector(json.loads(answer)))

PEERS = {
    peer.name: peer
    for peer in (
        Peer("onnx_grpc", "onnx_grpc.py", _ONNX),  # ONNX Runtime in grpc.aio
        Peer("fastapi_torch", "fastapi_torch.py", _EMBED),
        Peer("sentence_transformers", "fastapi_sentence.py", _EMBED),  # behind FastAPI
        Peer("litserve", "lit.py", _EMBED),
        Peer("bentoml", "bento.py", _BENTO),
    )
}
WIRES = {"gateway": GATEWAY} | {name: peer.wire for name, peer in PEERS.items()}
