"""How far does another wording of a title move what is served?

    onshelf-exporter study title_drift

Measured on launches that came after the encoder's cut, with the title as the only thing that is said about the
category: embedding, inferred category and median units from each wording beside those from the data's own title.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.training.history import History
from onshelf_exporter.training.outcome import actual_candidates, launch_attributes
from onshelf_research.studies.features import read
from onshelf_research.studies.inputs import Setting
from onshelf_research.studies.reader import Reader, recipe_reader, served_outcome
from onshelf_research.studies.table import Table
from onshelf_research.studies.wordings import families, known_titles

WEEKS = 5  # of launches after the cut that are measured
COLUMNS = [
    *("wording", "n", "cosine", "cosine, lowest 5 %", "own title found first"),
    *("same type as from the title", "right type", "right category", "median units moved", "moved, category given"),
]


@dataclass(frozen=True)
class Asked:
    """Launches to read, one per distinct title: ids as the encoder's cut knows them, attributes, candidates."""

    products: pd.DataFrame
    ids: NDArray[np.int64]
    attributes: NDArray[np.float32]
    candidates: NDArray[np.float32]


def study(setting: Setting) -> Table:
    """One row per family of wordings; the forecast is that of the model release `replay`."""
    reader = recipe_reader(setting)
    cut = reader.history.cut
    after = setting.history(cut + WEEKS)
    table = drift(reader, served_outcome(setting), asked(reader.history, after), setting)
    table.remarks += [
        f"Launches of weeks {cut + 1}-{cut + WEEKS} with distinct titles and known types; nothing after "
        f"week {cut} was learned.",
        "The word lists of these wordings are not those of the training's wordings. Cosine: of the text's part of the "
        "embedding, against the data's own title. Own title found first: the right one is the nearest of all of them. "
        "Median units moved: sum of |difference| over the sum, the category inferred from each wording (or given).",
        "The default encoder reads letters without their case, so casing moves nothing.",
    ]
    return table


def asked(before: History, after: History) -> Asked:
    """Launches after the cut of `before`, one per title, whose type is known by then."""
    late = np.asarray(after.launches.frame["launch_week"] > before.cut)
    launches = after.launches.take(late)
    product = launches.frame["product_index"].to_numpy()
    ids = before.vocabulary.ids(after.products.iloc[product])
    _, first = np.unique(after.text_of[product], return_index=True)
    rows = np.sort(first[ids[first, 2] > 0])
    chosen = launches.take(rows)
    return Asked(
        after.products.iloc[product[rows]].reset_index(drop=True),
        ids[rows],
        launch_attributes(chosen, after.label),
        actual_candidates(after, chosen),
    )


def drift(reader: Reader, outcome: nn.Module | None, rows: Asked, setting: Setting) -> Table:
    """The table for one reader; without a forecast no units."""
    history = reader.history
    table = Table(
        title="A free title is not the template",
        question="How far do other wordings of the same products move embedding, category and forecast?",
        columns=COLUMNS,
    )
    own = rows.products["title"].astype(str).tolist()
    parents = torch.from_numpy(history.vocabulary.parents["type"])
    kind, category = torch.from_numpy(rows.ids[:, 2]), torch.from_numpy(rows.ids[:, 1])
    base = _read(reader, outcome, own, rows, setting)
    for name, titles in {"title as it stands": own, **families(rows.products, 1)}.items():
        found = base if name == "title as it stands" else _read(reader, outcome, titles, rows, setting)
        cosine = (found.direction * base.direction).sum(1)
        nearest = (found.direction @ base.direction.T).argmax(1)
        table.add(
            name,
            len(titles),
            cosine.mean().item(),
            cosine.quantile(0.05).item(),
            _share(nearest == torch.arange(len(titles))),
            _share(found.kind == base.kind),
            _share(found.kind == kind),
            _share(parents[found.kind] == category),
            _moved(found.inferred, base.inferred),
            _moved(found.given, base.given),
        )
    shop, right = known_titles("shop_titles.csv", history.vocabulary)
    if shop:
        best = _kinds(reader, torch.from_numpy(read(reader.text, shop, setting.recipe.encoder)).float())
        truth = torch.from_numpy(right)
        same = _share(parents[best] == parents[truth])
        table.add("shops' titles, by hand", len(shop), *[None] * 4, _share(best == truth), same, None, None)
    return table


@dataclass(frozen=True)
class _Reading:
    direction: Tensor
    kind: Tensor
    inferred: Tensor | None
    given: Tensor | None


def _read(reader: Reader, outcome: nn.Module | None, titles: list[str], rows: Asked, setting: Setting) -> _Reading:
    text = torch.from_numpy(read(reader.text, titles, setting.recipe.encoder)).float()
    kind = _kinds(reader, text)
    with torch.no_grad():
        direction = F.normalize(reader.content.project(text), dim=1)
    category = torch.from_numpy(reader.history.vocabulary.parents["type"])[kind]
    department = torch.from_numpy(reader.history.vocabulary.parents["category"])[category]
    inferred = torch.stack([department, category, kind, torch.from_numpy(rows.ids[:, 3])], dim=1)
    return _Reading(
        direction,
        kind,
        _medians(reader, outcome, text, inferred, rows),
        _medians(reader, outcome, text, torch.from_numpy(rows.ids), rows),
    )


def _kinds(reader: Reader, text: Tensor) -> Tensor:
    with torch.no_grad():
        logits = reader.content.type_logits(text)
    return logits[:, 1:].argmax(1) + 1


def _medians(reader: Reader, outcome: nn.Module | None, text: Tensor, ids: Tensor, rows: Asked) -> Tensor | None:
    """Median units in 8 weeks [n]; None without a forecast."""
    if outcome is None:
        return None
    attributes = torch.from_numpy(rows.attributes)
    with torch.no_grad():
        embedding = reader.content.embed(text, ids, attributes)
        out: Any = outcome(embedding, ids, attributes, torch.from_numpy(rows.candidates).unsqueeze(1))
    quantiles: Tensor = out[2]
    return quantiles[:, 0, 1, quantiles.shape[3] // 2]


def _moved(found: Tensor | None, base: Tensor | None) -> float | None:
    if found is None or base is None:
        return None
    return ((found - base).abs().sum() / base.abs().sum().clamp(min=1e-9)).item()


def _share(right: Tensor) -> float:
    return right.float().mean().item()
