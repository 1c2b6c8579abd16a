"""audience_retrieval reads tables of what all users bought: they say what the training code computes of each user."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from onshelf_exporter.models.neighbourhood import LevelCounts, counted_limits, neighbour_limits
from onshelf_exporter.models.scorer import Scorer, Scorers
from onshelf_exporter.models.towers import AudienceRetrieval, Catalog
from onshelf_exporter.models.user_tables import ID_SPACE, level_keys
from onshelf_exporter.release import graphs
from onshelf_exporter.training.behaviour import Histories
from onshelf_exporter.training.towers import Shelves, TowerState, _pairs
from onshelf_exporter.training.user_tables import distinct, user_tables

USERS, IDS = 30, (4, 9, 15, 12)


class Tap(torch.nn.Module):
    """Keeps the features that it is asked to score."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = torch.zeros(0)

    def forward(self, features: Tensor) -> Tensor:
        self.seen = features
        return features[..., 0]


def shop(products: int, bought: int) -> tuple[TowerState, Shelves]:
    """Products of which every third has its neighbour's embedding, some have no brand or category, some were never
    sold; users 3 and 29 bought nothing."""
    random = np.random.default_rng(products + bought)
    content = random.normal(size=(products + 1, 128)) + 0.7  # close enough that many cosines are above 0
    content[2::3] = content[1::3][: len(content[2::3])]
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    ids = np.stack([random.integers(0, size, products + 1) for size in IDS], axis=1)
    sold = random.random(products + 1) < 0.8
    content[0], ids[0], sold[0] = 0.0, 0, False
    pairs = np.unique(random.integers(0, USERS, bought) * (products + 1) + random.choice(np.flatnonzero(sold), bought))
    user, number = pairs // (products + 1), pairs % (products + 1)
    keep = ~np.isin(user, (3, 29))
    user, number = user[keep], number[keep]
    weights = random.exponential(size=(len(user), 1)) * [2.0, 0.5, 1.0, 1.0]
    catalog = Catalog(
        factors=torch.zeros(products + 1, 64),
        content=torch.from_numpy(content),
        sold=torch.from_numpy(sold),
        ids=torch.from_numpy(ids),
        facts=torch.zeros(products + 1, 14),
        prior=torch.zeros(products + 1),
    )
    start = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=USERS))])
    shelves = Shelves(
        torch.from_numpy(number),
        torch.from_numpy(weights.astype(np.float32)),
        torch.from_numpy(start),
        torch.from_numpy(random.normal(size=(USERS, 64)).astype(np.float32)),
    )
    none = np.zeros((0, 4), np.float32)
    state = TowerState(
        week=9,
        past=Histories(none.astype(np.int64), none, none, none.astype(np.int64)),
        profile=random.normal(size=(USERS, 16)).astype(np.float32),
        factors=np.zeros((products, 64), np.float32),
        catalog=catalog,
        levels=LevelCounts([torch.from_numpy(random.integers(1, 90, (size, 2))) for size in IDS]),
        content=random.normal(size=(128, 64)).astype(np.float32) * 0.1,
    )
    return state, shelves


def audience(state: TowerState, shelves: Shelves, row: int = 4) -> AudienceRetrieval:
    torch.manual_seed(1)
    tables = user_tables(state.catalog, shelves.products, shelves.weights, shelves.start, row)
    scorer, profile = Scorers([Scorer(54, 8), Scorer(54, 8)]), torch.from_numpy(state.profile)
    return (
        AudienceRetrieval(
            tables=tables, levels=state.levels, scorer=scorer, profile=profile, vectors=shelves.vectors, k=3840
        )
        .eval()
        .requires_grad_(False)
    )


def asked(state: TowerState, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    content = state.catalog.get_buffer("content")[numbers]
    return content, state.catalog.get_buffer("ids")[numbers], content @ torch.from_numpy(state.content)


@pytest.mark.parametrize("row", [1, 4, 64])
@pytest.mark.parametrize(("products", "bought"), [(1, 3), (5, 6), (40, 300), (1900, 4000)])
def test_the_graph_reads_the_features_that_were_trained_on(products: int, bought: int, row: int) -> None:
    state, shelves = shop(products, bought)
    numbers = torch.arange(1, products + 1)[:: max(1, products // 12)]
    graph, tap = audience(state, shelves, row), Tap()
    graph.scorer = tap  # type: ignore[assignment]
    graph(*asked(state, numbers))
    pair, user = torch.cartesian_prod(torch.arange(len(numbers)), torch.arange(USERS)).unbind(1)
    profile, places = torch.from_numpy(state.profile), torch.from_numpy(state.content)
    with torch.no_grad():
        wanted = _pairs(state, shelves, numbers, pair, user, profile, places)
    assert torch.allclose(tap.seen.flatten(0, 1), wanted, atol=2e-4)


def test_products_asked_together_are_answered_as_one_by_one() -> None:
    state, shelves = shop(300, 2000)
    graph, inputs = audience(state, shelves), asked(state, torch.tensor([1, 2, 70, 300]))
    for row, together in enumerate(zip(*graph(*inputs), strict=True)):
        alone = graph(*(part[row : row + 1] for part in inputs))
        assert torch.equal(alone[0][0], together[0])
        assert torch.allclose(alone[1][0], together[1], atol=1e-5)
        assert torch.equal(alone[2][0], together[2])


def test_reasons_are_what_the_user_bought_most_of_what_is_nearest() -> None:
    state, shelves = shop(60, 500)
    embeddings, content = distinct(state.catalog)
    inputs = asked(state, torch.tensor([7, 31]))
    users, _, reasons = audience(state, shelves, 64)(*inputs)  # one row a user
    near = (inputs[0].numpy() @ embeddings.T).clip(min=0) ** 6
    assert users.shape == (2, USERS)
    for product, user, named in zip(
        np.repeat([0, 1], USERS), users.flatten().tolist(), reasons.reshape(-1, 2).tolist(), strict=True
    ):
        mine = slice(int(shelves.start[user]), int(shelves.start[user + 1]))
        numbers = shelves.products[mine].numpy()
        weight = np.log1p(shelves.weights[mine].numpy()[:, [0, 2]]).sum(axis=1)  # purchases, and recent ones again
        best: dict[int, tuple[float, int]] = {}  # by content
        for number, count in zip(numbers, weight, strict=True):
            speaks = (near[product, content[number]] * count, number - 1)
            best[content[number]] = max(best.get(content[number], (0.0, -1)), speaks)
        wanted = [number for speaks, number in sorted(best.values(), reverse=True) if speaks > 0][:2]
        assert named == [*wanted, -1, -1][:2]


def test_nobody_bought_anything() -> None:
    state, shelves = shop(5, 6)
    empty = Shelves(shelves.products[:0], shelves.weights[:0], shelves.start * 0, shelves.vectors)
    users, scores, reasons = audience(state, empty)(*asked(state, torch.tensor([1])))
    assert sorted(users[0].tolist()) == list(range(USERS))
    assert bool(torch.isfinite(scores).all())
    assert bool((reasons == -1).all())


def test_neighbourhoods_count_products_and_not_contents() -> None:
    cosine = torch.nn.functional.normalize(torch.randn(2, 700, generator=torch.Generator().manual_seed(3)), dim=1)
    members = torch.arange(700) % 5 + 1.0
    every = torch.repeat_interleave(cosine, members.long(), dim=1)
    assert torch.equal(counted_limits(cosine, members), neighbour_limits(every))
    assert torch.equal(counted_limits(cosine[:, :9], members[:9]), cosine[:, :9].amin(1, keepdim=True).expand(2, 3))


def test_unknown_ids_have_no_key() -> None:
    keys = level_keys(torch.tensor([[1, 2, 3, 4], [0, 2, 3, 0], [1, 0, -1, ID_SPACE], [4, 3, 2, 1]]))
    assert (keys >= 0).tolist() == [[True] * 5, [False, True, True, False, False], [True, *[False] * 4], [True] * 5]
    known = keys[keys >= 0].tolist()
    assert len(set(known)) == len(known) - 3, "department 1, category 2 and type 3 come twice"


def test_the_exported_graph_answers_alike_whatever_the_batch(tmp_path: Path) -> None:
    state, shelves = shop(300, 2000)
    graph = audience(state, shelves)
    names = [tensor.name for tensor in graphs.SIGNATURES["audience_retrieval"].inputs]
    inputs = [
        part.numpy().astype(np.int64 if part.dtype == torch.int64 else np.float32)
        for part in asked(state, torch.arange(1, 9))
    ]
    rows = dict(zip(names, inputs, strict=True))
    path = tmp_path / "audience_retrieval.onnx"
    graphs.export_graph("audience_retrieval", graph, {name: part[:3] for name, part in rows.items()}, path)
    graphs.parity("audience_retrieval", graph, path, rows)
    running = graphs.session(path, 1)
    together = graphs.run_graph(running, rows)
    for row in range(8):
        alone = graphs.run_graph(running, {name: part[row : row + 1] for name, part in rows.items()})
        assert np.array_equal(alone["user_indices"][0], together["user_indices"][row])
        assert np.array_equal(alone["reason_products"][0], together["reason_products"][row])
