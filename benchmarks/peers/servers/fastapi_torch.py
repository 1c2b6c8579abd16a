"""FastAPI with PyTorch: one process, PyTorch on all cores."""

import web
from arguments import arguments
from encoder import Encoder

if __name__ == "__main__":
    asked = arguments()
    web.serve(Encoder(asked.model), asked.port)
