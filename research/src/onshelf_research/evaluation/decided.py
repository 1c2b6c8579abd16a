"""Recommendations of launches whose action is decided: what the forecast under that action adds to the scores.

The action is what was planned for weeks L..L+1, with the price. Nothing says whether a launch entered by a sale: a
gateway cannot know that, so the forecast does not either.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.evaluation.bootstrap import Interval
from onshelf_release.candidates import COUPON, COVERAGE, DISCOUNT, ENTERED_BY_SALE, HORIZONS
from onshelf_research.data.dataset import Dataset, LaunchRows
from onshelf_research.evaluation import recommend, served, tables
from onshelf_research.evaluation.recommend import ColdTask
from onshelf_research.evaluation.release import MeasuredRelease

Floats = NDArray[np.float64]
COLUMNS = ("rec_n10", "rec_r10")  # one number for all users moves no audience
EIGHT = HORIZONS.index(8)


@dataclass(frozen=True, kw_only=True)
class DecidedRow:
    """Some of the launches among themselves: a column without and with the decided actions, and the difference."""

    launches: str
    count: int
    column: str
    today: float
    decided: Interval
    difference: Interval


def lifts(release: MeasuredRelease, data: Dataset, rows: LaunchRows) -> Floats:
    """Logarithm of how many times more buyers each launch's action promises than none [n]."""
    buyers, without = expected_buyers(release, data, rows)
    return np.log(buyers / without)


def expected_buyers(release: MeasuredRelease, data: Dataset, rows: LaunchRows) -> tuple[Floats, Floats]:
    """Buyers [n] in 8 weeks under each launch's action, and without promotion, coupon and discount."""
    encoded, actions = release.encode(rows.frame), served.actions(release, data, rows)
    actions[..., ENTERED_BY_SALE] = 0.0
    plain = actions.copy()
    plain[..., [DISCOUNT, COUPON]] = 0.0
    plain[..., COVERAGE] = 0.0
    buyers, without = (release.outcomes(encoded, one)["buyers_mean"][:, 0, EIGHT] for one in (actions, plain))
    return buyers.astype(np.float64), without.astype(np.float64)


def compare(data: Dataset, task: ColdTask, scores: Floats, lift: Floats, weight: float, draws: int) -> list[DecidedRow]:
    """All launches, and those whose entry does not depend on a sale.

    Args:
        data: prepared data.
        task: the launches.
        scores: [launches, users of the task], without the actions.
        lift: [launches].
        weight: of the lift in the score.
        draws: resamples of the households.
    """
    first = task.rows.frame["is_promotion_first"].to_numpy(bool)
    found = []
    for name, kept in (("all", np.ones(len(first), dtype=bool)), ("PF (promotion first)", first)):
        if not task.bought[kept].any():
            continue
        part = recommend.cold_task(data, task.rows.take(kept), task.cut)
        today = recommend.measure_cold(part, scores[kept])
        decided = recommend.measure_cold(part, scores[kept] + weight * lift[kept, None])
        households = np.arange(int(part.bought.any(axis=0).sum()), dtype=np.int64)
        both = {tables.OURS: decided, "today": today}
        intervals, versus = tables.compare_rows(both, {column: [households] for column in COLUMNS}, draws)
        found += [
            DecidedRow(
                launches=name,
                count=len(part.rows),
                column=one.column,
                today=intervals[one.column].value - one.difference.value,
                decided=intervals[one.column],
                difference=one.difference,
            )
            for one in versus
        ]
    return found
