"""What the service answers. Units are physical units on the units basis that the answer states; dates are local
dates.
"""

import dataclasses
from datetime import date, datetime, timedelta

from onshelf._enums import HealthStatus, NoticeCode, ObjectiveMetric, PriceTax, ServingState, SupportLevel
from onshelf._errors import OnshelfError
from onshelf._experiment_results import Exploration
from onshelf._inputs import Action, Product
from onshelf._money import Money
from onshelf._stock_results import PriceResponse, PriceStep, ReorderAdvice, StockAdvice, WeekForecast

_NO_ACTION = Action()


@dataclasses.dataclass(frozen=True)
class Quantile:
    """One point of a distribution: the probability of at most this value."""

    level: float
    value: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountForecast:
    """A forecast of counts: expected value, calibrated quantiles (ascending), dispersion of the negative binomial
    behind it.
    """

    mean: float = 0.0
    quantiles: tuple[Quantile, ...] = ()
    dispersion: float = 0.0

    def quantile(self, level: float) -> float:
        """The value at a level between the lowest and the highest one sent, interpolated linearly between those sent.

        Raises ValueError outside of them: the tails are not known.
        """
        below = [q for q in self.quantiles if q.level <= level + 1e-9]
        above = [q for q in self.quantiles if q.level >= level - 1e-9]
        if not below or not above:
            known = f"{self.quantiles[0].level} to {self.quantiles[-1].level}" if self.quantiles else "none"
            raise ValueError(f"quantile level {level} is outside those of the answer ({known})")
        low, high = below[-1], above[0]
        if high.level <= low.level:
            return low.value
        return low.value + (high.value - low.value) * (level - low.level) / (high.level - low.level)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoneyForecast:
    """A forecast of money: expected value, 10 % quantile, median, 90 % quantile."""

    mean: Money | None = None
    p10: Money | None = None
    p50: Money | None = None
    p90: Money | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutcomeForecast:
    """What a launch will do over a horizon of 4 or 8 weeks. gross_profit is None without a unit cost or an assumed
    margin.
    """

    horizon_weeks: int
    units: CountForecast
    revenue: MoneyForecast | None = None
    gross_profit: MoneyForecast | None = None
    buyers: float = 0.0
    repeat_rate: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
    """A remark that changes how an answer must be read: what was done, and what to do about it."""

    code: NoticeCode
    message: str
    field: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Support:
    """How well the history supports a plan. nearest_similarity is a cosine, -1 to 1."""

    level: SupportLevel
    comparable_launches: int = 0
    nearest_similarity: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnitsBasis:
    """The population that units refer to; a scale_factor of 1 is the data's own."""

    description: str = ""
    users: int = 0
    scale_factor: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageTiming:
    """The time that one stage of a call took, counted from its arrival. deadline_left is None without a deadline."""

    stage: str
    start: timedelta = timedelta()
    duration: timedelta = timedelta()
    items: int = 0
    cached: bool = False
    deadline_left: timedelta | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelReleaseInfo:
    """The model release that answered. as_of is the day after the last day of its data."""

    version: int = 0
    as_of: date | None = None
    role: str = ""
    dataset: str = ""
    currency: str = ""
    time_zone: str = ""
    created_at: datetime | None = None
    price_tax: PriceTax | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResponseInfo:
    """What every answer carries besides its content. degraded: part of it is missing, and a notice says which.

    attribution_token: by which events name a remembered answer; empty where nothing is remembered.
    """

    model_release: ModelReleaseInfo = ModelReleaseInfo()
    units_basis: UnitsBasis = UnitsBasis()
    timings: tuple[StageTiming, ...] = ()
    notices: tuple[Notice, ...] = ()
    degraded: bool = False
    attribution_token: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CategoryResolution:
    """How the category was understood. matched: it is the request's; otherwise it was inferred, and nearest names the
    nearest.
    """

    category_path: tuple[str, ...] = ()
    matched: bool = False
    confidence: float = 0.0
    nearest: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class PastLaunch:
    """A past launch, what was done and what came of it. similarity is a cosine to the product asked about."""

    product_id: str
    title: str
    category_path: tuple[str, ...] = ()
    action: Action | None = None
    units_4w: float = 0.0
    units_8w: float = 0.0
    buyers_8w: float = 0.0
    similarity: float = 0.0
    promotion_first: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudienceMember:
    """A user whom a product should be shown to; scores are comparable within one answer only."""

    user_id: str
    score: float = 0.0
    reason_product_ids: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudienceSegment:
    """An audience described instead of listed. lift: its share in the audience over its share among all users."""

    description: str
    users: int = 0
    share: float = 0.0
    lift: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActionEffect:
    """What a change of the action would do: units and objective with the change less without, over the objective's
    horizon.
    """

    change: str
    field: str = ""
    units_difference: float = 0.0
    objective_difference: float = 0.0
    action: Action | None = None
    feasible: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaunchPlan:
    """One plan: what to do, what will come of it, and why. rank 1 is best; 0 is a plan that was not ranked.

    price_path has a step for each week that the advised stock covers. broken_constraints names the constraints that an
    unranked plan breaks. buyers_without_promotion is known of a decision's executed plan only.
    """

    rank: int = 0
    action: Action = _NO_ACTION
    forecasts: tuple[OutcomeForecast, ...] = ()
    objective_value: float = 0.0
    promotion_cost: Money | None = None
    discount_cost: Money | None = None
    stock: StockAdvice | None = None
    effects: tuple[ActionEffect, ...] = ()
    support: Support | None = None
    summary: str = ""
    price_path: tuple[PriceStep, ...] = ()
    price_response: PriceResponse | None = None
    broken_constraints: tuple[str, ...] = ()
    buyers_without_promotion: float = 0.0

    def forecast(self, horizon_weeks: int = 8) -> OutcomeForecast:
        """The forecast for 4 or 8 weeks. Raises ValueError where the answer has none for that horizon."""
        for forecast in self.forecasts:
            if forecast.horizon_weeks == horizon_weeks:
                return forecast
        known = [forecast.horizon_weeks for forecast in self.forecasts]
        raise ValueError(f"no forecast for {horizon_weeks} weeks; the answer has {known}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrontierPoint:
    """The best action with this much promotion. marginal_units: extra units per extra channel over the point before."""

    action: Action = _NO_ACTION
    channels: int = 0
    units: float = 0.0
    revenue: Money | None = None
    promotion_cost: Money | None = None
    discount_cost: Money | None = None
    promotion_effort: float = 0.0
    marginal_units: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimingEvidence:
    """The category's sales from this week on relative to its average (1), and the share of past launches in this
    week.
    """

    week_start_date: date
    seasonality: float = 0.0
    practice_share: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanLaunchResult:
    """Ranked plans, best first, with the evidence for them.

    Where frontier_instead_of_winner is true, promotion has neither costs nor a budget: read frontier (units against
    promotion) first, since with free promotion the most promotion always wins.
    """

    plan_id: str
    objective_metric: ObjectiveMetric
    plans: tuple[LaunchPlan, ...] = ()
    practice_plan: LaunchPlan | None = None
    frontier: tuple[FrontierPoint, ...] = ()
    frontier_instead_of_winner: bool = False
    audience: tuple[AudienceMember, ...] = ()
    segments: tuple[AudienceSegment, ...] = ()
    similar_launches: tuple[PastLaunch, ...] = ()
    category: CategoryResolution = CategoryResolution()
    timing: tuple[TimingEvidence, ...] = ()
    candidates_scored: int = 0
    candidates_feasible: int = 0
    info: ResponseInfo = ResponseInfo()
    exploration: Exploration | None = None
    holdout_share: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatePlanResult:
    """The forecast of one given action."""

    plan_id: str
    plan: LaunchPlan
    objective_metric: ObjectiveMetric
    category: CategoryResolution = CategoryResolution()
    similar_launches: tuple[PastLaunch, ...] = ()
    info: ResponseInfo = ResponseInfo()


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpdateForecastResult:
    """The forecast after the first weeks: of the weeks that remain, of all 8, and as it was before.

    reorder and price_path are there where the stock was given.
    """

    plan_id: str
    weeks_observed: int = 0
    units_observed: int = 0
    remaining: CountForecast = CountForecast()
    total: CountForecast = CountForecast()
    prior: CountForecast = CountForecast()
    evidence_weight: float = 0.0
    weeks: tuple[WeekForecast, ...] = ()
    reorder: ReorderAdvice | None = None
    price_path: tuple[PriceStep, ...] = ()
    price_response: PriceResponse | None = None
    category: CategoryResolution = CategoryResolution()
    info: ResponseInfo = ResponseInfo()


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecommendedProduct:
    """A recommended product; scores are comparable within one answer only."""

    product_id: str
    title: str
    category_path: tuple[str, ...] = ()
    score: float = 0.0
    bought_before: bool = False
    new_product: bool = False
    reason: str = ""
    reason_product_ids: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecommendProductsResult:
    """Products for a user, best first; fewer than asked for where there are no more, with a notice."""

    products: tuple[RecommendedProduct, ...] = ()
    info: ResponseInfo = ResponseInfo()


@dataclasses.dataclass(frozen=True, kw_only=True)
class FindAudienceResult:
    """Users for a product, best first, and segments of at least 10 users."""

    users: tuple[AudienceMember, ...] = ()
    segments: tuple[AudienceSegment, ...] = ()
    category: CategoryResolution = CategoryResolution()
    info: ResponseInfo = ResponseInfo()
    holdout_share: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class FindSimilarLaunchesResult:
    """Past launches like a product, most similar first."""

    launches: tuple[PastLaunch, ...] = ()
    category: CategoryResolution = CategoryResolution()
    info: ResponseInfo = ResponseInfo()


@dataclasses.dataclass(frozen=True, kw_only=True)
class CategoryInterest:
    """An interest of a user: share of the purchases, and that share over the share among all users."""

    category_path: tuple[str, ...]
    share: float = 0.0
    lift: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class UserProfile:
    """What the model release knows of a user, from the data before its as_of.

    price_tier is 0 (cheapest of the category) to 1 (dearest); promotion_sensitivity and new_product_share are shares.
    """

    user_id: str
    interests: tuple[CategoryInterest, ...] = ()
    purchases_per_week: float = 0.0
    recency_weeks: float = 0.0
    price_tier: float = 0.0
    promotion_sensitivity: float = 0.0
    new_product_share: float = 0.0
    products_bought: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class GetUserProfileResult:
    """A user's profile."""

    profile: UserProfile
    info: ResponseInfo = ResponseInfo()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProductError:
    """Why a product was not taken: its position among those sent, from 0, the name of an ErrorReason, and the field."""

    index: int = 0
    reason: str = ""
    field: str = ""
    message: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpsertProductsResult:
    """What became of products: how many were added and replaced, and why the others were refused."""

    added: int = 0
    replaced: int = 0
    errors: tuple[ProductError, ...] = ()
    info: ResponseInfo = ResponseInfo()


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeleteProductsResult:
    """How many products were removed, and how many ids were not in the catalog."""

    deleted: int = 0
    unknown: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleaseMetric:
    """A metric of a model release."""

    name: str
    value: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelRelease:
    """A published model release and what it is used for; traffic_share is 0 to 1."""

    info: ModelReleaseInfo = ModelReleaseInfo()
    state: ServingState = ServingState.UNKNOWN
    traffic_share: float = 0.0
    metrics: tuple[ReleaseMetric, ...] = ()
    data_hash: str = ""
    git_commit: str = ""
    changed_at: datetime | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListModelReleasesResult:
    """The model releases that can answer, newest first."""

    releases: tuple[ModelRelease, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Channel:
    """A place of promotion: its median share of sites in the past launches that used it; what the retailer's table says
    of its lead time and of the products that it takes in a week, 0 where it does not.
    """

    channel_id: str
    name: str = ""
    kind: str = ""
    typical_coverage: float = 0.0
    launches: int = 0
    fixed_cost: Money | None = None
    lead_time_days: int = 0
    capacity: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListChannelsResult:
    """The channels of a model release."""

    channels: tuple[Channel, ...] = ()
    info: ResponseInfo = ResponseInfo()


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamedPlan:
    """The answer to one request of a stream: a plan, or why there is none."""

    request_id: str
    plan: PlanLaunchResult | None = None
    error: OnshelfError | None = None


@dataclasses.dataclass(frozen=True)
class Health:
    """What the service says of itself; SERVING means that every model a plan needs answers."""

    status: HealthStatus
    service: str = ""

    @property
    def serving(self) -> bool:
        """Whether calls will be answered."""
        return self.status is HealthStatus.SERVING


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoundProduct:
    """A product that was found; scores are comparable within one answer only."""

    product: Product
    score: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchProductsResult:
    """Products that fit a query, best first."""

    products: tuple[FoundProduct, ...] = ()
    info: ResponseInfo = ResponseInfo()
