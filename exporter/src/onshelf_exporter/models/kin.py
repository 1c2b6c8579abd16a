"""What is known of a product's kin (its categories, its brand, both together) as features of the forest.

Statistics of a group of products are plain sums up to a week; everything that is computed of them is computed here,
in the graph, for serving and training alike.
"""

import math

import torch
from torch import Tensor, nn

from onshelf_exporter.models.lookups import BRAND, CATEGORY, TYPE

GROUPS = ("department", "category", "type", "brand", "brand_category", "brand_type", "type_label")
ABOVE = (-1, 0, 1, -1, 1, 2, 2)  # position of the group above each; -1 is the whole shop
# sums over the group's products; "recent" are the last 8 weeks, "newest" the last 3
STATISTICS = (
    "launch_units",  # units of past launches in the weeks of their first 8 that are over
    "launch_exposure",  # the share of a launch's 8-week units that falls into these weeks, summed over launches
    "recent_units",
    "recent_sales",  # product-weeks with a sale
    "newest_units",
    "newest_sales",
    "recent_buyers",
    "units",
    "weeks",  # product-weeks since each product was first seen
    "displayed",  # product-weeks in a display channel, recent
    "display_coverage",
    "mailed",  # product-weeks in any other channel, recent
    "mail_coverage",
    "log_price",  # over product-weeks with a price
    "priced",
    "tried",  # pairs of user and product, 8 weeks after the first purchase
    "tried_again",  # those of them with a second week of purchase by then
)
PRICE_GROUPS = ("department", "category", "type", "brand_category")
PRIOR_LAUNCHES = 3.0  # launches that the group above counts for
PRIOR_PAIRS = 20.0  # pairs of user and product that it counts for
FEATURES = (
    *(
        f"{group}_{name}"
        for name in (
            "launch_rate",
            "units",
            "sales",
            "velocity",
            "newest_velocity",
            "units_per_week",
            "units_per_buyer",
            "displayed",
            "display_coverage",
            "mailed",
            "mail_coverage",
            "repeat_rate",
        )
        for group in GROUPS
    ),
    "log_price",
    *(f"{group}_price_ratio" for group in PRICE_GROUPS),
    "private_label",
    "entered_by_sale",
)
KEY_SPACE = 2**40  # keys of one group


def kin_features(statistics: Tensor, overall: Tensor, attributes: Tensor, entered: Tensor) -> Tensor:
    """Features [batch, len(FEATURES)] of products.

    Args:
        statistics: FP32 [batch, len(GROUPS), len(STATISTICS)]; zeros where the group is unknown.
        overall: FP32 [batch, 2], over the whole shop the units of a launch in 8 weeks, and the repeat rate.
        attributes: FP32 [batch, 2], list price (0 unknown) and private label.
        entered: FP32 [batch, 1], 1 where the launch entered by a sale.
    """
    value = dict(zip(STATISTICS, statistics.unbind(2), strict=True))
    rate = _shrunk(value["launch_units"], value["launch_exposure"], overall[:, 0], PRIOR_LAUNCHES)
    repeat = _shrunk(value["tried_again"], value["tried"], overall[:, 1], PRIOR_PAIRS)
    price = attributes[:, 0:1]
    prices = [GROUPS.index(group) for group in PRICE_GROUPS]
    count = torch.stack([value["priced"][:, group] for group in prices], dim=1)
    usual = torch.stack([value["log_price"][:, group] for group in prices], dim=1) / count.clamp(min=1.0)
    nearest = torch.where(count[:, 1:2] > 0, usual[:, 1:2], usual[:, 0:1])
    nearest = torch.where(count[:, 2:3] > 0, usual[:, 2:3], nearest)
    log_price = torch.where(price > 0, torch.log(price.clamp(min=0.01)), nearest)
    sales = value["recent_sales"]
    return torch.cat(
        [
            torch.log(rate.clamp(min=0.05)),
            torch.log1p(value["recent_units"]),
            torch.log1p(sales),
            torch.log((value["recent_units"] + 1) / (sales + 1)),
            torch.log((value["newest_units"] + 1) / (value["newest_sales"] + 1)),
            torch.log((value["units"] + 1) / (value["weeks"] + 10)),
            torch.log((value["recent_units"] + 1) / (value["recent_buyers"] + 1)),
            torch.log((value["displayed"] + 0.5) / (sales + 2)),
            torch.log((value["display_coverage"] + 0.01) / (value["displayed"] + 0.5)),
            torch.log((value["mailed"] + 0.5) / (sales + 2)),
            torch.log((value["mail_coverage"] + 0.01) / (value["mailed"] + 0.5)),
            torch.logit(repeat.clamp(1e-3, 1 - 1e-3)),
            log_price,
            torch.where(count > 0, log_price - usual, torch.zeros_like(usual)),
            attributes[:, 1:2],
            entered,
        ],
        dim=1,
    )


def _shrunk(above: Tensor, below: Tensor, overall: Tensor, prior: float) -> Tensor:
    """Ratios [batch, groups], each shrunk to that of the group above it, which counts for `prior`."""
    ratios: list[Tensor] = []
    for position, parent in enumerate(ABOVE):
        usual = overall if parent < 0 else ratios[parent]
        ratios.append((above[:, position] + prior * usual) / (below[:, position] + prior))
    return torch.stack(ratios, dim=1)


def group_keys(ids: Tensor, label: Tensor, sizes: tuple[int, int, int, int]) -> Tensor:
    """Keys of groups, INT64 [batch, len(GROUPS)]; -1 where a part of the key is unknown.

    Args:
        ids: INT64 [batch, 4].
        label: FP32 [batch], 1, 0 or -1.
        sizes: ids per level.
    """
    known = torch.stack([(ids[:, level] > 0) & (ids[:, level] < size) for level, size in enumerate(sizes)], dim=1)
    ids = torch.where(known, ids, torch.zeros_like(ids))
    brand, kind, category = ids[:, BRAND], ids[:, TYPE], ids[:, CATEGORY]
    paired = known[:, BRAND : BRAND + 1] & known[:, CATEGORY : TYPE + 1]
    pairs = torch.stack(
        [brand * sizes[CATEGORY] + category, brand * sizes[TYPE] + kind, kind * 3 + (label.round().long() + 1)], dim=1
    )
    keys = torch.cat([ids, pairs], dim=1)
    valid = torch.cat([known, paired, known[:, TYPE : TYPE + 1]], dim=1)
    return torch.where(valid, keys, torch.full_like(keys, -1))


class KinTables(nn.Module):
    """Statistics of all groups at the cut of a model release, looked up by key."""

    def __init__(
        self, sizes: tuple[int, int, int, int], overall: Tensor, tables: dict[str, tuple[Tensor, Tensor]]
    ) -> None:
        """`overall` is FP32 [2] (see kin_features). `tables` has by group its sorted keys INT64 [rows] and statistics
        FP32 [rows, len(STATISTICS)]."""
        super().__init__()
        self.sizes = sizes
        self.register_buffer("overall", overall.reshape(1, 2))
        self.register_buffer("space", torch.arange(len(GROUPS)) * KEY_SPACE)
        keys = [tables[group][0] + position * KEY_SPACE for position, group in enumerate(GROUPS)]
        self.register_buffer("keys", torch.cat([torch.tensor([-2]), *keys]))
        values = [tables[group][1].float() for group in GROUPS]
        self.register_buffer("values", torch.cat([torch.zeros(1, len(STATISTICS)), *values]))

    def statistics(self, ids: Tensor, attributes: Tensor) -> Tensor:
        """FP32 [batch, len(GROUPS), len(STATISTICS)]."""
        keys = group_keys(ids, attributes[:, 1], self.sizes)
        keys = torch.where(keys < 0, keys, keys + self.get_buffer("space"))
        result: Tensor = self.get_buffer("values")[find(self.get_buffer("keys"), keys)]
        return result

    def forward(self, ids: Tensor, attributes: Tensor, entered: Tensor) -> Tensor:
        """INT64 [batch, 4], FP32 [batch, 2], FP32 [batch, 1] -> FP32 [batch, len(FEATURES)]."""
        overall = self.get_buffer("overall").expand(ids.shape[0], 2)
        return kin_features(self.statistics(ids, attributes), overall, attributes, entered)


def find(keys: Tensor, wanted: Tensor) -> Tensor:
    """Positions of keys in a sorted table, in the shape of `wanted`; 0 where there is no such key (row 0 is none).

    Two steps over about the square root of the table: the last part of it that begins at or below the wanted key, then
    all of that part. A binary search needs ten times the operations, each of which costs more than its work.
    """
    count = keys.shape[0]
    width = math.isqrt(max(count - 1, 0)) + 1
    parts = torch.cat([keys, keys[-1:].expand(-count % width)]).reshape(-1, width)
    part = ((parts[:, 0] <= wanted.unsqueeze(-1)).long().sum(-1) - 1).clamp(min=0)
    place = part.unsqueeze(-1) * width + torch.arange(width, device=keys.device)
    same = torch.index_select(parts, 0, part.flatten()).reshape(place.shape) == wanted.unsqueeze(-1)
    return ((same & (place < count)).long() * place).sum(-1)
