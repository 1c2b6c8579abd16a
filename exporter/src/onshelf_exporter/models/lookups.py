"""Constant tables by category id, looked up inside the graphs."""

import torch
from torch import Tensor, nn

DEPARTMENT, CATEGORY, TYPE, BRAND = range(4)


class CategoryTable(nn.Module):
    """Values per type, category and department; the most specific known id wins, row 0 of departments is the whole
    shop.

    Each tensor is [ids, width]; row 0 of `types` and `categories` is never read, because id 0 falls through to the
    level above.
    An id outside a table counts as unknown.
    """

    def __init__(self, departments: Tensor, categories: Tensor, types: Tensor) -> None:
        super().__init__()
        self.register_buffer("departments", departments.float())
        self.register_buffer("categories", categories.float())
        self.register_buffer("types", types.float())

    def forward(self, ids: Tensor) -> Tensor:
        """ids INT64 [batch, 4] -> FP32 [batch, width]."""
        department = known(ids[:, DEPARTMENT], self.get_buffer("departments"))
        category = known(ids[:, CATEGORY], self.get_buffer("categories"))
        kind = known(ids[:, TYPE], self.get_buffer("types"))
        value = self.get_buffer("departments")[department]
        value = torch.where((category > 0).unsqueeze(1), self.get_buffer("categories")[category], value)
        return torch.where((kind > 0).unsqueeze(1), self.get_buffer("types")[kind], value)


class IdEmbedding(nn.Module):
    """The sum of one learned vector per categorical id. Row 0, unknown, is zero and is not trained.

    In training each id is replaced by 0 with probability `dropout`, so that unknown categories and brands work.
    """

    def __init__(self, sizes: tuple[int, int, int, int], width: int, dropout: float, scale: float = 0.02) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, width, padding_idx=0) for size in sizes)
        self.dropout = dropout
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=scale)
            with torch.no_grad():
                table.weight[0].zero_()

    def forward(self, ids: Tensor) -> Tensor:
        """ids INT64 [batch, 4] -> FP32 [batch, width]."""
        if self.training and self.dropout > 0:
            ids = ids * (torch.rand(ids.shape) >= self.dropout)
        total: Tensor | None = None
        for position, table in enumerate(self.tables):
            assert isinstance(table, nn.Embedding)
            part = table(known(ids[:, position], table.weight))
            total = part if total is None else total + part
        assert total is not None
        return total


def known(ids: Tensor, table: Tensor) -> Tensor:
    """Ids outside the table become 0, unknown."""
    return torch.where((ids > 0) & (ids < table.shape[0]), ids, torch.zeros_like(ids))
