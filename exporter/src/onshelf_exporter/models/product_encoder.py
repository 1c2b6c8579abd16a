"""product_encoder: text and attributes of a product -> embedding, product vector and what past practice did with such
products.

The embedding depends on the text, the categories and the private label, not on the price: a plan for the same product
at another price must differ only by its price. The price enters the product vector and the practice heads, relative to
the median price of the product's type or category, from a table in the graph.

Pooling and the text model follow Reimers and Gurevych (2019), Sentence-BERT; the small BERT is MiniLM of Wang et al.
(2020).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onshelf_exporter.models.completion import CategoryCompletion
from onshelf_exporter.models.lookups import CategoryTable, IdEmbedding
from onshelf_exporter.models.practice_rates import PracticeRates
from onshelf_release.calendar import WEEKS_OF_YEAR
from onshelf_release.candidates import CHANNEL_SLOTS
from onshelf_release.codes import TYPICAL_DISCOUNTS
from onshelf_release.signatures import EMBEDDING_DIM, VECTOR_DIM

DISCOUNT_BINS = len(TYPICAL_DISCOUNTS)
PRICE_RATIO_LIMIT = 2.5  # natural log; a price beyond e**2.5 times the median counts as that


class TextEncoder(nn.Module):
    """A BERT with mean pooling over the tokens that the mask keeps. Any encoder that AutoModel loads will do."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, hidden], L2 norm 1."""
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        mask = attention_mask.unsqueeze(2).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        return F.normalize(pooled, dim=1)


class Practice(NamedTuple):
    """Logits of the heads. Shapes: [batch, types], [batch, 32], [batch, 53], [batch, 5], [batch, 2], [batch, 1];
    `trunk` [batch, 128] is what the heads read.
    """

    type_logits: Tensor
    channel_logits: Tensor
    week_logits: Tensor
    discount_logits: Tensor
    demand: Tensor
    price: Tensor
    trunk: Tensor


class ContentEncoder(nn.Module):
    """What stands behind the text: pooled text, categories and attributes -> embedding and heads. Refit for each model
    release."""

    def __init__(
        self,
        *,
        hidden: int,
        sizes: tuple[int, int, int, int],
        price_table: CategoryTable,
        id_dropout: float = 0.0,
        feature_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(hidden, EMBEDDING_DIM)
        self.ids = IdEmbedding(sizes, EMBEDDING_DIM, id_dropout)
        self.label = nn.Linear(1, EMBEDDING_DIM, bias=False)
        self.type_head = nn.Linear(EMBEDDING_DIM, sizes[2])
        self.price_table = price_table
        self.dropout = nn.Dropout(feature_dropout)
        self.trunk = nn.Linear(EMBEDDING_DIM + 3, EMBEDDING_DIM)
        self.channel_head = nn.Linear(EMBEDDING_DIM, CHANNEL_SLOTS)
        self.week_head = nn.Linear(EMBEDDING_DIM, 13)
        self.discount_head = nn.Linear(EMBEDDING_DIM, DISCOUNT_BINS)
        self.demand_head = nn.Linear(EMBEDDING_DIM, 2)
        self.price_head = nn.Linear(EMBEDDING_DIM, 1)
        self.register_buffer("week_basis", circular_basis(WEEKS_OF_YEAR, 13))
        nn.init.zeros_(self.label.weight)
        for head in (self.channel_head, self.week_head, self.discount_head, self.demand_head, self.price_head):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def embed(self, text: Tensor, ids: Tensor, attributes: Tensor) -> Tensor:
        """Pooled text [batch, hidden], ids [batch, 4], attributes [batch, 2] -> embedding [batch, 128] of L2 norm 1."""
        return F.normalize(self.project(text) + self.ids(ids) + self.label(attributes[:, 1:2]), dim=1)

    def price_features(self, ids: Tensor, attributes: Tensor) -> Tensor:
        """[batch, 3]: log price relative to the category's median (0 when unknown), whether it is known, private
        label."""
        price = attributes[:, 0:1]
        is_known = (price > 0).float()
        ratio = torch.log(price.clamp(min=1e-4)) - self.price_table(ids)
        return torch.cat(
            [ratio.clamp(-PRICE_RATIO_LIMIT, PRICE_RATIO_LIMIT) * is_known, is_known, attributes[:, 1:2]], dim=1
        )

    def type_logits(self, text: Tensor) -> Tensor:
        """Logits over type ids from the text alone; position 0, unknown, is never the target."""
        logits: Tensor = self.type_head(F.normalize(self.project(text), dim=1) * 8.0)
        return logits

    def heads(self, text: Tensor, embedding: Tensor, ids: Tensor, attributes: Tensor) -> Practice:
        """All heads, as logits. `demand` is the log of units a week and of units in a launch's first 8 weeks."""
        inputs = torch.cat([self.dropout(embedding) * 4.0, self.price_features(ids, attributes)], dim=1)
        trunk = F.gelu(self.trunk(inputs))
        return Practice(
            self.type_logits(text),
            self.channel_head(trunk),
            self.week_head(trunk) @ self.get_buffer("week_basis").T,
            self.discount_head(trunk),
            self.demand_head(trunk),
            self.price_head(F.gelu(self.trunk(torch.cat([inputs[:, :-3], torch.zeros_like(inputs[:, -3:])], dim=1)))),
            trunk,
        )


class ProductTower(nn.Module):
    """Embedding -> product vector [batch, 64]: the place among what users buy together that its content suggests, so
    that a product without sales has one."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(EMBEDDING_DIM, VECTOR_DIM, bias=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """[batch, 128] -> [batch, 64]."""
        vector: Tensor = self.map(embedding)
        return vector


class ProductEncoder(nn.Module):
    """The graph `product_encoder`: text encoder, completion of the category, content encoder, product tower, rates of
    practice."""

    def __init__(
        self,
        *,
        text: TextEncoder,
        completion: CategoryCompletion,
        content: ContentEncoder,
        tower: ProductTower,
        rates: PracticeRates | None = None,
    ) -> None:
        """Without `rates` the channels come from the content encoder's head alone."""
        super().__init__()
        self.text = text
        self.completion = completion
        self.content = content
        self.tower = tower
        self.rates = rates

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, categorical_ids: Tensor, attributes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Token ids and mask INT64 [batch, tokens], ids INT64 [batch, 4], attributes FP32 [batch, 2] -> the eight
        outputs. Levels of the category that the ids leave open (0) are completed first; what follows goes by them."""
        text = self.text(input_ids, attention_mask)
        type_logits = self.content.type_logits(text)
        ids, confidence = self.completion(categorical_ids, type_logits)
        embedding = self.content.embed(text, ids, attributes)
        practice = self.content.heads(text, embedding, ids, attributes)
        channels = practice.channel_logits
        if self.rates is not None:
            channels = self.rates(ids, channels)
        return (
            embedding,
            self.tower(embedding),
            type_logits,
            torch.sigmoid(channels),
            torch.softmax(practice.week_logits, dim=1),
            torch.softmax(practice.discount_logits, dim=1),
            ids,
            confidence,
        )


def circular_basis(period: int, knots: int) -> Tensor:
    """[period, knots] Gaussian bumps around a circle: neighbouring weeks share strength, the last week meets the
    first."""
    positions = torch.arange(period, dtype=torch.float32).unsqueeze(1)
    centres = torch.arange(knots, dtype=torch.float32).unsqueeze(0) * (period / knots)
    distance = (positions - centres).abs()
    distance = torch.minimum(distance, period - distance)
    return torch.exp(-0.5 * (distance / (period / knots)) ** 2)
