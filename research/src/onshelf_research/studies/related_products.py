"""Do complements and substitutes hold in weeks that they were not found in?

    onshelf-exporter study related_products

Pairs are found up to a cut, as a model release finds them, and counted anew in the weeks after it with what chance
makes there.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from onshelf_exporter.data import engine
from onshelf_exporter.training.history import History
from onshelf_exporter.training.related import complements, substitutes
from onshelf_exporter.training.related.purchases import read_purchases, whole_weeks
from onshelf_exporter.training.related.table import counts, find_pairs
from onshelf_release.related import COMPLEMENT, SUBSTITUTE
from onshelf_research.studies.inputs import LAST_WEEK, Setting
from onshelf_research.studies.table import Table

CUT = 27
FEW = 1.0  # expected joint purchases from which a pair's own lift is looked at
STRONGEST = 0.1  # share of pairs
MEMORY_GB = 2.0
COLUMNS = [
    *("pairs", "n", "lift found", "lift later", "later over foretold", "n with 1 expected", "lift later above 1"),
    *("expected share above 1", "inside the 95 % interval"),
]


def study(setting: Setting) -> Table:
    """Pairs found up to week 27, counted in weeks 28-39."""
    return held_out(setting.data, setting.history(CUT), LAST_WEEK)


def held_out(data: Path, history: History, last: int) -> Table:
    """Pairs found up to the history's cut, counted in the weeks after it up to `last`."""
    first = int(history.cut) + 1
    found, later = pairs_later(data, history, (first, last))
    table = Table(
        title=f"Related products found up to week {history.cut}, in weeks {first}-{last}",
        question="Do complements and substitutes hold in weeks that they were not found in?",
        columns=COLUMNS,
    )
    for name, kind in (("complements", COMPLEMENT), ("substitutes", SUBSTITUTE)):
        of_kind = (found["kind"] == kind).to_numpy()
        table.add(*_row(name, found[of_kind], later[of_kind]))
        strong = of_kind & (found["lift_low"] >= found["lift_low"][of_kind].quantile(1 - STRONGEST)).to_numpy()
        table.add(*_row(f"{name}, strongest tenth", found[strong], later[strong]))
    table.remarks += [
        "Lift later: all pairs' joint purchases in the later weeks over those that chance makes there; foretold: each "
        "pair's lift times what chance makes.",
        f"Pairs of which chance makes at least {FEW:g} later: the share whose own later lift lies above 1, beside the "
        "share that the pairs' posteriors lead to expect, as counts are few. Inside: the later count within the 95 % "
        "interval of the posterior prediction.",
    ]
    return table


def pairs_later(data: Path, history: History, weeks: tuple[int, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pairs that the history holds, and their counts (observed, expected) in other weeks, row by row."""
    con = engine.connect(memory_gb=MEMORY_GB)
    found = find_pairs(read_purchases(con, data, history, whole_weeks(history)))
    con.disconnect()
    con = engine.connect(memory_gb=MEMORY_GB)
    purchases = read_purchases(con, data, history, weeks, least_baskets=1)
    together, instead = complements.together(purchases), substitutes.switches(purchases)
    parts = []
    for kind, rows in ((COMPLEMENT, complements.by_user), (SUBSTITUTE, substitutes.by_user)):
        wanted = found.loc[found["kind"] == kind, ["a", "b", "kind_a", "kind_b"]]
        pairs = con.create_table(f"wanted_{kind}", pa.Table.from_pandas(wanted, preserve_index=False), temp=True)
        counted = counts(rows(together if kind == COMPLEMENT else instead, pairs), pairs, "observed")  # type: ignore[arg-type]
        parts.append(wanted.merge(counted[["a", "b", "observed", "expected"]], on=["a", "b"], how="left").fillna(0.0))
    con.disconnect()
    return found, pd.concat(parts, ignore_index=True)


def _row(name: str, found: pd.DataFrame, later: pd.DataFrame) -> list[str | float | int]:
    seen, chance = later["observed"].to_numpy(), later["expected"].to_numpy()
    foretold = found["lift"].to_numpy() * chance
    shape, rate = found["shape"].to_numpy(), found["rate"].to_numpy()
    enough = chance >= FEW
    share = rate / (rate + np.maximum(chance, 1e-12))
    low, high = stats.nbinom.ppf([[0.025], [0.975]], shape, share)
    above = 1.0 - stats.nbinom.cdf(np.floor(chance), shape, share)
    inside = (seen >= np.floor(low)) & (seen <= np.ceil(high))
    return [
        *(name, len(found), float(found["observed"].sum() / found["expected"].sum())),
        *(float(seen.sum() / chance.sum()), float(seen.sum() / foretold.sum())),
        *(int(enough.sum()), float((seen > chance)[enough].mean()), float(above[enough].mean())),
        float(inside[enough].mean()),
    ]
