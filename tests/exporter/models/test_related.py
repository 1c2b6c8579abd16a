"""Related products in an invented shop: what was planted is found, chance pairs are not, intervals cover."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from onshelf_exporter.training.related import lifts
from onshelf_exporter.training.related.table import related_tables
from onshelf_release.related import COMPLEMENT, RELATED, RELATED_PRODUCTS, SUBSTITUTE

USERS, WEEKS, NEEDS, OF_NEED = 150, 40, 8, 4
PRODUCTS = NEEDS * OF_NEED
TOGETHER = (0, 4)  # of two needs
INSTEAD = (8, 9)  # of one need
RENUMBERED = (12, 13)  # the second replaces the first in week 20
RANDOM = np.random.default_rng(3)


def bought() -> pd.DataFrame:
    """A basket a user and week. Users differ in how much they buy and what they like; each need has a chance of its
    own, and one of its products is taken by taste. Product 4 follows product 0; some users go between 8 and 9 alone."""
    rows = []
    taste = RANDOM.dirichlet(np.ones(OF_NEED), (USERS, NEEDS))
    taste[:, 0], taste[:, 1] = (0.4, 0.2, 0.2, 0.2), (0.1, 0.3, 0.3, 0.3)
    taste[:, 2] = np.where(np.arange(USERS)[:, None] % 2 == 0, (0.5, 0.5, 0.0, 0.0), (0.0, 0.0, 0.5, 0.5))
    taste[:, 3] = (0.5, 0.0, 0.25, 0.25)
    activity = RANDOM.uniform(0.1, 0.6, USERS)
    for user in range(USERS):
        for week in range(1, WEEKS + 1):
            needs = np.flatnonzero(RANDOM.random(NEEDS) < activity[user])
            basket = {int(OF_NEED * n + RANDOM.choice(OF_NEED, p=taste[user, n])) for n in needs}
            if TOGETHER[0] in basket and RANDOM.random() < 0.6:
                basket = {p for p in basket if p // OF_NEED != 1} | {TOGETHER[1]}
            if week > 20 and RENUMBERED[0] in basket:
                basket = basket - {RENUMBERED[0]} | {RENUMBERED[1]}
            rows += [(f"U{user}", f"P{p}", week, f"{user}-{week}") for p in sorted(basket)]
    return pd.DataFrame(rows, columns=["user_id", "product_id", "week", "order_id"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("shop")
    write_sales(folder, bought())
    return folder, history(WEEKS)


def write_sales(folder: Path, sales: pd.DataFrame) -> None:
    (folder / "canonical").mkdir(exist_ok=True)
    day = pd.Timestamp("2020-01-06") + pd.to_timedelta(7 * (sales["week"] - 1) + 2, unit="D")
    sales.assign(kind="purchase", time=day).to_parquet(folder / "canonical" / "interactions.parquet")


def history(cut: int, categories: bool = True) -> Any:
    """What the tables need of a `History`: products of one type and category for each need."""
    need = np.arange(PRODUCTS) // OF_NEED + 1
    ids = np.stack([np.ones(PRODUCTS, dtype=np.int64), need, need, np.zeros(PRODUCTS, dtype=np.int64)], axis=1)
    return SimpleNamespace(
        cut=cut,
        dataset={"first_week": 1, "first_whole_week": 1},
        products=pd.DataFrame({"product_id": [f"P{n}" for n in range(PRODUCTS)]}),
        ids=ids if categories else np.zeros_like(ids),
    )


def found(folder: Path, of: Any) -> pd.DataFrame:
    embeddings = RANDOM.random((PRODUCTS, 128), dtype=np.float32)
    tables = related_tables(folder, of, embeddings)
    assert tuple(tables["related"].column_names) == RELATED
    assert tuple(tables["related_products"].column_names) == RELATED_PRODUCTS
    rows = tables["related"].to_pandas()
    known = tables["related_products"]["product_index"].to_pylist()
    assert known == sorted(rows["product_index"].unique())
    if known:
        assert np.allclose(tables["related_products"]["embedding"][0].as_py(), embeddings[known[0]])
    return rows


def of_pair(rows: pd.DataFrame, kind: int, pair: tuple[int, int]) -> pd.DataFrame:
    return rows[(rows["kind"] == kind) & (rows["product_index"] == pair[0]) & (rows["related_index"] == pair[1])]


def test_a_planted_complement_and_substitute_are_found_and_chance_pairs_are_not(shop: tuple[Path, Any]) -> None:
    rows = found(*shop)
    for pair in (TOGETHER, TOGETHER[::-1]):
        (complement,) = of_pair(rows, COMPLEMENT, pair).itertuples()
        assert complement.lift_low > 1.5
        assert complement.lift_low < complement.lift < complement.lift_high
        assert complement.baskets > complement.expected
        assert complement.users > 50
    (substitute,) = of_pair(rows, SUBSTITUTE, INSTEAD).itertuples()
    assert substitute.lift_low > 1.2
    assert substitute.users > 30
    assert not len(of_pair(rows, SUBSTITUTE, (8, 10))), "their buyers are others"
    chance = (
        (rows["kind"] == COMPLEMENT) & ~rows["product_index"].isin(TOGETHER) & ~rows["related_index"].isin(TOGETHER)
    )
    assert chance.sum() <= 0.03 * PRODUCTS**2
    assert ((rows["product_index"] // OF_NEED != rows["related_index"] // OF_NEED) | (rows["kind"] == SUBSTITUTE)).all()


def test_a_product_under_a_new_id_is_no_substitute(shop: tuple[Path, Any]) -> None:
    assert not len(of_pair(found(*shop), SUBSTITUTE, RENUMBERED))


def test_nothing_after_the_cut_counts(shop: tuple[Path, Any], tmp_path: Path) -> None:
    folder, _ = shop
    sales = pd.read_parquet(folder / "canonical" / "interactions.parquet")
    later = sales["week"] > 25
    other = sales.assign(product_id=np.where(later, "P0", sales["product_id"]))
    write_sales(tmp_path, other.drop(columns=["kind", "time"]))
    assert found(folder, history(25)).equals(found(tmp_path, history(25)))


def test_guests_alone_have_complements_and_no_substitutes(shop: tuple[Path, Any], tmp_path: Path) -> None:
    sales = pd.read_parquet(shop[0] / "canonical" / "interactions.parquet").drop(columns=["kind", "time"])
    write_sales(tmp_path, sales.assign(user_id=pd.Series([None] * len(sales), dtype="string")))
    rows = found(tmp_path, history(WEEKS))
    assert len(of_pair(rows, COMPLEMENT, TOGETHER)) == 1
    assert (rows["kind"] == COMPLEMENT).all()
    assert (rows["users"] == 0).all()


def test_without_categories_what_is_bought_together_is_found_all_the_same(shop: tuple[Path, Any]) -> None:
    rows = found(shop[0], history(WEEKS, categories=False))
    assert len(of_pair(rows, COMPLEMENT, TOGETHER)) == 1
    assert (rows["kind"] == COMPLEMENT).all()


def test_a_shop_without_enough_sales_has_no_pairs(tmp_path: Path) -> None:
    write_sales(tmp_path, bought().head(12))
    assert not len(found(tmp_path, history(WEEKS)))


def test_intervals_cover_the_lifts_that_made_the_counts() -> None:
    random = np.random.default_rng(5)
    strength, n = 4.0, 6000
    true = random.gamma(strength, 1.0 / strength, n)
    expected = random.gamma(0.7, 3.0, n)
    observed = random.poisson(true * expected).astype(float)
    pairs = pd.DataFrame({"kind_a": 1, "kind_b": 2, "observed": observed, "expected": expected})
    pairs = pairs.assign(observed2=observed, both=0.0, expected2=0.0)  # each joint purchase by another user
    prior = lifts.fit_prior(pairs, np.ones(n))
    assert prior.across == pytest.approx(strength, rel=0.2)
    result = lifts.with_lifts(pairs, np.ones(n), prior)
    covered = (result["lift_low"] < true) & (true < result["lift_high"])
    assert covered.mean() == pytest.approx(0.95, abs=0.015)
    largest = result["lift"].nlargest(200).index
    assert true[largest].mean() == pytest.approx(result["lift"][largest].mean(), rel=0.1), "no winner's curse"


def test_what_few_users_repeat_is_less_certain_than_what_many_do_once() -> None:
    counts = {"kind_a": 1, "kind_b": 2, "observed": 20.0, "expected": 5.0, "both": 0.0, "expected2": 0.0}
    pairs = pd.DataFrame([{**counts, "observed2": 20.0}, {**counts, "observed2": 200.0}])
    many, few = lifts.with_lifts(pairs, np.ones(2), lifts.Prior(2.0, 2.0)).itertuples()
    assert few.lift_low < many.lift_low
    assert few.lift < many.lift
