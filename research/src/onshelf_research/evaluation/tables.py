"""From predictions to the numbers of the report: one row per model, intervals, comparisons, slices."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.evaluation import bootstrap, metrics
from onshelf_exporter.evaluation.bootstrap import Interval
from onshelf_research.baselines.forecast import Floats, Forecast
from onshelf_research.data.dataset import LaunchRows

PIT_SEED = 20170102
NEWSVENDOR = (0.7, 0.8, 0.9)
PIT_OVERALL, PIT_SLICE, PIT_LEVEL = (0.78, 0.82), (0.74, 0.86), 0.01

# Column -> whether more is better. Columns left out (bias, calibration) have a best value in the middle.
DEMAND_BETTER = {
    "wape": False,
    "wape_pf": False,
    "poisson_deviance": False,
    "spearman": True,
    "top10_capture": True,
    "pinball": False,
    **{f"newsvendor_{round(level * 100)}": False for level in NEWSVENDOR},
}
REPEAT_BETTER = {"log_loss_per_buyer": False, "auc_per_buyer": True}
WARM_COLUMNS = ("all_n10", "all_r10", "new_n10", "new_r10")
COLD_COLUMNS = ("auc", "map", "r100", "lift10", "rec_n10", "rec_r10")
OURS = "ours"


@dataclass(frozen=True)
class Versus:
    """Ours against the best baseline of one column.

    Attributes:
        column: of the table.
        baseline: the best one by that column.
        difference: ours minus the baseline's, with its interval; the sign that is better depends on the column.
        more_is_better: of that column.
    """

    column: str
    baseline: str
    difference: Interval
    more_is_better: bool

    @property
    def verdict(self) -> str:
        """ "ahead", "behind", or "open" where the interval holds 0 or there is none."""
        if not (self.difference.low > 0 or self.difference.high < 0):
            return "open"
        return "ahead" if (self.difference.value > 0) == self.more_is_better else "behind"


def demand_metrics(rows: LaunchRows, outcome: str, forecast: Forecast) -> dict[str, Callable[[Floats | None], float]]:
    """Every demand column that the forecast has, as a function of weights per launch (None = equal weights)."""
    y, mean, median = rows.numbers(outcome), forecast.mean, forecast.median
    first = rows.frame["is_promotion_first"].to_numpy(bool)
    columns: dict[str, Callable[[Floats | None], float]] = {
        "wape": lambda w: metrics.wape(y, median, w),
        "poisson_deviance": lambda w: metrics.poisson_deviance(y, mean, w),
        "bias": lambda w: metrics.bias(y, mean, w),
        "spearman": lambda w: metrics.spearman(y, mean, w),
        "top10_capture": lambda w: metrics.top_capture(y, mean, w),
    }
    if y[first].sum() > 0:  # a shop without promotions has no such launches
        columns["wape_pf"] = lambda w: metrics.wape(y[first], median[first], None if w is None else w[first])
    levels = forecast.quantiles
    if {0.1, 0.5, 0.9} <= set(levels):
        columns["pinball"] = lambda w: metrics.mean_pinball(y, levels[0.1], levels[0.5], levels[0.9], w)
    for level in NEWSVENDOR:
        if level in levels:
            columns[f"newsvendor_{round(level * 100)}"] = _newsvendor(y, levels[level], level)
    return columns


def measure_demand(rows: LaunchRows, outcome: str, forecast: Forecast) -> dict[str, float]:
    """All demand columns that the forecast has; calibration where it has a distribution."""
    measured = {
        name: bootstrap.value_of(metric, None) for name, metric in demand_metrics(rows, outcome, forecast).items()
    }
    pit = randomised_pit(forecast)
    if pit is not None:
        measured["pit_coverage80"] = metrics.pit_coverage(pit)
        measured["pit_p"] = metrics.pit_uniformity(pit)
    return measured


def randomised_pit(forecast: Forecast) -> Floats | None:
    """The randomised PIT of a forecast, by the seed of every report; None where it has no distribution."""
    if forecast.below is None or forecast.upto is None:
        return None
    return metrics.randomised_pit(forecast.below, forecast.upto, PIT_SEED)


def repeat_metrics(rows: LaunchRows, forecast: Forecast) -> dict[str, Callable[[Floats | None], float]]:
    """Log-loss and AUC of the share of buyers that buy again, as functions of weights per launch."""
    again, once, p = rows.numbers("repeat_buyers_8w"), rows.numbers("buyers_8w"), forecast.mean

    def weighted(metric: Callable[[Floats, Floats, Floats], float]) -> Callable[[Floats | None], float]:
        return lambda w: metric(again, once, p) if w is None else metric(again * w, once * w, p)

    return {
        "log_loss_per_buyer": weighted(metrics.binomial_log_loss),
        "auc_per_buyer": weighted(metrics.binomial_auc),
    }


def compare_demand(
    rows: LaunchRows, outcome: str, forecasts: dict[str, Forecast], draws: int
) -> tuple[dict[str, Interval], list[Versus]]:
    """Intervals of ours, and ours against the best baseline of each column.

    Launches are resampled by clusters of manufacturer and of type, the same for both models of a pair.

    Args:
        rows: measured launches.
        outcome: column of the outcome.
        forecasts: by model, OURS among them.
        draws: resamples.
    """
    columns = {name: demand_metrics(rows, outcome, forecast) for name, forecast in forecasts.items()}
    return _compared(rows, columns, DEMAND_BETTER, draws)


def compare_repeat(
    rows: LaunchRows, forecasts: dict[str, Forecast], draws: int
) -> tuple[dict[str, Interval], list[Versus]]:
    """The same for the share of buyers that buy again."""
    columns = {name: repeat_metrics(rows, forecast) for name, forecast in forecasts.items()}
    return _compared(rows, columns, REPEAT_BETTER, draws)


def _compared(
    rows: LaunchRows,
    columns: dict[str, dict[str, Callable[[Floats | None], float]]],
    better: dict[str, bool],
    draws: int,
) -> tuple[dict[str, Interval], list[Versus]]:
    weights = bootstrap.cluster_weights(launch_clusters(rows), draws, seed=PIT_SEED)
    samples = {name: bootstrap.resampled(metric, weights) for name, metric in columns[OURS].items()}
    intervals = {
        name: bootstrap.interval(bootstrap.value_of(metric, None), samples[name])
        for name, metric in columns[OURS].items()
    }
    versus = []
    for column, more in better.items():
        rivals = {
            name: bootstrap.value_of(own[column], None)
            for name, own in columns.items()
            if name != OURS and column in own
        }
        rivals = {name: value for name, value in rivals.items() if not np.isnan(value)}
        if not rivals or column not in samples or np.isnan(intervals[column].value):
            continue
        best = _best(rivals, more)
        gap = samples[column] - bootstrap.resampled(columns[best][column], weights)
        value = intervals[column].value - rivals[best]
        versus.append(Versus(column, best, bootstrap.interval(value, gap), more))
    return intervals, versus


def compare_rows(
    measured: dict[str, dict[str, Floats]], clusters: dict[str, list[NDArray[np.int64]]], draws: int
) -> tuple[dict[str, Interval], list[Versus]]:
    """Intervals of ours and comparisons for metrics that are means over rows (launches or households); more is better.

    Args:
        measured: per model (OURS among them) and column the values per row, NaN where a row has none.
        clusters: per column how its rows cluster.
        draws: resamples.
    """
    intervals, versus = {}, []
    for column, ways in clusters.items():
        weights = bootstrap.cluster_weights(ways, draws, seed=PIT_SEED)
        ours = measured[OURS][column]
        intervals[column] = bootstrap.interval(bootstrap.mean(ours), bootstrap.weighted_means(ours, weights))
        rivals = {name: bootstrap.mean(own[column]) for name, own in measured.items() if name != OURS}
        rivals = {name: value for name, value in rivals.items() if not np.isnan(value)}
        if not rivals or np.isnan(intervals[column].value):
            continue
        best = _best(rivals, True)
        gap = bootstrap.weighted_means(ours - measured[best][column], weights)
        value = intervals[column].value - rivals[best]
        versus.append(Versus(column, best, bootstrap.interval(value, gap), True))
    return intervals, versus


def launch_clusters(rows: LaunchRows) -> list[NDArray[np.int64]]:
    """Two ways in which launches cluster: manufacturer, and type (where it has none the category, then the
    department). A launch of which nothing is known stands for itself."""
    own = rows.frame["product_id"].to_numpy(str)
    ways = []
    for levels in (("brand",), ("type", "category", "department")):
        names = own
        for level in reversed(levels):
            values = rows.frame[level].fillna("").to_numpy(str)
            names = np.where(values == "", names, np.char.add(f"{level}:", values))
        ways.append(np.unique(names, return_inverse=True)[1].astype(np.int64))
    return ways


def slices(rows: LaunchRows) -> dict[str, NDArray[np.bool_]]:
    """The slices of the report by name: a mask of launches each."""
    tercile = price_tercile(rows)
    food = rows.frame["is_food"].to_numpy(bool)
    first = rows.frame["is_promotion_first"].to_numpy(bool)
    named = {
        "all": np.ones(len(rows), dtype=bool),
        "PF (promotion first)": first,
        "entered by a sale": ~first,
        "food": food,
        "non-food": ~food,
        **{f"price tercile {i + 1} of its category": tercile == i for i in range(3)},
        **{f"week {week}": rows.week == week for week in np.unique(rows.week)},
    }
    return {name: mask for name, mask in named.items() if mask.any()}


def slice_rows(rows: LaunchRows, outcome: str, forecast: Forecast) -> list[dict[str, float | str | bool | None]]:
    """Error, bias and calibration by slice.

    Calibration holds where the share of the randomised PIT within [.1, .9] lies within PIT_OVERALL, or PIT_SLICE in a
    slice that is judged (all but single weeks and launches that entered by a sale), and its uniformity is not rejected
    at PIT_LEVEL.

    Raises:
        ValueError: the forecast has no distribution.
    """
    pit = randomised_pit(forecast)
    if pit is None:
        raise ValueError("slice_rows: the forecast has no distribution")
    y = rows.numbers(outcome)
    result: list[dict[str, float | str | bool | None]] = []
    for name, mask in slices(rows).items():
        low, high = PIT_OVERALL if name == "all" else PIT_SLICE
        within, p = metrics.pit_coverage(pit[mask]), metrics.pit_uniformity(pit[mask])
        judged = not name.startswith(("week ", "entered"))
        sold = float(y[mask].sum()) > 0
        result.append(
            {
                "slice": name,
                "n": int(mask.sum()),
                "wape": metrics.wape(y[mask], forecast.median[mask]) if sold else None,
                "poisson_deviance": metrics.poisson_deviance(y[mask], forecast.mean[mask]),
                "bias": metrics.bias(y[mask], forecast.mean[mask]) if sold else None,
                "coverage80": within,
                "below_10": float(np.mean(pit[mask] < 0.1)),
                "above_90": float(np.mean(pit[mask] > 0.9)),
                "p": p,
                "holds": bool(low <= within <= high and p >= PIT_LEVEL) if judged else None,
            }
        )
    return result


def price_tercile(rows: LaunchRows) -> NDArray[np.int64]:
    """0, 1 or 2: where the price of a launch lies among the measured launches of its category; -1 without a price."""
    groups = rows.frame.groupby(["department", "category"])["price"]
    place = ((groups.rank(method="average") - 0.5) / groups.transform("count")).to_numpy(dtype=np.float64)
    tercile: NDArray[np.int64] = np.where(np.isnan(place), -1, np.clip(np.nan_to_num(place) * 3, 0, 2)).astype(np.int64)
    return tercile


def _best(values: dict[str, float], more: bool) -> str:
    return (max if more else min)(values, key=lambda name: values[name])


def _newsvendor(y: Floats, stock: Floats, level: float) -> Callable[[Floats | None], float]:
    return lambda w: metrics.newsvendor_loss(y, stock, level, w)
