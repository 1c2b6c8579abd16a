"""The plan that past practice would have chosen: the encoder's practice heads within the request's limits."""

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.inference.outputs import EncodedProduct
from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.plan_question import PlanQuestion
from onshelf_release.calendar import week_of_year
from onshelf_release.candidates import CHANNEL_SLOTS
from onshelf_release.codes import TYPICAL_DISCOUNTS


def practice_action(
    question: PlanQuestion, release: ModelRelease, encoded: EncodedProduct, grid: Candidates, list_price: float
) -> Candidates:
    """One candidate: what launches of such products had.

    The likeliest week of the window, as many of the likeliest channels as such launches had on average, the likeliest
    discount, a coupon where more than half had one, at the list price or the nearest that the limits allow.
    """
    limits = question.constraints
    week_start = release.manifest.week_start
    shares = np.array([encoded.week_propensity[week_of_year(day, week_start) - 1] for day in grid.days])
    open_days = np.array([not any(start <= day <= end for start, end in limits.blackouts) for day in grid.days])
    day = int(np.where(open_days, shares, shares - 1.0).argmax())
    coverage = _channels(question, release, encoded.channel_propensity)
    discount = TYPICAL_DISCOUNTS[int(encoded.discount_propensity.argmax())]
    coupons = [float(encoded.channel_propensity[channel.slot]) for channel in release.coupon_channels]
    coupon = limits.require_coupon or (limits.allow_coupon and max(coupons, default=0.0) > 0.5)
    prices = np.array([float(price) for price in grid.prices])
    price = int(np.abs(prices - list_price).argmin())
    return Candidates(
        days=grid.days,
        sets=coverage[None, :],
        prices=grid.prices,
        day=np.array([day]),
        channel_set=np.array([0]),
        price=np.array([price]),
        discount=np.array([min(discount, limits.max_discount)]),
        coupon=np.array([coupon]),
    )


def _channels(question: PlanQuestion, release: ModelRelease, propensity: NDArray[np.float64]) -> NDArray[np.float64]:
    limits = question.constraints
    usable = [c for c in release.plannable if c.slot in limits.allowed]
    ranked = sorted(usable, key=lambda c: (c.slot not in limits.required, -propensity[c.slot], c.slot))
    count = max(len(limits.required), round(float(sum(propensity[c.slot] for c in usable))))
    if limits.max_channels is not None:
        count = min(count, limits.max_channels)
    coverage = np.zeros(CHANNEL_SLOTS)
    for channel in ranked[:count]:
        coverage[channel.slot] = channel.typical_coverage
    return coverage
