"""What the doctor prints: each file, what is missing, what is lost, a summary to check, the verdict."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onshelf_exporter.doctor.columns import HIDDEN
from onshelf_exporter.doctor.diagnosis import Diagnosis, missing_capabilities
from onshelf_exporter.doctor.given import Given
from onshelf_exporter.doctor.judgement import Summary
from onshelf_exporter.doctor.losses import Loss

MONTHS = 36  # shown one by one; longer histories by year


def show_files(diagnosis: Diagnosis, console: Console) -> None:
    """Each table of files with its headers, and the files that hold none."""
    for frame, joined, notes in zip(diagnosis.frames, diagnosis.found.joined, diagnosis.notes, strict=True):
        reading = list(dict.fromkeys(note for file in joined.files for note in file.raw.notes))
        name = (
            joined.names[0]
            if len(joined.names) == 1
            else f"{len(joined.names)} files, united: {', '.join(joined.names)}"
        )
        table = _headers(f"{name}: {' and '.join(frame.tables)}, {frame.rows:,} rows", [*reading, *notes])
        for mapped in frame.mapped:
            hidden = not mapped.columns or bool(set(mapped.columns) & set(HIDDEN))
            read = f"{mapped.read:,} of {mapped.filled:,}" if mapped.columns else ""
            odd = f"not understood: {' | '.join(map(repr, mapped.odd))}" if mapped.odd and not hidden else ""
            remark = "; ".join(
                text for text in (mapped.remark, odd if "not understood" not in mapped.remark else "") if text
            )
            samples = "(not shown)" if hidden else " | ".join(mapped.samples)
            _row(table, mapped.header, ", ".join(mapped.columns) or "-", samples, read, remark)
        console.print(table)
    for file in diagnosis.found.files:
        if not file.tables:
            console.print(_unknown(file))


def _row(table: Table, *cells: str) -> None:
    """A row of texts as they are: a retailer's brackets are no markup."""
    table.add_row(*(Text(cell) for cell in cells))


def _headers(title: str, notes: list[str]) -> Table:
    table = Table(title=Text(title), title_justify="left", caption=Text("; ".join(notes)), caption_justify="left")
    for column in ("your header", "column", "samples", "read", "remark"):
        table.add_column(column, overflow="fold")
    return table


def _unknown(file: Given) -> Table:
    table = _headers(
        f"{file.name}: not understood as a table; say which it is with --table {file.name}=TABLE", file.raw.notes
    )
    for meaning in file.meant:
        _row(table, meaning.header, "-", "(not shown)", "", meaning.remark)
    return table


def show_missing(diagnosis: Diagnosis, console: Console) -> None:
    """Tables and columns that are not there."""
    table = Table(title="What is missing, and what it costs", title_justify="left")
    table.add_column("missing")
    table.add_column("what is lost", overflow="fold")
    for missing, lost in missing_capabilities(diagnosis):
        _row(table, missing, lost)
    console.print(table)


def show_losses(losses: list[Loss], title: str, console: Console) -> None:
    """What is left out, each with what it comes to."""
    if not losses:
        return
    table = Table(title=title, title_justify="left")
    for column in ("table", "what", "rows", "revenue", "users", "days", "samples"):
        table.add_column(column, overflow="fold", justify="right" if column in ("rows", "revenue", "users") else "left")
    for loss in losses:
        days = f"{loss.first} to {loss.last}" if loss.first else ""
        _row(
            table,
            loss.table,
            loss.what,
            f"{loss.rows:,}" if loss.rows else "",
            "" if loss.revenue is None else f"{loss.revenue:,.2f}",
            f"{loss.users:,}" if loss.users else "",
            days,
            " | ".join(loss.samples),
        )
    console.print(table)


def show_summary(summary: Summary, currency: str, console: Console) -> None:
    """What a merchant can check against what is known."""
    table = Table(title="Check this against what you know", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("how much", overflow="fold")
    days = (summary.last - summary.first).days + 1
    _row(table, "days", f"{summary.first} to {summary.last} ({days:,})")
    _row(table, "interactions", ", ".join(f"{kind} {rows:,}" for kind, rows in summary.kinds.items()))
    _row(table, "products", f"{summary.products:,}")
    _row(table, "users", f"{summary.users:,}")
    bought = summary.kinds.get("purchase", 0)
    if summary.without_user:
        share = summary.without_user / bought
        told = f"{summary.without_user:,} ({share:.0%}): they count for demand, and for no recommendation"
        _row(table, "purchases without a user", told)
    _row(table, "units bought", f"{summary.units:,.10g}")
    _row(table, "revenue", f"{summary.revenue:,.2f} {currency}".strip() if summary.priced else "not known")
    for month, revenue, units in _periods(summary.months):
        _row(table, f"  {month}", f"{revenue:,.2f} ({units:,.10g} units)" if summary.priced else f"{units:,.10g} units")
    if summary.promotions:
        _row(table, "promotions", f"{summary.promotions:,}")
    launched, whole = summary.launches
    _row(table, "launches", f"{launched:,}, {whole:,} of them with 8 whole weeks. {summary.launch_rule}")
    for warning in summary.warnings:
        _row(table, "warning", warning)
    for name, what, rows in summary.cleaned:
        _row(table, f"{name}, cleaned", f"{rows:,}: {what}")
    console.print(table)


def _periods(months: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    if len(months) <= MONTHS:
        return months
    years = sorted({month[:4] for month, _, _ in months})
    return [
        (
            year,
            sum(revenue for month, revenue, _ in months if month.startswith(year)),
            sum(units for month, _, units in months if month.startswith(year)),
        )
        for year in years
    ]
