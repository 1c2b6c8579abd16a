"""A forest of regression trees in plain tensor operations, so that a graph needs no operators of its own for it."""

import torch
from torch import Tensor, nn


class Forest(nn.Module):
    """The mean over trees of the values of the leaves that a row falls into.

    All trees are walked at once, one level a step; a leaf leads to itself.
    """

    def __init__(
        self,
        *,
        roots: Tensor,
        feature: Tensor,
        threshold: Tensor,
        left: Tensor,
        right: Tensor,
        leaf: Tensor,
        values: Tensor,
        depth: int,
    ) -> None:
        """Trees one after the other.

        Args:
            roots: INT64 [trees], nodes.
            feature: INT64 [nodes], the column that a node compares (0 at leaves).
            threshold: FP32 [nodes]; not above it goes left.
            left: INT64 [nodes].
            right: INT64 [nodes].
            leaf: INT64 [nodes], row of `values` (0 at inner nodes).
            values: FP32 [leaves, outputs].
            depth: of the deepest tree.
        """
        super().__init__()
        self.depth = depth
        for name, tensor in {
            "roots": roots,
            "feature": feature,
            "threshold": threshold,
            "branches": torch.stack([left, right], dim=1).reshape(-1),
            "leaf_of": leaf,
            "values": values,
        }.items():
            self.register_buffer(name, tensor)

    def leaves(self, features: Tensor) -> Tensor:
        """FP32 [batch, columns] -> rows of `values`, INT64 [batch, trees]."""
        node = self.get_buffer("roots").unsqueeze(0).expand(features.shape[0], -1)
        for _ in range(self.depth):
            value = torch.gather(features, 1, self.get_buffer("feature")[node])
            above = (value > self.get_buffer("threshold")[node]).long()
            node = self.get_buffer("branches")[2 * node + above]
        return self.get_buffer("leaf_of")[node]

    def forward(self, features: Tensor) -> Tensor:
        """FP32 [batch, columns] -> FP32 [batch, outputs]."""
        result: Tensor = self.get_buffer("values")[self.leaves(features)].mean(1)
        return result
