"""A smaller text encoder that says what a larger one says: some of its layers, trained towards its pooled text.

The student keeps the teacher's words and every second (third, ...) of its layers, so what stands behind the text need
not change. Hinton et al. (2015), Distilling the knowledge in a neural network; layers taken over as in Sanh et al.
(2019), DistilBERT.
"""

import copy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.models.product_encoder import TextEncoder
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training import devices
from onshelf_exporter.training.loop import Fit, fit
from onshelf_exporter.training.recipe import LoopRecipe
from onshelf_exporter.training.texts import Tokens

MIX = 0.5  # weight of keeping the distances between the titles of a batch, beside each title's own place


def shortened(text: TextEncoder, layers: int) -> TextEncoder:
    """A copy with `layers` of the layers, spread evenly, the last one among them.

    Raises ExporterError where the encoder has no such layers (BERT's layout is needed).
    """
    stack = getattr(getattr(text.bert, "encoder", None), "layer", None)
    if not isinstance(stack, nn.ModuleList) or not 1 <= layers <= len(stack):
        count = len(stack) if isinstance(stack, nn.ModuleList) else 0
        raise ExporterError(f"recipe key encoder.layers = {layers}: must be in 1..{count}, the layers of the encoder")
    student = copy.deepcopy(text)
    chosen = np.linspace(len(stack), 0, layers, endpoint=False).round().astype(int)[::-1] - 1
    encoder = student.bert.encoder
    assert isinstance(encoder, nn.Module)
    encoder.layer = nn.ModuleList(list(encoder.layer)[int(number)] for number in chosen)  # type: ignore[arg-type]
    student.bert.config.num_hidden_layers = layers  # type: ignore[union-attr]
    return student


class DistilTask:
    """Pooled text of the student towards that of the teacher, for all wordings of all texts."""

    def __init__(
        self,
        *,
        student: TextEncoder,
        tokens: Tokens,
        pooled: NDArray[np.float16],
        bfloat16: bool,
        sample: int,
        seed: int,
    ) -> None:
        self.student, self.tokens, self.pooled, self.bfloat16 = student, tokens, pooled, bfloat16
        wordings, texts = pooled.shape[:2]
        order = np.random.default_rng(seed).permutation(wordings * texts)
        self.pairs = order[:sample] if sample else order

    @property
    def rows(self) -> int:
        """Rows of one epoch."""
        return len(self.pairs)

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        """1 - cosine to the teacher, and how far the cosines among the batch's titles are from the teacher's."""
        wording, text = np.divmod(self.pairs[rows], self.pooled.shape[1])
        ids, mask = self.tokens.batch(wording, text)
        with devices.autocast(devices.CPU, self.bfloat16):
            said: Tensor = self.student(torch.from_numpy(ids), torch.from_numpy(mask))
        said = said.float()
        wanted = torch.from_numpy(self.pooled[wording, text].astype(np.float32))
        apart = (said @ said.T - wanted @ wanted.T).square().mean()
        return (1 - (said * wanted).sum(1)).mean() + MIX * apart

    def validate(self) -> float | None:
        """Nothing is held out: the teacher answers for every text."""
        return None


def distil(
    student: TextEncoder,
    tokens: Tokens,
    pooled: NDArray[np.float16],
    loop: LoopRecipe,
    *,
    bfloat16: bool,
    sample: int,
    seed: int,
    folder: Path,
) -> Fit:
    """Train `student` in place on the teacher's `pooled` text [wordings, texts, hidden]; `sample` rows an epoch, 0 =
    all."""
    student.requires_grad_(True)
    embeddings = getattr(student.bert, "embeddings", None)
    if isinstance(embeddings, nn.Module):
        embeddings.requires_grad_(False)
    task = DistilTask(student=student, tokens=tokens, pooled=pooled, bfloat16=bfloat16, sample=sample, seed=seed)
    return fit(student, task, loop, seed=seed, folder=folder, name="student")
