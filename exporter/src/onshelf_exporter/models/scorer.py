"""Small networks that score rows of features: a linear part and a network beside it (Cheng et al. 2016, wide and
deep)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LIMIT = 10.0  # standard deviations beyond which a feature says no more
LOGIT_LIMIT = 25.0
NONE = -1e4  # the log odds of what is no candidate


class Scorers(nn.Module):
    """The mean log odds of several scorers that were trained from different beginnings."""

    def __init__(self, members: list["Scorer"]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, features: Tensor) -> Tensor:
        """FP32 [..., width] -> FP32 [...]."""
        return torch.stack([member(features) for member in self.members]).mean(0)


class Scorer(nn.Module):
    """Raw features -> log odds; standardises inside."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.wide = nn.Linear(width, 1)
        self.inner = nn.Linear(width, hidden)
        self.middle = nn.Linear(hidden, hidden // 2)
        self.outer = nn.Linear(hidden // 2, 1)
        nn.init.zeros_(self.wide.weight)
        nn.init.zeros_(self.wide.bias)

    def standardise(self, features: Tensor) -> None:
        """Take mean and spread from rows [n, width]; a column without spread counts nothing."""
        spread = features.std(0) if len(features) > 1 else torch.zeros(features.shape[1])
        self.get_buffer("mean").copy_(features.mean(0))
        self.get_buffer("scale").copy_(torch.where(spread < 1e-5, torch.full_like(spread, 1e6), spread))

    def forward(self, features: Tensor) -> Tensor:
        """FP32 [..., width] -> FP32 [...], within -25..25."""
        z = ((features - self.get_buffer("mean")) / self.get_buffer("scale")).clamp(-LIMIT, LIMIT)
        deep = self.outer(F.gelu(self.middle(F.gelu(self.inner(z)))))
        logit: Tensor = (self.wide(z) + deep).squeeze(-1)
        return logit.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
