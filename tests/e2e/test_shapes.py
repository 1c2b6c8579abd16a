"""Shops of other shapes than the default data go the whole way: data, train, export, publish, evaluate."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from evaluating import evaluate_arguments
from shops import CHINESE, CHINESE_CHANNELS
from small_release import MADE

from onshelf_exporter.evaluation.splits import split_of
from onshelf_exporter.training.texts import unknown_notice
from onshelf_research import evaluate
from onshelf_research.data.cache import Cache
from onshelf_research.data.dataset import load
from onshelf_research.evaluation import study
from onshelf_research.evaluation.release import find_release
from onshelf_research.evaluation.study import Study


@dataclass(frozen=True)
class Measured:
    """What a shop led to: its data, its release's tables, what its text encoder recorded, evaluation.json and the
    report."""

    data: Path
    release: Path
    repository: Path
    encoder: dict[str, Any]
    numbers: dict[str, Any]
    report: str
    predictions: Path


def measure(shop: str, folder: Path) -> Measured:
    """Train the recipe `test` with the cut of the validation split (kept where nothing changed), and evaluate on it."""
    made = MADE[shop]()
    data = made.run.data
    places = {"data": data, "releases": made.releases, "repository": made.repository, "out": folder, "cache": folder}
    assert evaluate.run(evaluate_arguments("--recipe=test", "--quick", "--draws=50", **places)) == 0
    return Measured(
        data=data,
        release=made.releases / str(made.version),
        repository=made.repository,
        encoder=json.loads((made.run.encoder_folder / "done.json").read_text(encoding="utf-8")),
        numbers=json.loads((folder / "evaluation.json").read_text(encoding="utf-8")),
        report=(folder / "evaluation.md").read_text(encoding="utf-8"),
        predictions=folder / "predictions",
    )


def check(measured: Measured, last_week: int) -> None:
    """Numbers that any shop must have: measured on the right weeks, and neither absurd nor missing."""
    numbers = measured.numbers
    assert numbers["weeks"]["evaluate"] == [last_week - 25, last_week - 21]
    assert numbers["model_release"]["cut_week"] == last_week - 26
    assert numbers["demand"]["launches"] > 0
    demand, warm, cold = (numbers["ours"][part] for part in ("demand", "warm", "cold"))
    assert 0 < demand["wape"] < 2
    assert 0.1 < demand["bias"] < 10
    assert 0.2 < demand["pit_coverage80"] <= 1
    assert 0 < warm["all_n10"] <= 1
    assert 0.2 < cold["auc"] <= 1
    for part in (demand, warm, cold):
        for key, value in part.items():
            assert value is None or np.all(np.isfinite(value)), key
    assert {"global_median", "popularity_8w", "content_knn"} <= set(numbers["baselines"])
    rows = pq.read_table(measured.predictions / "demand.parquet").to_pandas()
    assert len(rows) == 2 * numbers["demand"]["launches"]
    assert ((rows["cdf_below"] <= rows["cdf_at"]) & (rows["mean"] > 0)).all()
    launches = pq.read_table(measured.data / "features" / "launches.parquet").to_pandas()
    eight = rows[rows["horizon_weeks"] == 8].merge(launches, on="product_id")
    wape = (eight["units_8w"] - eight["p50"]).abs().sum() / eight["units_8w"].sum()
    assert wape == pytest.approx(demand["wape"])
    assert "nan" not in measured.report.lower()


@pytest.fixture(scope="module")
def boutique(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measure("boutique", tmp_path_factory.mktemp("boutique"))


@pytest.fixture(scope="module")
def marketplace(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measure("marketplace", tmp_path_factory.mktemp("marketplace"))


def test_a_small_boutique_without_promotions(boutique: Measured) -> None:
    """Nothing has a brand, a channel, a discount or a second level of category."""
    check(boutique, 52)
    assert "wape_pf" not in boutique.numbers["ours"]["demand"]
    low, high = boutique.numbers["ours"]["demand"]["wape_ci"]
    assert low < high  # launches without a brand or type are resampled all the same
    assert feather.read_table(boutique.release / "channels.arrow").num_rows == 0
    assert boutique.encoder["unknown_tokens"] == 0
    slices = {row["slice"] for row in boutique.numbers["slices"]}
    assert not slices & {"PF (promotion first)", "food"}


def test_every_baseline_forecasts_the_boutique(boutique: Measured, tmp_path: Path) -> None:
    data = load(boutique.data)
    split = split_of("validation", data.info)
    release = find_release(boutique.release.parent, boutique.repository, split.evaluate[0], "boutique")
    cache = Cache(tmp_path / "own", "boutique", "full")
    made = study.demand(
        Study(data=data, split=split, release=release, warm_release=release, cache=cache), split.purged_train
    )
    assert {"lightgbm_q50", "lightgbm_tweedie", "analog_median", "seed_bert"} <= set(made.units)
    for name, forecast in made.units.items():
        assert np.all(np.isfinite(forecast.median)), name
        assert np.all(forecast.mean >= 0), name


def test_a_marketplace_with_views_clicks_carts_returns_and_reviews(marketplace: Measured) -> None:
    check(marketplace, 60)
    kinds = feather.read_table(marketplace.release / "users.arrow").column("history_kinds").combine_chunks().flatten()
    assert {1, 2} <= set(kinds.to_pylist())  # purchases, and products only looked at


def test_a_shop_in_chinese_says_that_its_encoder_does_not_know_the_words(marketplace: Measured) -> None:
    notice = unknown_notice(marketplace.encoder["unknown_tokens"], "minilm")
    assert notice is not None
    assert "--recipe multilingual" in notice
    names = feather.read_table(marketplace.release / "vocabulary.arrow").column("name").to_pylist()
    assert {CHINESE[0][0], CHINESE[0][1], CHINESE[0][2]} <= set(names)
    channels = feather.read_table(marketplace.release / "channels.arrow").to_pandas()
    assert dict(zip(channels["channel_id"], channels["name"], strict=True)) == CHINESE_CHANNELS
    slices = {row["slice"] for row in marketplace.numbers["slices"]}
    assert {"food", "non-food"} <= slices
