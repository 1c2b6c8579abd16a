"""A plan as a merchandiser reads it, in sections."""

from collections.abc import Sequence
from decimal import Decimal

from rich.console import RenderableType
from rich.text import Text

from onshelf import _results as r
from onshelf._cli import _words as w
from onshelf._cli._failures import field_option
from onshelf._cli._stock_view import price_section, site_section, stock_sentence
from onshelf._cli._terminal import Section, bar, bold, clean, hanging, screen, shortened, sparkline, table
from onshelf._enums import NoticeCode, ObjectiveMetric, SupportLevel
from onshelf._inputs import Product
from onshelf._money import Money

_MONEY = (ObjectiveMetric.GROSS_PROFIT, ObjectiveMetric.REVENUE)
_GRAVE = (NoticeCode.DEGRADED, NoticeCode.LOW_SUPPORT, NoticeCode.TITLE_STRANGE)
_BAR = 28  # columns, fewer on a narrow screen
Row = list[RenderableType]


def plan_sections(answer: r.PlanLaunchResult, product: Product, horizon: int) -> list[Section]:
    """From the headline, the ranked plans and the reasons to what the numbers rest on."""
    best = answer.plans[0]
    candidates = (
        f"{answer.candidates_feasible:,} of {answer.candidates_scored:,} candidate actions keep the constraints"
    )
    return [
        _headline(answer, product, horizon),
        _plans(answer, horizon),
        price_section(best.price_path, best.price_response, " of plan 1"),
        site_section(best.stock),
        _effects(best, answer),
        _frontier(answer, horizon),
        _timing(answer),
        similar_launches(answer.similar_launches, "Past launches like it"),
        _audience(answer),
        notices(answer.info.notices),
        footer(answer.info, plan_id=answer.plan_id, candidates=candidates),
    ]


def evaluation_sections(answer: r.EvaluatePlanResult, product: Product) -> list[Section]:
    """The forecast of one action."""
    plan, action = answer.plan, answer.plan.action
    head = f'"{clean(product.title)}" in the week of {w.day(action.launch_date)}, channels: '
    head += f"{w.channel_list(action.channels)}; promotion: {w.promotion(action)}; price: {w.money(action.list_price)}"
    rows: list[Row] = [
        [
            f"{one.horizon_weeks} weeks",
            w.count(one.units.mean),
            w.band(one.units),
            w.money(one.revenue.mean if one.revenue else None),
            w.money(one.gross_profit.mean if one.gross_profit else None),
            w.count(one.buyers),
            w.percent(one.repeat_rate) if one.repeat_rate else "",
        ]
        for one in plan.forecasts
    ]
    extra = [stock_sentence(plan.stock)] if plan.stock is not None else []
    extra.append(
        f"{_metric(answer).capitalize()} after promotion cost: {_value(answer, plan)} {_unit(answer)}".strip() + "."
    )
    if plan.support is not None:
        words = {SupportLevel.NONE: "nothing comparable", SupportLevel.LOW: "little that is comparable"}
        found = words.get(plan.support.level, "enough that is comparable")
        extra.append(f"The history holds {found}: {plan.support.comparable_launches:,} comparable past launches.")
    if plan.broken_constraints:
        extra.append(f"It breaks {w.series([field_option(name) for name in plan.broken_constraints])}.")
    headers = ["over", ">units", "10–50–90%", ">revenue", ">gross profit", ">buyers", ">buy again"]
    return [
        [bold(head)],
        [table(headers, rows)] if rows else [],
        extra,
        price_section(plan.price_path, plan.price_response),
        site_section(plan.stock),
        similar_launches(answer.similar_launches, "Past launches like it"),
        notices(answer.info.notices),
        footer(answer.info, plan_id=answer.plan_id),
    ]


def _headline(answer: r.PlanLaunchResult, product: Product, horizon: int) -> Section:
    best = answer.plans[0]
    action, units, basis = best.action, best.forecast(horizon).units, answer.info.units_basis
    how = f"with {w.channel_list(action.channels, coverage=False)}" if action.channels else "without any channel"
    promoted = f", {w.promotion(action)}" if w.promotion(action) != "none" else ""
    price = w.money(action.list_price)
    if action.discount > 0 and action.sale_price is not None:
        price = f"{w.money(action.sale_price)} instead of {w.bare(action.list_price)} in the first two weeks"
    sentence = (
        f'Launch "{clean(product.title)}" in the week of {w.day(action.launch_date)} {how}{promoted}, at {price}.'
    )
    scale = f"{basis.scale_factor:g} times " if basis.scale_factor not in (0.0, 1.0) else ""
    among = f" among {scale}the {basis.users:,} users of the data" if basis.users else ""
    low, high = (w.whole(units.quantile(level)) for level in (0.1, 0.9))
    outcome = (
        f"Expect {w.count(units.mean)} units in {horizon} weeks{among}; in at least 8 of 10 cases {low:,} to {high:,}."
    )
    if best.stock is not None:
        outcome += f" {stock_sentence(best.stock)}"
    warning = "This is not a winner: promotion was given neither costs nor a budget, and free promotion always sells "
    warning += "more. Read what promotion buys below, or give --channel-cost or --budget."
    return [bold(sentence), outcome, *([Text(warning, "yellow")] if answer.frontier_instead_of_winner else [])]


def _metric(answer: r.PlanLaunchResult | r.EvaluatePlanResult) -> str:
    return answer.objective_metric.value.replace("_", " ")


def _unit(answer: r.PlanLaunchResult | r.EvaluatePlanResult) -> str:
    """The unit of the objective: a currency, or none."""
    return answer.info.model_release.currency if answer.objective_metric in _MONEY else ""


def _value(answer: r.PlanLaunchResult | r.EvaluatePlanResult, plan: r.LaunchPlan) -> str:
    return w.amount(plan.objective_value, _unit(answer)) if _unit(answer) else w.count(plan.objective_value)


def _plans(answer: r.PlanLaunchResult, horizon: int) -> Section:
    currency, practice = answer.info.model_release.currency, answer.practice_plan
    listed = [(f"{plan.rank}{_mark(plan)}", plan) for plan in answer.plans]
    listed += [("past", practice)] if practice is not None else []
    years = {plan.action.launch_date.year for _, plan in listed if plan.action.launch_date is not None}
    year = years.pop() if len(years) == 1 else None
    paid = any(plan.promotion_cost is not None and plan.promotion_cost.amount for plan in answer.plans)
    rows: list[Row] = [
        [
            label,
            w.day(plan.action.launch_date, year),
            w.channel_list(plan.action.channels),
            w.promotion(plan.action),
            w.bare(plan.action.list_price),
            w.count(plan.forecast(horizon).units.mean),
            w.band(plan.forecast(horizon).units),
            w.bare(plan.promotion_cost) if paid else "",
            _value(answer, plan),
            f"{plan.stock.units:,}" if plan.stock is not None else "",
        ]
        for label, plan in listed
    ]
    week = "week of" if year is None else f"week, {year}"
    headers = [">", week, "~channels, % of sites", "~promotion", f">price {currency}", ">units", "10–50–90%"]
    headers += [f">cost {currency}", f">{_metric(answer)} {_unit(answer)}".strip(), ">stock"]
    styles = ["dim" if plan is practice else "bold" if plan.rank == 1 else "" for _, plan in listed]
    remarks = []
    if len(answer.plans[0].action.channels) > 2:
        remarks.append(f"plan 1 uses {w.every_channel(answer.plans[0].action.channels)}")
    if practice is not None:
        broken = practice.broken_constraints
        breaks = f"; it breaks {w.series([field_option(name) for name in broken])}" if broken else ""
        remarks.append(f'"past" is what past practice would have done with such a product{breaks}')
    if any(_mark(plan) for plan in answer.plans):
        remarks.append("* little or nothing in the history resembles this plan")
    title = bold(f"Plans, by {_metric(answer)} over {horizon} weeks")
    return [title, table(headers, rows, styles), *(hanging(f"{remark}.", "dim") for remark in remarks)]


def _mark(plan: r.LaunchPlan) -> str:
    return "*" if plan.support is not None and plan.support.level in (SupportLevel.NONE, SupportLevel.LOW) else ""


def _effects(best: r.LaunchPlan, answer: r.PlanLaunchResult) -> Section:
    currency = answer.info.model_release.currency
    rows: list[Row] = [
        [
            clean(effect.change),
            w.difference(effect.units_difference),
            w.signed(w.amount(effect.objective_difference, currency)) if _unit(answer) else "",
            "" if effect.feasible else "breaks a constraint",
        ]
        for effect in best.effects
    ]
    headers = ["~instead", ">units", f">{_metric(answer)} {currency}", ""]
    return [bold("Why plan 1: what another choice would change"), table(headers, rows)] if rows else []


def _frontier(answer: r.PlanLaunchResult, horizon: int) -> Section:
    if not answer.frontier:
        return []
    largest = max(point.units for point in answer.frontier)
    spent = [_spent(point) for point in answer.frontier]
    costs = any(amount.amount for amount in spent if amount is not None)
    rows: list[Row] = []
    for before, point, amount in zip((None, *answer.frontier), answer.frontier, spent, strict=False):
        promoted = [w.channel_list(point.action.channels)] if point.action.channels else []
        promoted += [w.promotion(point.action)] if w.promotion(point.action) != "none" else []
        rows.append(
            [
                ", ".join(promoted) or "no promotion",
                bar(0, point.units, largest, min(_BAR, screen().width // 5)),
                w.count(point.units),
                "" if before is None else w.difference(point.units - before.units),
                w.bare(amount) if costs else "",
            ]
        )
    headers = ["~promotion", "", ">units", ">more", f">cost with discounts {answer.info.model_release.currency}"]
    return [bold(f"What more promotion buys: expected units in {horizon} weeks"), table(headers, rows)]


def _spent(point: r.FrontierPoint) -> Money | None:
    """What promotion and discounts cost together."""
    parts = [money for money in (point.promotion_cost, point.discount_cost) if money is not None]
    return Money(sum((money.amount for money in parts), Decimal(0)), parts[0].currency) if parts else None


def _timing(answer: r.PlanLaunchResult) -> Section:
    weeks = [week for week in answer.timing if week.seasonality > 0]
    if len(weeks) < 2:
        return []
    best, worst = (choose(weeks, key=lambda week: week.seasonality) for choose in (max, min))
    text = f"{w.day(weeks[0].week_start_date)} {sparkline([week.seasonality for week in weeks])} "
    text += f"{w.day(weeks[-1].week_start_date)}: "
    if f"{best.seasonality:.2f}" == f"{worst.seasonality:.2f}":
        text += f"the same in all weeks ({best.seasonality:.2f} × the year's average)."
    else:
        text += f"strongest week of {w.day(best.week_start_date)} ({best.seasonality:.2f} × the year's average), "
        text += f"weakest {w.day(worst.week_start_date)} ({worst.seasonality:.2f} ×)."
    return [bold("Season of the category"), hanging(text)]


def similar_launches(launches: Sequence[r.PastLaunch], title: str) -> Section:
    """Past launches as a table; nothing without any."""
    rows: list[Row] = [
        [
            shortened(clean(launch.title), screen().width // 3),
            w.day(launch.action.launch_date) if launch.action else "",
            w.channel_list(launch.action.channels) if launch.action else "",
            w.promotion(launch.action) if launch.action else "",
            w.bare(launch.action.list_price) if launch.action else "",
            w.count(launch.units_8w),
            f"{launch.similarity:.2f}",
        ]
        for launch in launches
    ]
    headers = ["~product", "launched", "~channels, % of sites", "~promotion", ">price", ">units in 8 weeks", ">alike"]
    return [bold(title), table(headers, rows)] if rows else []


def segments(found: Sequence[r.AudienceSegment], title: str) -> Section:
    """Segments as a table; nothing without any."""
    rows: list[Row] = [
        [w.percent(one.share), clean(one.description), f"{one.users:,} users", f"{one.lift:.1f} ×"] for one in found
    ]
    return [bold(title), table([">share", "~who", ">size", ">compared with all users"], rows)] if rows else []


def _audience(answer: r.PlanLaunchResult) -> Section:
    title = "Whom to show it to"
    lines = list(segments(answer.segments, title))
    if answer.audience:
        ids = ", ".join(clean(user.user_id) for user in answer.audience[:8]) + (", …" if answer.audience[8:] else "")
        lines = lines or [bold(title)]
        lines.append(hanging(f"Most likely to buy, of {len(answer.audience):,} listed: {ids}"))
    return lines


def notices(found: Sequence[r.Notice]) -> Section:
    """Remarks in words."""
    told = [hanging(w.sentence(one.message), "yellow" if one.code in _GRAVE else "", mark="  · ") for one in found]
    return [bold("To bear in mind"), *told] if told else []


def footer(info: r.ResponseInfo, plan_id: str = "", candidates: str = "") -> Section:
    """Model release, units basis and times: what the numbers rest on."""
    release, basis = info.model_release, info.units_basis
    parts = [
        f"model release {release.version} ({release.role}, {clean(release.dataset)}, data to {w.day(release.as_of)})"
    ]
    parts += [f"basis: {clean(basis.description)}"] if basis.description else []
    parts += [candidates] if candidates else []
    if info.timings:
        parts.append(f"answered in {w.milliseconds(max(stage.start + stage.duration for stage in info.timings))}")
    parts += [f"plan {clean(plan_id)}"] if plan_id else []
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 3 <= screen().width:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return [Text(line, "dim") for line in lines]
