"""DecideLaunch: what people made of a plan; a product that is launched is in the catalog at once, with a forecast."""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError, refuse
from onshelf_gateway.catalog.read_products import Reading, read_products
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.requests.questions import parse_action
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.executed_plan import executed_plan, request_of
from onshelf_gateway.services.launch.stored_plan import (
    check_plan_id,
    day_of_states,
    not_found,
    offered_plans,
    stored_plan,
)
from onshelf_gateway.services.response import response_info
from onshelf_gateway.store import answers
from onshelf_release.signatures import CATALOG_MODELS

L, T = launch_pb2, types_pb2
KINDS = {number: name.removeprefix("DECISION_KIND_").lower() for name, number in L.DecisionKind.items() if number}
REASONS = {number: name.removeprefix("DECISION_REASON_").lower() for name, number in L.DecisionReason.items()}
SET_BY_SERVICE = ("decided_at", "revision")


async def decide_launch(gateway: Gateway, call: Call, request: L.DecideLaunchRequest) -> L.DecideLaunchResponse:
    """Answer DecideLaunch."""
    memory = gateway.memory
    with call.stage("validate"):
        check_plan_id(request.plan_id)
        release = gateway.release(call, 0)
        row = await memory.find_plan(request.plan_id)
        if row is None:
            raise not_found(request.plan_id)
        decision = _parse(request, release, row)
    executed = KINDS[decision.kind] in answers.EXECUTED
    made_by = gateway.releases.loaded.get(row.model_release)
    with gateway.permits.hold(call):
        plan, weekly, ready = b"", "", None
        if executed:
            if made_by is None:
                call.notice(
                    T.NOTICE_CODE_OTHER_MODEL_RELEASE,
                    f"model release {row.model_release}, which made the plan, is not loaded; the forecast of what is "
                    f"executed is that of {release.version}",
                )
            expected, units = await executed_plan(gateway, call, row, decision.executed_action, made_by or release)
            plan, weekly = expected.SerializeToString(), json.dumps([round(one, 6) for one in units])
            ready = await _read_product(gateway, call, release, row, decision.product_id)
        with call.stage("store"):
            row, revisions, revised = await memory.write(_writing(request, decision, plan, weekly))
        await _reconcile(gateway, call, release, revisions, ready, revised)
    today = await day_of_states(gateway, memory)
    response = L.DecideLaunchResponse(plan=stored_plan(row, revisions, today), revised=revised)
    response.info.CopyFrom(response_info(call, release if not executed or made_by is None else made_by))
    return response


def _parse(request: L.DecideLaunchRequest, release: ModelRelease, row: Any) -> L.LaunchDecision:
    """The decision, checked, with its defaults filled in."""
    given = request.decision
    check = Checker()
    decision = L.LaunchDecision()
    decision.CopyFrom(given)
    for name in SET_BY_SERVICE:
        decision.ClearField(name)
    if not request.HasField("decision"):
        check.fail("FIELD_REQUIRED", "decision", "is missing and required")
    elif not given.kind:
        check.fail("FIELD_REQUIRED", "decision.kind", "is missing and required")
    check.enum("decision.kind", given.kind, {0: "", **KINDS})
    check.enum("decision.reason", given.reason, REASONS)
    check.text("decision.decided_by", given.decided_by, 128, required=True)
    check.text("decision.comment", given.comment, 1024, required=given.reason == L.DECISION_REASON_OTHER)
    if request.HasField("last_revision"):
        check.number("last_revision", request.last_revision, 0, 1_000_000)
    kind = KINDS.get(given.kind, "")
    if kind and kind != "accepted" and not given.reason:
        check.fail("FIELD_REQUIRED", "decision.reason", f"is missing and required where a plan is {kind}")
    if kind in answers.EXECUTED:
        _parse_executed(check, decision, release, row)
    else:
        for name in ("executed_action", "product_id", "plan_rank"):
            if given.HasField(name) if name == "executed_action" else getattr(given, name):
                check.fail("FIELDS_CONFLICT", f"decision.{name}", f"says what is executed, but the plan is {kind}")
    if given.postponed_until:
        if kind != "postponed":
            check.fail(
                "FIELDS_CONFLICT", "decision.postponed_until", f"belongs to a postponed plan; this one is {kind}"
            )
        check.date("decision.postponed_until", given.postponed_until)
    check.done()
    return decision


def _parse_executed(check: Checker, decision: L.LaunchDecision, release: ModelRelease, row: Any) -> None:
    """Rank, action and product id of a plan that is executed."""
    plans = offered_plans(row)
    decision.plan_rank = int(check.number("decision.plan_rank", decision.plan_rank or 1, 1, len(plans)))
    if decision.kind == L.DECISION_KIND_ACCEPTED:
        if decision.HasField("executed_action"):
            check.fail(
                "FIELDS_CONFLICT",
                "decision.executed_action",
                "is the plan's own where it is accepted; a plan with another action is changed",
            )
        decision.executed_action.CopyFrom(plans[decision.plan_rank - 1].action)
    elif not decision.HasField("executed_action"):
        check.fail("FIELD_REQUIRED", "decision.executed_action", "is missing and required where a plan is changed")
    else:
        probe = Checker()
        parse_action(probe, decision.executed_action, release, dt.date.fromisoformat(row.today))
        check.violations += [dataclasses.replace(v, field=f"decision.executed_{v.field}") for v in probe.violations]
    decision.product_id = check.text("decision.product_id", decision.product_id or row.product_id, 128, required=True)


def _writing(
    request: L.DecideLaunchRequest, decision: L.LaunchDecision, plan: bytes, weekly_units: str
) -> Callable[[Connection], tuple[Any, list[Any], bool]]:
    """The transaction: the plan's row, the revisions and whether there is a new one."""
    content = hashlib.sha256(decision.SerializeToString(deterministic=True)).hexdigest()

    def write(connection: Connection) -> tuple[Any, list[Any], bool]:
        row = answers.find_plan(connection, request.plan_id, lock=True)
        if row is None:
            raise not_found(request.plan_id)
        revisions = answers.decisions_of(connection, request.plan_id)
        if revisions and revisions[-1].content == content:
            return row, revisions, False
        last = revisions[-1].revision if revisions else 0
        if request.HasField("last_revision") and request.last_revision != last:
            raise refuse(
                "DECISION_CHANGED", "last_revision", f"is {request.last_revision}; the decision's is {last} by now"
            )
        now = answers.utc_now()
        made = L.LaunchDecision()
        made.CopyFrom(decision)
        made.revision = last + 1
        made.decided_at.FromDatetime(now)
        answers.add_decision(
            connection,
            answers.Decision(
                plan_id=request.plan_id,
                revision=made.revision,
                content=content,
                kind=KINDS[made.kind],
                reason=REASONS[made.reason] if made.reason else "",
                decided_by=made.decided_by,
                decided_at=now,
                product_id=made.product_id,
                launch_date=made.executed_action.launch_date,
                decision=made.SerializeToString(),
                plan=plan,
                weekly_units=weekly_units,
                population_scale=request_of(row).population_scale or 1.0,
            ),
        )
        row = answers.find_plan(connection, request.plan_id)
        return row, answers.decisions_of(connection, request.plan_id), True

    return write


async def _read_product(
    gateway: Gateway, call: Call, release: ModelRelease, row: Any, product_id: str
) -> tuple[types_pb2.Product, bytes] | None:
    """The plan's product under the id that it got, read by the models, so that it can be upserted.

    Raises:
        GatewayError: it cannot be read, or there is no room for it; nothing was decided.
    """
    missing = [name for name in CATALOG_MODELS if name not in release.manifest.models]
    if missing:
        call.notice(
            T.NOTICE_CODE_CATALOG_INCOMPLETE,
            f"model release {release.version} has no models for upserted products, so this one is not recommended",
        )
        return None
    product = types_pb2.Product()
    product.CopyFrom(request_of(row).product)
    product.product_id = product_id
    gateway.catalog.check_room({product_id})
    readings: list[Reading] = await read_products(call, release, gateway.models, gateway.settings, [product])
    if (problem := readings[0].problem) is not None:
        raise GatewayError(problem.reason, f"{problem.field}: {problem.message}", [problem])
    return product, readings[0].encoding


async def _reconcile(
    gateway: Gateway,
    call: Call,
    release: ModelRelease,
    revisions: list[Any],
    ready: tuple[types_pb2.Product, bytes] | None,
    revised: bool,
) -> None:
    """The catalog as the last revision says: its product in, those of earlier ones that no plan executes any more out.

    Deciding the same again does what is left to do. Products of the model release's own catalog stay.

    Raises:
        GatewayError: STORE_UNAVAILABLE; the decision is recorded.
    """
    before = {one.product_id for one in revisions[:-1] if one.kind in answers.EXECUTED and one.product_id}
    before -= {revisions[-1].product_id if revisions[-1].kind in answers.EXECUTED else ""}
    executed = await gateway.memory.read(lambda c: answers.executed_ids(c, sorted(before)))
    shelf = gateway.catalog.shelf(call, release)
    gone = [name for name in sorted(before - executed) if name not in release.product_rows and shelf.has(name)]
    try:
        if ready is not None and (revised or not shelf.has(ready[0].product_id)):
            await gateway.catalog.upsert(release, [ready])
        if gone:
            await gateway.catalog.delete(release, gone)
        if kept := sorted(before - set(gone)):  # another plan's forecast speaks for them now, or none
            await gateway.catalog.redecide(release, kept)
    except GatewayError as error:
        said = f"the decision is recorded, but not yet in the catalog; decide the same again: {error.message}"
        raise GatewayError(error.reason, said, error.violations, error.retry_after_ms) from error
