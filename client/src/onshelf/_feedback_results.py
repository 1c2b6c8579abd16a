"""What the service answers about remembered plans, decisions and events. Dates are local dates, times UTC."""

import dataclasses
from datetime import datetime

from onshelf._enums import LaunchState
from onshelf._inputs import Action, EvaluatePlanRequest, Event, LaunchDecision, PlanRequest
from onshelf._results import EvaluatePlanResult, LaunchPlan, PlanLaunchResult, ResponseInfo

_NO_ACTION = Action()
_NO_INFO = ResponseInfo()


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
    """The receipt: what was deleted. in_served_release: the served model release still holds the user's history."""

    receipt_id: str
    forgotten_at: datetime
    events_deleted: int = 0
    refused_events_deleted: int = 0
    answers_deleted: int = 0
    audiences_changed: int = 0
    in_served_release: bool = False
