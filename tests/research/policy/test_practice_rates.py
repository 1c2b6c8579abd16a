"""Rates of practice: they follow what a category had lately, know nothing after their week, and need no promotions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from onshelf_exporter.training.history import History, Launches
from onshelf_exporter.training.practice_rates import _carried, practice_rates, rates_at
from onshelf_exporter.training.vocabulary import build_vocabulary
from onshelf_release.candidates import CHANNEL_SLOTS

PRODUCTS, CUT = 600, 30


def history(promoted: bool = True) -> History:
    """Products of four categories; those of C1 are on display, those of C2 in the mailer, in their first four weeks."""
    rng = np.random.default_rng(0)
    index = np.arange(PRODUCTS)
    category, start = index % 4, 1 + index % CUT
    products = pd.DataFrame(
        {
            "department": np.where(category < 2, "A", "B"),
            "category": [f"C{c}" for c in category],
            "type": [f"T{c}{i % 3}" for i, c in zip(index, category, strict=True)],
            "brand": [f"maker {i % 20}" for i in index],
            "first_week": start,
        }
    )
    vocabulary = build_vocabulary(products)
    week = (start[:, None] + np.arange(4)).ravel()
    rows = pd.DataFrame({"product_index": np.repeat(index, 4), "week": week})
    chosen = np.isin(category, (1, 2)) & (rng.random(PRODUCTS) < 0.7) & promoted
    promotions = rows[np.repeat(chosen, 4)].assign(
        slot=lambda t: category[t["product_index"]] - 1, coverage=np.float32(0.5)
    )
    practice = np.zeros((PRODUCTS, CHANNEL_SLOTS), dtype=np.float32)
    practice[index[chosen], category[chosen] - 1] = 0.5
    frame = pd.DataFrame({"product_index": index, "launch_week": start})
    order = np.argsort(start, kind="stable")
    launches = Launches(
        frame=frame, plan=practice, practice=practice, complete4=start + 3 <= CUT, complete8=start + 7 <= CUT
    ).take(order)
    return History(
        cut=CUT,
        dataset={},
        products=products,
        known=np.ones(PRODUCTS, dtype=bool),
        ids=vocabulary.ids(products),
        price=np.ones(PRODUCTS, dtype=np.float32),
        label=np.zeros(PRODUCTS, dtype=np.float32),
        texts=[],
        text_of=np.zeros(PRODUCTS, dtype=np.int64),
        vocabulary=vocabulary,
        sales=rows[rows["week"] <= CUT].assign(units=1.0),
        promotions=promotions[promotions["week"] <= CUT],
        coupons=pd.DataFrame({"product_index": np.zeros(0, int), "week": np.zeros(0, int)}),
        channels=pd.DataFrame({"channel_slot": [0, 1, 2], "kind": ["display", "mailer", "coupon"]}),
        users=pd.DataFrame(),
        launches=launches,
    )


@pytest.fixture(scope="module")
def shop() -> History:
    return history()


def probabilities(shop: History, ids: list[list[int]]) -> np.ndarray:
    head = torch.zeros(len(ids), CHANNEL_SLOTS)
    return torch.sigmoid(practice_rates(shop)(torch.tensor(ids), head)).numpy()


def test_each_category_has_the_channel_that_its_products_had(shop: History) -> None:
    ids = [[*shop.ids[row, :3], 0] for row in range(4)]
    chance = probabilities(shop, ids)
    assert min(chance[1, 0], chance[2, 1]) > 0.3
    assert chance[[0, 3], :2].max() < 0.1
    assert chance[:, 3:].max() < 0.05  # slots without a channel


def test_an_unknown_category_is_left_to_the_head_and_an_unknown_type_to_its_category(shop: History) -> None:
    rates = practice_rates(shop)
    head = torch.full((2, CHANNEL_SLOTS), 0.37)
    known = [int(n) for n in shop.ids[1]]
    unknown, beyond = rates(torch.tensor([[0, 0, 0, 0], [0, 0, 999, known[3]]]), head)
    assert torch.equal(unknown, head[0])
    assert torch.equal(beyond, head[1])
    by_category = rates(torch.tensor([[known[0], known[1], 0, 0]]), head[:1])
    assert float(by_category[0, 0]) > -1.0 > float(by_category[0, 1])


def test_rates_of_a_week_do_not_change_with_what_comes_later(shop: History) -> None:
    later = shop.promotions["week"] > 20
    changed = replace(shop, promotions=shop.promotions.assign(slot=np.where(later, 2, shop.promotions["slot"])))
    for a, b in zip(*(rates_at(one, _carried(one), 20) for one in (shop, changed)), strict=True):
        for part, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(part, other)
            assert part.min() >= 0
            assert part.max() <= 1
    after = [rates_at(one, _carried(one), CUT) for one in (shop, changed)]
    assert not np.array_equal(after[0][0].category, after[1][0].category)


def test_a_shop_without_promotions_has_no_channels() -> None:
    assert probabilities(history(promoted=False), [[1, 1, 1, 1]]).max() < 0.05
