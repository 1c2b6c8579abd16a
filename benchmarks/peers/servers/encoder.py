"""The model in PyTorch, for the servers that have none of their own: pads to the longest text of a batch."""

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModel

LARGEST = 16  # texts in a batch; 32 give fewer texts a second on a few cores: longer padding, more memory


class Encoder:
    """Texts -> embeddings [n, 384] of L2 norm 1."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(os.cpu_count() or 1)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.bert = AutoModel.from_pretrained(str(folder), attn_implementation="sdpa", add_pooling_layer=False).eval()

    @torch.inference_mode()
    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """A batch."""
        encoded = self.tokenizer.encode_batch(texts)
        ids = torch.tensor([e.ids for e in encoded])
        mask = torch.tensor([e.attention_mask for e in encoded])
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        kept = mask.unsqueeze(2).to(hidden.dtype)
        pooled = (hidden * kept).sum(1) / kept.sum(1)
        return torch.nn.functional.normalize(pooled, dim=1).numpy()
