"""The plots of `make bench`, as PNG files in benchmarks/results/plots; drawn from results, nothing is measured here.

Colours are those of Okabe and Ito, which colour-blind people can tell apart: ours is always the same blue.
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from onshelf_benchmarks.record import Document

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#888888"
LATENCIES = (("p50_ms", "median", BLUE), ("p95_ms", "95 %", ORANGE), ("p99_ms", "99 %", PINK))
HOLDERS = (  # of memory: key, label, colour
    ("gateway_peak_mb", "gateway", BLUE),
    ("triton_peak_mb", "Triton, all processes", GREEN),
    ("client_peak_mb", "client", PINK),
)


def plain(value: float, _: int = 0) -> str:
    """A number of an axis as people write it."""
    if value >= 1_000_000 and value % 100_000 == 0:
        return f"{value / 1e6:g} M"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _log(axis: Axes, of: str) -> None:
    """Make x, y or both logarithmic, with plain numbers."""
    for name, one in (("x", axis.xaxis), ("y", axis.yaxis)):
        if name in of:
            axis.set(**{f"{name}scale": "log"})
            one.set_major_formatter(FuncFormatter(plain))
            low, high = one.get_view_interval()
            one.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
            one.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.3, which="major")


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path


def sweep(name: str, found: Document, folder: Path) -> Path:
    """Latency and memory against the size, the first on logarithmic axes, beside linear growth."""
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = found["rows"]
    sizes = [row["size"] for row in rows]
    for axis, lines in ((left, LATENCIES), (right, HOLDERS)):
        for key, label, colour in lines:
            if all(key in row for row in rows):
                axis.plot(sizes, [row[key] for row in rows], "o-", color=colour, label=label)
    first = rows[0]["p50_ms"]
    left.plot(sizes, [first * size / sizes[0] for size in sizes], "--", color=GREY, label="linear growth")
    top = max(row[key] for row in rows for key in ("p50_ms", "p95_ms"))
    left.set_ylim(min(row["p50_ms"] for row in rows) / 1.6, 1.6 * top)
    left.set_ylabel("latency, ms")
    left.set_title(found["latency"], fontsize=10)
    _log(left, "xy")
    right.set_ylim(bottom=0)
    right.set_ylabel("highest resident set, MB")
    right.set_title("memory", fontsize=10)
    _log(right, "x")
    for axis in (left, right):
        axis.set_xlabel(found["of"])
        axis.legend(fontsize=8)
    return _save(figure, folder / f"sweep_{name}.png")


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
        _log(axis, "y")
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
    if result["peers"]:
        found.append(peers(result["peers"] | result["gateways"], folder))
    return found + [sweep(name, one, folder) for name, one in result["sweeps"].items() if one]
