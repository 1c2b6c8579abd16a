"""Stock, sites, prices by week and weeks on sale, as a merchandiser reads them."""

from collections.abc import Sequence

from onshelf import _results as r
from onshelf import _stock_results as results
from onshelf._cli import _words as w
from onshelf._cli._terminal import Column, Terminal, clean, table, wrap
from onshelf._enums import PricePhase

_PHASES = {
    PricePhase.LAUNCH_PROMOTION: "launch promotion",
    PricePhase.REGULAR: "list price",
    PricePhase.MARKDOWN: "markdown",
}
_SITES = 12  # listed by name


def stock_sentence(stock: results.StockAdvice) -> str:
    """What to stock, for how long and how surely."""
    chance = f"{w.percent(stock.critical_fractile)}{' (assumed)' if stock.critical_fractile_assumed else ''}"
    span = f"{stock.covers_weeks} weeks"
    if stock.limited_by_shelf_life:
        span = f"{w.counted(stock.covers_days, 'day')}, its shelf life,"
    return f"Stock {w.counted(stock.units, 'unit')}: enough for {span} with probability {chance}."


def site_lines(stock: results.StockAdvice | None, terminal: Terminal) -> list[str]:
    """The stock of each site; nothing where it is not spread over sites."""
    if stock is None or not stock.sites:
        return []
    parts = [f"{clean(site.site_id)} {site.units:,}" for site in stock.sites[:_SITES]]
    more = len(stock.sites) - _SITES
    parts += [f"and {more:,} more sites"] if more > 0 else []
    parts += [f"central {stock.central_units:,}"] if stock.central_units else []
    text = f"{', '.join(parts)}."
    if stock.raised_to_minimum:
        text += " The sites' least stock asks for more than demand does."
    return [_title("Where the stock goes", terminal), *(f"  {line}" for line in wrap(text, terminal.columns - 2))]


def price_lines(
    path: Sequence[results.PriceStep], response: results.PriceResponse | None, terminal: Terminal, of: str = ""
) -> list[str]:
    """Prices by week, weeks of one price together; nothing without a path."""
    if not path:
        return []
    rows = []
    for steps in _runs(path):
        first, last = steps[0], steps[-1]
        week = f"{first.week}" if first is last else f"{first.week}–{last.week}"
        rows.append(
            [
                week,
                w.day(first.week_start_date),
                _PHASES.get(first.phase, "other"),
                w.bare(first.price),
                w.percent(first.discount) if first.discount > 0 else "",
                w.count(sum(step.units for step in steps)),
                w.count(last.stock_left),
            ]
        )
    currency = path[0].price.currency if path[0].price is not None else ""
    columns = [Column("week"), Column("from"), Column("what"), Column(f"price {currency}", right=True)]
    columns += [Column("off", right=True), Column("units", right=True), Column("left after", right=True)]
    lines = [_title(f"Price by week{of}", terminal), *table(terminal, columns, rows)]
    if response is not None and response.basis:
        text = f"Elasticity {response.elasticity:.2f}: {w.sentence(response.basis)}"
        lines += [terminal.styled(terminal.plain(f"  {line}"), "dim") for line in wrap(text, terminal.columns - 2)]
    return lines


def _runs(path: Sequence[results.PriceStep]) -> list[list[results.PriceStep]]:
    runs: list[list[results.PriceStep]] = []
    for step in path:
        if runs and (runs[-1][0].phase, runs[-1][0].price) == (step.phase, step.price):
            runs[-1].append(step)
        else:
            runs.append([step])
    return runs


def update_sections(answer: r.UpdateForecastResult, title: str, terminal: Terminal) -> list[list[str]]:
    """What was sold, what will be, what to order, and which prices to ask."""
    seen, left = answer.weeks_observed, len(answer.weeks) - answer.weeks_observed
    head = f'"{clean(title)}" sold {w.counted(answer.units_observed, "unit")} in {w.counted(seen, "week")}. '
    low, high = (w.whole(answer.remaining.quantile(level)) for level in (0.1, 0.9))
    head += f"Expect {w.count(answer.remaining.mean)} more in the next {w.counted(left, 'week')} "
    head += f"(in at least 8 of 10 cases {low:,} to {high:,}), {w.count(answer.total.mean)} in all instead of the "
    head += f"{w.count(answer.prior.mean)} forecast; what was seen counts {w.percent(answer.evidence_weight)}."
    rows = [
        [
            str(week.week),
            w.day(week.week_start_date),
            "sold" if week.observed else "expected",
            w.count(week.units),
            w.count(week.planned_units),
        ]
        for week in answer.weeks
    ]
    columns = [Column("week"), Column("from"), Column(""), Column("units", right=True), Column("planned", right=True)]
    sections = [
        [terminal.styled(line, "bold") for line in wrap(head, terminal.columns)],
        table(terminal, columns, rows),
    ]
    if answer.reorder is not None:
        sections.append(wrap(_reorder_sentence(answer.reorder), terminal.columns))
    sections.append(price_lines(answer.price_path, answer.price_response, terminal, " from now on"))
    return [[terminal.plain(line) for line in lines] for lines in sections]


def _reorder_sentence(advice: results.ReorderAdvice) -> str:
    chance = f"{w.percent(advice.critical_fractile)}{' (assumed)' if advice.critical_fractile_assumed else ''}"
    what = f"Order {w.counted(advice.units, 'unit')}" if advice.units else "Order nothing"
    text = f"{what}: with the {advice.stock_units:,} there, enough for the next {w.counted(advice.covers_days, 'day')} "
    text += f"with probability {chance}; {w.count(advice.expected_units)} are expected to sell."
    arrival = w.day(advice.arrival_date)
    return f"{text} What is there lasts until {arrival} with probability {w.percent(advice.lasts_until_arrival)}."


def _title(text: str, terminal: Terminal) -> str:
    return terminal.styled(terminal.plain(text), "bold")
