"""Pooled text of all distinct titles, in a few wordings: computed once, shared by every model release of a run."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from onshelf_exporter.models.product_encoder import TextEncoder
from onshelf_exporter.process.progress_display import progress_bar
from onshelf_exporter.training import devices, distributed
from onshelf_exporter.training.texts import Tokens


def encode_texts(
    text: TextEncoder, tokens: Tokens, count: int, bfloat16: bool, batch: int = 256
) -> NDArray[np.float16]:
    """[wordings, texts, hidden] of the first `count` wordings; texts of like length go together.

    Runs on the device of this process; where several train together, each encodes its share.
    """
    wordings, texts = count, tokens.ids.shape[1]
    flat = np.arange(wordings * texts)
    order = flat[np.argsort(tokens.lengths[:wordings].ravel(), kind="stable")]
    parts = distributed.mine([order[start : start + batch] for start in range(0, len(order), batch)])
    config: Any = text.bert.config
    result = np.zeros((wordings * texts, int(config.hidden_size)), dtype=np.float16)
    device = devices.current()
    text.eval().to(device)
    with torch.inference_mode(), devices.placed(device), progress_bar("encode texts", sum(map(len, parts))) as advance:
        for rows in parts:
            ids, mask = tokens.batch(rows // texts, rows % texts)
            with devices.autocast(device, bfloat16):
                pooled = text(torch.as_tensor(ids), torch.as_tensor(mask))
            result[rows] = pooled.float().cpu().numpy().astype(np.float16)
            advance(len(rows))
    text.to(devices.CPU)
    return distributed.added(result).reshape(wordings, texts, -1)


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
