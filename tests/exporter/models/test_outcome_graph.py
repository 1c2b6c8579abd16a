"""The graph `launch_outcome` as ONNX, and training on histories with hardly anything in them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from model_builders import outcome_graph, outcome_inputs

from onshelf_exporter.models.kin import FEATURES
from onshelf_exporter.models.launch_outcome import OutcomeGraph
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.release import graphs
from onshelf_exporter.training.behaviour import load_events
from onshelf_exporter.training.history import History, load_history
from onshelf_exporter.training.outcome import OutcomeResult, outcome_rows, train_outcome
from onshelf_exporter.training.recipe import load_recipe
from onshelf_release.signatures import SIGNATURES, UNITS_SUPPORT

NAMES = [tensor.name for tensor in SIGNATURES["launch_outcome"].inputs]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "launch_outcome.onnx"
    example = {name: value.numpy()[:1] for name, value in zip(NAMES, outcome_inputs(3), strict=True)}  # one row
    graphs.export_graph("launch_outcome", outcome_graph(7), example, path)
    return path


def rows(seed: int) -> graphs.Arrays:
    torch.manual_seed(seed)
    return {name: value.numpy() for name, value in zip(NAMES, outcome_inputs(9), strict=True)}


def test_onnx_equals_pytorch_for_other_numbers_of_candidates(exported: Path) -> None:
    said = graphs.parity("launch_outcome", outcome_graph(7), exported, rows(1))
    assert said["rows"] == 3
    assert said["max_abs_error"] < 1e-3
    assert said["rows_above_tolerance"] == 0


def test_a_graph_for_one_row_alone_is_refused(exported: Path) -> None:
    model = onnx.load(str(exported))
    graphs.check_axes("launch_outcome", SIGNATURES["launch_outcome"], model)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(ExporterError, match=f"axis 0 of input {model.graph.input[0].name} has become 1"):
        graphs.check_axes("launch_outcome", SIGNATURES["launch_outcome"], model)


@pytest.mark.parametrize("change", ["leaf", "shift", "calibration"])
def test_another_model_does_not_pass_for_the_same(exported: Path, change: str) -> None:
    other = outcome_graph(7)
    with torch.no_grad():
        if change == "leaf":
            other.outcome.forest.get_buffer("values").mul_(0.9)
        elif change == "shift":
            other.outcome.extra.add_(0.5)
        else:
            other.get_buffer("calibration")[0, 2] += 0.05
    with pytest.raises(
        ExporterError, match=r"launch_outcome: ONNX differs from PyTorch by up to .* in \d of 3 real rows"
    ):
        graphs.parity("launch_outcome", other, exported, rows(1))


def test_a_quantile_in_a_flat_stretch_is_compared_by_its_probability() -> None:
    support = np.arange(float(UNITS_SUPPORT))
    flat = np.where(support < 5, 0.3, 0.9)[None, None, None]
    want = {"units_distribution": flat, "units_quantiles": np.array([[[[1.0]]]])}
    for value, differs in ((3.9, False), (4.9, True)):
        got = {"units_quantiles": np.array([[[[value]]]])}
        assert bool(graphs.differences("units_quantiles", want, got, support) > 2e-3) is differs


def test_a_dispersion_is_compared_by_its_variance() -> None:
    want = {"units_dispersion": np.array([400.0, 0.5]), "units_mean": np.array([3.0, 3.0])}
    found = graphs.differences("units_dispersion", want, {"units_dispersion": np.array([420.0, 0.45])}, np.zeros(0))
    assert found[0] < 2e-4
    assert found[1] > 4e-3  # 5 % of the standard deviation


def small(history: History, launches: int, **changes: object) -> History:
    """The history with its first launches only."""
    kept = replace(history.launches.take(np.arange(launches)))
    return replace(history, launches=kept, **changes)  # type: ignore[arg-type]


def trained(history: History, data: Path, **changes: object) -> OutcomeResult:
    embeddings = np.random.default_rng(1).normal(size=(len(history.products), 128)).astype(np.float32)
    recipe = replace(load_recipe("test").outcome, trees=5, action_steps=8, response_steps=3, **changes)  # type: ignore[arg-type]
    return train_outcome(history, load_events(data, history.cut), embeddings, recipe, 3, 1)


def forecasts(result: OutcomeResult, history: History) -> tuple[torch.Tensor, ...]:
    known = outcome_rows(history)
    embedding = torch.zeros(len(known.ids), 128)
    with torch.no_grad():
        out: tuple[torch.Tensor, ...] = OutcomeGraph(result.model, result.curve).eval()(
            embedding, known.ids, known.attributes, known.candidates
        )
    return out


@pytest.fixture(scope="module")
def history(shop_data: Path) -> History:
    return load_history(shop_data, 39)


@pytest.mark.parametrize("launches", [2, 8, 30])
def test_a_few_launches_are_enough_to_train_on(history: History, shop_data: Path, launches: int) -> None:
    few = small(history, launches)
    result = trained(few, shop_data)
    out = forecasts(result, few)
    assert all(bool(torch.isfinite(value).all()) for value in out)
    assert result.metrics["launches"] == few.launches.complete8.sum()
    assert len(result.support) == UNITS_SUPPORT
    assert json.dumps([result.metrics, result.calibration], allow_nan=False)


def test_a_shop_with_one_department_no_brand_no_price_and_no_promotion_trains(
    history: History, shop_data: Path
) -> None:
    ids = np.zeros_like(history.ids)
    ids[:, 0] = 1
    frame = history.launches.frame.assign(price=np.nan, discount=np.nan, coupon=0)
    bare = replace(
        history,
        ids=ids,
        price=np.zeros_like(history.price),
        label=np.full_like(history.label, -1.0),
        sales=history.sales.assign(price=0.0),
        promotions=history.promotions.iloc[:0],
        channels=history.channels.iloc[:0],
        launches=replace(history.launches, frame=frame, plan=history.launches.plan * 0),
    )
    out = forecasts(trained(bare, shop_data), bare)
    assert all(bool(torch.isfinite(value).all()) for value in out)
    assert bool((out[0] > 0).all())


def test_launches_in_progress_are_learned_from_when_the_recipe_says_so(history: History, shop_data: Path) -> None:
    with_them, without = (trained(history, shop_data, partial_outcomes=flag) for flag in (True, False))
    running = int((~history.launches.complete8).sum())
    assert running > 0
    assert with_them.metrics["launches_in_progress"] == running
    assert without.metrics["launches_in_progress"] == 0
    assert without.calibration["launches"] == with_them.calibration["launches"] - running


def test_training_is_repeatable_and_no_parameter_is_left_to_train(history: History, shop_data: Path) -> None:
    one, two = (trained(history, shop_data) for _ in range(2))
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, two.model.state_dict()[name]), name
    assert np.array_equal(one.curve, two.curve)
    assert not any(parameter.requires_grad for parameter in one.model.parameters())
    assert one.model.directions.shape == (128, load_recipe("test").outcome.embedding_directions)
    assert int(one.model.forest.get_buffer("feature").max()) < len(FEATURES) + one.model.directions.shape[1]


def test_a_history_without_complete_launches_is_refused(history: History, shop_data: Path) -> None:
    with pytest.raises(ExporterError, match="1 with 8 weeks of outcome by week 39; at least 2"):
        trained(small(history, 1), shop_data)
