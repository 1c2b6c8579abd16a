"""Which encoder should read the titles? Convolutional, recurrent, transformer, bag of words: one predictor behind all.

onshelf-exporter study text_encoders
"""

import numpy as np
from scipy import sparse
from sklearn.linear_model import Ridge

from onshelf_research.studies.head import Demand
from onshelf_research.studies.inputs import ORIGINS, Floats, Setting
from onshelf_research.studies.readings import BLOCKS, EPOCHS, TEXTS, Readings, readings, rolling
from onshelf_research.studies.table import Table

KINDS = ("convolution", "recurrent", "frozen", "transformer", "lora")
NAMES = {
    "none": "no text (categories and prices only)",
    "TF-IDF": "bag of words (TF-IDF)",
    "convolution": "convolutional, trained on the tasks",
    "recurrent": "recurrent (GRU), trained on the tasks",
    "frozen": "transformer (MiniLM), as pretrained",
    "transformer": "transformer (MiniLM), fine-tuned",
    "lora": "transformer (MiniLM), low-rank adapters",
}


def study(setting: Setting) -> Table:
    """One row per encoder: scores over the launches after all origins."""
    given = readings(setting, KINDS)
    table = Table(
        title="Text encoders on identical inputs",
        question="Which reading of the title forecasts the first 8 weeks best, with the same columns and predictor?",
        columns=["text", "predictor", "n", "WAPE (median)", "Poisson deviance (mean)", "Spearman"],
    )
    for reading, name in NAMES.items():
        demand, actual = rolling(given, reading, BLOCKS, setting.recipe.seed)
        table.add(name, "boosted trees", len(actual), *demand.scores(actual))
    demand, actual = _ridge(given)
    table.add("bag of words (TF-IDF)", "ridge on log units", len(actual), *demand.scores(actual))
    origins = ", ".join(f"{week} (launches of weeks {week + 1}-{until})" for week, until in ORIGINS)
    table.remarks += [
        f"Rolling origins: weeks {origins}. Learned from launches whose 8 weeks had ended by the origin; no outcome "
        f"after week {ORIGINS[-1][1] + 7} was read.",
        f"Every trained encoder saw the same sample of {TEXTS:,} titles for {EPOCHS} epochs and nothing after week "
        f"{ORIGINS[0][0]}; each text is what a ridge regression on it says of the launch's units, and eight "
        "components, beside the same price, plan, category and history columns.",
        "The predictor is small and was not tuned: the rows compare texts, they are not the served model.",
    ]
    return table


def _ridge(given: Readings) -> tuple[Demand, Floats]:
    means, medians, actual = [], [], []
    for launches, place in zip(given.origins, given.place, strict=True):
        learn = launches.learn
        columns = np.concatenate([launches.blocks[block] for block in BLOCKS], axis=1)
        spread = columns[learn].std(0)
        scaled = (columns - columns[learn].mean(0)) / np.where(spread > 0, spread, 1.0)
        both = sparse.csr_matrix(sparse.hstack([sparse.csr_matrix(scaled * 0.1), given.bag[place]]))
        log = np.log1p(launches.units)
        model = Ridge(alpha=3.0).fit(both[learn], log[learn])
        told = np.asarray(model.predict(both))
        smear = launches.units[learn].sum() / np.maximum(np.expm1(told[learn]), 0.0).sum()
        median = np.maximum(np.expm1(told[~learn]), 0.0)
        means.append(median * smear)
        medians.append(np.round(median))
        actual.append(launches.units[~learn])
    return Demand(np.concatenate(means), np.concatenate(medians)), np.concatenate(actual)
