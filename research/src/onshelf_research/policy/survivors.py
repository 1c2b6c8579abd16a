"""Whether the effect of "no promotion" is an artefact of selection.

A launch that enters by a sale has no zeros, and in its launch week "not promoted" means "selected by a sale". Who puts
both kinds together learns that promotion causes failure. Three answers to the same question (how many units remain
without any promotion?) stand side by side: the naive model's on all launches, the same model's on launches whose entry
does not depend on a sale (PF), and the served one's.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.training.history import History
from onshelf_release.candidates import COUPON, COVERAGE, ENTERED_BY_SALE
from onshelf_research.data.dataset import Dataset, LaunchRows
from onshelf_research.evaluation.release import MeasuredRelease
from onshelf_research.evaluation.served import actions
from onshelf_research.policy.aipw import _train
from onshelf_research.policy.rows import CATEGORICAL, MOST_UNITS, PolicyError, covariates, kinds_of

Floats = NDArray[np.float64]


def survivors(
    data: Dataset,
    release: MeasuredRelease,
    history: History,
    train: tuple[int, int],
    measured: LaunchRows,
    threads: int = 1,
) -> dict[str, Any]:
    """Units of 8 weeks without any promotion / with the promotion they had, on the measured PF launches.

    Args:
        data: prepared data.
        release: the served models.
        history: the data up to the cut, for covariates.
        train: launch weeks from which the two tree models learn.
        measured: launches of the measured weeks.
        threads: of the trees.

    Raises:
        PolicyError: no launch entered by a promotion.
    """
    learn = data.launched(train)
    first = learn.frame["is_promotion_first"].to_numpy(dtype=bool)
    measured = measured.take(measured.frame["is_promotion_first"].to_numpy(dtype=bool))
    if not first.any() or not len(measured):
        raise PolicyError(f"launch weeks {train[0]}-{train[1]} and after: no launch entered by a promotion")
    units = np.minimum(learn.numbers("units_8w"), MOST_UNITS)
    x, plan = covariates(release, data, history, learn), promotion(data, learn)
    at, had = covariates(release, data, history, measured), promotion(data, measured)
    ratios = {}
    for name, rows in (("naive, all launches", np.ones(len(learn), dtype=bool)), ("same trees, PF only", first)):
        model = _train(np.column_stack([x, plan])[rows], units[rows], {"objective": "poisson"}, threads, CATEGORICAL)
        with_it, without = (
            np.asarray(model.predict(np.column_stack([at, part])), dtype=np.float64) for part in (had, had * 0)
        )
        ratios[name] = float(without.sum() / with_it.sum())
    ratios["served launch_outcome"] = served_ratio(data, release, measured)
    weeks = {"promotion first": first, "entered by a sale": ~first}
    return {
        "measured": len(measured),
        "trained": len(learn),
        "groups": {
            name: {
                "launches": int(rows.sum()),
                "mean_units": float(units[rows].mean()) if rows.any() else None,
                "share_without_a_sale": float((units[rows] == 0).mean()) if rows.any() else None,
                "share_promoted": float((plan[rows].sum(axis=1) > 0).mean()) if rows.any() else None,
            }
            for name, rows in weeks.items()
        },
        "without_promotion": ratios,
    }


def promotion(data: Dataset, rows: LaunchRows) -> Floats:
    """Coverage by displays, by mailers, and coupon: float64 [n, 3]."""
    display, mailer = (rows.coverage[:, kinds_of(data, kind)].sum(axis=1) for kind in ("display", "mailer"))
    return np.stack([display, mailer, np.nan_to_num(rows.numbers("coupon"))], axis=1)


def served_ratio(data: Dataset, release: MeasuredRelease, rows: LaunchRows) -> float:
    """Sum of the served means without any channel or coupon / with the plan that the launches had, both as promoted
    first."""
    plan = actions(release, data, rows)
    plan[:, :, ENTERED_BY_SALE] = 0.0
    without = plan.copy()
    without[:, :, COVERAGE] = without[:, :, COUPON] = 0.0
    encoded = release.encode(rows.frame)
    means = release.outcomes(encoded, np.concatenate([plan, without], axis=1))["units_mean"]
    units = means[:, :, list(release.manifest["horizons_weeks"]).index(8)].astype(np.float64).sum(axis=0)
    return float(units[1] / units[0])
