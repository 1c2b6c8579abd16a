"""Statistics of kin: looked up in the graph as they are summed in training, and never from a later week."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from onshelf_exporter.models.kin import FEATURES, GROUPS, STATISTICS, KinTables, find, kin_features
from onshelf_exporter.training.behaviour import Events, load_events
from onshelf_exporter.training.history import History, load_history
from onshelf_exporter.training.kin import (
    Kin,
    build_kin,
    by_week_of_life,
    kin_tables,
    overall_rates,
    repeat_events,
    statistics,
    statistics_of,
)

CUT, WEEK = 39, 30


@pytest.fixture(scope="module")
def history(shop_data: Path) -> History:
    return load_history(shop_data, CUT)


@pytest.fixture(scope="module")
def events(shop_data: Path) -> Events:
    return load_events(shop_data, CUT)


@pytest.fixture(scope="module")
def kin(history: History, events: Events) -> Kin:
    return build_kin(history, events)


def by_hand(history: History, kin: Kin, products: np.ndarray, week: int) -> dict[str, float]:
    """Some statistics of a group of products, straight from the tables."""
    sales = history.sales[history.sales["product_index"].isin(products) & (history.sales["week"] <= week)]
    recent, newest = sales[sales["week"] > week - 8], sales[sales["week"] > week - 3]
    first = history.products["first_week"].iloc[products].to_numpy()
    shown = history.promotions[history.promotions["product_index"].isin(products)]
    displays = history.channels.loc[history.channels["kind"] == "display", "channel_slot"]
    mailed = shown[(shown["week"] <= week) & (shown["week"] > week - 8) & ~shown["slot"].isin(displays)]
    launches = history.launches.frame
    launches = launches[launches["product_index"].isin(products)]
    sold = sales.merge(launches[["product_index", "launch_week"]])
    age = sold["week"] - sold["launch_week"]
    return {
        "recent_units": recent["units"].sum(),
        "recent_sales": len(recent),
        "newest_units": newest["units"].sum(),
        "recent_buyers": recent["buyers"].sum(),
        "units": sales["units"].sum(),
        "weeks": np.maximum(week - first[first <= week] + 1, 0).sum(),
        "mailed": len(mailed.groupby(["product_index", "week"])),
        "log_price": np.log(sales.loc[sales["price"] > 0, "price"]).sum(),
        "priced": (sales["price"] > 0).sum(),
        "launch_units": sold.loc[(age >= 0) & (age < 8), "units"].sum(),
        "launch_exposure": sum(kin.shape[: max(min(week - w + 1, 8), 0)].sum() for w in launches["launch_week"]),
    }


@pytest.mark.parametrize("week", [4, WEEK, CUT])
@pytest.mark.parametrize("group", ["category", "brand_type"])
def test_statistics_are_sums_over_the_group_up_to_the_week(history: History, kin: Kin, group: str, week: int) -> None:
    keys, counts = np.unique(kin.keys[group][kin.keys[group] >= 0], return_counts=True)
    key = keys[counts.argmax()]
    found = statistics(kin, group, np.array([key]), np.array([week]))[0, 0]
    wanted = by_hand(history, kin, np.flatnonzero(kin.keys[group] == key), week)
    for name, value in wanted.items():
        assert found[STATISTICS.index(name)] == pytest.approx(value, rel=1e-6), name


def test_the_graph_finds_at_the_cut_what_training_sums(history: History, kin: Kin) -> None:
    known = np.flatnonzero(history.known)
    tables = kin_tables(history, kin)
    ids, attributes = torch.from_numpy(history.ids[known]), torch.from_numpy(history.attributes[known])
    at = np.full(len(known), CUT)
    found, wanted = tables.statistics(ids, attributes), statistics_of(kin, known, at)
    assert torch.allclose(found, wanted)
    assert bool((wanted.abs().sum((0, 2)) > 0).all())  # every group says something
    entered = torch.zeros(len(known), 1)
    features = kin_features(wanted, overall_rates(kin, at), attributes, entered)
    assert features.shape == (len(known), len(FEATURES))
    assert torch.allclose(tables(ids, attributes, entered), features)
    assert bool(torch.isfinite(features).all())


def test_unknown_groups_have_no_statistics(history: History, kin: Kin) -> None:
    tables = kin_tables(history, kin)
    nothing = torch.tensor([[0, 0, 0, 0], [10**6] * 4, [-3] * 4])
    attributes = torch.zeros(3, 2)
    assert not tables.statistics(nothing, attributes).any()
    features = tables(nothing, attributes, torch.zeros(3, 1))
    assert bool(torch.isfinite(features).all())
    assert torch.equal(features[0], features[1])
    partly = torch.from_numpy(history.ids[history.known][:1]).clone()
    partly[:, 3] = 0
    found = tables.statistics(partly, attributes[:1])[0]
    assert [bool(row.any()) for row in found[:4]] == [True, True, True, False]
    assert not found[GROUPS.index("brand_type")].any()


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 7, 8, 9, 1000])
def test_keys_are_found_in_tables_of_any_length(rows: int) -> None:
    random = np.random.default_rng(rows)
    keys = torch.from_numpy(np.concatenate([[-2], np.sort(random.choice(5000, rows, replace=False))]))
    wanted = torch.cat([torch.arange(-1, 5001), torch.tensor([2**40])])
    place = {int(key): i for i, key in enumerate(keys)}
    assert find(keys, wanted).tolist() == [place.get(int(w), 0) for w in wanted]
    shaped = find(keys, wanted[:12].reshape(3, 4))
    assert shaped.tolist() == find(keys, wanted[:12]).reshape(3, 4).tolist()


def test_tables_of_a_shop_without_brands_are_empty_there() -> None:
    empty = (torch.zeros(0, dtype=torch.int64), torch.zeros(0, len(STATISTICS)))
    some = (torch.tensor([1]), torch.ones(1, len(STATISTICS)))
    tables = {group: empty if "brand" in group else some for group in GROUPS}
    found = KinTables((2, 2, 2, 1), torch.tensor([3.0, 0.1]), tables).statistics(
        torch.tensor([[1, 1, 1, 0]]), torch.zeros(1, 2)
    )
    assert [bool(found[0, i].any()) for i in range(len(GROUPS))] == [
        "brand" not in g and g != "type_label" for g in GROUPS
    ]


def test_what_happens_from_a_week_on_changes_no_earlier_statistic(kin: Kin) -> None:
    products = np.arange(len(kin.first))
    changed = replace(
        kin,
        events={n: (p, w, np.where(w >= WEEK, v * 10 + 1, v)) for n, (p, w, v) in kin.events.items()},
        first=np.where(kin.first >= WEEK, np.inf, kin.first),
    )
    for week in (1, 8, WEEK - 1):
        at = np.full(len(products), week)
        assert torch.equal(statistics_of(kin, products, at), statistics_of(changed, products, at)), week
        assert torch.equal(overall_rates(kin, at), overall_rates(changed, at)), week
    at = np.full(len(products), WEEK)
    moved = (statistics_of(kin, products, at) != statistics_of(changed, products, at)).any(0)
    assert moved.any(0).sum() >= len(STATISTICS) - 5


def test_an_earlier_cut_sees_the_same_events(shop_data: Path, kin: Kin) -> None:
    """Of all that is summed, only the cap and the shape of a launch depend on what came later."""
    early = build_kin(load_history(shop_data, WEEK), load_events(shop_data, WEEK))
    for name in set(early.events) - {"launch_exposure"}:
        late = kin.events[name]
        rows = late[1] <= WEEK
        capped = 20.0 if name.endswith("units") else np.inf  # no cap is lower
        for a, b in zip(early.events[name], late, strict=True):
            assert np.array_equal(np.minimum(a, capped), np.minimum(b[rows], capped)), name
    product, week, _ = kin.events["launch_exposure"]
    assert np.array_equal(early.events["launch_exposure"][0], product[week <= WEEK])
    assert np.abs(early.shape - kin.shape).max() < 0.1


def test_weeks_of_life_beyond_the_cut_are_not_known(history: History) -> None:
    weekly = by_week_of_life(history, "units")
    start = history.launches.frame["launch_week"].to_numpy()
    assert np.array_equal(np.isfinite(weekly).sum(1), np.clip(CUT - start + 1, 0, 8))
    complete = history.launches.complete8
    assert np.allclose(weekly[complete].sum(1), history.launches.frame["units_8w"][complete])


def test_a_repeat_is_a_second_week_within_eight() -> None:
    def rows(*weeks: int) -> Events:
        n = len(weeks)
        zero = np.zeros(n, dtype=np.int64)
        return Events(
            users=2,
            user=zero,
            product=zero + 4,
            week=np.array(weeks),
            quantity=np.ones(n),
            revenue=np.ones(n),
            discount=np.ones(n),
            kind=zero + 1,
        )

    def found(events: Events, cut: int) -> list[tuple[list[float], ...]]:
        return [tuple(part.tolist() for part in value) for value in repeat_events(events, cut).values()]

    assert found(rows(3, 10), 40) == [([4], [10], [1.0]), ([4], [10], [1.0])]
    assert found(rows(3, 11), 40) == [([4], [10], [1.0]), ([4], [10], [0.0])]
    assert found(rows(3), 40) == [([4], [10], [1.0]), ([4], [10], [0.0])]
    assert found(rows(3, 4), 9) == [([], [], []), ([], [], [])]  # the eight weeks are not over
    assert found(rows(), 9) == [([], [], []), ([], [], [])]
