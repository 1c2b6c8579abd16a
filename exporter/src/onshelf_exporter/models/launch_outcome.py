"""launch_outcome: the outcome of a launch for a batch of candidate actions.

A forest reads what is known of the product and its kin, with the main directions of its embedding, and gives
distributions of units and buyers at a support of counts; it never sees the action. The action shifts the log odds of
these distributions by a sum of terms whose coefficients have the right sign by construction (softplus), so a higher
price never means more units, and more coverage, discount or coupon never fewer; every quantile is monotone too
(proportional odds, McCullagh 1980). What the panel of all product-weeks says about an action in log units is carried
over at the product's own slope of the log odds.

A launch that enters by a sale instead of a promotion has at least one unit (a nuisance of the data; serving sets
entered_by_sale = 0; the forest reads it of the first candidate).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.models.forest import Forest
from onshelf_exporter.models.kin import FEATURES, KinTables
from onshelf_exporter.models.lookups import CATEGORY, DEPARTMENT, CategoryTable
from onshelf_release.calendar import WEEKS_OF_YEAR
from onshelf_release.candidates import (
    CHANNEL_SLOTS,
    COUPON,
    COVERAGE,
    DISCOUNT,
    ENTERED_BY_SALE,
    HORIZONS,
    PRICE,
    WEEK_OF_YEAR,
)
from onshelf_release.signatures import QUANTILE_LEVELS, UNITS_SUPPORT

BUYER_ROWS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19)  # those of them at which buyers are
BUYER_SUPPORT = len(BUYER_ROWS)
LOG_PRICE = FEATURES.index("log_price")
REPEATS = tuple(FEATURES.index(f"{group}_repeat_rate") for group in ("category", "type", "brand_type"))
PRICE_RATIO_LIMIT = 2.5
ODDS_LIMIT = 12.0
KINDS = 2  # of promotion that reach is summed over: display, any other


class ResponseTable(NamedTuple):
    """What an action does to log units, by department id (row 0: the whole shop), then by category id; every entry is
    >= 0.

    elasticity [rows], discount [rows] (per unit of discount fraction), coupon [rows], coverage [rows, 32] (per unit of
    coverage); departments: how many rows are departments'.
    """

    elasticity: Tensor
    discount: Tensor
    coupon: Tensor
    coverage: Tensor
    departments: int


class Leaves(NamedTuple):
    """What the forest says of a product: distribution functions [batch, 2, UNITS_SUPPORT] of units and [batch, 2,
    BUYER_SUPPORT] of buyers at both horizons, and log odds of a repeat purchase [batch, len(REPEATS) + 1]: of the
    forest, and of the nearest kin; log of the price that the product has or, unknown, its kin have [batch, 1]."""

    units: Tensor
    buyers: Tensor
    repeat: Tensor
    log_price: Tensor


class CandidateForecast(NamedTuple):
    """Distribution functions for each candidate: of units [batch, candidates, 2, UNITS_SUPPORT], of buyers [batch,
    candidates, 2, BUYER_SUPPORT]; repeat logit [batch, 1]."""

    units: Tensor
    buyers: Tensor
    repeat: Tensor


def leaf_width() -> int:
    """Outputs of the forest: both distributions at both horizons, repeat buyers, buyers."""
    return len(HORIZONS) * (UNITS_SUPPORT + BUYER_SUPPORT) + 2


def split_leaves(values: Tensor, features: Tensor) -> Leaves:
    """The outputs of the forest [batch, leaf_width()] by name; `features` are what it read."""
    units = values[:, : 2 * UNITS_SUPPORT].reshape(-1, 2, UNITS_SUPPORT)
    buyers = values[:, 2 * UNITS_SUPPORT : 2 * (UNITS_SUPPORT + BUYER_SUPPORT)].reshape(-1, 2, BUYER_SUPPORT)
    repeat = values[:, -2:-1].clamp(min=0.0) / values[:, -1:].clamp(min=1e-3)
    kin = [features[:, column : column + 1] for column in REPEATS]
    odds = torch.cat([torch.logit(repeat.clamp(1e-3, 1 - 1e-3)), *kin], dim=1)
    return Leaves(units.clamp(0.0, 1.0), buyers.clamp(0.0, 1.0), odds, features[:, LOG_PRICE : LOG_PRICE + 1])


class Head(nn.Module):
    """From the forest's distribution at both horizons to log odds: a slope, an offset for each count, and an offset for
    launches that entered by a sale."""

    def __init__(self, counts: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(2, 1))
        self.offset = nn.Parameter(torch.zeros(2, counts))
        self.entered = nn.Parameter(torch.zeros(2, counts))

    def forward(self, distribution: Tensor, entered: Tensor) -> Tensor:
        """[batch, 2, counts], [batch, 1] -> log odds [batch, 2, counts]."""
        odds = torch.logit(distribution.clamp(2e-3, 1 - 2e-3))
        return torch.exp(self.slope) * odds + self.offset + entered.unsqueeze(2) * self.entered


class LaunchOutcome(nn.Module):
    """Content, category and candidate actions -> distributions; see the module."""

    def __init__(
        self,
        *,
        kin: KinTables,
        forest: Forest,
        support: Tensor,
        values: Tensor,
        seasonality: CategoryTable,
        response: ResponseTable,
        kinds: Tensor,
        center: Tensor,
        directions: Tensor,
    ) -> None:
        """`support` FP32 [UNITS_SUPPORT]: increasing counts from 0. `values` FP32 [UNITS_SUPPORT + 1]: mean count at
        most each of them, and beyond the last.
        `seasonality` has the log index by week for 4 weeks, then for 8. `kinds` FP32 [32, KINDS]: 1 where a channel
        slot is of the kind. `center` FP32 [128] and `directions` FP32 [128, d]: what the forest reads of the embedding.
        """
        super().__init__()
        self.kin, self.forest, self.seasonality = kin, forest, seasonality
        self.units, self.buyers = Head(UNITS_SUPPORT), Head(BUYER_SUPPORT)
        self.channel = nn.Parameter(torch.full((CHANNEL_SLOTS,), -3.0))
        self.reach = nn.Parameter(torch.full((3 * KINDS,), -3.0))
        self.extra = nn.Parameter(torch.full((2,), -3.0))
        self.log_scale = nn.Parameter(torch.zeros(3, 2))
        self.season_strength = nn.Parameter(torch.tensor(-2.0))
        self.repeat = nn.Parameter(torch.tensor([0.5, 0.0, 0.5, 0.0, 0.0]))
        self.register_buffer("support", support)
        self.register_buffer("values", values)
        self.register_buffer("kinds", kinds)
        self.register_buffer("center", center)
        self.register_buffer("directions", directions)
        self.register_buffer("buyer_rows", torch.tensor(BUYER_ROWS))
        for name in ("elasticity", "discount", "coupon", "coverage"):
            self.register_buffer(f"response_{name}", getattr(response, name).float())
        self.departments = response.departments

    def features(self, embedding: Tensor, kin: Tensor) -> Tensor:
        """What the forest reads: features of kin [batch, len(FEATURES)], then directions of the embedding [batch,
        128]."""
        main = torch.matmul(embedding - self.get_buffer("center"), self.get_buffer("directions"))
        return torch.cat([kin, main], dim=1)

    def leaves(self, embedding: Tensor, ids: Tensor, attributes: Tensor, entered: Tensor) -> Leaves:
        """What the forest says, for FP32 [batch, 128], INT64 [batch, 4], FP32 [batch, 2], FP32 [batch, 1]."""
        features = self.features(embedding, self.kin(ids, attributes, entered))
        return split_leaves(self.forest(features), features)

    def panel(self, log_price: Tensor, ids: Tensor, candidates: Tensor) -> Tensor:
        """What the panel says that the action adds to log units: [batch, candidates, 2], monotone by construction.

        `log_price` [batch, 1] is the price that the forest knows of.
        """
        row = response_row(ids, self.departments, len(self.get_buffer("response_elasticity")))
        price = candidates[:, :, PRICE]
        ratio = torch.where(price > 0, torch.log(price.clamp(min=1e-4)) - log_price, torch.zeros_like(price))
        ratio = ratio.clamp(-PRICE_RATIO_LIMIT, PRICE_RATIO_LIMIT)
        discount = candidates[:, :, DISCOUNT].clamp(0.0, 1.0) * self.get_buffer("response_discount")[row].unsqueeze(1)
        coupon = candidates[:, :, COUPON].clamp(0.0, 1.0) * self.get_buffer("response_coupon")[row].unsqueeze(1)
        coverage = candidates[:, :, COVERAGE].clamp(0.0, 1.0)
        covered = torch.matmul(coverage, self.get_buffer("response_coverage")[row].unsqueeze(2)).squeeze(2)
        scale = torch.exp(self.log_scale)
        promoted = (covered + coupon).unsqueeze(2) * scale[0] + discount.unsqueeze(2) * scale[1]
        elasticity = self.get_buffer("response_elasticity")[row].unsqueeze(1)
        total: Tensor = promoted - (elasticity * ratio).unsqueeze(2) * scale[2]
        return total

    def reached(self, candidates: Tensor) -> Tensor:
        """What launches say that the plan adds to the log odds: [batch, candidates], >= 0 and increasing. Concave in
        coverage."""
        coverage = candidates[:, :, COVERAGE].clamp(0.0, 1.0)
        root = torch.sqrt(coverage + 1e-8) - 1e-4
        kinds = self.get_buffer("kinds")
        total = torch.matmul(coverage, kinds)
        places = torch.matmul((coverage * 200.0).clamp(max=1.0), kinds)
        reach = torch.cat([torch.sqrt(total + 1e-8) - 1e-4, torch.log1p(places), places.clamp(max=1.0)], dim=2)
        extra = torch.stack(
            [candidates[:, :, COUPON].clamp(0.0, 1.0), candidates[:, :, DISCOUNT].clamp(0.0, 0.5)], dim=2
        )
        soft = torch.nn.functional.softplus
        value: Tensor = (
            torch.matmul(root, soft(self.channel))
            + torch.matmul(reach, soft(self.reach))
            + torch.matmul(extra, soft(self.extra))
        )
        return value

    def season(self, ids: Tensor, candidates: Tensor) -> Tensor:
        """Log seasonality over the horizon's weeks: [batch, candidates, 2]."""
        week = (candidates[:, :, WEEK_OF_YEAR].clamp(1.0, float(WEEKS_OF_YEAR)).round() - 1.0).long()
        table = self.seasonality(ids).reshape(-1, len(HORIZONS), WEEKS_OF_YEAR)
        index = week.unsqueeze(1).expand(-1, len(HORIZONS), -1)
        return torch.gather(table, 2, index).transpose(1, 2) * torch.sigmoid(self.season_strength)

    def slope(self, odds: Tensor) -> Tensor:
        """Log odds per log unit of the mean, [batch, 2]: how far the log odds must move for the mean to grow by 1 %,
        per 1 %."""
        distribution = torch.sigmoid(odds)
        step = (self.get_buffer("values")[1:] - self.get_buffer("values")[:-1]).expand_as(distribution)
        mean = self.get_buffer("values")[0] + ((1 - distribution) * step).sum(2)
        change = (distribution * (1 - distribution) * step).sum(2)
        return (mean / change.clamp(min=1e-4)).clamp(0.5, 5.0)

    def forecast(self, leaves: Leaves, ids: Tensor, candidates: Tensor) -> CandidateForecast:
        """Distributions for leaves of [batch, ...], ids [batch, 4], candidates [batch, n, 37]."""
        entered = entered_by_sale(candidates)
        odds = self.units(leaves.units, entered)
        action = self.panel(leaves.log_price, ids, candidates) + self.season(ids, candidates)
        reached = self.reached(candidates)
        # a launch that entered by a sale was selected by it: what a plan reaches is learned from the others only
        reached = torch.where(entered > 0, reached.detach(), reached)
        shift = action * self.slope(odds).unsqueeze(1) + reached.unsqueeze(2)
        shift = shift.clamp(-ODDS_LIMIT, ODDS_LIMIT).unsqueeze(3)
        units = self._distribution(odds, shift, entered)
        buyers = self._distribution(self.buyers(leaves.buyers, entered), shift, entered)
        repeat = torch.matmul(leaves.repeat, self.repeat[:-1]).unsqueeze(1) + self.repeat[-1]
        return CandidateForecast(units, torch.maximum(buyers, units[..., self.get_buffer("buyer_rows")]), repeat)

    def _distribution(self, odds: Tensor, shift: Tensor, entered: Tensor) -> Tensor:
        value = torch.sigmoid(odds.unsqueeze(1) - shift)
        value = running_maximum(value)
        first = torch.cat([value[..., :1] * (1 - entered.reshape(-1, 1, 1, 1)), value[..., 1:]], dim=3)
        return torch.cat([torch.maximum(first[:, :, :1], first[:, :, 1:]), first[:, :, 1:]], dim=2)


class OutcomeGraph(nn.Module):
    """The graph `launch_outcome`: means, quantiles and distribution, recalibrated."""

    def __init__(self, outcome: LaunchOutcome, calibration: NDArray[np.float64]) -> None:
        """`calibration` [2, 3] is (a, b, c) of the beta calibration of each horizon: log odds a log F - b log(1 - F) +
        c."""
        super().__init__()
        self.outcome = outcome
        self.register_buffer("calibration", torch.from_numpy(calibration).float())
        support = outcome.get_buffer("support")
        tail = support[-1:] + (outcome.get_buffer("values")[-1:] - support[-1:]) * 2
        self.register_buffer("points", torch.cat([torch.full((1,), -1.0), support, tail]))
        self.register_buffer("levels", torch.tensor(QUANTILE_LEVELS))

    def forward(
        self, embedding: Tensor, categorical_ids: Tensor, attributes: Tensor, candidates: Tensor
    ) -> tuple[Tensor, ...]:
        """See the signature of the model repository: units mean, dispersion, quantiles, buyers mean, repeat rate, units
        distribution, buyers median."""
        leaves = self.outcome.leaves(embedding, categorical_ids, attributes, entered_by_sale(candidates))
        forecast = self.outcome.forecast(leaves, categorical_ids, candidates)
        units = self.calibrated(forecast.units)
        mean, variance = self.moments(units)
        size = (mean.square() / (variance - mean).clamp(min=1e-6)).clamp(0.05, 1000.0)
        buyers_mean = self.buyers_mean(forecast.buyers)
        repeat = torch.sigmoid(forecast.repeat).unsqueeze(1).expand(-1, candidates.shape[1], -1)
        points = self.get_buffer("points")
        quantiles = inverse(units, points, self.get_buffer("levels"))
        rows = self.outcome.get_buffer("buyer_rows")
        places = torch.cat([points[:1], points[1:-1][rows], points[-1:]])
        median = inverse(forecast.buyers, places, self.get_buffer("levels")[5:6]).squeeze(3)
        median = torch.minimum(median, quantiles[..., 5])  # units are calibrated, and read at more counts
        return mean, size, quantiles, torch.minimum(buyers_mean, mean), repeat, units, median

    def calibrated(self, distribution: Tensor) -> Tensor:
        """The distribution [batch, candidates, 2, UNITS_SUPPORT] after beta calibration (Kull, Silva Filho and Flach
        2017)."""
        value = distribution.clamp(1e-5, 1 - 1e-5)
        a, b, c = (self.get_buffer("calibration")[:, i].reshape(1, 1, 2, 1) for i in range(3))
        result = torch.sigmoid(a * torch.log(value) - b * torch.log1p(-value) + c)
        result = torch.where(distribution <= 1e-5, torch.zeros_like(result), result)
        return torch.cat([torch.maximum(result[:, :, :1], result[:, :, 1:]), result[:, :, 1:]], dim=2)

    def moments(self, distribution: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of counts, [batch, candidates, 2] each."""
        values = self.outcome.get_buffer("values")
        above = 1 - distribution
        mean = values[0] + (above * (values[1:] - values[:-1])).sum(3)
        square = values[0].square() + (above * (values[1:].square() - values[:-1].square())).sum(3)
        return mean, (square - mean.square()).clamp(min=0.0)

    def buyers_mean(self, distribution: Tensor) -> Tensor:
        """Mean number of buyers, [batch, candidates, 2]."""
        support = self.outcome.get_buffer("support")[self.outcome.get_buffer("buyer_rows")]
        after = torch.cat([support[1:], self.outcome.get_buffer("values")[-1:]])
        # counts lie evenly over (previous, this]
        middle = torch.cat([support[:1], (support[:-1] + support[1:] + 1) / 2, after[-1:]])
        return middle[0] + ((1 - distribution) * (middle[1:] - middle[:-1])).sum(3)


def entered_by_sale(candidates: Tensor) -> Tensor:
    """Whether a launch entered by a sale, of its first candidate: [batch, 1]."""
    return candidates[:, 0, ENTERED_BY_SALE : ENTERED_BY_SALE + 1]


def response_row(ids: Tensor, departments: int, rows: int) -> Tensor:
    """Row of a `ResponseTable` for ids INT64 [batch, 4]: the category's, where it is unknown the department's."""
    department, category = ids[:, DEPARTMENT], ids[:, CATEGORY]
    department = torch.where((department > 0) & (department < departments), department, torch.zeros_like(department))
    inside = (category > 0) & (category < rows - departments)
    return torch.where(inside, category + departments, department)


def running_maximum(value: Tensor) -> Tensor:
    """The largest value so far along the last axis, by doubling (ONNX has no cumulative maximum)."""
    step = 1
    while step < value.shape[-1]:
        value = torch.cat([value[..., :step], torch.maximum(value[..., step:], value[..., :-step])], dim=-1)
        step *= 2
    return value


def inverse(distribution: Tensor, points: Tensor, levels: Tensor) -> Tensor:
    """Continuous quantiles [..., levels] of distribution functions [..., counts] that are linear between `points`
    [counts + 2], of which the first is -1 (probability 0) and the last the end (probability 1); at least 0.

    What lies between two points is passed by min(max((level - lower) / (upper - lower), 0), 1) of it. Both the
    differences and the sum over points are products with small matrices, which no runtime broadcasts element by
    element.
    """
    lower = torch.cat([torch.zeros_like(distribution[..., :1]), distribution], dim=-1)
    upper = torch.cat([distribution, torch.ones_like(distribution[..., :1])], dim=-1)
    rate = 1.0 / (upper - lower).clamp(min=1e-7)
    line = torch.stack([rate, -lower * rate], dim=-1)  # [..., counts + 1, 2]: level * rate - lower * rate
    share = torch.matmul(line, torch.stack([levels, torch.ones_like(levels)])).clamp(0.0, 1.0)
    passed = torch.kron((points[1:] - points[:-1]).unsqueeze(1), torch.eye(len(levels)).to(levels))
    total = torch.matmul(share.flatten(-2), passed)  # [..., (counts + 1) * levels] @ [(counts + 1) * levels, levels]
    return (points[0] + total).clamp(min=0.0)


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
