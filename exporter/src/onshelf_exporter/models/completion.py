"""The category levels that a request leaves open, read from the title inside the graph, so that one run of the text
model is enough for a product whose category has to be found."""

import torch
from torch import Tensor, nn

LEVELS = ("departments", "categories", "types")
CONFIDENT = 0.3  # least probability at which a level is filled


class CategoryCompletion(nn.Module):
    """Fills departments, categories and types from the type head, as far down as it is confident.

    Levels that are given stay and rule out all types outside of them. A level is filled with the number that the
    remaining types make most probable, where that is at least CONFIDENT; below a level that is not filled none is.

    Args:
        categories: INT64 [types], the category of each type; 0 unknown.
        departments: INT64 [categories], the department of each category; 0 unknown.
    """

    def __init__(self, categories: Tensor, departments: Tensor) -> None:
        super().__init__()
        kinds = torch.arange(len(categories))
        self.register_buffer("paths", torch.stack([departments[categories], categories, kinds]).long())
        sizes = (int(departments.max()) + 1, len(departments), len(categories))
        for name, size in zip(LEVELS, sizes, strict=True):
            self.register_buffer(name, torch.zeros(1, size))

    def forward(self, ids: Tensor, type_logits: Tensor) -> tuple[Tensor, Tensor]:
        """Fill one batch.

        Args:
            ids: INT64 [batch, 4]; 0, or a number outside the vocabulary, for what is not given.
            type_logits: FP32 [batch, types]; position 0, unknown, is not read.

        Returns:
            Ids INT64 [batch, 4], and FP32 [batch, 1]: the probability of the narrowest level that was filled, or of the
            best department where that is too low; 1 where nothing was open.
        """
        paths = self.get_buffer("paths")
        sizes = [self.get_buffer(name).shape[1] for name in LEVELS]
        known = [torch.where(ids[:, n : n + 1] < size, ids[:, n : n + 1], 0) for n, size in enumerate(sizes)]
        weights = torch.cat([torch.zeros_like(type_logits[:, :1]), torch.softmax(type_logits[:, 1:], dim=1)], dim=1)
        for level, given in enumerate(known):
            weights = weights * ((given == 0) | (given == paths[level])).to(weights.dtype)
        total = weights.sum(dim=1, keepdim=True)
        weights = weights / total.clamp(min=1e-30)
        going = total > 0
        sure = torch.ones_like(total)
        filled = []
        for level, (name, given) in enumerate(zip(LEVELS, known, strict=True)):
            bins = self.get_buffer(name).expand(ids.shape[0], -1)
            sums = weights if level == 2 else bins.scatter_add(1, paths[level].expand(ids.shape[0], -1), weights)
            best = sums.max(dim=1, keepdim=True)
            open_ = (given == 0) & going
            chosen = open_ & (best.values >= CONFIDENT) & (best.indices > 0)
            if level == 0:
                sure = torch.where(open_, best.values, sure)
            sure = torch.where(chosen, best.values, sure)
            number = torch.where(chosen, best.indices, given)
            filled.append(number)
            weights = weights * (~chosen | (paths[level] == number)).to(weights.dtype)
            going = going & (chosen | (given > 0))
        return torch.cat([*filled, ids[:, 3:]], dim=1), sure
