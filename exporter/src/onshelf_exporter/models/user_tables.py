"""What all users bought, as constant tables, and their sums for one product at a time: what `neighbourhood.fit_sums`
adds up over one history, here for all users at once.

What depends on the product is computed once per distinct embedding, not once per purchase; what users bought of a
category or brand is looked up.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onshelf_exporter.models.kin import find
from onshelf_exporter.models.lookups import BRAND, CATEGORY
from onshelf_exporter.models.neighbourhood import EDGE, MATCHES, NEIGHBOURS, counted_limits, nearness
from onshelf_release.codes import LEVELS
from onshelf_release.signatures import REASONS

ID_SPACE = 2**20  # ids of one level
BLOCK = 1024  # rows at a time: what is computed of them stays in a core's cache
FIGURES = 3  # purchases, recent purchases, products


def level_keys(ids: Tensor) -> Tensor:
    """Categorical ids INT64 [..., 4] -> keys [..., 5] of department, category, type, brand, category and brand; -1
    where one is unknown."""
    valid = (ids > 0) & (ids < ID_SPACE)
    level = torch.arange(len(LEVELS), device=ids.device)
    single = torch.where(valid, level * ID_SPACE**2 + ids, torch.full_like(ids, -1))
    category, brand = ids[..., CATEGORY : CATEGORY + 1], ids[..., BRAND : BRAND + 1]
    both = valid[..., CATEGORY : CATEGORY + 1] & valid[..., BRAND : BRAND + 1]
    pair = len(LEVELS) * ID_SPACE**2 + category * ID_SPACE + brand
    return torch.cat([single, torch.where(both, pair, torch.full_like(pair, -1))], dim=-1)


class SimilarPurchases(nn.Module):
    """Purchases by similarity to a product.

    Products with the same embedding are one content. Users' contents lie in rows of a fixed width, as many rows a user
    as are needed.

    Attributes:
        embeddings: [128, contents], distinct.
        members: products that have each [contents].
        contents: column of `embeddings` [rows, width]; any where padded.
        products: number (product_index + 1) of the content's product that the user bought most [rows, width].
        strength: logs of purchases, summed over the content's products [rows, width]; 0 where padded.
        lately: the same of recent purchases.
        most: what `products` speaks: logs of its purchases and of its recent ones, added.
        owner: the user of each row [rows].
        users: number of users.
    """

    def __init__(
        self,
        *,
        embeddings: Tensor,
        members: Tensor,
        contents: Tensor,
        products: Tensor,
        strength: Tensor,
        lately: Tensor,
        most: Tensor,
        owner: Tensor,
        users: int,
    ) -> None:
        super().__init__()
        self.users = users
        self.register_buffer("embeddings", embeddings.T.float().contiguous())
        self.register_buffer("members", members.float())
        self.register_buffer("contents", contents.int())
        self.register_buffer("products", products.int())
        self.register_buffer("strength", strength.float())
        self.register_buffer("lately", lately.float())
        self.register_buffer("most", most.float())
        self.register_buffer("owner", owner.long())

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """FP32 [batch, 128] -> the first four of `fit_sums` [batch, users, 4]; what `reasons` reads: nearness of each
        content [batch, contents], and how much the strongest of each row speaks for the product [batch, rows]."""
        cosine = torch.matmul(F.normalize(embedding, dim=1), self.get_buffer("embeddings"))
        near = nearness(cosine)
        # nearness rises with the cosine, so that one look-up per purchase tells both strength and neighbourhood
        limits = nearness(counted_limits(cosine, self.get_buffer("members")) - EDGE)
        names = ("contents", "strength", "lately", "most")
        parts = []
        for contents, strength, lately, most in zip(
            *(torch.split(self.get_buffer(name), BLOCK) for name in names), strict=True
        ):
            here = self._near(near, contents)
            inside = [(here >= limits[:, n].reshape(-1, 1, 1)).to(here.dtype) for n in range(len(NEIGHBOURS))]
            spoken = here * strength
            sums = [(spoken * mask).sum(2) for mask in inside]
            sums.append((here * lately * inside[1]).sum(2))
            parts.append(torch.stack([*sums, (here * most).amax(2)], dim=2))
        rows = torch.cat(parts, dim=1)
        width = rows.shape[2] - 1
        place = self.get_buffer("owner").unsqueeze(1) * width + torch.arange(width, device=rows.device)
        place = place.flatten().unsqueeze(0).expand(embedding.shape[0], -1)
        none = torch.zeros_like(embedding[:, :1]).expand(-1, self.users * width)
        total = torch.scatter_add(none, 1, place, rows[..., :width].flatten(1))
        return total.reshape(-1, self.users, width), near, rows[..., width]

    def _near(self, near: Tensor, contents: Tensor) -> Tensor:
        """near [batch, contents] at contents [rows, width] -> [batch, rows, width]."""
        index = contents.long().flatten().unsqueeze(0).expand(near.shape[0], -1)
        return torch.gather(near, 1, index).reshape(-1, *contents.shape)

    def reasons(self, near: Tensor, peak: Tensor, users: Tensor) -> Tensor:
        """product_index of what speaks most in the row of each user that holds the strongest [batch, k, REASONS]; -1
        where nothing speaks. `near` and `peak` from `forward`; users [batch, k]."""
        owner, width = self.get_buffer("owner"), self.get_buffer("contents").shape[1]
        at = owner.unsqueeze(0).expand_as(peak)
        none = torch.full_like(peak[:, :1], -1.0).expand(-1, self.users)
        best = torch.scatter_reduce(none, 1, at, peak, "amax")
        number = torch.arange(len(owner), device=peak.device).to(peak.dtype).unsqueeze(0)
        row = torch.scatter_reduce(none, 1, at, torch.where(peak >= best.gather(1, at), number, -1.0), "amax")
        row = row.gather(1, users).long()
        found, row = (row >= 0).unsqueeze(2), row.clamp(min=0).flatten()
        contents = torch.index_select(self.get_buffer("contents"), 0, row).long()
        parts = torch.gather(near, 1, contents.reshape(near.shape[0], -1)).reshape(-1, width)
        parts = parts * torch.index_select(self.get_buffer("most"), 0, row)
        strongest = torch.topk(parts.reshape(*users.shape, width), REASONS, dim=2)
        place = row.unsqueeze(1) * width + strongest.indices.reshape(-1, REASONS)
        bought = torch.gather(self.get_buffer("products").flatten(), 0, place.flatten()).long()
        bought = bought.reshape(*users.shape, REASONS)
        return torch.where(found & (strongest.values > 0), bought - 1, torch.full_like(bought, -1))


class KinPurchases(nn.Module):
    """Purchases of a product's department, category, type, brand, category and brand, in one list of users for each.

    Attributes:
        keys: from `level_keys`, sorted; before them -2, which has an empty list.
        start: where the list of each key begins [keys + 1].
        owner: users, list by list [entries]; a last one stands for no entry.
        figures: their FIGURES [3, entries]; the last are 0.
        users: number of users.
    """

    def __init__(self, *, keys: Tensor, start: Tensor, owner: Tensor, figures: Tensor, users: int) -> None:
        super().__init__()
        self.users, self.longest = users, max(1, int(start.diff().max()))
        self.register_buffer("keys", keys.long())
        self.register_buffer("start", start.long())
        self.register_buffer("owner", owner.int())
        self.register_buffer("figures", figures.float())

    def forward(self, ids: Tensor) -> Tensor:
        """INT64 [batch, 4] -> [batch, users, 15], as in `fit_sums`."""
        start, owner = self.get_buffer("start"), self.get_buffer("owner")
        row = find(self.get_buffer("keys"), level_keys(ids))
        entry = start[row].unsqueeze(2) + torch.arange(self.longest, device=ids.device)
        entry = torch.where(entry < start[row + 1].unsqueeze(2), entry, len(owner) - 1).flatten()
        user = torch.gather(owner, 0, entry).long().reshape(-1, MATCHES, self.longest)
        place = (user + self.users * torch.arange(MATCHES, device=ids.device).reshape(-1, 1)).flatten(1)
        found = [torch.gather(figure, 0, entry).reshape(place.shape) for figure in self.get_buffer("figures")]
        none = torch.zeros_like(found[0][:, :1]).expand(-1, MATCHES * self.users)
        sums = [torch.scatter_add(none, 1, place, figure).reshape(-1, MATCHES, self.users) for figure in found]
        return torch.stack(sums, dim=2).flatten(1, 2).transpose(1, 2)


class UserTables(nn.Module):
    """All that the users of a shop bought.

    Attributes:
        totals: all purchases, those with half-lives of 4 and 16 weeks [users, 3].
    """

    def __init__(self, similar: SimilarPurchases, kin: KinPurchases, totals: Tensor) -> None:
        super().__init__()
        self.similar, self.kin = similar, kin
        self.register_buffer("totals", totals.float())

    def forward(self, embedding: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """FP32 [batch, 128], INT64 [batch, 4] -> `fit_sums` of each user's whole history [batch, users, 22], and what
        `SimilarPurchases.reasons` reads."""
        close, near, peak = self.similar(embedding)
        totals = self.get_buffer("totals").unsqueeze(0).expand(embedding.shape[0], -1, -1)
        return torch.cat([close, self.kin(ids), totals], dim=2), near, peak
