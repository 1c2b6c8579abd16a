"""Whether launches show when to launch: how much of what categories leave open the launch week explains.

The season that is served comes from all sales of the category, not from launches; this table says why.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import weeks_of_year
from onshelf_exporter.training.context import seasonality_levels
from onshelf_exporter.training.history import History
from onshelf_research.data.dataset import Dataset
from onshelf_research.policy.rows import PolicyError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEASON_WEEKS = 8


def timing(data: Dataset, history: History, weeks: tuple[int, int], draws: int = 500, seed: int = 0) -> dict[str, Any]:
    """Share of the variance of log units, less the category's mean, that launch week and season explain.

    Args:
        data: prepared data.
        history: the data up to the cut, from which the season of the category is taken.
        weeks: first and last launch week, outcomes known by the cut.
        draws: permutations of the launch weeks.
        seed: of the permutations.

    Raises:
        PolicyError: the launches have one week only.
    """
    rows = data.launched(weeks)
    week = rows.week - rows.week.min() if len(rows) else rows.week
    if len(np.unique(week)) < 2:
        raise PolicyError(f"launch weeks {weeks[0]}-{weeks[1]}: fewer than two weeks with launches")
    ids = history.ids[rows.product]
    category = np.unique(ids[:, 1] * (ids[:, 0].max() + 1) + ids[:, 0], return_inverse=True)[1]
    entered = rows.numbers("entered_by_sale").astype(np.int64)
    rest = _less_means(np.log1p(rows.numbers("units_8w")), category * 2 + entered)
    rng = np.random.default_rng(seed)
    drawn = np.array([_explained(rest, rng.permutation(week)) for _ in range(draws)])
    actual = _explained(rest, week)
    index = seasonality_levels(history)[1]
    of_year = weeks_of_year(data.info, rows.week) - 1
    ahead = (of_year[:, None] + np.arange(SEASON_WEEKS)) % index.shape[1]
    season = np.log(index[ids[:, 1]][np.arange(len(rows))[:, None], ahead].mean(axis=1))
    own = _less_means(season, category * 2 + entered)
    return {
        "launches": len(rows),
        "weeks": len(np.unique(week)),
        "explained": actual,
        "by_chance": float(drawn.mean()),
        "by_chance_95": float(np.quantile(drawn, 0.95)),
        "p_value": float((1 + (drawn >= actual).sum()) / (1 + draws)),
        "season_correlation": float(np.corrcoef(own, rest)[0, 1]) if own.std() > 0 and rest.std() > 0 else None,
        "season_spread": float(np.exp(own.std()) - 1.0),
    }


def _less_means(values: Floats, group: Ints) -> Floats:
    count = np.maximum(np.bincount(group), 1)
    return np.asarray(values - (np.bincount(group, values) / count)[group], dtype=np.float64)


def _explained(rest: Floats, week: Ints) -> float:
    """Share of variance between weeks."""
    total = float((rest**2).sum())
    return 1.0 - float((_less_means(rest, week) ** 2).sum()) / total if total > 0 else 0.0
