"""Answers that look like the service's, for tests and for trying out the command line without a service."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from typing import Any

from onshelf import _experiment_results as e
from onshelf import _feedback_results as f
from onshelf import _related_samples as related
from onshelf import _results as r
from onshelf import _stock_results as stock
from onshelf._convert import from_message
from onshelf._enums import (
    DecisionKind,
    DecisionReason,
    EventKind,
    HoldoutVerdict,
    LaunchException,
    LaunchState,
    NoticeCode,
    ObjectiveMetric,
    PowerUnit,
    PricePhase,
    ServingState,
    SupportLevel,
)
from onshelf._inputs import Action, ChannelUse, Event, LaunchDecision, PlanRequest, Product
from onshelf._money import Money
from onshelf._related_results import FindRelatedProductsResult
from onshelf._rpcs import BY_METHOD

_LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_SPREAD = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.05, 1.3, 1.6, 2.1, 2.7)


def sample_answer(method: str) -> Any:
    """A result of a client's method ("plan_launch"); empty if none is made up. Raises KeyError for an unknown one."""
    rpc = BY_METHOD[method]
    return _SAMPLES[method] if method in _SAMPLES else from_message(rpc.result, rpc.response())


def _dollars(amount: str) -> Money:
    return Money(amount, "USD")


def _forecast(weeks: int, mean: float, price: float) -> r.OutcomeForecast:
    def money(units: float) -> Money:
        return _dollars(f"{units * price:.2f}")

    points = tuple(r.Quantile(level, round(mean * factor, 4)) for level, factor in zip(_LEVELS, _SPREAD, strict=True))
    return r.OutcomeForecast(
        horizon_weeks=weeks,
        units=r.CountForecast(mean=mean, quantiles=points, dispersion=1.5),
        revenue=r.MoneyForecast(
            mean=money(mean), p10=money(mean * 0.25), p50=money(mean * 0.85), p90=money(mean * 2.1)
        ),
        buyers=mean * 0.8,
        repeat_rate=0.14 if weeks == 8 else 0.0,
    )


def _action(start: date, channels: dict[str, float], discount: float, price: str) -> Action:
    listed = _dollars(price)
    return Action(
        launch_date=start,
        channels=tuple(ChannelUse(name, coverage) for name, coverage in channels.items()),
        discount=discount,
        list_price=listed,
        sale_price=_dollars(f"{listed.amount * (100 - round(discount * 100)) / 100:.2f}"),
    )


def _path(action: Action, mean: float, first: int = 1) -> tuple[stock.PriceStep, ...]:
    start, listed = action.launch_date or _WEEKS[0], action.list_price or _dollars("3.99")
    steps = []
    for week in range(first, 9):
        off = action.discount if week <= 2 else 0.2 if week == 8 else 0.0
        phase = PricePhase.LAUNCH_PROMOTION if week <= 2 and off else PricePhase.REGULAR
        steps.append(
            stock.PriceStep(
                week=week,
                week_start_date=start + timedelta(weeks=week - 1),
                phase=PricePhase.MARKDOWN if week == 8 else phase,
                discount=off,
                price=_dollars(f"{listed.amount * (100 - round(off * 100)) / 100:.2f}"),
                units=round(mean / 8, 2),
                stock_left=round(mean * 1.6 - mean / 8 * (week - first + 1), 2),
            )
        )
    return tuple(steps)


_RESPONSE = stock.PriceResponse(
    elasticity=1.4,
    plan_elasticity=1.5,
    category_elasticity=1.3,
    weight=0.5,
    basis="the forecasts of 3 list prices; an association, not an identified cause",
)


def _plan(rank: int, action: Action, mean: float) -> r.LaunchPlan:
    price = float(action.sale_price.amount) if action.sale_price else 0.0
    return r.LaunchPlan(
        rank=rank,
        action=action,
        forecasts=(_forecast(4, mean * 0.6, price), _forecast(8, mean, price)),
        objective_value=round(mean * price, 2),
        promotion_cost=_dollars("0"),
        discount_cost=_dollars(f"{mean * 0.4:.2f}"),
        stock=stock.StockAdvice(
            units=round(mean * 1.6),
            critical_fractile=0.8,
            critical_fractile_assumed=True,
            covers_weeks=8,
            covers_days=56,
            expected_units=mean,
        ),
        price_path=_path(action, mean),
        price_response=_RESPONSE,
        support=r.Support(level=SupportLevel.GOOD, comparable_launches=41, nearest_similarity=0.91),
        effects=(
            r.ActionEffect(
                change="one week later",
                field="launch_date",
                units_difference=-0.3,
                objective_difference=-0.9,
                action=dataclasses.replace(action, launch_date=(action.launch_date or _WEEKS[0]) + timedelta(7)),
                feasible=True,
            ),
            r.ActionEffect(
                change="without promotion in the mailer",
                field="channels",
                units_difference=-2.4,
                objective_difference=-7.2,
                action=dataclasses.replace(action, channels=()),
                feasible=True,
            ),
        ),
    )


_WEEKS = tuple(date(2018, 1, 1) + timedelta(weeks=n) for n in range(12))
_END_CAP = {"display_front_end_cap": 0.3}
_BOTH = _END_CAP | {"mailer_interior_feature": 1.0}

_INFO = r.ResponseInfo(
    model_release=r.ModelReleaseInfo(
        version=7,
        as_of=date(2018, 1, 1),
        role="production",
        dataset="sample",
        currency="USD",
        time_zone="America/New_York",
        created_at=datetime(2018, 1, 2, 8, 30, tzinfo=UTC),
    ),
    units_basis=r.UnitsBasis(description="panel of 2,469 households", users=2469, scale_factor=1.0),
    timings=tuple(
        r.StageTiming(
            stage=stage,
            start=timedelta(milliseconds=start),
            duration=timedelta(milliseconds=length),
            items=items,
            cached=cached,
            deadline_left=timedelta(milliseconds=10_000 - start),
        )
        for stage, start, length, items, cached in (
            ("validate", 0.0, 0.4, 0, False),
            ("tokenize", 0.4, 0.3, 9, False),
            ("product_encoder", 0.7, 6.2, 1, True),
            ("launch_outcome", 6.9, 9.5, 2048, False),
            ("launch_outcome.queue", 6.9, 0.6, 0, False),
            ("launch_outcome.compute", 7.5, 8.1, 2048, False),
            ("audience_retrieval", 6.9, 2.1, 20, False),
            ("optimise", 16.4, 1.6, 2048, False),
        )
    ),
    notices=(
        r.Notice(
            code=NoticeCode.PROMOTION_COST_ASSUMED_ZERO,
            field="costs",
            message="No promotion costs and no budget were given, so promotion is taken as free: read the frontier.",
        ),
    ),
)
_CATEGORY = r.CategoryResolution(category_path=("Grocery", "Bag snacks", "Potato chips"), matched=True, confidence=1.0)
_PAST = tuple(
    r.PastLaunch(
        product_id=str(15_500_000 + n),
        title=title,
        category_path=_CATEGORY.category_path,
        action=_action(date(2017, 5, 1) + timedelta(weeks=3 * n), _BOTH if n else {}, 0.1 * n, "3.49"),
        units_4w=3.0 + n,
        units_8w=5.0 + 2 * n,
        buyers_8w=4.0 + n,
        similarity=0.91 - 0.04 * n,
        promotion_first=n > 0,
    )
    for n, title in enumerate(("potato chips sea salt 9 oz", "kettle chips salt vinegar 8 oz", "tortilla chips 13 oz"))
)
_PLANS = (
    _plan(1, _action(_WEEKS[3], _BOTH, 0.1, "3.99"), 9.6),
    _plan(2, _action(_WEEKS[5], _BOTH, 0.0, "3.79"), 9.1),
    _plan(3, _action(_WEEKS[3], _END_CAP, 0.0, "3.59"), 6.4),
)

_GIVEN = datetime(2018, 1, 3, 9, 30, tzinfo=UTC)
_DECISION = LaunchDecision(
    kind=DecisionKind.ACCEPTED,
    decided_by="kim",
    executed_action=_PLANS[0].action,
    plan_rank=1,
    product_id="15500000",
    decided_at=_GIVEN + timedelta(hours=2),
    revision=1,
)
_STORED = f.StoredPlan(
    plan_id="plan-0001",
    created_at=_GIVEN,
    state=LaunchState.DECIDED,
    request=PlanRequest(request_id="row-1", product=Product(title="potato chips sea salt 9 oz"), model_release=7),
    response=r.PlanLaunchResult(
        plan_id="plan-0001", objective_metric=ObjectiveMetric.REVENUE, plans=_PLANS, info=_INFO
    ),
    decision=_DECISION,
    executed_plan=_PLANS[0],
    executed_weekly_units=(1.6, 1.4, 1.2, 1.1, 0.9, 0.8, 0.7, 0.7),
)
_LAUNCH = f.Launch(
    plan_id="plan-0001",
    product_id="15500000",
    title="potato chips sea salt 9 oz",
    state=LaunchState.ON_SALE,
    action=_PLANS[0].action,
    units=4.0,
    expected_units=3.0,
    exceptions=(LaunchException.STOCK_ENDS,),
)
_EVENT = Event(
    event_id="e-1",
    kind=EventKind.PURCHASE,
    product_id="15500000",
    time=datetime(2018, 2, 6, 12, tzinfo=UTC),
    user_id="1364",
    quantity=2.0,
    revenue=_dollars("7.98"),
)
_SAMPLES: dict[str, Any] = {
    "plan_launch": r.PlanLaunchResult(
        plan_id="plan-0001",
        objective_metric=ObjectiveMetric.REVENUE,
        plans=_PLANS,
        practice_plan=_plan(0, _action(_WEEKS[1], _END_CAP, 0.1, "3.99"), 5.9),
        frontier=tuple(
            r.FrontierPoint(
                action=_action(_WEEKS[3], used, 0.0, "3.99"),
                channels=len(used),
                units=units,
                revenue=_dollars(f"{units * 3.99:.2f}"),
                promotion_cost=_dollars("0"),
                discount_cost=_dollars("0.50") if used else _dollars("0"),
                promotion_effort=sum(used.values()),
                marginal_units=gain,
            )
            for used, units, gain in (({}, 3.9, 0.0), (_END_CAP, 6.1, 2.2), (_BOTH, 8.4, 2.3))
        ),
        frontier_instead_of_winner=True,
        audience=tuple(r.AudienceMember(user_id=str(1000 + n), score=2.5 - 0.1 * n) for n in range(5)),
        segments=(
            r.AudienceSegment(description="frequent buyers of bag snacks", users=412, share=0.41, lift=2.3),
            r.AudienceSegment(description="promotion sensitive", users=230, share=0.23, lift=1.4),
        ),
        similar_launches=_PAST,
        category=_CATEGORY,
        timing=tuple(
            r.TimingEvidence(week_start_date=week, seasonality=1 + 0.03 * (n % 5) - 0.06, practice_share=0.02)
            for n, week in enumerate(_WEEKS)
        ),
        candidates_scored=2048,
        candidates_feasible=2048,
        info=_INFO,
    ),
    "evaluate_plan": r.EvaluatePlanResult(
        plan_id="plan-0002",
        plan=_plan(0, _action(_WEEKS[2], _END_CAP, 0.0, "3.99"), 6.2),
        objective_metric=ObjectiveMetric.REVENUE,
        category=_CATEGORY,
        similar_launches=_PAST,
        info=_INFO,
    ),
    "update_forecast": r.UpdateForecastResult(
        plan_id="plan-0003",
        weeks_observed=2,
        units_observed=5,
        remaining=_forecast(8, 9.0, 3.99).units,
        total=r.CountForecast(
            mean=14.0,
            quantiles=tuple(r.Quantile(q.level, q.value + 5) for q in _forecast(8, 9.0, 3.99).units.quantiles),
        ),
        prior=_forecast(8, 9.6, 3.99).units,
        evidence_weight=0.46,
        weeks=tuple(
            stock.WeekForecast(
                week=n + 1,
                week_start_date=_WEEKS[n],
                observed=n < 2,
                units=(3.0, 2.0)[n] if n < 2 else 1.5,
                planned_units=1.2,
            )
            for n in range(8)
        ),
        reorder=stock.ReorderAdvice(
            units=6,
            stock_units=7,
            critical_fractile=0.8,
            critical_fractile_assumed=True,
            arrival_date=_WEEKS[3],
            covers_days=42,
            expected_units=9.0,
            lasts_until_arrival=0.93,
        ),
        price_path=_path(_action(_WEEKS[0], _END_CAP, 0.0, "3.99"), 9.0, first=3),
        price_response=_RESPONSE,
        category=_CATEGORY,
        info=_INFO,
    ),
    "recommend_products": r.RecommendProductsResult(
        products=(
            r.RecommendedProduct(
                product_id="15500000",
                title="potato chips sea salt 9 oz",
                category_path=_CATEGORY.category_path,
                score=3.1,
                new_product=True,
                reason="like the bag snacks that you buy",
                reason_product_ids=("1081177", "866540"),
            ),
            r.RecommendedProduct(
                product_id="995242",
                title="fluid milk white only 1 ga",
                category_path=("Grocery", "Fluid milk products"),
                score=2.8,
                bought_before=True,
                reason="bought 11 times",
                reason_product_ids=("995242",),
            ),
        ),
        info=_INFO,
    ),
    "find_audience": r.FindAudienceResult(
        users=tuple(r.AudienceMember(user_id=str(1000 + n), score=2.5 - 0.1 * n) for n in range(5)),
        segments=(r.AudienceSegment(description="frequent buyers of bag snacks", users=41, share=0.41, lift=2.3),),
        category=_CATEGORY,
        info=_INFO,
    ),
    "find_similar_launches": r.FindSimilarLaunchesResult(launches=_PAST, category=_CATEGORY, info=_INFO),
    "find_related_products": FindRelatedProductsResult(products=related.RELATED, info=_INFO),
    "get_user_profile": r.GetUserProfileResult(
        profile=r.UserProfile(
            user_id="1364",
            interests=(
                r.CategoryInterest(category_path=("Grocery", "Bag snacks"), share=0.12, lift=2.1),
                r.CategoryInterest(category_path=("Grocery", "Soft drinks"), share=0.08, lift=1.2),
            ),
            purchases_per_week=2.3,
            recency_weeks=0.4,
            price_tier=0.62,
            promotion_sensitivity=0.48,
            new_product_share=0.06,
            products_bought=311,
        ),
        info=_INFO,
    ),
    "upsert_products": r.UpsertProductsResult(
        added=1,
        replaced=1,
        errors=(
            r.ProductError(
                index=2, reason="FIELD_REQUIRED", field="products[2].title", message="is empty and required"
            ),
        ),
        info=_INFO,
    ),
    "get_plan": f.GetPlanResult(plan=_STORED),
    "list_plans": f.ListPlansResult(
        plans=(
            f.PlanSummary(
                plan_id="plan-0001",
                created_at=_GIVEN,
                state=LaunchState.DECIDED,
                product_id="15500000",
                title="potato chips sea salt 9 oz",
                model_release=7,
                action=_PLANS[0].action,
                units=8.4,
                decision=_DECISION,
            ),
            f.PlanSummary(
                plan_id="plan-0000",
                created_at=_GIVEN - timedelta(hours=1),
                state=LaunchState.PLANNED,
                title="green tea 20 bags",
                model_release=7,
                action=_PLANS[1].action,
                units=5.9,
            ),
        ),
    ),
    "decide_launch": f.DecideLaunchResult(plan=_STORED, revised=True, info=_INFO),
    "replay_plan": f.ReplayPlanResult(same=True, info=_INFO),
    "record_events": f.RecordEventsResult(stored=1),
    "list_events": f.ListEventsResult(events=(_EVENT,)),
    "list_refused_events": f.ListRefusedEventsResult(
        events=(
            f.RefusedEvent(
                event=dataclasses.replace(_EVENT, event_id="e-2", quantity=-1.0),
                error=f.EventError(
                    event_id="e-2",
                    reason="VALUE_OUT_OF_RANGE",
                    field="quantity",
                    message="-1 is refused: above 0 and at most 1,000,000",
                ),
                refused_at=_GIVEN,
            ),
        ),
        total=1,
    ),
    "list_launches": f.ListLaunchesResult(launches=(_LAUNCH,)),
    "get_launch_report": f.GetLaunchReportResult(
        launch=_LAUNCH,
        decision=_DECISION,
        forecasts=_PLANS[0].forecasts,
        observed_until=_WEEKS[3] + timedelta(days=15),
        within_band=False,
        weeks=tuple(
            f.LaunchReportWeek(
                week=n + 1,
                week_start_date=_WEEKS[3] + timedelta(weeks=n),
                complete=n < 2,
                planned_units=_forecast(8, mean, 3.99).units,
                units=(3.0, 0.0, 1.0)[n] if n < 3 else 0.0,
                within_band=n == 0,
                revenue=_dollars(("11.97", "0", "3.99")[n] if n < 3 else "0"),
                impressions=240 - 20 * n if n < 3 else 0,
                clicks=9 - 2 * n if n < 3 else 0,
                purchases=(3, 0, 1)[n] if n < 3 else 0,
            )
            for n, mean in enumerate((1.6, 1.4, 1.2, 1.1, 0.9, 0.8, 0.7, 0.7))
        ),
        remaining=_forecast(8, 4.2, 3.99).units,
        total=_forecast(8, 7.2, 3.99).units,
        stock_left=5.0,
        stock_ends_on=_WEEKS[8],
        click_through_rate=0.03,
        conversion_rate=0.19,
        buyers=4,
        repeat_rate=0.0,
        attribution=f.Attribution(by_token=2, by_last_touch=1, unattributed=1),
        reviews=2,
        mean_rating=3.5,
        review_summary=f.ReviewSummary(
            with_text=2,
            read=2,
            abstained="2 reviews were read: a summary needs 10",
            complaints=(
                f.ReviewQuote(
                    event_id="event-2",
                    day=_WEEKS[3] + timedelta(days=9),
                    text="The bag was open and the chips were stale.",
                    sentiment=-0.93,
                    rating=2.0,
                ),
            ),
            questions=(
                f.ReviewQuote(
                    event_id="event-1",
                    day=_WEEKS[3] + timedelta(days=8),
                    text="Will there be a smaller bag?",
                    sentiment=0.04,
                    rating=5.0,
                ),
            ),
        ),
        suggestions=(
            f.LaunchSuggestion(
                field="stock",
                change="order 3 more units",
                units_difference=1.4,
                revenue_difference=_dollars("5.59"),
                gain=_dollars("5.59"),
                basis="the sales that the stock would lose otherwise",
            ),
        ),
        info=_INFO,
        holdout=e.HoldoutEffect(
            share=0.05,
            users=2_345,
            buyers=12,
            held_out_users=124,
            verdict=HoldoutVerdict.UNDERPOWERED,
            words="underpowered, no claim is made: 12 of 2,345 users bought, 0 of 124 who were held out",
        ),
        cannibalized=related.CANNIBALIZED,
        complements=related.COMPLEMENTS,
        cannibalization=related.CANNIBALIZATION,
    ),
    "estimate_power": f.EstimatePowerResult(
        unit=PowerUnit.USERS,
        available=2_469,
        weeks=2,
        units_difference=1.2,
        buyers_difference=0.8,
        relative_difference=0.06,
        needed=198_000,
        by_week=tuple(
            e.PowerWeek(week=n, needed=396_000 // n, visible_difference=0.9 / n, first=0.004 * n, second=0.00424 * n)
            for n in (1, 2)
        ),
        verdict="underpowered: 2 weeks and 2,469 users see a difference of 45% or more; these plans differ by 6.0%, "
        "which takes 198,000 users",
        power=0.8,
        significance=0.05,
        info=_INFO,
    ),
    "get_scoreboard": f.GetScoreboardResult(
        weeks=tuple(
            f.ScoreboardWeek(
                week=n,
                launches=14 - n,
                proposed_units=20.0 * n,
                practice_units=17.0 * n,
                practice_launches=14 - n,
                executed_units=19.0 * n,
                actual_units=18.0 * n,
                practice_actual_units=18.0 * n,
                within_band=11 - n,
            )
            for n in (1, 2, 3)
        ),
        decisions=(
            f.DecisionScore(
                kind=DecisionKind.ACCEPTED, launches=10, better=5, share=0.5, share_low=0.24, share_high=0.76
            ),
            f.DecisionScore(
                kind=DecisionKind.CHANGED,
                reason=DecisionReason.PRICE,
                launches=3,
                better=1,
                share=0.33,
                share_low=0.06,
                share_high=0.79,
            ),
        ),
        observed_until=_WEEKS[8],
        info=_INFO,
    ),
    "forget_user": f.ForgetUserResult(
        receipt_id="forgotten-0001",
        forgotten_at=_GIVEN,
        events_deleted=12,
        refused_events_deleted=1,
        answers_deleted=3,
        audiences_changed=2,
        in_served_release=True,
        model_releases=(3,),
    ),
    "search_products": r.SearchProductsResult(
        products=(
            r.FoundProduct(
                product=Product(
                    product_id="15500000",
                    title="potato chips sea salt 9 oz",
                    category_path=("Grocery", "Bag snacks"),
                    list_price=_dollars("3.99"),
                ),
                score=0.9,
            ),
        ),
        info=_INFO,
    ),
    "delete_products": r.DeleteProductsResult(deleted=2, unknown=1),
    "list_model_releases": r.ListModelReleasesResult(
        releases=(
            r.ModelRelease(info=_INFO.model_release, state=ServingState.SERVING, traffic_share=1.0),
            r.ModelRelease(
                info=dataclasses.replace(_INFO.model_release, version=6, as_of=date(2017, 7, 3), role="replay"),
                state=ServingState.IDLE,
            ),
        )
    ),
}
