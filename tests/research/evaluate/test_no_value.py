"""Where a metric has no value in a shop, the report shows a dash or says why; nothing breaks."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from invented_shop import write_shop

from onshelf_exporter.evaluation import bootstrap
from onshelf_exporter.evaluation.bootstrap import Interval
from onshelf_research import evaluate
from onshelf_research.evaluation import tables
from onshelf_research.report import cells, report

Change = Callable[[pd.DataFrame], pd.DataFrame]
LAST_KNOWN = 27  # the cut of the model release that is measured on the validation weeks


def launched(events: pd.DataFrame) -> pd.Series:
    return events["product_index"] >= 80


SHOPS: dict[str, tuple[dict[str, Change], tuple[str, ...]]] = {
    "one user": (
        {"users": lambda t: t[t["user_index"] == 0], "user_product_weeks": lambda t: t[t["user_index"] == 0]},
        (),
    ),
    "nobody who is known bought a launch": (
        {"user_product_weeks": lambda t: t[~launched(t)]},
        ("Not measured: no user with a history bought one of the launches.",),
    ),
    "nobody came back after the cut": (
        {"user_product_weeks": lambda t: t[t["week"] <= LAST_KNOWN]},
        ("Not measured: no user bought anything in the four weeks after the cut.",),
    ),
    "no repeat buyers": ({"launches": lambda t: t.assign(repeat_buyers_8w=0.0)}, ("| – |",)),
    "no promotions": (
        {
            "launches": lambda t: t.assign(is_promotion_first=False, entered_by_sale=np.int8(1), coupon=np.int8(0)),
            "launch_channels": lambda t: t[:0],
            "promotion_weeks": lambda t: t[:0],
        },
        (),
    ),
    "no prices": ({"launches": lambda t: t.assign(price=np.nan)}, ()),
}


@pytest.mark.parametrize("shop_name", SHOPS)
def test_a_shop_in_which_a_metric_has_no_value_is_measured(arguments, tmp_path: Path, shop_name: str) -> None:
    changes, said = SHOPS[shop_name]
    data = write_shop(tmp_path / "invented")
    for name, change in changes.items():
        path = data / "features" / f"{name}.parquet"
        change(pd.read_parquet(path)).to_parquet(path, index=False)
    assert evaluate.run(arguments(tmp_path, "--data", str(data), "--quick")) == 0
    text = (tmp_path / "reports" / "evaluation.md").read_text()
    for sentence in said:
        assert sentence in text
    for wrong in ("nan", "None"):
        assert wrong not in text
    json.loads((tmp_path / "reports" / "evaluation.json").read_text(), parse_constant=pytest.fail)


def test_a_report_shows_a_dash_for_every_number_that_is_missing(arguments, tmp_path: Path) -> None:
    assert evaluate.run(arguments(tmp_path, "--quick")) == 0
    numbers = json.loads((tmp_path / "reports" / "evaluation.json").read_text())

    def emptied(content: object) -> object:
        if isinstance(content, dict):
            return {key: emptied(value) for key, value in content.items()}
        if isinstance(content, list):
            return [emptied(value) for value in content]
        return None if isinstance(content, float) else content

    policy = {part: emptied(numbers["policy"][part]) for part in ("practice", "effects", "survivors", "timing")}
    policy = {"policy": numbers["policy"] | policy}
    text = report.render(numbers | {part: emptied(numbers[part]) for part in MEASURED} | policy)
    assert text.count("–") > report.render(numbers).count("–") + 50
    assert "None" not in text


MEASURED = (
    "ours", "baselines", "versus", "slices", "ours_rolling", "other", "versus_other", "timing", "early_weeks", "seeds",
    "explanations", "new_product_share", "warm", "cold",
)  # fmt: skip


def test_cells_without_a_value_or_an_interval() -> None:
    ours = {"x": {"wape": None, "wape_ci": [None, None], "bias": 1.5, "bias_ci": [None, None]}}
    assert cells.rows_of({"ours": ours}, "x", cells.DEMAND).splitlines()[-1].endswith("| – | 1.500 |")
    row = {"column": "wape", "baseline": "als", "difference": None, "difference_ci": [None, None], "verdict": "open"}
    assert cells.versus([row], cells.DEMAND).splitlines()[-1] == "| WAPE | ALS, 128 factors | – | – to – | open |"
    assert cells.sliced([], cells.COLD) == ""


@pytest.mark.parametrize(
    ("difference", "more_is_better", "verdict"),
    [
        (Interval(0.2, 0.1, 0.3), True, "ahead"),
        (Interval(0.2, 0.1, 0.3), False, "behind"),
        (Interval(0.2, -0.1, 0.3), True, "open"),
        (Interval(0.2, float("nan"), float("nan")), True, "open"),
        (Interval(float("nan"), float("nan"), float("nan")), False, "open"),
    ],
)
def test_a_comparison_without_an_interval_is_open(difference: Interval, more_is_better: bool, verdict: str) -> None:
    assert tables.Versus("x", "rival", difference, more_is_better).verdict == verdict


def test_a_comparison_needs_a_value_of_ours() -> None:
    nothing, something = np.full(4, np.nan), np.array([0.1, 0.2, 0.3, np.nan])
    ways = [np.arange(4)]
    intervals, versus = tables.compare_rows({"ours": {"n": nothing}, "als": {"n": something}}, {"n": ways}, 20)
    assert np.isnan(intervals["n"].value)
    assert versus == []
    empty = np.zeros(0)
    intervals, versus = tables.compare_rows({"ours": {"n": empty}, "als": {"n": empty}}, {"n": [ways[0][:0]]}, 20)
    assert np.isnan(intervals["n"].low)
    assert versus == []
    assert bootstrap.cluster_weights([ways[0][:0]], 3, 1).shape == (3, 0)
