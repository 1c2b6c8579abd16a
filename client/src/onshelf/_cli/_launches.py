"""`onshelf launches` and `onshelf report`: launches that are executed, and plan against actual."""

from typing import Annotated

from rich.console import RenderableType

from onshelf._cli import _values as v
from onshelf._cli import _words as w
from onshelf._cli._options import AsJson, Service, print_answer
from onshelf._cli._plan_view import footer, notices
from onshelf._cli._plans import decision_lines, midnight
from onshelf._cli._related import effects
from onshelf._cli._review_view import review_sections
from onshelf._cli._terminal import Section, bold, clean, hanging, table
from onshelf._cli._usage import UsageError
from onshelf._cli._values import option
from onshelf._enums import LaunchException, LaunchState
from onshelf._feedback_results import GetLaunchReportResult, GetScoreboardResult, Launch, LaunchReportWeek

MOST = 1_000  # launches of one page
EXCEPTIONS = {
    LaunchException.BELOW_BAND: "sells less than expected",
    LaunchException.ABOVE_BAND: "sells more than expected",
    LaunchException.STOCK_ENDS: "stock ends early",
    LaunchException.REVIEWS_TURN: "reviews turn",
    LaunchException.DATA_MISSING: "no events",
    LaunchException.UNKNOWN: "needs attention",
}


def launches(
    *,
    state: Annotated[LaunchState | None, option("only launches in this state", name_transform=str.lower)] = None,
    count: Annotated[int, v.WHOLE, option("launches to list (default: 50)")] = 50,
    as_json: AsJson = False,
    service: Service = Service(),
) -> None:
    """List the launches that are executed, those that need attention first."""
    if count < 1:
        raise UsageError(f"--count {count}: give 1 or more")
    found: list[Launch] = []
    token = ""
    with service.connect() as client:
        while len(found) < count:
            page = client.list_launches(state=state, page_size=min(MOST, count - len(found)), page_token=token)
            found += page.launches
            token = page.next_page_token
            if not token:
                break
    print_answer(found, lambda: [[_listed(found)], ["There are more: see --count."] if token else []], as_json)


def report(
    plan_id: Annotated[str, option("the plan")],
    /,
    *,
    as_json: AsJson = False,
    service: Service = Service(),
) -> None:
    """Show what was planned of a launch beside what came of it, and what to change now."""
    with service.connect() as client:
        found = client.get_launch_report(plan_id)
    print_answer(found, lambda: report_sections(found), as_json)


def scoreboard(
    *,
    created_from: Annotated[v.Day, option("only plans given on this day (UTC) or later", "--from")] = None,
    created_before: Annotated[v.Day, option("only plans given before this day (UTC)", "--before")] = None,
    as_json: AsJson = False,
    service: Service = Service(),
) -> None:
    """Show what plans promised beside past practice and what came, and how people's changes did."""
    with service.connect() as client:
        found = client.get_scoreboard(created_from=midnight(created_from), created_before=midnight(created_before))
    print_answer(found, lambda: _scores(found), as_json)


def _scores(found: GetScoreboardResult) -> list[Section]:
    if not found.weeks:
        return [["No launch has completed a week yet."]]
    weeks = [
        [
            str(one.week),
            f"{one.launches:,}",
            w.count(one.proposed_units),
            w.count(one.practice_units) if one.practice_launches else "",
            w.count(one.executed_units),
            w.count(one.actual_units),
            f"{one.within_band:,} of {one.launches:,}",
        ]
        for one in found.weeks
    ]
    decisions = [
        [
            one.kind.value,
            one.reason.value.replace("_", " ") if one.reason is not None else "",
            f"{one.launches:,}",
            f"{one.better:,}",
            w.percent(one.share),
            f"{w.percent(one.share_low)}–{w.percent(one.share_high)}",
        ]
        for one in found.decisions
    ]
    until = "" if found.observed_until is None else f", events up to {w.day(found.observed_until)}"
    heads = ["to week", ">launches", ">plan 1", ">past practice", ">executed", ">sold", ">inside 10–90%"]
    return [
        [bold(f"Units, all launches together{until}"), table(heads, weeks)],
        [
            bold("Sold more than the median of plan 1"),
            table(["decision", "~reason", ">launches", ">more", ">share", "95% interval"], decisions),
            "About half of the accepted ones should: read the changed ones beside them.",
        ],
        footer(found.info),
    ]


def _listed(found: list[Launch]) -> RenderableType:
    if not found:
        return "No launch that fits was decided."
    rows = [
        [
            clean(one.product_id),
            clean(one.title),
            one.state.value.replace("_", " "),
            w.day(one.action.launch_date),
            w.count(one.units),
            w.count(one.expected_units),
            ", ".join(EXCEPTIONS[each] for each in one.exceptions),
            clean(one.plan_id),
        ]
        for one in found
    ]
    return table(["product", "~title", "state", "launch", ">sold", ">expected by now", "attention", "plan"], rows)


def report_sections(found: GetLaunchReportResult) -> list[Section]:
    """Plan and actual."""
    launch = found.launch
    head = f'"{clean(launch.title)}", product {clean(launch.product_id)}: {launch.state.value.replace("_", " ")}'
    lines: list[RenderableType] = [bold(head), *decision_lines(found.decision)]
    until = found.observed_until
    lines.append("No event was recorded yet." if until is None else f"Events are in up to {w.day(until)}.")
    lines += [f"Attention: {EXCEPTIONS[one]}." for one in launch.exceptions]
    return [
        lines,
        _weeks(found),
        _facts(found),
        *effects(found),
        *review_sections(found.review_summary),
        _suggestions(found),
        notices(found.info.notices),
        footer(found.info),
    ]


def _weeks(found: GetLaunchReportResult) -> Section:
    rows = [
        [
            str(one.week),
            w.day(one.week_start_date),
            w.count(one.planned_units.mean),
            w.band(one.planned_units),
            w.count(one.units),
            _verdict(one),
            w.money(one.revenue),
            f"{one.impressions:,}",
            f"{one.clicks:,}",
        ]
        for one in found.weeks
    ]
    headers = ["week", "from", ">planned", "10–50–90%", ">sold", "", ">revenue", ">shown", ">clicked"]
    return [bold("Week by week"), table(headers, rows)]


def _verdict(week: LaunchReportWeek) -> str:
    if not week.complete:
        return "not over"
    if week.within_band:
        return "inside"
    return "above" if week.units > week.planned_units.mean else "below"


def _facts(found: GetLaunchReportResult) -> Section:
    lines = []
    if found.within_band is not None:
        verdict = "within" if found.within_band else "outside of"
        lines.append(f"What was sold so far lies {verdict} the 10–90% band of what was expected.")
    if found.remaining is not None and found.total is not None:
        lines.append(
            f"Expect {w.count(found.remaining.mean)} more units ({w.band(found.remaining)}), "
            f"{w.count(found.total.mean)} in all 8 weeks ({w.band(found.total)})."
        )
    if found.stock_left is not None:
        ends = "lasts beyond the 8 weeks" if found.stock_ends_on is None else f"ends on {w.day(found.stock_ends_on)}"
        lines.append(f"{w.count(found.stock_left)} units of the first stock are left; as it sells now it {ends}.")
    rates = [
        f"{words} {w.percent(rate)}"
        for words, rate in (
            ("clicks per impression", found.click_through_rate),
            ("purchases per click", found.conversion_rate),
            ("bought again", found.repeat_rate),
        )
        if rate is not None
    ]
    lines.append("; ".join([w.counted(found.buyers, "buyer"), *rates]) + ".")
    joined = found.attribution
    lines.append(
        f"Purchases by answers: {joined.by_token:,} by token, {joined.by_last_touch:,} by the last touch, "
        f"{joined.unattributed:,} not attributed."
    )
    if found.reviews:
        stars = "" if found.mean_rating is None else f", {found.mean_rating:.1f} of 5 stars"
        lines.append(f"{w.counted(found.reviews, 'review')}{stars}.")
    if found.holdout is not None:
        lines.append(f"Holdout: {clean(found.holdout.words)}.")
    return lines


def _suggestions(found: GetLaunchReportResult) -> Section:
    rows = [
        [
            clean(one.change),
            w.difference(one.units_difference),
            w.money(one.revenue_difference),
            w.money(one.cost_difference),
            w.money(one.gain),
        ]
        for one in found.suggestions
    ]
    if not rows:
        return []
    heads = ["~change", ">units", ">revenue", ">costs", ">gain"]
    told = [hanging(w.sentence(clean(one.basis)), mark="  · ") for one in found.suggestions if one.basis]
    return [bold("What to change now, each alone"), table(heads, rows), *told]
