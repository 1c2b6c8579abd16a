"""Every metric again from the written predictions and the data alone: pandas and numpy, none of the code under test."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, rankdata

PIT_SEED = 20170102  # stated in the report


@pytest.fixture(scope="module")
def numbers(out: Path) -> dict:
    return json.loads((out / "reports" / "evaluation.json").read_text())


@pytest.fixture(scope="module")
def tables(out: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in (out / "reports" / "predictions").glob("*.parquet")}


@pytest.fixture(scope="module")
def bought(prepared: Path) -> pd.DataFrame:
    features = prepared / "features"
    events = pd.read_parquet(features / "user_product_weeks.parquet").query("kind == 'purchase'")
    for name in ("product", "user"):
        names = pd.read_parquet(features / f"{name}s.parquet").set_index(f"{name}_index")[f"{name}_id"]
        events[f"{name}_id"] = events[f"{name}_index"].map(names)
    launched = pd.read_parquet(features / "launches.parquet").set_index("product_id")["launch_week"]
    return events.assign(age=events["week"] - events["product_id"].map(launched))


def gain(hits: np.ndarray, positives: int, k: int = 10) -> tuple[float, float]:
    discount = 1 / np.log2(np.arange(2, k + 2))
    best = min(positives, k)
    return float(hits[:k] @ discount[: len(hits[:k])] / discount[:best].sum()), float(hits[:k].sum() / best)


def lists(table: pd.DataFrame, wanted: dict[str, set[str]]) -> tuple[float, float]:
    """Mean N@10 and R@10 over the users of `wanted`."""
    ranked = table.sort_values("rank").groupby("user_id")["product_id"].apply(list).to_dict()
    values = []
    for user, products in wanted.items():
        listed = ranked.get(user, [])
        values.append(gain(np.array([product in products for product in listed], dtype=float), len(products)))
    return tuple(np.mean(values, axis=0))


def sets(events: pd.DataFrame) -> dict[str, set[str]]:
    return events.groupby("user_id")["product_id"].apply(set).to_dict()


def test_columns_are_those_that_are_documented(tables):
    assert {name: list(table.columns) for name, table in tables.items()} == {
        "demand": [
            "product_id",
            "launch_week",
            "is_pf",
            "is_food",
            "price_tercile",
            "horizon_weeks",
            "mean",
            "p10",
            "p50",
            "p90",
            "cdf_below",
            "cdf_at",
        ],
        "audience": ["product_id", "user_id", "score"],
        "recommend_warm": ["user_id", "product_id", "rank", "list"],
        "recommend_cold": ["user_id", "product_id", "rank", "list"],
    }
    assert set(tables["recommend_warm"]["list"]) == {"all", "new"}
    assert set(tables["recommend_cold"]["list"]) == {"cold"}
    assert tables["recommend_warm"]["rank"].between(1, 50).all()
    assert not tables["recommend_warm"].duplicated(["user_id", "list", "rank"]).any()
    assert not tables["demand"].duplicated(["product_id", "horizon_weeks"]).any()


@pytest.mark.parametrize(("weeks", "found"), [(8, ("ours", "demand")), (4, ("other", "units_4w", "ours"))])
def test_demand(tables, numbers, bought, weeks, found):
    rows = tables["demand"].query("horizon_weeks == @weeks")
    sold = bought[bought["age"].between(0, weeks - 1)].groupby("product_id")["quantity"].sum()
    y = sold.reindex(rows["product_id"]).fillna(0.0).to_numpy()
    reported = numbers
    for key in found:
        reported = reported[key]
    mean, p50, first = rows["mean"].to_numpy(), rows["p50"].to_numpy(), rows["is_pf"].to_numpy()
    logs = np.where(y > 0, y * np.log(np.maximum(y, 1e-9) / np.maximum(mean, 0.05)), 0.0)
    best = np.argsort(-mean, kind="stable")
    tenth = len(y) / 10
    pit = rows["cdf_below"] + np.random.default_rng(PIT_SEED).random(len(y)) * (rows["cdf_at"] - rows["cdf_below"])
    whole = int(tenth)
    computed = {
        "wape": np.abs(y - p50).sum() / y.sum(),
        "wape_pf": np.abs(y - p50)[first].sum() / y[first].sum(),
        "poisson_deviance": 2 * np.mean(logs - (y - np.maximum(mean, 0.05))),
        "bias": mean.sum() / y.sum(),
        "spearman": np.corrcoef(rankdata(y), rankdata(mean))[0, 1],
        "pit_coverage80": np.mean((pit >= 0.1) & (pit <= 0.9)),
        "pit_p": kstest(pit, "uniform").pvalue,
    }
    if weeks == 8:
        losses = [
            np.maximum(t * (y - rows[c]), (t - 1) * (y - rows[c]))
            for t, c in ((0.1, "p10"), (0.5, "p50"), (0.9, "p90"))
        ]
        computed["pinball"] = np.mean(losses)
    for name, value in computed.items():
        assert value == pytest.approx(reported[name], rel=1e-6), name
    if len(np.unique(mean)) == len(mean):
        part = y[best[:whole]].sum() + (tenth - whole) * y[best[whole]]
        assert part / y.sum() == pytest.approx(reported["top10_capture"], rel=1e-6)


def test_audience(tables, numbers, bought):
    scores = tables["audience"].pivot(index="product_id", columns="user_id", values="score")
    early = bought[bought["age"].between(0, 7)]
    took = (
        pd.crosstab(early["product_id"], early["user_id"]).reindex(scores.index, columns=scores.columns).fillna(0) > 0
    )
    auc = []
    for score, hit in zip(scores.to_numpy(), took.to_numpy(), strict=True):
        assert hit.sum() >= 3
        ranks = rankdata(score)
        auc.append((ranks[hit].sum() - hit.sum() * (hit.sum() + 1) / 2) / (hit.sum() * (~hit).sum()))
    assert len(auc) == numbers["cold"]["launches"]
    assert scores.shape[1] == numbers["cold"]["households"]
    assert np.mean(auc) == pytest.approx(numbers["ours"]["cold"]["auc"], rel=1e-6)


def test_recommendations(tables, numbers, bought):
    cut = numbers["warm"]["cut"]
    after = bought[bought["week"].between(cut + 1, cut + 4)]
    known = pd.MultiIndex.from_frame(bought.loc[bought["week"] <= cut, ["user_id", "product_id"]])
    fresh = after[~pd.MultiIndex.from_frame(after[["user_id", "product_id"]]).isin(known)]
    table, ours = tables["recommend_warm"], numbers["ours"]["warm"]
    for name, wanted in (("all", sets(after)), ("new", sets(fresh))):
        found = lists(table[table["list"] == name], wanted)
        assert found == pytest.approx((ours[f"{name}_n10"], ours[f"{name}_r10"]), rel=1e-6)
    measured = tables["demand"]["product_id"].unique()
    early = bought[bought["age"].between(0, 7) & bought["product_id"].isin(measured)]
    wanted = {user: products for user, products in sets(early).items() if user in set(tables["audience"]["user_id"])}
    ours = numbers["ours"]["cold"]
    assert lists(tables["recommend_cold"], wanted) == pytest.approx((ours["rec_n10"], ours["rec_r10"]), rel=1e-6)
