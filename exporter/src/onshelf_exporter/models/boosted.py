"""Boosted trees that score rows of features, in plain tensor operations."""

from torch import Tensor, nn

from onshelf_exporter.models.forest import Forest


class BoostedTrees(nn.Module):
    """Log odds: the sum of the leaves that a row falls into.

    `forest` holds the trees of all boosters, whose mean is served: its leaves [leaves, 1] are divided by their number.
    """

    def __init__(self, forest: Forest) -> None:
        super().__init__()
        self.forest = forest
        self.trees = forest.get_buffer("roots").shape[0]

    def forward(self, features: Tensor) -> Tensor:
        """FP32 [..., width] -> FP32 [...]."""
        total: Tensor = self.forest(features.reshape(-1, features.shape[-1])) * self.trees
        return total.reshape(features.shape[:-1])
