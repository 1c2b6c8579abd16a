"""user_encoder and the two retrievals that read its vectors.

Two towers as in Yi et al. (2019), trained with a sampled softmax and a correction for sampling probability; the user
side is attention over what the user did, weighted by age, quantity and kind. What a user buys again and again is a
matter of counting, not of content: user_encoder gives each product of the history a repeat weight, which
product_retrieval adds to that product's score.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onshelf_exporter.models.product_encoder import VECTOR_DIM

PROFILE = 16
KINDS = 6  # 0 pad, 1 purchase, 2 view, 3 click, 4 cart, 5 review
CONTENT = VECTOR_DIM - 1  # the last position carries the product's popularity


class UserEncoder(nn.Module):
    """History and profile -> user vector and repeat weights. `profile_mean` and `profile_scale` [16] standardise
    inside."""

    def __init__(self, profile_mean: Tensor, profile_scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("profile_mean", profile_mean.float())
        self.register_buffer("profile_scale", profile_scale.float())
        self.kinds = nn.Parameter(torch.zeros(KINDS, 2))
        self.attention = nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 4))
        self.mix = nn.Linear(4 * CONTENT + PROFILE, 128)
        self.out = nn.Linear(128, CONTENT)
        self.skip = nn.Parameter(torch.tensor(1.0))
        self.repeat = nn.Parameter(torch.tensor([1.0, 1.0, 1.0, 2.0]))

    def forward(
        self, items: Tensor, mask: Tensor, ages: Tensor, quantities: Tensor, kinds: Tensor, profile: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Item vectors [batch, events, 64], mask, ages (weeks), quantities, kinds [batch, events], profile [batch, 16].

        Returns the user vector [batch, 64] (its last position is 1) and repeat weights [batch, events], 0 where padded.
        """
        log_age, log_quantity = torch.log1p(ages.clamp(min=0.0)), torch.log1p(quantities.clamp(min=0.0))
        kind = self.kinds[kinds.clamp(0, KINDS - 1)]
        features = torch.stack([log_age, log_quantity, log_age * log_quantity, kind[:, :, 0]], dim=2)
        scores = self.attention(features) - log_age.unsqueeze(2) * 0.5 + log_quantity.unsqueeze(2) * 0.5
        weights = torch.softmax(scores.masked_fill(~mask.unsqueeze(2), -1e4), dim=1) * mask.unsqueeze(2)
        pooled = torch.matmul(weights.transpose(1, 2), items[:, :, :CONTENT])
        profile = ((profile - self.get_buffer("profile_mean")) / self.get_buffer("profile_scale")).clamp(-4.0, 4.0)
        hidden = F.gelu(self.mix(torch.cat([pooled.flatten(1), profile], dim=1)))
        vector = self.out(hidden) + self.skip * pooled[:, 0]
        vector = torch.cat([vector, torch.ones_like(vector[:, :1])], dim=1)
        decay = F.softplus(self.repeat)
        repeat = F.softplus(decay[3] + decay[0] * log_quantity - decay[1] * log_age + kind[:, :, 1])
        return vector, repeat * mask


class UserEncoderGraph(nn.Module):
    """The graph `user_encoder`: product indices of the history are looked up in a constant table [products + 1, 64],
    row 0 padding."""

    def __init__(self, encoder: UserEncoder, items: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("items", items)

    def forward(
        self,
        history_products: Tensor,
        history_ages: Tensor,
        history_quantities: Tensor,
        history_kinds: Tensor,
        profile: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """INT64, FP32, FP32, INT64 [batch, events] and FP32 [batch, 16] -> user_vector [batch, 64], repeat_weights
        [batch, events]."""
        items = self.get_buffer("items")
        mask = (history_products > 0) & (history_products < items.shape[0]) & (history_kinds > 0)
        index = torch.where(mask, history_products, torch.zeros_like(history_products))
        vector, repeat = self.encoder(items[index], mask, history_ages, history_quantities, history_kinds, profile)
        return vector, repeat


class ProductRetrieval(nn.Module):
    """The graph `product_retrieval`: dot products with all products [products, 64] plus repeat weights, then the best
    k."""

    def __init__(self, vectors: Tensor, k: int) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors.T.contiguous())
        self.k = min(k, vectors.shape[0])

    def forward(self, user_vector: Tensor, history_products: Tensor, repeat_weights: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 [batch, 64], INT64 and FP32 [batch, events] -> product_indices INT64 and scores FP32 [batch, k], best
        first."""
        scores = torch.matmul(user_vector, self.get_buffer("vectors"))
        known = (history_products > 0) & (history_products <= scores.shape[1])
        index = torch.where(known, history_products - 1, torch.zeros_like(history_products))
        scores = torch.scatter_add(scores, 1, index, repeat_weights * known)
        best = torch.topk(scores, self.k, dim=1)
        return best.indices, best.values


class AudienceRetrieval(nn.Module):
    """The graph `audience_retrieval`: users by their logit of buying a product, given all user vectors [users, 64] and
    their activity.

    `weights` = (of the dot product, of the activity, constant), fitted on past launches.
    """

    def __init__(self, vectors: Tensor, activity: Tensor, weights: Tensor, k: int) -> None:
        super().__init__()
        self.register_buffer("vectors", (vectors * weights[0]).T.contiguous())
        self.register_buffer("bias", (activity * weights[1] + weights[2]).unsqueeze(0))
        self.k = min(k, vectors.shape[0])

    def forward(self, product_vector: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 [batch, 64] -> user_indices INT64 and scores FP32 [batch, k], best first."""
        best = torch.topk(
            torch.matmul(product_vector, self.get_buffer("vectors")) + self.get_buffer("bias"), self.k, dim=1
        )
        return best.indices, best.values


class LaunchRetrieval(nn.Module):
    """The graph `launch_retrieval`: past launches by the cosine of their embeddings [launches, 128], each of L2 norm
    1."""

    def __init__(self, embeddings: Tensor, k: int) -> None:
        super().__init__()
        self.register_buffer("embeddings", embeddings.T.contiguous())
        self.k = min(k, embeddings.shape[0])

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 [batch, 128] -> launch_indices INT64 and similarities FP32 [batch, k], best first."""
        best = torch.topk(torch.matmul(F.normalize(embedding, dim=1), self.get_buffer("embeddings")), self.k, dim=1)
        return best.indices, best.values
