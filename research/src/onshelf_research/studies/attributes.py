"""Categories of a product from its title alone: softmax regression on what BERT or a bag of words makes of it."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import sparse

from onshelf_exporter.training.history import History
from onshelf_exporter.training.texts import wordings
from onshelf_research.studies.features import bag_of_words, read, trained_text
from onshelf_research.studies.inputs import LAST_WEEK, ORIGINS, Floats, Setting
from onshelf_research.studies.readings import study_recipe
from onshelf_research.studies.wordings import families, known_titles

CUT = 27
SAMPLE = 3000  # titles to learn from, each in as many wordings
WORDINGS = 3
MEASURED = 400
EPOCHS = 10
RATE = 0.02
BATCH = 512
SCALE = 8.0  # rows of BERT have length 1 spread over hundreds of columns; sparse rows have a few large ones
READINGS = ("TF-IDF", "frozen", "transformer")
OWN, BY_HAND = "title as it stands", "shops' titles, by hand"
LEVELS = ("department", "category", "type")


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How often a level was right for titles in one wording."""

    level: str
    wording: str
    reading: str
    n: int
    accuracy: float


def completion(setting: Setting) -> list[Accuracy]:
    """Accuracy by level, wording and reading for titles that first appeared after week CUT, and for shops' titles."""
    before, after = setting.history(CUT), setting.history(LAST_WEEK)
    generator = np.random.default_rng(setting.recipe.seed)
    titles, kind = _learned(before, generator, setting.recipe.seed)
    asked, truth = _asked(before, after, generator)
    recipe = study_recipe(setting)
    first = setting.history(ORIGINS[0][0])
    everything = titles + [title for wording in asked.values() for title in wording]
    rows: list[Accuracy] = []
    for reading in READINGS:
        values: Floats | sparse.csr_matrix
        if reading == "TF-IDF":
            values = bag_of_words(everything, titles)
        else:
            values = read(trained_text(setting, first, reading, recipe), everything, recipe)
        learned = Softmax(values[: len(titles)], kind, len(before.vocabulary.names["type"]), setting.recipe.seed)
        start = len(titles)
        for name, wording in asked.items():
            told = learned.best(values[start : start + len(wording)])
            start += len(wording)
            for level in LEVELS:
                right = float(np.mean(_above(before, told, level) == _above(before, truth[name], level)))
                rows.append(Accuracy(level=level, wording=name, reading=reading, n=len(wording), accuracy=right))
    return _grouped(rows)


def _grouped(rows: list[Accuracy]) -> list[Accuracy]:
    """The families of other wordings as one row each by level and reading: their mean."""
    result: list[Accuracy] = []
    for level in LEVELS:
        for reading in READINGS:
            here = [row for row in rows if (row.level, row.reading) == (level, reading)]
            others = [row for row in here if row.wording not in (OWN, BY_HAND)]
            mean = float(np.mean([row.accuracy for row in others]))
            count = sum(row.n for row in others)
            result += [row for row in here if row.wording == OWN]
            result.append(
                Accuracy(level=level, wording=f"{len(others)} other wordings", reading=reading, n=count, accuracy=mean)
            )
            result += [row for row in here if row.wording == BY_HAND]
    return result


class Softmax:
    """Multinomial logistic regression by Adam on dense rows of unit length or on sparse rows."""

    def __init__(self, rows: Floats | sparse.csr_matrix, target: NDArray[np.int64], classes: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.weight = torch.zeros(rows.shape[1], classes, requires_grad=True)
        self.bias = torch.zeros(classes, requires_grad=True)
        optimizer = torch.optim.Adam([self.weight, self.bias], lr=RATE)
        for epoch in range(EPOCHS):
            order = generator.permutation(rows.shape[0])
            optimizer.param_groups[0]["lr"] = RATE * (1 - epoch / EPOCHS)
            for batch in np.array_split(order, max(1, len(order) // BATCH)):
                loss = F.cross_entropy(self._logits(rows[batch]), torch.from_numpy(target[batch]))
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()

    def shares(self, rows: Floats | sparse.csr_matrix) -> Floats:
        """Probabilities of the classes, [rows, classes]."""
        with torch.no_grad():
            result: Floats = torch.softmax(self._logits(rows), dim=1).numpy().astype(np.float64)
        return result

    def best(self, rows: Floats | sparse.csr_matrix) -> NDArray[np.int64]:
        """The likeliest class of each row; class 0, unknown, is never it."""
        found: NDArray[np.int64] = self.shares(rows)[:, 1:].argmax(1) + 1
        return found

    def _logits(self, rows: Floats | sparse.csr_matrix) -> torch.Tensor:
        if isinstance(rows, np.ndarray):
            return torch.from_numpy((rows * SCALE).astype(np.float32)) @ self.weight + self.bias
        entries = rows.tocoo()
        places = torch.from_numpy(np.stack([entries.row, entries.col]).astype(np.int64))
        values = torch.from_numpy(entries.data.astype(np.float32))
        sparse_rows = torch.sparse_coo_tensor(places, values, rows.shape, check_invariants=False)
        logits: torch.Tensor = torch.sparse.mm(sparse_rows, self.weight) + self.bias
        return logits


def _learned(history: History, generator: np.random.Generator, seed: int) -> tuple[list[str], NDArray[np.int64]]:
    """Titles in a few wordings and their types' ids, of products known by the cut."""
    text, first = np.unique(history.text_of[history.known & (history.ids[:, 2] > 0)], return_index=True)
    kind = history.ids[np.flatnonzero(history.known & (history.ids[:, 2] > 0))[first], 2]
    chosen = generator.permutation(len(text))[:SAMPLE]
    worded = wordings(history, WORDINGS, seed)
    titles = [wording[number] for wording in worded for number in text[chosen]]
    return titles, np.tile(kind[chosen], WORDINGS)


def _asked(
    before: History, after: History, generator: np.random.Generator
) -> tuple[dict[str, list[str]], dict[str, NDArray[np.int64]]]:
    """Titles nobody had seen by the cut, of known types, in each wording; and shops' titles. With the truth."""
    old = np.zeros(len(before.texts), dtype=bool)
    old[before.text_of[before.known]] = True
    new = after.known & ~before.known & ~old[after.text_of]
    kind = before.vocabulary.ids(after.products)[:, 2]
    rows = np.flatnonzero(new & (kind > 0))
    _, first = np.unique(after.text_of[rows], return_index=True)
    rows = rows[first]
    rows = rows[generator.permutation(len(rows))[:MEASURED]]
    products = after.products.iloc[rows].reset_index(drop=True)
    asked = {OWN: products["title"].astype(str).tolist(), **families(products, 1)}
    truth = dict.fromkeys(asked, kind[rows])
    shop, right = known_titles("shop_titles.csv", before.vocabulary)
    if shop:
        asked[BY_HAND], truth[BY_HAND] = shop, right
    return asked, truth


def _above(history: History, kind: NDArray[np.int64], level: str) -> NDArray[np.int64]:
    """Ids of a level for ids of types."""
    if level == "type":
        return kind
    category: NDArray[np.int64] = history.vocabulary.parents["type"][kind]
    if level == "category":
        return category
    department: NDArray[np.int64] = history.vocabulary.parents["category"][category]
    return department
