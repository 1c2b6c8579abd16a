"""The tables of related products of a model release: pairs, and the embeddings by which new products find them."""

from pathlib import Path

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from onshelf_exporter.data import engine
from onshelf_exporter.training.history import History
from onshelf_exporter.training.related import complements, lifts, substitutes
from onshelf_exporter.training.related.complements import Together, sampled, with_kinds
from onshelf_exporter.training.related.purchases import GUEST, Purchases, read_purchases, total, whole_weeks
from onshelf_exporter.training.related.substitutes import Switches
from onshelf_release.related import COMPLEMENT, RELATED, SUBSTITUTE

TOP = 20  # of a product and kind
LEAST_USERS = 3  # who bought both, where users are known
DRAWN = 600  # products whose pairs the prior of complements is estimated on; of substitutes, which need one need:
DRAWN_OF_NEEDS = 2_000
APART = 2.0  # joint baskets by which the lift of meeting in baskets is drawn to 1


def related_tables(
    data: Path, history: History, embeddings: NDArray[np.float32], threads: int = 2, memory_gb: float = 1.5
) -> dict[str, pa.Table]:
    """`related` and `related_products`, as `onshelf_release.related` lists their columns."""
    con = engine.connect(threads, memory_gb)
    try:
        purchases = read_purchases(con, data, history, whole_weeks(history))
        pairs = find_pairs(purchases)
    finally:
        con.disconnect()
    both = pd.concat([pairs, pairs.rename(columns={"a": "b", "b": "a"})], ignore_index=True)
    best = both.sort_values(["a", "kind", "lift_low", "b"], ascending=[True, True, False, True])
    best = best[best.groupby(["a", "kind"]).cumcount() < TOP]
    known = np.unique(best["a"].to_numpy(dtype=np.int64))
    return {"related": _pairs_table(best), "related_products": _embedding_table(known, embeddings)}


def find_pairs(purchases: Purchases) -> pd.DataFrame:
    """Complements and substitutes whose interval lies above 1, each pair once (a < b), with its counts."""
    counted = complements.together(purchases)
    found = [bought_together(counted), bought_instead(substitutes.switches(purchases), counted)]
    return pd.concat(found, ignore_index=True)


def bought_together(counted: Together) -> pd.DataFrame:
    """The complements."""
    products = counted.purchases.products
    kinds = lifts.kind_lifts(complements.by_kinds(counted).to_pyarrow().to_pandas())
    drawn = complements.differing(sampled(products, DRAWN), products)
    drawn = counted.purchases.con.create_table("related_drawn", drawn, temp=True)
    prior = _prior(complements.by_user(counted, drawn), drawn, kinds)
    pairs = counted.purchases.con.create_table("related_together", complements.candidates(counted), temp=True)
    frame = counts(complements.by_user(counted, pairs), pairs, "observed")
    frame = lifts.with_lifts(frame, lifts.means(frame, kinds), prior)
    enough = (frame["users"] >= LEAST_USERS) | (frame["guests"] >= complements.LEAST_JOINT)
    return frame[enough & (frame["lift_low"] > 1.0)].assign(kind=COMPLEMENT)


def bought_instead(counted: Switches, together: Together) -> pd.DataFrame:
    """The substitutes."""
    con, products = counted.purchases.con, counted.purchases.products
    kinds = lifts.kind_lifts(substitutes.by_kinds(counted).to_pyarrow().to_pandas())
    drawn = with_kinds(sampled(products, DRAWN_OF_NEEDS), products)
    prior = _prior(substitutes.by_user(counted, drawn), drawn, kinds)
    pairs = con.create_table("related_instead", with_kinds(substitutes.candidates(counted), products), temp=True)
    frame = counts(substitutes.by_user(counted, pairs), pairs, "changes")
    meeting = counts(complements.by_user(together, pairs), pairs, "observed").set_index(["a", "b"])
    meeting = meeting[["observed", "expected"]].reindex(pd.MultiIndex.from_frame(frame[["a", "b"]])).fillna(0.0)
    apart = (meeting["observed"] + APART).to_numpy() < (meeting["expected"] + APART).to_numpy()
    frame = lifts.with_lifts(frame, lifts.means(frame, kinds), prior)
    return frame[apart & (frame["users"] >= LEAST_USERS) & (frame["lift_low"] > 1.0)].assign(kind=SUBSTITUTE)


def _prior(rows: ir.Table, pairs: ir.Table, kinds: pd.Series) -> lifts.Prior:
    frame = counts(rows, pairs, "observed")
    return lifts.fit_prior(frame, lifts.means(frame, kinds))


def counts(rows: ir.Table, pairs: ir.Table, support: str) -> pd.DataFrame:
    """Sums over users by pair; `times` is the sum of the column `support`. Guests' counts scatter as Poisson does."""
    guest = rows.user == GUEST
    seen = rows.observed > 0
    sums = rows.group_by("a", "b").agg(
        observed=total(rows.observed),
        expected=total(rows.expected),
        times=rows[support].sum().cast("int64"),
        users=(seen & ~guest).sum(),
        guests=total(guest.ifelse(rows.observed, 0.0)),
        observed2=total(guest.ifelse(rows.observed, rows.observed * rows.observed)),
        both=total(guest.ifelse(0.0, rows.observed * rows.expected)),
        expected2=total(guest.ifelse(0.0, rows.expected * rows.expected)),
    )
    frame: pd.DataFrame = sums.inner_join(pairs, ["a", "b"]).order_by(["a", "b"]).to_pyarrow().to_pandas()
    return frame


def _pairs_table(best: pd.DataFrame) -> pa.Table:
    columns = {
        "product_index": pa.array(best["a"], pa.int64()),
        "related_index": pa.array(best["b"], pa.int64()),
        "kind": pa.array(best["kind"], pa.int64()),
        **{name: pa.array(best[name], pa.float64()) for name in ("lift", "lift_low", "lift_high")},
        "baskets": pa.array(best["times"], pa.int64()),
        "users": pa.array(best["users"], pa.int64()),
        "expected": pa.array(best["expected"], pa.float64()),
    }
    return pa.table({name: columns[name] for name in RELATED})


def _embedding_table(known: NDArray[np.int64], embeddings: NDArray[np.float32]) -> pa.Table:
    rows = [] if not len(known) else list(embeddings[known].astype(np.float32))
    return pa.table({"product_index": pa.array(known, pa.int64()), "embedding": pa.array(rows, pa.list_(pa.float32()))})
