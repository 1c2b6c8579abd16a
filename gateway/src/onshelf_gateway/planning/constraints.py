"""Constraints as masks over candidates, and words for when nothing is left."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.call.errors import GatewayError, Violation
from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.planning.economics import Economics
from onshelf_gateway.planning.stock import Stocking
from onshelf_gateway.requests.plan_question import PlanQuestion
from onshelf_gateway.requests.questions import CostQuestion, StockQuestion

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Feasibility:
    """Which candidates keep every constraint [n], and which each constraint excludes [n], by field path."""

    mask: Mask
    broken: dict[str, Mask]

    @property
    def excluded(self) -> dict[str, int]:
        """How many candidates each constraint excludes, most first."""
        counts = {name: int(rows.sum()) for name, rows in self.broken.items() if rows.any()}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def of(self, row: int) -> list[str]:
        """Field paths of the constraints that one candidate breaks."""
        return sorted(name for name, rows in self.broken.items() if rows[row])


def too_early(candidates: Candidates, costs: CostQuestion, stock: StockQuestion, today: dt.date) -> Feasibility:
    """Which launches leave too little time for the stock or for their channels."""
    ahead = np.array([(day - today).days for day in candidates.days])[candidates.day]
    lead = np.array([costs.lead_days.get(slot, 0) for slot in range(candidates.sets.shape[1])])
    set_lead = ((candidates.sets > 0) * lead).max(axis=1)
    needed = np.maximum(set_lead[candidates.channel_set], costs.coupon_lead_days * candidates.coupon)
    broken = {
        "stock_policy.lead_time_days": ahead < stock.lead_days,
        "costs.channel_costs.lead_time_days": ahead < needed,
    }
    return Feasibility(~np.logical_or.reduce(list(broken.values())), broken)


def feasibility(
    question: PlanQuestion, candidates: Candidates, economics: Economics, stocking: Stocking, today: dt.date
) -> Feasibility:
    """Apply all constraints."""
    constraints, weeks = question.constraints, question.objective.horizon_weeks
    days = candidates.days
    broken: dict[str, Mask] = {}
    blackout = np.array([any(start <= day <= end for start, end in constraints.blackouts) for day in days])
    broken["constraints.blackout_windows"] = blackout[candidates.day]
    broken |= too_early(candidates, question.costs, question.stock, today).broken
    if constraints.max_channels is not None:
        broken["constraints.max_channels"] = candidates.channel_count > constraints.max_channels
    broken["constraints.allowed_channel_ids"] = _outside(candidates, constraints.allowed)
    broken["constraints.required_channel_ids"] = ~_holds(candidates, constraints.required)
    broken["constraints.max_discount"] = candidates.discount > constraints.max_discount + 1e-9
    if not constraints.allow_coupon:
        broken["constraints.allow_coupon"] = candidates.coupon
    if constraints.require_coupon:
        broken["constraints.required_channel_ids"] |= ~candidates.coupon
    if constraints.budget is not None:
        spent = economics.promotion_cost(weeks) + economics.discount_cost(weeks)
        broken["constraints.promotion_budget"] = spent > float(constraints.budget) + 1e-9
    if constraints.max_stock:
        broken["constraints.max_stock_units"] = stocking.units() > constraints.max_stock
    if constraints.min_margin is not None and economics.unit_cost is not None:
        sale = candidates.amounts * (1.0 - candidates.discount)
        broken["constraints.min_gross_margin"] = (sale - economics.unit_cost) < constraints.min_margin * sale - 1e-9
    return Feasibility(~np.logical_or.reduce(list(broken.values())), broken)


def _outside(candidates: Candidates, allowed: frozenset[int]) -> Mask:
    forbidden = np.array([slot not in allowed for slot in range(candidates.sets.shape[1])])
    return np.asarray(((candidates.sets > 0) & forbidden).any(axis=1))[candidates.channel_set]


def _holds(candidates: Candidates, required: frozenset[int]) -> Mask:
    wanted = sorted(required)
    return np.asarray((candidates.sets[:, wanted] > 0).all(axis=1))[candidates.channel_set]


def no_plan(result: Feasibility) -> GatewayError:
    """The error for when no candidate keeps the constraints: which of them exclude most."""
    total = len(result.mask)
    listed = ", ".join(f"{name} excludes {count:,}" for name, count in list(result.excluded.items())[:4])
    first = next(iter(result.excluded))
    message = f"none of {total:,} candidate actions keeps the constraints: {listed}; relax {first} first"
    return GatewayError(
        "NO_FEASIBLE_PLAN",
        message,
        [
            Violation("NO_FEASIBLE_PLAN", name, f"excludes {count:,} of {total:,}")
            for name, count in result.excluded.items()
        ],
    )
