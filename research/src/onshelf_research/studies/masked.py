"""Pre-training on all products before the launch tasks: words of the titles are masked and told, and the type is named.

Masked words as in Devlin et al. (2019), BERT; on the target domain as in Gururangan et al. (2020), Don't stop
pretraining. Words are told by the word embeddings themselves, so no vocabulary-sized matrix is learned.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.models.product_encoder import TextEncoder
from onshelf_exporter.training import devices
from onshelf_exporter.training.content import freeze_lower
from onshelf_exporter.training.history import History
from onshelf_exporter.training.loop import Fit, fit
from onshelf_exporter.training.recipe import LoopRecipe
from onshelf_exporter.training.texts import Tokens

MASKED = 0.2  # of a title's tokens


class MaskedWords(nn.Module):
    """An encoder with what tells masked words and types; only the encoder is kept afterwards."""

    def __init__(self, text: TextEncoder, types: int) -> None:
        super().__init__()
        self.text = text
        hidden = int(text.bert.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.turn = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.LayerNorm(hidden))
        self.type_head = nn.Linear(hidden, types)

    def losses(self, ids: Tensor, mask: Tensor, masked: Tensor, mask_id: int, kind: Tensor) -> Tensor:
        """Cross-entropy of masked tokens plus that of the type; ids, mask and masked are [batch, tokens]."""
        hidden = self.text.bert(
            input_ids=torch.where(masked, mask_id, ids), attention_mask=mask
        ).last_hidden_state.float()
        words = self.text.bert.get_input_embeddings().weight  # type: ignore[operator]
        told = self.turn(hidden[masked]) @ words.T
        kept = (mask.unsqueeze(2) * (~masked).unsqueeze(2)).float()
        pooled = F.normalize((hidden * kept).sum(1) / kept.sum(1).clamp(min=1.0), dim=1) * 8.0
        loss: Tensor = F.cross_entropy(told, ids[masked]) if bool(masked.any()) else hidden.sum() * 0.0
        known = kind > 0
        if bool(known.any()):
            loss = loss + F.cross_entropy(self.type_head(pooled[known]), kind[known])
        return loss


class MaskedTask:
    """Titles of known products with some of their tokens masked."""

    def __init__(
        self, *, model: MaskedWords, history: History, tokens: Tokens, mask_id: int, bfloat16: bool, texts: int
    ):
        self.model, self.tokens, self.mask_id, self.bfloat16 = model, tokens, mask_id, bfloat16
        known = np.flatnonzero(history.known)
        self.texts, first = np.unique(history.text_of[known], return_index=True)
        self.kind = history.ids[known[first], 2]
        if texts:
            chosen = np.random.default_rng(1).permutation(len(self.texts))[:texts]
            self.texts, self.kind = self.texts[chosen], self.kind[chosen]

    @property
    def rows(self) -> int:
        """Rows of one epoch."""
        return len(self.texts)

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        """The loss of a batch of titles, each in one of its wordings."""
        wording = generator.integers(len(self.tokens.ids), size=len(rows))
        ids, mask = self.tokens.batch(wording, self.texts[rows])
        last = mask.sum(1, keepdims=True) - 1
        place = np.arange(ids.shape[1])
        masked = (generator.random(ids.shape) < MASKED) & (place > 0) & (place < last)
        with devices.autocast(devices.CPU, self.bfloat16):
            return self.model.losses(
                torch.from_numpy(ids),
                torch.from_numpy(mask),
                torch.from_numpy(masked),
                self.mask_id,
                torch.from_numpy(self.kind[rows]),
            ).float()

    def validate(self) -> float | None:
        """Nothing is held out."""
        return None


def pretrain(
    text: TextEncoder,
    history: History,
    tokens: Tokens,
    mask_id: int,
    *,
    loop: LoopRecipe,
    frozen_layers: int,
    bfloat16: bool,
    texts: int,
    seed: int,
    folder: Path,
) -> Fit:
    """Train `text` in place on masked words and types of the titles known by the history's cut."""
    freeze_lower(text, frozen_layers)
    model = MaskedWords(text, len(history.vocabulary.names["type"]))
    task = MaskedTask(model=model, history=history, tokens=tokens, mask_id=mask_id, bfloat16=bfloat16, texts=texts)
    return fit(model, task, loop, seed=seed, folder=folder, name="masked")
