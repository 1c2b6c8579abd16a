"""The served path: what goes into the graphs, what comes out, and the distribution that it says."""

import json
import shutil

import numpy as np
import pytest
from invented_shop import SUPPORT, write_release

from onshelf_exporter.process.errors import ExporterError, SourceError
from onshelf_release.candidates import COVERAGE, ENTERED_BY_SALE, WEEK_OF_YEAR
from onshelf_research.evaluation import recommend, served
from onshelf_research.evaluation.release import ENCODER, MeasuredRelease, exported_release, find_release


@pytest.fixture(scope="module")
def release(published) -> MeasuredRelease:
    return find_release(published / "releases", published / "repository", 28, "invented")


def test_the_release_with_the_latest_cut_before_the_measured_weeks_is_found(published):
    def found(before: int, **more: int | str) -> int:
        return find_release(published / "releases", published / "repository", before, "invented", **more).version

    assert (found(28), found(40), found(54), found(53)) == (1, 2, 3, 2)
    assert found(40, cut_week=39) == 2
    with pytest.raises(SourceError, match=r"cut before week 27; there are: 1 .invented, cut at week 27"):
        found(27)
    with pytest.raises(SourceError, match="cut at week 38"):
        found(40, cut_week=38)
    assert found(28, recipe="test") == 1
    with pytest.raises(SourceError, match=r"recipe full; there are: 1 .invented, cut at week 27, recipe test"):
        found(28, recipe="full")
    with pytest.raises(SourceError, match="no model release of other_shop"):
        find_release(published / "releases", published / "repository", 28, "other_shop")


def test_an_exported_model_release_needs_no_repository(published, data, tmp_path):
    for name in (ENCODER, "launch_outcome"):
        shutil.copyfile(published / "repository" / name / "1" / "model.onnx", tmp_path / f"{name}.onnx")
    for path in (published / "releases" / "1").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    rows = data.launched((28, 32))
    exported = served.forecasts(exported_release(tmp_path, 28), data, rows)
    found = find_release(published / "releases", published / "repository", 28, "invented")
    assert np.array_equal(exported["units_8w"].mean, served.forecasts(found, data, rows)["units_8w"].mean)
    with pytest.raises(ExporterError, match="cut_week = 27: must lie before week 27"):
        exported_release(tmp_path, 27)


def test_a_graph_that_the_manifest_does_not_name_is_refused(tmp_path):
    write_release(tmp_path / "releases", tmp_path / "repository", 27)
    changed = find_release(tmp_path / "releases", tmp_path / "repository", 28, "invented")
    graph = tmp_path / "repository" / "user_encoder" / "1" / "model.onnx"
    graph.write_bytes(graph.read_bytes() + b"\n")
    with pytest.raises(ExporterError, match=r"user_encoder.*is not the graph of model release 1"):
        changed.session("user_encoder")
    graph.unlink()
    with pytest.raises(SourceError, match=r"model\.onnx: missing"):
        changed.session("user_encoder")


def test_names_become_ids_as_in_the_vocabulary(release, data):
    rows = data.launched((28, 32))
    encoded = release.encode(rows.frame.assign(brand="never seen"))
    kind = rows.product % 6
    assert np.array_equal(encoded["categorical_ids"][:, 2], kind + 1)
    assert np.array_equal(encoded["categorical_ids"][:, 1], np.array([1, 1, 2, 3, 4, 4])[kind])
    assert not encoded["categorical_ids"][:, 3].any()
    assert np.array_equal(encoded["product_vector"][:, 0], kind + 1.0)
    assert np.array_equal(encoded["attributes"][:, 0], rows.numbers("price").astype(np.float32))


def test_actions_are_the_real_ones_in_the_layout_of_a_candidate(release, data):
    rows = data.launched((28, 32))
    values = served.actions(release, data, rows)[:, 0]
    assert values.shape == (len(rows), 37)
    assert np.array_equal(values[:, WEEK_OF_YEAR], rows.week - 1)
    # the model release numbers the channels anew: display_front 2, mailer_page 0, coupon_campaign 1
    assert np.array_equal(values[:, COVERAGE.start + 2], rows.coverage[:, 0].astype(np.float32))
    assert np.array_equal(values[:, COVERAGE.start], rows.coverage[:, 1].astype(np.float32))
    assert np.array_equal(values[:, ENTERED_BY_SALE], rows.numbers("entered_by_sale"))
    assert values[:, COVERAGE].sum() == rows.coverage.sum()


def test_forecasts_are_what_the_graph_says(release, data):
    rows = data.launched((28, 32))
    forecast = served.forecasts(release, data, rows)
    mean = 1 + rows.numbers("price") + 10 * rows.coverage[:, 0]
    assert np.allclose(forecast["units_8w"].mean, mean, atol=1e-5)
    assert np.allclose(forecast["units_4w"].mean, mean / 2, atol=1e-5)
    assert np.array_equal(forecast["units_8w"].median, np.ceil(mean.astype(np.float32) - 1e-3))
    assert np.allclose(forecast["buyers_8w"].mean, mean / 2, atol=1e-5)
    assert np.allclose(forecast["repeat"].mean, 0.5)
    assert np.allclose(forecast["buyers_8w"].median, np.ceil(mean / 3 - 1e-3))
    below, upto = forecast["units_8w"].below, forecast["units_8w"].upto
    assert np.all((below >= 0) & (below < upto) & (upto <= 1))


def test_probabilities_are_those_of_the_served_distribution(release, data):
    rows = data.launched((28, 32))
    forecast = served.forecasts(release, data, rows)["units_8w"]
    sold = rows.numbers("units_8w")
    points = np.array(SUPPORT)
    said = 1 - np.exp(-(points + 1) / forecast.mean[:, None])
    between = [np.interp([y - 1, y], points, levels) for y, levels in zip(sold, said, strict=True)]
    assert np.allclose(
        np.stack([forecast.below, forecast.upto], axis=1)[sold > 0], np.stack(between)[sold > 0], atol=1e-5
    )
    assert (sold > 0).sum() > 10


def test_recommendations_are_the_history_first_then_the_graphs_order(release, data):
    task = recommend.warm_task(data, 27)
    lists = served.recommendations(release, data, task)
    known = np.flatnonzero(task.users < 88)
    user = task.users[known[0]]
    # rows of the model release's products run backwards, its history names row `user`
    assert lists.everything[known[0], 0] == 239 - user
    assert lists.everything[known[0], 1:4].tolist() == [0, 1, 2]
    unknown = task.users >= 88
    assert np.all(lists.everything[unknown] == -1)
    history = task.history[task.users].toarray() > 0
    held = np.take_along_axis(history, np.maximum(lists.fresh, 0), axis=1) & (lists.fresh >= 0)
    assert not held.any()
    assert np.all(np.diff((lists.fresh < 0).astype(int), axis=1) >= 0)


def test_audiences_are_the_graphs_scores_by_user(release, data):
    task = recommend.cold_task(data, data.launched((28, 32)), 27)
    scores = served.audiences(release, data, task)
    kind, known = task.rows.product % 6, task.users < 88
    assert np.allclose(scores[:, known], (kind + 1.0)[:, None] * (task.users[known] % 5)[None, :])
    assert np.all(scores[:, ~known] < scores[:, known].min())


def test_launches_within_the_history_are_refused(data):
    with pytest.raises(ValueError, match="launch week 28 is not after the cut, week 28"):
        recommend.cold_task(data, data.launched((28, 32)), 28)


def test_batches_do_not_change_what_comes_out(release, data, monkeypatch):
    rows = data.launched((9, 40))
    whole = release.encode(rows.frame)
    monkeypatch.setattr("onshelf_research.evaluation.release.BATCH", 7)
    parts = release.encode(rows.frame)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def test_identity_follows_the_manifest(release, published):
    manifest = json.loads((published / "releases" / "1" / "manifest.json").read_text())
    assert release.manifest == manifest
    other = MeasuredRelease(folder=release.folder, repository=release.repository, manifest={**manifest, "seed": 2})
    assert other.identity != release.identity
