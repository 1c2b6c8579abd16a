"""ONNX Runtime in grpc.aio: google.protobuf.StringValue in, BytesValue (float32) out.

Small batches, one on each core, give the most texts a second: larger ones save little here and pad more.
"""

import asyncio
import os
from pathlib import Path

import grpc
import numpy as np
import onnxruntime as ort
from arguments import arguments
from batching import Batcher
from google.protobuf.wrappers_pb2 import BytesValue, StringValue
from numpy.typing import NDArray
from tokenizers import Tokenizer


class Encoder:
    """Texts -> embeddings [n, 384]."""

    def __init__(self, folder: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding()

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """A batch."""
        encoded = self.tokenizer.encode_batch(texts)
        ids = np.array([e.ids for e in encoded], dtype=np.int64)
        mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
        pooled: NDArray[np.float32] = self.session.run(["pooled_text"], {"input_ids": ids, "attention_mask": mask})[0]
        return pooled


async def serve(folder: Path, port: int) -> None:
    """Serve until ended."""
    batcher = Batcher(Encoder(folder), largest=4, workers=os.cpu_count() or 1)

    async def embed(request: StringValue, _: object) -> BytesValue:
        return BytesValue(value=(await batcher(request.value)).tobytes())

    handler = grpc.unary_unary_rpc_method_handler(embed, StringValue.FromString, BytesValue.SerializeToString)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("peers.Embedder", {"Embed": handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asked = arguments()
    asyncio.run(serve(asked.model, asked.port))
