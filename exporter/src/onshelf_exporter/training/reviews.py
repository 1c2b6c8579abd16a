"""Training of review_sentiment: once for all model releases of a run, beside the text encoder.

It starts from the pretrained BERT of the recipe, the same that the product encoder starts from, and is tuned on
sentences and reviews (`data.reviews`). Texts are read up to the length that serving allows.

What this module imports is the code that the model depends on (`review_model.TRAINING`): keep it small.
"""

import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy

from onshelf_exporter.data.reviews import PARTS, missing_archives, read_reviews
from onshelf_exporter.models.review_sentiment import ReviewSentiment
from onshelf_exporter.models.unpadding import lean
from onshelf_exporter.process.json_file import write_json
from onshelf_exporter.process.progress_display import progress_bar, working
from onshelf_exporter.training import devices, distributed, precision
from onshelf_exporter.training.content import freeze_lower
from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.loop import Fit, finish, fit
from onshelf_exporter.training.recipe import Recipe, ReviewRecipe
from onshelf_exporter.training.review_model import review_folder
from onshelf_exporter.training.runs import Run
from onshelf_exporter.training.texts import Tokens, load_tokenizer, model_folder, pad_token
from onshelf_release.codes import SENTIMENTS

NAME = "review_sentiment"
NEAR = ("product", "goods", "shop")  # sources that are about goods of a shop
SAMPLES = 64  # texts held out on which the export is checked
AT_ONCE = 128
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Cross entropy, rarer classes with more weight."""

    model: ReviewSentiment
    tokens: Tokens
    labels: Ints
    held_tokens: Tokens
    held_labels: Ints
    bfloat16: bool

    @cached_property
    def weights(self) -> Floats:
        """Of the classes, their mean 1: one over the root of a class's share. It was chosen on texts held out, among
        powers from 0 to 1."""
        shares = np.bincount(self.labels, minlength=len(SENTIMENTS)) / len(self.labels)
        weights = 1.0 / np.sqrt(np.maximum(shares, 0.01))
        return np.asarray(weights / weights.mean(), dtype=np.float32)

    @property
    def rows(self) -> int:
        """Texts of an epoch."""
        return len(self.labels)

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        """Of a batch of texts, as they are: a sentence that loses its "not" says the opposite."""
        return self._loss(self.tokens, self.labels, rows)

    def validate(self) -> float | None:
        """On the texts held out for it."""
        count = len(self.held_labels)
        if not count:
            return None
        parts = np.array_split(np.arange(count), max(1, count // AT_ONCE))
        return float(sum(self._loss(self.held_tokens, self.held_labels, p).item() * len(p) for p in parts) / count)

    def _loss(self, tokens: Tokens, labels: Ints, rows: NDArray[np.int64]) -> Tensor:
        ids, mask = tokens.batch(np.zeros_like(rows), rows)
        with devices.autocast(devices.current(), self.bfloat16):
            logits = self.model.logits(torch.as_tensor(ids), torch.as_tensor(mask))
        return cross_entropy(logits.float(), torch.as_tensor(labels[rows]), torch.as_tensor(self.weights))


def train_reviews(training: Run) -> None:
    """Train the model, unless it is there: leaves sentiment.pt, samples.npz and done.json in its folder."""
    folder, recipe = review_folder(training), training.recipe
    if distributed.shared((folder / "done.json").exists()):
        return
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = precision.begun(folder, recipe.encoder.precision)
    with working("reviews") as step:
        step("reading the reviews")
        frame = read_reviews(training.data, recipe.encoder.language)
        train, held, test = chosen_texts(frame, recipe.reviews, recipe.seed)
    missing = [] if "shop" in set(frame["source"]) else missing_archives(recipe.encoder.language)
    if missing and distributed.leads():
        print(
            f"reviews: {', '.join(missing)} not there (setup/archives.py fetches them): learned without",
            file=sys.stderr,
        )
    tokenizer = load_tokenizer(recipe.encoder)
    model, result = tune(tokenizer, recipe, train, held, folder, chosen.bfloat16)
    said = predict(model, tokenise(tokenizer, test["text"].tolist()))
    if not distributed.leads():
        return
    torch.save(model.state_dict(), folder / "sentiment.pt")
    np.savez(folder / "samples.npz", texts=test["text"].to_numpy(dtype=str)[:SAMPLES])
    record = {
        "texts": {part: int((frame["part"] == part).sum()) for part in ("train", "validation", "test")},
        "learned_from": frame[frame["part"] == "train"]["source"].value_counts().to_dict(),
        "used": len(train),
        "epoch": result.epoch,
        "validation_losses": result.validation_losses,
        "metrics": measured(test, said),
        "precision": chosen.name,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(folder / "done.json", record)
    finish(folder, [NAME])


def chosen_texts(
    frame: pd.DataFrame, recipe: ReviewRecipe, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Texts to learn from, to stop by and to measure on, shuffled. Of a recipe's `texts` up to half are of NEAR, the
    others are drawn from what is left."""
    shuffled = frame.iloc[np.random.default_rng(seed).permutation(len(frame))]
    train, held, test = (shuffled[shuffled["part"] == part].reset_index(drop=True) for part in PARTS)
    if recipe.texts and len(train) > recipe.texts:
        near = train["source"].isin(NEAR)
        half = train[near][: recipe.texts // 2]
        train = pd.concat([half, train.drop(half.index)[: recipe.texts - len(half)]], ignore_index=True)
        held, test = held[: recipe.texts // 4], test[: max(SAMPLES, recipe.texts)]
    return train, held, test


def tune(
    tokenizer: Tokenizer, recipe: Recipe, train: pd.DataFrame, held: pd.DataFrame, folder: Path, bfloat16: bool
) -> tuple[ReviewSentiment, Fit]:
    """The pretrained BERT of the recipe, tuned on texts and their labels."""
    torch.manual_seed(recipe.seed)
    text = lean(load_bert(model_folder(recipe.encoder)))
    model = ReviewSentiment(text, len(SENTIMENTS))
    freeze_lower(text, recipe.reviews.frozen_layers)
    task = Task(
        model=model,
        tokens=tokenise(tokenizer, train["text"].tolist()),
        labels=train["label"].to_numpy(dtype=np.int64),
        held_tokens=tokenise(tokenizer, held["text"].tolist()),
        held_labels=held["label"].to_numpy(dtype=np.int64),
        bfloat16=bfloat16,
    )
    groups: list[dict[str, Any]] = [
        {"params": [p for p in text.parameters() if p.requires_grad], "lr": 1.0},
        {"params": list(model.head.parameters()), "lr": 10.0},
    ]
    result = fit(
        model,
        task,
        recipe.reviews.loop,
        seed=recipe.seed,
        folder=folder,
        name=NAME,
        groups=groups,
        device=devices.current(),
    )
    return model, result


def tokenise(tokenizer: Tokenizer, texts: list[str]) -> Tokens:
    """Token ids [1, texts, tokens], as wide as the longest of them."""
    encoded = tokenizer.encode_batch(texts)
    lengths = np.array([[len(e.ids) for e in encoded]], dtype=np.int64)
    ids = np.full((1, len(texts), int(lengths.max(initial=1))), pad_token(tokenizer), dtype=np.int32)
    ids[0][np.arange(ids.shape[2]) < lengths[0][:, None]] = np.concatenate([e.ids for e in encoded] or [[]])
    return Tokens(ids, lengths, pad_token(tokenizer))


def predict(model: ReviewSentiment, tokens: Tokens) -> Floats:
    """Probabilities [texts, 3]; texts of like length go together."""
    order = np.argsort(tokens.lengths[0], kind="stable")
    said = np.zeros((len(order), len(SENTIMENTS)), dtype=np.float32)
    model.eval()
    with torch.inference_mode(), progress_bar("read reviews", len(order)) as advance:
        for rows in np.array_split(order, max(1, len(order) // AT_ONCE)):
            ids, mask = tokens.batch(np.zeros_like(rows), rows)
            said[rows] = model(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
            advance(len(rows))
    return said


def measured(test: pd.DataFrame, said: Floats) -> dict[str, float]:
    """Macro-F1 of all texts held out and of each source, with their number."""
    truth, found = test["label"].to_numpy(), said.argmax(1)
    parts = {"all": np.ones(len(test), dtype=bool)}
    parts |= {str(source): (test["source"] == source).to_numpy() for source in sorted(test["source"].unique())}
    result = {}
    for name, rows in parts.items():
        result[f"macro_f1_{name}"] = round(
            float(f1_score(truth[rows], found[rows], average="macro", zero_division=0.0)), 4
        )
        result[f"texts_{name}"] = int(rows.sum())
    return result
