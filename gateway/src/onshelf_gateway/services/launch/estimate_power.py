"""EstimatePower: how many users or sites, and weeks, until the difference between two plans could be seen."""

from dataclasses import dataclass
from typing import Any

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import refuse
from onshelf_gateway.planning.power import Counts, Odds, Shares
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.executed_plan import request_of
from onshelf_gateway.services.launch.stored_plan import not_found, offered_plans
from onshelf_gateway.services.response import response_info
from onshelf_gateway.store import answers
from onshelf_release.life_cycle import WEEKS

L = launch_pb2
UNITS: dict[int, str] = {L.POWER_UNIT_UNSPECIFIED: "users", L.POWER_UNIT_USERS: "users", L.POWER_UNIT_SITES: "sites"}
EARLY = 4  # weeks of the first of the two forecasts


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A plan of a remembered answer. users: all of the population that it was planned for."""

    row: Any
    plan: L.LaunchPlan
    product: types_pb2.Product
    scale: float
    users: float

    def by_week(self, of_users: bool) -> list[float]:
        """Buyers or units by the end of weeks 1 to 8: between the forecasts of 4 and 8 weeks in equal parts."""
        early, whole = (one.buyers if of_users else one.units.mean for one in self.plan.forecasts)
        weeks = range(1, WEEKS + 1)
        return [early * w / EARLY if w <= EARLY else early + (whole - early) * (w / EARLY - 1) for w in weeks]


@dataclass(frozen=True, kw_only=True)
class PowerQuestion:
    """A checked EstimatePowerRequest; `sites` 0: users are randomised. `dispersion` 0: the forecast's."""

    sites: int
    users: int
    weeks: int
    dispersion: float
    odds: Odds


async def estimate_power(gateway: Gateway, call: Call, request: L.EstimatePowerRequest) -> L.EstimatePowerResponse:
    """Answer EstimatePower.

    Raises:
        GatewayError: PLAN_NOT_FOUND; NOT_LEARNED where buyers are not forecast; the reason of the first violation.
    """
    with call.stage("validate"):
        release = gateway.release(call, 0)
        question = _parse(request)
    with call.stage("store"):
        first = await _compared(gateway, request.plan_id, "rank", request.rank or 1)
        other = request.other_plan_id or request.plan_id
        rank = request.other_rank or (1 if request.other_plan_id else 2)
        second = await _compared(gateway, other, "other_rank", rank)
        _check_alike(first, second)
    with call.stage("power"):
        response = _answer(question, first, second)
    if first.row.model_release != second.row.model_release:
        call.notice(
            types_pb2.NOTICE_CODE_OTHER_MODEL_RELEASE,
            f"the plans were made by model releases {first.row.model_release} and {second.row.model_release}: a part "
            "of their difference is that of the releases",
        )
    response.info.CopyFrom(response_info(call, release, first.scale))
    return response


def _parse(request: L.EstimatePowerRequest) -> PowerQuestion:
    check = Checker()
    check.text("plan_id", request.plan_id, 128, required=True)
    check.text("other_plan_id", request.other_plan_id, 128)
    check.number("rank", request.rank, 0, 50)
    check.number("other_rank", request.other_rank, 0, 50)
    check.enum("unit", request.unit, UNITS)
    of_sites = request.unit == L.POWER_UNIT_SITES
    if of_sites and not request.sites:
        check.fail("FIELD_REQUIRED", "sites", "is missing and required where sites are randomised")
    for name, belongs in (("sites", of_sites), ("dispersion", of_sites), ("users", not of_sites)):
        if getattr(request, name) and not belongs:
            check.fail("FIELDS_CONFLICT", name, f"has no effect where {UNITS.get(request.unit)} are randomised")
    if request.sites:
        check.number("sites", request.sites, 2, 1_000_000)
    if request.users:
        check.number("users", request.users, 2, 10**9)
    if request.dispersion:
        check.number("dispersion", request.dispersion, 0, 1e6, above=True)
    weeks = int(check.number("weeks", request.weeks or WEEKS, 1, WEEKS))
    power = check.number("power", request.power or 0.8, 0.5, 0.99)
    significance = check.number("significance", request.significance or 0.05, 0.001, 0.2)
    check.done()
    return PowerQuestion(
        sites=request.sites,
        users=request.users,
        weeks=weeks,
        dispersion=request.dispersion,
        odds=Odds(power, significance),
    )


async def _compared(gateway: Gateway, plan_id: str, field: str, rank: int) -> Compared:
    row = await gateway.memory.find_plan(plan_id)
    if row is None:
        raise not_found(plan_id)
    plans = offered_plans(row)
    if row.kind != answers.PLAN:
        rank = 1
    if rank > len(plans):
        raise refuse("VALUE_OUT_OF_RANGE", field, f"{rank} is refused: the answer has plans 1 to {len(plans)}")
    kind = L.PlanLaunchResponse if row.kind == answers.PLAN else L.EvaluatePlanResponse
    basis = kind.FromString(row.response).info.units_basis
    asked = request_of(row)
    scale = asked.population_scale or 1.0
    return Compared(row=row, plan=plans[rank - 1], product=asked.product, scale=scale, users=basis.users * scale)


def _check_alike(first: Compared, second: Compared) -> None:
    """Raises VALUE_OUT_OF_RANGE where the plans are not of one product and population, or are the same."""
    what = ""
    if first.plan.action == second.plan.action and first.row.answer_id == second.row.answer_id:
        what = "names the same plan"
    elif first.product.title != second.product.title:
        what = f"is a plan of another product: {second.product.title!r}, not {first.product.title!r}"
    elif first.scale != second.scale:
        what = f"was made for another population_scale: {second.scale:g}, not {first.scale:g}"
    if what:
        raise refuse("VALUE_OUT_OF_RANGE", "other_plan_id", what)


def _answer(question: PowerQuestion, first: Compared, second: Compared) -> L.EstimatePowerResponse:
    of_users = not question.sites
    everyone = first.users if of_users else float(question.sites)
    ours, theirs = (
        [min(value / max(everyone, 1.0), 0.999 if of_users else value) for value in one.by_week(of_users)]
        for one in (first, second)
    )
    if of_users and not (everyone and max(*ours, *theirs) > 0):
        raise refuse("NOT_LEARNED", "unit", "buyers are not forecast: the data have no users. Randomise sites")
    size = question.dispersion or first.plan.forecasts[-1].units.dispersion
    test = Shares(question.odds) if of_users else Counts(question.odds, size)
    available = question.users or int(everyone)
    weeks = [
        L.PowerWeek(
            week=n + 1,
            needed=test.needed(ours[n], theirs[n]),
            visible_difference=test.visible(ours[n], available // 2, available // 2) / max(ours[n], 1e-12),
            first=ours[n],
            second=theirs[n],
        )
        for n in range(question.weeks)
    ]
    enough = next((one.week for one in weeks if 0 < one.needed <= available), 0)
    units, others = first.plan.forecasts[-1], second.plan.forecasts[-1]
    response = L.EstimatePowerResponse(
        unit=L.POWER_UNIT_USERS if of_users else L.POWER_UNIT_SITES,
        available=available,
        weeks=question.weeks,
        units_difference=others.units.mean - units.units.mean,
        buyers_difference=others.buyers - units.buyers,
        relative_difference=weeks[-1].second / max(weeks[-1].first, 1e-12) - 1.0,
        sufficient=enough > 0,
        weeks_needed=enough,
        needed=weeks[-1].needed,
        by_week=weeks,
        dispersion=0.0 if of_users else size,
        dispersion_assumed=not of_users and not question.dispersion,
        power=question.odds.power,
        significance=question.odds.significance,
    )
    response.verdict = _verdict(response)
    return response


def _verdict(found: L.EstimatePowerResponse) -> str:
    """What the test can tell, in words."""
    what = UNITS[found.unit]
    weeks = f"{found.weeks} week{'s' if found.weeks > 1 else ''}"
    differ = _percent(abs(found.relative_difference))
    if found.sufficient:
        week = found.by_week[found.weeks_needed - 1]
        after = f"{week.week} week{'s' if week.week > 1 else ''}"
        return (
            f"{week.needed:,} of {found.available:,} {what}, half of them under each plan, see the difference of "
            f"{differ} after {after} with a probability of {found.power:.0%}"
        )
    seen = found.by_week[-1].visible_difference
    limit = f"see a difference of {_percent(seen)} or more" if seen else "see no difference, however large"
    takes = f", which takes {found.needed:,} {what}" if found.needed else ""
    return f"underpowered: {weeks} and {found.available:,} {what} {limit}; these plans differ by {differ}{takes}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
