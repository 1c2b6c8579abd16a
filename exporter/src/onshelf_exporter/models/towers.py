"""user_encoder and the retrievals that read what it says of a user.

Three rankers share one answer. What a user buys again and again is a matter of habit: boosted trees score each product
of the history. What the user might buy for the first time comes from what users buy together: a linear autoencoder of
low rank (Steck 2019, without its zero diagonal) gives user vectors and product factors, whose dot product picks
candidates for a network. New products, of which there are no purchases, are scored by how they fit the history
(`neighbourhood`), in the same way in which an audience is found for one of them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onshelf_exporter.models.habits import event_weights, known_events, read_habits, repeat_features
from onshelf_exporter.models.neighbourhood import (
    LATELY,
    LevelCounts,
    fit_features,
    fit_sums,
    lean,
    matches,
    nearness,
    neighbour_limits,
)
from onshelf_exporter.models.scorer import NONE
from onshelf_exporter.models.user_tables import UserTables
from onshelf_release.signatures import REASONS

KINDS = 6  # 0 pad, 1 purchase, 2 view, 3 click, 4 cart, 5 review
CANDIDATES = 200  # products without purchases by the user that are scored one by one
LAST = 1e6  # place of what is not in a list
TIE = 1e-5  # log odds by which an event or a new product stands behind the one before it, all else equal
REST = 25.0  # log odds by which products that were no candidates stand behind


class Catalog(nn.Module):
    """Constant tables by product number (product_index + 1); row 0 is no product.

    Attributes:
        factors: [products + 1, 64], what is bought together.
        embeddings: [products + 1, 128] of L2 norm 1; 0 where never sold.
        content: the same of all products.
        ids: [products + 1, 4] categorical ids.
        facts: [products + 1, facts], see training.product_facts.
        prior: [products + 1], a little for recent purchases, by which candidates are chosen where a history says
            nothing; NONE where the data up to the cut do not show the product.
    """

    def __init__(
        self, *, factors: Tensor, content: Tensor, sold: Tensor, ids: Tensor, facts: Tensor, prior: Tensor
    ) -> None:
        super().__init__()
        self.register_buffer("factors", factors.float())
        self.register_buffer("content", content.float())
        self.register_buffer("embeddings", content.float() * sold.float().unsqueeze(1))
        self.register_buffer("ids", ids.long())
        self.register_buffer("facts", facts.float())
        self.register_buffer("prior", prior.float())


class UserEncoderGraph(nn.Module):
    """The graph `user_encoder`."""

    def __init__(self, catalog: Catalog, scorer: nn.Module) -> None:
        super().__init__()
        self.scorer = scorer
        for name in ("factors", "facts"):
            self.register_buffer(name, catalog.get_buffer(name))
        self.register_buffer("types", catalog.get_buffer("ids")[:, 2].clone())

    def features(
        self, products: Tensor, ages: Tensor, quantities: Tensor, kinds: Tensor, profile: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """user vector [batch, 64], event weights [batch, events, 4], features [batch, events, width], first events."""
        keep = (products > 0) & (products < self.get_buffer("facts").shape[0]) & (kinds > 0)
        number = torch.where(keep, products, torch.zeros_like(products))
        habits = read_habits(number, ages, quantities, kinds, self.get_buffer("types")[number])
        factors = self.get_buffer("factors")[number]
        vector = torch.matmul(habits.taste.unsqueeze(1), factors).squeeze(1)
        likes = torch.matmul(factors, vector.unsqueeze(2)).squeeze(2)
        own = habits.taste * (factors * factors).sum(2)
        features = repeat_features(habits, likes, own, self.get_buffer("facts")[number], profile)
        return vector, event_weights(habits), features, habits.first

    def forward(
        self,
        history_products: Tensor,
        history_ages: Tensor,
        history_quantities: Tensor,
        history_kinds: Tensor,
        profile: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """INT64, FP32, FP32, INT64 [batch, events] and FP32 [batch, 16] -> user_vector [batch, 64]; repeat_weights
        [batch, events], log odds of buying the product again, at the first event of each product and NONE elsewhere (of
        equal ones the earlier in the history is ahead);
        event_weights [batch, events, 4]."""
        vector, weights, features, first = self.features(
            history_products, history_ages, history_quantities, history_kinds, profile
        )
        place = torch.arange(features.shape[1], device=features.device, dtype=features.dtype)
        score = self.scorer(features) - TIE * place  # trees tie; the order must not be up to the runtime
        repeat = torch.where(first > 0, score, torch.full_like(first, NONE))
        return vector, repeat, weights


class NewProducts(nn.Module):
    """Scores products by how they fit a history.

    Args:
        catalog: of all products.
        levels: purchases by category and brand.
        scorer: log odds that a user buys a new product in its first 8 weeks.
        products: numbers of those that are new [new].
        vectors: theirs [new, 64].
        closest: of the users to each, from `closest_users` [new].
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        levels: LevelCounts,
        scorer: nn.Module,
        products: Tensor,
        vectors: Tensor,
        closest: Tensor,
    ) -> None:
        super().__init__()
        self.scorer, self.levels = scorer, levels
        self.register_buffer("products", products.long())
        self.register_buffer("vectors", vectors.float())
        self.register_buffer("closest", closest.float())
        embeddings, ids = catalog.get_buffer("embeddings"), catalog.get_buffer("ids")
        own = catalog.get_buffer("content")[products]
        self.register_buffer("own", own)
        self.register_buffer("own_ids", ids[products])
        limits = [neighbour_limits(part @ embeddings.T) for part in torch.split(own, 256)]
        self.register_buffer("limits", torch.cat(limits) if limits else torch.zeros(0, 3))

    def forward(self, user_vector: Tensor, profile: Tensor, embeddings: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
        """Of the history's products: embeddings [batch, events, 128], ids [batch, events, 4], weights [batch, events,
        4] -> scores of each new product [batch, new]: log odds of buying it in its first 8 weeks, and `lean`."""
        similarity = torch.matmul(self.get_buffer("own"), embeddings.transpose(1, 2))
        own_ids = self.get_buffer("own_ids")
        expected, counts = self.levels(own_ids)
        matched = matches(own_ids.unsqueeze(0).unsqueeze(2), ids.unsqueeze(1))
        sums = fit_sums(similarity, self.get_buffer("limits"), matched, weights.unsqueeze(1))
        pairs = fit_features(sums, expected)
        place = torch.matmul(user_vector, self.get_buffer("vectors").T)
        features = pair_features(pairs, place, profile.unsqueeze(1), counts)
        place = torch.arange(features.shape[1], device=features.device, dtype=features.dtype)
        logit: Tensor = self.scorer(features) + lean(sums, self.get_buffer("closest"))
        return logit - TIE * place  # products of one title tie; the newer is ahead


def closest_users(tables: UserTables, embeddings: Tensor) -> Tensor:
    """The largest sum of recent similar purchases that any user has for each product: embeddings [products, 128] ->
    [products]."""
    parts = [tables.similar(part)[0][..., LATELY].amax(1) for part in torch.split(embeddings, 16)]
    return torch.cat(parts) if parts else embeddings.new_zeros(0)


def pair_features(pairs: Tensor, place: Tensor, profile: Tensor, counts: Tensor) -> Tensor:
    """All features of pairs of user and product; the parts broadcast against `pairs` [..., 29]."""
    shape = pairs.shape[:-1]
    parts = [pairs, place.unsqueeze(-1).expand(*shape, 1)]
    parts += [profile.expand(*shape, profile.shape[-1]), counts.expand(*shape, counts.shape[-1])]
    return torch.cat(parts, dim=-1)


def support(similarity: Tensor, weights: Tensor) -> Tensor:
    """How much each product of a history speaks for a product [..., events], recent purchases twice; 0 where there is
    none."""
    return nearness(similarity) * (torch.log1p(weights[..., 0]) + torch.log1p(weights[..., 2]))


class ProductRetrieval(nn.Module):
    """The graph `product_retrieval`: all products for a user, and new ones by themselves.

    A product without a purchase by the user, and not among the best candidates, stands behind all others. The share of
    new products is kept by places: with a share s the n-th best new product comes at place n / s of the list or before,
    and the n-th of the others at place n / (1 - s).
    """

    def __init__(self, *, catalog: Catalog, scorer: nn.Module, new: NewProducts, k: int, new_k: int = 200) -> None:
        super().__init__()
        self.scorer, self.new = scorer, new
        for name in ("factors", "embeddings", "content", "ids", "facts", "prior"):
            self.register_buffer(name, catalog.get_buffer(name))
        products = catalog.get_buffer("ids").shape[0] - 1
        self.k, self.candidates = min(k, products), min(CANDIDATES, products)
        self.new_k = min(new_k, len(new.get_buffer("products")))

    def first_buys(self, user_vector: Tensor, products: Tensor, weights: Tensor) -> Tensor:
        """A first order of all products [batch, products + 1]; NONE where unknown or in the history."""
        likes = torch.matmul(user_vector, self.get_buffer("factors").T) + self.get_buffer("prior")
        mine = torch.where(weights[:, :, 0] > 0, torch.full_like(user_vector[:, :1], NONE), 0.0)
        return torch.scatter_add(likes, 1, products, mine)

    def features(self, user_vector: Tensor, profile: Tensor, products: Tensor, weights: Tensor, at: Tensor) -> Tensor:
        """Features of candidates `at` [batch, candidates] -> [batch, candidates, width]."""
        likes = torch.matmul(self.get_buffer("factors")[at], user_vector.unsqueeze(2)).squeeze(2)
        ids = self.get_buffer("ids")
        same = matches(ids[at].unsqueeze(2), ids[products].unsqueeze(1))[1:4]
        kin = torch.log(torch.matmul(same, weights[:, :, 1:3].unsqueeze(0)) + 0.02)
        columns = torch.stack(
            [
                likes,
                torch.log(likes.clamp(min=0.0) + 0.01),
                kin[0, ..., 1],
                kin[1, ..., 0],
                kin[1, ..., 1],
                kin[2, ..., 1],
            ],
            dim=2,
        )
        total = torch.log1p(weights[:, :, :3].sum(1))
        user = torch.cat([profile, total], dim=1).unsqueeze(1).expand(-1, at.shape[1], -1)
        return torch.cat([columns, self.get_buffer("facts")[at], user], dim=2)

    def forward(
        self,
        user_vector: Tensor,
        profile: Tensor,
        history_products: Tensor,
        repeat_weights: Tensor,
        event_weights: Tensor,
        new_product_share: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """FP32 [batch, 64], [batch, 16], INT64 [batch, events], FP32 [batch, events], [batch, events, 4], [batch, 1] ->
        product_indices INT64 and scores (log odds) FP32 [batch, k], best first; reason_events INT64 [batch, k * 2],
        positions in the history or -1; the same of new products alone: new_indices, new_scores, new_reason_events."""
        ids = self.get_buffer("ids")
        products, inside = known_events(history_products, repeat_weights, ids.shape[0])
        weights = event_weights * inside.unsqueeze(2)
        none = torch.full_like(user_vector[:, :1], NONE)

        likes = self.first_buys(user_vector, products, weights)
        best = torch.topk(likes, self.candidates, dim=1)
        scored = self.scorer(self.features(user_vector, profile, products, weights, best.indices))
        scores = torch.scatter(likes - REST, 1, best.indices, torch.where(best.values > NONE / 2, scored, none))
        scores = torch.scatter(scores, 1, products, torch.where(inside, repeat_weights, none))
        scores = torch.cat([2 * none, scores[:, 1:]], dim=1)

        history = (self.get_buffer("embeddings")[products], ids[products], weights)
        fresh = torch.topk(self.new(user_vector, profile, *history), self.new_k, dim=1)
        new = self.new.get_buffer("products")[fresh.indices]
        chosen, scores = self._shared(scores, new, fresh.values, new_product_share)
        return (
            (chosen - 1).clamp(min=0),
            scores,
            self._reasons(chosen, products, weights),
            new - 1,
            fresh.values,
            self._reasons(new, products, weights),
        )

    def _shared(self, scores: Tensor, new: Tensor, fit: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The best k numbers and their scores, with the share of places that new products have."""
        share = share.clamp(0.0, 1.0)
        order = torch.topk(scores, self.k, dim=1).indices
        rank = torch.arange(1, self.k + 1, device=scores.device).float().unsqueeze(0)
        places = torch.full_like(scores, LAST).scatter(1, order, rank / (1.0 - share).clamp(min=1e-3))
        new_rank = torch.arange(1, self.new_k + 1, device=scores.device).float().unsqueeze(0)
        wanted = torch.where(share > 0, new_rank / share.clamp(min=1e-3) - 0.5, torch.full_like(share, LAST))
        earned = places.gather(1, new)
        places = places.scatter(1, new, torch.minimum(earned, wanted))
        scores = scores.scatter(1, new, torch.where(wanted < earned, fit, scores.gather(1, new)))
        chosen = torch.topk(places, self.k, dim=1, largest=False).indices
        return chosen, scores.gather(1, chosen)

    def _reasons(self, chosen: Tensor, products: Tensor, weights: Tensor) -> Tensor:
        """Positions of the events that speak most for each product, flattened; -1 where none does.

        A product of the history speaks for itself; else what is bought together with it does, else what is like it.
        """
        factors, embeddings = self.get_buffer("factors"), self.get_buffer("embeddings")
        mine = (chosen.unsqueeze(2) == products.unsqueeze(1)).float()
        together = torch.matmul(factors[chosen], factors[products].transpose(1, 2)) * weights[:, :, 3].unsqueeze(1)
        together = together.clamp(min=0.0)
        alike = support(
            torch.matmul(self.own_embeddings(chosen), embeddings[products].transpose(1, 2)), weights.unsqueeze(1)
        )
        parts = torch.where(together.amax(2, keepdim=True) > 0, together, alike) + 100.0 * mine
        return strongest(parts).flatten(1)

    def own_embeddings(self, numbers: Tensor) -> Tensor:
        """Embeddings of products, those never sold included [..., 128]."""
        return self.get_buffer("content")[numbers]


def strongest(parts: Tensor) -> Tensor:
    """Positions of the REASONS largest parts [..., events], -1 where they are not above 0."""
    padded = torch.cat([parts, torch.zeros_like(parts[..., :1]).expand(*parts.shape[:-1], REASONS)], dim=-1)
    best = torch.topk(padded, REASONS, dim=-1)
    return torch.where(best.values > 0, best.indices, torch.full_like(best.indices, -1))


class AudienceRetrieval(nn.Module):
    """The graph `audience_retrieval`: all users by how a product fits what they bought.

    Products with the same embedding count as one when reasons are named: the one that the user bought most.

    Args:
        tables: what all users bought.
        levels: purchases by category and brand.
        scorer: log odds that a user buys a new product in its first 8 weeks.
        profile: [users, 16].
        vectors: [users, 64].
        k: users returned.
    """

    def __init__(
        self, *, tables: UserTables, levels: LevelCounts, scorer: nn.Module, profile: Tensor, vectors: Tensor, k: int
    ) -> None:
        super().__init__()
        self.tables, self.levels, self.scorer = tables, levels, scorer
        self.register_buffer("profile", profile.float())
        self.register_buffer("vectors", vectors.T.float().contiguous())
        self.k = min(k, len(profile))

    def forward(
        self, embedding: Tensor, categorical_ids: Tensor, product_vector: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """FP32 [batch, 128], INT64 [batch, 4], FP32 [batch, 64] -> user_indices INT64 and scores (log odds, and `lean`)
        FP32 [batch, k], best first; reason_products INT64 [batch, k * 2], product_index of what the user bought that
        speaks most for the product, or -1."""
        sums, near, peak = self.tables(embedding, categorical_ids)
        expected, counts = self.levels(categorical_ids)
        pairs = fit_features(sums, expected.unsqueeze(1))
        place = torch.matmul(product_vector, self.get_buffer("vectors"))
        features = pair_features(pairs, place, self.get_buffer("profile").unsqueeze(0), counts.unsqueeze(1))
        scores = self.scorer(features) + lean(sums, sums[..., LATELY].amax(1, keepdim=True))
        best = torch.topk(scores, self.k, dim=1)
        named = self.tables.similar.reasons(near, peak, best.indices)
        return best.indices, best.values, named.flatten(1)


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
