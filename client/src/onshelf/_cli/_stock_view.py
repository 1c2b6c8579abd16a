"""Stock, sites, prices by week and weeks on sale, as a merchandiser reads them."""

import itertools
from collections.abc import Sequence

from rich.console import RenderableType

from onshelf import _results as r
from onshelf import _stock_results as results
from onshelf._cli import _words as w
from onshelf._cli._terminal import Section, bold, clean, hanging, table
from onshelf._enums import PricePhase

_PHASES = {
    PricePhase.LAUNCH_PROMOTION: "launch promotion",
    PricePhase.REGULAR: "list price",
    PricePhase.MARKDOWN: "markdown",
}
_SITES = 12  # listed by name


def stock_sentence(stock: results.StockAdvice) -> str:
    """What to stock, for how long and how surely."""
    span = f"{stock.covers_weeks} weeks"
    if stock.limited_by_shelf_life:
        span = f"{w.counted(stock.covers_days, 'day')}, its shelf life,"
    return f"Stock {w.counted(stock.units, 'unit')}: enough for {span} with probability {_chance(stock)}."


def _chance(advice: results.StockAdvice | results.ReorderAdvice) -> str:
    return f"{w.percent(advice.critical_fractile)}{' (assumed)' if advice.critical_fractile_assumed else ''}"


def site_section(stock: results.StockAdvice | None) -> Section:
    """The stock of each site; nothing where it is not spread over sites."""
    if stock is None or not stock.sites:
        return []
    parts = [f"{clean(site.site_id)} {site.units:,}" for site in stock.sites[:_SITES]]
    more = len(stock.sites) - _SITES
    parts += [f"and {more:,} more sites"] if more > 0 else []
    parts += [f"central {stock.central_units:,}"] if stock.central_units else []
    raised = " The sites' least stock asks for more than demand does." if stock.raised_to_minimum else ""
    return [bold("Where the stock goes"), hanging(f"{', '.join(parts)}.{raised}")]


def price_section(path: Sequence[results.PriceStep], response: results.PriceResponse | None, of: str = "") -> Section:
    """Prices by week, weeks of one price together; nothing without a path."""
    if not path:
        return []
    rows: list[list[RenderableType]] = []
    for _, grouped in itertools.groupby(path, key=lambda step: (step.phase, step.price)):
        steps = list(grouped)
        first, last = steps[0], steps[-1]
        rows.append(
            [
                f"{first.week}" if first is last else f"{first.week}–{last.week}",
                w.day(first.week_start_date),
                _PHASES.get(first.phase, "other"),
                w.bare(first.price),
                w.percent(first.discount) if first.discount > 0 else "",
                w.count(sum(step.units for step in steps)),
                w.count(last.stock_left),
            ]
        )
    currency = path[0].price.currency if path[0].price is not None else ""
    headers = ["week", "from", "what", f">price {currency}", ">off", ">units", ">left after"]
    lines: list[RenderableType] = [bold(f"Price by week{of}"), table(headers, rows)]
    if response is not None and response.basis:
        lines.append(hanging(f"Elasticity {response.elasticity:.2f}: {w.sentence(response.basis)}", "dim"))
    return lines


def update_sections(answer: r.UpdateForecastResult, title: str) -> list[Section]:
    """What was sold, what will be, what to order, and which prices to ask."""
    seen, left = answer.weeks_observed, len(answer.weeks) - answer.weeks_observed
    low, high = (w.whole(answer.remaining.quantile(level)) for level in (0.1, 0.9))
    head = f'"{clean(title)}" sold {w.counted(answer.units_observed, "unit")} in {w.counted(seen, "week")}. '
    head += f"Expect {w.count(answer.remaining.mean)} more in the next {w.counted(left, 'week')} "
    head += f"(in at least 8 of 10 cases {low:,} to {high:,}), {w.count(answer.total.mean)} in all instead of the "
    head += f"{w.count(answer.prior.mean)} forecast; what was seen counts {w.percent(answer.evidence_weight)}."
    rows: list[list[RenderableType]] = [
        [
            str(week.week),
            w.day(week.week_start_date),
            "sold" if week.observed else "expected",
            w.count(week.units),
            w.count(week.planned_units),
        ]
        for week in answer.weeks
    ]
    return [
        [bold(head)],
        [table(["week", "from", "", ">units", ">planned"], rows)] if rows else [],
        [_reorder_sentence(answer.reorder)] if answer.reorder is not None else [],
        price_section(answer.price_path, answer.price_response, " from now on"),
    ]


def _reorder_sentence(advice: results.ReorderAdvice) -> str:
    what = f"Order {w.counted(advice.units, 'unit')}" if advice.units else "Order nothing"
    text = f"{what}: with the {advice.stock_units:,} there, enough for the next {w.counted(advice.covers_days, 'day')} "
    text += f"with probability {_chance(advice)}; {w.count(advice.expected_units)} are expected to sell."
    arrival = w.day(advice.arrival_date)
    return f"{text} What is there lasts until {arrival} with probability {w.percent(advice.lasts_until_arrival)}."
