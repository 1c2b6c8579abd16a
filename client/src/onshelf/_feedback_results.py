"""What the service answers about remembered plans, decisions and events. Dates are local dates, times UTC."""

import dataclasses
from datetime import date, datetime

from onshelf._enums import DecisionKind, DecisionReason, LaunchException, LaunchState, PowerUnit
from onshelf._experiment_results import HoldoutEffect, PowerWeek
from onshelf._inputs import Action, EvaluatePlanRequest, Event, LaunchDecision, PlanRequest
from onshelf._money import Money
from onshelf._related_results import ProductEffect
from onshelf._results import (
    CountForecast,
    EvaluatePlanResult,
    LaunchPlan,
    OutcomeForecast,
    PlanLaunchResult,
    ResponseInfo,
)

_NO_ACTION = Action()
_NO_INFO = ResponseInfo()
_NO_COUNT = CountForecast()


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredPlan:
    """A plan as it was given, and what was decided: of plan_launch request and response, of evaluate_plan the others.

    decision is the last revision, None while the plan is open; earlier_decisions go from the oldest on. executed_plan
    is the forecast of the executed action, executed_weekly_units that of each of its 8 weeks.
    """

    plan_id: str
    created_at: datetime
    state: LaunchState
    request: PlanRequest | None = None
    response: PlanLaunchResult | None = None
    evaluate_request: EvaluatePlanRequest | None = None
    evaluate_response: EvaluatePlanResult | None = None
    decision: LaunchDecision | None = None
    earlier_decisions: tuple[LaunchDecision, ...] = ()
    executed_plan: LaunchPlan | None = None
    executed_weekly_units: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class GetPlanResult:
    """A remembered plan."""

    plan: StoredPlan


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanSummary:
    """A remembered plan in a list. units are those of action in its 8 weeks, None where they were never forecast."""

    plan_id: str
    created_at: datetime
    state: LaunchState
    product_id: str = ""
    title: str = ""
    model_release: int = 0
    action: Action = _NO_ACTION
    units: float | None = None
    decision: LaunchDecision | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListPlansResult:
    """A page of remembered plans, newest first; next_page_token is empty on the last page."""

    plans: tuple[PlanSummary, ...] = ()
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecideLaunchResult:
    """The plan with its decision. revised: whether this call made a new revision."""

    plan: StoredPlan
    revised: bool = False
    info: ResponseInfo = _NO_INFO


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanDifference:
    """A value that differs: its path in the answer, as it was given, and as it came out now."""

    field: str = ""
    remembered: str = ""
    replayed: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplayPlanResult:
    """A plan computed again. same: bit for bit, but for timings and ids."""

    same: bool = False
    differences: tuple[PlanDifference, ...] = ()
    info: ResponseInfo = _NO_INFO


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventError:
    """Why an event was not taken: its position from 0, its id, the name of an ErrorReason, and the field."""

    index: int = 0
    event_id: str = ""
    reason: str = ""
    field: str = ""
    message: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordEventsResult:
    """What became of events: stored, there already, or refused."""

    stored: int = 0
    duplicates: int = 0
    errors: tuple[EventError, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamEventsResponse:
    """How far a stream of events is: done with (durable or refused), and since its start stored or there already.

    errors are those since the last answer.
    """

    acknowledged: int = 0
    stored: int = 0
    duplicates: int = 0
    errors: tuple[EventError, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListEventsResult:
    """A page of recorded events, in the order in which they were recorded."""

    events: tuple[Event, ...] = ()
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RefusedEvent:
    """An event that was refused, as it was sent, and why. A user id that looks personal is left out."""

    event: Event
    error: EventError
    refused_at: datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListRefusedEventsResult:
    """A page of refused events, newest first. total are in the list, dropped had to leave it because it was full."""

    events: tuple[RefusedEvent, ...] = ()
    next_page_token: str = ""
    total: int = 0
    dropped: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForgetUserResult:
    """The receipt: what was deleted. in_served_release: the served model release still holds the user's history, which
    is not used any more; model_releases: versions of the loaded ones that do.
    """

    receipt_id: str
    forgotten_at: datetime
    events_deleted: int = 0
    refused_events_deleted: int = 0
    answers_deleted: int = 0
    audiences_changed: int = 0
    in_served_release: bool = False
    model_releases: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launch:
    """A launch that is executed. units were sold so far, less those returned; expected_units by the end of the last day
    that is in. exceptions say why it needs attention, gravest first.
    """

    plan_id: str
    product_id: str = ""
    title: str = ""
    state: LaunchState = LaunchState.UNKNOWN
    action: Action = _NO_ACTION
    units: float = 0.0
    expected_units: float = 0.0
    exceptions: tuple[LaunchException, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListLaunchesResult:
    """A page of launches: those that need attention first, then the newest."""

    launches: tuple[Launch, ...] = ()
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaunchReportWeek:
    """Planned and actual values of one week. within_band counts in complete weeks only."""

    week: int
    week_start_date: date
    complete: bool = False
    planned_units: CountForecast = _NO_COUNT
    units: float = 0.0
    within_band: bool = False
    revenue: Money | None = None
    impressions: int = 0
    clicks: int = 0
    carts: int = 0
    purchases: int = 0
    returns: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReviewQuote:
    """A part of a review, word for word. sentiment is -1 to 1; rating 0 where the review has no stars."""

    event_id: str
    day: date | None = None
    text: str = ""
    sentiment: float = 0.0
    rating: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReviewTopic:
    """A phrase that several reviews have; sentiment is -1 to 1. quotes say best what is said of it."""

    topic: str
    reviews: int = 0
    sentiment: float = 0.0
    quotes: tuple[ReviewQuote, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReviewSummary:
    """What the reviews with a text say. Below 10 that were read, abstained says so; there is no sentiment and no topic.

    disagreements are reviews whose stars and words are of different sides.
    """

    with_text: int = 0
    read: int = 0
    not_read: int = 0
    abstained: str = ""
    sentiment: float | None = None
    negative: int = 0
    neutral: int = 0
    positive: int = 0
    topics: tuple[ReviewTopic, ...] = ()
    complaints: tuple[ReviewQuote, ...] = ()
    questions: tuple[ReviewQuote, ...] = ()
    disagreements: tuple[ReviewQuote, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaunchSuggestion:
    """What to change of a launch now, with units and revenue more until the end of the 8 weeks, and what it costs more.

    gain is the revenue less that cost and less what the units are worth otherwise, as far as known; basis says what it
    rests on.
    """

    field: str
    change: str = ""
    units_difference: float = 0.0
    revenue_difference: Money | None = None
    cost_difference: Money | None = None
    gain: Money | None = None
    basis: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attribution:
    """Purchases by how they are joined to answers: by token, by the last touch within the window, or not."""

    by_token: int = 0
    by_last_touch: int = 0
    unattributed: int = 0


_NO_ATTRIBUTION = Attribution()


@dataclasses.dataclass(frozen=True, kw_only=True)
class GetLaunchReportResult:
    """Plan against actual. observed_until is the day of the newest event of all products; None before there is one.

    Rates, stock_left, within_band, remaining and total are None where there is nothing to tell them from. cannibalized
    and complements are substitutes and complements that could be judged, cannibalization all the former together.
    """

    launch: Launch
    decision: LaunchDecision
    forecasts: tuple[OutcomeForecast, ...] = ()
    observed_until: date | None = None
    within_band: bool | None = None
    weeks: tuple[LaunchReportWeek, ...] = ()
    remaining: CountForecast | None = None
    total: CountForecast | None = None
    stock_left: float | None = None
    stock_ends_on: date | None = None
    click_through_rate: float | None = None
    conversion_rate: float | None = None
    buyers: int = 0
    repeat_rate: float | None = None
    attribution: Attribution = _NO_ATTRIBUTION
    reviews: int = 0
    mean_rating: float | None = None
    review_summary: ReviewSummary | None = None
    suggestions: tuple[LaunchSuggestion, ...] = ()
    info: ResponseInfo = _NO_INFO
    holdout: HoldoutEffect | None = None
    cannibalized: tuple[ProductEffect, ...] = ()
    complements: tuple[ProductEffect, ...] = ()
    cannibalization: ProductEffect | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreboardWeek:
    """Launches together, from their start to the end of one week on sale; units expected and sold."""

    week: int
    launches: int = 0
    proposed_units: float = 0.0
    practice_units: float = 0.0
    practice_launches: int = 0
    executed_units: float = 0.0
    actual_units: float = 0.0
    practice_actual_units: float = 0.0
    within_band: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecisionScore:
    """How launches did that were decided for one reason: how many sold more than the median of the plan that was ranked
    first, their share and its 95 % interval.
    """

    kind: DecisionKind
    reason: DecisionReason | None = None
    launches: int = 0
    better: int = 0
    share: float = 0.0
    share_low: float = 0.0
    share_high: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class GetScoreboardResult:
    """Plans, past practice and what came, over all launches, and how people's changes did."""

    weeks: tuple[ScoreboardWeek, ...] = ()
    decisions: tuple[DecisionScore, ...] = ()
    observed_until: date | None = None
    info: ResponseInfo = _NO_INFO


@dataclasses.dataclass(frozen=True, kw_only=True)
class EstimatePowerResult:
    """How large a test of two plans must be: users or sites, and weeks, until their difference is seen.

    weeks_needed and needed are 0 where the available ones, or any number, do not see it; verdict is for people.
    """

    unit: PowerUnit = PowerUnit.UNKNOWN
    available: int = 0
    weeks: int = 0
    units_difference: float = 0.0
    buyers_difference: float = 0.0
    relative_difference: float = 0.0
    sufficient: bool = False
    weeks_needed: int = 0
    needed: int = 0
    by_week: tuple[PowerWeek, ...] = ()
    verdict: str = ""
    dispersion: float = 0.0
    dispersion_assumed: bool = False
    power: float = 0.0
    significance: float = 0.0
    info: ResponseInfo = _NO_INFO
