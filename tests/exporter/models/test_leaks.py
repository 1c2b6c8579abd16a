"""No model release sees beyond its cut: everything after it is changed, and nothing that is learned from changes."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from onshelf_exporter.training.behaviour import histories, load_events, profiles
from onshelf_exporter.training.context import context_table, price_levels, seasonality_table
from onshelf_exporter.training.history import History, load_history
from onshelf_exporter.training.kin import build_kin, kin_tables
from onshelf_exporter.training.life_cycle import life_cycle_table
from onshelf_exporter.training.outcome import launch_features, outcome_rows
from onshelf_exporter.training.recipe import OutcomeRecipe, TowerRecipe
from onshelf_exporter.training.response import build_panel
from onshelf_exporter.training.tables import categories_table, channels_table, launches_table, products_table
from onshelf_exporter.training.targets import build_targets, newest_outcomes
from onshelf_exporter.training.towers import launch_rows, state_at, warm_rows

CUT = 27


@pytest.fixture(scope="module")
def changed_future(complete_journey: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same data with another future: later weeks sell ten times as much, later launches go otherwise."""
    folder = tmp_path_factory.mktemp("future")
    features = folder / "features"
    features.mkdir()
    shutil.copyfile(complete_journey / "dataset.json", folder / "dataset.json")
    for path in (complete_journey / "features").glob("*.parquet"):
        frame = pd.read_parquet(path)
        if path.stem == "launches":
            week = frame["launch_week"]
            for name in [c for c in frame.columns if c.endswith(("_4w", "_8w"))]:
                beyond = week + (3 if name.endswith("_4w") else 7) > CUT
                frame[name] = frame[name].where(~beyond, 777.0).astype("float64")
            running = week + 7 > CUT
            frame["price"] = frame["price"].where(~running, 555.0)
            newest = week + 1 > CUT
            frame["discount"] = frame["discount"].where(~newest, 0.77)
            frame["coupon"] = frame["coupon"].where(~newest, 1 - frame["coupon"])
            frame = frame[week <= CUT]
        elif path.stem == "launch_channels":
            launches = pd.read_parquet(path.parent / "launches.parquet").set_index("product_id")["launch_week"]
            newest = frame["product_id"].map(launches) + 1 > CUT
            frame["coverage_plan"] = frame["coverage_plan"].where(~newest, 0.5)
        elif "week" in frame.columns:
            future = frame["week"] > CUT
            for name in frame.select_dtypes("number").columns.difference(["week", "product_index", "user_index"]):
                frame[name] = frame[name].where(~future, frame[name] * 10 + 1)
        elif path.stem == "products":
            frame["list_price"] = 999.0
            frame["first_week"] = frame["first_week"].where(~(frame["first_week"] > CUT), 53.0)
            frame["launch_week"] = frame["launch_week"].where(~(frame["launch_week"] > CUT))
        frame.to_parquet(features / path.name)
    return folder


@pytest.fixture(scope="module")
def pair(complete_journey: Path, changed_future: Path) -> tuple[History, History]:
    return load_history(complete_journey, CUT), load_history(changed_future, CUT)


def equal(a: object, b: object) -> bool:
    if isinstance(a, torch.nn.Module) and isinstance(b, torch.nn.Module):
        return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return torch.equal(torch.nan_to_num(a, -9.0), torch.nan_to_num(b, -9.0))
    return bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind == "f"))


def test_targets_and_context_do_not_change(pair: tuple[History, History]) -> None:
    targets = [build_targets(h, newest_outcomes(h)) for h in pair]
    for name in targets[0].__dataclass_fields__:
        assert equal(*(getattr(t, name) for t in targets)), name
    assert equal(*(context_table(h) for h in pair))
    assert equal(*(seasonality_table(h) for h in pair))
    for a, b in zip(*(price_levels(h) for h in pair), strict=True):
        assert equal(a, b)


def test_prices_and_plans_of_running_launches_do_not_change(pair: tuple[History, History]) -> None:
    one, two = (history.launches for history in pair)
    for name in ("price", "discount", "coupon"):
        assert equal(one.frame[name], two.frame[name]), name
        assert one.frame[name].notna().all(), name
    assert equal(one.plan, two.plan)
    assert equal(pair[0].price, pair[1].price)
    newest = (one.frame["launch_week"] == CUT).to_numpy()
    assert one.plan[newest].sum() > 0
    assert one.plan.max() <= 1
    running = one.frame.loc[~one.complete8, "price"]
    assert running.between(0.05, 200).all()
    assert running.nunique() > 50


def test_launches_are_training_rows_only_when_their_outcome_lies_within_the_cut(pair: tuple[History, History]) -> None:
    rows = [outcome_rows(h) for h in pair]
    for name in rows[0].__dataclass_fields__:
        assert equal(*(getattr(r, name) for r in rows)), name
    week = torch.from_numpy(pair[0].launches.frame["launch_week"].to_numpy().astype(np.int64))
    known = torch.isfinite(rows[0].units)
    assert torch.equal(known[:, 0], week + 3 <= CUT)
    assert torch.equal(known[:, 1], week + 7 <= CUT)
    assert int(known[:, 1].sum()) > 500


def test_what_the_forest_reads_does_not_change(
    pair: tuple[History, History], complete_journey: Path, changed_future: Path
) -> None:
    kins = [build_kin(h, load_events(f, CUT)) for h, f in zip(pair, (complete_journey, changed_future), strict=True)]
    for name in kins[0].__dataclass_fields__:
        if name not in ("events", "keys", "first"):
            assert equal(*(getattr(kin, name) for kin in kins)), name
    features = [launch_features(h, kin, outcome_rows(h), 3) for h, kin in zip(pair, kins, strict=True)]
    assert equal(*features)
    assert np.isfinite(features[0]).all()
    tables = [kin_tables(h, kin) for h, kin in zip(pair, kins, strict=True)]
    assert equal(*tables)


def test_a_launch_is_not_seen_by_its_own_features(complete_journey: Path) -> None:
    """All that each of some launches sold is changed; what the forest reads of them stays."""
    history, events = load_history(complete_journey, CUT), load_events(complete_journey, CUT)
    frame = history.launches.frame
    late = (frame["launch_week"] >= CUT - 8).to_numpy()
    chosen = frame.loc[late, "product_index"].to_numpy()
    kin = build_kin(history, events)
    mine = {n: np.isin(p, chosen) & (w >= CUT - 8) for n, (p, w, _) in kin.events.items()}
    changed = {n: (p, w, np.where(mine[n], v * 10 + 1, v)) for n, (p, w, v) in kin.events.items()}
    first = late & (frame["launch_week"] == CUT - 8).to_numpy()
    features = [launch_features(history, k, outcome_rows(history), 3) for k in (kin, replace(kin, events=changed))]
    assert first.sum() > 20
    assert equal(features[0][first], features[1][first])
    assert not equal(features[0][late], features[1][late])  # later launches do see those before them


def test_the_response_panel_does_not_change(pair: tuple[History, History]) -> None:
    panels = [build_panel(h, OutcomeRecipe().response_products) for h in pair]
    assert panels[0] is not None
    assert panels[1] is not None
    for name in panels[0]._fields:
        assert equal(getattr(panels[0], name), getattr(panels[1], name)), name


def test_tables_do_not_change(pair: tuple[History, History]) -> None:
    for table in (categories_table, products_table, launches_table, life_cycle_table):
        assert table(pair[0]).equals(table(pair[1])), table.__name__
    counts = channels_table(pair[0]).column("n_launches").to_pylist()
    assert counts == channels_table(pair[1]).column("n_launches").to_pylist()


def test_users_do_not_change(pair: tuple[History, History], complete_journey: Path, changed_future: Path) -> None:
    events = [load_events(folder, CUT) for folder in (complete_journey, changed_future)]
    products = len(pair[0].products)
    for name in ("products", "ages", "quantities", "kinds"):
        assert equal(*(getattr(histories(e, CUT, 64, 16.0, products), name) for e in events)), name
    assert equal(*(profiles(e, h, CUT) for e, h in zip(events, pair, strict=True)))


def test_what_rankers_learn_from_does_not_change(
    pair: tuple[History, History], complete_journey: Path, changed_future: Path
) -> None:
    recipe = TowerRecipe(history=16, launch_products=5, launch_negatives=2)
    embeddings = np.random.default_rng(1).normal(size=(len(pair[0].products), 128)).astype(np.float32)
    found = []
    for history, folder in zip(pair, (complete_journey, changed_future), strict=True):
        events = load_events(folder, CUT)
        state = state_at(history, events, embeddings, CUT - 8, recipe, seed=1)
        warm = warm_rows(state, events, recipe, np.random.default_rng(2))
        new = launch_rows(state, history, events, recipe, np.random.default_rng(2))
        found.append((*warm, new))
    for a, b in zip(*found, strict=True):
        assert equal(a.features, b.features)
        assert equal(a.label, b.label)
        assert len(a) > 1000
        assert 0 < float(a.label.mean()) < 0.6


def test_histories_at_an_anchor_hold_nothing_from_its_targets_weeks(complete_journey: Path) -> None:
    events = load_events(complete_journey, CUT)
    products = int(events.product.max()) + 1
    early, late = (histories(e, 20, 64, 16.0, products) for e in (events, events.until(20)))
    assert equal(early.products, late.products)
    assert equal(early.quantities, late.quantities)


def test_embeddings_do_not_learn_the_outcomes_that_calibrate(pair: tuple[History, History]) -> None:
    history = pair[0]
    frame = history.launches.frame
    newest = newest_outcomes(history)
    assert frame["launch_week"][newest & history.launches.complete8].nunique() == 5
    hidden = frame["product_index"].to_numpy()[newest]
    targets = build_targets(history, newest)
    assert np.isnan(targets.launch_units[hidden]).all()
    assert np.isnan(targets.units[hidden]).all()
    assert (targets.depth[hidden] == 0).all()
    assert np.isfinite(targets.launch_units).sum() > 300


def test_a_launch_without_a_sale_has_a_price_all_the_same(pair: tuple[History, History]) -> None:
    frame = pair[0].launches.frame
    unsold = frame["product_index"].to_numpy()[frame["units_8w"].to_numpy() == 0]
    assert len(unsold) > 100
    assert (pair[0].price[unsold] > 0).mean() > 0.99
