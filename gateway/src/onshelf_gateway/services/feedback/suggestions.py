"""What to change of a launch now: stock, price, promotion and audience, each with its effect in units and money.

Every change is valued alone, over the demand that the weeks so far leave for the others (`launch_course.remaining`),
with sales limited by the stock that is there. What a forecast says of a change is a ratio, so it scales with that
demand. Effects of price and promotion are associations in the history, which `basis` says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import feedback_pb2, launch_pb2
from onshelf_gateway.planning.forecasts import nb_quantile
from onshelf_gateway.planning.prices import LEVELS, PROMOTED_WEEKS, demand_levels
from onshelf_gateway.planning.stock import rounded_up
from onshelf_gateway.requests import money
from onshelf_gateway.services.feedback.changes import Changes
from onshelf_gateway.services.feedback.get_scoreboard import wilson
from onshelf_gateway.services.feedback.launch_course import Course, Launch, band, remaining, stock_end
from onshelf_gateway.services.launch.update_forecast import Remaining
from onshelf_release.life_cycle import DAYS, WEEKS

F, L = feedback_pb2, launch_pb2
Floats = NDArray[np.float64]
DEMAND_LEVELS = (np.arange(199) + 0.5) / 199  # of demand, to take means over
HIGHER = ("1.1", "1.2")  # list prices where the stock does not last
LEAST_GAIN = 0.01  # of the revenue that remains: what brings less is not worth a change
LEAST_REACHED = 30  # users, to say something of an audience
ASSOCIATION = "an association in the history, not an identified cause: test it"


@dataclass(frozen=True)
class Reached:
    """Users who were shown the product by an answer, of them those who bought; all buyers, and all users."""

    users: int
    bought: int
    buyers: int
    population: int


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a launch stands now.

    Attributes:
        left: units of the stock; None where none was advised. price: that a unit brings so far. list_price: its own.
        unit_cost: None where not known. worth: of a unit that is left in the end, None likewise.
    """

    launch: Launch
    course: Course
    rest: Remaining
    left: float | None
    price: float
    list_price: float
    unit_cost: float | None
    worth: float | None
    currency: str

    @cached_property
    def demand(self) -> Floats:
        """Units wanted until the end, at `DEMAND_LEVELS`."""
        after, count = self.rest.after, len(DEMAND_LEVELS)
        return nb_quantile(DEMAND_LEVELS, np.full(count, after.mean), np.full(count, after.size))

    def sold(self, factor: float = 1.0, more: float = 0.0) -> float:
        """Units sold until the end, expected, of `factor` times the demand and with `more` stock."""
        demand = factor * self.demand
        return float((demand if self.left is None else np.minimum(demand, self.left + more)).mean())

    def suggestion(
        self, field: str, change: str, units: float, revenue: float, cost: float | None, basis: str
    ) -> F.LaunchSuggestion:
        """The message. cost: of the change itself; None where it has none, or it is not stated."""
        each = self.unit_cost if field == "stock" else self.worth
        gain = revenue - (cost or 0.0) - (each or 0.0) * units
        found = F.LaunchSuggestion(
            field=field,
            change=change,
            units_difference=units,
            revenue_difference=money.to_money(revenue, self.currency),
            gain=money.to_money(gain, self.currency),
            basis=basis,
        )
        if cost is not None:
            found.cost_difference.CopyFrom(money.to_money(cost, self.currency))
        return found


def position(launch: Launch, course: Course, unit_cost: float | None, worth: float | None) -> Position | None:
    """Where a launch stands; None before its first complete week, and when its weeks are over."""
    rest = remaining(launch, course)
    if rest is None:
        return None
    left, _ = stock_end(launch, course, rest)
    listed = float(money.to_decimal(launch.plan.action.list_price))
    return Position(
        launch=launch,
        course=course,
        rest=rest,
        left=left,
        price=course.paid / course.paid_units if course.paid_units > 0 else listed,
        list_price=listed,
        unit_cost=unit_cost,
        worth=worth,
        currency=launch.release.manifest.currency,
    )


def suggestions(now: Position, changes: Changes | None, reached: Reached | None) -> list[F.LaunchSuggestion]:
    """All that pay, best first. `changes` None: models are not asked, or do not answer."""
    least = LEAST_GAIN * now.sold() * now.price
    found = list(_restock(now))
    if changes is not None:
        found += [*_markdowns(now, changes), *_higher_price(now, changes)]
        found += [*_channels(now, changes), *_discounts(now, changes)]
    if reached is not None:
        found += _audience(now, reached)
    paying = [one for one in found if money.to_decimal(one.gain) > (0 if one.field == "stock" else Decimal(least))]
    return sorted(paying, key=lambda one: -money.to_decimal(one.gain))


def _restock(now: Position) -> Iterator[F.LaunchSuggestion]:
    """Order up to the plan's own critical fractile of what remains: the mean of the sales that are lost otherwise."""
    if now.left is None:
        return
    wanted = now.rest.quantile(now.launch.plan.stock.critical_fractile)
    order = float(rounded_up(max(0.0, wanted - now.left), 1))
    if order > 0:
        saved = now.sold(more=order) - now.sold()
        yield now.suggestion(
            "stock",
            f"order {order:,.0f} more units",
            saved,
            saved * now.price,
            None,
            "the sales that the stock would lose otherwise, were the order there at once",
        )


def _markdowns(now: Position, changes: Changes) -> Iterator[F.LaunchSuggestion]:
    """The prices of the weeks that remain, as UpdateForecast has them, where they fall."""
    if now.left is None:
        return
    weekly = now.rest.weekly()
    levels = demand_levels(np.array([now.rest.quantile(level) for level in LEVELS]))
    steps, elasticity = changes.scored.price_path(0, weekly, levels, now.rest.seen + 1, float(now.left))
    lower = [step for step in steps if step.phase == L.PRICE_PHASE_MARKDOWN]
    if not lower:
        return
    total = np.minimum(levels[:, None] * np.cumsum(weekly), now.left).mean(axis=0)
    level = np.diff(total, prepend=0.0)
    asked = np.array([float(money.to_decimal(step.price)) for step in steps])
    usual = np.where([step.phase == L.PRICE_PHASE_MARKDOWN for step in steps], now.list_price, asked)
    units = np.array([step.units for step in steps])
    first, last = (_shown(money.to_decimal(step.price), now.currency) for step in (lower[0], lower[-1]))
    fall = "" if last == first else f", falling to {last}"
    yield now.suggestion(
        "markdown",
        f"ask {first} {now.currency} from week {lower[0].week} on{fall}",
        float(units.sum() - level.sum()),
        float(units @ asked - level @ usual),
        None,
        f"an elasticity of {elasticity.elasticity:.2f}; {elasticity.basis}",
    )


def _higher_price(now: Position, changes: Changes) -> Iterator[F.LaunchSuggestion]:
    """A higher list price, where the stock does not last and the launch's discount has ended."""
    if stock_end(now.launch, now.course, now.rest)[1] is None or now.rest.seen < PROMOTED_WEEKS:
        return
    elasticity = changes.scored.elasticities.of(0)
    if elasticity.prices < 2:
        return
    limits, usual = changes.constraints, Decimal(str(now.list_price))
    found = []
    for step in HIGHER:
        price = money.price_like(usual * Decimal(step), usual, now.currency)
        if limits is not None and (price > (limits.max_price or usual * Decimal("1.2")) or limits.prices):
            continue
        units = now.sold(float(price / usual) ** -elasticity.used)
        found.append((units * float(price) - now.sold() * now.list_price, price, units - now.sold()))
    if found:
        gain, price, units = max(found)
        asked = " instead of ".join(_shown(one, now.currency) for one in (price, usual))
        yield now.suggestion(
            "list_price",
            f"ask {asked} {now.currency}: the stock does not last",
            units,
            gain,
            None,
            f"an elasticity of {elasticity.used:.2f}, {ASSOCIATION}",
        )


def _channels(now: Position, changes: Changes) -> Iterator[F.LaunchSuggestion]:
    """One channel more for the weeks that remain."""
    economics = changes.scored.economics
    for row, channel in changes.channels:
        sold = now.sold(1.0 + changes.lift(row))
        more = sold - now.sold()
        stated = channel.slot in changes.costs.fixed
        cost = float(economics.upfront[row] - economics.upfront[0])
        cost += float(economics.per_unit[row]) * sold - float(economics.per_unit[0]) * now.sold()
        yield now.suggestion(
            "channels",
            f"add {channel.name or channel.channel_id} at a coverage of {channel.typical_coverage:.0%}",
            more,
            more * now.price,
            cost if stated else None,
            f"forecasts differ by {changes.lift(row):+.0%} with this channel, {ASSOCIATION}"
            + ("" if stated else "; its cost is not stated"),
        )


def _discounts(now: Position, changes: Changes) -> Iterator[F.LaunchSuggestion]:
    """A discount for the next two weeks; it is given on all that they sell."""
    share = now.rest.part(PROMOTED_WEEKS * DAYS)
    for row, depth in changes.discounts:
        sold = now.sold(1.0 + changes.lift(row))
        given = depth * now.list_price * share * sold
        yield now.suggestion(
            "discount",
            f"take {depth:.0%} off for two weeks",
            sold - now.sold(),
            (sold - now.sold()) * now.price - given,
            None,
            f"forecasts differ by {changes.lift(row):+.0%} with a discount at the launch, taken for one now; "
            f"{ASSOCIATION}",
        )


def _audience(now: Position, reached: Reached) -> Iterator[F.LaunchSuggestion]:
    """Reach more users where the launch sells little although those reached buy; choose anew where they do not."""
    others = reached.population - reached.users
    if reached.users < LEAST_REACHED or others <= 0 or now.rest.seen >= WEEKS:
        return
    usual = (reached.buyers - reached.bought) / others
    low, high = wilson(reached.bought, reached.users)
    seen = float(now.rest.shares[: now.rest.seen].sum())
    ahead = min(1.0, (1.0 - seen) / max(seen, 1e-9)) * _units_a_buyer(now, reached)
    if low > usual and _below_band(now):
        count, each = min(reached.users, others), low - usual
        change = f"show it to {count:,} users more, as many again"
        why = f"at least {low:.1%} of those reached bought, {usual:.1%} of the others (95 % interval)"
    elif high < usual:
        count, each = reached.users, usual - high
        change = f"choose the {count:,} users of the audience anew"
        why = f"at most {high:.1%} of those reached bought, {usual:.1%} of the others (95 % interval)"
    else:
        return
    more = now.sold(1.0 + count * each * ahead / max(now.rest.after.mean, 1e-9)) - now.sold()
    why += "; users were not reached at random, so it need not be the audience"
    yield now.suggestion("audience", change, more, more * now.price, None, why)


def _shown(price: Decimal, currency: str) -> str:
    return str(price.quantize(money.minor_unit(currency)))


def _units_a_buyer(now: Position, reached: Reached) -> float:
    return max(1.0, float(now.course.units.sum()) / max(1, reached.buyers))


def _below_band(now: Position) -> bool:
    seen = now.rest.seen
    low, _ = band(float(now.launch.weekly[:seen].sum()), now.launch.size)
    return float(now.course.units[:seen].sum()) < low
