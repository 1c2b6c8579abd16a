"""Does BERT read reviews better than words counted and lexicons do, on texts that none of them learned from?

    onshelf-exporter study review_sentiment
    onshelf-exporter study review_sentiment --recipe multilingual

Beside the recipe's model stand TF-IDF with logistic regression, on the same texts and tuned on the same validation
texts; VADER (Hutto and Gilbert 2014), whose lexicon was made beside the English sentences; and, where there are Chinese
texts, SnowNLP: as it is shipped, which knows the texts held out, and trained on the training part.
"""

import importlib
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from onshelf_exporter.data.reviews import ARCHIVES, CHINESE, ENGLISH, read_reviews
from onshelf_exporter.models.review_sentiment import ReviewSentiment
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.review_model import load_reviews
from onshelf_exporter.training.reviews import predict, tokenise, train_reviews
from onshelf_exporter.training.runs import open_run
from onshelf_exporter.training.texts import load_tokenizer
from onshelf_research.studies.inputs import Setting
from onshelf_research.studies.table import Table

Labels = NDArray[np.int64]
STRENGTHS = (0.5, 1.0, 3.0, 10.0, 30.0)
COMPOUND = 0.05  # VADER's own threshold of what is not neutral
SURE = 0.6  # SnowNLP's probability of positive from which on, and 1 less it up to which, a text is not neutral
DRAWS = 1000


def study(setting: Setting) -> Table:
    """One row per method and source of the texts held out."""
    run = open_run(setting.runs, setting.data, load_dataset(setting.data), setting.recipe)
    language = setting.recipe.encoder.language
    frame = read_reviews(setting.data, language)
    train, held, test = (frame[frame["part"] == part] for part in ("train", "validation", "test"))
    train_reviews(run)
    model = load_reviews(run)
    assert isinstance(model, ReviewSentiment)
    tokenizer = load_tokenizer(setting.recipe.encoder)
    said = {
        f"review_sentiment ({setting.recipe.name})": predict(model, tokenise(tokenizer, test["text"].tolist())).argmax(
            1
        ),
        "TF-IDF, logistic regression": tf_idf(train, held, test, chinese=language != "en"),
        "VADER": vader(test["text"]),
    }
    if (test["source"] == "goods").any():
        with out_of(CHINESE, "snownlp") as package:
            said["SnowNLP as shipped"] = snownlp_shipped(package, test["text"])
            said["SnowNLP, trained on the same texts"] = snownlp_trained(package, train, test)
    table = Table(
        title="Sentiment of reviews",
        question="Is the model ahead of counted words and of lexicons, on texts held out?",
        columns=["texts", "n", "method", "macro-F1", "model minus method", "95 % low", "95 % high"],
    )
    truth = test["label"].to_numpy()
    ours = next(iter(said.values()))
    for source in ("all", *sorted(test["source"].unique())):
        rows = np.ones(len(test), dtype=bool) if source == "all" else (test["source"] == source).to_numpy()
        for method, found in said.items():
            if ("SnowNLP" in method) != (source == "goods") and method not in list(said)[:2]:
                continue
            gap = difference(truth[rows], ours[rows], found[rows])
            table.add(source, int(rows.sum()), method, macro_f1(truth[rows], found[rows]), *gap)
    table.remarks += [
        f"{len(train):,} texts to learn from (the recipe takes at most {setting.recipe.reviews.texts or 'all'}), "
        f"{len(held):,} to choose by, {len(test):,} held out; none is nearly the same as another, and the sentences of "
        "one review are in one part.",
        "Classes: negative, neutral, positive. Intervals: paired bootstrap over texts.",
    ]
    return table


def macro_f1(truth: Labels, found: Labels) -> float:
    """Mean of the classes' F1; a class that occurs nowhere does not count."""
    return float(f1_score(truth, found, average="macro", labels=np.unique(truth), zero_division=0.0))


def difference(truth: Labels, ours: Labels, other: Labels) -> tuple[float, float, float]:
    """Our macro-F1 minus another's, with its 95 % interval."""
    generator = np.random.default_rng(1)
    gaps = []
    for _ in range(DRAWS):
        rows = generator.integers(len(truth), size=len(truth))
        gaps.append(macro_f1(truth[rows], ours[rows]) - macro_f1(truth[rows], other[rows]))
    low, high = np.quantile(gaps, [0.025, 0.975]).tolist()
    return macro_f1(truth, ours) - macro_f1(truth, other), low, high


def tf_idf(train: pd.DataFrame, held: pd.DataFrame, test: pd.DataFrame, *, chinese: bool) -> Labels:
    """Words and pairs of words; with Chinese, letters and up to three in a row."""
    grams: dict[str, Any] = {"analyzer": "char", "ngram_range": (1, 3)} if chinese else {"ngram_range": (1, 2)}
    vectorizer = TfidfVectorizer(min_df=2, sublinear_tf=True, **grams)
    rows = vectorizer.fit_transform(train["text"])
    fitted = [
        LogisticRegression(C=strength, class_weight=weight, max_iter=2000).fit(rows, train["label"])
        for strength in STRENGTHS
        for weight in (None, "balanced")
    ]
    kept = vectorizer.transform(held["text"])
    best = max(fitted, key=lambda one: macro_f1(held["label"].to_numpy(), one.predict(kept)))
    return np.asarray(best.predict(vectorizer.transform(test["text"])))


def vader(texts: "pd.Series[str]") -> Labels:
    """By its compound score."""
    with out_of(ENGLISH, "vaderSentiment.vaderSentiment") as package:
        score = package.SentimentIntensityAnalyzer().polarity_scores
        return _three(texts.map(lambda text: score(text)["compound"]).to_numpy(), -COMPOUND, COMPOUND)


def snownlp_shipped(package: Any, texts: "pd.Series[str]") -> Labels:
    """By its probability of positive."""
    return _three(texts.map(lambda text: package.SnowNLP(text).sentiments).to_numpy(), 1 - SURE, SURE)


def snownlp_trained(package: Any, train: pd.DataFrame, test: pd.DataFrame) -> Labels:
    """The same classifier, taught the Chinese part of the training texts."""
    model = package.sentiment.Sentiment()
    goods = train[train["source"] == "goods"]
    model.train(goods[goods["label"] == 0]["text"].tolist(), goods[goods["label"] == 2]["text"].tolist())
    return _three(test["text"].map(model.classify).to_numpy(), 0.5, 0.5)


@contextmanager
def out_of(file: str, module: str) -> Iterator[Any]:
    """A module out of a package's source distribution, which is here for its texts."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(ARCHIVES / file) as archive:
        archive.extractall(folder, filter="data")
        root = str(next(Path(folder).iterdir()))
        sys.path.insert(0, root)
        try:
            yield importlib.import_module(module)
        finally:
            sys.path.remove(root)


def _three(score: NDArray[np.float64], low: float, high: float) -> Labels:
    return np.where(score <= low, 0, np.where(score >= high, 2, 1))
