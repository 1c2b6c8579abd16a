"""The replay file: real launches of the weeks after the replay release's cut, with what was done and what came of it.

Which launches: a number of them drawn with a fixed seed, without a look at their outcome, department by department in
proportion to the department's launches (at least one of each), so that zero-sale launches are there as often as they
were.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from onshelf_exporter.data.weeks import Cut, as_of_cut, calendar_of
from onshelf_exporter.process.json_file import write_json
from onshelf_exporter.training.history import load_history
from onshelf_exporter.training.runs import Run


def write_replay(training: Run, version: int, path: Path) -> int:
    """Write the replay file for the replay release `version`; returns how many launches it holds."""
    release = training.recipe.release
    first, last = training.week(release.replay_from_week), training.week(release.replay_to_week)
    history = load_history(training.data, Cut(last + 7))
    week = history.launches.frame["launch_week"].to_numpy()
    inside = (week >= first) & (week <= last) & history.launches.complete8
    launches = history.launches.take(inside)
    department = history.products["department"].to_numpy()[launches.frame["product_index"].to_numpy()]
    chosen = draw(department, release.replay_launches, training.recipe.seed)
    launches = launches.take(chosen)
    names = dict(zip(history.channels["channel_slot"], history.channels["channel_id"], strict=True))
    calendar = calendar_of(history.dataset)
    products = history.products.iloc[launches.frame["product_index"].to_numpy()]
    rows: list[dict[str, Any]] = []
    for product, launch, plan in zip(
        products.to_dict("records"), launches.frame.to_dict("records"), launches.plan, strict=True
    ):
        levels = [product[level] for level in ("department", "category", "type") if product[level]]
        rows.append(
            {
                "product": {
                    "product_id": str(product["product_id"]),
                    "title": product["title"],
                    "brand": product["brand"] or None,
                    "category_path": levels,
                    "list_price": round(float(launch["price"]), 4) if launch["price"] > 0 else None,
                    "private_label": {1: True, 0: False}.get(int(product["private_label"])),
                },
                "action": {
                    "launch_week": int(launch["launch_week"]),
                    "launch_date": calendar.first_day(int(launch["launch_week"])).isoformat(),
                    "week_of_year": calendar.week_of_year(int(launch["launch_week"])),
                    "price": round(float(launch["price"]), 4) if launch["price"] > 0 else None,
                    "discount": _number(launch["discount"]),
                    "coupon": int(launch["coupon"]),
                    "entered_by_sale": int(launch["entered_by_sale"]),
                    "is_promotion_first": bool(launch["is_promotion_first"]),
                    "channels": {str(names[int(s)]): round(float(plan[s]), 6) for s in np.flatnonzero(plan)},
                },
                "outcome": {
                    name: _number(launch[name]) for name in ("units_4w", "units_8w", "buyers_8w", "revenue_8w")
                },
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "schema_version": 1,
        "model_release": version,
        "as_of": as_of_cut(history.dataset, training.cut_week("replay")).isoformat(),
        "cut_week": training.cut_week("replay"),
        "weeks": [first, last],
        "launches_in_these_weeks": int(inside.sum()),
        "rule": "drawn with a fixed seed in proportion to the departments, without regard to the outcome",
        "seed": training.recipe.seed,
        "launches": rows,
    }
    write_json(path, content)
    return len(rows)


def draw(department: Any, count: int, seed: int) -> Any:
    """Rows of a proportional draw by department, in random order."""
    generator = np.random.default_rng(seed)
    groups = pd.Series(np.arange(len(department))).groupby(np.asarray(department))
    share = min(1.0, count / max(len(department), 1))
    picks = [generator.permutation(rows.to_numpy())[: max(1, round(share * len(rows)))] for _, rows in groups]
    together = np.concatenate(picks) if picks else np.zeros(0, dtype=np.int64)
    return generator.permutation(together)


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 4)
