"""The recipe's own reader of titles: its text encoder, and what stands behind it as of the encoder's cut."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from onshelf_exporter.models.product_encoder import ContentEncoder, TextEncoder
from onshelf_exporter.training.content import refit_content
from onshelf_exporter.training.encoder import Encoder, train_encoder
from onshelf_exporter.training.history import History, load_dataset
from onshelf_exporter.training.loop import finish
from onshelf_exporter.training.runs import Run, open_run
from onshelf_exporter.training.train import train
from onshelf_research.studies.inputs import Setting


@dataclass(frozen=True)
class Reader:
    """Text encoder with its pooled text, content encoder, and the history that both know."""

    training: Run
    encoder: Encoder
    content: ContentEncoder
    history: History

    @property
    def text(self) -> TextEncoder:
        """The text encoder."""
        return self.encoder.text


def recipe_reader(setting: Setting) -> Reader:
    """The reader of the recipe; what is not trained yet is trained, and kept with the runs."""
    training = open_run(setting.runs, setting.data, load_dataset(setting.data), setting.recipe)
    encoder = train_encoder(training)
    history = setting.history(training.encoder_cut)
    name = hashlib.sha256(json.dumps(asdict(setting.recipe.content), sort_keys=True).encode()).hexdigest()[:8]
    folder = setting.runs / "studies" / f"content-{training.encoder_folder.name}-{name}"
    return Reader(training, encoder, _content(setting, encoder, history, folder), history)


def served_outcome(setting: Setting) -> nn.Module:
    """The forecast of launches of the recipe's model release `replay`, trained where it is not yet."""
    training = train(setting.data, setting.recipe, setting.runs, ["replay"])
    graphs: dict[str, nn.Module] = torch.load(training.folder / "replay" / "graphs.pt", weights_only=False)
    return graphs["launch_outcome"].eval()


def _content(setting: Setting, encoder: Encoder, history: History, folder: Path) -> ContentEncoder:
    kept = folder / "content.pt"
    if kept.is_file():
        found: ContentEncoder = torch.load(kept, weights_only=False)
        return found.eval()
    folder.mkdir(parents=True, exist_ok=True)
    content, _ = refit_content(history, encoder.pooled, setting.recipe.content, setting.recipe.seed, folder)
    torch.save(content, kept)
    finish(folder, ["content"])
    return content.eval()
