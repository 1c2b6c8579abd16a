"""Ray Serve: @serve.batch, one replica, PyTorch on all cores."""

import os
import signal
from pathlib import Path

import numpy as np
import ray
from arguments import arguments
from encoder import LARGEST, Encoder
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Embedder:
    """{"text": ...} -> {"embedding": [...]}."""

    def __init__(self, folder: str) -> None:
        self.encoder = Encoder(Path(folder))

    @serve.batch(max_batch_size=LARGEST, batch_wait_timeout_s=0.002)
    async def embed(self, texts: list[str]) -> list[np.ndarray]:
        """A batch."""
        return list(self.encoder(texts))

    async def __call__(self, request: Request) -> dict[str, list[float]]:
        """One text."""
        return {"embedding": (await self.embed((await request.json())["text"])).tolist()}


if __name__ == "__main__":
    asked = arguments()
    here = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": str(os.cpu_count())}}
    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False, runtime_env=here)
    serve.start(http_options={"host": "127.0.0.1", "port": asked.port})
    serve.run(Embedder.bind(str(asked.model.resolve())), route_prefix="/embed")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
