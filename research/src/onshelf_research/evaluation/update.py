"""What the first weeks on sale say about the rest: the served forecast, its posterior, and baselines.

After k weeks, units of weeks k+1..8 are forecast. Ours is the Gamma-Poisson posterior of onshelf_release.life_cycle
with the parameters in the model release's table `life_cycle`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats
from scipy.optimize import minimize_scalar

from onshelf_exporter.process.progress_display import progress_bar
from onshelf_exporter.training.life_cycle import weekly_units
from onshelf_release.life_cycle import EVIDENCE, SHARES, SIZES, WEEKS, posterior
from onshelf_research.baselines import statistics, trees
from onshelf_research.baselines.forecast import Floats, Forecast, single
from onshelf_research.data.cache import Arrays, code_hash
from onshelf_research.data.dataset import Dataset, LaunchRows
from onshelf_research.evaluation import served
from onshelf_research.evaluation.release import MeasuredRelease
from onshelf_research.evaluation.rivals import CONFIGURATIONS, SEARCH_SEED, Rivals

QUANTILES = (0.1, 0.5, 0.7, 0.8, 0.9)
REST = "units_rest"
OUTCOME = "units_8w"
OURS = "ours"
CODE = "onshelf_research.evaluation.update"


@dataclass(frozen=True)
class LaunchLifeCycles:
    """What the model release says about each launch's weeks: shares [n, 8], evidence and dispersion [7]."""

    shares: Floats
    evidence: Floats
    dispersion: Floats


@dataclass(frozen=True)
class EarlyWeeks:
    """Forecasts of the weeks that remain after `seen` weeks; `rows` has their units as the column REST."""

    seen: int
    rows: LaunchRows
    forecasts: dict[str, Forecast]


def life_cycle(release: MeasuredRelease, rows: LaunchRows) -> LaunchLifeCycles:
    """Look up the release's table `life_cycle`: the category's row, else the department's, else that of all."""
    table = release.table("life_cycle")
    shares = table[list(SHARES)].to_numpy(dtype=np.float64)
    place = pd.Series(np.arange(len(table)), index=pd.MultiIndex.from_frame(table[["level", "id", "promoted"]]))
    ids = release.vocabulary.ids(rows.frame)
    promoted = (rows.coverage.sum(axis=1) > 0).astype(np.int64)
    row = np.full(len(rows), np.nan)
    for level, code in (
        ("category", ids[:, 1]),
        ("department", ids[:, 0]),
        ("all", np.zeros(len(rows), dtype=np.int64)),
    ):
        wanted = pd.MultiIndex.from_arrays([np.repeat(level, len(rows)), code, promoted])
        row = np.where(np.isnan(row), place.reindex(wanted).to_numpy(dtype=np.float64), row)

    first = table.iloc[0]
    evidence, dispersion = (first[list(names)].to_numpy(dtype=np.float64) for names in (EVIDENCE, SIZES))
    return LaunchLifeCycles(shares[row.astype(np.int64)], evidence, dispersion)


def early_weeks(release: MeasuredRelease, rivals: Rivals, seen: int, learned: bool) -> EarlyWeeks:
    """All forecasts of the weeks that remain after `seen` weeks.

    Args:
        release: model release.
        rivals: baselines of the same launches.
        seen: weeks on sale.
        learned: whether trees take part.
    """
    rows, data = rivals.rows, rivals.data
    weekly = _weekly(data, rows)
    first, rest = weekly[:, :seen].sum(axis=1), weekly[:, seen:].sum(axis=1)
    entered = rows.numbers("entered_by_sale")
    made = rivals.cache.arrays(
        f"demand/raw/{len(rows)}-{release.manifest.get('seed', 0)}",
        release.identity + code_hash(CODE),
        lambda: _raw(release, data, rows),
    )
    mean, size = made["mean"], made["size"]
    cycle = life_cycle(release, rows)
    share = cycle.shares[:, :seen].sum(axis=1)
    after = posterior(
        mean=mean,
        size=size,
        units=first,
        share=share,
        evidence=cycle.evidence[seen - 1],
        dispersion=cycle.dispersion[seen - 1],
        entered=entered,
    )
    forecasts = {
        "no_update": negative_binomial(np.maximum(mean - entered, 1e-6) * (1 - share), size, rest),
        "gamma_poisson_category": _category_update(rivals, share, first, rest, entered),
    }
    if learned:
        name = f"demand/{rivals.first}-{rivals.last}/{len(rows)}/after-{seen}"
        trained = rivals.cache.arrays(name, code_hash(CODE), lambda: _trees(rivals, seen, first))
        levels = {level: trained[str(level)] for level in QUANTILES}
        forecasts["lightgbm_early_q50"] = Forecast(mean=levels[0.5], median=levels[0.5], quantiles=levels)
        forecasts["lightgbm_early_tweedie"] = single(trained["mean"])
    forecasts[OURS] = negative_binomial(after.mean, after.size, rest)
    return EarlyWeeks(seen, LaunchRows(rows.frame.assign(**{REST: rest}), rows.coverage), forecasts)


def negative_binomial(mean: Floats, size: Floats, units: Floats) -> Forecast:
    """A negative binomial as a forecast, with its distribution at the observed units."""
    chance = size / (size + mean)
    levels = {level: stats.nbinom.ppf(level, size, chance).astype(np.float64) for level in QUANTILES}
    below, upto = (stats.nbinom.cdf(count, size, chance) for count in (units - 1, units))
    return Forecast(mean=mean, median=levels[0.5], quantiles=levels, below=below, upto=upto)


def _raw(release: MeasuredRelease, data: Dataset, rows: LaunchRows) -> Arrays:
    out = release.outcomes(release.encode(rows.frame), served.actions(release, data, rows))
    place = release.manifest["horizons_weeks"].index(WEEKS)
    return {
        "mean": out["units_mean"][:, 0, place].astype(np.float64),
        "size": out["units_dispersion"][:, 0, place].astype(np.float64),
    }


def _weekly(data: Dataset, rows: LaunchRows) -> Floats:
    return weekly_units(data.sales, rows.product, rows.week, len(data.products))


def _category_update(rivals: Rivals, share: Floats, first: Floats, rest: Floats, entered: Floats) -> Forecast:
    """The plain update of a plain forecast: mean of the category, one dispersion for all, every unit full evidence."""
    train = rivals.train(OUTCOME)
    mean = statistics.category(train, rivals.rows, OUTCOME)[1].mean
    own = np.maximum(statistics.category(train, train, OUTCOME)[1].mean, 0.05)
    units = train.numbers(OUTCOME)

    def loss(log_size: float) -> float:
        size = np.exp(log_size)
        value = special.gammaln(units + size) - special.gammaln(size)
        value += size * np.log(size / (size + own)) + units * np.log(own / (size + own))
        return -float(value.mean())

    size = np.full(len(mean), float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x)))
    after = posterior(mean=mean, size=size, units=first, share=share, evidence=1.0, dispersion=np.inf, entered=entered)
    return negative_binomial(after.mean, after.size, rest)


def _trees(rivals: Rivals, seen: int, first: Floats) -> Arrays:
    train = rivals.train(OUTCOME)
    weekly = _weekly(rivals.data, train)
    table = _with_weeks(rivals.table_of(train), weekly[:, :seen])
    wanted = _with_weeks(rivals.table_of(rivals.rows), _weekly(rivals.data, rivals.rows)[:, :seen])
    if not np.array_equal(wanted["seen"].to_numpy(), first):
        raise ValueError("early weeks: the trees see other units than the update")
    target = weekly[:, seen:].sum(axis=1)
    tries = trees.drawn_settings(CONFIGURATIONS, SEARCH_SEED)
    made: dict[str, NDArray[np.float64]] = {}
    with progress_bar(f"after {seen} weeks on sale", 2 * CONFIGURATIONS + 2) as advance:
        tuned = [
            trees.search(table, target, train.week, objective, tries, rivals.threads, advance)
            for objective in (trees.quantile_objective(0.5), trees.TWEEDIE)
        ]
        levels = trees.quantiles(tuned[0], table, target, wanted, rivals.threads, QUANTILES)
        made |= {str(level): values for level, values in levels.items()}
        advance(1)
        made["mean"] = trees.predict(tuned[1], table, target, wanted, rivals.threads)
        advance(1)
    return made


def _with_weeks(table: pd.DataFrame, weekly: Floats) -> pd.DataFrame:
    columns = {f"week_{place + 1}": weekly[:, place] for place in range(weekly.shape[1])}
    return table.assign(**columns, seen=weekly.sum(axis=1))
