"""A tie and an edge are no fault of an exported graph; a wrong product or a wrong score is one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_towers import history, parts
from torch import Tensor

from onshelf_exporter.models.towers import LaunchRetrieval
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.release import graphs
from onshelf_exporter.release.rounding import (
    EXACT,
    FAULT,
    OTHER_REASONS,
    RANKINGS,
    Ranking,
    exact_difference,
    moved_answers,
    ranked_difference,
    reasons_difference,
)
from onshelf_release.signatures import SIGNATURES

LIST = Ranking("ids", "scores")
EXPECTED = {"ids": np.array([[4, 7, 2, 5]]), "scores": np.array([[3.0, 2.0, 2.0, 1.0]], dtype=np.float32)}
IN_ORDER = np.array([True])


def difference(ids: list[int], scores: list[float]) -> float:
    got = {"ids": np.array([ids]), "scores": np.array([scores], dtype=np.float32)}
    return float(ranked_difference(LIST, [EXPECTED], got, IN_ORDER)[0])


@pytest.mark.parametrize(
    ("ids", "scores"),
    [
        ([4, 7, 2, 5], [3.0, 2.0, 2.0, 1.0]),
        ([4, 2, 7, 5], [3.0, 2.0, 2.0, 1.0]),  # a tie turned
        ([4, 7, 2, 9], [3.0, 2.0, 2.0, 1.0]),  # a tie with one that is not in the list
        ([4, 2, 7, 5], [3.0, 2.0002, 1.9998, 1.0]),  # nearly a tie
    ],
)
def test_ties_are_no_difference(ids: list[int], scores: list[float]) -> None:
    assert difference(ids, scores) < 1e-3


def test_which_of_those_that_are_no_candidates_fills_a_list_is_no_difference() -> None:
    wanted = {"ids": np.array([[4, 7, 2]]), "scores": np.array([[3.0, -10_000.0, -10_025.0]], dtype=np.float32)}
    got = {"ids": np.array([[4, 9, 7]]), "scores": np.array([[3.0, -10_000.0, -10_025.0]], dtype=np.float32)}
    assert ranked_difference(LIST, [wanted], got, IN_ORDER)[0] == 0
    shown = {"ids": np.array([[9, 4, 7]]), "scores": np.array([[3.0, -10_000.0, -10_025.0]], dtype=np.float32)}
    assert ranked_difference(LIST, [wanted], shown, IN_ORDER)[0] > 1


@pytest.mark.parametrize(
    ("ids", "scores", "least"),
    [
        ([4, 9, 2, 5], [3.0, 2.0, 2.0, 1.0], 0.49),  # one that PyTorch leaves out stands above its last score
        ([7, 4, 2, 5], [3.0, 2.0, 2.0, 1.0], 0.24),  # each has the score of another
        ([4, 7, 2, 5], [3.3, 2.3, 2.3, 1.3], 0.07),  # shifted scores
        ([4, 7, 5, 9], [3.0, 2.0, 1.0, 1.0], 0.49),  # one is missing although its score is higher than the last
        ([4, 7, 7, 5], [3.0, 2.0, 2.0, 1.0], FAULT),  # one comes twice
        ([7, 2, 4, 5], [2.0, 2.0, 3.0, 1.0], FAULT),  # right scores, not best first
    ],
)
def test_wrong_ids_and_scores_are_told(ids: list[int], scores: list[float], least: float) -> None:
    assert difference(ids, scores) >= least


WITH_REASONS = Ranking("ids", "scores", "reasons")
REASONED = {
    "ids": np.array([[4, 7, 2]]),
    "scores": np.array([[3.0, 2.0, -10_000.0]], dtype=np.float32),
    "reasons": np.array([[11, 12, 21, 22, 31, 32]]),
}


@pytest.mark.parametrize(
    ("ids", "reasons", "differ"),
    [
        ([4, 7, 2], [11, 12, 21, 22, 31, 32], False),
        ([7, 4, 2], [21, 22, 11, 12, 31, 32], False),  # they go with their ids
        ([4, 7, 2], [12, 11, 21, 22, 31, 32], False),  # in another order
        ([4, 7, 2], [11, 12, 21, 22, 31, 99], False),  # of one that is no candidate
        ([4, 9, 2], [11, 12, 98, 99, 31, 32], False),  # of one that is not in the list: its score tells
        ([4, 7, 2], [11, 12, 21, 99, 31, 32], True),
        ([7, 4, 2], [11, 12, 21, 22, 31, 32], True),  # those of another
    ],
)
def test_reasons_are_those_of_each_id(ids: list[int], reasons: list[int], differ: bool) -> None:
    got = {"ids": np.array([ids]), "scores": REASONED["scores"], "reasons": np.array([reasons])}
    assert reasons_difference(WITH_REASONS, [REASONED], got)[0] == (OTHER_REASONS if differ else 0.0)
    assert reasons_difference(WITH_REASONS, [REASONED, got], got)[0] == 0.0


def test_reasons_that_differ_are_above_every_tolerance_and_no_fault_in_few_rows() -> None:
    for model, rankings in RANKINGS.items():
        if any(ranking.reasons for ranking in rankings):
            tolerance = graphs.TOLERANCES.get(model, graphs.DEFAULT_TOLERANCE)
            assert tolerance < OTHER_REASONS < graphs.STRAYS[model][1]


def test_ids_that_are_no_ranking_are_one_of_pytorchs_answers() -> None:
    runs = [{"completed_ids": np.array([[1, 2], [3, 4]])}, {"completed_ids": np.array([[1, 2], [3, 5]])}]
    told = exact_difference("completed_ids", runs, {"completed_ids": np.array([[1, 9], [3, 5]])})
    assert told.tolist() == [FAULT, 0.0]


def test_every_whole_number_that_a_model_answers_is_compared() -> None:
    for model, signature in SIGNATURES.items():
        ranked = {name for one in RANKINGS.get(model, ()) for name in (one.ids, one.reasons)}
        whole = {tensor.name for tensor in signature.outputs if tensor.dtype == "INT64"}
        assert whole <= ranked | set(EXACT), model


def exported(path: Path, embeddings: Tensor) -> tuple[Path, graphs.Arrays]:
    """The graph of these launches that returns the best four of them, and rows to ask it."""
    rows = {"embedding": torch.nn.functional.normalize(torch.randn(6, 128), dim=1).numpy()}
    graphs.export_graph("launch_retrieval", LaunchRetrieval(embeddings, 4).eval(), rows, path)
    return path, rows


@pytest.fixture
def launches() -> Tensor:
    torch.manual_seed(3)
    return torch.nn.functional.normalize(torch.randn(9, 128), dim=1)


def test_an_export_is_not_refused_for_launches_that_tie(tmp_path: Path, launches: Tensor) -> None:
    pairs = launches.repeat_interleave(2, 0)  # all have a twin; other rounding turns the twins
    turned = pairs * (1 + 1e-7 * torch.tensor([0.0, 1.0]).repeat(9).unsqueeze(1))
    path, rows = exported(tmp_path / "ties.onnx", turned)
    plain = graphs.run_graph(graphs.session(path), rows)["launch_indices"]
    with torch.no_grad():
        ours = LaunchRetrieval(pairs, 4)(torch.from_numpy(rows["embedding"]))[0].numpy()
    assert (plain != ours).any(), "places differ"
    said = graphs.parity("launch_retrieval", LaunchRetrieval(pairs, 4), path, rows)
    assert said["rows_above_tolerance"] == 0
    assert said["max_abs_error"] < 1e-6


@pytest.mark.parametrize("fault", ["another launch", "shifted scores"])
def test_an_export_is_refused_for_faults(tmp_path: Path, launches: Tensor, fault: str) -> None:
    other = launches.roll(1, 0) if fault == "another launch" else launches * 0.9
    path, rows = exported(tmp_path / "fault.onnx", other)
    with pytest.raises(ExporterError, match="launch_retrieval: ONNX differs from PyTorch by up to"):
        graphs.parity("launch_retrieval", LaunchRetrieval(launches, 4), path, rows)


def test_a_place_that_rounding_turns_lies_within_what_pytorch_answers() -> None:
    encoder, retrieval, _ = parts()
    past = history(0)

    def answers(share: float, moved: bool = False) -> list[graphs.Arrays]:
        with torch.no_grad():
            vector, repeat, weights = encoder(*past)
            inputs = (vector, past[4], past[0], repeat, weights, torch.tensor([[share]], dtype=torch.float32))
            said = moved_answers(retrieval, inputs) if moved else [retrieval(*inputs)]
        return [{"ids": one[0].numpy(), "scores": one[1].numpy()} for one in said]

    # the share at which the first new product's place by the share meets the place that it has earned: on one side of
    # it the product has the score by which new products are ranked, on the other its score among all
    low, high = 0.02, 0.98
    edges = np.linspace(low, high, 200)
    found = [sorted(answers(float(share))[0]["scores"][0].tolist()) for share in edges]
    first = next(i for i in range(1, 200) if not np.allclose(found[i], found[i - 1], atol=1e-2))
    low, high = float(edges[first - 1]), float(edges[first])
    left = found[first - 1]
    while np.float32(np.float32(low) + np.float32(high)) / 2 not in (np.float32(low), np.float32(high)):
        middle = float(np.float32((np.float32(low) + np.float32(high)) / 2))
        if np.allclose(sorted(answers(middle)[0]["scores"][0].tolist()), left, atol=1e-2):
            low = middle
        else:
            high = middle
    one, two = answers(low), answers(high)
    free = np.array([False])
    assert ranked_difference(LIST, one, two[0], free)[0] > 1e-2
    assert ranked_difference(LIST, [*one, *answers(low, moved=True)], two[0], free)[0] < 1e-3
    wrong = {**two[0], "scores": two[0]["scores"] + 0.3}
    assert ranked_difference(LIST, [*one, *answers(low, moved=True)], wrong, free)[0] > 1e-3
