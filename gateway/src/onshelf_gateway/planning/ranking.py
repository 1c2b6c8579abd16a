"""Which candidates become plans: the best that differ or, where promotion is free, the frontier from its knee on."""

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.requests.questions import ObjectiveQuestion

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
ALIKE = 2  # most plans with the same week before other weeks had their turn


def _best_per_key(keys: list[NDArray[np.generic]], value: Floats, rows: Ints) -> Ints:
    """Of `rows`, the one with the highest value for each combination of keys (numbers from 0), best first."""
    order = rows[np.argsort(-value[rows], kind="stable")]
    key = np.zeros(len(order), dtype=np.int64)
    for numbers in keys:
        column = np.asarray(numbers, dtype=np.int64)[order]
        key = key * (int(column.max(initial=0)) + 1) + column
    _, first = np.unique(key, return_index=True)
    return order[np.sort(first)]


def diverse(candidates: Candidates, value: Floats, mask: Mask, count: int) -> list[int]:
    """The best candidates by value; any two differ in more than the price; weeks and promotions take turns."""
    keys: list[NDArray[np.generic]] = [
        candidates.day,
        candidates.channel_set,
        candidates.discount_number,
        candidates.coupon,
    ]
    order = _best_per_key(keys, value, np.flatnonzero(mask))
    chosen: list[int] = []
    days = np.zeros(len(candidates.days), dtype=int)
    promotions: set[tuple[int, float, bool]] = set()
    passed: list[int] = []
    for row in order[: 50 * count].tolist():
        if len(chosen) == count:
            break
        day = candidates.day[row]
        promotion = (int(candidates.channel_set[row]), float(candidates.discount[row]), bool(candidates.coupon[row]))
        if days[day] >= ALIKE or promotion in promotions:
            passed.append(row)
            continue
        days[day] += 1
        promotions.add(promotion)
        chosen.append(row)
    chosen += passed[: count - len(chosen)]
    return sorted(chosen, key=lambda row: -value[row])


def frontier_rows(
    candidates: Candidates, value: Floats, units: Floats, mask: Mask, price: float, free_price: bool
) -> list[int]:
    """The best candidate for each amount of promotion, by rising effort and rising units.

    First without discount and coupon, a row for each number of channels; then coupon and discounts on top. Rows that
    sell no more than one with less effort are left out.

    Args:
        value: what is optimised. units: expected units, both [n].
        mask: the feasible candidates.
        price: the product's list price; candidates nearest to it are compared.
        free_price: whether the price is part of the choice (there is a unit cost to balance it) instead.
    """
    rows = np.flatnonzero(mask)
    if not free_price:
        distance = np.abs(candidates.amounts - price)
        rows = rows[distance[rows] <= distance[rows].min() + 1e-9]
    plain = rows[(candidates.discount[rows] == 0) & ~candidates.coupon[rows]]
    if not len(plain):
        least = (candidates.discount + candidates.coupon)[rows].min()
        plain = rows[(candidates.discount + candidates.coupon)[rows] <= least + 1e-9]
    by_channels = _best_per_key([candidates.channel_count], value, plain)
    promoted = _best_per_key([candidates.channel_count, candidates.discount_number, candidates.coupon], value, rows)
    widest = candidates.channel_count[by_channels].max()
    on_top = promoted[candidates.channel_count[promoted] == widest]
    ordered = sorted({*by_channels.tolist(), *on_top.tolist()}, key=lambda row: (candidates.effort[row], -units[row]))
    points: list[int] = []
    for row in ordered:
        last = points[-1] if points else None
        wider = last is None or candidates.channel_count[row] >= candidates.channel_count[last]
        if wider and (last is None or units[row] > units[last] * (1 + 1e-6)):
            points.append(row)
    return points


def from_knee(candidates: Candidates, points: list[int], value: Floats, objective: ObjectiveQuestion) -> list[int]:
    """Frontier rows, the one with the best gain for its effort first.

    Gain and effort are scaled to 0..1 over the frontier; the knee is where gain exceeds effort most (Satopaa et al.
    2011, "Finding a Kneedle in a Haystack").
    """
    gain = value[points]
    effort = candidates.effort[points]
    if objective.metric in (types_pb2.OBJECTIVE_METRIC_GROSS_PROFIT, types_pb2.OBJECTIVE_METRIC_REVENUE):
        gain = np.maximum.accumulate(gain)
    score = _unit(gain) - _unit(effort)
    return [points[n] for n in np.argsort(-score, kind="stable").tolist()]


def _unit(values: Floats) -> Floats:
    width = float(values.max() - values.min())
    return (values - values.min()) / width if width > 0 else np.zeros_like(values)


def frontier_plans(
    candidates: Candidates, points: list[int], value: Floats, mask: Mask, objective: ObjectiveQuestion, count: int
) -> list[int]:
    """Plans where promotion is free: the frontier from its knee on; then the first ones in their other weeks."""
    ordered = from_knee(candidates, points, value, objective)[:count]
    if len(ordered) == count:
        return ordered
    others: list[int] = []
    for row in ordered:
        moved = np.flatnonzero(candidates.same_but(row, "day") & mask)
        others += [n for n in moved[np.argsort(-value[moved], kind="stable")].tolist() if n != row]
    return (ordered + others)[:count]
