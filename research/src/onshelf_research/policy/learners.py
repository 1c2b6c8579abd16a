"""Learners that decide launches of a simulated world from what practice logged there.

`planner` is our way: effects within products of the panel (a conditional Poisson model with product fixed effects, as
launch_outcome's response), shrunk to the category by empirical Bayes; their levels adjusted by doubly robust effects on
launches as far as the two agree; units without promotion from launches with the effects taken out; and the action with
the highest expected profit. The others are what is usual: imitate each field of practice on its own, or let a boosted
outcome model choose.
"""

from collections.abc import Callable
from typing import NamedTuple

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from onshelf_research.policy.aipw import cross_fit, lift
from onshelf_research.policy.simulator import CHANNELS, DISCOUNTS, EFFECTS, PRICES, Actions, World, all_actions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TRANSFER = 0.5  # assumed: launches differ from existing products half as much as categories do from each other
DEPARTMENT_STRENGTH = 2.0  # categories that the shop counts for beside a department's own
ROUNDS = 15  # of empirical Bayes
FIRST_SPREAD = 0.3  # variance
TREES = {
    "verbosity": -1,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "learning_rate": 0.08,
    "num_leaves": 8,
    "min_data_in_leaf": 25,
    "lambda_l2": 5.0,
    "cat_smooth": 20.0,
}
CHANNEL_EFFECTS = len(CHANNELS) - 1


class Response(NamedTuple):
    """Effects by category, float64 [categories, EFFECTS], their standard deviations, and those between categories
    [EFFECTS]."""

    effect: Floats
    error: Floats
    spread: Floats


class Decision(NamedTuple):
    """An action for each new launch and, where the learner estimates them, effects by category."""

    actions: Actions
    response: Response | None = None


def planner(world: World) -> Decision:
    """Ours; see the module."""
    response = adjusted(world, panel_response(world))
    products, actions = world.products, world.actions
    offset = (response.effect[products.category] * actions.design()).sum(axis=1)
    base = _poisson(products.x(), world.units, offset)(world.new.x())
    grid = all_actions()
    units = base[:, None] * np.exp(response.effect[world.new.category] @ grid.design().T)
    return Decision(_pick(grid, units * grid.margin() - grid.cost()), response)


def greedy_outcome(world: World) -> Decision:
    """Boosted trees of units on covariates and action, launches only; then the most profitable action."""
    model = _poisson(np.column_stack([world.products.x(), _fields(world.actions)]), world.units)
    return _greedy(world, model, None)


def greedy_pooled(world: World) -> Decision:
    """The same trees on launches and the panel's product-weeks together, with a column that says which is which."""
    panel = world.panel
    channel = (panel.design[:, :CHANNEL_EFFECTS] @ np.arange(1, CHANNEL_EFFECTS + 1)).astype(np.int64)
    season = (panel.design[:, 6:] @ np.arange(1, EFFECTS - 5)).astype(np.int64)
    fields = np.column_stack([channel, panel.design[:, 4], np.exp(-panel.design[:, 5]), season])
    x = np.concatenate(
        [
            np.column_stack([world.products.x(), _fields(world.actions), np.zeros(len(world.units))]),
            np.column_stack([panel.products.take(panel.product).x(), fields, np.ones(len(panel.units))]),
        ]
    )
    return _greedy(world, _poisson(x, np.concatenate([world.units, panel.units])), 0.0)


def per_field_imitation(world: World) -> Decision:
    """Each field's likeliest value in past practice, predicted on its own, as the tutorials do."""
    x, new = world.products.x(), world.new.x()
    chosen = []
    for field in world.actions:
        classes, label = np.unique(field, return_inverse=True)
        settings = {**TREES, "objective": "multiclass", "num_class": len(classes)}
        data = lgb.Dataset(x, label, categorical_feature=[0, 1], params={"verbosity": -1})
        chance = np.asarray(lgb.train(settings, data, num_boost_round=30).predict(new))
        chosen.append(classes[chance.argmax(axis=1)].astype(np.int64))
    return Decision(Actions(*chosen))


def best_constant(world: World) -> Decision:
    """The one action that is best for all in truth: more than any learner of constants can know."""
    grid = all_actions()
    best = int(world.profits(grid).mean(axis=0).argmax())
    return Decision(Actions(*(np.full(len(world.base), field[best]) for field in grid)))


def practice(world: World) -> Decision:
    """Actions of practice drawn for other launches: what is done today, without a decision."""
    rows = np.arange(len(world.base)) % len(world.units)
    return Decision(Actions(*(field[rows] for field in world.actions)))


LEARNERS: dict[str, Callable[[World], Decision]] = {
    "planner": planner,
    "best_constant": best_constant,
    "per_field_imitation": per_field_imitation,
    "greedy_outcome": greedy_outcome,
    "greedy_pooled": greedy_pooled,
    "practice": practice,
}


def panel_response(world: World) -> Response:
    """Conditional Poisson with product fixed effects (Hausman, Hall and Griliches 1984), effects by category drawn from
    a normal distribution around their department's, whose means and spread are estimated by EM; departments are shrunk
    to the shop."""
    panel = world.panel
    parent = np.zeros(len(world.effects), dtype=np.int64)
    parent[panel.products.category] = panel.products.department
    categories = len(world.effects)
    category = panel.products.category[panel.product]
    size = len(panel.products.category)
    by_product = sparse.csr_array((np.ones(len(category)), (panel.product, np.arange(len(category)))))
    by_category = sparse.csr_array(
        (np.ones(len(category)), (category, np.arange(len(category)))), shape=(categories, len(category))
    )
    totals = by_product @ panel.units

    def curvature(effect: Floats) -> tuple[Floats, Floats, float]:
        """Gradient [categories, EFFECTS], information [categories, EFFECTS, EFFECTS] and dispersion."""
        eta = np.exp((panel.design * effect[category]).sum(axis=1))
        share = eta / (by_product @ eta)[panel.product]
        expected = totals[panel.product] * share
        centred = panel.design - (by_product @ (panel.design * share[:, None]))[panel.product]
        gradient = by_category @ ((panel.units - expected)[:, None] * panel.design)
        outer = (centred[:, :, None] * centred[:, None, :]).reshape(len(category), -1) * expected[:, None]
        seen = expected > 0
        pearson = float(((panel.units - expected)[seen] ** 2 / expected[seen]).sum())
        dispersion = max(1.0, pearson / max(int(seen.sum()) - size - EFFECTS, 1))
        return gradient, (by_category @ outer).reshape(categories, EFFECTS, EFFECTS), dispersion

    effect = np.zeros((categories, EFFECTS))
    for _ in range(6):  # the shop's own effects first
        gradient, information, dispersion = curvature(effect)
        step = np.linalg.solve(information.sum(axis=0) + np.eye(EFFECTS), gradient.sum(axis=0))
        effect = effect + np.clip(step, -1.0, 1.0)
    mean, spread = effect.copy(), np.full(EFFECTS, FIRST_SPREAD)
    covariance: Floats = np.zeros((categories, EFFECTS, EFFECTS))
    weight = np.asarray(by_category.sum(axis=1)) > 0
    for _ in range(ROUNDS):
        gradient, information, dispersion = curvature(effect)
        precision = information / dispersion + np.diag(1.0 / spread)
        covariance = np.asarray(np.linalg.inv(precision), dtype=np.float64)
        pull = gradient / dispersion - (effect - mean) / spread
        effect = effect + np.clip(np.einsum("cij,cj->ci", covariance, pull), -1.0, 1.0)
        mean = _department_means(effect, weight, parent)
        variance = np.einsum("cii->ci", covariance)
        spread = np.maximum(((effect - mean) ** 2 + variance)[weight].mean(axis=0), 1e-4)
    return Response(effect, np.sqrt(np.einsum("cii->ci", covariance)), np.sqrt(spread))


def _department_means(effect: Floats, weight: NDArray[np.bool_], parent: Ints) -> Floats:
    """Mean effects of each category's department, shrunk to the shop's, float64 [categories, EFFECTS]."""
    shop = effect[weight].mean(axis=0)
    sums = np.zeros((int(parent.max()) + 1, EFFECTS))
    np.add.at(sums, parent[weight], effect[weight] - shop)
    count = np.bincount(parent[weight], minlength=len(sums))[:, None]
    return np.asarray(shop + (sums / (count + DEPARTMENT_STRENGTH))[parent], dtype=np.float64)


def adjusted(world: World, panel: Response) -> Response:
    """The panel's channel effects moved towards the doubly robust ones of launches, all categories alike.

    Both estimate the mean effect of a channel; their disagreement beyond their errors is taken as the variance of the
    bias of launches (products are chosen for promotion by what nobody recorded), so that launches count only as far as
    they agree with the panel.
    """
    x, channel = world.products.x(), world.actions.channel
    others = np.column_stack([x, _fields(world.actions)[:, 1:]])
    scores = cross_fit(
        others, channel, np.minimum(world.units, 100.0), np.arange(len(channel)), folds=2, categorical=(0, 1)
    ).score
    rows = np.arange(len(channel))
    lifts = [lift(scores[:, k], scores[:, 0], rows) for k in range(1, scores.shape[1])]
    ratio = np.maximum(np.array([1.0 + one.value for one in lifts]), 0.1)
    launch, error = np.log(ratio), np.array([one.error for one in lifts]) / ratio
    known = np.isfinite(launch) & np.isfinite(error)
    count = len(lifts)
    average = panel.effect[world.products.category, :count].mean(axis=0)
    gap = np.where(known, launch - average, 0.0)
    own = np.sqrt(
        (panel.error[world.products.category, :count] ** 2).mean(axis=0) / len(panel.effect)
        + (TRANSFER * panel.spread[:count]) ** 2
    )
    bias = max(0.0, float((gap**2 - error**2 - own**2)[known].mean())) if known.any() else 0.0
    weight = np.where(known, own**2 / (own**2 + error**2 + bias), 0.0)
    effect = panel.effect.copy()
    effect[:, :count] += weight * gap
    return Response(effect, np.sqrt(panel.error**2 + (TRANSFER * panel.spread) ** 2), panel.spread)


def _fields(actions: Actions) -> Floats:
    return np.column_stack([actions.channel, DISCOUNTS[actions.discount], PRICES[actions.price], actions.season])


def _poisson(x: Floats, units: Floats, offset: Floats | None = None) -> Callable[[Floats], Floats]:
    """Boosted Poisson trees; with an offset, of what remains after exp(offset)."""
    start = np.log(max(float(units.sum() / np.exp(offset).sum()), 1e-6)) if offset is not None else None
    init = None if offset is None or start is None else offset + start
    data = lgb.Dataset(x, units, categorical_feature=[0, 1], init_score=init, params={"verbosity": -1})
    settings = {**TREES, "objective": "poisson"}
    model = lgb.train(settings, data, num_boost_round=60)

    def predict(rows: Floats) -> Floats:
        raw = np.asarray(model.predict(rows, raw_score=True), dtype=np.float64)
        return np.asarray(np.exp(raw + (start or 0.0)), dtype=np.float64)

    return predict


def _greedy(world: World, model: Callable[[Floats], Floats], flag: float | None) -> Decision:
    grid = all_actions()
    fields, new = _fields(grid), world.new.x()
    x = np.column_stack([np.repeat(new, len(fields), axis=0), np.tile(fields, (len(new), 1))])
    if flag is not None:
        x = np.column_stack([x, np.full(len(x), flag)])
    units = model(x).reshape(len(new), len(fields))
    return Decision(_pick(grid, units * grid.margin() - grid.cost()))


def _pick(grid: Actions, profit: Floats) -> Actions:
    best = profit.argmax(axis=1)
    return Actions(*(field[best] for field in grid))
