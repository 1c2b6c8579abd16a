"""The grid of one request: the weeks, channel sets, discounts, coupons and prices that are scored."""

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.planning.candidates import Candidates, channel_sets, cross, spread
from onshelf_gateway.planning.timing import launch_days
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.plan_question import ConstraintQuestion, PlanQuestion

DISCOUNTS = (0.0, 0.2, 0.1, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9)  # the order in which a finer grid takes them
RARE = 0.05  # share of past launches below which a coupon is not proposed unasked
PRICE_STEPS = ("1", "0.9", "1.1", "0.8", "1.2", "0.95", "1.05", "0.85", "1.15")
STANDARD = {"day": 12, "channel_set": 9, "price": 3, "discount": 3, "coupon": 2}  # 1,944 candidates
SHRINK = ("day", "channel_set", "price", "discount", "coupon")


@dataclass(frozen=True)
class Grid:
    """Candidates of a request, and whether the limit made them fewer than the standard grid."""

    candidates: Candidates
    limited: bool


def build_grid(
    question: PlanQuestion,
    release: ModelRelease,
    price: Decimal,
    propensity: NDArray[np.float64],
    limit: int,
    today: dt.date,
) -> Grid:
    """Choose the values of each part of the action, then all combinations.

    The standard grid has 12 weeks, 9 channel sets, 3 prices, 3 discounts, with and without coupon. A larger limit
    refines it, a smaller one thins it evenly; values that the request names are kept as long as they fit.
    """
    constraints = question.constraints
    days = launch_days(question.start, question.end, release.manifest.week_start)
    days = [day for day in days if _open(day, question, today)] or days  # thinning must not leave the closed ones only
    channels = [channel for channel in release.plannable if channel.slot in constraints.allowed]
    sets = channel_sets(
        channels,
        _preferred(question, propensity),
        constraints.required,
        constraints.max_channels,
        constraints.allowed_named,
    )
    prices = _prices(constraints, price, release.manifest.currency)
    discounts = [value for value in DISCOUNTS if value <= constraints.max_discount + 1e-9]
    coupons = (
        [True]
        if constraints.require_coupon
        else [False, True]
        if _coupon_makes_sense(question, release, propensity)
        else [False]
    )
    full = {
        "day": len(days),
        "channel_set": len(sets),
        "price": len(prices),
        "discount": len(discounts),
        "coupon": len(coupons),
    }
    wanted = {name: min(full[name], STANDARD[name]) for name in full}
    if constraints.prices:
        wanted["price"] = full["price"]
    sizes = _fit(full, dict(wanted), limit)
    limited = any(sizes[name] < wanted[name] for name in sizes) or sizes["day"] < full["day"]
    candidates = cross(
        [days[n] for n in spread(len(days), sizes["day"])],
        sets[: sizes["channel_set"]],
        sorted(
            prices[n] for n in (spread(len(prices), sizes["price"]) if constraints.prices else range(sizes["price"]))
        ),
        sorted(discounts[: sizes["discount"]]),
        coupons[-sizes["coupon"] :] if constraints.require_coupon else coupons[: sizes["coupon"]],
    )
    return Grid(candidates, limited)


def _open(day: dt.date, question: PlanQuestion, today: dt.date) -> bool:
    """Whether a launch on this day can have its stock and is not ruled out."""
    blackouts = question.constraints.blackouts
    in_time = (day - today).days >= question.stock.lead_days
    return in_time and not any(start <= day <= end for start, end in blackouts)


def _coupon_makes_sense(question: PlanQuestion, release: ModelRelease, propensity: NDArray[np.float64]) -> bool:
    """Coupons are scored where the request speaks of them, or where at least some such launches had one."""
    constraints = question.constraints
    practised = any(propensity[channel.slot] >= RARE for channel in release.coupon_channels)
    return constraints.allow_coupon and (constraints.names_coupon or question.costs.coupon_stated or practised)


def _preferred(question: PlanQuestion, propensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Propensity with channels that the request puts a price on first: who states a cost wants to see the channel."""
    preferred = propensity.copy()
    for slot in question.costs.fixed:
        preferred[slot] += 1.0
    return preferred


def _prices(constraints: ConstraintQuestion, price: Decimal, currency: str) -> list[Decimal]:
    if constraints.prices:
        return list(constraints.prices)
    low = constraints.min_price if constraints.min_price is not None else price * Decimal("0.8")
    high = constraints.max_price if constraints.max_price is not None else price * Decimal("1.2")
    if low > high:  # one bound was given and lies beyond the other's default
        low, high = (low, low) if constraints.min_price is not None else (high, high)
    unit = money.minor_unit(currency)
    steps = [money.price_like(price * Decimal(step), price, currency) for step in PRICE_STEPS]
    prices = [price, *steps] if low <= price <= high else [*steps, *_ends(constraints, low, high)]
    kept = [value for value in dict.fromkeys(prices) if low <= value <= high and value >= unit]
    if constraints.min_price is not None or constraints.max_price is not None:
        kept += [end for end in _ends(constraints, low, high) if end not in kept]
    return kept


def _ends(constraints: ConstraintQuestion, low: Decimal, high: Decimal) -> list[Decimal]:
    given = [constraints.min_price, constraints.max_price]
    return [end for end in dict.fromkeys((low, high)) if end in given]


def _fit(full: dict[str, int], sizes: dict[str, int], limit: int) -> dict[str, int]:
    """Shrink the axes evenly until their product is within the limit, or let them grow while it is."""

    def product() -> int:
        return math.prod(sizes.values())

    while product() > limit:
        name = max((n for n in SHRINK if sizes[n] > 1), key=lambda n: sizes[n] / STANDARD[n])
        sizes[name] -= 1
    grown = True
    while grown:
        grown = False
        for name in SHRINK:
            if sizes[name] < full[name] and product() // sizes[name] * (sizes[name] + 1) <= limit:
                sizes[name] += 1
                grown = True
    return sizes
