"""Texts as columns: what each way of reading a title gives to the same predictor, each reduced to the same width."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from onshelf_exporter.models.product_encoder import TextEncoder
from onshelf_exporter.training.content import fine_tune
from onshelf_exporter.training.encode import encode_texts, load_bert
from onshelf_exporter.training.history import History
from onshelf_exporter.training.loop import finish
from onshelf_exporter.training.recipe import EncoderRecipe
from onshelf_exporter.training.runs import ENCODER
from onshelf_exporter.training.texts import load_tokenizer, model_folder, tokenise, wordings
from onshelf_research.data.cache import code_hash
from onshelf_research.studies.inputs import PARTS, Setting, parts

RIDGE = (3.0, 10.0, 30.0, 100.0, 300.0)
COLUMNS = 8  # of a text, whatever reads it
MAX_TERMS = 40_000  # of a bag of words, for each kind of term
Floats = NDArray[np.float64]


def read(text: TextEncoder, titles: list[str], recipe: EncoderRecipe) -> Floats:
    """Pooled text float64 [titles, hidden] of any titles, in float32 arithmetic."""
    tokens = tokenise(load_tokenizer(recipe), [titles])
    pooled: Floats = encode_texts(text, tokens, 1, bfloat16=False)[0].astype(np.float64)
    return pooled


def trained_text(setting: Setting, history: History, kind: str, recipe: EncoderRecipe) -> TextEncoder:
    """A text encoder, trained where it has to be and is not yet; its weights are kept below <runs>/studies.

    Args:
        setting: where to keep them.
        history: the data up to the encoder's cut; the encoder is trained on nothing else.
        kind: "frozen" (as pretrained) or "transformer" (fine-tuned).
        recipe: of the fine-tuning.
    """
    text = load_bert(model_folder(recipe))
    if kind == "frozen":
        return text.eval()
    folder = _folder(setting, history, kind, recipe)
    weights = folder / "text.pt"
    if weights.is_file():
        text.load_state_dict(torch.load(weights, weights_only=True))
        return text.eval()
    folder.mkdir(parents=True, exist_ok=True)
    tokens = tokenise(load_tokenizer(recipe), wordings(history, recipe.variants, setting.recipe.seed))
    fine_tune(text, history, tokens, recipe, setting.recipe.content, setting.recipe.seed, folder)
    text.requires_grad_(False)
    torch.save(text.state_dict(), weights)
    finish(folder, ["product_encoder"])
    return text.eval()


def said(text: Floats | sparse.csr_matrix, units: Floats, learn: NDArray[np.bool_]) -> Floats:
    """What a text says about the log of units, [n, 1]: ridge regression, out of its own part for launches learned from.

    Args:
        text: rows of one reading, float64 [n, hidden] or sparse [n, terms].
        units: float64 [n]; only those of `learn` are read.
        learn: bool [n].
    """
    target, part = np.log1p(np.where(learn, units, 0.0)), parts(len(units))
    rows = text[learn]
    spread = float(rows.std()) if isinstance(rows, np.ndarray) else float(np.sqrt(rows.multiply(rows).mean()))
    scaled = text * (1.0 / max(spread * np.sqrt(text.shape[1]), 1e-9))
    best: tuple[float, Floats] | None = None
    for strength in RIDGE:
        told = np.zeros(len(units))
        for number in range(PARTS):
            inside = learn & (part != number)
            wanted = learn & (part == number)
            told[wanted] = Ridge(alpha=strength).fit(scaled[inside], target[inside]).predict(scaled[wanted])
        error = float(np.square(told[learn] - target[learn]).mean())
        if best is None or error < best[0]:
            told[~learn] = Ridge(alpha=strength).fit(scaled[learn], target[learn]).predict(scaled[~learn])
            best = (error, told)
    assert best is not None
    return best[1][:, None]


def components(values: Floats, known: NDArray[np.bool_], width: int = COLUMNS) -> Floats:
    """Principal components [n, width] of rows [n, hidden]; their directions come from the known rows only."""
    mean = values[known].mean(0)
    _, vectors = np.linalg.eigh(np.cov(values[known] - mean, rowvar=False))
    result: Floats = (values - mean) @ vectors[:, ::-1][:, :width]
    return result


def bag_of_words(titles: list[str], learned: list[str]) -> sparse.csr_matrix:
    """TF-IDF of words, pairs of words and parts of words [titles, terms]; terms and weights come from `learned`."""
    parts = []
    for analyser, grams, least in (("word", (1, 2), 2), ("char_wb", (3, 5), 5)):
        vectoriser = TfidfVectorizer(
            analyzer=analyser, ngram_range=grams, min_df=least, sublinear_tf=True, max_features=MAX_TERMS
        )
        parts.append(vectoriser.fit(learned).transform(titles))
    return sparse.csr_matrix(sparse.hstack(parts))


def bag_components(bag: sparse.csr_matrix, known: NDArray[np.bool_], width: int = COLUMNS) -> Floats:
    """A bag of words reduced to `width` columns (latent semantic analysis), fitted on the known rows."""
    svd = TruncatedSVD(min(width, bag.shape[1] - 1), random_state=1).fit(bag[known])
    result: Floats = svd.transform(bag)
    return result


def _folder(setting: Setting, history: History, kind: str, recipe: EncoderRecipe) -> Path:
    parts = [setting.recipe.seed, history.cut, kind, asdict(recipe), history.dataset["data_hash"]]
    code = code_hash(ENCODER)
    text = json.dumps([*parts, asdict(setting.recipe.content), code], sort_keys=True)
    return setting.runs / "studies" / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
