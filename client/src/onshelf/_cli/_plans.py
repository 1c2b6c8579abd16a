"""`onshelf plans`, `decide` and `replay-plan`: plans that were given, and what was made of them."""

import dataclasses
import getpass
from datetime import UTC, datetime, time
from typing import Annotated

from rich.console import RenderableType

from onshelf import _inputs
from onshelf._cli import _values as v
from onshelf._cli import _words as w
from onshelf._cli._options import AsJson, Service, print_answer
from onshelf._cli._plan_view import evaluation_sections, plan_sections
from onshelf._cli._prices import Prices
from onshelf._cli._terminal import Section, bold, clean, table
from onshelf._cli._usage import OK, OTHER, UsageError
from onshelf._cli._values import Amount, Count, Day, Share, Text, option
from onshelf._enums import DecisionKind, DecisionReason, LaunchState
from onshelf._feedback_results import PlanSummary, StoredPlan

MOST = 200  # plans of one page


def plans(
    plan_id: Annotated[Text, option("show this plan, with what was decided")] = None,
    /,
    *,
    product_id: Annotated[Text, option("only plans of this product")] = None,
    state: Annotated[LaunchState | None, option("only plans in this state", name_transform=str.lower)] = None,
    created_from: Annotated[Day, option("only plans given on this day (UTC) or later", "--from")] = None,
    created_before: Annotated[Day, option("only plans given before this day (UTC)", "--before")] = None,
    count: Annotated[int, v.WHOLE, option("plans to list (default: 50)")] = 50,
    as_json: AsJson = False,
    service: Service = Service(),
) -> None:
    """List the plans that are remembered, newest first, or show one of them."""
    if count < 1:
        raise UsageError(f"--count {count}: give 1 or more")
    with service.connect() as client:
        if plan_id is not None:
            stored = client.get_plan(plan_id).plan
            print_answer(stored, lambda: _stored(stored), as_json)
            return
        found: list[PlanSummary] = []
        token = ""
        while len(found) < count:
            page = client.list_plans(
                product_id=product_id,
                state=state,
                created_from=midnight(created_from),
                created_before=midnight(created_before),
                page_size=min(MOST, count - len(found)),
                page_token=token,
            )
            found += page.plans
            token = page.next_page_token
            if not token:
                break
    print_answer(found, lambda: [[_listed(found)], ["There are more: see --count."] if token else []], as_json)


def decide(
    plan_id: Annotated[str, option("the plan")],
    kind: Annotated[DecisionKind, option("what is decided", name_transform=str.lower)],
    /,
    *,
    rank: Annotated[Count, option("rank of the plan that was chosen (default: 1)")] = None,
    product_id: Annotated[Text, option("id that the product got (default: the one that it was planned with)")] = None,
    reason: Annotated[
        DecisionReason | None, option("why; required unless the plan is accepted", name_transform=str.lower)
    ] = None,
    comment: Annotated[Text, option("why, in words")] = None,
    by: Annotated[Text, option("who decided (default: the name of this login)")] = None,
    until: Annotated[Day, option("when a postponed launch is to be planned again")] = None,
    launch_date: Annotated[Day, option("of a changed plan: first day on sale", "--date")] = None,
    channels: Annotated[v.ChannelUses, option("of a changed plan: a channel in use; repeatable", "--channel")] = (),
    no_channels: Annotated[bool, option("of a changed plan: no channel at all")] = False,
    discount: Annotated[Share, option("of a changed plan: share off the list price, two weeks")] = None,
    coupon: Annotated[bool | None, option("of a changed plan: coupons", negative="--no-coupon")] = None,
    list_price: Annotated[Amount, option("of a changed plan: regular price per unit", "--price")] = None,
    last_revision: Annotated[Count, option("refuse, if somebody has decided since this revision")] = None,
    as_json: AsJson = False,
    service: Service = Service(),
) -> None:
    """Record what was decided about a plan. What is not named of a changed plan stays as the chosen plan has it."""
    changes = {
        "launch_date": launch_date,
        "channels": channels or (() if no_channels else None),
        "discount": discount,
        "coupon": coupon,
        "list_price": list_price,
    }
    changed: dict[str, object] = {name: value for name, value in changes.items() if value is not None}
    if changed and kind is not DecisionKind.CHANGED:
        raise UsageError(
            f"--date, --channel, --discount, --coupon and --price belong to a changed plan, not one {kind.value}"
        )
    with service.connect() as client:
        action = None
        if kind is DecisionKind.CHANGED:
            if not changed:
                raise UsageError(
                    "a changed plan needs what is changed: --date, --channel, --discount, --coupon or --price"
                )
            if list_price is not None:
                changed["list_price"] = Prices(client, None)(list_price)
            action = _changed(client.get_plan(plan_id).plan, rank or 1, changed)
        decision = _inputs.LaunchDecision(
            kind=kind,
            decided_by=by or getpass.getuser(),
            executed_action=action,
            plan_rank=rank,
            product_id=product_id,
            reason=reason,
            comment=comment,
            postponed_until=until,
        )
        answer = client.decide_launch(plan_id, decision, last_revision=last_revision)
    said = "" if answer.revised else "It was decided so already."
    print_answer(answer, lambda: [[*_decision(answer.plan), said] if said else _decision(answer.plan)], as_json)


def replay_plan(
    plan_id: Annotated[str, option("the plan")],
    /,
    *,
    as_json: AsJson = False,
    service: Service = Service(),
) -> int:
    """Compute a remembered plan again, and say whether it is the same bit for bit."""
    with service.connect() as client:
        answer = client.replay_plan(plan_id)
    rows = [[clean(one.field), clean(one.remembered), clean(one.replayed)] for one in answer.differences]
    version = answer.info.model_release.version
    verdict = (
        "The same, bit for bit"
        if answer.same
        else f"{w.counted(len(rows), 'value')} differ{'s' if len(rows) == 1 else ''}"
    )
    print_answer(
        answer,
        lambda: [
            [bold(f"{verdict}, by model release {version}.")],
            [table(["~field", ">remembered", ">now"], rows)] if rows else [],
        ],
        as_json,
    )
    return OK if answer.same else OTHER


def _changed(stored: StoredPlan, rank: int, changes: dict[str, object]) -> _inputs.Action:
    """The chosen plan's action with changes."""
    offered = () if stored.response is None else stored.response.plans
    if stored.evaluate_response is not None:
        offered = (stored.evaluate_response.plan,)
    if not 1 <= rank <= len(offered):
        raise UsageError(f"--rank {rank}: the answer has {w.counted(len(offered), 'plan')}")
    kept = {name: value for name, value in vars(offered[rank - 1].action).items() if name != "sale_price"}
    return dataclasses.replace(_inputs.Action(**kept), **changes)  # type: ignore[arg-type]


def midnight(day: Day) -> datetime | None:
    """The beginning of a day, UTC."""
    return None if day is None else datetime.combine(day, time(), UTC)


def _listed(found: list[PlanSummary]) -> RenderableType:
    if not found:
        return "No plan is remembered that fits."
    rows = [
        [
            clean(one.plan_id),
            f"{one.created_at:%Y-%m-%d %H:%M}",
            one.state.value.replace("_", " "),
            w.day(one.action.launch_date),
            "" if one.units is None else w.count(one.units),
            clean(one.title),
            clean(one.product_id),
        ]
        for one in found
    ]
    return table(["plan", "given (UTC)", "state", "launch", ">units", "~title", "product"], rows)


def _stored(stored: StoredPlan) -> list[Section]:
    """The plan as it was given, after what was decided."""
    sections = [_decision(stored)]
    if stored.response is not None and stored.request is not None:
        horizon = (stored.request.objective.horizon_weeks if stored.request.objective else None) or 8
        sections += plan_sections(stored.response, stored.request.product, horizon)
    elif stored.evaluate_response is not None and stored.evaluate_request is not None:
        sections += evaluation_sections(stored.evaluate_response, stored.evaluate_request.product)
    return sections


def _decision(stored: StoredPlan) -> Section:
    if stored.decision is None:
        return [bold("Not decided yet.")]
    return [bold(f"Plan {clean(stored.plan_id)}"), *decision_lines(stored.decision)]


def decision_lines(decision: _inputs.LaunchDecision) -> list[RenderableType]:
    """What was decided, by whom, and why."""
    head = f"{decision.kind.value.capitalize()} by {clean(decision.decided_by)}"
    if decision.decided_at is not None:
        head += f" at {decision.decided_at:%Y-%m-%d %H:%M} UTC"
    lines: list[RenderableType] = [f"{head} (revision {decision.revision})."]
    action = decision.executed_action
    if action is not None:
        lines.append(
            f"Product {clean(decision.product_id or '')}: in the week of {w.day(action.launch_date)}, channels: "
            f"{w.channel_list(action.channels)}; promotion: {w.promotion(action)}; price: {w.money(action.list_price)}."
        )
    if decision.postponed_until is not None:
        lines.append(f"To be planned again on {w.day(decision.postponed_until)}.")
    if decision.reason is not None:
        words = f": {clean(decision.comment)}" if decision.comment else ""
        lines.append(f"Why: {decision.reason.value.replace('_', ' ')}{words}.")
    return lines
