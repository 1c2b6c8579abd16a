"""Does BERT earn its place? Text, plan and history with and without it, and the places where text helps.

    onshelf-exporter study bert_vs_tfidf

Three parts: demand from growing sets of columns; demand of launches whose type or manufacturer the predictor has never
seen; and the categories of a product from its title alone.
"""

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.evaluation import metrics
from onshelf_exporter.evaluation.bootstrap import cluster_weights, interval, resampled
from onshelf_research.studies.attributes import Accuracy, completion
from onshelf_research.studies.head import Demand, forecast
from onshelf_research.studies.inputs import HISTORY, Floats, Setting
from onshelf_research.studies.readings import Readings, readings, rolling
from onshelf_research.studies.table import Table

TEXTS = {"none": "no text", "TF-IDF": "TF-IDF", "frozen": "BERT as pretrained", "transformer": "BERT fine-tuned"}
INPUTS = {
    "product": ("product",),
    "product + plan": ("product", "plan"),
    "product + history": ("product", "history"),
    "product + plan + history": ("product", "plan", "history"),
}
FOLDS = 5
DRAWS = 500
# columns of the history block that a launch of an unseen type or manufacturer does not have
UNSEEN = {
    "type": ("category_rate", "type_rate", "type_products", "price_to_usual", "category_launches", "type_launches"),
    "brand": ("brand_products", "brand_launches"),
}


def study(setting: Setting) -> Table:
    """The three parts, one below the other."""
    given = readings(setting, ("frozen", "transformer"))
    table = Table(
        title="BERT against TF-IDF on identical inputs",
        question="What do text, plan and history add to the forecast of 8 weeks, and BERT to a bag of words?",
        columns=["part", "inputs", "text", "n", "WAPE (median)", "Poisson deviance (mean)", "Spearman", "accuracy"],
    )
    best: dict[str, Demand] = {}
    for inputs, blocks in INPUTS.items():
        for reading, name in TEXTS.items():
            demand, actual = rolling(given, reading, blocks, setting.recipe.seed)
            table.add("ablation", inputs, name, len(actual), *demand.scores(actual), None)
            best[reading] = demand
    table.remarks += _compared(given, best)
    for level, name in (("type", "unseen type"), ("brand", "unseen manufacturer")):
        for reading, text in TEXTS.items():
            demand, actual = held_out(given, reading, level, setting.recipe.seed)
            table.add(name, "product + plan + rest of history", text, len(actual), *demand.scores(actual), None)
    for row in completion(setting):
        table.add(*_accuracy(row))
    table.remarks += [
        f"Unseen: types (manufacturers) are dealt into {FOLDS} parts; each part's launches are forecast by a predictor "
        "that learned from the other parts only, without columns about that type and its category (manufacturer). "
        "The fine-tuned BERT has read the titles of these types before the first origin; the other readings have not.",
        "Title alone: softmax regression from the title to the type, learned from the same wordings of a sample of "
        "titles known by week 27, measured on titles that first appeared later, as they stand and in other wordings; "
        "category and department are those of the type found.",
    ]
    return table


def held_out(given: Readings, reading: str, level: str, seed: int) -> tuple[Demand, Floats]:
    """Forecasts for launches whose type (or manufacturer) is in no launch that the predictor learned from."""
    forecasts, actual = [], []
    dropped = [HISTORY.index(name) for name in UNSEEN[level]]
    for number, launches in enumerate(given.origins):
        history = np.delete(launches.blocks["history"], dropped, axis=1)
        columns = np.concatenate(
            [launches.blocks["product"], launches.blocks["plan"], history, given.columns[reading][number]], axis=1
        )
        part = _parts(launches.groups[level], seed)
        for fold in range(FOLDS):
            learn, wanted = launches.learn & (part != fold), ~launches.learn & (part == fold)
            if wanted.any():
                forecasts.append(forecast(columns[learn], launches.units[learn], columns[wanted], seed, seeds=1))
                actual.append(launches.units[wanted])
    mean = np.concatenate([one.mean for one in forecasts])
    median = np.concatenate([one.median for one in forecasts])
    return Demand(mean, median), np.concatenate(actual)


def _parts(group: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    dealt: NDArray[np.int64] = np.random.default_rng(seed).integers(FOLDS, size=int(group.max()) + 1)
    return dealt[group]


def _compared(given: Readings, forecasts: dict[str, Demand]) -> list[str]:
    """BERT minus TF-IDF with all inputs: paired, clustered by manufacturer and type."""
    after = [~launches.learn for launches in given.origins]
    actual = np.concatenate([one.units[rows] for one, rows in zip(given.origins, after, strict=True)])
    clusters = [
        np.unique(
            np.concatenate([one.groups[level][rows] for one, rows in zip(given.origins, after, strict=True)]),
            return_inverse=True,
        )[1]
        for level in ("brand", "type")
    ]
    weights = cluster_weights(clusters, DRAWS, 1)
    old = forecasts["TF-IDF"]
    remarks = []
    for reading in ("frozen", "transformer"):
        new = forecasts[reading]

        def wape(weight: Floats, new: Demand = new) -> float:
            return metrics.wape(actual, new.median, weight) - metrics.wape(actual, old.median, weight)

        def deviance(weight: Floats, new: Demand = new) -> float:
            return metrics.poisson_deviance(actual, new.mean, weight) - metrics.poisson_deviance(
                actual, old.mean, weight
            )

        said = []
        for name, difference in (("WAPE", wape), ("deviance", deviance)):
            found = interval(difference(np.ones(len(actual))), resampled(difference, weights))
            said.append(f"{name} {found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]")
        remarks.append(f"{TEXTS[reading]} minus TF-IDF, all inputs, paired and clustered 95 %: {'; '.join(said)}.")
    return remarks


def _accuracy(row: Accuracy) -> tuple[str, str, str, int, None, None, None, float]:
    return (f"title alone: {row.level}", row.wording, TEXTS[row.reading], row.n, None, None, None, row.accuracy)
