"""LitServe: its batching, one worker, PyTorch on all cores."""

from pathlib import Path

import litserve as ls
import numpy as np
from arguments import arguments
from encoder import LARGEST, Encoder
from numpy.typing import NDArray


class Embedder(ls.LitAPI):
    """{"text": ...} -> {"embedding": [...]}."""

    def __init__(self, folder: Path) -> None:
        # without a timeout the worker spins on an empty queue and takes a core from itself
        super().__init__(max_batch_size=LARGEST, batch_timeout=0.002, api_path="/embed")
        self.folder = folder

    def setup(self, device: str) -> None:  # noqa: ARG002  always the CPU
        """Load the model in the worker."""
        self.encoder = Encoder(self.folder)

    def decode_request(self, request: dict[str, str]) -> str:
        """The text of a request."""
        return request["text"]

    def batch(self, inputs: list[str]) -> list[str]:
        """The encoder takes a list."""
        return inputs

    def predict(self, x: list[str]) -> NDArray[np.float32]:
        """A batch."""
        return self.encoder(x)

    def unbatch(self, output: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """A row for each text."""
        return list(output)

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, list[float]]:
        """The body of an answer."""
        return {"embedding": output.tolist()}


if __name__ == "__main__":
    asked = arguments()
    server = ls.LitServer(Embedder(asked.model), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=asked.port, generate_client_file=False, log_level="warning", access_log=False)
