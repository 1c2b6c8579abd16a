"""infinity-emb: its own batching by length, the PyTorch engine."""

import os
import sys

from arguments import arguments

if __name__ == "__main__":
    asked = arguments()
    options = {
        "--model-id": str(asked.model.resolve()),
        "--served-model-name": "minilm",
        "--host": "127.0.0.1",
        "--port": str(asked.port),
        "--engine": "torch",
        "--device": "cpu",
        "--dtype": "float32",
        "--batch-size": "16",
        "--log-level": "warning",
    }
    os.environ |= {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "HF_HUB_OFFLINE": "1"}
    run = "import sys; from infinity_emb.cli import cli; sys.argv[0] = 'infinity_emb'; cli()"
    words = [word for option in options.items() for word in option]
    os.execv(sys.executable, [sys.executable, "-c", run, "v2", *words, "--no-bettertransformer"])
