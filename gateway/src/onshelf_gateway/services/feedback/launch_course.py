"""How a launch goes: what its weeks sold beside what was expected of them, and what needs attention."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import feedback_pb2, launch_pb2, types_pb2
from onshelf_gateway.planning.forecasts import nb_level, nb_quantile
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.services.launch.stored_plan import STATES
from onshelf_gateway.services.launch.update_forecast import Remaining
from onshelf_gateway.store import answers
from onshelf_release.calendar import WEEK, first_day_of_week
from onshelf_release.life_cycle import DAYS, WEEKS, share_until

F, L, T = feedback_pb2, launch_pb2, types_pb2
Floats = NDArray[np.float64]
KINDS = ("impression", "click", "cart", "purchase", "return", "review")
LOW, HIGH = 0.1, 0.9
LEAST_REVIEWS = 10
TURNED = 2.0  # standard errors by which the latest third of the reviews is worse than those before
MISSING_DAYS = 7
UNLIKELY = 0.05


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A launch that was decided to be executed.

    Attributes:
        release: that made its forecast, or stands in for it. scale: population that units refer to, in the data's own.
        first: first day of its first retail week. weekly: [8] units expected of each week. size: dispersion of their
            sum. stock: units that were advised for the first day; None where none were.
    """

    row: Any
    release: ModelRelease
    scale: float
    decision: L.LaunchDecision
    plan: L.LaunchPlan
    first: dt.date
    weekly: Floats
    size: float
    stock: int | None

    @property
    def end(self) -> dt.date:
        """The day after its 8 weeks."""
        return self.first + WEEK * WEEKS

    @property
    def shares(self) -> Floats:
        """Share [8] of the expected units that each week has."""
        return self.weekly / max(float(self.weekly.sum()), 1e-12)


@dataclass(kw_only=True)
class Sales:
    """What a launch sold so far in its 8 weeks.

    Attributes:
        until: the day of the newest event of all products: what is before it is in.
        daily: [56] units sold less returned. ratings: stars of the reviews, by time.
        last: day of the last event of whatever kind; None without one.
    """

    until: dt.date | None
    daily: Floats = field(default_factory=lambda: np.zeros(WEEKS * DAYS))
    ratings: list[float] = field(default_factory=list)
    last: dt.date | None = None

    @property
    def units(self) -> Floats:
        """Units [8] sold less returned, by week."""
        return np.asarray(self.daily.reshape(WEEKS, DAYS).sum(axis=1))

    def days(self, launch: Launch) -> int:
        """Days of the launch of which all events are in, 0..56."""
        return 0 if self.until is None else max(0, min(WEEKS * DAYS, (self.until - launch.first).days))

    def complete(self, launch: Launch) -> int:
        """Weeks of which all events are in, 0..8."""
        return self.days(launch) // DAYS


@dataclass(kw_only=True)
class Course(Sales):
    """What happened so far in the launch's 8 weeks.

    Attributes:
        counts: [8, kinds] events. revenue: [8] less what was paid back.
        paid_units: purchases' units of which the revenue is known. paid: that revenue.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((WEEKS, len(KINDS)), dtype=np.int64))
    revenue: Floats = field(default_factory=lambda: np.zeros(WEEKS))
    paid_units: float = 0.0
    paid: float = 0.0


def read_launch(row: Any, loaded: Mapping[int, ModelRelease], serving: ModelRelease) -> Launch:
    """The launch of a row of `answers.executed_launches`; `serving` stands in for a release that is not loaded."""
    release = loaded.get(row.model_release, serving)
    plan = L.LaunchPlan.FromString(row.plan)
    units = plan.forecasts[-1].units
    return Launch(
        row=row,
        release=release,
        scale=row.population_scale,
        decision=L.LaunchDecision.FromString(row.decision_blob),
        plan=plan,
        first=first_day_of_week(dt.date.fromisoformat(row.launch_date), release.manifest.week_start),
        weekly=np.array(json.loads(row.weekly_units)),
        size=units.dispersion,
        stock=plan.stock.units if plan.HasField("stock") else None,
    )


def bands(mean: Floats, size: Floats) -> tuple[Floats, Floats]:
    """The 10 % and 90 % quantiles as whole units: a continuous quantile q stands for the count above it."""
    low, high = (np.maximum(np.ceil(nb_quantile(level, mean, size) - 1e-9), 0.0) for level in (LOW, HIGH))
    return low, high


def band(mean: float, size: float) -> tuple[int, int]:
    """The band of one launch."""
    low, high = bands(np.array([mean]), np.array([size]))
    return int(low[0]), int(high[0])


def count_forecast(mean: float, size: float, levels: Floats) -> T.CountForecast:
    """The contract's forecast of a part of a launch's units: a share of a Gamma-Poisson count keeps its dispersion."""
    values = nb_quantile(levels, np.full(len(levels), mean), np.full(len(levels), size))
    quantiles = [T.Quantile(level=a, value=b) for a, b in zip(levels.tolist(), values.tolist(), strict=True)]
    return T.CountForecast(mean=mean, quantiles=quantiles, dispersion=size)


def remaining(launch: Launch, course: Sales) -> Remaining | None:
    """The weeks after the complete ones, by UpdateForecast's formula; None before the first of these and at the end."""
    seen = course.complete(launch)
    if not 1 <= seen < WEEKS:
        return None
    after = launch.release.life_cycle.after(
        launch.shares,
        mean=float(launch.weekly.sum()) / launch.scale,
        size=launch.size,
        observed=np.maximum(course.units[:seen], 0.0).tolist(),
        scale=launch.scale,
    )
    return Remaining(after, launch.shares, seen)


def stock_end(launch: Launch, course: Sales, rest: Remaining | None) -> tuple[float | None, dt.date | None]:
    """Units left of the first stock, and the day on which it ends as it sells now; None: not within the 8 weeks."""
    if launch.stock is None:
        return None, None
    sold_until = np.cumsum(course.daily)
    left = launch.stock - float(sold_until[-1])
    seen = course.complete(launch)
    day = launch.first + WEEK * seen
    if left <= 0:
        gone = int(np.flatnonzero(sold_until >= launch.stock)[0]) if launch.stock > 0 else 0
        return 0.0, launch.first + dt.timedelta(days=gone)
    weekly = launch.weekly[seen:] if rest is None else rest.weekly()
    sold_since = float(course.units[seen:].sum())
    daily = np.cumsum(np.repeat(weekly / DAYS, DAYS)) - sold_since
    empty = np.flatnonzero(daily >= left)
    return left, day + dt.timedelta(days=int(empty[0])) if len(empty) else None


def exceptions(launch: Launch, course: Sales, rest: Remaining | None, today: dt.date) -> list[int]:
    """Why a launch needs attention, gravest first: values of LaunchException."""
    found: list[int] = []
    seen = course.complete(launch)
    if _silent(launch, course, today):
        found.append(F.LAUNCH_EXCEPTION_DATA_MISSING)
        if course.last is None:
            return found
    if seen:
        low, high = band(float(launch.weekly[:seen].sum()), launch.size)
        sold = float(course.units[:seen].sum())
        if sold < low:
            found.append(F.LAUNCH_EXCEPTION_BELOW_BAND)
        elif sold > high:
            found.append(F.LAUNCH_EXCEPTION_ABOVE_BAND)
    if course.last is not None and stock_end(launch, course, rest)[1] is not None and seen < WEEKS:
        found.append(F.LAUNCH_EXCEPTION_STOCK_ENDS)
    if _turned(course.ratings):
        found.append(F.LAUNCH_EXCEPTION_REVIEWS_TURN)
    return found


def _silent(launch: Launch, course: Sales, today: dt.date) -> bool:
    """Whether events should have come for a week or more: none came at all, or silence is unlikely at this forecast."""
    until = min(today, launch.end)
    if course.last is None:
        return until - dt.date.fromisoformat(launch.row.launch_date) >= dt.timedelta(days=MISSING_DAYS)
    if until - course.last < dt.timedelta(days=MISSING_DAYS):
        return False
    days = [(day - launch.first).days for day in (course.last, until)]
    expected = float(launch.weekly.sum() * (share_until(launch.shares, days[1]) - share_until(launch.shares, days[0])))
    nothing = nb_level(np.zeros(1), np.array([expected]), np.array([launch.size]))
    return bool(nothing[0] < UNLIKELY)


def launch_message(launch: Launch, course: Sales, found: Sequence[int], today: dt.date) -> F.Launch:
    """The contract's launch."""
    return F.Launch(
        plan_id=launch.row.answer_id,
        product_id=launch.row.decided_product_id,
        title=launch.row.title,
        state=STATES[answers.state_of(launch.row, today)],  # type: ignore[arg-type]
        action=launch.plan.action,
        units=float(course.units.sum()),
        expected_units=float(launch.weekly.sum() * share_until(launch.shares, course.days(launch))),
        exceptions=found,  # type: ignore[arg-type]
    )


def _turned(ratings: Sequence[float]) -> bool:
    """Whether the latest third of the reviews is clearly worse than those before."""
    if len(ratings) < LEAST_REVIEWS:
        return False
    values = np.array(ratings)
    before, latest = np.split(values, [len(values) - len(values) // 3])
    error = np.sqrt(before.var(ddof=1) / len(before) + latest.var(ddof=1) / len(latest))
    return bool(before.mean() - latest.mean() > TURNED * max(error, 1e-9))
