"""The plots of the report, as SVG files below reports/plots.

Colours are those of Okabe and Ito, which colour-blind people can tell apart: ours is always the same blue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from onshelf_research.baselines.forecast import Floats, Forecast
from onshelf_research.data.dataset import LaunchRows
from onshelf_research.evaluation import tables
from onshelf_research.evaluation.tables import OURS
from onshelf_research.report.cells import label

BLUE, ORANGE, GREEN, PINK, SKY, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
GREY = "#888888"
RIVALS = (ORANGE, GREEN, PINK, SKY, RED)
BINS = 10


@dataclass(frozen=True)
class Plot:
    """One plot of the report: its file below the report's folder, and what it shows."""

    file: str
    caption: str


def save(figure: Figure, folder: Path, name: str, caption: str) -> Plot:
    """Write a figure as reports/plots/<name>.svg; the same figure gives the same bytes."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(folder / "plots" / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    return Plot(f"plots/{name}.svg", caption)


def pit_histograms(rows: LaunchRows, forecast: Forecast) -> Figure:
    """Histograms of the randomised PIT, overall and by slice; flat is right."""
    pit = tables.randomised_pit(forecast)
    assert pit is not None
    parts = {name: mask for name, mask in tables.slices(rows).items() if not name.startswith("week ")}
    columns = 4
    height = -(-len(parts) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.1 * height), layout="constrained")
    axes = figure.subplots(height, columns, squeeze=False, sharex=True).ravel()
    for axis, (name, mask) in zip(axes, parts.items(), strict=False):
        share = np.histogram(pit[mask], BINS, (0, 1))[0] / mask.sum()
        band = 1.96 * np.sqrt(0.1 * 0.9 / mask.sum())
        axis.axhspan(0.1 - band, 0.1 + band, color=GREY, alpha=0.25, lw=0)
        axis.axhline(0.1, color=GREY, lw=1)
        axis.bar((np.arange(BINS) + 0.5) / BINS, share, 0.9 / BINS, color=BLUE)
        axis.set_title(f"{name}, n = {int(mask.sum())}", fontsize=8)
        axis.set_ylim(0, max(0.22, float(share.max()) * 1.1))
        axis.tick_params(labelsize=7)
    for axis in axes[len(parts) :]:
        axis.set_visible(False)
    figure.supxlabel("randomised PIT", fontsize=9)
    figure.supylabel("share of launches", fontsize=9)
    return figure


def calibration(rows: LaunchRows, forecast: Forecast) -> Figure:
    """Share of launches at or below each level of the forecast distribution, against the level."""
    pit = tables.randomised_pit(forecast)
    assert pit is not None
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axis = figure.subplots()
    levels = np.linspace(0, 1, 101)
    names = {"all": BLUE, "PF (promotion first)": ORANGE, "food": GREEN, "non-food": PINK}
    for name, mask in tables.slices(rows).items():
        if name in names:
            observed = np.searchsorted(np.sort(pit[mask]), levels, side="right") / mask.sum()
            axis.plot(levels, observed, color=names[name], lw=2 if name == "all" else 1.2, label=name)
    axis.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="calibrated")
    _label(axis, "level of the forecast distribution", "share of launches at or below it")
    axis.legend(fontsize=8, frameon=False)
    return figure


def deciles(rows: LaunchRows, outcome: str, forecast: Forecast) -> Figure:
    """Mean forecast against mean units by tenth of the launches, in order of the forecast."""
    y = rows.numbers(outcome)
    parts = [part for part in np.array_split(np.argsort(forecast.mean, kind="stable"), BINS) if len(part)]
    wanted = np.array([forecast.mean[part].mean() for part in parts])
    sold = np.array([y[part].mean() for part in parts])
    error = np.array([1.96 * y[part].std() / np.sqrt(len(part)) for part in parts])
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axis = figure.subplots()
    low = max(0.1, float(min(wanted.min(), sold[sold > 0].min(initial=wanted.min()))) / 1.5)
    high = float(max(wanted.max(), (sold + error).max())) * 1.3
    axis.plot([low, high], [low, high], color=GREY, lw=1, ls="--", label="forecast = actual")
    spread = np.stack([np.minimum(error, np.maximum(sold - low, 0.0)), error])
    axis.errorbar(
        wanted, np.maximum(sold, low), spread, fmt="o", color=BLUE, capsize=3, label="a tenth of the launches"
    )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    _label(axis, "mean forecast, units in 8 weeks", "mean units sold, 95 % interval")
    axis.legend(fontsize=8, frameon=False)
    return figure


def lift(rows: LaunchRows, outcome: str, forecasts: dict[str, Forecast], names: Sequence[str]) -> Figure:
    """Share of all units sold by the launches forecast highest, by their share of the launches."""
    y = rows.numbers(outcome)
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axis = figure.subplots()
    share = np.arange(len(y) + 1) / len(y)

    def curve(order: Floats) -> Floats:
        found: Floats = np.concatenate([[0.0], np.cumsum(y[np.argsort(-order, kind="stable")])]) / y.sum()
        return found

    axis.plot(share, curve(y), color=GREY, lw=1, ls=":", label="the truth")
    for name, colour in zip([*names, OURS], [*RIVALS[: len(names)], BLUE], strict=True):
        axis.plot(share, curve(forecasts[name].mean), color=colour, lw=2 if name == OURS else 1.2, label=_name(name))
    axis.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="chance")
    _label(axis, "share of launches, highest forecast first", "share of all units")
    axis.legend(fontsize=8, frameon=False)
    return figure


def audience_lift(scores: dict[str, Floats], bought: NDArray[np.bool_], names: Sequence[str]) -> Figure:
    """Share of a launch's buyers among the best-scored households, by their share; mean over launches."""
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axis = figure.subplots()
    users = bought.shape[1]
    share = np.arange(users + 1) / users
    buyers = bought.sum(axis=1, keepdims=True)
    for name, colour in zip([*names, OURS], [*RIVALS[: len(names)], BLUE], strict=True):
        order = np.argsort(-scores[name], axis=1, kind="stable")
        found = (np.cumsum(np.take_along_axis(bought, order, axis=1), axis=1) / buyers).mean(axis=0)
        axis.plot(share, np.concatenate([[0.0], found]), color=colour, lw=2 if name == OURS else 1.2, label=_name(name))
    axis.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="chance")
    _label(axis, "share of households, best score first", "share of the launch's buyers")
    axis.legend(fontsize=8, frameon=False)
    return figure


def intervals(title: str, unit: str, rows: Sequence[dict[str, Any]], reference: float | None) -> Figure:
    """Values with intervals, one line each.

    Args:
        title: above the plot.
        unit: of the values.
        rows: label, value, and low and high where there is an interval.
        reference: a value to compare with, as a dashed line.
    """
    shown = [row for row in rows if row.get("value") is not None]
    figure = Figure(figsize=(6.4, 0.9 + 0.32 * max(len(shown), 1)), layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(reversed(shown)):
        ours = str(row["label"]).strip("*").startswith("ours") or row["label"] == "planner"
        colour = BLUE if ours else GREY
        if row.get("low") is not None and row.get("high") is not None:
            axis.plot([row["low"], row["high"]], [place, place], color=colour, lw=2, solid_capstyle="butt")
        axis.plot([row["value"]], [place], "o", color=colour)
    if reference is not None:
        axis.axvline(reference, color=GREY, lw=1, ls="--")
    axis.set_yticks(range(len(shown)), [str(row["label"]).strip("*") for row in reversed(shown)], fontsize=8)
    axis.set_ylim(-0.6, max(len(shown), 1) - 0.4)
    axis.set_title(title, fontsize=10)
    _label(axis, unit, "")
    return figure


def _label(axis: Axes, x: str, y: str) -> None:
    axis.set_xlabel(x, fontsize=9)
    axis.set_ylabel(y, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _name(model: str) -> str:
    return label(model).strip("*").replace(", with plan", "")
