"""What the service answers about stock and prices: units to have, to order and to send to sites, and prices by week."""

import dataclasses
from datetime import date

from onshelf._enums import PricePhase
from onshelf._money import Money


@dataclasses.dataclass(frozen=True, kw_only=True)
class SiteStock:
    """The part of the stock that one site gets."""

    site_id: str
    units: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class StockAdvice:
    """Units to have on the first day: the smallest number that covers demand with probability critical_fractile.

    The units of sites and central_units add up to units. raised_to_minimum: the sites' least stock asks for more than
    demand does.
    """

    units: int = 0
    critical_fractile: float = 0.0
    critical_fractile_assumed: bool = False
    covers_weeks: int = 0
    covers_days: int = 0
    expected_units: float = 0.0
    limited_by_shelf_life: bool = False
    raised_to_minimum: bool = False
    sites: tuple[SiteStock, ...] = ()
    central_units: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PriceStep:
    """The price of one week on sale, with the units expected to sell at it and to be left after it."""

    week: int
    week_start_date: date
    phase: PricePhase = PricePhase.UNKNOWN
    discount: float = 0.0
    price: Money | None = None
    units: float = 0.0
    stock_left: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PriceResponse:
    """How units follow the price: the elasticity that was used, and what it rests on. An association, not a cause."""

    elasticity: float = 0.0
    plan_elasticity: float = 0.0
    category_elasticity: float = 0.0
    weight: float = 0.0
    basis: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeekForecast:
    """One week of a launch: what was sold or is expected now, and what was planned."""

    week: int
    week_start_date: date
    observed: bool = False
    units: float = 0.0
    planned_units: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReorderAdvice:
    """Units to order after the first weeks, on top of stock_units, and until when they last."""

    units: int = 0
    stock_units: int = 0
    critical_fractile: float = 0.0
    critical_fractile_assumed: bool = False
    arrival_date: date | None = None
    covers_days: int = 0
    expected_units: float = 0.0
    lasts_until_arrival: float = 0.0
