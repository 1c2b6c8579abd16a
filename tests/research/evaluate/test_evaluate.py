"""The whole command on the invented shop: numbers, report, predictions, cache, and the opening of the test period."""

import datetime as dt
import json
import shutil

import numpy as np
import pytest

from onshelf_exporter.evaluation.splits import Split
from onshelf_exporter.process.errors import SettingError, SourceError
from onshelf_exporter.release.cards import CARDS
from onshelf_research import evaluate
from onshelf_research.evaluation.release import MissingReleaseError
from onshelf_research.report import report


def test_every_model_has_its_row(out):
    numbers = json.loads((out / "reports" / "evaluation.json").read_text())
    rows = {
        "demand": {"global_median", "category_median", "category_mean", "analog_median", "analog_mean"}
        | {"seed_linear", "seed_bert"}
        | {
            f"{model}{suffix}"
            for model in ("lightgbm_q50", "lightgbm_tweedie", "quantile_forest", "ensemble")
            for suffix in ("", "_rolling")
        },
        "warm": {"popularity_8w", "own_frequency", "ease_binary", "ease_log_count", "seed_embedding"}
        | {"item_knn_bm25", "als"},
        "cold": {"activity_only", "content_knn", "affinity", "lightgbm_two_sided", "seed_embedding"}
        | {"als_content_ridge", "two_sided_content_knn"},
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
    assert {row["slice"] for row in numbers["slices"]} >= {"all", "PF (promotion first)", "food", "non-food"}
    assert {row["slice"]: row["holds"] for row in numbers["slices"]}["week 28"] is None
    thirds = numbers["warm"]["slices"]
    assert sum(row["n"] for row in thirds) == numbers["warm"]["households"]
    assert np.average([row["all_n10"] for row in thirds], weights=[row["n"] for row in thirds]) == pytest.approx(
        ours["warm"]["all_n10"]
    )
    parts = {row["slice"]: row for row in numbers["cold"]["slices"]}
    for halves in (("food", "non-food"), ("fewer than 6 buyers", "6 buyers or more")):
        both = [parts[name] for name in halves if name in parts]
        assert sum(row["n"] for row in both) == numbers["cold"]["launches"]
        assert np.average([row["auc"] for row in both], weights=[row["n"] for row in both]) == pytest.approx(
            ours["cold"]["auc"]
        )
    models = {outcome: set(values) for outcome, values in numbers["other"].items()}
    assert set(models) == {"units_4w", "revenue_8w", "buyers_8w", "repeat"}
    assert all("ours" in names and len(names) >= 4 for names in models.values())
    assert set(numbers["ours_rolling"]) == {"units_8w", "units_4w", "revenue_8w", "buyers_8w"}
    assert {"wape", "pit_p", "newsvendor_80"} <= set(numbers["ours_rolling"]["units_8w"])
    assert "ours_rolling" not in numbers["baselines"]
    early = {"ours", "no_update", "gamma_poisson_category", "lightgbm_early_q50", "lightgbm_early_tweedie"}
    assert {seen: set(values["models"]) for seen, values in numbers["early_weeks"].items()} == {"1": early, "2": early}
    assert numbers["seeds"]["count"] == 1
    assert numbers["seeds"]["mean"]["demand"]["wape"] == ours["demand"]["wape"]
    assert set(numbers["search"]) == {"lightgbm_q50", "lightgbm_tweedie", "quantile_forest"}


def test_the_report_names_every_model_and_says_what_it_is(out):
    text = (out / "reports" / "evaluation.md").read_text()
    for words in ("ours, as served", "seed_bert (tutorial)", "EASE binary", "household activity only", "optimistic"):
        assert words in text
    assert "Where ours is behind" in text
    assert "another preparation of the data" not in text
    assert not (out / "openings.md").exists()


def test_plots_and_cards_are_written_and_named(out):
    folder = out / "reports"
    numbers, text = json.loads((folder / "evaluation.json").read_text()), (folder / "evaluation.md").read_text()
    files = [plot["file"] for plot in numbers["plots"]]
    assert {"plots/pit.svg", "plots/calibration.svg", "plots/deciles.svg", "plots/lift.svg"} < set(files)
    for file in files:
        assert (folder / file).read_text().startswith("<?xml")
        assert text.count(f"({file})") == 1
    assert sorted(path.stem for path in (folder / "model_cards").iterdir()) == sorted(CARDS)
    card = (folder / "model_cards" / "launch_outcome.md").read_text()
    assert f"{numbers['ours']['demand']['wape']:.3f}" in card
    assert "| food |" in card


def test_studies_are_tables_of_the_report(out, arguments, tmp_path):
    study = {"title": "Text", "question": "Does it help?", "columns": ["model", "WAPE"], "remarks": ["A remark."]}
    study |= {"rows": [["bert", 0.75], ["none", None]], "recipe": "test", "commit": "abc", "seconds": 3}
    folder = tmp_path / "reports" / "studies"
    folder.mkdir(parents=True)
    (folder / "text.json").write_text(json.dumps(study))
    shutil.copytree(out / "cache", tmp_path / "cache")
    assert evaluate.run(arguments(tmp_path)) == 0
    text = (tmp_path / "reports" / "evaluation.md").read_text()
    table = ("| bert | .750 |", "| none | – |", "(plots/study_text.svg)", "of another commit")
    for words in ("### Text", *table, "- A remark."):
        assert words in text
    named = study | {"plot": {"label": "model", "value": "F1"}}
    (folder / "text.json").write_text(json.dumps(named))
    with pytest.raises(SourceError, match=r"text.json: plot names the column 'F1': must be one of model, WAPE"):
        evaluate.run(arguments(tmp_path))
    (folder / "text.json").write_text(json.dumps(study | {"rows": [["bert"]]}))
    with pytest.raises(SourceError, match=r"text.json: rows\[0\].*must be a list of 2 values"):
        evaluate.run(arguments(tmp_path))


def test_a_model_release_of_other_data_is_said_to_be_one(out):
    numbers = json.loads((out / "reports" / "evaluation.json").read_text())
    numbers["model_release"]["data_hash"] = "another"
    assert "another preparation of the data" in report.render(numbers)


def test_again_nothing_is_predicted_twice(out, arguments, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("predicted again")

    for name in ("tutorials.seed_bert", "tutorials.seed_embedding", "served.forecasts", "factors.least_squares"):
        monkeypatch.setattr(f"onshelf_research.evaluation.study.{name}", refuse)
    for name in ("search", "predict"):
        monkeypatch.setattr(f"onshelf_research.baselines.trees.{name}", refuse)
    before = (out / "reports" / "evaluation.json").read_text()
    assert evaluate.run(arguments(out)) == 0
    assert (out / "reports" / "evaluation.json").read_text() == before


def test_quick_has_the_cheap_rows_only_and_says_so(arguments, tmp_path):
    assert evaluate.run(arguments(tmp_path, "--quick")) == 0
    numbers = json.loads((tmp_path / "reports" / "evaluation.json").read_text())
    assert "lightgbm_q50" not in numbers["baselines"]
    assert {"category_median", "own_frequency", "content_knn"} <= set(numbers["baselines"])
    assert "A quick run on a sample" in (tmp_path / "reports" / "evaluation.md").read_text()


def test_the_test_period_is_recorded_when_opened(arguments, tmp_path):
    """The path of `--split test`, with the validation weeks standing in for the test weeks."""
    stand_in = Split(name="test", train=(9, 20), evaluate=(28, 32), cut=27, warm_cut=27)
    args = arguments(tmp_path, "--quick")
    args.openings.write_text("# Openings\n")
    numbers = evaluate.evaluate(args, stand_in)
    text = args.openings.read_text()
    assert text.startswith("# Openings\n\n## 20")
    assert f"wape {numbers['ours']['demand']['wape']:.4g}" in text
    assert "Model release 1 (replay, recipe test, cut at week 27" in text
    assert "demand_not_purged" not in numbers["ours"]
    assert "The test period was opened" in (tmp_path / "reports" / "evaluation.md").read_text()


def test_the_test_period_needs_a_model_release_cut_right_before_it(arguments, tmp_path):
    args = arguments(tmp_path, "--published-only")
    with pytest.raises(MissingReleaseError, match="cut at week 26"):
        evaluate.evaluate(args, Split(name="test", train=(9, 19), evaluate=(28, 32), cut=26, warm_cut=26))
    assert not (tmp_path / "openings.md").exists()


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
        "seeds": {"count": 2, "mean": {"demand": {"wape": 0.8765}}},
        "ours_rolling": {"units_8w": {"wape": 0.5432}},
        "early_weeks": {"2": {"models": {"ours": {"wape": 0.7654}}}},
        "other": {"revenue_8w": {"ours": {"wape": 0.6543}}},
        "slices": [{"slice": "food", "holds": False}, {"slice": "week 40", "holds": None}],
    }
    for day in (1, 2):
        evaluate.record_opening(tmp_path / "docs" / "test_openings.md", numbers, dt.date(2018, 1, day))
    text = (tmp_path / "docs" / "test_openings.md").read_text()
    assert text.count("test period opened") == 2
    assert text.count("behind the best baseline with certainty in: wape") == 2
    assert "wape_ci" not in text
    for words in (
        "mean of 2 seeds: wape 0.8765",
        "after 2 weeks on sale",
        "revenue_8w: wape 0.6543",
        "units_8w: wape 0.5432",
    ):
        assert text.count(words) == 2
    assert "calibration does not hold in: food\n" in text


def test_impossible_settings_are_refused(arguments, tmp_path):
    with pytest.raises(SettingError, match="--draws = 0: must be at least 1"):
        evaluate.run(arguments(tmp_path, "--draws", "0"))
    with pytest.raises(SettingError, match="--seeds = -1: must not be negative"):
        evaluate.run(arguments(tmp_path, "--seeds", "-1"))


def test_a_model_that_knows_the_future_would_be_seen(out, data):
    """Sanity of the whole table: the truth as a forecast is best in every column."""
    from onshelf_research.baselines.forecast import Forecast
    from onshelf_research.evaluation import tables

    rows = data.launched((28, 32))
    y = rows.numbers("units_8w")
    oracle = Forecast(mean=y, median=y, quantiles=dict.fromkeys((0.1, 0.5, 0.7, 0.8, 0.9), y))
    measured = tables.measure_demand(rows, "units_8w", oracle)
    numbers = json.loads((out / "reports" / "evaluation.json").read_text())
    for column, more in tables.DEMAND_BETTER.items():
        rivals = [
            values["demand"][column] for values in numbers["baselines"].values() if column in values.get("demand", {})
        ]
        assert (measured[column] >= max(rivals)) if more else (measured[column] <= min(rivals)), column
    assert np.isclose(measured["bias"], 1.0)
