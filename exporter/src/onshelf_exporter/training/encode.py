"""Pooled text of all distinct titles, in a few wordings: computed once, shared by every model release of a run."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from onshelf_exporter.models.product_encoder import TextEncoder
from onshelf_exporter.training.progress import progress_bar
from onshelf_exporter.training.texts import Tokens


def encode_texts(
    text: TextEncoder, tokens: Tokens, count: int, bfloat16: bool, batch: int = 256
) -> NDArray[np.float16]:
    """[wordings, texts, hidden] of the first `count` wordings; texts of like length go together."""
    wordings, texts = count, tokens.ids.shape[1]
    flat = np.arange(wordings * texts)
    order = flat[np.argsort(tokens.lengths[:wordings].ravel(), kind="stable")]
    result: NDArray[np.float16] | None = None
    text.eval()
    with torch.inference_mode(), progress_bar("encode texts", len(order)) as advance:
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            ids, mask = tokens.batch(rows // texts, rows % texts)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                pooled = text(torch.from_numpy(ids), torch.from_numpy(mask)).float().numpy().astype(np.float16)
            if result is None:
                result = np.zeros((wordings * texts, pooled.shape[1]), dtype=np.float16)
            result[rows] = pooled
            advance(len(rows))
    assert result is not None, "a data set has at least one text"
    return result.reshape(wordings, texts, -1)


def load_bert(folder: Path) -> TextEncoder:
    """The pretrained encoder of a local folder, in float32; nothing is fetched."""
    from transformers import AutoModel, logging

    logging.disable_progress_bar()
    bert = AutoModel.from_pretrained(
        str(folder), local_files_only=True, attn_implementation="sdpa", dtype=torch.float32
    )
    if hasattr(bert, "pooler"):
        bert.pooler = None
    return TextEncoder(bert)
