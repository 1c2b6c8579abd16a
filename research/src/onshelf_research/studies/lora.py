"""Low-rank adapters on the attention of a BERT: few trained weights beside frozen ones, added up when training is over.

Hu et al. (2022), LoRA: low-rank adaptation of large language models.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onshelf_exporter.models.product_encoder import TextEncoder

RANK = 8
SCALE = 16.0  # adapters learn with the rate of the full weights; this makes up for it
PLACES = ("query", "value")


class Adapted(nn.Module):
    """A frozen linear map plus a trained one of low rank, which starts at zero."""

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, frozen.in_features) / frozen.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(frozen.out_features, rank))

    def forward(self, values: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        plain: Tensor = self.frozen(values)
        return plain + SCALE * F.linear(F.linear(values, self.down), self.up)

    def merged(self) -> nn.Linear:
        """The sum as one linear map."""
        with torch.no_grad():
            self.frozen.weight += SCALE * self.up @ self.down
        return self.frozen


def adapt(text: TextEncoder, rank: int = RANK) -> int:
    """Freeze an encoder and put adapters into its attention; returns how many weights are trained."""
    text.requires_grad_(False)
    for parent, name, layer in _linears(text):
        setattr(parent, name, Adapted(layer, rank))
    return sum(p.numel() for p in text.parameters() if p.requires_grad)


def merge(text: TextEncoder) -> None:
    """Add the adapters to the weights that they stand beside; the encoder has its own layout again."""
    for parent in list(text.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Adapted):
                setattr(parent, name, child.merged())


def _linears(text: TextEncoder) -> list[tuple[nn.Module, str, nn.Linear]]:
    return [
        (parent, name, child)
        for parent in text.modules()
        for name, child in parent.named_children()
        if name in PLACES and isinstance(child, nn.Linear)
    ]
