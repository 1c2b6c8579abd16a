"""The text encoder of a run: fine-tuned once, then all texts encoded; shared by runs that differ behind it.

What this module imports is the code that the encoder depends on (`runs.ENCODER`): keep it small.
"""

import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from onshelf_exporter.models.product_encoder import TextEncoder
from onshelf_exporter.models.unpadding import lean
from onshelf_exporter.process.json_file import write_json
from onshelf_exporter.process.progress_display import loading, working
from onshelf_exporter.training import distributed, precision
from onshelf_exporter.training.content import fine_tune
from onshelf_exporter.training.encode import encode_texts, load_bert
from onshelf_exporter.training.history import load_history
from onshelf_exporter.training.loop import finish
from onshelf_exporter.training.runs import Run
from onshelf_exporter.training.texts import (
    load_tokenizer,
    model_folder,
    tokenise,
    unknown_notice,
    unknown_share,
    wordings,
)


@dataclass(frozen=True)
class Encoder:
    """The fine-tuned text encoder and the pooled text of all titles [wordings, texts, hidden]."""

    text: TextEncoder
    pooled: NDArray[np.float16]


def train_encoder(training: Run) -> Encoder:
    """Fine-tune the text encoder on weeks up to the encoder's cut, and encode all texts; both kept in the run."""
    recipe, folder = training.recipe, training.encoder_folder
    weights, pooled_file, done = folder / "text.pt", folder / "pooled.npy", folder / "done.json"
    with loading("text encoder: loading"):
        text = lean(load_bert(model_folder(recipe.encoder)))
    if distributed.shared(done.exists()):
        text.load_state_dict(torch.load(weights, weights_only=True))
        return Encoder(text.eval(), np.load(pooled_file))
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = precision.begun(folder, recipe.encoder.precision)
    with working("texts") as step:
        step("reading the data")
        history = load_history(training.data, training.encoder_cut)
        step("wordings")
        tokenizer = load_tokenizer(recipe.encoder)
        tokens = tokenise(tokenizer, wordings(history, recipe.encoder.variants, recipe.seed))
    unknown = unknown_share(tokenizer, history.texts)
    notice = unknown_notice(unknown, recipe.encoder.model)
    if notice and distributed.leads():
        print(notice, file=sys.stderr, flush=True)
    result = fine_tune(text, history, tokens, recipe.encoder, recipe.content, recipe.seed, folder)
    text.requires_grad_(False)
    tuned = time.monotonic()
    pooled = encode_texts(text, tokens, recipe.encoder.encode_variants, chosen.bfloat16)
    if not distributed.leads():
        return Encoder(text.eval(), pooled)
    torch.save(text.state_dict(), weights)
    np.save(pooled_file, pooled)
    record = {
        "cut_week": history.cut,
        "epoch": result.epoch,
        "training_losses": result.training_losses,
        "validation_losses": result.validation_losses,
        "texts": len(history.texts),
        "unknown_tokens": round(unknown, 4),
        "precision": chosen.name,
        "machine": asdict(chosen),
        "seconds": {"fine_tune": round(tuned - started, 1), "encode": round(time.monotonic() - tuned, 1)},
    }
    write_json(done, record)
    finish(folder, ["product_encoder"])
    return Encoder(text.eval(), pooled)
