"""Graphs for products that came after the model release: what is computed of each once, and how each fits a user.

Both hold what the release's own graphs hold, so that such a product gets the score that it would get as one of the
release's new products.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onshelf_exporter.models.habits import known_events
from onshelf_exporter.models.neighbourhood import EDGE, counted_limits, fit_features, fit_sums, lean, matches, nearness
from onshelf_exporter.models.towers import Catalog, NewProducts, pair_features, strongest, support
from onshelf_exporter.models.user_tables import SimilarPurchases

BLOCK = 512  # rows of purchases at a time: what is computed of them stays in a core's cache


class ProductNeighbours(nn.Module):
    """The graph `product_neighbours`: how near a product's neighbours are, and its closest user."""

    def __init__(self, similar: SimilarPurchases) -> None:
        super().__init__()
        self.users = similar.users
        for name in ("embeddings", "members", "contents", "lately", "owner"):
            self.register_buffer(name, similar.get_buffer(name))

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 [batch, 128] -> neighbour_limits FP32 [batch, 3], as `neighbourhood.neighbour_limits`; closest FP32
        [batch, 1], as `towers.closest_users`."""
        cosine = torch.matmul(F.normalize(embedding, dim=1), self.get_buffer("embeddings"))
        limits = counted_limits(cosine, self.get_buffer("members"))
        near = nearness(cosine)
        inside = near >= nearness(limits[:, 1:2] - EDGE)
        near = (near * inside.to(near.dtype)).T  # [contents, batch]: a look-up copies a row
        parts = []
        for contents, lately in zip(
            torch.split(self.get_buffer("contents"), BLOCK), torch.split(self.get_buffer("lately"), BLOCK), strict=True
        ):
            here = torch.index_select(near, 0, contents.flatten()).reshape(*contents.shape, -1)
            parts.append(torch.matmul(lately.unsqueeze(1), here).squeeze(1))
        rows = torch.cat(parts)  # [rows, batch]
        none = torch.zeros_like(rows[:1]).expand(self.users, -1)
        total = torch.index_add(none, 0, self.get_buffer("owner"), rows)
        return limits, total.amax(0).unsqueeze(1)


class ProductFit(nn.Module):
    """The graph `product_fit`: products that are no part of the release, scored for a user as `NewProducts` scores its
    own.

    Args:
        catalog: of the release's products, by whose purchases a user is known.
        contents: distinct embeddings of these products [contents, 128].
        content: which of them each product has [products + 1].
        new: scores the release's own new products.
    """

    def __init__(self, catalog: Catalog, contents: Tensor, content: Tensor, new: NewProducts) -> None:
        super().__init__()
        self.scorer, self.levels = new.scorer, new.levels
        self.register_buffer("contents", contents.float())
        self.register_buffer("content", content.int())
        self.register_buffer("ids", catalog.get_buffer("ids").int())

    def forward(
        self,
        user_vector: Tensor,
        profile: Tensor,
        history_products: Tensor,
        repeat_weights: Tensor,
        event_weights: Tensor,
        embeddings: Tensor,
        categorical_ids: Tensor,
        product_vectors: Tensor,
        neighbour_limits: Tensor,
        closest: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """As in `ProductRetrieval`, and what `product_encoder` and `product_neighbours` say of each product: FP32
        [batch, products, 128], INT64 [batch, products, 4], FP32 [batch, products, 64], [batch, products, 3], [batch,
        products] -> fit_scores FP32 [batch, products], as new_scores; fit_reason_events INT64 [batch, products * 2]."""
        ids = self.get_buffer("ids")
        products, inside = known_events(history_products, repeat_weights, ids.shape[0])
        weights = (event_weights * inside.unsqueeze(2)).unsqueeze(1)
        bought = self.get_buffer("contents")[self.get_buffer("content")[products].long()]
        similarity = torch.matmul(embeddings, bought.transpose(1, 2))
        matched = matches(categorical_ids.unsqueeze(2), ids[products].long().unsqueeze(1))
        sums = fit_sums(similarity, neighbour_limits, matched, weights)
        expected, counts = self.levels(categorical_ids)
        place = torch.matmul(product_vectors, user_vector.unsqueeze(2)).squeeze(2)
        features = pair_features(fit_features(sums, expected), place, profile.unsqueeze(1), counts)
        scores = self.scorer(features) + lean(sums, closest)
        return scores, strongest(support(similarity, weights)).flatten(1)
