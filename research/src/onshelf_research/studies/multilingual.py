"""Do Chinese titles give different products different plans? The recipe's encoder beside a multilingual one.

    onshelf-exporter study multilingual --recipe multilingual

Titles of `chinese_titles.csv` were written by hand; the data's titles are English. So this is the hardest case: nothing
in training is Chinese, and all that can tell two products apart is what the encoder knew before.
"""

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.training.content import fine_tune
from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.history import History
from onshelf_exporter.training.recipe import EncoderRecipe, load_recipe
from onshelf_exporter.training.texts import load_tokenizer, model_folder, tokenise, wordings
from onshelf_research.studies.attributes import Softmax
from onshelf_research.studies.features import read
from onshelf_research.studies.inputs import Floats, Setting
from onshelf_research.studies.table import Table
from onshelf_research.studies.wordings import known_titles

CUT = 27
SAMPLE = 3000  # English titles that the categories are learned from
TUNED = 600  # titles of the short fine-tuning
CHANNELS = 3  # at least so many may be in a plan, however few practice had


def study(setting: Setting) -> Table:
    """One row per encoder: how far apart Chinese titles lie, their neighbours, and the category they are read as."""
    history = setting.history(CUT)
    titles, kind = known_titles("chinese_titles.csv", history.vocabulary)
    table = Table(
        title="Titles in another language",
        question="Do Chinese titles of different products get different embeddings, categories and practice?",
        columns=[
            *("encoder", "layers", "unknown tokens", "cosine, different products", "neighbour of the same category"),
            *(
                "right category of 300",
                "right category among 5",
                "practice: mean distance",
                "pairs with other channels",
                "practice: error",
                "practice: error of the average",
                "nearer than the average",
            ),
            "seconds, 1000 titles",
        ],
    )
    rows = {"default, as pretrained": (load_recipe("default").encoder, False)}
    rows["this recipe, as pretrained"] = (setting.recipe.encoder, False)
    rows["this recipe, fine-tuned briefly"] = (setting.recipe.encoder, True)
    for name, (recipe, tuned) in rows.items():
        table.add(name, *_row(setting, history, recipe, tuned, titles, kind))
    table.remarks += [
        f"{len(titles)} Chinese titles by hand, with the category a person gave them; categories learned by softmax "
        f"regression from {SAMPLE:,} English titles of products known by week {CUT}.",
        "Cosine: mean over pairs of different products, after the mean of the English titles is taken away. Practice: "
        "mean total distance between the channel shares that two products' readings give (0 = the same plan for all). "
        f"Other channels: share of those pairs whose {CHANNELS} likeliest channels, which a plan starts from, differ.",
        "Error: mean total distance between the channel shares of a title's reading and those of its true category; of "
        "the average: the same for the shares of all products. Nearer: share of titles whose reading has the smaller "
        "error, so that other plans are also better ones.",
        f"Fine-tuned briefly: one epoch on {TUNED} English titles, to show that the recipe trains.",
    ]
    return table


def _row(
    setting: Setting,
    history: History,
    recipe: EncoderRecipe,
    tuned: bool,
    titles: list[str],
    kind: NDArray[np.int64],
) -> tuple[float | int, ...]:
    text = load_bert(model_folder(recipe))
    layers = int(text.bert.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    if tuned:
        short = replace(recipe, texts=TUNED, loop=replace(recipe.loop, epochs=1, patience=0))
        tokens = tokenise(load_tokenizer(short), wordings(history, short.variants, setting.recipe.seed))
        folder = setting.runs / "studies" / f"multilingual-{time.time_ns()}"
        fine_tune(text, history, tokens, short, setting.recipe.content, setting.recipe.seed, folder)
    text.eval().requires_grad_(False)
    first, english = _english(history, setting.recipe.seed)
    started = time.monotonic()
    known = read(text, english, recipe)
    seconds = (time.monotonic() - started) / len(english) * 1000
    centre = known.mean(0)
    asked = read(text, titles, recipe)
    direction = _unit(asked - centre)
    near = direction @ direction.T
    category = history.vocabulary.parents["type"]
    np.fill_diagonal(near, -1.0)
    off = ~np.eye(len(titles), dtype=bool)
    same = category[kind][near.argmax(1)] == category[kind]
    siblings = (category[kind][:, None] == category[kind][None, :]).sum(1) > 1
    learned = history.ids[first, 1]
    model = Softmax(_unit(known - centre), learned, len(history.vocabulary.names["category"]), setting.recipe.seed)
    shares = model.shares(direction)
    ranked = np.argsort(-shares, axis=1)
    right = category[kind]
    usual = _practice(history, len(history.vocabulary.names["category"]))
    practice = shares @ usual
    error = np.abs(practice - usual[right]).sum(1)
    average = np.bincount(history.ids[history.known, 1], minlength=len(usual)) @ usual / history.known.sum()
    flat = np.abs(average - usual[right]).sum(1)
    distance = np.abs(practice[:, None] - practice[None, :]).sum(2)[off].mean()
    likeliest = np.sort(np.argsort(-practice, axis=1, kind="stable")[:, :CHANNELS], axis=1)
    differ = (likeliest[:, None] != likeliest[None, :]).any(2)[off].mean()
    return (
        layers,
        _unknown(recipe, titles),
        float(near[off].mean()),
        float(same[siblings].mean()),
        float((ranked[:, 0] == right).mean()),
        float((ranked[:, :5] == right[:, None]).any(1).mean()),
        float(distance),
        float(differ),
        float(error.mean()),
        float(flat.mean()),
        float((error < flat).mean()),
        seconds,
    )


def _english(history: History, seed: int) -> tuple[NDArray[np.int64], list[str]]:
    """Products, one per title, and their titles."""
    known = np.flatnonzero(history.known & (history.ids[:, 1] > 0))
    _, first = np.unique(history.text_of[known], return_index=True)
    chosen = known[np.random.default_rng(seed).permutation(first)[:SAMPLE]]
    return chosen, [history.texts[number] for number in history.text_of[chosen]]


def _practice(history: History, categories: int) -> Floats:
    """Share of each category's products that were ever in each channel, [categories, channels]."""
    pairs = history.promotions[["product_index", "slot"]].drop_duplicates()
    width = int(history.channels["channel_slot"].max()) + 1
    category = history.ids[:, 1]
    count = np.bincount(category[history.known], minlength=categories).astype(np.float64)
    result = np.zeros((categories, width))
    np.add.at(result, (category[pairs["product_index"].to_numpy()], pairs["slot"].to_numpy()), 1.0)
    return result / np.maximum(count, 1.0)[:, None]


def _unit(values: Floats) -> Floats:
    result: Floats = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return result


def _unknown(recipe: EncoderRecipe, titles: list[str]) -> float:
    """Share of tokens that the vocabulary does not know."""
    tokenizer = load_tokenizer(recipe)
    unknown = next(
        (tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>") if tokenizer.token_to_id(name) is not None), -1
    )
    ids = np.concatenate([tokenizer.encode(title, add_special_tokens=False).ids for title in titles])
    return float((ids == unknown).mean())
