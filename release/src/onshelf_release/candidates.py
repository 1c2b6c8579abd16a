"""The layout of a candidate action, as launch_outcome reads it: the one place that knows which column is which."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

HORIZONS = (4, 8)  # weeks of an outcome
CHANNEL_SLOTS = 32
WEEK_OF_YEAR, PRICE, DISCOUNT, COUPON, ENTERED_BY_SALE = range(5)
COVERAGE = slice(5, 5 + CHANNEL_SLOTS)
CANDIDATE_COLUMNS = (
    "week_of_year",
    "price",
    "discount",
    "coupon",
    "entered_by_sale",
    *(f"coverage_{slot:02d}" for slot in range(CHANNEL_SLOTS)),
)


def candidate_rows(
    *,
    week_of_year: ArrayLike,
    price: ArrayLike,
    discount: ArrayLike,
    coupon: ArrayLike,
    coverage: NDArray[np.floating],
    entered_by_sale: ArrayLike = 0.0,
) -> NDArray[np.float32]:
    """Candidate actions as float32 [n, len(CANDIDATE_COLUMNS)].

    Args:
        week_of_year: 1..53, [n].
        price: list price in the release's currency, 0 = unknown, [n].
        discount: share taken off, [n].
        coupon: whether there is one, [n].
        coverage: share of sites by channel slot, [n, CHANNEL_SLOTS].
        entered_by_sale: 1 where the launch entered by a sale, which only history knows; serving leaves it 0.
    """
    rows = np.zeros((len(coverage), len(CANDIDATE_COLUMNS)), dtype=np.float32)
    rows[:, WEEK_OF_YEAR] = week_of_year
    rows[:, PRICE] = price
    rows[:, DISCOUNT] = discount
    rows[:, COUPON] = coupon
    rows[:, ENTERED_BY_SALE] = entered_by_sale
    rows[:, COVERAGE] = coverage
    return rows
