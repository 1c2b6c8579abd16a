"""The parts of the text studies, on invented numbers: what only holds if they are right."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from scipy import sparse

from onshelf_exporter.cli import main
from onshelf_exporter.process.threads import usable
from onshelf_exporter.release.graphs import quantise_words, run_graph, session
from onshelf_research.studies.attributes import Softmax
from onshelf_research.studies.features import bag_of_words, components, said
from onshelf_research.studies.head import forecast
from onshelf_research.studies.inputs import HISTORY, LAST_WEEK, Setting, origin
from onshelf_research.studies.recipe_cost import standard_error
from onshelf_research.studies.served_metrics import loss
from onshelf_research.studies.stage import STUDIES
from onshelf_research.studies.table import Table, write


def test_a_study_runs_with_a_recipe_that_names_no_threads(shop_data: Path, tmp_path: Path) -> None:
    def few(setting: Setting) -> Table:
        assert setting.recipe.threads == 0
        return Table(title="A title", question="A question?", columns=["threads"], rows=[[torch.get_num_threads()]])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onshelf_research.studies.stage._study", lambda name: few)
        assert main(["study", "languages", "--data", str(shop_data), "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "languages.json").read_text())["rows"] == [[usable()]]


def test_the_error_of_a_loss_is_that_of_the_means_of_two_samples() -> None:
    generator = np.random.default_rng(1)
    base, other = generator.normal(10.0, 0.5, (4000, 4)), generator.normal(11.0, 0.5, (4000, 4))
    losses = loss(base.mean(1), other.mean(1), False)
    claimed = np.sqrt(np.mean([standard_error(*pair) ** 2 for pair in zip(base, other, strict=True)]))
    assert claimed == pytest.approx(losses.std(), rel=0.12)  # first order: 1.1 of the base is 1 + loss


def test_a_table_keeps_one_cell_per_column_and_is_written_whole(tmp_path: Path) -> None:
    table = Table(title="Title", question="Question?", columns=["a", "b"])
    table.add("x", 0.123456789)
    table.add("y", None)
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        table.add("z")
    write(table, tmp_path / "studies" / "t.json", "default", "abc", 1.26)
    content = json.loads((tmp_path / "studies" / "t.json").read_text())
    assert content["rows"] == [["x", 0.1235], ["y", None]]
    assert (content["recipe"], content["commit"], content["seconds"]) == ("default", "abc", 1.3)
    assert [path.name for path in (tmp_path / "studies").iterdir()] == ["t.json"]


def test_every_study_is_a_module_with_a_study(capsys: pytest.CaptureFixture[str]) -> None:
    import importlib

    for row in STUDIES:
        assert callable(importlib.import_module(f"onshelf_research.studies.{row.name}").study)
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    out = capsys.readouterr().out
    assert all(row.name in out for row in STUDIES)


def test_columns_of_an_origin_do_not_know_what_came_after(complete_journey: Path) -> None:
    from onshelf_exporter.training.history import load_history
    from onshelf_exporter.training.recipe import load_recipe

    setting = Setting(complete_journey, load_recipe("test"), Path("unused"))
    assert setting.history(60).cut == LAST_WEEK
    before, outcomes = load_history(complete_journey, 22), load_history(complete_journey, 33)
    given = origin(outcomes, before, 25)
    assert given.launches["launch_week"][given.learn].max() + 7 <= 22
    assert set(given.launches["launch_week"][~given.learn]) == {23, 24, 25}
    assert given.blocks["history"].shape[1] == len(HISTORY)
    frame = outcomes.launches.frame
    frame.loc[frame["launch_week"] > 15, "units_8w"] = 1000.0
    changed = origin(outcomes, before, 25)
    for name, block in given.blocks.items():
        assert np.array_equal(block, changed.blocks[name]), name
    frame.loc[frame["launch_week"] <= 15, "units_8w"] += 50.0
    assert not np.array_equal(given.blocks["history"], origin(outcomes, before, 25).blocks["history"])


def test_what_a_text_says_is_out_of_its_own_part() -> None:
    generator = np.random.default_rng(1)
    text, units = generator.normal(size=(400, 30)), generator.poisson(3.0, 400).astype(float)
    learn = np.arange(400) < 300
    noise = said(text, units, learn)[:, 0]
    assert (
        abs(np.corrcoef(noise[learn], units[learn])[0, 1]) < 0.15
    )  # nothing to learn: it must not fit its own outcome
    real = np.round(np.exp(1 + text[:, 0]))
    signal = said(text, real, learn)[:, 0]
    assert np.corrcoef(signal[~learn], np.log1p(real[~learn]))[0, 1] > 0.8
    as_sparse = said(sparse.csr_matrix(text), real, learn)[:, 0]
    assert np.corrcoef(as_sparse[~learn], signal[~learn])[0, 1] > 0.95
    blind = said(text, np.where(learn, real, 1e6), learn)[:, 0]
    assert np.array_equal(signal, blind)


def test_components_and_terms_come_from_what_is_known() -> None:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(60, 10))
    known = np.arange(60) < 50
    moved = rows.copy()
    moved[~known] += 100
    assert np.allclose(components(rows, known, 3)[known], components(moved, known, 3)[known])
    bag = bag_of_words(["green tea", "dragon fruit"], ["green tea", "black tea", "green beans"] * 5)
    assert bag[0].nnz > 0
    assert bag[1].nnz == 0


def test_the_predictor_learns_and_a_seed_settles_it() -> None:
    generator = np.random.default_rng(1)
    columns = generator.normal(size=(500, 3))
    units = generator.poisson(np.exp(columns[:, 0])).astype(float)
    found = forecast(columns[:400], units[:400], columns[400:], seed=1, seeds=1)
    wape, deviance, spearman = found.scores(units[400:])
    assert wape < 0.9
    assert deviance < 2.5
    assert spearman > 0.4
    again = forecast(columns[:400], units[:400], columns[400:], seed=1, seeds=1)
    assert np.array_equal(found.mean, again.mean)
    assert np.array_equal(found.median, np.round(found.median))


def test_types_are_learned_from_dense_and_sparse_rows_alike() -> None:
    generator = np.random.default_rng(1)
    kind = generator.integers(1, 4, size=8000)
    rows = np.eye(4)[kind] + 0.1 * generator.normal(size=(8000, 4))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for values in (unit, sparse.csr_matrix(np.eye(4)[kind])):
        model = Softmax(values, kind, 4, seed=1)
        assert np.mean(model.best(values) == kind) > 0.95
        assert np.allclose(model.shares(values).sum(1), 1.0, atol=1e-5)


def test_only_the_word_embeddings_become_int8(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    words = generator.normal(size=(200, 8)).astype(np.float32)
    prices = (1000 * generator.random((5, 1))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["words", "ids"], ["read"], name="a"),
            helper.make_node("Gather", ["prices", "kinds"], ["price"], name="b"),
        ],
        "lookups",
        [helper.make_tensor_value_info(name, TensorProto.INT64, [3]) for name in ("ids", "kinds")],
        [
            helper.make_tensor_value_info("read", TensorProto.FLOAT, [3, 8]),
            helper.make_tensor_value_info("price", TensorProto.FLOAT, [3, 1]),
        ],
        [numpy_helper.from_array(words, "words"), numpy_helper.from_array(prices, "prices")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save_model(model, str(tmp_path / "fp32.onnx"))
    quantise_words(tmp_path / "fp32.onnx", tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size < (tmp_path / "fp32.onnx").stat().st_size / 2
    given = {"ids": np.array([0, 7, 199]), "kinds": np.array([0, 2, 4])}
    out = run_graph(session(tmp_path / "int8.onnx", threads=1), given)
    assert np.array_equal(out["price"], prices[given["kinds"]])
    assert np.abs(out["read"] - words[given["ids"]]).max() <= np.abs(words).max() / 127


def test_a_loss_is_above_zero_where_int8_is_worse_whichever_way_is_better() -> None:
    fp32, worse = np.array([0.8, 0.5]), np.array([0.88, 0.4])
    assert loss(fp32[:1], worse[:1], more=False) == pytest.approx([0.1])
    assert loss(fp32[1:], worse[1:], more=True) == pytest.approx([0.25])
    assert (loss(worse, fp32, more=False)[0], loss(worse, fp32, more=True)[1]) == pytest.approx((-1 / 11, -0.2))
