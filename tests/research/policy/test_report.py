"""The whole report on an invented shop, and what it does where the data cannot answer."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from invented_shop import write_release, write_shop

from onshelf_exporter.evaluation.splits import split_of
from onshelf_research.data.dataset import Dataset, load
from onshelf_research.evaluation.release import MeasuredRelease
from onshelf_research.policy import report
from onshelf_research.policy.practice_accuracy import carried
from onshelf_research.policy.rows import ACTIONS, PolicyError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = write_shop(tmp_path_factory.mktemp("policy") / "invented")
    features = folder / "features"
    covered = pd.read_parquet(features / "launch_channels.parquet")
    both = covered[covered["product_index"] % 3 == 0]
    other = both.assign(channel_id=np.where(both["channel_id"] == "display_front", "mailer_page", "display_front"))
    covered = pd.concat([covered, other.assign(coverage_plan=0.7)], ignore_index=True)
    covered.to_parquet(features / "launch_channels.parquet")
    week = pd.read_parquet(features / "launches.parquet").set_index("product_index")["launch_week"]
    promotions = covered.assign(week=week.loc[covered["product_index"]].to_numpy(), coverage=0.5)
    promotions[["product_index", "week", "channel_id", "coverage"]].to_parquet(features / "promotion_weeks.parquet")
    sales = pd.read_parquet(features / "product_weeks.parquet")
    sales.assign(price=sales["revenue"] / sales["units"]).to_parquet(features / "product_weeks.parquet")
    return load(folder)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> MeasuredRelease:
    root = tmp_path_factory.mktemp("release")
    folder = write_release(root / "releases", root / "repository", 27)
    manifest = json.loads((folder / "manifest.json").read_text())
    return MeasuredRelease(folder=folder, repository=root / "repository", manifest=manifest, threads=1)


@pytest.fixture(scope="module")
def numbers(data: Dataset, release: MeasuredRelease) -> report.Numbers:
    return report.policy_report(data, release, split_of("validation", data.info), quick=True)


def test_numbers_are_json_and_complete(numbers: report.Numbers) -> None:
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert set(numbers["values"]["policies"]) >= {"logging", "uniform", *ACTIONS, "greedy_outcome", "planner"}
    assert sum(numbers["values"]["actions"].values()) == numbers["values"]["launches"]
    assert numbers["survivors"]["groups"]["entered by a sale"]["launches"] > 0
    assert 0 <= numbers["timing"]["p_value"] <= 1


def test_the_served_planner_prefers_what_its_graph_prefers(numbers: report.Numbers) -> None:
    """The invented graph sells 10 more units per coverage of the display, nothing by the mailer."""
    share = dict(zip(ACTIONS, numbers["values"]["policies"]["planner"]["share"], strict=True))
    assert share["mailer_only"] == 0
    assert sum(share.values()) == pytest.approx(1)
    assert numbers["survivors"]["without_promotion"]["served launch_outcome"] < 1


def test_too_few_positives_are_said_not_measured(numbers: report.Numbers) -> None:
    assert "20 positives" in numbers["practice"]["skipped"]
    assert "Not measured: practice: no channel has 20 positives" in report.render(numbers)


def test_rendering_headline_and_figures(numbers: report.Numbers) -> None:
    text = report.render(numbers)
    assert text.count("\n### ") == 7
    headline = report.headline(numbers)
    assert set(headline["ours"]) == {"sndr", "sndr_ci", "ess", "regret", "regret_ci"}
    assert headline["baselines"]["best_constant"]["constant"] in ACTIONS
    assert "regret" in headline["baselines"]["per_field_imitation"]
    assert [figure["name"] for figure in report.figures(numbers)][-1] == "policy_regret"


def test_data_without_promotions_are_skipped_everywhere(
    data: Dataset, release: MeasuredRelease, tmp_path: Path
) -> None:
    bare = replace(data, folder=tmp_path)
    numbers = report.policy_report(bare, release, split_of("validation", data.info), quick=True)
    assert "no promotions" in report.render(numbers)
    assert report.figures(numbers) == []
    assert report.headline(numbers) == {"ours": {}, "baselines": {}}


def test_a_model_release_that_saw_the_measured_weeks_is_refused(data: Dataset, release: MeasuredRelease) -> None:
    late = replace(release, manifest=release.manifest | {"cut_week": 28})
    with pytest.raises(PolicyError, match="must lie before week 28"):
        report.policy_report(data, late, split_of("validation", data.info), quick=True)


def test_channels_of_the_first_weeks_are_read_by_launch(data: Dataset) -> None:
    rows = data.launched((9, 46))
    found = carried(data, rows)
    first = rows.frame["is_promotion_first"].to_numpy()
    assert found[~first].sum() == 0
    assert (found[first].sum(axis=1) == np.where(rows.product[first] % 3 == 0, 2, 1)).all()
