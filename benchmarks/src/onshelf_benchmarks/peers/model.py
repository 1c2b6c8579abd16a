"""The model that all peers serve: the text encoder of the newest training run, as a folder and as ONNX.

The folder is one that transformers and sentence-transformers load: config.json, model.safetensors, tokenizer.json,
mean pooling, L2 norm 1. `reference.npz` holds some texts and what PyTorch answers.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.feather as feather
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from onshelf_exporter.models.product_encoder import TextEncoder
from onshelf_exporter.release.graphs import export_graph
from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.recipe import EncoderRecipe
from onshelf_exporter.training.texts import load_tokenizer, model_folder, pad_token
from onshelf_release.signatures import Signature, Tensor

CHECKED = 20  # texts that each server must answer as PyTorch does
SIGNATURE = Signature(
    (Tensor("input_ids", "INT64", ("tokens",)), Tensor("attention_mask", "INT64", ("tokens",))),
    (Tensor("pooled_text", "FP32", (384,)),),
)


def newest_weights(runs: Path) -> Path:
    """The encoder's weights of the newest training run."""
    found = sorted(runs.glob("encoder-*/text.pt"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(f"no trained encoder below {runs}: run `make train`")
    return found[-1]


def titles(release: Path, seed: int = 0) -> list[str]:
    """The distinct titles of a model release's products, in random order."""
    table = feather.read_table(release / "products.arrow", columns=["title"]).to_pandas()
    distinct: list[str] = sorted(table["title"].unique())
    order = np.random.default_rng(seed).permutation(len(distinct))
    return [distinct[place] for place in order]


def write(folder: Path, weights: Path, release: Path) -> None:
    """Write the folder; nothing happens where it holds these weights and texts already."""
    source = {"weights": str(weights.resolve()), "changed": weights.stat().st_mtime, "release": str(release.resolve())}
    mark = folder / "source.json"
    if mark.exists() and json.loads(mark.read_text()) == source:
        return
    shutil.rmtree(folder, ignore_errors=True)
    recipe = EncoderRecipe()
    pretrained = model_folder(recipe)
    shutil.copytree(pretrained, folder)  # it says how sentence-transformers pools, too
    text = load_bert(pretrained).eval()
    text.load_state_dict(torch.load(weights, weights_only=True))
    state = {name: tensor.contiguous() for name, tensor in text.bert.state_dict().items()}
    save_file(state, str(folder / "model.safetensors"), metadata={"format": "pt"})
    load_tokenizer(recipe).save(str(folder / "tokenizer.json"))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": recipe.max_length}))
    (folder / "titles.json").write_text(json.dumps(titles(release)))
    _export(text, folder / "model.onnx")
    texts = titles(release)[-CHECKED:]
    np.savez(folder / "reference.npz", texts=np.array(texts), embeddings=reference(text, recipe, texts))
    mark.write_text(json.dumps(source))


def reference(text: TextEncoder, recipe: EncoderRecipe, texts: list[str]) -> NDArray[np.float32]:
    """What PyTorch answers, each text on its own: no padding."""
    tokenizer = load_tokenizer(recipe)
    rows = []
    with torch.inference_mode():
        for encoded in tokenizer.encode_batch(texts):
            ids = torch.tensor([encoded.ids])
            rows.append(text(ids, torch.ones_like(ids))[0].numpy())
    assert pad_token(tokenizer) == 0, "the servers pad with 0"
    return np.stack(rows).astype(np.float32)


def _export(text: TextEncoder, path: Path) -> None:
    """ONNX with free batch and length: token ids and mask in, pooled text out."""
    ids = np.random.default_rng(0).integers(5, 1000, (3, 9))
    export_graph("text", text, {"input_ids": ids, "attention_mask": np.ones_like(ids)}, path, SIGNATURE)
