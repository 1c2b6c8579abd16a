"""The category that the encoder's graph fills in."""

from pathlib import Path

import numpy as np
import torch
from model_builders import completion, product_encoder

from onshelf_exporter.models.completion import CategoryCompletion
from onshelf_exporter.release.graphs import export_graph, run_graph, session

# types 1-3 in category 1, 4-6 in 2, 7-8 in 4; categories 1-2 in department 1, 3-4 in 2
UNKNOWN = (0, 0, 0, 0)


def completed(ids: tuple[int, ...], probabilities: list[float]) -> tuple[list[int], float]:
    logits = torch.log(torch.tensor([[9.0, *probabilities]]).clamp(min=1e-9))
    found, sure = completion()(torch.tensor([ids]), logits)
    return found[0].tolist(), float(sure)


def test_all_levels_are_filled_where_one_type_is_likely() -> None:
    found, sure = completed(UNKNOWN, [0.1, 0.1, 0.1, 0.5, 0.1, 0.1, 0.0, 0.0])
    assert found == [1, 2, 4, 0]
    assert abs(sure - 0.5) < 1e-6


def test_no_level_is_filled_below_one_that_is_not() -> None:
    found, sure = completed(UNKNOWN, [0.1, 0.1, 0.09, 0.1, 0.1, 0.09, 0.21, 0.21])
    assert found == [1, 0, 0, 0], "department 1 by .58, its categories by .29 each"
    assert abs(sure - 0.58) < 1e-6


def test_a_best_type_outside_of_the_likeliest_department_is_passed_over() -> None:
    assert completed(UNKNOWN, [0.3, 0.15, 0.15, 0.0, 0.0, 0.0, 0.4, 0.0])[0] == [1, 1, 1, 0]


def test_what_is_given_stays_and_rules_out_the_rest() -> None:
    found, sure = completed((2, 0, 0, 3), [0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.02, 0.08])
    assert found == [2, 4, 8, 3]
    assert abs(sure - 0.8) < 1e-5
    assert completed((1, 1, 2, 0), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]) == ([1, 1, 2, 0], 1.0)


def test_a_given_level_without_any_type_leaves_the_rest_open() -> None:
    assert completed((2, 3, 0, 0), [0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.0, 0.0]) == ([2, 3, 0, 0], 1.0)


def test_nothing_is_filled_where_nothing_is_likely() -> None:
    even = apart()
    found, sure = even(torch.tensor([UNKNOWN]), torch.zeros(1, 9))
    assert found[0].tolist() == [0, 0, 0, 0]
    assert abs(float(sure) - 1 / 8) < 1e-6


def test_the_graph_completes_as_the_module_and_goes_on_with_what_it_found(tmp_path: Path) -> None:
    model = product_encoder(7)
    rows = {
        "input_ids": np.array([[2, 7, 9, 11, 3], [2, 5, 3, 0, 0], [2, 8, 8, 3, 0]]),
        "attention_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]),
        "categorical_ids": np.array([[0, 0, 0, 1], [1, 0, 0, 0], [1, 2, 4, 2]]),
        "attributes": np.array([[2.5, 1.0], [0.0, -1.0], [1.0, 0.0]], dtype=np.float32),
    }
    with torch.no_grad():
        model.content.type_head.weight.mul_(20)
        want = model(*(torch.from_numpy(value) for value in rows.values()))
    path = tmp_path / "model.onnx"
    export_graph("product_encoder", model.requires_grad_(False), rows, path)
    got = run_graph(session(path), rows)
    assert np.array_equal(got["completed_ids"], want[6].numpy())
    assert np.allclose(got["category_confidence"], want[7].numpy(), atol=1e-5)
    assert (got["completed_ids"][:2, 2] > 0).any(), "a confident head fills some level"
    again = run_graph(session(path), rows | {"categorical_ids": got["completed_ids"]})
    for name in ("embedding", "channel_propensity", "week_propensity"):
        assert np.allclose(again[name], got[name], atol=1e-5), name


def apart() -> CategoryCompletion:
    """Every type in a department of its own."""
    return CategoryCompletion(torch.arange(9), torch.arange(9))
