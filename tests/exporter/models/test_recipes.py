from dataclasses import replace
from pathlib import Path

import pytest

from onshelf_exporter.training.recipe import RECIPES, RecipeError, load_recipe


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_every_recipe_loads(name: str) -> None:
    assert load_recipe(name).name == name


def write(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sead = 1", ["'sead'", "unknown", "seed"]),
        ("[encoder]\nlayer = 2", ["'encoder.layer'", "frozen_layers"]),
        ("[encoder.loop]\nepoch = 2", ["'encoder.loop.epoch'", "epochs"]),
        ('seed = "one"', ["seed", "'one'", "int"]),
        ("[towers]\nanchors = true", ["towers.anchors", "int"]),
        ("[encoder]\nmax_length = 4", ["max_length", "4", "8..512"]),
        ("[towers.repeat]\nlearning_rate = 0", ["learning_rate", "above 0"]),
        ("[outcome]\nmembers = 4", ["'outcome.members'", "unknown", "trees"]),
        ("[outcome]\ntrees = 0", ["trees", "0", "1..2000"]),
        ("[outcome]\nleaf_rows = 0", ["leaf_rows", "at least 1"]),
        ("[outcome]\nsplit_share = 1.5", ["split_share", "1.5", "(0, 1]"]),
        ("[outcome]\nhalf_life_weeks = 0", ["half_life_weeks", "above 0"]),
        ("[outcome]\naction_ridge = -1", ["action_ridge", "negative"]),
        ("[outcome]\nembedding_directions = 129", ["embedding_directions", "0..128"]),
        ("towers = 3", ["towers", "table"]),
        ("[encoder", ["TOML"]),
    ],
)
def test_mistakes_are_refused_by_name_value_and_rule(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text))
    for word in words:
        assert word in str(caught.value)


def test_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="default"):
        load_recipe("defualt")


def test_part_of_a_table_keeps_the_rest(tmp_path: Path) -> None:
    own = load_recipe(write(tmp_path, "[towers.repeat]\nrounds = 7"))
    base = load_recipe("default")
    assert own.towers == replace(base.towers, repeat=replace(base.towers.repeat, rounds=7))


def test_hash_follows_the_values(tmp_path: Path) -> None:
    base = load_recipe("default")
    assert base.hash == load_recipe("default").hash
    assert replace(base, seed=base.seed + 1).hash != base.hash
