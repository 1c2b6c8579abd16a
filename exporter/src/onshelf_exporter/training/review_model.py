"""Where a run's trained review_sentiment lies, and how it is loaded; what exports it needs no more."""

import dataclasses
import hashlib
import json
from pathlib import Path

import torch
from torch import nn

from onshelf_exporter.models.review_sentiment import ReviewSentiment
from onshelf_exporter.process.imported import code_hash
from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.runs import Run
from onshelf_exporter.training.texts import model_folder
from onshelf_release.codes import SENTIMENTS

TRAINING = "onshelf_exporter.training.reviews"  # the module whose code, with all that it imports, is the model's


def review_folder(training: Run) -> Path:
    """Where the model lives: named by what it alone depends on, so that runs that differ elsewhere share it."""
    recipe = training.recipe
    parts = [
        training.dataset["data_hash"],
        dataclasses.asdict(recipe.reviews),
        [recipe.encoder.model, recipe.encoder.language, recipe.encoder.max_length, recipe.encoder.precision],
        recipe.seed,
        code_hash(TRAINING),
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
    return training.folder.parent / f"reviews-{digest}"


def load_reviews(training: Run) -> nn.Module:
    """The trained model of a run, as it is exported."""
    text = load_bert(model_folder(training.recipe.encoder))
    model = ReviewSentiment(text, len(SENTIMENTS))
    model.load_state_dict(torch.load(review_folder(training) / "sentiment.pt", weights_only=True))
    return model.eval().requires_grad_(False)
