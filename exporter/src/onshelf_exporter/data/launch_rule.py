"""Which products are launches, and since when: the rule of a dataset, and what it says of each product."""

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ibis
import ibis.expr.types as ir

from onshelf_exporter.data.engine import MONEY, exact_sum
from onshelf_exporter.data.weeks import week_column
from onshelf_exporter.process.errors import SettingError
from onshelf_release.calendar import RetailCalendar

STRAY_WEEKS = 2  # selling weeks before a silence that may be stray
STRAY_SHARE = 0.05  # of a product's units that they may hold
STRAY_SILENCE = 8  # weeks, as long as an outcome: one that dates from a stray sale would hold that sale alone
STRAY_CHANCE = 0.01  # chance of so long a silence, at the rate at which the product sells afterwards
STEADY_WEEKS = 4  # selling weeks afterwards, from which that rate is known
DATES = ("stated_or_first", "stated", "first")


def launch_parts(pairs: Sequence[str]) -> dict[str, Any]:
    """Parts of the rule from texts `NAME=VALUE`: values are JSON where they can be read as such, else text.

    Raises:
        SettingError: a pair without a sign, or a name that comes twice.
    """
    parts: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise SettingError("--launches", pair, "must be NAME=VALUE, such as burn_in_weeks=12")
        if name in parts:
            raise SettingError("--launches", pair, f"{name} is given twice")
        try:
            parts[name] = json.loads(value)
        except ValueError:
            parts[name] = value
    return parts


@dataclass(frozen=True, kw_only=True)
class LaunchRule:
    """What counts as a launch in one dataset; each part may be set (`shop.json`, `--launches`).

    Attributes:
        dates: "stated_or_first": a product's stated launch date, or where it has none its first appearance (sale or
            promotion) after the burn-in; "stated": products without a stated date are no launches; "first": stated
            dates do not count.
        burn_in_weeks: whole weeks at the beginning of the data in which a first appearance tells nothing; None = as
            many as the curve of first appearances asks for.
        least_units: units that a launch has sold from its week on; 0 keeps launches that never sold. More than 0
            chooses by the outcome: forecasts are then of launches that sell so much.
        first_id: smallest product id of a launch, by number where it is a number, else by text; None = any.
        last_id: largest product id of a launch.
        skip_stray_sales: whether a few sales long before a product is sold steadily do not date its launch.
        text: the rule in words, for `dataset.json`; "" = as `in_words` puts it.
    """

    dates: str = "stated_or_first"
    burn_in_weeks: int | None = None
    least_units: float = 0.0
    first_id: int | str | None = None
    last_id: int | str | None = None
    skip_stray_sales: bool = True
    text: str = ""

    def changed(self, given: Mapping[str, object], where: str) -> "LaunchRule":
        """The rule with some parts set.

        Args:
            given: parts by name, as read from JSON.
            where: what set them, for messages.

        Raises:
            SettingError: an unknown part or a bad value.
        """
        checks: dict[str, tuple[Callable[[Any], bool], str]] = {
            "dates": (lambda v: v in DATES, f"one of {', '.join(DATES)}"),
            "burn_in_weeks": (
                lambda v: v is None or (_whole(v) and 0 <= v < 10_000),
                "whole weeks, 0 or more",
            ),
            "least_units": (lambda v: _whole(v) and v >= 0, "whole units, 0 or more"),
            "first_id": (_is_id, "a product id, a number or a text"),
            "last_id": (_is_id, "a product id, a number or a text"),
            "skip_stray_sales": (lambda v: isinstance(v, bool), "true or false"),
        }
        for name, value in given.items():
            if name not in checks:
                raise SettingError(f"{where}: {name}", value, f"known are {', '.join(checks)}")
            valid, rule = checks[name]
            if not valid(value):
                raise SettingError(f"{where}: {name}", value, f"must be {rule}")
        if not given:
            return self
        parts: dict[str, Any] = {**given, "text": ""}
        if parts.get("burn_in_weeks") is not None:
            parts["burn_in_weeks"] = int(parts["burn_in_weeks"])
        result = replace(self, **parts)
        bounds = {type(value) for value in (result.first_id, result.last_id) if value is not None}
        if len(bounds) > 1:
            raise SettingError(f"{where}: last_id", result.last_id, "must be of the kind that first_id is of")
        return result

    def in_words(self, burn_in: int, stated: int) -> str:
        """The rule in words.

        Args:
            burn_in: number of the last week in which a first appearance tells nothing.
            stated: products that state a launch date.
        """
        if self.text:
            return self.text
        appearance = (
            f"first appearance (sale or promotion) after the first {burn_in} weeks, in which a first appearance tells "
            "nothing"
        )
        if self.dates == "stated":
            parts = [f"A launch is at its stated date ({stated:,} products state one); other products are no launches."]
        elif self.dates == "stated_or_first" and stated:
            parts = [
                f"A launch is at its stated date ({stated:,} products state one); of the other products, {appearance}."
            ]
        else:
            parts = [f"A launch is a product's {appearance}."]
        if self.skip_stray_sales and self.dates != "stated":
            parts.append("A few sales long before a product sells steadily do not date it.")
        if self.least_units:
            parts.append(f"It has sold at least {self.least_units:g} units.")
        if self.first_id is not None or self.last_id is not None:
            bounds = [f"from {self.first_id}" if self.first_id is not None else ""]
            bounds += [f"to {self.last_id}" if self.last_id is not None else ""]
            parts.append(f"Its id is {' '.join(filter(None, bounds))}.")
        return " ".join(parts)


def _whole(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) and value == int(value)


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, int | str) and not isinstance(value, bool) and value != "")


@dataclass(frozen=True)
class Seen:
    """What launches are dated from.

    Attributes:
        first_week: first week of the data.
        last_week: last whole week of the data.
        first_day: first day of the data.
        burn_in: number of the last week in which a first appearance tells nothing.
    """

    first_week: int
    last_week: int
    first_day: dt.date
    burn_in: int


def launch_weeks(
    products: ir.Table,
    product_weeks: ir.Table,
    promotion_weeks: ir.Table,
    rule: LaunchRule,
    calendar: RetailCalendar,
    seen: Seen,
) -> ir.Table:
    """First appearances and launches.

    Returns:
        One row per product: product_index, first_week (first sale or promotion, null if never), first_promotion_week,
        launch_week (null if the product is no launch), stray (whether early sales were passed over to date it).
    """
    sold = sustained_start(product_weeks)
    promoted = promotion_weeks.group_by("product_index").agg(first_promotion_week=lambda t: t.week.min())
    table = products.left_join(sold, "product_index").drop("product_index_right")
    table = table.left_join(promoted, "product_index").drop("product_index_right")
    nothing = ibis.null("int32")
    start = table.sustained if rule.skip_stray_sales else table.first_sale
    table = table.mutate(
        first_week=ibis.least(table.first_sale, table.first_promotion_week),
        appeared=ibis.least(start, table.first_promotion_week),
    )
    appeared = ibis.ifelse(table.appeared > seen.burn_in, table.appeared, nothing)
    inside = (table.launch_date >= ibis.date(seen.first_day)) & (
        table.launch_date < ibis.date(calendar.first_day(seen.last_week + 1))
    )
    stated = ibis.ifelse(inside, week_column(calendar, table.launch_date), nothing)
    launch = {
        "stated_or_first": ibis.ifelse(table.launch_date.isnull(), appeared, stated),
        "stated": stated,
        "first": appeared,
    }[rule.dates]
    launch = ibis.ifelse(_within(table.product_id, rule), launch, nothing)
    table = table.mutate(launch_week=launch.cast("int32"))
    if rule.least_units:
        life = table.select("product_index", "launch_week").inner_join(product_weeks, "product_index")
        life = life.filter(life.week >= life.launch_week)
        units = life.group_by("product_index").agg(life_units=exact_sum(life.units))
        table = table.left_join(units, "product_index").drop("product_index_right")
        enough = table.life_units.fill_null(0.0) >= rule.least_units
        table = table.mutate(launch_week=ibis.ifelse(enough, table.launch_week, nothing))
    stray = table.launch_date.isnull() if rule.dates == "stated_or_first" else ibis.literal(rule.dates == "first")
    return table.select(
        "product_index",
        "first_week",
        "first_promotion_week",
        "launch_week",
        stray=(stray & (table.launch_week > table.first_week)).fill_null(False),
    )


def sustained_start(product_weeks: ir.Table) -> ir.Table:
    """Where each product's sales begin.

    Returns:
        product_index, first_sale (its first week with a sale), sustained (the first week of sustained sales: that
        after the last stray one, else the first). A week is stray if it is one of the first STRAY_WEEKS, holds with
        those before it at most STRAY_SHARE of the units, and a silence of at least STRAY_SILENCE weeks follows that is
        too long (STRAY_CHANCE) for how often the product sells afterwards.
    """
    mine = ibis.window(group_by="product_index", order_by="week")
    so_far = ibis.cumulative_window(group_by="product_index", order_by="week")
    whole = ibis.window(group_by="product_index")
    weeks = product_weeks.select("product_index", "week", units=product_weeks.units.cast(MONEY))
    weeks = weeks.mutate(
        place=ibis.row_number().over(mine) + 1,
        following=weeks.week.lead().over(mine),
        sold=weeks.units.sum().over(so_far),
        total=weeks.units.sum().over(whole),
        selling=weeks.count().over(whole),
        last=weeks.week.max().over(whole),
    )
    after = weeks.selling - weeks.place
    rate = after.cast("float64") / (weeks.last - weeks.following + 1)
    silence = weeks.following - weeks.week - 1
    stray = (
        (weeks.place <= STRAY_WEEKS)
        & (after >= STEADY_WEEKS)
        & (silence >= STRAY_SILENCE)
        & (weeks.sold.cast("float64") <= STRAY_SHARE * weeks.total.cast("float64"))
        & ((1.0 - rate) ** silence.cast("float64") < STRAY_CHANCE)
    )
    start = weeks.mutate(start=ibis.ifelse(stray, weeks.following, ibis.null("int32")))
    found = start.group_by("product_index").agg(first_sale=start.week.min(), later=start.start.max())
    return found.select(
        "product_index",
        first_sale=found.first_sale.cast("int32"),
        sustained=ibis.coalesce(found.later, found.first_sale).cast("int32"),
    )


def _within(product_id: ir.Value, rule: LaunchRule) -> ir.Value:
    """Whether ids lie within the rule's bounds; one that is no number lies beyond bounds that are."""
    inside = ibis.literal(True)
    for bound, beyond in ((rule.first_id, "below"), (rule.last_id, "above")):
        if bound is None:
            continue
        value = product_id.try_cast("int64") if isinstance(bound, int) else product_id
        inside = inside & ((value >= bound) if beyond == "below" else (value <= bound))
    return inside.fill_null(False)
