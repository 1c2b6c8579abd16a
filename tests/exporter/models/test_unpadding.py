"""The encoder without work for padding says what the padded one says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from model_builders import product_encoder

from onshelf_exporter.models.unpadding import LeanTextEncoder, UnpaddedTextEncoder, lean, unpadded
from onshelf_exporter.release.graphs import export_graph, quantise, run_graph, session
from onshelf_release.signatures import SIGNATURES

MASK = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 1, 0], [1, 0, 0, 0, 0, 0, 0]])
IDS = torch.arange(28).reshape(4, 7) + 3


@pytest.mark.parametrize("length", [7, 20])
def test_it_embeds_texts_of_any_lengths_as_the_padded_encoder_does(length: int) -> None:
    text = product_encoder(1).text
    more = torch.zeros(4, length - 7, dtype=torch.int64)
    ids, mask = torch.cat([IDS, more + 9], dim=1), torch.cat([MASK, more], dim=1)
    assert torch.allclose(UnpaddedTextEncoder(text).eval()(ids, mask), text(ids, mask), atol=1e-6)


def test_the_encoder_that_learns_has_the_weights_values_and_gradients_of_the_padded_one() -> None:
    text, other = product_encoder(5).text.eval(), product_encoder(5).text.eval()
    learner = lean(other)
    assert isinstance(learner, LeanTextEncoder)
    assert learner.state_dict().keys() == text.state_dict().keys()
    for encoder in (text, learner):
        encoder.requires_grad_(True)
        (encoder(IDS, MASK) * torch.arange(4.0).unsqueeze(1)).square().sum().backward()
    assert torch.allclose(learner(IDS, MASK), text(IDS, MASK), atol=1e-6)
    for (name, mine), theirs in zip(learner.named_parameters(), text.parameters(), strict=True):
        assert (mine.grad is None) == (theirs.grad is None), name
        assert mine.grad is None or torch.allclose(mine.grad, theirs.grad, atol=1e-5), name


def test_the_encoder_that_learns_drops_tokens_of_attention_only_in_training() -> None:
    learner = lean(product_encoder(6).text)
    assert torch.equal(learner.eval()(IDS, MASK), learner(IDS, MASK))
    assert not torch.equal(learner.train()(IDS, MASK), learner(IDS, MASK))


def test_a_text_of_padding_alone_gives_zeros_and_changes_no_other() -> None:
    text = product_encoder(2).text
    encoder = UnpaddedTextEncoder(text).eval()
    mask = torch.cat([torch.zeros(1, 7, dtype=torch.int64), MASK])
    found = encoder(torch.cat([IDS[:1], IDS]), mask)
    assert bool((found[0] == 0).all())
    assert torch.allclose(found[1:], text(IDS, MASK), atol=1e-6)


def test_the_padded_encoder_stays_as_it_was() -> None:
    encoder = product_encoder(3)
    kinds = [type(module) for module in encoder.modules()]
    before = encoder.text(IDS, MASK)
    unpadded(encoder)
    assert [type(module) for module in encoder.modules()] == kinds
    assert torch.equal(encoder.text(IDS, MASK), before)


def test_the_graph_answers_every_batch_and_length_and_keeps_its_fast_kernels(tmp_path: Path) -> None:
    module = product_encoder(4)
    lean = unpadded(module)
    assert lean is not None
    rows = {
        "input_ids": IDS.numpy(),
        "attention_mask": MASK.numpy(),
        "categorical_ids": np.array([[1, 2, 3, 1]] * 4),
        "attributes": np.array([[2.5, 1.0]] * 4, dtype=np.float32),
    }
    path, small = tmp_path / "model.onnx", tmp_path / "int8.onnx"
    export_graph("product_encoder_fp32", lean, {name: value[:3] for name, value in rows.items()}, path)
    quantise(path, small)
    running = session(path, threads=1)
    for count, length in ((1, 7), (4, 7), (1, 3), (3, 5)):
        some = {name: value[:count] for name, value in rows.items()}
        some |= {name: some[name][:, :length] for name in ("input_ids", "attention_mask")}
        want = module(*(torch.from_numpy(some[tensor.name]) for tensor in SIGNATURES["product_encoder"].inputs))
        found = run_graph(running, some)
        assert np.allclose(found["embedding"], want[0].detach().numpy(), atol=1e-5)
        assert run_graph(session(small, threads=1), some)["embedding"].shape == (count, 128)
    assert (run_graph(running, some | {"attention_mask": np.zeros((3, 5), dtype=np.int64)})["embedding"] != 0).any()
    operators = optimised_operators(small, tmp_path / "optimised.onnx")
    assert "Gelu" in operators
    assert "SkipLayerNormalization" not in operators


def optimised_operators(path: Path, target: Path) -> set[str]:
    """Operators that ONNX Runtime runs on a CPU for a graph."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return {node.op_type for node in onnx.load(str(target)).graph.node}


def test_another_architecture_keeps_its_padding() -> None:
    encoder = product_encoder(5)
    encoder.text.bert.config.model_type = "mpnet"  # type: ignore[union-attr]
    assert unpadded(encoder) is None
