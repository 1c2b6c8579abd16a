"""What a launch's held-out users say of targeting: buyers among them beside buyers among the others."""

import math
from typing import Any

import numpy as np

from onshelf.v1 import feedback_pb2, launch_pb2
from onshelf_gateway.planning.power import Odds, Shares
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.services.feedback.get_scoreboard import wilson
from onshelf_gateway.services.feedback.launch_course import Launch
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.store import answers, events

F, L = feedback_pb2, launch_pb2
LARGEST = 0.5  # of the share of buyers: a holdout that cannot see a difference of this makes no claim


async def holdout_effect(gateway: Gateway, row: Any, launch: Launch, release: ModelRelease) -> F.HoldoutEffect | None:
    """Buyers among a release's users, by whether they were held out when the plan was given; None where nobody was."""
    share = _share(row)
    if share <= 0 or not release.has_users:
        return None
    product, first, end = launch.row.decided_product_id, launch.first.isoformat(), launch.end.isoformat()
    bought = await gateway.memory.read(lambda c: events.buyers(c, product, first, end))
    held = (await gateway.holdout.places(release)) < share
    gone = await gateway.forgotten.marks(release)
    there = ~gone if len(gone) else np.ones(len(held), dtype=bool)
    rows = np.array([release.user_rows[user] for user in bought if user in release.user_rows], dtype=np.int64)
    rows = rows[there[rows]]
    users, among = int((held & there).sum()), int(held[rows].sum())
    return effect(share, int(there.sum()) - users, len(rows) - among, users, among)


def effect(share: float, users: int, buyers: int, held_out_users: int, held_out_buyers: int) -> F.HoldoutEffect:
    """The message of these counts."""
    found = F.HoldoutEffect(
        share=share, users=users, buyers=buyers, held_out_users=held_out_users, held_out_buyers=held_out_buyers
    )
    if not users or not held_out_users:
        found.verdict = F.HOLDOUT_VERDICT_UNDERPOWERED
        found.words = "underpowered: one of the groups has no user"
        return found
    ours, theirs = buyers / users, held_out_buyers / held_out_users
    low, high = newcombe(buyers, users, held_out_buyers, held_out_users)
    found.difference, found.difference_low, found.difference_high = ours - theirs, low, high
    everyone = (buyers + held_out_buyers) / (users + held_out_users)
    found.visible_difference = Shares(Odds()).visible(everyone, held_out_users, users) if everyone else 0.0
    if not 0 < found.visible_difference <= LARGEST * everyone:
        found.verdict = F.HOLDOUT_VERDICT_UNDERPOWERED
    else:
        found.verdict = F.HOLDOUT_VERDICT_NOT_SEEN if low <= 0 <= high else F.HOLDOUT_VERDICT_SEEN
    found.words = _words(found, everyone)
    return found


def newcombe(hits: int, count: int, other_hits: int, other_count: int) -> tuple[float, float]:
    """The 95 % interval of a difference of two shares (Newcombe 1998, "Interval estimation for the difference between
    independent proportions", Statistics in Medicine 17, method 10)."""
    one, other = hits / count, other_hits / other_count
    (low, high), (other_low, other_high) = wilson(hits, count), wilson(other_hits, other_count)
    gap = one - other
    return gap - math.hypot(one - low, other_high - other), gap + math.hypot(high - one, other - other_low)


def _share(row: Any) -> float:
    """The share of the plan's own answer; an EvaluatePlan targets nobody, so that nothing is claimed of it."""
    if row.kind != answers.PLAN:
        return 0.0
    return float(L.PlanLaunchResponse.FromString(row.response).holdout_share)


def _words(found: F.HoldoutEffect, everyone: float) -> str:
    groups = (
        f"{found.buyers:,} of {found.users:,} users bought, {found.held_out_buyers:,} of {found.held_out_users:,} who "
        "were held out"
    )
    gap = (
        f"a difference of {100 * found.difference:+.2f} points (95 % interval {100 * found.difference_low:+.2f} to "
        f"{100 * found.difference_high:+.2f})"
    )
    if found.verdict == F.HOLDOUT_VERDICT_SEEN:
        return f"{groups}: {gap}"
    if found.verdict == F.HOLDOUT_VERDICT_NOT_SEEN:
        return f"{groups}: no difference is seen; {gap}"
    limit = (
        f"these users see a difference of {100 * found.visible_difference:.2f} points or more"
        if found.visible_difference
        else "these users see no difference, however large"
    )
    return f"underpowered, no claim is made: {groups}; {limit}, and {100 * everyone:.2f} % buy at all"
