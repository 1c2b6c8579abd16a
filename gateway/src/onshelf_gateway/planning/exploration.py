"""Which plan stands first, drawn among near-ties: actions that forecasts cannot tell apart are compared by sales.

Draws are hashes of the seed, the product and the action: the same product is always drawn alike, on every machine. A
product is drawn if its own hash lies below the share, so that a larger share adds products and changes no other. Of the
near-ties the one with the smallest hash stands first (rendezvous hashing, Thaler and Ravishankar 1998): each of k is as
likely as the others, and a further near-tie takes the place of another or changes nothing.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from onshelf.v1 import launch_pb2

L = launch_pb2
POLICY = "near_ties"
BAND = (0.1, 0.9)


@dataclass(frozen=True)
class Exploring:
    """How plans are drawn.

    Attributes:
        share: of products that are drawn, above 0. margin: how far below the best objective a near-tie may be, as a
            share of it. seed: of all draws.
    """

    share: float
    margin: float
    seed: int

    def draws(self, product: str) -> bool:
        """Whether the plans of a product are drawn."""
        return unit_hash("share", self.seed, product) < self.share

    def first(self, product: str, plans: list[L.LaunchPlan]) -> int:
        """Position of the plan that stands first if a product is drawn."""
        actions = [plan.action.SerializeToString(deterministic=True).hex() for plan in plans]
        return min(range(len(plans)), key=lambda n: unit_hash("order", self.seed, product, actions[n]))


def unit_hash(*parts: object) -> float:
    """A number in [0, 1) that hangs on the parts alone: 53 bits of BLAKE2b."""
    text = "\x1f".join(str(part) for part in parts)
    return (int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 11) / (1 << 53)


def product_key(product_id: str, title: str) -> str:
    """What a product is known by: its id, or its title where it has none yet."""
    return product_id.strip() or " ".join(title.casefold().split())


def near_ties(plans: list[L.LaunchPlan], weeks: int, margin: float) -> list[int]:
    """Positions of the best plan and of those that cannot be told from it, best first; `plans` are in that order."""
    best, (low, high) = plans[0].objective_value, _band(plans[0], weeks)
    found = [0]
    for n, plan in enumerate(plans[1:], start=1):
        lowest, highest = _band(plan, weeks)
        if plan.objective_value >= best - margin * abs(best) and lowest <= high and low <= highest:
            found.append(n)
    return found


def explore(
    exploring: Exploring, product: str, plans: list[L.LaunchPlan], weeks: int
) -> tuple[list[L.LaunchPlan], L.Exploration]:
    """The plans in the order in which they are offered, ranked anew, and how that order came about.

    Args:
        exploring: how to draw.
        product: `product_key`.
        plans: best first.
        weeks: the objective's horizon.
    """
    ties = near_ties(plans, weeks, exploring.margin)
    drawn = len(ties) > 1 and exploring.draws(product)
    first = ties[exploring.first(product, [plans[n] for n in ties])] if drawn else 0
    order = [first, *(n for n in range(len(plans)) if n != first)]
    offered = [plans[n] for n in order]
    for rank, plan in enumerate(offered, start=1):
        plan.rank = rank
    even = exploring.share / len(ties)
    said = L.Exploration(
        policy=POLICY, share=exploring.share, margin=exploring.margin, seed=exploring.seed, drawn=drawn
    )
    for n in ties:
        probability = even + (1.0 - exploring.share if n == 0 else 0.0)
        said.near_ties.add(rank=plans[n].rank, objective_value=plans[n].objective_value, probability=probability)
    return offered, said


def first_probabilities(said: L.Exploration, count: int) -> list[float]:
    """Probability of each of the offered plans to stand first, in their order."""
    found = {tie.rank: tie.probability for tie in said.near_ties}
    return [found.get(rank, 0.0) for rank in range(1, count + 1)]


def words(said: L.Exploration) -> str:
    """What the notice says of a drawn order."""
    (first,) = [tie for tie in said.near_ties if tie.rank == 1]
    return (
        f"the plan that stands first was drawn among {len(said.near_ties)} near-ties, with the probability "
        f"{first.probability:.4g}: their objectives lie within {said.margin:.1%} of the best"
    )


def _band(plan: L.LaunchPlan, weeks: int) -> tuple[float, float]:
    units = next(one.units for one in plan.forecasts if one.horizon_weeks == weeks)
    levels, values = [q.level for q in units.quantiles], [q.value for q in units.quantiles]
    low, high = np.interp(BAND, levels, values)
    return float(low), float(high)
