"""What do the parts of recommendations and audiences add? Each ranker without some of its features, on weeks before the
test period.

onshelf-exporter study recommendation
"""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.models.neighbourhood import LEAN, SMALL
from onshelf_exporter.models.towers import AudienceRetrieval
from onshelf_exporter.process.progress_display import progress_bar
from onshelf_exporter.training.behaviour import load_events
from onshelf_exporter.training.boosting import fit_or_fall_back
from onshelf_exporter.training.rankers import Lists, Rows, fit_lists, fit_scorers
from onshelf_exporter.training.towers import HIDDEN, REPEAT_FALLBACK, Limits, RankerRows, assemble, collect, state_at
from onshelf_exporter.training.train import embed_products
from onshelf_research.data import dataset
from onshelf_research.data.dataset import Dataset, Purchases
from onshelf_research.evaluation import recommend
from onshelf_research.studies.inputs import LAST_WEEK, Setting
from onshelf_research.studies.reader import recipe_reader
from onshelf_research.studies.table import Table

WARM_CUT, USERS = Cut(34), 600  # weeks 35-38 are measured, on some users
COLD_CUT, COLD_WEEKS = Cut(27), (28, 32)
SHARES = (0.0, 0.1, 0.2, 0.3)
# columns of habits.repeat_features, of ProductRetrieval.features and of towers.pair_features
REPEAT = {
    "without what is bought together (ids)": range(13, 17),
    "without purchases of the kind": range(8, 13),
    "without the product's figures": [6, *range(25, 39)],
    "without the user's profile and totals": range(39, 57),
    "decayed counts only": [*range(17), *range(23, 57)],
}
FIRST = {
    "without categories and brand": range(2, 6),
    "without the product's figures": range(6, 20),
    "without the user's profile and totals": range(20, 39),
    "what is bought together only": range(2, 39),
}
LAUNCH = {
    "without content neighbours in the network": range(8),
    "without categories and brand": [*range(8, 23), *range(25, 29)],
    "network: activity and popularity only": [*range(23), *range(25, 30)],
    "without the product vector": [29],
    "without the user's profile": range(30, 46),
    "without popularity of categories and brand": range(46, 54),
}
CLOSENESS = 3  # of FORM["launch"]: log1p of the sum that `lean` reads
REPEAT_FORM = (57, REPEAT_FALLBACK)
FORM = {"first_buy": (39, HIDDEN, 0), "launch": (54, HIDDEN, 0)}

Part = TypeVar("Part", Rows, Lists)


def study(setting: Setting) -> Table:
    """One row per variant; the warm part on USERS users."""
    table = Table(
        title="Recommendations and audiences",
        question="What does each part of the rankers add, and what does room for new products cost?",
        columns=["part", "variant", "N@10", "R@10", "new N@10", "AUC", "mAP", "R@100", "cold N@10"],
        remarks=[
            f"Warm: {USERS} users, history to week {WARM_CUT}; cold: launches of weeks "
            f"{COLD_WEEKS[0]}-{COLD_WEEKS[1]}, history to week {COLD_CUT}. Nothing after week {LAST_WEEK} is read.",
        ],
    )
    data = _known(dataset.load(setting.data))
    reader = recipe_reader(setting)
    embeddings = embed_products(reader.history, reader.content, reader.encoder.pooled[0])
    with progress_bar("recommendation", len(REPEAT) + len(FIRST) + len(LAUNCH) + len(SHARES) + 3) as advance:
        for row in (*_warm(setting, data, embeddings), *_cold(setting, data, embeddings)):
            table.add(*row)
            advance(1)
    return table


def _known(data: Dataset) -> Dataset:
    bought = data.purchases
    rows = bought.week <= LAST_WEEK
    complete = data.launches.take(data.launches.week + 7 <= LAST_WEEK)
    return replace(
        data, purchases=Purchases(bought.user[rows], bought.product[rows], bought.week[rows]), launches=complete
    )


def _without(rows: list[Part], columns: Iterable[int]) -> list[Part]:
    """The rows with some columns constant: a scorer gives these no weight, whatever they are when it is used."""
    result = []
    for part in rows:
        features = part.features.clone()
        features[:, list(columns)] = 0.0
        result.append(replace(part, features=features))
    return result


def _repeat(setting: Setting, rows: list[Rows]) -> nn.Module:
    recipe = setting.recipe
    return fit_or_fall_back(rows, REPEAT_FORM, recipe.towers.repeat, recipe.seed, torch.get_num_threads(), "repeat")[0]


def _first_buy(setting: Setting, rows: list[Rows]) -> nn.Module:
    recipe = setting.recipe.towers
    with tempfile.TemporaryDirectory() as folder:
        seeds = (setting.recipe.seed, recipe.members)
        return fit_scorers(rows, FORM["first_buy"], recipe.first_buy_loop, seeds, Path(folder), "first_buy")[0]


def _launch(setting: Setting, rows: list[Lists]) -> nn.Module:
    recipe = setting.recipe.towers
    with tempfile.TemporaryDirectory() as folder:
        seeds = (setting.recipe.seed, recipe.members)
        return fit_lists(rows, FORM["launch"], recipe.launch_loop, seeds, Path(folder), "launch")[0]


def _collected(setting: Setting, cut: Cut, embeddings: NDArray[np.float32]) -> tuple[RankerRows, dict[str, nn.Module]]:
    history, events = setting.history(cut), load_events(setting.data, cut)
    rows = collect(history, events, embeddings, setting.recipe.towers, setting.recipe.seed)
    return rows, {
        "repeat": _repeat(setting, rows.repeat),
        "first_buy": _first_buy(setting, rows.first_buy),
        "launch": _launch(setting, rows.launch),
    }


def _warm(setting: Setting, data: Dataset, embeddings: NDArray[np.float32]) -> list[tuple[str | float | None, ...]]:
    history, events = setting.history(WARM_CUT), load_events(setting.data, WARM_CUT)
    rows, whole = _collected(setting, WARM_CUT, embeddings)
    state = state_at(history, events, embeddings, WARM_CUT, setting.recipe.towers, setting.recipe.seed)
    task = recommend.warm_task(data, WARM_CUT)
    task = replace(task, users=task.users[:: max(1, len(task.users) // USERS)])

    def measure(name: str, scorers: dict[str, nn.Module], share: float = 0.0) -> tuple[str | float | None, ...]:
        graphs = assemble(history, events, state, embeddings, scorers, Limits(1000, 10))
        lists = []
        with torch.no_grad():
            for users in np.array_split(task.users, max(1, len(task.users) // 16)):
                inputs = state.inputs(users)
                vector, repeat, weights = graphs.user_encoder(*inputs)
                room = torch.full((len(users), 1), share)
                lists.append(graphs.product_retrieval(vector, inputs[4], inputs[0], repeat, weights, room)[0].numpy())
        found = recommend.measure_warm(task, recommend.split_lists(task, np.concatenate(lists)))
        figures = {key: float(np.nanmean(value)) for key, value in found.items()}
        return ("warm", name, figures["all_n10"], figures["all_r10"], figures["new_n10"], None, None, None, None)

    result = [measure("as served", whole)]
    for name, columns in REPEAT.items():
        ranker = _repeat(setting, _without(rows.repeat, columns))
        result.append(measure(f"own products {name}", {**whole, "repeat": ranker}))
    first = {**whole, "first_buy": _first_buy(setting, [])}
    result.append(measure("first purchases by what is bought together, no ranker", first))
    for name, columns in FIRST.items():
        ranker = _first_buy(setting, _without(rows.first_buy, columns))
        result.append(measure(f"first purchases {name}", {**whole, "first_buy": ranker}))
    result += [measure(f"new products have {share:.0%} of places", whole, share) for share in SHARES[1:]]
    return result


class _Tap(torch.nn.Module):
    """Keeps the features that it is asked to score."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[NDArray[np.float32]] = []

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        self.seen.append(features.numpy().astype(np.float32))
        return features[..., 0]


def _cold(setting: Setting, data: Dataset, embeddings: NDArray[np.float32]) -> list[tuple[str | float | None, ...]]:
    history, events = setting.history(COLD_CUT), load_events(setting.data, COLD_CUT)
    rows, whole = _collected(setting, COLD_CUT, embeddings)
    state = state_at(history, events, embeddings, COLD_CUT, setting.recipe.towers, setting.recipe.seed)
    task = recommend.cold_task(data, data.launched(COLD_WEEKS), COLD_CUT)
    graph: AudienceRetrieval = assemble(history, events, state, embeddings, whole, Limits(10, 10**6)).audience_retrieval
    tap = _Tap()
    graph.scorer = tap
    product = torch.from_numpy(task.rows.product)
    content, ids = torch.from_numpy(embeddings)[product], torch.from_numpy(history.ids)[product]
    place = content @ torch.from_numpy(state.content)
    with torch.no_grad():
        for part in torch.split(torch.arange(len(product)), 4):
            graph(content[part], ids[part], place[part])

    def measure(name: str, scorers: nn.Module, leaning: bool = True) -> tuple[str | float | None, ...]:
        with torch.no_grad():
            scores = np.concatenate([scorers(torch.from_numpy(part)).numpy() for part in tap.seen])
        if leaning:
            scores = scores + closeness
        found = recommend.measure_cold(task, scores[:, task.users].astype(np.float64))
        auc, mean, hits, cold = (float(np.nanmean(found[key])) for key in ("auc", "map", "r100", "rec_n10"))
        return ("cold", name, None, None, None, auc, mean, hits, cold)

    close = np.expm1(np.concatenate([part[..., CLOSENESS] for part in tap.seen]))
    closeness = LEAN * close / np.maximum(close.max(axis=1, keepdims=True), SMALL)
    result = [measure("as served", whole["launch"])]
    result.append(measure("without closeness by the closest user", whole["launch"], leaning=False))
    for name, columns in LAUNCH.items():
        result.append(measure(name, _launch(setting, _without(rows.launch, columns))))
    return result
