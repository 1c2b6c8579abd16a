"""MLServer (gRPC): a runtime of one's own, its adaptive batching, one inference worker, PyTorch on all cores."""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path

import numpy as np
from arguments import arguments
from encoder import LARGEST, Encoder
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Embedder(MLModel):
    """`text` BYTES [n, 1] -> `embedding` FP32 [n, 384]."""

    async def load(self) -> bool:
        """Load the model in the worker."""
        self.encoder = Encoder(Path(os.environ["PEER_MODEL"]))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """A batch."""
        texts = StringCodec.decode_input(payload.inputs[0])
        rows = self.encoder([text for row in texts for text in ([row] if isinstance(row, str) else row)])
        output = NumpyCodec.encode_output("embedding", np.ascontiguousarray(rows))
        return InferenceResponse(model_name=self.name, outputs=[output])


def free_port() -> int:
    """A port for what the benchmark does not ask."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    asked = arguments()
    folder = Path(tempfile.mkdtemp(prefix="mlserver-"))
    settings = {
        "host": "127.0.0.1",
        "grpc_port": asked.port,
        "http_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 1,
        "debug": False,
        "environments_dir": str(folder / "environments"),
        "metrics_dir": str(folder),
    }
    model = {
        "name": "minilm",
        "implementation": "mls.Embedder",
        "max_batch_size": LARGEST,
        "max_batch_time": 0.002,
        "parameters": {"uri": str(asked.model.resolve())},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    os.environ |= {"PEER_MODEL": str(asked.model.resolve()), "PYTHONPATH": str(Path(__file__).parent)}
    run = "import sys; from mlserver.cli import main; sys.argv[0] = 'mlserver'; main()"
    os.chdir(folder)
    os.execv(sys.executable, [sys.executable, "-c", run, "start", str(folder)])
