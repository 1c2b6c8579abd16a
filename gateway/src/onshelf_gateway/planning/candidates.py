"""Candidate actions: a grid of weeks, channel sets, discounts, coupons and prices as arrays, not as objects."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_release.calendar import week_of_year
from onshelf_release.candidates import CHANNEL_SLOTS, candidate_rows
from onshelf_release.channels import Channel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


WIDE = 3  # least channels of the widest set


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """n candidate actions.

    Attributes:
        days: launch days to choose from, ascending; `day` [n] points into them.
        sets: coverage by channel slot of the channel sets [sets, 32]; `channel_set` [n] points into them.
        prices: list prices to choose from, ascending, exact; `price` [n] points into them.
        discount: [n] share taken off. coupon: [n].
    """

    days: tuple[dt.date, ...]
    sets: Floats
    prices: tuple[Decimal, ...]
    day: Ints
    channel_set: Ints
    price: Ints
    discount: Floats
    coupon: Mask

    def __len__(self) -> int:
        return len(self.day)

    @cached_property
    def coverage(self) -> Floats:
        """Coverage by slot [n, 32]."""
        return self.sets[self.channel_set]

    @cached_property
    def amounts(self) -> Floats:
        """List prices [n]."""
        return np.array([float(price) for price in self.prices])[self.price]

    @cached_property
    def ordinals(self) -> Floats:
        """Launch days as proleptic Gregorian ordinals [n]."""
        return np.array([float(day.toordinal()) for day in self.days])[self.day]

    @cached_property
    def channel_count(self) -> Ints:
        """Channels in use [n]."""
        return np.asarray((self.sets > 0).sum(axis=1)[self.channel_set])

    @cached_property
    def effort(self) -> Floats:
        """Promotion effort [n]: sum of coverages plus discount plus coupon."""
        return np.asarray(self.sets.sum(axis=1)[self.channel_set] + self.discount + self.coupon)

    def features(self, release: ModelRelease) -> NDArray[np.float32]:
        """The rows that launch_outcome reads: float32 [n, 37]; a coupon counts as its channel at full coverage too."""
        week_start = release.manifest.week_start
        coverage = self.coverage.copy()
        for channel in release.coupon_channels:
            coverage[:, channel.slot] = self.coupon
        return candidate_rows(
            week_of_year=np.array([week_of_year(day, week_start) for day in self.days])[self.day],
            price=self.amounts,
            discount=self.discount,
            coupon=self.coupon,
            coverage=coverage,
        )

    def same_but(self, row: int, *free: str) -> Mask:
        """Which candidates agree with `row` in all but the named parts: day, channel_set, price, discount, coupon."""
        keys = self._keys.get(free)
        if keys is None:
            keys = self._keys[free] = self._key(free)
        return np.asarray(keys == keys[row])

    @cached_property
    def _keys(self) -> dict[tuple[str, ...], Ints]:
        return {}

    @cached_property
    def discount_number(self) -> Ints:
        """The number of its discount among all that occur [n]."""
        return np.unique(self.discount, return_inverse=True)[1].astype(np.int64)

    def _key(self, free: tuple[str, ...]) -> Ints:
        """One number [n] for each combination of the parts that are not free."""
        parts = {
            "day": (self.day, len(self.days)),
            "channel_set": (self.channel_set, len(self.sets)),
            "price": (self.price, len(self.prices)),
            "discount": (self.discount_number, len(self)),
            "coupon": (self.coupon.astype(np.int64), 2),
        }
        key = np.zeros(len(self), dtype=np.int64)
        for name, (numbers, count) in parts.items():
            if name not in free:
                key = key * count + numbers
        return key


def join(first: Candidates, second: Candidates) -> Candidates:
    """Both, the second's rows after the first's; days, sets and prices are merged."""
    days = tuple(sorted({*first.days, *second.days}))
    prices = tuple(sorted({*first.prices, *second.prices}))
    sets, inverse = np.unique(np.concatenate([first.sets, second.sets]), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)

    def lookup(values: tuple[object, ...], old: tuple[object, ...], index: Ints) -> Ints:
        position = {value: n for n, value in enumerate(values)}
        return np.array([position[value] for value in old], dtype=np.int64)[index]

    return Candidates(
        days=days,
        sets=sets,
        prices=prices,
        day=np.concatenate([lookup(days, first.days, first.day), lookup(days, second.days, second.day)]),
        channel_set=np.concatenate([inverse[first.channel_set], inverse[len(first.sets) + second.channel_set]]),
        price=np.concatenate([lookup(prices, first.prices, first.price), lookup(prices, second.prices, second.price)]),
        discount=np.concatenate([first.discount, second.discount]),
        coupon=np.concatenate([first.coupon, second.coupon]),
    )


def cross(
    days: list[dt.date], sets: Floats, prices: list[Decimal], discounts: list[float], coupons: list[bool]
) -> Candidates:
    """Every combination."""
    shape = (len(days), len(sets), len(prices), len(discounts), len(coupons))
    day, channel_set, price, discount, coupon = (axis.reshape(-1) for axis in np.indices(shape))
    return Candidates(
        days=tuple(days),
        sets=sets,
        prices=tuple(prices),
        day=day,
        channel_set=channel_set,
        price=price,
        discount=np.array(discounts)[discount],
        coupon=np.array(coupons, dtype=bool)[coupon],
    )


def spread(values: int, count: int) -> list[int]:
    """`count` of the positions 0..values-1, evenly, both ends among them; all where there are no more."""
    if count >= values:
        return list(range(values))
    if count == 1:
        return [0]
    return sorted({round(n * (values - 1) / (count - 1)) for n in range(count)})


def channel_sets(
    channels: list[Channel], propensity: Floats, required: frozenset[int], limit: int | None, everything: bool
) -> Floats:
    """Channel sets worth scoring, the most telling first: [sets, 32] coverages.

    None; then what past practice would take, widening one channel at a time (so that each step's effect can be read);
    singles and pairs of the likeliest channels; broad coverage of the likeliest; all. `required` slots are in every
    set.

    Args:
        channels: usable channels.
        propensity: share of past launches of such products in each slot, [32].
        required: slots in every set.
        limit: most channels at once; None for no limit.
        everything: whether the widest set takes all channels, or only as many as such launches had on average.
    """
    must = [channel for channel in channels if channel.slot in required]
    free = sorted((c for c in channels if c.slot not in required), key=lambda c: (-propensity[c.slot], c.slot))
    room = len(free) if limit is None else min(len(free), limit - len(must))
    usual = max(WIDE, round(float(sum(propensity[channel.slot] for channel in channels))))
    likely = free if everything else free[:usual]
    chosen: list[list[tuple[Channel, bool]]] = [[]]
    chosen += [[(channel, False)] for channel in free[:2]]
    chosen += [[(channel, False) for channel in free[:2]]]
    chosen += [[(free[0], True)]] if free else []
    chosen += [[(channel, False)] for channel in free[2:3]]
    chosen += [[(channel, False) for channel in free[:3]]]
    chosen += [[(channel, False) for channel in likely[:room]]]
    chosen += [[(free[0], False), (channel, False)] for channel in free[2:3]]
    chosen += [[(channel, True) for channel in free[:2]]]
    chosen += [[(channel, False)] for channel in free[3:6]]
    chosen += [[(channel, False) for channel in free[:n]] for n in range(4, len(likely))]
    chosen += [[(a, False), (b, False)] for n, a in enumerate(free[:6]) for b in free[n + 1 : 6]]
    chosen += [[(channel, True)] for channel in free[1:6]]
    chosen += [[(channel, True) for channel in likely[:room]]]
    chosen += [[(channel, False)] for channel in free[6:]]
    rows: dict[tuple[float, ...], None] = {}
    for uses in chosen:
        if len(uses) <= room:
            row = [0.0] * CHANNEL_SLOTS
            for channel, broad in [*((c, False) for c in must), *uses]:
                row[channel.slot] = channel.broad_coverage if broad else channel.typical_coverage
            rows[tuple(row)] = None
    return np.array(list(rows))
