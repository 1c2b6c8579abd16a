"""Why a plan: differences to neighbouring candidates, all of which were scored with it, and one sentence for people."""

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.planning.timing import label
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_release.channels import Channel

Floats = NDArray[np.float64]
MAX_EFFECTS = 16


@dataclass(frozen=True)
class ActionChange:
    """A neighbouring candidate: what differs, in words, which part of the action, and its row."""

    words: str
    field: str
    row: int


def channel_names(release: ModelRelease, coverage: Floats) -> list[str]:
    """The channels in use, for a sentence: those of one kind together."""
    used = [channel for channel in release.plannable if coverage[channel.slot] > 0]
    kinds = dict.fromkeys(channel.kind for channel in used)
    return [_of_one_kind(release, kind, [channel for channel in used if channel.kind == kind]) for kind in kinds]


def _of_one_kind(release: ModelRelease, kind: str, channels: list[Channel]) -> str:
    if len(channels) == 1:
        return release.channel_words[channels[0].slot]
    rests = [channel.name.partition(", ")[2] or channel.name for channel in channels]
    return f"{kind} ({', '.join(rests)})"


def _nearest(values: Floats, rows: NDArray[np.int64], at: float) -> list[int]:
    """Of rows, the one just below and the one just above `at`."""
    sides = (rows[values[rows] < at - 1e-9], rows[values[rows] > at + 1e-9])
    return [int(side[np.abs(values[side] - at).argmin()]) for side in sides if len(side)]


def neighbours(candidates: Candidates, row: int, release: ModelRelease) -> list[ActionChange]:
    """The candidates next to `row` in each part of the action."""
    currency = release.manifest.currency
    ordinal = candidates.ordinals
    days = _nearest(ordinal, np.flatnonzero(candidates.same_but(row, "day")), ordinal[row])
    changes = [ActionChange(_shift(int(ordinal[n] - ordinal[row])), "launch_date", n) for n in days]
    changes += _channel_changes(candidates, row, release)
    for n in _nearest(candidates.amounts, np.flatnonzero(candidates.same_but(row, "price")), candidates.amounts[row]):
        before, after = (money.text(candidates.prices[candidates.price[at]], currency) for at in (row, n))
        changes.append(ActionChange(f"price {after} instead of {before}", "list_price", n))
    for n in _nearest(
        candidates.discount, np.flatnonzero(candidates.same_but(row, "discount")), candidates.discount[row]
    ):
        before, after = f"{candidates.discount[row]:.0%}", f"{candidates.discount[n]:.0%}"
        changes.append(ActionChange(f"discount {after} instead of {before}", "discount", n))
    flipped = candidates.same_but(row, "coupon") & (candidates.coupon != candidates.coupon[row])
    for n in np.flatnonzero(flipped)[:1].tolist():
        changes.append(ActionChange("without the coupon" if candidates.coupon[row] else "with a coupon", "coupon", n))
    return changes[:MAX_EFFECTS]


def _shift(days: int) -> str:
    amount, side = abs(days), "later" if days > 0 else "earlier"
    if amount % 7 == 0:
        return f"{'one week' if amount == 7 else f'{amount // 7} weeks'} {side}"
    return f"{'one day' if amount == 1 else f'{amount} days'} {side}"


def _channel_changes(candidates: Candidates, row: int, release: ModelRelease) -> list[ActionChange]:
    sets, mine = candidates.sets, candidates.sets[candidates.channel_set[row]]
    rows = np.flatnonzero(candidates.same_but(row, "channel_set"))
    by_width = rows[np.argsort(sets.sum(axis=1)[candidates.channel_set[rows]], kind="stable")]
    row_of = dict(zip(candidates.channel_set[by_width].tolist(), by_width.tolist(), strict=True))
    changed = np.abs(sets - mine) > 1e-9
    single, slots = changed.sum(axis=1) == 1, changed.argmax(axis=1)
    seen: set[int] = set()
    used = mine > 0
    without: list[ActionChange] = []
    more: list[ActionChange] = []
    wider: list[ActionChange] = []
    names = release.channel_words
    for number, at in row_of.items():
        if not single[number]:
            continue
        slot = int(slots[number])
        name = names.get(slot, f"channel {slot}")
        if used[slot] and sets[number][slot] == 0:
            without.append(ActionChange(f"without {name}", "channels", at))
        elif not used[slot]:
            if slot in seen:  # once is enough; the narrowest coverage comes first
                continue
            seen.add(slot)
            more.append(ActionChange(f"with {name} too", "channels", at))
        else:
            wider.append(
                ActionChange(f"{name} at {sets[number][slot]:.0%} of sites instead of {mine[slot]:.0%}", "channels", at)
            )
    return [*without, *more[:3], *wider[:2]]


def listed(names: list[str]) -> str:
    """Names as people list them: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def action_words(candidates: Candidates, row: int, release: ModelRelease) -> str:
    """The action as a phrase: price, channels, promotion."""
    names = channel_names(release, candidates.sets[candidates.channel_set[row]])
    price = money.text(candidates.prices[candidates.price[row]], release.manifest.currency)
    words = f"at {price}"
    words += f" with {listed(names)}" if names else " without promotion channels"
    if candidates.discount[row] > 0:
        words += f", {candidates.discount[row]:.0%} off for two weeks"
    if candidates.coupon[row]:
        words += ", with a coupon"
    return words


def summary(
    candidates: Candidates,
    row: int,
    release: ModelRelease,
    weeks: int,
    mean: float,
    band: tuple[float, float],
    stock: int,
) -> str:
    """One sentence: what to do, what to expect, what to stock."""
    day: dt.date = candidates.days[candidates.day[row]]
    low, high = (f"{math.ceil(value - 1e-9):,}" for value in band)
    units = _count(mean)
    return (
        f"Launch in the week of {label(day)} {action_words(candidates, row, release)}: "
        f"about {units} {'unit' if units == '1' else 'units'} in {weeks} weeks (80 % between {low} and {high}); "
        f"stock {stock:,}."
    )


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")
