"""`onshelf power`: how large a test of two plans must be, before anything is launched."""

from typing import Annotated

from onshelf._cli import _words as w
from onshelf._cli._options import AsJson, Service, print_answer
from onshelf._cli._plan_view import footer, notices
from onshelf._cli._terminal import Section, bold, clean, table
from onshelf._cli._usage import OK, OTHER
from onshelf._cli._values import Count, Share, Text, option
from onshelf._enums import PowerUnit
from onshelf._feedback_results import EstimatePowerResult


def power(
    plan_id: Annotated[str, option("the plan")],
    other_plan_id: Annotated[Text, option("another plan of the same product (default: of the same answer)")] = None,
    /,
    *,
    rank: Annotated[Count, option("rank of the first plan (default: 1)")] = None,
    other_rank: Annotated[Count, option("rank of the second plan (default: 2 of the same answer, else 1)")] = None,
    users: Annotated[Count, option("users who can take part (default: all of the units basis)")] = None,
    sites: Annotated[Count, option("sites that sell it: randomise sites, not users")] = None,
    weeks: Annotated[Count, option("weeks that the test may last (default: 8)")] = None,
    dispersion: Annotated[float | None, option("dispersion of units among sites (default: the forecast's)")] = None,
    power_: Annotated[Share, option("probability to see the difference (default: 80%)", "--power")] = None,
    significance: Annotated[Share, option("probability to see one where there is none (default: 5%)")] = None,
    as_json: AsJson = False,
    service: Service = Service(),
) -> int:
    """Say how many users or sites, and weeks, until the difference between two plans could be seen.

    Ends with status 1 where the test is underpowered.
    """
    with service.connect() as client:
        found = client.estimate_power(
            plan_id,
            rank=rank,
            other_plan_id=other_plan_id,
            other_rank=other_rank,
            unit=None if sites is None else PowerUnit.SITES,
            users=users,
            sites=sites,
            weeks=weeks,
            dispersion=dispersion,
            power=power_,
            significance=significance,
        )
    print_answer(found, lambda: _sections(found), as_json)
    return OK if found.sufficient else OTHER


def _sections(found: EstimatePowerResult) -> list[Section]:
    """The verdict, then week by week what is needed and what could be seen."""
    what = found.unit.value
    of_users = found.unit is PowerUnit.USERS
    rows = [
        [
            str(one.week),
            w.percent(one.first) if of_users else w.count(one.first),
            w.percent(one.second) if of_users else w.count(one.second),
            f"{one.needed:,}" if one.needed else "none",
            w.percent(one.visible_difference) if one.visible_difference else "none",
        ]
        for one in found.by_week
    ]
    outcome = "buy" if of_users else "units a site"
    heads = ["weeks", f">{outcome}, first", f">{outcome}, second", f">{what} needed", f">seen by {found.available:,}"]
    expected = (
        f"Expected of the second plan in 8 weeks: {w.difference(found.units_difference)} units, "
        f"{w.difference(found.buyers_difference)} buyers."
    )
    assumed = f"A dispersion of {found.dispersion:.3g} among sites is assumed: the forecast's, which is about products."
    return [
        [bold(w.sentence(clean(found.verdict))), expected, *([assumed] if found.dispersion_assumed else [])],
        [table(heads, rows)],
        notices(found.info.notices),
        footer(found.info),
    ]
