import numpy as np
import torch

from onshelf_exporter.models.towers import (
    AudienceRetrieval,
    LaunchRetrieval,
    ProductRetrieval,
    UserEncoder,
    UserEncoderGraph,
)
from onshelf_exporter.training.behaviour import Events, histories


def user_graph() -> UserEncoderGraph:
    torch.manual_seed(1)
    items = torch.randn(11, 64)
    items[0] = 0
    return UserEncoderGraph(UserEncoder(torch.zeros(16), torch.ones(16)), items).eval()


def history(padding: int) -> tuple[torch.Tensor, ...]:
    products = torch.cat([torch.tensor([[3, 7, 1]]), torch.zeros(1, padding, dtype=torch.int64)], dim=1)
    ages = torch.cat([torch.tensor([[0.0, 2.0, 30.0]]), torch.full((1, padding), 9.0)], dim=1)
    quantities = torch.cat([torch.tensor([[1.0, 5.0, 2.0]]), torch.full((1, padding), 3.0)], dim=1)
    return (
        products,
        ages,
        quantities,
        (products > 0).long(),
        torch.randn(1, 16, generator=torch.Generator().manual_seed(2)),
    )


def test_padding_changes_nothing_and_weighs_nothing() -> None:
    graph = user_graph()
    (vector, repeat), (padded, more) = graph(*history(0)), graph(*history(20))
    assert torch.allclose(vector, padded, atol=1e-5)
    assert torch.allclose(repeat, more[:, :3], atol=1e-6)
    assert bool((more[:, 3:] == 0).all())


def test_a_user_without_history_has_a_vector() -> None:
    none = torch.zeros(1, 16, dtype=torch.int64)
    vector, repeat = user_graph()(none, none.float(), none.float(), none, torch.zeros(1, 16))
    assert bool(torch.isfinite(vector).all())
    assert bool((repeat == 0).all())
    assert vector[0, -1] == 1


def test_products_beyond_the_release_are_left_out() -> None:
    products, ages, quantities, kinds, profile = history(0)
    known = user_graph()(products, ages, quantities, kinds, profile)
    beyond = user_graph()(torch.where(products == 7, 9999, products), ages, quantities, kinds, profile)
    without = user_graph()(torch.where(products == 7, 0, products), ages, quantities, kinds, profile)
    assert torch.allclose(beyond[0], without[0], atol=1e-5)
    assert not torch.allclose(beyond[0], known[0], atol=1e-3)


def test_repeat_weights_are_added_to_their_products_once_each() -> None:
    vectors = torch.eye(64)[:10] * 0.1
    retrieval = ProductRetrieval(vectors, k=10)
    user = torch.zeros(1, 64)
    past, weights = torch.tensor([[4, 9, 0, 500]]), torch.tensor([[2.0, 5.0, 7.0, 8.0]])
    index, score = retrieval(user, past, weights)
    assert index[0, :2].tolist() == [8, 3]
    assert score[0, :3].tolist() == [5.0, 2.0, 0.0]


def test_audiences_are_sorted_by_their_logit() -> None:
    vectors, activity = torch.randn(50, 64), torch.rand(50)
    index, score = AudienceRetrieval(vectors, activity, torch.tensor([0.5, 2.0, -3.0]), k=3840)(torch.ones(2, 64))
    logit = 0.5 * vectors.sum(1) + 2 * activity - 3
    assert torch.allclose(score[0], logit.sort(descending=True).values, atol=1e-5)
    assert torch.equal(index[0].sort().values, torch.arange(50))


def test_a_launch_is_most_similar_to_itself() -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(80, 128), dim=1)
    index, cosine = LaunchRetrieval(embeddings, k=50)(embeddings * 3)
    assert index.shape == (80, 50)
    assert torch.equal(index[:, 0], torch.arange(80))
    assert torch.allclose(cosine[:, 0], torch.ones(80), atol=1e-5)


def test_histories_hold_the_strongest_products_most_recent_first() -> None:
    rows = np.array(
        [  # user, product, week, quantity
            (0, 5, 10, 1.0),
            (0, 5, 2, 1.0),
            (0, 6, 1, 1.0),
            (0, 7, 9, 3.0),
            (1, 6, 11, 1.0),
        ]
    )
    user, product, week = (rows[:, i].astype(np.int64) for i in range(3))
    events = Events(3, user, product, week, rows[:, 3], rows[:, 3], rows[:, 3] * 0, np.ones(5, dtype=np.int64))
    past = histories(events, week=10, length=2, half_life=16.0, products=20)
    assert past.products.tolist() == [[6, 8], [0, 0], [0, 0]]  # user 1 bought after week 10
    assert past.ages[0].tolist() == [0.0, 1.0]
    assert np.isclose(past.quantities[0, 0], 1 + 0.5 ** (8 / 16))
