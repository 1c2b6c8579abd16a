"""Which titles read strangely to a shop and its encoder: people's English, other languages, misread encodings, mash.

    onshelf-exporter study languages --recipe default

Titles of `titles_by_language.csv` were written by hand: short ones, as a person types them. Misread encodings are made
of them here. Rules were compared on every other title; the served limits were settled with the rest in sight, too, so
the rest is a check and no clean measurement (docs/decisions/text.md).
"""

import csv
import importlib.resources
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from onshelf_exporter.training.familiarity import NOTICE, REFUSE, learned_familiarity
from onshelf_exporter.training.tables import known_titles
from onshelf_exporter.training.texts import load_tokenizer, wordings
from onshelf_release.familiarity import Familiarity, words_of
from onshelf_research.studies.inputs import Setting
from onshelf_research.studies.table import Table

CUT = 27
HELD = 2_000  # titles of the shop that nothing is learned from
FLAGGED = 0.985  # of people's English, in the half that chooses, a rule leaves so much alone
OWN = "english"
UNSEEN = ("italian", "polish", "dutch")  # in no half that chooses
JOINED = 4  # short titles in one long one
MISREAD = (
    ("utf-8", "cp1252", ("russian", "german", "french", "turkish", "greek", "chinese")),
    ("utf-8", "latin-1", ("russian", "german", "french", "turkish", "greek", "chinese")),
    ("utf-8", "cp437", ("russian", "spanish")),
    ("cp1251", "cp1252", ("russian",)),
    ("euc-kr", "cp1252", ("korean",)),
    ("cp1252", "gb18030", ("german",)),
)
Score = Callable[[list[str]], NDArray[np.float64]]


def study(setting: Setting) -> Table:
    """One row per rule and group of titles."""
    history = setting.history(CUT)
    tokenizer = load_tokenizer(setting.recipe.encoder)
    titles = known_titles(history)
    order = np.random.default_rng(setting.recipe.seed).permutation(len(titles))
    held, learned = ([titles[n] for n in part] for part in (order[:HELD], order[HELD:]))
    groups = _groups()
    table = Table(
        title="Titles in other languages",
        question="Which titles does a rule flag that leaves people's English alone?",
        columns=[
            "rule",
            "limit",
            "titles",
            "n",
            "flagged, half that chose",
            "flagged, other half",
            "long titles",
            "refused",
        ],
    )
    known = learned_familiarity(tokenizer, learned)
    for name, score in _rules(tokenizer, known, learned).items():
        served = name == "strangeness"
        limit = NOTICE if served else float(np.quantile(score(groups[OWN][::2]), FLAGGED))
        for group, own in groups.items():
            chosen = None if group in UNSEEN else _share(score(own[::2]), limit)
            other = _share(score(own if group in UNSEEN else own[1::2]), limit)
            longer = _share(score(_joined(own, setting.recipe.seed)), limit) if served else None
            refused = _share(score(own), REFUSE) if served else None
            table.add(name, limit, group, len(own), chosen, other, longer, refused)
        shop = [("of the shop, held out", held)]
        if served:
            variants = wordings(history, 3, setting.recipe.seed + 1)
            shop.append(("of the shop, in other wordings", [text for texts in variants[1:] for text in texts]))
        for group, some in shop:
            refused = _share(score(some), REFUSE) if served else None
            table.add(name, limit, group, len(some), None, _share(score(some), limit), None, refused)
    table.remarks += [
        f"The shop: {len(learned):,} distinct titles of {history.dataset['dataset']} known by week {CUT}.",
        f"Other rules are given the limit that leaves {FLAGGED:.1%} of the choosing half of people's English alone; "
        f"strangeness has those that are served, {NOTICE:g} for a notice and {REFUSE:g} to refuse.",
        f"Long titles: {JOINED} of the group, drawn at random and joined, 200 times. Italian, Polish and Dutch are "
        "in no half. The served limits were settled with both halves in sight. Misread encodings: titles written in "
        "one and read in another.",
    ]
    return table


def _rules(tokenizer: Tokenizer, known: Familiarity, learned: list[str]) -> dict[str, Score]:
    ids = [number for one in tokenizer.encode_batch(learned, add_special_tokens=False) for number in one.ids]
    count = np.bincount(ids, minlength=tokenizer.get_vocab_size()) + 0.5
    bits = -np.log2(count / count.sum())

    def pieces(title: str) -> float:
        words = words_of(tokenizer, title)
        split = [len(tokenizer.encode(word, add_special_tokens=False).ids) for word in words]
        return sum(split) / max(sum(map(len, words)), 1)

    def tokens(title: str) -> float:
        own = tokenizer.encode(title, add_special_tokens=False).ids
        return float(bits[own].mean()) if own else 0.0

    def mean(title: str) -> float:
        cost, letters = known.cost(tokenizer, title)
        return cost / max(letters, 1)

    return {
        "tokens a letter": lambda titles: np.array([pieces(title) for title in titles]),
        "bits a token, among the shop's": lambda titles: np.array([tokens(title) for title in titles]),
        "bits a letter": lambda titles: np.array([mean(title) for title in titles]),
        "strangeness": lambda titles: np.array([known.strangeness(tokenizer, title) for title in titles]),
    }


def _groups() -> dict[str, list[str]]:
    """Titles by language, people's English first, misread encodings last."""
    path = importlib.resources.files("onshelf_research.studies") / "titles_by_language.csv"
    groups: dict[str, list[str]] = {}
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        groups.setdefault(row["language"], []).append(row["title"])
    misread: list[str] = []
    for written, read, languages in MISREAD:
        for language in languages:
            some = [title.encode(written, "ignore").decode(read, "ignore") for title in groups[language][::7]]
            misread += [title for title in some if title not in groups[language]]
    return groups | {"misread encoding": list(dict.fromkeys(misread))}


def _joined(titles: list[str], seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    drawn = [generator.choice(len(titles), JOINED, replace=False) for _ in range(200)]
    return [" ".join(titles[number] for number in numbers) for numbers in drawn]


def _share(scores: NDArray[np.float64], limit: float) -> float:
    return float((scores > limit).mean())
