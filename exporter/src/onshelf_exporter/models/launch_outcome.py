"""launch_outcome: the outcome of a launch for a batch of candidate actions.

log mean units = base(content, category) + log seasonality of the category over the horizon + response(action). The base
never sees the action. The response is a sum of terms whose coefficients have the right sign by construction (softplus),
so a higher price never means more units, and more coverage, discount or coupon never fewer. Units are negative
binomial; the dispersion never sees the action, which keeps every quantile monotone too. A launch that enters by a sale
instead of a promotion has at least one unit: its count is 1 + the negative binomial (a nuisance of the data; serving
sets entered_by_sale = 0).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.models.lookups import DEPARTMENT, CategoryTable, IdEmbedding, known
from onshelf_exporter.models.product_encoder import CHANNELS, EMBEDDING_DIM, WEEKS
from onshelf_exporter.models.quantiles import QuantileTable

HORIZONS = (4, 8)
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
CANDIDATE_COLUMNS = (
    "week_of_year",
    "price",
    "discount",
    "coupon",
    "entered_by_sale",
    *(f"coverage_{slot:02d}" for slot in range(CHANNELS)),
)
PRICE_RATIO_LIMIT = 2.5
LOG_MEAN_LIMIT = 8.5


class ResponseTable(NamedTuple):
    """What an action does to log units, by department id (row 0: the whole shop); every entry is >= 0.

    elasticity [departments], discount [departments] (per unit of discount fraction), coupon [departments], coverage
    [departments, 32] (per unit of coverage).
    """

    elasticity: Tensor
    discount: Tensor
    coupon: Tensor
    coverage: Tensor


class Forecast(NamedTuple):
    """Parameters of the forecast: log mean and log size [batch, candidates, 2], buyers' share [batch, 1, 2], repeat
    logit [batch, 1, 1]."""

    log_mean: Tensor
    log_size: Tensor
    buyer_share: Tensor
    repeat: Tensor
    entered: Tensor


class GroupedLinear(nn.Module):
    """One linear layer per ensemble member: [members, batch, inputs] -> [members, batch, outputs]."""

    def __init__(self, members: int, inputs: int, outputs: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, inputs, outputs) * scale / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """See the class."""
        return torch.matmul(inputs, self.weight) + self.bias


class LaunchOutcome(nn.Module):
    """Content, category and candidate actions -> parameters of the forecast; see the module."""

    def __init__(
        self,
        sizes: tuple[int, int, int, int],
        context: CategoryTable,
        seasonality: CategoryTable,
        response: ResponseTable,
        members: int = 4,
        hidden: int = 32,
        dropout: float = 0.0,
    ) -> None:
        """`context` has columns (log median price, features ...); `seasonality` the log index by week for 4 weeks, then
        for 8."""
        super().__init__()
        self.members = members
        self.context = context
        self.seasonality = seasonality
        width = context.get_buffer("types").shape[1] - 1
        self.dropout = nn.Dropout(dropout)
        self.effects = IdEmbedding(sizes, 5, 0.15, scale=0.001)
        self.inner = GroupedLinear(members, EMBEDDING_DIM + width + 1, hidden, 1.0)
        self.outer = GroupedLinear(members, hidden, 7, 0.1)
        self.entered = nn.Parameter(torch.zeros(2))
        self.log_scale = nn.Parameter(torch.zeros(3, 2))
        self.season_strength = nn.Parameter(torch.tensor(0.0))
        for name, value in response._asdict().items():
            self.register_buffer(f"response_{name}", value.float())

    def start(self, log_mean: tuple[float, float]) -> None:
        """Start from the launches' overall log mean at 4 and 8 weeks."""
        with torch.no_grad():
            self.outer.bias[:, 0, 0] = log_mean[0]
            self.outer.bias[:, 0, 1] = log_mean[1]
            self.outer.bias[:, 0, 4] = 1.0

    def base(self, embedding: Tensor, ids: Tensor, attributes: Tensor) -> Tensor:
        """Everything that is not the action: [members, batch, 7] (log means, log sizes, buyers' share logits, repeat
        logit)."""
        features = torch.cat([embedding * 4.0, self.context(ids)[:, 1:], attributes[:, 1:2]], dim=1)
        hidden = torch.tanh(self.inner(self.dropout(features).unsqueeze(0)))
        value: Tensor = self.outer(hidden)
        effects = self.effects(ids)
        return value + torch.cat([effects, torch.zeros_like(effects[:, :2])], dim=1).unsqueeze(0)

    def response(self, ids: Tensor, attributes: Tensor, candidates: Tensor) -> Tensor:
        """What the action adds to log units: [batch, candidates, 2], monotone by construction."""
        department = known(ids[:, DEPARTMENT], self.get_buffer("response_elasticity"))
        price = candidates[:, :, 1]
        price = torch.where(price > 0, price, attributes[:, 0:1])
        ratio = torch.log(price.clamp(min=1e-4)) - self.context(ids)[:, 0:1]
        ratio = ratio.clamp(-PRICE_RATIO_LIMIT, PRICE_RATIO_LIMIT) * (price > 0)
        discount = candidates[:, :, 2].clamp(0.0, 1.0) * self.get_buffer("response_discount")[department].unsqueeze(1)
        coupon = candidates[:, :, 3].clamp(0.0, 1.0) * self.get_buffer("response_coupon")[department].unsqueeze(1)
        coverage = candidates[:, :, 5 : 5 + CHANNELS].clamp(0.0, 1.0)
        covered = torch.matmul(coverage, self.get_buffer("response_coverage")[department].unsqueeze(2)).squeeze(2)
        scale = torch.exp(self.log_scale)
        promoted = (covered + coupon).unsqueeze(2) * scale[0] + discount.unsqueeze(2) * scale[1]
        elasticity = self.get_buffer("response_elasticity")[department].unsqueeze(1)
        total: Tensor = promoted - (elasticity * ratio).unsqueeze(2) * scale[2]
        return total

    def season(self, ids: Tensor, candidates: Tensor) -> Tensor:
        """Log seasonality over the horizon's weeks: [batch, candidates, 2]."""
        week = (candidates[:, :, 0].clamp(1.0, float(WEEKS)).round() - 1.0).long()
        table = self.seasonality(ids).reshape(-1, len(HORIZONS), WEEKS)
        index = week.unsqueeze(1).expand(-1, len(HORIZONS), -1)
        return torch.gather(table, 2, index).transpose(1, 2) * (2.0 * torch.sigmoid(self.season_strength))

    def forecast(
        self, embedding: Tensor, ids: Tensor, attributes: Tensor, candidates: Tensor, per_member: bool = False
    ) -> Forecast:
        """Parameters for [batch, 128], [batch, 4], [batch, 2], [batch, candidates, 37].

        With `per_member` a leading axis of ensemble members stays, for training; otherwise the means are averaged over
        members.
        """
        base = self.base(embedding, ids, attributes)
        if not per_member:
            mean = torch.log(torch.exp(base[:, :, 0:2].clamp(-LOG_MEAN_LIMIT, LOG_MEAN_LIMIT)).mean(0))
            base = torch.cat([mean, base[:, :, 2:].mean(0)], dim=1)
        base = base.unsqueeze(-2)
        entered = candidates[:, :, 4:5]
        action = self.response(ids, attributes, candidates) + self.season(ids, candidates) + entered * self.entered
        log_mean = (base[..., 0:2] + action).clamp(-LOG_MEAN_LIMIT, LOG_MEAN_LIMIT)
        log_size = base[..., 2:4].clamp(-3.0, 3.5).expand_as(log_mean)
        return Forecast(log_mean, log_size, torch.sigmoid(base[..., 4:6]), base[..., 6:7], entered)


class OutcomeGraph(nn.Module):
    """The graph `launch_outcome`: the forecast with its calibrated quantiles."""

    def __init__(self, outcome: LaunchOutcome, levels: NDArray[np.float64]) -> None:
        """`levels` [2, 11] are the levels to read for LEVELS at each horizon, as calibrated."""
        super().__init__()
        self.outcome = outcome
        self.tables = nn.ModuleList(QuantileTable(row) for row in levels)

    def forward(
        self, embedding: Tensor, categorical_ids: Tensor, attributes: Tensor, candidates: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See the signature of the model repository: units mean, dispersion, quantiles, buyers mean, repeat rate."""
        forecast = self.outcome.forecast(embedding, categorical_ids, attributes, candidates)
        mean = torch.exp(forecast.log_mean) + forecast.entered
        quantiles = torch.stack(
            [table(forecast.log_mean[:, :, h], forecast.log_size[:, :, h]) for h, table in enumerate(self.tables)],
            dim=2,
        )
        quantiles = quantiles + forecast.entered.unsqueeze(3)
        repeat = torch.sigmoid(forecast.repeat).expand(-1, candidates.shape[1], -1)
        return mean, torch.exp(forecast.log_size), quantiles, mean * forecast.buyer_share, repeat


def nb_loss(counts: Tensor, log_mean: Tensor, log_size: Tensor) -> Tensor:
    """Negative log likelihood of the negative binomial, elementwise; without the term that depends on the counts
    only."""
    size = torch.exp(log_size)
    log_total = torch.logaddexp(log_mean, log_size)
    return (
        torch.lgamma(size)
        - torch.lgamma(counts + size)
        + size * (log_total - log_size)
        + counts * (log_total - log_mean)
    )
