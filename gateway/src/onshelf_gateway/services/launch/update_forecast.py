"""UpdateForecast: what the first weeks on sale say of the rest, what to reorder, and which prices to ask."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.idempotency import plan_id
from onshelf_gateway.planning import notices
from onshelf_gateway.planning.candidates import Candidates, cross
from onshelf_gateway.planning.constraints import too_early
from onshelf_gateway.planning.forecasts import Forecasts, nb_level, nb_quantile
from onshelf_gateway.planning.prices import LEVELS, demand_levels
from onshelf_gateway.planning.scored import Costing, Scored, price_limits, score
from onshelf_gateway.planning.stock import rounded_up
from onshelf_gateway.planning.support import ComparableLaunches
from onshelf_gateway.product.understanding import UnderstoodProduct, understand
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.requests.plan_question import ConstraintQuestion, parse_constraints
from onshelf_gateway.requests.questions import (
    ActionQuestion,
    ProductQuestion,
    StockQuestion,
    parse_action,
    parse_costs,
    parse_objective,
    parse_product,
    parse_scale,
    parse_stock,
)
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.response import response_info
from onshelf_release.calendar import WEEK, first_day_of_week
from onshelf_release.candidates import CHANNEL_SLOTS
from onshelf_release.life_cycle import DAYS, WEEKS, Posterior, share_until

Floats = NDArray[np.float64]
L, T = launch_pb2, types_pb2
PRICE_STEPS = ("0.8", "0.9", "1.1", "1.2")
MAX_UNITS = 10**12


@dataclass(frozen=True, kw_only=True)
class UpdateQuestion:
    """A checked UpdateForecastRequest. `stock` None: nothing is to be advised."""

    product: ProductQuestion
    action: ActionQuestion
    costing: Costing
    constraints: ConstraintQuestion
    observed: tuple[int, ...]
    stock: int | None


def parse_update(request: L.UpdateForecastRequest, release: ModelRelease, today: dt.date) -> UpdateQuestion:
    """Check a request.

    Raises:
        GatewayError: the reason of the first violation, with all of them.
    """
    check = Checker()
    for name in ("product", "action"):
        if not request.HasField(name):
            check.fail("FIELD_REQUIRED", name, "is missing and required")
    product = parse_product(check, request.product, release)
    action = parse_action(check, request.action, release, today, executed=True)
    observed = request.observed_weekly_units
    if not observed:
        check.fail("FIELD_REQUIRED", "observed_weekly_units", "is empty and required: units sold in each week so far")
    elif check.count("observed_weekly_units", observed, WEEKS - 1):
        for n, units in enumerate(observed):
            check.number(f"observed_weekly_units[{n}]", units, 0, MAX_UNITS)
    on_hand = None
    if request.HasField("stock_units"):
        on_hand = int(check.number("stock_units", request.stock_units, 0, MAX_UNITS))
    costs = parse_costs(check, request, release)
    cost_known = product.unit_cost is not None or costs.assumed_margin is not None
    objective = parse_objective(check, L.Objective(), cost_known)
    constraints = parse_constraints(check, request.constraints, release, cost_known)
    stock = parse_stock(check, request.stock_policy, release, product)
    scale = parse_scale(check, request.population_scale)
    check.time_zone("time_zone", request.time_zone)
    check.done()
    costing = Costing(costs, objective, stock, scale)
    return UpdateQuestion(
        product=product,
        action=action,
        costing=costing,
        constraints=constraints,
        observed=tuple(observed),
        stock=on_hand,
    )


def executed_candidates(
    action: ActionQuestion, release: ModelRelease, product: UnderstoodProduct, advise: bool
) -> Candidates:
    """The executed action (first row), then the same at other list prices where prices are to be advised."""
    price = action.price if action.price is not None else product.price
    coverage = np.zeros(CHANNEL_SLOTS)
    for slot, share in action.coverage.items():
        coverage[slot] = share
    steps = PRICE_STEPS if advise else ()
    others = [money.price_like(price * Decimal(step), price, release.manifest.currency) for step in steps]
    prices = [price, *dict.fromkeys(other for other in others if 0 < other != price)]
    day = first_day_of_week(action.day, release.manifest.week_start)
    return cross([day], coverage[None, :], prices, [action.discount], [action.coupon])


@dataclass(frozen=True)
class Remaining:
    """The weeks that remain: their distribution, and the share of it that falls into a span of them.

    Attributes:
        after: the posterior. shares: [8] expected share of each week. seen: weeks observed.
    """

    after: Posterior[float]
    shares: Floats
    seen: int

    def part(self, days: int) -> float:
        """Share of the remaining units that is sold in the next `days`."""
        seen = float(self.shares[: self.seen].sum())
        until = float(share_until(self.shares, self.seen * DAYS + days))
        return min(1.0, (until - seen) / max(1.0 - seen, 1e-12))

    def quantile(self, level: float, part: float = 1.0) -> float:
        """Quantile of the units in that part of what remains."""
        mean, size = np.array([self.after.mean * part]), np.array([self.after.size])
        return float(nb_quantile(level, mean, size)[0])

    def weekly(self) -> Floats:
        """Expected units of each remaining week."""
        rest = self.shares[self.seen :]
        return np.asarray(self.after.mean * rest / max(float(rest.sum()), 1e-12))

    def forecast(self, levels: Floats, plus: float) -> T.CountForecast:
        """The contract's forecast of the remaining units and `plus` more."""
        return T.CountForecast(
            mean=self.after.mean + plus,
            quantiles=[T.Quantile(level=level, value=self.quantile(level) + plus) for level in levels.tolist()],
            dispersion=self.after.size if plus == 0 else 0.0,
        )


def reorder(rest: Remaining, question: StockQuestion, stock: int, now: dt.date) -> L.ReorderAdvice:
    """What to order now: the fractile's demand from the arrival on, less what will be left by then.

    Two bounds, of which the smaller counts: demand from now on less what is there (nothing is ordered twice), and
    demand from the arrival on (sales that are lost before it cannot be made up for).
    """
    horizon = max(0, min(question.cover_weeks, WEEKS) - rest.seen) * DAYS
    wait = min(question.lead_days, horizon)
    days = min(horizon, wait + question.shelf_days) if question.shelf_days else horizon
    until, before = rest.part(days), rest.part(wait)
    short = rest.quantile(question.fractile, until) - stock
    later = rest.quantile(question.fractile, max(until - before, 0.0))
    units = max(0.0, min(short, later)) if question.lead_days < horizon else 0.0
    lasts = nb_level(np.array([float(stock)]), np.array([rest.after.mean * before]), np.array([rest.after.size]))
    return L.ReorderAdvice(
        units=int(rounded_up(units, question.order_multiple)),
        stock_units=stock,
        critical_fractile=question.fractile,
        critical_fractile_assumed=question.assumed,
        arrival_date=(now + dt.timedelta(days=question.lead_days)).isoformat(),
        covers_days=days,
        expected_units=rest.after.mean * until,
        lasts_until_arrival=float(lasts[0]) if before > 0 else 1.0,
    )


async def update_forecast(gateway: Gateway, call: Call, request: L.UpdateForecastRequest) -> L.UpdateForecastResponse:
    """Answer UpdateForecast."""
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        today = gateway.today(release)
        question = parse_update(request, release, today)
    with gateway.permits.hold(call):
        product = await understand(call, release, gateway.models, gateway.settings, question.product)
        candidates = executed_candidates(question.action, release, product, advise=question.stock is not None)
        raw = await gateway.models.score_candidates(
            call,
            release,
            product.encoded.embedding,
            product.ids,
            product.attributes,
            candidates.features(release),
        )
        metrics.candidates.inc(len(candidates))
        with call.stage("update", len(candidates)):
            costing = question.costing
            economics, value, stocking = score(release, product, candidates, raw, costing)
            scored = Scored(
                release=release,
                candidates=candidates,
                economics=economics,
                objective=costing.objective,
                stocking=stocking,
                value=value,
                feasible=too_early(candidates, costing.costs, costing.stock, candidates.days[0]),
                history=ComparableLaunches(release, product),
                nearest=None,
                price_limits=price_limits(question.constraints),
            )
            response = _answer(release, question, scored)
        notices.notice_plan(call, release, [], costing, stock=question.stock is not None)
        call.notice(
            T.NOTICE_CODE_SALES_FOR_DEMAND,
            "the update takes sales for demand: weeks in which the product was sold out understate it",
            "observed_weekly_units",
        )
        response.category.CopyFrom(product.category.message())
    response.info.CopyFrom(response_info(call, release, costing.scale))
    return response


def _answer(release: ModelRelease, question: UpdateQuestion, scored: Scored) -> L.UpdateForecastResponse:
    forecasts, seen = scored.economics.forecasts, len(question.observed)
    shares, first = scored.shares(0), scored.candidates.days[0]
    mean, size = float(forecasts.raw.mean[0, -1]), float(forecasts.dispersion(WEEKS)[0])
    after = release.life_cycle.after(shares, mean=mean, size=size, observed=question.observed, scale=forecasts.scale)
    rest = Remaining(after, shares, seen)
    sold = sum(question.observed)
    units = [*question.observed, *rest.weekly().tolist()]
    planned = mean * forecasts.scale * shares
    response = L.UpdateForecastResponse(
        plan_id=plan_id("", "", release.version),
        weeks_observed=seen,
        units_observed=sold,
        remaining=rest.forecast(forecasts.levels, 0.0),
        total=rest.forecast(forecasts.levels, float(sold)),
        prior=_prior(forecasts),
        evidence_weight=after.weight,
        weeks=[
            L.WeekForecast(
                week=n + 1,
                week_start_date=(first + WEEK * n).isoformat(),
                observed=n < seen,
                units=units[n],
                planned_units=float(planned[n]),
            )
            for n in range(WEEKS)
        ],
    )
    if question.stock is not None:
        advice = reorder(rest, question.costing.stock, question.stock, first + WEEK * seen)
        response.reorder.CopyFrom(advice)
        levels = demand_levels(np.array([rest.quantile(level) for level in LEVELS]))
        steps, elasticity = scored.price_path(0, rest.weekly(), levels, seen + 1, float(question.stock + advice.units))
        response.price_path.extend(steps)
        response.price_response.CopyFrom(elasticity)
    return response


def _prior(forecasts: Forecasts) -> T.CountForecast:
    pairs = zip(forecasts.levels.tolist(), forecasts.quantiles(WEEKS, 0).tolist(), strict=True)
    return T.CountForecast(
        mean=float(forecasts.mean(WEEKS)[0]),
        quantiles=[T.Quantile(level=level, value=value) for level, value in pairs],
        dispersion=float(forecasts.dispersion(WEEKS)[0]),
    )
