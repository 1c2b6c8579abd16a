"""review_sentiment: a sentence of a review -> whether it speaks well or ill of the product."""

from typing import Any

import torch
from torch import Tensor, nn

from onshelf_exporter.models.product_encoder import TextEncoder

SCALE = 8.0  # of the pooled text, which has L2 norm 1


class ReviewSentiment(nn.Module):
    """The graph: a BERT of its own, tuned on reviews, and a linear head on its pooled text."""

    def __init__(self, text: TextEncoder, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.text = text
        self.dropout = nn.Dropout(dropout)
        config: Any = text.bert.config
        self.head = nn.Linear(int(config.hidden_size), classes)

    def logits(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """INT64 [batch, tokens] twice -> logits FP32 [batch, 3]: negative, neutral, positive."""
        pooled = self.text(input_ids, attention_mask).float()
        logits: Tensor = self.head(self.dropout(pooled * SCALE))
        return logits

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """INT64 [batch, tokens] twice -> probabilities FP32 [batch, 3]."""
        return torch.softmax(self.logits(input_ids, attention_mask), dim=1)
