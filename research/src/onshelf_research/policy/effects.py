"""What promotions are associated with, on launches and on all product-weeks, beside the naive lift and placebos.

Doubly robust scores (`aipw`) compare promoted with not promoted at equal covariates. On the panel the covariates are
the product's own sales and promotions of the weeks before, so a product is compared with what it sold itself. Two
placebos tell how much selection is left: the promotion of *next* week cannot have sold this week's units, and a
promotion drawn at random within its category sells nothing.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.data.titles import readable
from onshelf_exporter.training.history import History
from onshelf_exporter.training.response import Panel, build_panel
from onshelf_research.policy.aipw import MIN_ARM, Lift, cross_fit, lift, shrink
from onshelf_research.policy.rows import CATEGORICAL, DEEP_DISCOUNT, MOST_UNITS, PolicyStudy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

PANEL_PRODUCTS = 1500
LAGS = 4  # weeks of own sales before
MIN_GROUP = 60  # treated rows of a department or category that is shown


class ProductWeeks(NamedTuple):
    """Rows of the panel with all lags: covariates, treatments by name, units, and numbers of product, department,
    category."""

    x: Floats
    treatments: dict[str, Mask]
    before: dict[str, Mask]
    units: Floats
    past_units: Floats
    product: Ints
    department: Ints
    category: Ints


def launch_effects(study: PolicyStudy, seed: int = 0, threads: int = 1) -> dict[str, Any]:
    """Associations on PF launches, by kind of promotion."""
    group = study.rows.product
    result: dict[str, Any] = {}
    for name, treated in study.treatments().items():
        if min(treated.sum(), (~treated).sum()) < MIN_ARM:
            result[name] = {"treated": int(treated.sum()), "skipped": f"fewer than {MIN_ARM} in one arm"}
            continue
        others = [
            values.astype(np.float64) for other, values in study.treatments().items() if _independent(name, other)
        ]
        x = np.column_stack([study.x, *others])
        scores = cross_fit(
            x,
            treated.astype(np.int64),
            study.units,
            group,
            folds=4,
            seed=seed,
            threads=threads,
            categorical=CATEGORICAL,
        ).score
        permuted = _permuted(treated, study.category, seed)
        placebo = cross_fit(
            x,
            permuted.astype(np.int64),
            study.units,
            group,
            folds=4,
            seed=seed,
            threads=threads,
            categorical=CATEGORICAL,
        ).score
        result[name] = {
            **_described(scores, treated, study.units, group),
            "placebo_permuted": _interval(lift(placebo[:, 1], placebo[:, 0], group)),
            **_by_level(scores, treated, group, study.department, study.category),
        }
    return result


def panel_effects(history: History, seed: int = 0, threads: int = 1, products: int = PANEL_PRODUCTS) -> dict[str, Any]:
    """Associations on the product-weeks up to the cut of `history`; {"skipped": why} where too few products sell often.

    The placebo of the future compares units of a week by the promotion of the week after, among weeks without one.
    """
    panel = build_panel(history, products)
    if panel is None:
        return {"skipped": "no product sells in most of its weeks"}
    rows = product_weeks(panel, history)
    names = history.vocabulary.names["category"]
    result: dict[str, Any] = {
        "rows": len(rows.units),
        "products": len(np.unique(rows.product)),
        "categories": {str(one): readable(names[one]) for one in np.unique(rows.category)},
        "effects": {},
    }
    for name, treated in rows.treatments.items():
        if min(treated.sum(), (~treated).sum()) < 10 * MIN_ARM:
            result["effects"][name] = {
                "treated": int(treated.sum()),
                "skipped": f"fewer than {10 * MIN_ARM} product-weeks in one arm",
            }
            continue
        others = [values.astype(np.float64) for other, values in rows.treatments.items() if other != name]
        x = np.column_stack([rows.x, *others])
        arm = treated.astype(np.int64)
        scores = cross_fit(x, arm, rows.units, rows.product, seed=seed, threads=threads, categorical=(0,)).score
        calm = ~rows.before[name]
        past = cross_fit(
            rows.x[calm, : rows.x.shape[1] - 1],
            arm[calm],
            rows.past_units[calm],
            rows.product[calm],
            seed=seed,
            threads=threads,
            categorical=(0,),
        ).score
        permuted = _permuted(treated, rows.product, seed).astype(np.int64)
        placebo = cross_fit(x, permuted, rows.units, rows.product, seed=seed, threads=threads, categorical=(0,)).score
        result["effects"][name] = {
            **_described(scores, treated, rows.units, rows.product),
            "naive_future": _naive(treated[calm], rows.past_units[calm]),
            "placebo_future": _interval(lift(past[:, 1], past[:, 0], rows.product[calm])),
            "placebo_permuted": _interval(lift(placebo[:, 1], placebo[:, 0], rows.product)),
            **_by_level(scores, treated, rows.product, rows.department, rows.category),
        }
    return result


def product_weeks(panel: Panel, history: History) -> ProductWeeks:
    """Rows of the panel that have LAGS + 1 weeks of their product before them.

    The last covariate is the newest lag (week t-1), which the placebo of the future leaves out: there it is the
    outcome.
    """
    start = np.searchsorted(panel.product, np.arange(int(panel.product.max()) + 1))
    age = np.arange(len(panel.product)) - start[panel.product]
    row = np.flatnonzero(age >= LAGS + 1)
    units = np.minimum(panel.units.astype(np.float64), MOST_UNITS)
    display, mailer = (_covered(panel, history, kind) for kind in ("display", "mailer"))
    treatments = {
        "any display": display > 0,
        "any mailer": mailer > 0,
        "coupon": panel.coupon > 0,
        "discount of 10 % or more": panel.discount >= DEEP_DISCOUNT,
    }
    lags = [np.log1p(units[row - back]) for back in range(LAGS + 1, 0, -1)]
    past = [values[row - back].astype(np.float64) for values in treatments.values() for back in (2, 3)]
    total = np.cumsum(units) - units
    level = np.log1p((total[row - 1] - total[start[panel.product[row]]]) / np.maximum(age[row] - 1, 1))
    x = np.column_stack([panel.department[row], panel.offset[row], level, *past, *lags])
    return ProductWeeks(
        x,
        {name: values[row] for name, values in treatments.items()},
        {name: values[row - 1] for name, values in treatments.items()},
        units[row],
        units[row - 1],
        panel.product[row],
        panel.department[row],
        panel.category[row],
    )


def _covered(panel: Panel, history: History, kind: str) -> Floats:
    slots = history.channels.loc[history.channels["kind"] == kind, "channel_slot"].to_numpy(dtype=np.int64)
    return np.asarray(panel.coverage[:, slots].sum(axis=1), dtype=np.float64)


def _independent(name: str, other: str) -> bool:
    """Whether `other` may be a covariate of `name`: among PF launches no display nearly means a mailer."""
    alike = {"any display", "broad display", "any mailer"}
    return name != other and not {name, other} <= alike


def _permuted(treated: Mask, group: Ints, seed: int) -> Mask:
    """The treatments of each group in another order."""
    rng = np.random.default_rng(seed)
    shuffled = np.lexsort((rng.random(len(group)), group))
    result = np.empty_like(treated)
    result[np.lexsort((np.arange(len(group)), group))] = treated[shuffled]
    return result


def _described(scores: Floats, treated: Mask, units: Floats, group: Ints) -> dict[str, Any]:
    return {
        "treated": int(treated.sum()),
        "rows": len(treated),
        "naive": _naive(treated, units),
        "doubly_robust": _interval(lift(scores[:, 1], scores[:, 0], group)),
    }


def _naive(treated: Mask, units: Floats) -> float | None:
    below = float(units[~treated].mean()) if (~treated).any() else 0.0
    return float(units[treated].mean()) / below - 1.0 if below > 0 and treated.any() else None


def _interval(one: Lift) -> dict[str, float | None]:
    low, high = one.bounds
    values = {"lift": one.value, "low": low, "high": high, "error": one.error}
    return {name: float(value) if np.isfinite(value) else None for name, value in values.items()}


def _by_level(scores: Floats, treated: Mask, cluster: Ints, department: Ints, category: Ints) -> dict[str, Any]:
    """Lifts by department shrunk to the whole, and by category shrunk to the department's, by id; of groups with enough
    treated and untreated rows."""
    whole = lift(scores[:, 1], scores[:, 0], cluster)
    if not np.isfinite(whole.value):
        return {"by_department": {}, "by_category": {}}
    departments = _by_group(scores, treated, cluster, department, whole)
    categories: dict[str, Any] = {}
    for one in np.unique(department):
        inside = department == one
        above = departments.get(str(one))
        prior = whole if above is None else Lift(above["shrunk"], above["error"])
        categories |= _by_group(scores[inside], treated[inside], cluster[inside], category[inside], prior)
    return {"by_department": departments, "by_category": categories}


def _by_group(scores: Floats, treated: Mask, cluster: Ints, group: Ints, above: Lift) -> dict[str, Any]:
    ids, number = np.unique(group, return_inverse=True)
    arms = [np.bincount(number[arm], minlength=len(ids)) for arm in (treated, ~treated)]
    enough = np.flatnonzero(np.minimum(*arms) >= MIN_GROUP)
    if not len(enough):
        return {}
    own = [lift(scores[:, 1], scores[:, 0], cluster, number == place) for place in enough]
    values, errors, _ = shrink(np.array([o.value for o in own]), np.array([o.error for o in own]), above)
    return {
        str(g): {
            "treated": int(n),
            "own": float(o.value) if np.isfinite(o.value) else None,
            "shrunk": float(v),
            "error": float(e),
        }
        for g, n, o, v, e in zip(ids[enough], arms[0][enough], own, values, errors, strict=True)
    }
