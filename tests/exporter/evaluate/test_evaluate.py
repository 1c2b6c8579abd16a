"""The whole command on the invented shop: numbers, report, predictions, cache, and the opening of the test period."""

import argparse
import datetime as dt
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from onshelf_exporter import evaluate
from onshelf_exporter.errors import SettingError
from onshelf_exporter.evaluation import metrics, report
from onshelf_exporter.evaluation.release import MissingReleaseError
from onshelf_exporter.evaluation.splits import Split


def arguments(prepared, published, out, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    paths = {
        "--data": prepared,
        "--releases": published / "releases",
        "--repository": published / "repository",
        "--out": out / "reports",
        "--cache": out / "cache",
        "--decisions": out / "decisions.md",
    }
    return parser.parse_args(
        [str(word) for pair in paths.items() for word in pair] + ["--draws", "40", "--threads", "1", *more]
    )


@pytest.fixture(scope="module")
def out(prepared, published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    assert evaluate.run(arguments(prepared, published, folder)) == 0
    return folder


def test_every_model_has_its_row(out):
    numbers = json.loads((out / "reports" / "evaluation.json").read_text())
    rows = {
        "demand": {"global_median", "category_median", "category_mean", "analog_median", "analog_mean"}
        | {"lightgbm_q50", "lightgbm_tweedie", "seed_linear", "seed_bert"},
        "warm": {"popularity_8w", "own_frequency", "ease_binary", "ease_log_count", "seed_embedding"},
        "cold": {"activity_only", "content_knn", "affinity", "lightgbm_two_sided", "seed_embedding"},
    }
    for part, models in rows.items():
        assert {name for name, values in numbers["baselines"].items() if part in values} == models
        assert numbers["versus"][part]
    assert (numbers["split"], numbers["model_release"]["version"], numbers["warm"]["cut"]) == ("validation", 1, 27)
    assert numbers["demand"]["trained"] < numbers["demand"]["trained_not_purged"]
    ours = numbers["ours"]
    low, high = ours["demand"]["wape_ci"]
    assert low <= ours["demand"]["wape"] <= high
    assert {"pit_coverage80", "pit_p", "newsvendor_80"} <= set(ours["demand"])
    assert {row["slice"] for row in numbers["calibration"]} >= {"all", "PF (promotion first)", "food", "non-food"}


def test_the_report_names_every_model_and_says_what_it_is(out):
    text = (out / "reports" / "evaluation.md").read_text()
    for words in ("ours, as served", "seed_bert (tutorial)", "EASE binary", "household activity only", "optimistic"):
        assert words in text
    assert "Where ours is behind" in text
    assert "another preparation of the data" not in text
    assert not (out / "decisions.md").exists()


def test_a_model_release_of_other_data_is_said_to_be_one(out):
    numbers = json.loads((out / "reports" / "evaluation.json").read_text())
    numbers["model_release"]["data_hash"] = "another"
    assert "another preparation of the data" in report.render(numbers)


def test_predictions_give_the_numbers_of_the_report(out):
    numbers = json.loads((out / "reports" / "evaluation.json").read_text())
    demand = pq.read_table(out / "reports" / "predictions" / "demand.parquet").to_pandas()
    eight = demand[demand["horizon_weeks"] == 8]
    actual = eight["actual"].to_numpy()
    assert metrics.wape(actual, eight["p50"].to_numpy()) == pytest.approx(numbers["ours"]["demand"]["wape"])
    deviance = metrics.poisson_deviance(actual, eight["mean"].to_numpy())
    assert deviance == pytest.approx(numbers["ours"]["demand"]["poisson_deviance"])
    assert (eight["cdf_below"] <= eight["cdf_at"]).all()
    audience = pq.read_table(out / "reports" / "predictions" / "audience.parquet").to_pandas()
    assert audience["product_id"].nunique() == numbers["cold"]["launches"]
    assert audience.groupby("product_id")["bought"].sum().min() >= 3
    for name, lists in (("recommend_warm", {"all", "new"}), ("recommend_cold", {"cold"})):
        table = pq.read_table(out / "reports" / "predictions" / f"{name}.parquet").to_pandas()
        assert set(table["list"]) == lists
        assert table["rank"].between(1, 50).all()


def test_again_nothing_is_predicted_twice(out, prepared, published, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("predicted again")

    for name in ("trees.quantile_trees", "tutorials.seed_bert", "tutorials.seed_embedding", "served.forecasts"):
        monkeypatch.setattr(f"onshelf_exporter.evaluation.study.{name}", refuse)
    before = (out / "reports" / "evaluation.json").read_text()
    assert evaluate.run(arguments(prepared, published, out)) == 0
    assert (out / "reports" / "evaluation.json").read_text() == before


def test_quick_has_the_cheap_rows_only_and_says_so(prepared, published, tmp_path):
    assert evaluate.run(arguments(prepared, published, tmp_path, "--quick")) == 0
    numbers = json.loads((tmp_path / "reports" / "evaluation.json").read_text())
    assert "lightgbm_q50" not in numbers["baselines"]
    assert {"category_median", "own_frequency", "content_knn"} <= set(numbers["baselines"])
    assert "A quick run on a sample" in (tmp_path / "reports" / "evaluation.md").read_text()


def test_the_test_period_is_recorded_when_opened(prepared, published, tmp_path):
    """The path of `--split test`, with the validation weeks standing in for the test weeks."""
    stand_in = Split("test", (9, 20), (28, 32), 27, 27)
    args = arguments(prepared, published, tmp_path, "--quick")
    args.decisions.write_text("# Decisions\n")
    numbers = evaluate.evaluate(args, stand_in)
    text = args.decisions.read_text()
    assert text.startswith("# Decisions\n\n## 20")
    assert f"wape {numbers['ours']['demand']['wape']:.4g}" in text
    assert "Model release 1 (replay, recipe by hand, cut at week 27" in text
    assert "demand_not_purged" not in numbers["ours"]
    assert "The test period was opened" in (tmp_path / "reports" / "evaluation.md").read_text()


def test_the_test_period_needs_a_model_release_cut_right_before_it(prepared, published, tmp_path):
    args = arguments(prepared, published, tmp_path, "--published-only")
    with pytest.raises(MissingReleaseError, match="cut at week 26"):
        evaluate.evaluate(args, Split("test", (9, 19), (28, 32), 26, 26))
    assert not (tmp_path / "decisions.md").exists()


def test_every_opening_is_appended(tmp_path):
    numbers = {
        "dataset": "d",
        "model_release": {
            "version": 4,
            "role": "evaluation",
            "recipe": "full",
            "cut_week": 39,
            "git_commit": "abc",
            "identity": "f" * 64,
        },
        "ours": {"demand": {"wape": 0.9, "wape_ci": [0.8, 1.0]}, "warm": {"all_n10": 0.1}, "cold": {"auc": None}},
        "versus": {"demand": [{"column": "wape", "verdict": "behind"}], "warm": [], "cold": []},
    }
    for day in (1, 2):
        evaluate.record_opening(tmp_path / "docs" / "decisions.md", numbers, dt.date(2018, 1, day))
    text = (tmp_path / "docs" / "decisions.md").read_text()
    assert text.count("test period opened") == 2
    assert text.count("behind the best baseline with certainty in: wape") == 2
    assert "wape_ci" not in text


def test_impossible_settings_are_refused(prepared, published, tmp_path):
    with pytest.raises(SettingError, match="--draws = 0: must be at least 1"):
        evaluate.run(arguments(prepared, published, tmp_path, "--draws", "0"))


def test_a_model_that_knows_the_future_would_be_seen(out, data):
    """Sanity of the whole table: the truth as a forecast is best in every column."""
    from onshelf_exporter.baselines.forecast import Forecast
    from onshelf_exporter.evaluation import tables

    rows = data.launched((28, 32))
    y = rows.numbers("units_8w")
    oracle = Forecast(y, y, dict.fromkeys((0.1, 0.5, 0.7, 0.8, 0.9), y))
    measured = tables.measure_demand(rows, "units_8w", oracle)
    numbers = json.loads((out / "reports" / "evaluation.json").read_text())
    for column, more in tables.DEMAND_BETTER.items():
        rivals = [
            values["demand"][column] for values in numbers["baselines"].values() if column in values.get("demand", {})
        ]
        assert (measured[column] >= max(rivals)) if more else (measured[column] <= min(rivals)), column
    assert np.isclose(measured["bias"], 1.0)
