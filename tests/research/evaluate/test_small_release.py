"""A small model release of the real data: the command runs on it, and what is served is what was trained."""

import json

import numpy as np
import torch
from evaluating import evaluate_arguments
from small_release import PREDICTIONS, SmallRelease

from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.history import load_history
from onshelf_exporter.training.outcome import actual_candidates, launch_attributes
from onshelf_exporter.training.texts import model_folder
from onshelf_research import evaluate
from onshelf_research.data import dataset
from onshelf_research.evaluation import recommend, served
from onshelf_research.evaluation.release import find_release

CUT = 27


def test_the_command_measures_the_small_release(replay_release: SmallRelease, complete_journey, tmp_path):
    places = {"releases": replay_release.releases, "repository": replay_release.repository, "data": complete_journey}
    places |= {"cache": PREDICTIONS / "small", "runs": replay_release.run.folder.parent, "out": tmp_path / "reports"}
    words = ("--recipe=test", "--published-only", "--quick", "--draws=50")
    assert evaluate.run(evaluate_arguments(*words, **places)) == 0
    numbers = json.loads((tmp_path / "reports" / "evaluation.json").read_text())
    assert (numbers["model_release"]["role"], numbers["model_release"]["cut_week"]) == ("replay", CUT)
    assert numbers["weeks"]["evaluate"] == [28, 32]
    ours, rivals = numbers["ours"], numbers["baselines"]
    assert 0 < ours["demand"]["wape"] < 2
    assert ours["demand"]["spearman"] > 0.1  # it learned something that a constant does not know
    assert rivals["own_frequency"]["warm"]["all_n10"] > 0.2
    assert rivals["content_knn"]["cold"]["auc"] > 0.6


def test_launch_counts_are_those_of_the_protocol(complete_journey):
    data = dataset.load(complete_journey)
    assert len(data.launches) == 5994
    assert [len(data.launched(weeks)) for weeks in ((9, 27), (28, 32), (40, 46))] == [2028, 917, 1650]
    assert int(data.launches.frame["is_promotion_first"].sum()) == 3574


def test_what_goes_into_the_graphs_is_what_was_trained_on(replay_release, complete_journey):
    data, history = dataset.load(complete_journey), load_history(complete_journey, CUT)
    release = find_release(replay_release.releases, replay_release.repository, CUT + 1, "complete_journey")
    rows = data.launched((9, CUT - 7))  # of later ones training does not know the whole price
    launches = history.launches.take(history.launches.complete8)
    assert np.array_equal(rows.product, launches.frame["product_index"].to_numpy())
    assert np.allclose(served.actions(release, data, rows)[:, 0], actual_candidates(history, launches))
    some = rows.take(np.arange(0, len(rows), 40))
    encoded = release.encode(some.frame)
    assert np.array_equal(encoded["categorical_ids"], history.ids[some.product])
    wanted = launch_attributes(launches, history.label)[np.arange(0, len(rows), 40)]
    assert np.allclose(encoded["attributes"], wanted)
    assert np.allclose(np.linalg.norm(encoded["embedding"], axis=1), 1.0, atol=1e-4)


def test_what_is_served_is_what_the_training_code_predicts(replay_release, complete_journey):
    """ONNX through the model release against the modules that training left, for launches it has not seen."""
    data = dataset.load(complete_journey)
    release = find_release(replay_release.releases, replay_release.repository, CUT + 1, "complete_journey")
    rows = data.launched((28, 32)).take(np.arange(0, 300, 5))
    graphs = torch.load(replay_release.run.folder / "replay" / "graphs.pt", weights_only=False)
    text = load_bert(model_folder(replay_release.run.recipe.encoder))
    text.load_state_dict(torch.load(replay_release.run.encoder_folder / "text.pt", weights_only=True))
    graphs["product_encoder"].text = text.eval()
    tokens = release.tokenizer.encode_batch([str(title) for title in rows.frame["title"]])
    width = max(len(one.ids) for one in tokens)
    ids = torch.tensor([one.ids + [0] * (width - len(one.ids)) for one in tokens])
    mask = torch.tensor([[1] * len(one.ids) + [0] * (width - len(one.ids)) for one in tokens])
    encoded = release.encode(rows.frame)
    kinds, attributes, embedding, vector = (
        torch.from_numpy(encoded[name]) for name in ("categorical_ids", "attributes", "embedding", "product_vector")
    )
    with torch.no_grad():
        exact = graphs["product_encoder"](ids, mask, kinds, attributes)[0]
        candidates = torch.from_numpy(served.actions(release, data, rows))
        outcome = graphs["launch_outcome"](embedding, kinds, attributes, candidates)
        users, scores, _ = graphs["audience_retrieval"](embedding, kinds, vector)
    assert (
        float((exact * embedding).sum(1).min()) > 0.99
    )  # the served encoder is in int8; what follows reads what it says
    forecast = served.forecasts(release, data, rows)["units_8w"]
    assert np.allclose(outcome[0][:, 0, 1].numpy(), forecast.mean, rtol=2e-3, atol=1e-3)
    whole = np.ceil(np.maximum(outcome[2][:, 0, 1].double().numpy() - 1e-3, 0.0))
    levels = release.manifest["quantile_levels"]
    for level in (0.1, 0.5, 0.9):
        near = np.abs(whole[:, levels.index(level)] - forecast.quantiles[level])
        assert np.mean(near == 0) > 0.9  # a quantile at a whole number may fall to either side of it
        assert near.max() <= 1
    task = recommend.cold_task(data, rows, CUT)
    listed = served.audiences(release, data, task)
    place = np.searchsorted(task.users, users.numpy())
    found = place < len(task.users)
    same = found & (task.users[np.minimum(place, len(task.users) - 1)] == users.numpy())
    row = np.broadcast_to(np.arange(len(rows))[:, None], same.shape)
    assert same.mean() > 0.9
    apart = np.abs(listed[row[same], place[same]] - scores.numpy()[same])
    assert np.mean(apart > 2e-3) < 0.01  # a product at the edge of a neighbourhood may fall to either side of it
    assert np.mean(apart > 0.2) < 1e-3  # and moves a user whose only purchase of the kind it was
