"""How a product that the user never bought fits what the user did buy: by content, category, brand and joint purchases.

The same features serve both ways: one user and many new products (recommendations), one product and all users
(audiences). A history is distinct products with weights, [..., events]; a product's neighbours are the most similar of
all products sold, by the cosine of their embeddings.
"""

import torch
from torch import Tensor, nn

from onshelf_exporter.models.lookups import BRAND, CATEGORY, DEPARTMENT, TYPE

NEIGHBOURS = (50, 200, 1000)
SHARPNESS = 6.0  # power of the cosine
SMALL = 0.03  # of a sum of similarities, below its logarithm
EDGE = 1e-5  # a cosine this close below a limit counts as reaching it: rounding must not decide
LATELY = len(NEIGHBOURS)  # place of recent similar purchases in `fit_sums`
LEAN = 2.0  # what the user whose recent purchases are closest to a product gains
MATCHES = 5  # department, category, type, brand, category and brand


def neighbour_limits(similarity: Tensor) -> Tensor:
    """Cosine of the k-th most similar product, k in NEIGHBOURS, from [..., products] -> [..., 3]."""
    most = min(NEIGHBOURS[-1], similarity.shape[-1])
    best = torch.topk(similarity, most, dim=-1).values
    return torch.stack([best[..., min(k, most) - 1] for k in NEIGHBOURS], dim=-1)


def counted_limits(similarity: Tensor, members: Tensor) -> Tensor:
    """`neighbour_limits` where each column of `similarity` [batch, contents] stands for `members` [contents] products;
    at most NEIGHBOURS[-1] columns are looked at."""
    best = torch.topk(similarity, min(NEIGHBOURS[-1], similarity.shape[-1]), dim=-1)
    count = members[best.indices]
    before = count.cumsum(-1) - count
    beyond = torch.full_like(best.values, 2.0)
    return torch.stack([torch.where(before < k, best.values, beyond).amin(-1) for k in NEIGHBOURS], dim=-1)


def nearness(similarity: Tensor) -> Tensor:
    """How much a purchase of a product counts for another, by the cosine of their embeddings; 0..1."""
    return similarity.clamp(min=0.0) ** SHARPNESS


def matches(ids: Tensor, others: Tensor) -> Tensor:
    """Categorical ids [..., 4] that broadcast against each other -> FP32 [5, ...]; unknown ids match nothing."""
    same = [((ids[..., n] == others[..., n]) & (ids[..., n] > 0)).float() for n in (DEPARTMENT, CATEGORY, TYPE, BRAND)]
    return torch.stack([*same, same[CATEGORY] * same[BRAND]])


def fit_sums(similarity: Tensor, limits: Tensor, matched: Tensor, weights: Tensor) -> Tensor:
    """What the products of a history add up to for a product; sums over parts of a history may be added.

    Args:
        similarity: cosine of the product to each product of the history [..., events].
        limits: of the product's neighbourhoods [..., 3].
        matched: [5, ..., events], from `matches`.
        weights: of the history's products [..., events, 4], from `event_weights`.

    Returns:
        [..., 22]: similar purchases in the three neighbourhoods, recent ones in the second; purchases, recent purchases
        and products of the same department, category, type, brand, category and brand; all purchases, those with
        half-lives of 4 and 16 weeks.
    """
    count, long = weights[..., 0], weights[..., 2]
    near = nearness(similarity)
    strength, lately = near * torch.log1p(count), near * torch.log1p(long)
    sums = [(strength * (similarity >= limits[..., n : n + 1] - EDGE)).sum(-1) for n in range(len(NEIGHBOURS))]
    sums.append((lately * (similarity >= limits[..., 1:2] - EDGE)).sum(-1))
    figures = torch.stack([count, long, (count > 0).float()], dim=-1)
    for level in range(MATCHES):
        same = _totals(matched[level], figures)
        sums += [same[..., 0], same[..., 1], same[..., 2]]
    sums += [part.sum(-1).expand_as(sums[0]) for part in (count, weights[..., 1], long)]
    return torch.stack(sums, dim=-1)


def _totals(same: Tensor, figures: Tensor) -> Tensor:
    """Sums of figures [..., events, n] over the events marked in `same` [..., events]; one history for many products
    is one matrix product."""
    if figures.shape[-3] == 1:
        return torch.matmul(same, figures.squeeze(-3))
    return torch.matmul(same.unsqueeze(-2), figures).squeeze(-2)


def fit_features(sums: Tensor, expected: Tensor) -> Tensor:
    """Features of pairs of user and product.

    Args:
        sums: from `fit_sums`, over the whole history [..., 22].
        expected: share of all purchases in the product's department, category, type and brand [..., 4].

    Returns:
        [..., 29].
    """
    close, kin, total = sums[..., :4], sums[..., 4:19], sums[..., 19:20]
    bought = kin[..., 0 : 3 * expected.shape[-1] : 3]
    lift = torch.log((bought + 0.5) / ((total + 20.0) * expected + 0.5))
    return torch.cat(
        [torch.log1p(close), torch.log(close + SMALL), torch.log1p(kin), torch.log1p(sums[..., 20:]), lift], dim=-1
    )


def lean(sums: Tensor, closest: Tensor) -> Tensor:
    """What a user's closeness to a product adds to its score: LEAN for the closest of all users, less in proportion.

    A network of features of one pair cannot see how close others are.

    Args:
        sums: from `fit_sums` [..., 22].
        closest: the largest sum of recent similar purchases that any user has for the product [...].
    """
    return LEAN * sums[..., LATELY] / closest.clamp(min=SMALL)


class LevelCounts(nn.Module):
    """Purchases and products by department, category, type and brand, as constant tables [ids, 2]."""

    def __init__(self, tables: list[Tensor]) -> None:
        super().__init__()
        for number, table in enumerate(tables):
            self.register_buffer(f"level_{number}", table.float())
        self.register_buffer("total", tables[DEPARTMENT][:, 0].sum().clamp(min=1.0))

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """ids INT64 [..., 4] -> the levels' shares of all purchases [..., 4], and logs of purchases and products [...,
        8]."""
        rows = []
        for number in range(4):
            table = self.get_buffer(f"level_{number}")
            index = ids[..., number]
            rows.append(table[torch.where((index > 0) & (index < table.shape[0]), index, torch.zeros_like(index))])
        counts = torch.stack(rows, dim=-2)
        share = (counts[..., 0] / self.get_buffer("total")).clamp(min=1e-6)
        return share, torch.log1p(counts).flatten(-2)
