"""How small can the text encoder be? int8, three layers, low-rank adapters: size, latency and what each loses.

    onshelf-exporter study compression

All rows but those about adapters stand in front of the same content encoder, through ONNX Runtime on one thread;
latencies are taken in turn in one run, so that their ratios can be compared.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from onshelf_exporter.models.product_encoder import ProductEncoder, ProductTower, TextEncoder
from onshelf_exporter.release.graphs import (
    Arrays,
    export_graph,
    quantise,
    quantise_words,
    run_graph,
    session,
)
from onshelf_exporter.training import precision
from onshelf_exporter.training.history import History
from onshelf_exporter.training.recipe import LoopRecipe
from onshelf_exporter.training.texts import load_tokenizer, pad_token, tokenise, wordings
from onshelf_exporter.training.vocabulary import category_completion
from onshelf_research.data.cache import code_hash
from onshelf_research.studies.distil import distil, shortened
from onshelf_research.studies.head import forecast
from onshelf_research.studies.inputs import Origin, Setting, origin
from onshelf_research.studies.reader import Reader, recipe_reader
from onshelf_research.studies.readings import BLOCKS, readings, rolling, study_recipe, text_columns
from onshelf_research.studies.table import Table
from onshelf_research.studies.wordings import families, known_titles

LAYERS = 3
SAMPLE = 24_000  # titles in wordings that the student learns from
STUDENT_LOOP = LoopRecipe(epochs=1, learning_rate=3e-4, batch_size=128)
REPEATS = 15
WEEKS = 5
BATCHES = (1, 32)
CLOSE = 0.01  # the default is the smallest that loses at most this share in every metric
HIGHER = ("Spearman", "right type", "right category", "right type, shop wording", "right type, shops' titles")
LOWER = ("WAPE (median)", "Poisson deviance (mean)")
COLUMNS = [
    *("encoder", "MB", "latency, batch 1", "latency, batch 32", "cosine to fp32", "largest loss", *LOWER, *HIGHER),
]


@dataclass(frozen=True, kw_only=True)
class VariantQuestion:
    """What every variant is asked: launches as numbers, their titles, later ones in shops' wordings, and the truth.

    `ids` and `attributes` are those of the launches of `launches`; `later` are the rows that are measured.
    """

    launches: Origin
    titles: list[str]
    ids: NDArray[np.int64]
    attributes: NDArray[np.float32]
    later: NDArray[np.int64]
    worded: list[str]
    shop: list[str]
    shop_kind: NDArray[np.int64]


def study(setting: Setting) -> Table:
    """One row per variant, then full fine-tuning beside adapters."""
    reader = recipe_reader(setting)
    question = ask(reader.history, setting.history(reader.history.cut + WEEKS + 7))
    table = Table(
        title="Compression of the text encoder",
        question="What do int8, a three-layer student and low-rank adapters save, and what do they lose?",
        columns=COLUMNS,
    )
    with tempfile.TemporaryDirectory() as place:
        files = _variants(reader, question, Path(place), setting)
        times = _latencies(files, question, setting)
        base: NDArray[np.float32] | None = None
        scores: list[list[float]] = []
        for path in files.values():
            embedding, values = _measured(path, question, reader.history, setting)
            base = embedding if base is None else base
            scores.append([float((embedding * base).sum(1).mean()), *values])
        losses = largest_losses([values for _, *values in scores])
        for (name, path), (cosine, *values), loss in zip(files.items(), scores, losses, strict=True):
            table.add(name, path.stat().st_size / 1e6, *times[name], cosine, loss, *values)
        table.remarks.append(_choice(files, losses))
    given = readings(setting, ("transformer", "lora"))
    measured = [rolling(given, kind, BLOCKS, setting.recipe.seed) for kind in ("transformer", "lora")]
    tuned = [list(demand.scores(actual)) for demand, actual in measured]
    names = ("full fine-tuning, sample", "low-rank adapters (rank 8), sample")
    for name, values, loss in zip(names, tuned, largest_losses(tuned), strict=True):
        table.add(name, None, None, None, None, loss, *values, *[None] * (len(HIGHER) - 1))
    cut = reader.history.cut
    table.remarks += [
        f"Launches of weeks {cut + 1}-{cut + WEEKS}; nothing after week {cut} was learned. Demand by the small "
        "predictor of study text_encoders on each variant's embeddings. Latency: ONNX Runtime on one thread, median of "
        f"{REPEATS} runs, as a ratio to fp32 with all layers.",
        f"The student has {LAYERS} layers, learned from {SAMPLE:,} wordings of titles in one epoch.",
        f"The last two rows: both trained on {study_recipe(setting).texts:,} titles up to the first rolling origin, on "
        "the launches of the rolling origins; once merged, size and latency are those of fp32.",
    ]
    return table


def ask(before: History, after: History) -> VariantQuestion:
    """Launches complete at the cut of `before` and those of the WEEKS after it."""
    launches = origin(after, before, before.cut + WEEKS)
    product = launches.launches["product_index"].to_numpy()
    ids = before.vocabulary.ids(after.products.iloc[product])
    later = np.flatnonzero(~launches.learn & (ids[:, 2] > 0))
    price = launches.launches["price"].fillna(0.0).to_numpy(dtype=np.float32)
    worded = families(after.products.iloc[product[later]].reset_index(drop=True), 1)["shop"]
    shop, shop_kind = known_titles("shop_titles.csv", before.vocabulary)
    return VariantQuestion(
        launches=launches,
        titles=[after.texts[number] for number in after.text_of[product]],
        ids=ids,
        attributes=np.stack([price, after.label[product]], axis=1),
        later=later,
        worded=worded,
        shop=shop,
        shop_kind=shop_kind,
    )


def _variants(reader: Reader, question: VariantQuestion, place: Path, setting: Setting) -> dict[str, Path]:
    """ONNX files by name, fp32 with all layers first."""
    student = student_of(reader, setting)
    files: dict[str, Path] = {}
    example = _inputs(question.titles[:3], question, setting)
    completion = category_completion(reader.history.vocabulary)
    tower = ProductTower()
    count = len(list(reader.text.bert.encoder.layer))  # type: ignore[union-attr, arg-type]
    for text, layers in ((reader.text, count), (student, min(LAYERS, count))):
        whole = (
            ProductEncoder(text=text, completion=completion, content=reader.content, tower=tower)
            .eval()
            .requires_grad_(False)
        )
        fp32, int8, packed = (place / f"{layers}-{kind}.onnx" for kind in ("fp32", "int8", "packed"))
        export_graph("product_encoder", whole, example, fp32)
        quantise(fp32, int8)
        quantise_words(int8, packed)
        files[f"{layers} layers, fp32"] = fp32
        files[f"{layers} layers, int8"] = int8
        files[f"{layers} layers, int8, words too"] = packed
    return files


def student_of(reader: Reader, setting: Setting) -> TextEncoder:
    """The student of the recipe's encoder; kept below <runs>/studies."""
    encoder = reader.encoder
    code = code_hash("onshelf_research.studies.distil")
    folder = setting.runs / "studies" / f"student-{reader.training.encoder_folder.name}-{code[:8]}"
    student = shortened(encoder.text, LAYERS)
    weights = folder / "text.pt"
    if weights.is_file():
        student.load_state_dict(torch.load(weights, weights_only=True))
        return student.eval()
    recipe = setting.recipe.encoder
    count = len(encoder.pooled)
    tokens = tokenise(load_tokenizer(recipe), wordings(reader.history, count, setting.recipe.seed))
    sample = min(SAMPLE, recipe.texts) if recipe.texts else SAMPLE
    distil(
        student,
        tokens,
        encoder.pooled,
        STUDENT_LOOP,
        bfloat16=precision.begun(folder, recipe.precision).bfloat16,
        sample=sample,
        seed=setting.recipe.seed,
        folder=folder,
    )
    torch.save(student.state_dict(), weights)
    return student.eval().requires_grad_(False)


def _inputs(titles: list[str], question: VariantQuestion, setting: Setting) -> Arrays:
    """Inputs of the product encoder for titles, padded to the longest; ids and attributes of the first launches."""
    tokenizer = load_tokenizer(setting.recipe.encoder)
    tokenizer.enable_padding(pad_id=pad_token(tokenizer))
    encoded = tokenizer.encode_batch(titles)
    return {
        "input_ids": np.array([one.ids for one in encoded], dtype=np.int64),
        "attention_mask": np.array([one.attention_mask for one in encoded], dtype=np.int64),
        "categorical_ids": question.ids[: len(titles)],
        "attributes": question.attributes[: len(titles)],
    }


def _latencies(files: dict[str, Path], question: VariantQuestion, setting: Setting) -> dict[str, list[float]]:
    """Median time of each file as a ratio to the first, by batch; the files take turns."""
    titles = question.titles
    running = {name: session(path, threads=1) for name, path in files.items()}
    result: dict[str, list[float]] = {name: [] for name in files}
    for batch in BATCHES:
        given = _inputs(titles[:batch], question, setting)
        taken: dict[str, list[float]] = {name: [] for name in files}
        for _ in range(REPEATS + 1):  # the first round warms up
            for name, one in running.items():
                started = time.perf_counter()
                run_graph(one, given)
                taken[name].append(time.perf_counter() - started)
        medians = {name: float(np.median(values[1:])) for name, values in taken.items()}
        first = next(iter(medians.values()))
        for name in files:
            result[name].append(medians[name] / first)
    return result


def _measured(
    path: Path, question: VariantQuestion, history: History, setting: Setting
) -> tuple[NDArray[np.float32], list[float]]:
    """Embeddings of the launches' own titles, and the metrics in the order of LOWER and HIGHER."""
    running = session(path, threads=1)
    launches, later = question.launches, question.later
    own = _answers(running, question.titles, question.ids, question.attributes, question, setting)
    embedding = own["embedding"].astype(np.float64)
    learn = launches.learn
    columns = np.concatenate([*(launches.blocks[block] for block in BLOCKS), text_columns(launches, embedding)], axis=1)
    demand = forecast(columns[learn], launches.units[learn], columns[~learn], setting.recipe.seed)
    parents, kind = history.vocabulary.parents["type"], question.ids[later, 2]
    told = _best(own["category_logits"][later])
    unknown = np.zeros((max(len(later), len(question.shop)), 4), dtype=np.int64)
    nothing = np.zeros((len(unknown), 2), dtype=np.float32)
    worded = _best(_answers(running, question.worded, unknown, nothing, question, setting)["category_logits"])
    by_hand = float("nan")
    if question.shop:
        answers = _answers(running, question.shop, unknown, nothing, question, setting)
        by_hand = float(np.mean(_best(answers["category_logits"]) == question.shop_kind))
    return own["embedding"], [
        *demand.scores(launches.units[~learn]),
        float(np.mean(told == kind)),
        float(np.mean(parents[told] == question.ids[later, 1])),
        float(np.mean(worded == kind)),
        by_hand,
    ]


def _answers(
    running: InferenceSession,
    titles: list[str],
    ids: NDArray[np.int64],
    attributes: NDArray[np.float32],
    question: VariantQuestion,
    setting: Setting,
) -> Arrays:
    """Embeddings and logits of titles, in small batches."""
    parts = []
    for start in range(0, len(titles), 64):
        rows = slice(start, min(start + 64, len(titles)))
        given = _inputs(titles[rows], question, setting)
        parts.append(run_graph(running, given | {"categorical_ids": ids[rows], "attributes": attributes[rows]}))
    return {name: np.concatenate([part[name] for part in parts]) for name in ("embedding", "category_logits")}


def _best(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    best: NDArray[np.int64] = logits[:, 1:].argmax(1).astype(np.int64) + 1
    return best


def largest_losses(scores: list[list[float]]) -> list[float]:
    """By how much each row is worse than the first in the column where it loses most, as a share; 0 or below where it
    loses nowhere. Columns are LOWER, then HIGHER, which may end early."""
    values = np.array(scores)
    low, high = values[:, : len(LOWER)], values[:, len(LOWER) :]
    worse = np.concatenate([low / low[0], high[0] / high], axis=1) - 1.0
    return [float(loss) for loss in np.nan_to_num(worse).max(axis=1)]


def _choice(files: dict[str, Path], losses: list[float]) -> str:
    """Which variant is the smallest that loses at most CLOSE in every metric against the uncompressed one.

    Against the best of each column it would be chosen by chance: two files that differ by rounding differ by as much.
    """
    size = {name: files[name].stat().st_size for name, loss in zip(files, losses, strict=True) if loss <= CLOSE}
    first, smallest = next(iter(files)), min(size, key=size.__getitem__)
    return (
        f"The smallest that loses at most {CLOSE:.0%} in every metric against {first}: {smallest}. Largest loss: the "
        f"share by which a row is worse than {first} in the metric where it loses most."
    )
