"""A plan as a merchandiser reads it."""

from collections.abc import Iterable, Sequence

from onshelf import _results as r
from onshelf._cli import _words as w
from onshelf._cli._failures import field_option
from onshelf._cli._stock_view import price_lines, site_lines, stock_sentence
from onshelf._cli._terminal import Cell, Column, Terminal, clean, shorten, table, width, wrap
from onshelf._enums import NoticeCode, ObjectiveMetric, SupportLevel
from onshelf._inputs import Product

_MONEY = (ObjectiveMetric.GROSS_PROFIT, ObjectiveMetric.REVENUE)
_BAR = 28  # columns, fewer on a narrow screen


def plan_lines(answer: r.PlanLaunchResult, product: Product, horizon: int, terminal: Terminal) -> list[str]:
    """Headline, ranked plans, reasons, frontier, timing, similar launches, audience, remarks, and where it comes
    from.
    """
    best = answer.plans[0]
    sections = [
        _headline(answer, product, horizon, terminal),
        _plans(answer, horizon, terminal),
        price_lines(best.price_path, best.price_response, terminal, " of plan 1"),
        site_lines(best.stock, terminal),
        _effects(best, answer, terminal),
        _frontier(answer, horizon, terminal),
        _timing(answer, terminal),
        similar_lines(answer.similar_launches, terminal, "Past launches like it"),
        _audience(answer.audience, answer.segments, terminal),
        notice_lines(answer.info.notices, terminal),
        footer_lines(answer.info, terminal, plan_id=answer.plan_id, candidates=_candidates(answer)),
    ]
    return join(sections)


def evaluation_lines(answer: r.EvaluatePlanResult, product: Product, terminal: Terminal) -> list[str]:
    """The forecast of one action."""
    plan, action = answer.plan, answer.plan.action
    title = clean(product.title)
    head = f'"{title}" in the week of {w.day(action.launch_date)}, channels: {w.channel_list(action.channels)}'
    head += f"; promotion: {w.promotion(action)}; price: {w.money(action.list_price)}"
    lines = wrap(head, terminal.columns)
    rows = []
    for forecast in plan.forecasts:
        revenue = forecast.revenue or r.MoneyForecast()
        profit = forecast.gross_profit or r.MoneyForecast()
        rows.append(
            [
                f"{forecast.horizon_weeks} weeks",
                w.count(forecast.units.mean),
                w.band(forecast.units),
                w.money(revenue.mean),
                w.money(profit.mean),
                w.count(forecast.buyers),
                w.percent(forecast.repeat_rate) if forecast.repeat_rate else "",
            ]
        )
    columns = [Column("over"), Column("units", right=True), Column("10–50–90%"), Column("revenue", right=True)]
    columns += [Column("gross profit", right=True), Column("buyers", right=True), Column("buy again", right=True)]
    forecast_table = table(terminal, columns, rows)
    extra = []
    if plan.stock is not None:
        extra.append(stock_sentence(plan.stock))
    extra.append(f"{_metric(answer.objective_metric).capitalize()} after promotion cost: {_objective(answer, plan)}.")
    if plan.support is not None:
        extra.append(_support_sentence(plan.support))
    if plan.broken_constraints:
        extra.append(f"It breaks {w.series([field_option(name) for name in plan.broken_constraints])}.")
    sections = [
        [terminal.styled(line, "bold") for line in lines],
        forecast_table,
        extra,
        price_lines(plan.price_path, plan.price_response, terminal),
        site_lines(plan.stock, terminal),
        similar_lines(answer.similar_launches, terminal, "Past launches like it"),
        notice_lines(answer.info.notices, terminal),
        footer_lines(answer.info, terminal, plan_id=answer.plan_id),
    ]
    return [terminal.plain(line) for line in join(sections)]


def join(sections: Iterable[Sequence[str]]) -> list[str]:
    """Sections with an empty line between them; empty ones are left out."""
    lines: list[str] = []
    for section in sections:
        if section:
            lines += [*([""] if lines else []), *section]
    return lines


def _headline(answer: r.PlanLaunchResult, product: Product, horizon: int, terminal: Terminal) -> list[str]:
    best = answer.plans[0]
    action, units = best.action, best.forecast(horizon).units
    how = f"with {w.channel_list(action.channels, coverage=False)}" if action.channels else "without any channel"
    offer = w.promotion(action)
    price = w.money(action.list_price)
    if action.discount > 0 and action.sale_price is not None:
        price = f"{w.money(action.sale_price)} instead of {w.bare(action.list_price)} in the first two weeks"
    promoted = f", {offer}" if offer != "none" else ""
    sentence = (
        f'Launch "{clean(product.title)}" in the week of {w.day(action.launch_date)} {how}{promoted}, at {price}.'
    )
    outcome = f"Expect {w.count(units.mean)} units in {horizon} weeks{_among(answer.info.units_basis)}; "
    low, high = (w.whole(units.quantile(level)) for level in (0.1, 0.9))
    outcome += f"in at least 8 of 10 cases {low:,} to {high:,}."
    if best.stock is not None:
        outcome += f" {stock_sentence(best.stock)}"
    lines = [terminal.styled(line, "bold") for line in wrap(sentence, terminal.columns)] + wrap(
        outcome, terminal.columns
    )
    if answer.frontier_instead_of_winner:
        text = "This is not a winner: promotion was given neither costs nor a budget, and free promotion always sells "
        text += "more. Read what promotion buys below, or give --channel-cost or --budget."
        lines += [terminal.styled(line, "yellow") for line in wrap(text, terminal.columns)]
    return [terminal.plain(line) for line in lines]


def _metric(metric: ObjectiveMetric) -> str:
    return metric.value.replace("_", " ")


def _objective(answer: r.PlanLaunchResult | r.EvaluatePlanResult, plan: r.LaunchPlan) -> str:
    currency = answer.info.model_release.currency
    if answer.objective_metric in _MONEY:
        return f"{w.amount(plan.objective_value, currency)} {currency}"
    return w.count(plan.objective_value)


def _plans(answer: r.PlanLaunchResult, horizon: int, terminal: Terminal) -> list[str]:
    currency = answer.info.model_release.currency
    is_money = answer.objective_metric in _MONEY
    ranked = [(f"{plan.rank}{_mark(plan)}", plan) for plan in answer.plans]
    practice = [("past", answer.practice_plan)] if answer.practice_plan is not None else []
    years = {plan.action.launch_date.year for _, plan in [*ranked, *practice] if plan.action.launch_date is not None}
    year = years.pop() if len(years) == 1 else None
    columns = [
        Column("", right=True),
        Column("week of" if year is None else f"week, {year}"),
        Column("channels, % of sites", wrap=True),
        Column("promotion", wrap=True),
        Column(f"price {currency}", right=True),
        Column("units", right=True),
        Column("10–50–90%"),
        Column(f"cost {currency}", right=True),
        Column(f"{_metric(answer.objective_metric)}{' ' + currency if is_money else ''}", right=True),
        Column("stock", right=True),
    ]
    paid = any(plan.promotion_cost is not None and plan.promotion_cost.amount for plan in answer.plans)
    rows = []
    for label, plan in [*ranked, *practice]:
        value = w.amount(plan.objective_value, currency) if is_money else w.count(plan.objective_value)
        cells = [
            label,
            w.day(plan.action.launch_date, year),
            w.channel_list(plan.action.channels),
            w.promotion(plan.action),
            w.bare(plan.action.list_price),
            w.count(plan.forecast(horizon).units.mean),
            w.band(plan.forecast(horizon).units),
            w.bare(plan.promotion_cost) if paid else "",
            value,
            f"{plan.stock.units:,}" if plan.stock is not None else "",
        ]
        styles = ("bold",) if plan.rank == 1 else ("dim",) if label == "past" else ()
        rows.append([Cell(text, styles) for text in cells])
    lines = table(terminal, columns, rows)
    remarks = []
    if len(answer.plans[0].action.channels) > 2:
        remarks.append(f"plan 1 uses {w.every_channel(answer.plans[0].action.channels)}")
    if practice:
        broken = answer.practice_plan.broken_constraints if answer.practice_plan is not None else ()
        breaks = f"; it breaks {w.series([field_option(name) for name in broken])}" if broken else ""
        remarks.append(f'"past" is what past practice would have done with such a product{breaks}')
    if any(_mark(plan) for plan in answer.plans):
        remarks.append("* little or nothing in the history resembles this plan")
    for remark in remarks:
        lines += [
            terminal.styled(terminal.plain(f"  {line}"), "dim") for line in wrap(f"{remark}.", terminal.columns - 2)
        ]
    return [_title(f"Plans, by {_metric(answer.objective_metric)} over {horizon} weeks", terminal), *lines]


def _mark(plan: r.LaunchPlan) -> str:
    return "*" if plan.support is not None and plan.support.level in (SupportLevel.NONE, SupportLevel.LOW) else ""


def _effects(best: r.LaunchPlan, answer: r.PlanLaunchResult, terminal: Terminal) -> list[str]:
    if not best.effects:
        return []
    currency, is_money = answer.info.model_release.currency, answer.objective_metric in _MONEY
    rows = []
    for effect in best.effects:
        change = w.signed(w.amount(effect.objective_difference, currency))
        rows.append(
            [
                clean(effect.change),
                w.difference(effect.units_difference),
                change if is_money else "",
                "" if effect.feasible else "breaks a constraint",
            ]
        )
    columns = [Column("instead", wrap=True), Column("units", right=True)]
    columns += [Column(f"{_metric(answer.objective_metric)} {currency}", right=True), Column("")]
    return [_title("Why plan 1: what another choice would change", terminal), *table(terminal, columns, rows)]


def _frontier(answer: r.PlanLaunchResult, horizon: int, terminal: Terminal) -> list[str]:
    if not answer.frontier:
        return []
    largest = max(point.units for point in answer.frontier)
    costs = any(point.promotion_cost is not None and point.promotion_cost.amount for point in answer.frontier)
    rows: list[list[str | Cell]] = []
    for n, point in enumerate(answer.frontier):
        promoted = [w.channel_list(point.action.channels)] if point.action.channels else []
        promoted += [w.promotion(point.action)] if w.promotion(point.action) != "none" else []
        rows.append(
            [
                ", ".join(promoted) or "no promotion",
                Cell(terminal.bar(point.units, largest, min(_BAR, terminal.columns // 5)), ("green",)),
                w.count(point.units),
                "" if n == 0 else w.difference(point.units - answer.frontier[n - 1].units),
                w.bare(point.promotion_cost) if costs else "",
            ]
        )
    columns = [Column("promotion", wrap=True), Column(""), Column("units", right=True), Column("more", right=True)]
    columns.append(Column(f"cost with discounts {answer.info.model_release.currency}", right=True))
    return [
        _title(f"What more promotion buys: expected units in {horizon} weeks", terminal),
        *table(terminal, columns, rows),
    ]


def _timing(answer: r.PlanLaunchResult, terminal: Terminal) -> list[str]:
    rows = [row for row in answer.timing if row.seasonality > 0]
    if len(rows) < 2:
        return []
    best, worst = max(rows, key=lambda row: row.seasonality), min(rows, key=lambda row: row.seasonality)
    spark = terminal.sparkline([row.seasonality for row in rows])
    text = f"{w.day(rows[0].week_start_date)} {spark} {w.day(rows[-1].week_start_date)}: "
    if f"{best.seasonality:.2f}" == f"{worst.seasonality:.2f}":
        text += f"the same in all weeks ({best.seasonality:.2f} × the year's average)."
    else:
        text += (
            f"strongest week of {w.day(best.week_start_date)} ({best.seasonality:.2f} × the year's average), weakest "
        )
        text += f"{w.day(worst.week_start_date)} ({worst.seasonality:.2f} ×)."
    lines = [f"  {line}" for line in wrap(text, terminal.columns - 2)]
    return [
        _title("Season of the category", terminal),
        *(terminal.plain(line) if not terminal.unicode else line for line in lines),
    ]


def similar_lines(launches: Sequence[r.PastLaunch], terminal: Terminal, title: str) -> list[str]:
    """Past launches as a table; nothing without any."""
    if not launches:
        return []
    rows = []
    for launch in launches:
        action = launch.action
        rows.append(
            [
                shorten(clean(launch.title), terminal.columns // 3),
                "" if action is None else w.day(action.launch_date),
                "" if action is None else w.channel_list(action.channels),
                "" if action is None else w.promotion(action),
                "" if action is None else w.bare(action.list_price),
                w.count(launch.units_8w),
                f"{launch.similarity:.2f}",
            ]
        )
    columns = [
        Column("product", wrap=True),
        Column("launched"),
        Column("channels, % of sites", wrap=True),
        Column("promotion", wrap=True),
    ]
    columns += [Column("price", right=True), Column("units in 8 weeks", right=True), Column("alike", right=True)]
    return [_title(title, terminal), *table(terminal, columns, rows)]


def segment_lines(segments: Sequence[r.AudienceSegment], terminal: Terminal) -> list[str]:
    """Segments, one a line."""
    rows = [[w.percent(s.share), clean(s.description), f"{s.users:,} users", f"{s.lift:.1f} ×"] for s in segments]
    columns = [
        Column("share", right=True),
        Column("who", wrap=True),
        Column("size", right=True),
        Column("compared with all users", right=True),
    ]
    return table(terminal, columns, rows) if rows else []


def _audience(
    users: Sequence[r.AudienceMember], segments: Sequence[r.AudienceSegment], terminal: Terminal
) -> list[str]:
    lines = segment_lines(segments, terminal)
    if users:
        ids = ", ".join(clean(user.user_id) for user in users[:8]) + (", …" if len(users) > 8 else "")
        text = f"Most likely to buy, of {len(users):,} listed: {ids}"
        lines += [terminal.plain(f"  {line}") for line in wrap(text, terminal.columns - 2)]
    return [_title("Whom to show it to", terminal), *lines] if lines else []


def notice_lines(notices: Sequence[r.Notice], terminal: Terminal) -> list[str]:
    """Remarks in words."""
    lines = []
    for notice in notices:
        grave = notice.code in (NoticeCode.DEGRADED, NoticeCode.LOW_SUPPORT, NoticeCode.TITLE_STRANGE)
        for n, line in enumerate(wrap(w.sentence(notice.message), terminal.columns - 4)):
            styled = terminal.styled(line, "yellow") if grave else line
            lines.append(terminal.plain(("  · " if n == 0 else "    ") + styled))
    return [_title("To bear in mind", terminal), *lines] if lines else []


def _support_sentence(support: r.Support) -> str:
    words = {SupportLevel.NONE: "nothing comparable", SupportLevel.LOW: "little that is comparable"}
    found = words.get(support.level, "enough that is comparable")
    return f"The history holds {found}: {support.comparable_launches:,} comparable past launches."


def _candidates(answer: r.PlanLaunchResult) -> str:
    return f"{answer.candidates_feasible:,} of {answer.candidates_scored:,} candidate actions keep the constraints"


def footer_lines(info: r.ResponseInfo, terminal: Terminal, plan_id: str = "", candidates: str = "") -> list[str]:
    """Model release, units basis and times: what the numbers rest on."""
    release, basis = info.model_release, info.units_basis
    parts = [
        f"model release {release.version} ({release.role}, {clean(release.dataset)}, data to {w.day(release.as_of)})"
    ]
    parts += [f"basis: {clean(basis.description)}"] if basis.description else []
    parts += [candidates] if candidates else []
    if info.timings:
        end = max(stage.start + stage.duration for stage in info.timings)
        parts.append(f"answered in {w.milliseconds(end)}")
    parts += [f"plan {clean(plan_id)}"] if plan_id else []
    lines: list[str] = []
    for part in parts:
        if lines and width(lines[-1]) + width(part) + 3 <= terminal.columns:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    broken = [part for line in lines for part in wrap(line, terminal.columns)]
    return [terminal.styled(terminal.plain(line), "dim") for line in broken]


def _among(basis: r.UnitsBasis) -> str:
    if not basis.users:
        return ""
    scale = f"{basis.scale_factor:g} times " if basis.scale_factor not in (0.0, 1.0) else ""
    return f" among {scale}the {basis.users:,} users of the data"


def _title(text: str, terminal: Terminal) -> str:
    return terminal.styled(terminal.plain(text), "bold")
