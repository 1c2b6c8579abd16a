"""Notices: remarks that change how plans must be read: what was assumed, scaled, extrapolated or ignored."""

import datetime as dt

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.planning.scored import Costing
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.plan_question import PlanQuestion

T = types_pb2


def notice_launch(
    call: Call,
    question: PlanQuestion,
    release: ModelRelease,
    plans: list[launch_pb2.LaunchPlan],
    promotion_is_free: bool,
) -> None:
    """Notices of PlanLaunch. promotion_is_free: it has neither a cost nor a budget."""
    notice_projection(call, release, question.start, question.end)
    for path in question.ignored:
        call.notice(T.NOTICE_CODE_FIELD_IGNORED, f"{path} is kept but has no effect in this model release", path)
    if promotion_is_free:
        call.notice(
            T.NOTICE_CODE_PROMOTION_COST_ASSUMED_ZERO,
            "no promotion costs and no budget were given: read the frontier; plans start where more "
            "promotion stops paying for its "
            "effort, at the list price unless there is a unit cost. Send costs to get a single winner",
            "costs",
        )
    else:
        used = {use.channel_id for plan in plans for use in plan.action.channels}
        unpriced = sorted(name for name in used if release.channels[name].slot not in question.costs.fixed)
        unpriced += (
            ["coupons"] if not question.costs.coupon_stated and any(plan.action.coupon for plan in plans) else []
        )
        if unpriced:
            call.notice(
                T.NOTICE_CODE_PROMOTION_COST_ASSUMED_ZERO,
                f"taken as free, no cost was given: {', '.join(unpriced)}",
                "costs",
            )
    notice_plan(call, release, plans, Costing(question.costs, question.objective, question.stock, question.scale))


def notice_plan(
    call: Call, release: ModelRelease, plans: list[launch_pb2.LaunchPlan], costing: Costing, stock: bool = True
) -> None:
    """Remarks that follow from plans; shared by the calls. `stock`: whether the answer advises on it."""
    for sentence in release.manifest.not_learned:
        call.notice(T.NOTICE_CODE_NOT_LEARNED, sentence)
    if stock and costing.stock.limited_by_shelf_life:
        call.notice(
            T.NOTICE_CODE_STOCK_SHORTENED,
            f"the stock covers {costing.stock.cover_days} days, the shelf life, instead of "
            f"{costing.stock.cover_weeks} weeks",
            "stock_policy.shelf_life_days",
        )
    if any(plan.stock.raised_to_minimum for plan in plans):
        call.notice(
            T.NOTICE_CODE_STOCK_RAISED,
            "the sites' least units come to more than the stock that demand asks for; they decide",
            "stock_policy.sites",
        )
    if stock and costing.stock.assumed:
        call.notice(
            T.NOTICE_CODE_CRITICAL_FRACTILE_ASSUMED,
            "no costs of stock were given; it suffices with a probability of 0.8, by assumption",
            "stock_policy",
        )
    if costing.scale != 1.0:
        call.notice(
            T.NOTICE_CODE_POPULATION_SCALED,
            f"units are for {costing.scale:g} times the data's ({release.manifest.units_basis.description}); "
            "intervals follow the negative binomial of that mean",
            "population_scale",
        )
    bare = [plan for plan in plans if not plan.action.channels and not plan.action.coupon]
    if bare:
        call.notice(
            T.NOTICE_CODE_UNPROMOTED_EXTRAPOLATED,
            "launches without promotion enter the history only by being sold; a forecast without channels extrapolates",
        )
    if plans and plans[0].support.level in (T.SUPPORT_LEVEL_NONE, T.SUPPORT_LEVEL_LOW):
        count = plans[0].support.comparable_launches
        how_many = "no past launch is" if count == 0 else f"of past launches, only {count} are"
        call.notice(
            T.NOTICE_CODE_LOW_SUPPORT, f"{how_many} comparable with the first plan in category, price and promotion"
        )
    if any(plan.effects for plan in plans):
        call.notice(
            T.NOTICE_CODE_ASSOCIATION,
            "effects of price and promotion are associations in the history, not identified causes; test them",
        )


def notice_projection(call: Call, release: ModelRelease, start: dt.date, end: dt.date) -> None:
    """Say that the window lies outside the years of the data, and how far."""
    as_of = release.manifest.as_of
    last_year = (as_of - dt.timedelta(days=1)).year
    if end.year > last_year:
        weeks = (start - as_of).days // 7
        ahead = f"begins {weeks} weeks later and" if weeks > 0 else "begins then and"
        call.notice(
            T.NOTICE_CODE_SEASONAL_PROJECTION,
            f"the data end on {as_of - dt.timedelta(days=1)}; the window {ahead} reaches into a "
            "year that they do not cover: its timing is projected from the season of the year",
            "window",
        )
