"""Which weeks a run's models may see, on data of any length."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onshelf_exporter.training.recipe import load_recipe
from onshelf_exporter.training.runs import Run


def run(folder: Path, last_week: int, launch_weeks: list[int]) -> Run:
    (folder / "features").mkdir()
    pq.write_table(pa.table({"launch_week": launch_weeks}), folder / "features" / "launches.parquet")
    dataset = {"first_week": 1, "last_week": last_week, "launch_burn_in_weeks": 8, "data_hash": "x"}
    return Run(folder / "runs" / "one", folder, dataset, load_recipe("default"))


def test_cuts_are_those_of_the_splits_of_the_default_data(tmp_path: Path) -> None:
    default = run(tmp_path, 53, [9, 10, 30])
    assert [default.cut_week(role) for role in ("replay", "evaluation", "production")] == [27, 39, 53]
    assert default.encoder_cut == 27
    assert all(default.has_role(role) for role in ("replay", "evaluation", "production"))


def test_a_role_needs_launches_to_learn_from_and_weeks_to_measure(tmp_path: Path) -> None:
    short = run(tmp_path, 40, [9, 12, 20])
    assert [short.has_role(role) for role in ("replay", "evaluation", "production")] == [False, True, True]
    assert short.encoder_cut == 26  # the first cut by which there is a launch to learn from
    release = replace(short.recipe.release, evaluation_cut_week=33)
    late = replace(short, recipe=replace(short.recipe, release=release))
    assert not late.has_role("evaluation")


@pytest.mark.parametrize(("wanted", "week"), [(27, 27), (0, 53), (-26, 27)])
def test_weeks_count_back_from_the_last_where_they_are_not_positive(tmp_path: Path, wanted: int, week: int) -> None:
    assert run(tmp_path, 53, []).week(wanted) == week


def test_a_repeat_has_the_roles_cut_and_a_seed_of_its_own(tmp_path: Path) -> None:
    one = run(tmp_path, 53, [9, 10, 30])
    assert one.cut_week("evaluation-seed3") == one.cut_week("evaluation")
    assert one.has_role("evaluation-seed3")
    assert [one.seed(role) - one.recipe.seed for role in ("evaluation", "evaluation-seed3")] == [0, 3]
