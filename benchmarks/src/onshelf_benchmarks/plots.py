"""The plots of `make bench`, as PNG files in benchmarks/results/plots; drawn from results, nothing is measured here.

Colours are those of Okabe and Ito, which colour-blind people can tell apart: ours is always the same blue.
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from onshelf_benchmarks.record import Document

BLUE, ORANGE, PINK, GREY = "#0072B2", "#E69F00", "#CC79A7", "#888888"
LATENCIES = (("p50_ms", "median", BLUE), ("p95_ms", "95 %", ORANGE), ("p99_ms", "99 %", PINK))


def _log(axis: Axes) -> None:
    """Make y logarithmic, with plain numbers."""
    axis.set(yscale="log")
    low, high = axis.yaxis.get_view_interval()
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.3, which="major")


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path


def latency(part: Document, folder: Path) -> Path:
    """Latency of PlanLaunch against the rate, closed and open loop."""
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, kind in zip(axes, ("closed loop", "open loop"), strict=True):
        rows = sorted(
            (row for row in part["rows"] if row["load"].startswith(kind)),
            key=lambda row: float(row["plans_per_second"]),
        )
        rates = [row["plans_per_second"] for row in rows]
        for key, label, colour in LATENCIES:
            axis.plot(rates, [row[key] for row in rows], "o-", color=colour, label=label)
        for row in rows:
            mark = f"{row['callers']} at once" if "callers" in row else f"{row['share']:.0%}"
            place = (row["plans_per_second"], row["p50_ms"])
            axis.annotate(mark, place, (8, -6), textcoords="offset points", fontsize=7)  # beside the lines, which rise
        axis.set_xlim(0, 1.25 * max(rates))
        axis.set_xlabel("plans a second")
        _log(axis)
        axis.legend(fontsize=8)
        axis.set_ylim(bottom=0.7 * min(row["p50_ms"] for row in part["rows"]))
    axes[0].set_ylabel("latency, ms")
    axes[0].set_title(f"PlanLaunch, {part['candidates']:,} candidates, closed loop", fontsize=10)
    axes[1].set_title("open loop: Poisson arrivals, from the planned arrival", fontsize=10)
    return _save(figure, folder / "latency.png")


def peers(found: Document, folder: Path) -> Path:
    """Servers of the same BERT: texts a second, and the 99 % latency, at the same number of callers."""
    rows = sorted(found.items(), key=lambda pair: float(pair[1]["rps"]))
    names = [name for name, _ in rows]
    colours = [BLUE if name.startswith("ours") else GREY for name in names]
    figure = Figure(figsize=(9.5, 0.9 + 0.34 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, key, label in ((left, "rps", "texts a second"), (right, "p99_ms", "99 % latency, ms")):
        bars = axis.barh(names, [row[key] for _, row in rows], color=colours)
        axis.bar_label(bars, fmt="{:,.0f}", fontsize=8, padding=2)
        axis.margins(x=0.14)
        axis.set_xlabel(label)
    figure.suptitle("the same BERT, one text a request, 16 callers", fontsize=10)
    return _save(figure, folder / "peers.png")


def draw(result: Document, folder: Path) -> list[Path]:
    """All plots of a result, those of parts that were not measured left out."""
    found = []
    if part := result["parts"].get("latency"):
        found.append(latency(part, folder))
    if part := result["parts"].get("peers"):
        found.append(peers(part["peers"] | part["gateways"], folder))
    return found
