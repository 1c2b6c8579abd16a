"""What past practice did with such products: log odds of each channel, looked up by categories and manufacturer.

Practice changes from month to month, and what a category's products had lately says more than what a network remembers
of titles. The tables hold sums of weighted log odds of shrunk rates; the text's own head keeps a small share, and
stands alone where the category is unknown.
"""

import torch
from torch import Tensor, nn

from onshelf_exporter.models.lookups import BRAND, CATEGORY, CategoryTable, known

HEAD_SHARE = 0.1  # of the log odds: the best of 0, .1, .2, .3, .5 on launches of the validation weeks


class PracticeRates(nn.Module):
    """Log odds of the channels from tables, blended with those of the text's head."""

    def __init__(self, levels: CategoryTable, brands: Tensor) -> None:
        """`levels` has one column per channel slot; `brands` [brands, channels] is added to it, row 0 for unknown
        ones."""
        super().__init__()
        self.levels = levels
        self.register_buffer("brands", brands.float())

    def forward(self, ids: Tensor, head_logits: Tensor) -> Tensor:
        """INT64 [batch, 4] and FP32 [batch, channels] -> FP32 [batch, channels] log odds."""
        brands = self.get_buffer("brands")
        rates = self.levels(ids) + brands[known(ids[:, BRAND], brands)]
        blended = (1.0 - HEAD_SHARE) * rates + HEAD_SHARE * head_logits
        category = known(ids[:, CATEGORY], self.levels.get_buffer("categories"))
        return torch.where((category > 0).unsqueeze(1), blended, head_logits)
