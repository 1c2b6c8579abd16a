"""sentence-transformers behind FastAPI: one process, PyTorch on all cores."""

import os

import torch
import web
from arguments import arguments
from sentence_transformers import SentenceTransformer

if __name__ == "__main__":
    asked = arguments()
    torch.set_num_threads(os.cpu_count() or 1)
    model = SentenceTransformer(str(asked.model), device="cpu", local_files_only=True)
    web.serve(lambda texts: model.encode(texts, batch_size=16, show_progress_bar=False), asked.port)
