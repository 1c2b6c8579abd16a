import numpy as np
import torch
from torch import Tensor

from onshelf_exporter.models.habits import event_weights, read_habits
from onshelf_exporter.models.neighbourhood import LevelCounts, neighbour_limits
from onshelf_exporter.models.scorer import NONE, Scorer, Scorers
from onshelf_exporter.models.towers import (
    AudienceRetrieval,
    Catalog,
    LaunchRetrieval,
    NewProducts,
    ProductRetrieval,
    UserEncoderGraph,
    closest_users,
)
from onshelf_exporter.training.behaviour import Events, Histories, histories
from onshelf_exporter.training.factors import content_map, fit_factors
from onshelf_exporter.training.towers import TowerState, user_shelves, widths
from onshelf_exporter.training.user_tables import user_tables

PRODUCTS, NEW = 40, (36, 37, 38, 39)  # the last four are new


def catalog() -> Catalog:
    random = torch.Generator().manual_seed(5)
    content = torch.nn.functional.normalize(torch.randn(PRODUCTS + 1, 128, generator=random), dim=1)
    factors = torch.randn(PRODUCTS + 1, 64, generator=random) * 0.1
    number = torch.arange(PRODUCTS + 1)
    ids = torch.stack([number % 3, number % 6, number % 12, number % 4], dim=1)
    sold = ((number > 0) & (number <= NEW[0])).float()
    content[0], factors[0], ids[0] = 0, 0, 0
    facts = torch.rand(PRODUCTS + 1, 14, generator=random)
    prior = torch.rand(PRODUCTS + 1, generator=random) * 1e-3
    prior[0] = prior[35] = NONE  # number 35 is not shown by the data
    return Catalog(factors=factors * sold.unsqueeze(1), content=content, sold=sold, ids=ids, facts=facts, prior=prior)


def levels() -> LevelCounts:
    return LevelCounts([torch.arange(2 * n).reshape(n, 2) * 3.0 for n in (3, 6, 12, 4)])


def parts() -> tuple[UserEncoderGraph, ProductRetrieval, Scorers]:
    shop = catalog()
    empty = np.zeros((0, 4))
    state = TowerState(
        week=9,
        past=Histories(empty.astype(np.int64), *(empty.astype(np.float32),) * 2, empty.astype(np.int64)),
        profile=np.zeros((0, 16), np.float32),
        factors=np.zeros((PRODUCTS, 64), np.float32),
        catalog=shop,
        levels=levels(),
        content=np.zeros((128, 64), np.float32),
    )
    width = widths(state)
    torch.manual_seed(3)
    repeat, first, launch = (Scorers([Scorer(width[name], 8)]) for name in ("repeat", "first_buy", "launch"))
    new = torch.tensor(NEW) + 1
    places = torch.randn(len(NEW), 64) * 0.1
    encoder = UserEncoderGraph(shop, repeat).eval()
    fresh = NewProducts(
        catalog=shop,
        levels=levels(),
        scorer=launch,
        products=new,
        vectors=places,
        closest=torch.full((len(NEW),), 0.5),
    )
    retrieval = ProductRetrieval(catalog=shop, scorer=first, new=fresh, k=PRODUCTS, new_k=4)
    return encoder, retrieval.eval(), launch


def history(padding: int) -> tuple[Tensor, ...]:
    """One user: product 3 twice, 7 and 1 once; 9 was looked at."""
    products = torch.cat([torch.tensor([[3, 7, 3, 1, 9]]), torch.zeros(1, padding, dtype=torch.int64)], dim=1)
    ages = torch.cat([torch.tensor([[0.0, 2.0, 4.0, 30.0, 1.0]]), torch.full((1, padding), 9.0)], dim=1)
    quantities = torch.cat([torch.tensor([[1.0, 5.0, 1.0, 2.0, 1.0]]), torch.full((1, padding), 3.0)], dim=1)
    kinds = torch.cat([torch.tensor([[1, 1, 1, 1, 2]]), torch.zeros(1, padding, dtype=torch.int64)], dim=1)
    return products, ages, quantities, kinds, torch.randn(1, 16, generator=torch.Generator().manual_seed(2))


def recommend(past: tuple[Tensor, ...], share: float = 0.0) -> tuple[Tensor, ...]:
    encoder, retrieval, _ = parts()
    with torch.no_grad():
        vector, repeat, weights = encoder(*past)
        found: tuple[Tensor, ...] = retrieval(vector, past[4], past[0], repeat, weights, torch.tensor([[share]]))
    return found


def test_padding_changes_nothing_and_is_no_candidate() -> None:
    encoder, _, _ = parts()
    short, long = encoder(*history(0)), encoder(*history(20))
    assert torch.allclose(short[0], long[0], atol=1e-5)
    assert torch.allclose(short[1], long[1][:, :5], atol=1e-5)
    assert bool((long[1][:, 5:] == NONE).all())
    assert bool((long[2][:, 5:] == 0).all())
    for a, b in zip(recommend(history(0)), recommend(history(20)), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-4)


def test_a_product_s_figures_stand_at_its_first_event() -> None:
    products, ages, quantities, kinds, _ = history(0)
    habits = read_habits(products, ages, quantities, kinds, products % 2 + 1)
    assert habits.first[0].tolist() == [1, 1, 0, 1, 1]
    assert habits.times[0].tolist() == [2, 1, 2, 1, 0]
    assert habits.last[0].tolist() == [0, 2, 0, 30, 99]
    assert habits.oldest[0, 0] == 4
    assert torch.allclose(habits.decayed[0, 0, 2], torch.tensor(1 + 0.5 ** (4 / 4)))
    weights = event_weights(habits)
    assert weights[0, 2].tolist() == [0, 0, 0, 0]
    assert 0 < float(weights[0, 4, 0]) < 0.25, "a view is less than a purchase"


def test_a_user_without_history_gets_products_all_the_same() -> None:
    none = torch.zeros(1, 16, dtype=torch.int64)
    found = recommend((none, none.float(), none.float(), none, torch.zeros(1, 16)))
    assert all(bool(torch.isfinite(part.float()).all()) for part in found)
    assert found[2].eq(-1).all(), "nothing speaks for them"


def test_products_beyond_the_release_are_left_out() -> None:
    products, *rest = history(0)
    beyond = recommend((torch.where(products == 7, 9999, products), *rest))
    without = recommend((torch.where(products == 7, 0, products), *rest))
    for a, b in zip(beyond, without, strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5)


def test_every_product_comes_once_and_unknown_ones_last() -> None:
    index, score, reasons, *_ = recommend(history(0))
    assert sorted(index[0].tolist()) == list(range(PRODUCTS))
    assert bool((score[0].diff() <= 0).all())
    assert index[0, -1] == 34, "its number is 35"
    own = {2, 6, 0, 8}
    named = reasons.reshape(-1, 2)
    for place, product in enumerate(index[0].tolist()):
        if product in own:
            assert history(0)[0][0, named[place, 0]] == product + 1, "a product of the history speaks for itself"


def test_new_products_have_their_share_of_places() -> None:
    index, _, _, new, score, _ = recommend(history(0), share=0.25)
    assert set(new[0].tolist()) == set(NEW)
    assert bool((score[0].diff() <= 0).all())
    fresh = [place for place, product in enumerate(index[0].tolist(), start=1) if product in NEW]
    assert all(place <= 4 * rank for rank, place in enumerate(fresh, start=1))
    everything = recommend(history(0), share=1.0)[0][0, :4]
    assert everything.tolist() == new[0].tolist()
    plain = [product for product in recommend(history(0))[0][0].tolist() if product not in NEW]
    assert [product for product in index[0].tolist() if product not in NEW] == plain


def shelves(past: tuple[Tensor, ...], encoder: UserEncoderGraph) -> tuple[Tensor, Tensor, Tensor]:
    vector, _, weights = encoder(*past)
    keep = weights[0, :, 0] > 0
    return past[0][0, keep], weights[0, keep], vector


def test_an_audience_scores_as_a_recommendation_does() -> None:
    encoder, retrieval, launch = parts()
    past = history(0)
    with torch.no_grad():
        products, weights, vector = shelves(past, encoder)
        places = retrieval.new.get_buffer("vectors")
        # another user has none
        tables = user_tables(catalog(), products, weights, torch.tensor([0, len(products), len(products)]), row=2)
        profile = torch.cat([past[4], torch.zeros(1, 16)])
        vectors = torch.cat([vector, torch.zeros(1, 64)])
        audience = AudienceRetrieval(
            tables=tables, levels=levels(), scorer=launch, profile=profile, vectors=vectors, k=9
        )
        number = torch.tensor(NEW) + 1
        content, ids = catalog().get_buffer("content")[number], catalog().get_buffer("ids")[number]
        users, scores, reasons = audience.eval()(content, ids, places)
        retrieval.new.get_buffer("closest").copy_(closest_users(tables, content))
        _, repeat, event = encoder(*past)
        _, _, _, new, wanted, _ = retrieval(vector, past[4], past[0], repeat, event, torch.zeros(1, 1))
    ours = {int(n): float(s) for n, s in zip(new[0], wanted[0], strict=True)}
    for place, product in enumerate(NEW):
        score = float(scores[place][users[place] == 0])
        assert np.isclose(score, ours[product], atol=1e-4)
    assert set(users[0].tolist()) == {0, 1}
    named = reasons.reshape(len(NEW), 2, 2)[users == 1]
    assert bool((named == -1).all()), "who bought nothing has no reasons"
    assert set(reasons.flatten().tolist()) <= {-1, 2, 6, 0, 8}


def test_closeness_counts_by_the_closest_user() -> None:
    """Of three users one bought the product's twin, one bought it less, one nothing."""
    shop, number = catalog(), torch.tensor([37])
    shop.get_buffer("embeddings")[5] = shop.get_buffer("content")[37]
    weights = torch.tensor([[7.0, 7, 7, 1], [1.0, 1, 1, 1]])
    tables = user_tables(shop, torch.tensor([5, 5]), weights, torch.tensor([0, 1, 2, 2]), row=2)
    content, ids = shop.get_buffer("content")[number], shop.get_buffer("ids")[number]
    silent = ConstantScorer()
    audience = AudienceRetrieval(
        tables=tables, levels=levels(), scorer=silent, profile=torch.zeros(3, 16), vectors=torch.zeros(3, 64), k=3
    )
    with torch.no_grad():
        users, scores, _ = audience(content, ids, torch.zeros(1, 64))
        assert users[0].tolist() == [0, 1, 2]
        assert torch.allclose(scores[0], torch.tensor([2.0, 2.0 / 3, 0.0]), atol=1e-5), "log 8 against log 2"
        assert torch.allclose(closest_users(tables, content), torch.tensor([8.0]).log())
        new = NewProducts(
            catalog=shop,
            levels=levels(),
            scorer=silent,
            products=number,
            vectors=torch.zeros(1, 64),
            closest=closest_users(tables, content),
        )
        past = shop.get_buffer("embeddings")[None, 5:6], shop.get_buffer("ids")[None, 5:6], weights[None, 1:]
        assert torch.allclose(new(torch.zeros(1, 64), torch.zeros(1, 16), *past), scores[:, 1:2], atol=1e-4)


class ConstantScorer(torch.nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features[..., 0] * 0.0


def test_limits_of_a_small_catalog_are_its_least_similar_product() -> None:
    cosine = torch.tensor([[0.1, 0.9, 0.4]])
    assert torch.allclose(neighbour_limits(cosine), torch.full((1, 3), 0.1))


def test_a_launch_is_most_similar_to_itself() -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(80, 128), dim=1)
    index, cosine = LaunchRetrieval(embeddings, k=50)(embeddings * 3)
    assert index.shape == (80, 50)
    assert torch.equal(index[:, 0], torch.arange(80))
    assert torch.allclose(cosine[:, 0], torch.ones(80), atol=1e-5)


def events_of(rows: np.ndarray, users: int) -> Events:
    user, product, week, kind = (rows[:, i].astype(np.int64) for i in (0, 1, 2, 4))
    return Events(
        users=users,
        user=user,
        product=product,
        week=week,
        quantity=rows[:, 3],
        revenue=rows[:, 3],
        discount=rows[:, 3] * 0,
        kind=kind,
    )


ROWS = np.array(
    [  # user, product, week, quantity, kind
        (0, 5, 10, 1.0, 1),
        (0, 5, 2, 1.0, 1),
        (0, 6, 1, 1.0, 1),
        (0, 7, 9, 3.0, 1),
        (1, 6, 11, 1.0, 1),
        (2, 9, 8, 1.0, 2),
    ]
)


def test_histories_keep_the_events_of_the_strongest_products_newest_first() -> None:
    past = histories(events_of(ROWS, 3), week=10, length=3, half_life=16.0, products=20)
    assert past.products.tolist() == [[6, 8, 6], [0, 0, 0], [10, 0, 0]]  # user 1 bought after week 10
    assert past.ages[0].tolist() == [0.0, 1.0, 8.0]
    assert past.quantities[0].tolist() == [1.0, 3.0, 1.0]
    assert past.kinds[2].tolist() == [2, 0, 0]


def test_shelves_weigh_as_the_graph_does() -> None:
    events = events_of(ROWS, 3)
    factors = np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32)
    shelf = user_shelves(events, 11, factors)
    past = histories(events, 11, 8, 16.0, 20)
    products, ages, quantities, kinds = (
        torch.from_numpy(part) for part in (past.products, past.ages, past.quantities, past.kinds)
    )
    weights = event_weights(read_habits(products, ages, quantities, kinds, torch.zeros_like(products)))
    for user in range(3):
        here = weights[user, :, 0] > 0
        order = torch.argsort(products[user, here])
        own = slice(int(shelf.start[user]), int(shelf.start[user + 1]))
        assert torch.equal(products[user, here][order], shelf.products[own])
        assert torch.allclose(weights[user, here][order], shelf.weights[own], atol=1e-5)


def test_factors_put_together_what_is_bought_together() -> None:
    random = np.random.default_rng(4)
    rows = [
        (user, product, week, 1.0, 1)
        for user in range(60)
        for product in (random.choice(10, 5, replace=False) + 10 * (user % 2))
        for week in (3, 9)
    ]
    events = events_of(np.array(rows), 60)
    factors = fit_factors(events, 10, 25, seed=1)
    close = factors @ factors.T
    assert close[:10, :10].mean() > 5 * abs(close[:10, 10:20].mean())
    assert not factors[20:].any(), "never bought"
    assert np.array_equal(factors, fit_factors(events, 10, 25, seed=1))
    embeddings = np.zeros((25, 128), np.float32)
    embeddings[np.arange(25), np.arange(25) // 10] = 1.0
    places = embeddings @ content_map(embeddings, factors, np.bincount(events.product, minlength=25) / 2.0, 1.0)
    assert places[0] @ factors[:10].mean(0) > abs(places[0] @ factors[10:20].mean(0))
    assert not fit_factors(events_of(ROWS, 3), 11, 20, 1).any(), "nobody shares a product"


def test_scores_of_a_ranker_without_rows_follow_its_fallback() -> None:
    from pathlib import Path

    from onshelf_exporter.training.rankers import fit_scorers
    from onshelf_exporter.training.recipe import LoopRecipe

    loop = LoopRecipe(epochs=1, learning_rate=0.1, batch_size=4)
    scorer, figures = fit_scorers([], (5, 8, 2), loop, (1, 3), Path("unused"), "nothing")
    rows = torch.zeros(3, 5)
    rows[:, 2] = torch.tensor([0.0, 1.0, 2.0])
    assert bool((scorer(rows).diff() > 0.5).all())
    assert figures == {"nothing_rows": 0.0}
