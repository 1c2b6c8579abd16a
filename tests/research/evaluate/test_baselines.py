"""Each baseline on what it should find, and that none of them sees the future."""

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from onshelf_research.baselines import analogs, cold, factors, forest, statistics, trees, tutorials, two_sided, warm
from onshelf_research.data.cache import Cache
from onshelf_research.data.dataset import Dataset, LaunchRows, Purchases
from onshelf_research.evaluation import recommend
from onshelf_research.evaluation.rivals import Rivals

TRAIN, MEASURE, CUT = (9, 20), (28, 32), 27


def spoiled(data: Dataset, from_week: int) -> Dataset:
    """The same data, upside down from a week on: other users, other products, a hundred times the units."""
    bought = data.purchases
    late = bought.week >= from_week
    users, products = len(data.users), len(data.products)
    purchases = Purchases(
        np.where(late, users - 1 - bought.user, bought.user),
        np.where(late, products - 1 - bought.product, bought.product),
        bought.week,
    )
    sales = data.sales.copy()
    after = (sales["week"] >= from_week).to_numpy()
    sales.loc[after, "units"] *= 100
    sales.loc[after, "product_index"] = products - 1 - sales.loc[after, "product_index"]
    frame = data.launches.frame.copy()
    unknown = (frame["launch_week"] + 8 > from_week).to_numpy()
    for column in ("units_4w", "units_8w", "buyers_4w", "buyers_8w", "repeat_buyers_8w"):
        frame.loc[unknown, column] = 999.0
    return dataclasses.replace(
        data, purchases=purchases, sales=sales, launches=LaunchRows(frame, data.launches.coverage)
    )


def test_category_statistics_by_hand(data):
    rows = data.launched(TRAIN)
    frame = rows.frame.iloc[:8].assign(
        department="D", category="C", type=["a"] * 5 + ["b"] * 3, units_8w=[0.0, 1, 2, 3, 9, 100, 200, 300]
    )
    train = LaunchRows(frame, rows.coverage[:8])
    wanted = train.take(np.array([1, 6]))
    median, mean = statistics.category(train, wanted, "units_8w")
    assert median.median.tolist() == [2.0, 3.0]  # type b has too few launches: the median of all eight of its category
    assert mean.mean.tolist() == [3.0, 615 / 8]
    assert median.quantiles[0.9].tolist() == [9.0, 300.0]
    assert median.below.tolist() == [1 / 5, 6 / 8]
    assert median.upto.tolist() == [2 / 5, 7 / 8]
    assert statistics.global_median(train, wanted, "units_8w").mean.tolist() == [6.0, 6.0]


def test_repeat_share_is_between_the_category_and_the_whole(data):
    train, rows = data.launched(TRAIN), data.launched(MEASURE)
    by_category, overall = statistics.repeat_share(train, rows)
    assert np.all((by_category >= 0) & (by_category <= 1))
    assert overall[0] == train.numbers("repeat_buyers_8w").sum() / train.numbers("buyers_8w").sum()


def test_analogs_find_the_same_product(data):
    train = data.launched((9, 46))
    median, mean = analogs.analogs(train, train.take(np.arange(5)), "units_8w")
    assert median.quantiles[0.1].tolist() <= median.quantiles[0.9].tolist()
    assert np.all(mean.mean >= 0)
    copy = LaunchRows(train.frame.assign(units_8w=7.0), train.coverage)
    assert np.allclose(analogs.analogs(copy, copy.take(np.arange(5)), "units_8w")[1].mean, 7.0)


def test_trees_learn_what_decides(data):
    train, rows = data.launched((9, 27)), data.launched(MEASURE)

    def told(part: LaunchRows) -> LaunchRows:
        return LaunchRows(
            part.frame.assign(units_8w=np.where(part.frame["private_label"] == 1, 20.0, 2.0)), part.coverage
        )

    table, wanted = trees.features(data, told(train)), trees.features(data, told(rows))
    target, steps = told(train).numbers("units_8w"), []
    tries = [{**one, "min_data_in_leaf": 5} for one in trees.drawn_settings(3, seed=1)]
    tuned = trees.search(table, target, train.week, trees.quantile_objective(0.5), tries, 1, steps.append)
    assert len(steps) == 3
    quantiles = trees.quantiles(tuned, table, target, wanted, 1, trees.QUANTILES)
    private = rows.frame["private_label"].to_numpy() == 1
    assert quantiles[0.5][private].mean() > 1.3 * quantiles[0.5][~private].mean()
    assert np.all(np.diff(np.stack([quantiles[q] for q in trees.QUANTILES]), axis=0) >= 0)
    grown = forest.forecast(table, target, wanted, forest.ForestSettings(3, 0.4), (0.1, 0.5, 0.9), 1, trees=40)
    assert np.all(grown.quantiles[0.5][private] == 20.0)
    assert grown.mean[~private].max() < grown.mean[private].min()
    assert np.all(grown.quantiles[0.1] <= grown.quantiles[0.9])


def test_the_search_keeps_what_is_best_on_the_last_weeks(data):
    train = data.launched((9, 27))
    table = trees.features(data, train)
    target = np.where(train.frame["private_label"] == 1, 20.0, 2.0)
    tries = [{**one, "min_data_in_leaf": 3} for one in trees.drawn_settings(4, seed=3)]
    losses = [trees.search(table, target, train.week, trees.TWEEDIE, [one], 1, lambda _: None).loss for one in tries]
    best = trees.search(table, target, train.week, trees.TWEEDIE, tries, 1, lambda _: None)
    assert best.loss == min(losses)
    assert best.settings["num_leaves"] == tries[int(np.argmin(losses))]["num_leaves"]


def test_factors_and_neighbours_find_the_users_of_the_type(data):
    history = data.matrix(1, CUT)
    rows = data.launched(MEASURE)
    steps = []
    found = factors.least_squares(history, 1, lambda: steps.append(1))
    assert len(steps) == factors.SWEEPS
    scores = factors.content_factors(data, found, rows)
    mine = np.arange(len(data.users)) % 6 == (rows.product % 6)[:, None]
    assert scores[mine].mean() > 2 * max(scores[~mine].mean(), 0.0)
    kind = np.arange(80) % 6
    for model in (factors.item_neighbours(history, 1), factors.recommender(found, len(data.products))):
        listed = model(np.arange(12))[:, :80]
        same = np.arange(12)[:, None] % 6 == kind[None, :]
        assert np.isfinite(listed[same]).all()
        assert listed[same].mean() > 2 * max(listed[~same].mean(), 0.0)


def test_rolling_baselines_learn_from_what_had_ended_before_each_week(data, tmp_path):
    rows = data.launched(MEASURE)
    rivals = Rivals(data=data, rows=rows, first=9, last=20, cut=CUT, cache=Cache(tmp_path, "shop", "x"), threads=1)
    assert rivals.train("units_8w").week.max() == 20
    assert rivals.train("units_4w").week.max() == 24
    refits = rivals.refits("units_8w", rolling=True)
    assert [(set(rows.week[mask]), train.week.max()) for mask, train in refits] == [({w}, w - 8) for w in range(28, 33)]
    once = rivals.refits("units_8w", rolling=False)
    assert [(mask.all(), train.week.max()) for mask, train in once] == [(True, 20)]


def test_learned_rivals_do_not_see_beyond_the_cut(data, tmp_path):
    one = data.launched((28, 28))
    made = []
    for source in (data, spoiled(data, 28)):
        rivals = Rivals(
            data=source,
            rows=one,
            first=9,
            last=20,
            cut=CUT,
            cache=Cache(tmp_path / str(len(made)), "shop", "x"),
            threads=1,
        )
        made.append(rivals.learned("units_8w", rolling=False) | rivals.learned("units_8w", rolling=True))
    assert set(made[0]) == set(made[1])
    for name, forecast in made[0].items():
        assert np.array_equal(forecast.mean, made[1][name].mean), name


def test_features_of_a_launch_end_before_its_week(data):
    rows = data.launched(MEASURE)
    one = rows.take(rows.week == 30)
    assert len(one) > 0
    known, told = trees.features(data, one), trees.features(spoiled(data, 30), one)
    assert known.equals(told)
    assert not trees.kin_features(spoiled(data, 29), one).equals(trees.kin_features(data, one))


@pytest.mark.parametrize("model", ["content_knn", "affinity", "activity", "two_sided"])
def test_audiences_do_not_see_beyond_the_cut(data, model):
    def score(source: Dataset) -> np.ndarray:
        rows = source.launched(MEASURE)
        history = source.matrix(1, CUT)
        return {
            "content_knn": lambda: cold.content_neighbours(source, history, rows),
            "affinity": lambda: cold.affinity(source, history, rows),
            "activity": lambda: cold.activity(history, len(rows)),
            "two_sided": lambda: two_sided.two_sided_trees(source, rows, CUT, 1),
        }[model]()

    known = score(data)
    assert np.array_equal(known, score(spoiled(data, CUT + 1)))
    assert not np.array_equal(known, score(spoiled(data, CUT - 4)))


PLANNED = ("launch_week", "price", "coupon", "private_label", "title", "department", "category", "type", "brand")


def test_of_a_launch_itself_the_two_sided_trees_see_the_plan_only(data):
    """Whatever else its row says (outcomes, whether a sale or a promotion came first, discounts) changes no score."""
    rows = data.launched(MEASURE)
    other = rows.frame.copy()
    for column in set(other.columns) - {"product_id", "product_index", *PLANNED}:
        values = other[column].to_numpy()
        other[column] = ~values if values.dtype == bool else values[::-1] + 17
    blind = LaunchRows(other, rows.coverage)
    known = two_sided.two_sided_trees(data, rows, CUT, 1)
    assert np.array_equal(known, two_sided.two_sided_trees(data, blind, CUT, 1))


def test_the_two_sided_trees_know_of_a_launch_what_is_planned_and_how_its_kin_sold_by_the_cut(data):
    rows = data.launched(MEASURE)
    seen = two_sided.launch_features(data, rows, CUT)
    planned = LaunchRows(rows.frame, rows.coverage[::-1])
    assert not np.array_equal(seen, two_sided.launch_features(data, planned, CUT))
    assert np.array_equal(seen, two_sided.launch_features(spoiled(data, CUT + 1), rows, CUT), equal_nan=True)
    assert not np.array_equal(seen, two_sided.launch_features(spoiled(data, CUT), rows, CUT), equal_nan=True)
    later = LaunchRows(rows.frame.assign(launch_week=rows.frame["launch_week"] + 5), rows.coverage)
    assert np.array_equal(seen, two_sided.launch_features(data, later, CUT), equal_nan=True)


def test_warm_recommenders_do_not_see_beyond_the_cut(data):
    def lists(source: Dataset) -> list[np.ndarray]:
        task = recommend.warm_task(source, CUT)
        users = np.arange(10)
        models = [
            warm.popularity(task.recent),
            warm.own_frequency(task.decayed, task.recent),
            warm.ease(task.history, 50.0),
        ]
        return [model(users) for model in models]

    for before, after in zip(lists(data), lists(spoiled(data, CUT + 1)), strict=True):
        assert np.array_equal(before, after)


def test_ease_equals_its_definition():
    rng = np.random.default_rng(1)
    x = (rng.random((12, 7)) < 0.4).astype(float)
    inverse = np.linalg.inv(x.T @ x + 3.0 * np.eye(7))
    weights = np.eye(7) - inverse / np.diag(inverse)
    assert np.allclose(np.diag(weights), 0.0)
    users = np.array([3, 0, 11])
    assert np.allclose(warm.ease(sparse.csr_array(x), 3.0)(users), x[users] @ weights, atol=1e-6)


def test_own_frequency_prefers_what_was_bought_lately():
    decayed = sparse.csr_array(np.array([[0.5, 0.0, 1.0, 0.0]]))
    recent = sparse.csr_array(np.array([[0.0, 1.0, 0.0, 3.0]]))
    scores = warm.own_frequency(decayed, recent)(np.array([0]))[0]
    assert np.argsort(-scores).tolist() == [2, 0, 3, 1]
    assert np.argsort(-warm.popularity(recent)(np.array([0]))[0]).tolist()[:2] == [3, 1]


def test_content_neighbours_find_the_users_of_the_type(data):
    rows = data.launched(MEASURE)
    scores = cold.content_neighbours(data, data.matrix(1, CUT), rows)
    kind = rows.product % 6
    mine = np.arange(len(data.users)) % 6 == kind[:, None]
    assert scores[mine].mean() > 2 * scores[~mine].mean()


def test_seed_embedding_gives_everybody_the_same_order():
    rng = np.random.default_rng(0)
    bought = sparse.csr_array((rng.random((40, 25)) < np.linspace(0.05, 0.9, 25)).astype(float))
    done: list[int] = []
    scores = tutorials.seed_embedding(bought, done.append, epochs=30, batch=256)
    assert len(done) == 30
    popularity = bought.sum(axis=0)
    assert np.corrcoef(scores.product, popularity)[0, 1] > 0.7
    assert (scores.user.shape, scores.product.shape) == ((40,), (25,))


def test_seed_linear_learns_weeks_by_category(data):
    train = data.launched((9, 27))
    frame = train.frame.assign(launch_week=np.where(train.frame["category"] == "C0", 12, 24))
    early = LaunchRows(frame.sort_values("launch_week").reset_index(drop=True), train.coverage)
    week = tutorials.seed_linear(early, early)
    c0 = early.frame["category"].to_numpy() == "C0"
    assert abs(week[c0].mean() - 12) < 1
    assert abs(week[~c0].mean() - 24) < 1
    assert set(tutorials.units_of_week(early, week, "units_8w").mean) <= {
        early.numbers("units_8w")[c0].mean(),
        early.numbers("units_8w")[~c0].mean(),
    }
