"""BentoML: a batchable endpoint, one worker, PyTorch on all cores."""

import os
import sys
from pathlib import Path

import bentoml
import numpy as np
from arguments import arguments
from encoder import LARGEST, Encoder


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 1000}, logging={"access": {"enabled": False}})
class Embedder:
    """{"texts": [...]} -> [[...], ...]; requests with one text each are batched by BentoML."""

    def __init__(self) -> None:
        self.encoder = Encoder(Path(os.environ["PEER_MODEL"]))

    @bentoml.api(batchable=True, max_batch_size=LARGEST, route="/embed")
    def embed(self, texts: list[str]) -> np.ndarray:  # BentoML reads it
        """A batch."""
        return self.encoder(texts)


if __name__ == "__main__":
    asked = arguments()
    os.environ |= {"PEER_MODEL": str(asked.model.resolve()), "BENTOML_DO_NOT_TRACK": "true"}
    os.chdir(Path(__file__).parent)
    serve = ["-m", "bentoml", "serve", "bento:Embedder", "--host", "127.0.0.1", "--port", str(asked.port)]
    os.execv(sys.executable, [sys.executable, *serve])
