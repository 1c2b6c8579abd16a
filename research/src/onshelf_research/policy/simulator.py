"""A semi-synthetic world in which the truth is known: real launches, invented effects, invented practice.

Assumptions, all of them favourable or unfavourable to somebody, so read them first:

- Covariates (department, category, price, private label) are those of real launches, resampled; units are invented.
- An action is one of five channels (none, narrow display, broad display, mailer, both), a discount (0, .1, .2, .3), a
  price (.9, 1, 1.1 of the list price) and a season of launch (four).
- log mean units of 8 weeks = base(covariates) + latent quality + effect of each field. Effects differ by category:
  their standard deviation is `heterogeneity` times a fixed scale, half of its variance shared by a department.
- Effects add up in logarithms, which is the form that our own learner assumes and favours it; with `saturation` a
  discount adds less where a channel already promotes, which no learner is told.
- Practice chooses channels and discounts by department and, with strength `confounding`, by the latent quality, which
  no learner sees: good products get more promotion and less discount.
- A panel of existing products with weekly sales has the same effects as launches, up to a transfer error per category
  of standard deviation `transfer`. Promotion there depends on the product's level (harmless within a product) and, with
  strength TIMING * `confounding`, on weekly demand shocks (harmful to any learner).
- Counts are negative binomial with size 1.2 (launches) and 3 (panel). Profit = units * (price paid - unit cost of
  .65 list price) - cost of the channel, in multiples of the list price. A discount runs for all units.
- All learners get the same: the logged launches and the panel. None gets the latent quality, the shocks or the truth.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from onshelf_research.data.dataset import LaunchRows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHANNELS = ("none", "display_narrow", "display_broad", "mailer", "display_and_mailer")
DISCOUNTS = np.array([0.0, 0.1, 0.2, 0.3])
PRICES = np.array([0.9, 1.0, 1.1])
SEASONS = 4
CHANNEL_COST = np.array([0.0, 0.12, 0.45, 0.25, 0.70])  # in list prices of the product
UNIT_COST = 0.65  # of the list price
EFFECT_MEAN = np.array([0.10, 0.32, 0.22, 0.50, 3.2, 2.5, 0.0, 0.0, 0.0])
EFFECT_SCALE = np.array([0.10, 0.20, 0.18, 0.28, 1.2, 0.9, 0.25, 0.25, 0.25])
EFFECTS = len(EFFECT_MEAN)  # four channels, discount (per fraction), -log price, three seasons against the first
TIMING = 0.1
LAUNCH_SIZE, PANEL_SIZE = 1.2, 3.0


class WorldSetting(NamedTuple):
    """How hard a world is; 1 is the main setting of the first two."""

    confounding: float = 1.0
    heterogeneity: float = 1.0
    transfer: float = 0.08
    saturation: float = 0.0


class Actions(NamedTuple):
    """Actions as int64 [n] each: positions in CHANNELS, DISCOUNTS, PRICES and the season."""

    channel: Ints
    discount: Ints
    price: Ints
    season: Ints

    def design(self) -> Floats:
        """What the effects are multiplied by, float64 [n, EFFECTS]."""
        return design(self.channel, DISCOUNTS[self.discount], np.log(PRICES[self.price]), self.season)

    def margin(self) -> Floats:
        """Profit per unit in list prices, float64 [n]."""
        return np.asarray(PRICES[self.price] * (1.0 - DISCOUNTS[self.discount]) - UNIT_COST, dtype=np.float64)

    def cost(self) -> Floats:
        """Cost of the channel in list prices, float64 [n]."""
        return CHANNEL_COST[self.channel]


class Products(NamedTuple):
    """Covariates: department and category numbers, z-scored log price and price relative to the category, private
    label."""

    department: Ints
    category: Ints
    features: Floats

    def take(self, rows: Ints) -> "Products":
        """Some of the rows."""
        return Products(self.department[rows], self.category[rows], self.features[rows])

    def x(self) -> Floats:
        """float64 [n, covariates]; the first two are ids."""
        return np.column_stack([self.department, self.category, self.features])


class Panel(NamedTuple):
    """Product-weeks: number of the product, its covariates by product, the design and the units."""

    product: Ints
    products: Products
    design: Floats
    units: Floats


@dataclass(frozen=True, kw_only=True)
class World:
    """What learners see (`products`, `actions`, `units`, `panel`) and what is true.

    Attributes:
        setting: of the world.
        products: of the logged launches; actions and units (8 weeks) belong to them.
        panel: of existing products.
        new: launches to be decided.
        effects: true effects on launches, float64 [categories, EFFECTS].
        base: true expected units of `new` without promotion, at the list price in the first season, float64 [n].
    """

    setting: WorldSetting
    products: Products
    actions: Actions
    units: Floats
    panel: Panel
    new: Products
    effects: Floats
    base: Floats

    def profit(self, actions: Actions) -> Floats:
        """Expected profit of one action for each new launch, in list prices, float64 [n]."""
        log = log_effect(self.effects[self.new.category], actions.design(), self.setting.saturation)
        return np.asarray(self.base * np.exp(log) * actions.margin() - actions.cost(), dtype=np.float64)

    def profits(self, grid: Actions) -> Floats:
        """Expected profit of every action of a grid for every new launch, float64 [n, grid]."""
        effects = self.effects[self.new.category][:, None, :]
        log = log_effect(effects, grid.design()[None, :, :], self.setting.saturation)
        units = self.base[:, None] * np.exp(log)
        return np.asarray(units * grid.margin() - grid.cost(), dtype=np.float64)


def all_actions() -> Actions:
    """Every combination: 240 actions."""
    parts = np.meshgrid(*(np.arange(n) for n in (len(CHANNELS), len(DISCOUNTS), len(PRICES), SEASONS)), indexing="ij")
    return Actions(*(part.ravel().astype(np.int64) for part in parts))


def design(channel: Ints, discount: Floats, log_price: Floats, season: Ints) -> Floats:
    """float64 [n, EFFECTS]."""
    one = np.eye(len(CHANNELS))[channel][:, 1:]
    return np.column_stack([one, discount, -log_price, np.eye(SEASONS)[season][:, 1:]])


def log_effect(effects: Floats, x: Floats, saturation: float) -> Floats:
    """What actions add to log units: the sum over [..., EFFECTS], less what a channel and a discount share."""
    parts = effects * x
    shared = parts[..., : len(CHANNELS) - 1].sum(axis=-1) * parts[..., len(CHANNELS) - 1]
    return np.asarray(parts.sum(axis=-1) - saturation * shared, dtype=np.float64)


def pool_of(rows: LaunchRows) -> Products:
    """Covariates of real launches."""
    frame = rows.frame
    department = pd.factorize(frame["department"].astype(str), sort=True)[0]
    category = pd.factorize(frame["department"].astype(str) + "/" + frame["category"].astype(str), sort=True)[0]
    price = pd.Series(np.log(np.maximum(np.nan_to_num(rows.numbers("price")), 0.05)))
    relative = (price - price.groupby(category).transform("mean")).to_numpy()
    label = frame["private_label"].fillna(-1).to_numpy(dtype=np.float64)
    columns = [(values - values.mean()) / max(float(values.std()), 1e-9) for values in (price.to_numpy(), relative)]
    return Products(department.astype(np.int64), category.astype(np.int64), np.column_stack([*columns, label]))


def world(
    pool: Products, setting: WorldSetting, seed: int, launches: int = 1500, new: int = 600, existing: int = 1000
) -> World:
    """Draw a world.

    Args:
        pool: covariates of real launches.
        setting: how hard it is.
        seed: of everything drawn.
        launches: logged.
        new: to be decided.
        existing: products of the panel, each with 16 weeks.
    """
    rng = np.random.default_rng(seed)
    categories, departments = int(pool.category.max()) + 1, int(pool.department.max()) + 1
    parent = np.zeros(categories, dtype=np.int64)
    parent[pool.category] = pool.department
    spread = setting.heterogeneity * EFFECT_SCALE * np.sqrt(0.5)
    shared = rng.normal(size=(departments, EFFECTS))[parent]
    general = EFFECT_MEAN + spread * (shared + rng.normal(size=(categories, EFFECTS)))
    general[:, :6] = np.maximum(general[:, :6], 0.0)
    ours = general + setting.transfer * rng.normal(size=general.shape) * (EFFECT_SCALE / EFFECT_SCALE[1])
    level = 0.9 + 0.5 * rng.normal(size=categories)
    slope = rng.normal(size=pool.features.shape[1]) * 0.2
    rows = rng.integers(len(pool.category), size=launches + new + existing)
    logged, decided, old = (
        pool.take(part) for part in (rows[:launches], rows[launches : launches + new], rows[launches + new :])
    )
    habit = 0.6 * rng.normal(size=(departments, len(CHANNELS)))

    def base(products: Products) -> Floats:
        curved = 0.25 * np.sin(2.0 * products.features[:, 0])
        return np.asarray(level[products.category] + products.features @ slope + curved, dtype=np.float64)

    quality = 0.7 * rng.normal(size=launches)
    push = setting.confounding * (1.2 * quality + 0.3 * (base(logged) - 0.9))
    actions = _practice(rng, habit[logged.department], push)
    log = base(logged) + quality + log_effect(ours[logged.category], actions.design(), setting.saturation)
    return World(
        setting=setting,
        products=logged,
        actions=actions,
        units=_counts(rng, np.exp(log), LAUNCH_SIZE),
        panel=_panel(rng, old, base(old), habit, general, setting),
        new=decided,
        effects=ours,
        base=np.exp(base(decided) + 0.7**2 / 2),
    )


def _practice(rng: np.random.Generator, habit: Floats, push: Floats) -> Actions:
    """Actions of practice: channels with more effort for products that are pushed, discounts for those that are not."""
    effort = np.array([-1.0, 0.0, 0.6, 0.4, 1.0])
    usual = np.array([0.3, 0.9, 0.2, -0.6, -0.6])
    n = len(push)
    channel = _draw(rng, usual + habit + push[:, None] * effort)
    discount = _draw(rng, np.array([0.9, 0.2, 0.0, -0.6]) - 0.6 * push[:, None] * np.array([-0.5, 0.0, 0.3, 0.6]))
    price = _draw(rng, np.array([-1.0, 1.0, -1.0]) + 0.5 * push[:, None] * np.array([-1.0, 0.0, 1.0]))
    return Actions(channel, discount, price, rng.integers(SEASONS, size=n))


def _panel(
    rng: np.random.Generator, old: Products, base: Floats, habit: Floats, effects: Floats, setting: WorldSetting
) -> Panel:
    weeks = 16
    n = len(base) * weeks
    product = np.repeat(np.arange(len(base)), weeks)
    own = (base + 0.6 * rng.normal(size=len(base)))[product] - np.log(8.0) + 1.0
    shock = 0.3 * rng.normal(size=n)
    push = setting.confounding * (0.6 * (own - own.mean()) + TIMING * shock / 0.3)
    quiet = np.array([1.2, 0.0, 0.0, 0.0, 0.0])
    actions = _practice(rng, habit[old.department[product]] + quiet, push)
    season = np.tile(np.repeat(np.arange(SEASONS), weeks // SEASONS), len(base))
    x = design(actions.channel, DISCOUNTS[actions.discount], np.log(PRICES[actions.price]), season)
    log = own + shock + log_effect(effects[old.category[product]], x, setting.saturation)
    return Panel(product, old, x, _counts(rng, np.exp(log), PANEL_SIZE))


def _draw(rng: np.random.Generator, logits: Floats) -> Ints:
    """One choice a row by the Gumbel maximum."""
    return np.asarray((logits + rng.gumbel(size=logits.shape)).argmax(axis=1), dtype=np.int64)


def _counts(rng: np.random.Generator, mean: Floats, size: float) -> Floats:
    mean = np.minimum(mean, 2000.0)
    return rng.negative_binomial(size, size / (size + mean)).astype(np.float64)
