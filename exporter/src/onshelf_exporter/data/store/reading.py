"""What the store holds, copied into Parquet files a batch at a time; docs/feedback.md documents its tables.

Events, upserted products and decided launches become tables that the engine reads. Forgotten users are read before and
after, and everything again where somebody was forgotten meanwhile: then no file holds them.
"""

import datetime as dt
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis.backends.sql import SQLBackend

from onshelf_exporter.data.store import messages
from onshelf_exporter.data.store.connection import opened
from onshelf_release.forgotten_users import ForgottenUsers

BATCH = 100_000  # rows read at once
NANOS = 1e9
EXECUTED = ("accepted", "changed")
EVENTS = pa.schema(
    [
        *((name, pa.string()) for name in ("event_id", "kind", "user_id", "product_id")),
        ("time", pa.timestamp("us")),
        *((name, pa.float64()) for name in ("quantity", "revenue", "discount", "rating")),
        *((name, pa.string()) for name in ("text", "site_id")),
    ]
)


@dataclass(frozen=True, kw_only=True)
class StoreData:
    """What was read.

    Attributes:
        folder: events.parquet, products.parquet and launch_plans.parquet.
        forgotten: who is in none of them.
        newest_day: local day of the newest event, of whatever kind; None before there is one.
        with_events: whether events were read.
        last_forgotten: when somebody was forgotten last, UTC.
        rows: of each table.
    """

    folder: Path
    forgotten: ForgottenUsers
    newest_day: dt.date | None
    with_events: bool
    last_forgotten: dt.datetime | None = None
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hash of all that was read."""
        parts = [self.forgotten.digest, str(self.newest_day), str(self.with_events)]
        digest = hashlib.sha256("\n".join(parts).encode())
        for path in sorted(self.folder.glob("*.parquet")):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def described(self) -> dict[str, object]:
        """For dataset.json."""
        return {
            **self.rows,
            "forgotten_users": len(self.forgotten.hashes),
            "last_forgotten": self.last_forgotten and f"{self.last_forgotten.isoformat(timespec='seconds')}Z",
        }


@contextmanager
def store_data(store: str, beside: Path, with_events: bool = True) -> Iterator[StoreData]:
    """The content of a store in a folder that is there as long as the context.

    Args:
        store: URL or path.
        beside: folder to make it in.
        with_events: False reads no events: those of a part of the shop would look like a collapse of all sales.
    """
    beside.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".store-", dir=beside))
    try:
        with opened(store) as con:
            yield _read(con, folder, with_events)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_forgotten(con: SQLBackend) -> ForgottenUsers:
    """Who asked to be forgotten."""
    key = con.to_pyarrow(con.table("feedback_state").user_hash_key)[0].as_py()
    return ForgottenUsers(key, frozenset(con.to_pyarrow(con.table("forgotten_users").user_hash).to_pylist()))


def last_forgotten(con: SQLBackend) -> dt.datetime | None:
    """When somebody was forgotten last, UTC; None = nobody was."""
    receipts = con.table("forgotten_users").select("forgotten_at")
    newest = con.to_pyarrow(receipts.order_by(receipts.forgotten_at.desc()).limit(1))["forgotten_at"].to_pylist()
    return newest[0] if newest else None


def _read(con: SQLBackend, folder: Path, with_events: bool) -> StoreData:
    while True:
        forgotten = read_forgotten(con)
        rows = {"events": _copy_events(con, folder / "events.parquet", forgotten) if with_events else 0}
        plans, planned = messages.plans(_decided(con))
        for name, table in (("launch_plans", plans), ("products", messages.products(_upserted(con), planned))):
            pq.write_table(table, folder / f"{name}.parquet")
            rows[name] = table.num_rows
        if read_forgotten(con) == forgotten:
            break
    newest = con.to_pyarrow(con.table("feedback_state").newest_day)[0].as_py()
    return StoreData(
        folder=folder,
        forgotten=forgotten,
        newest_day=dt.date.fromisoformat(newest) if newest and with_events else None,
        with_events=with_events,
        last_forgotten=last_forgotten(con),
        rows=rows,
    )


def _copy_events(con: SQLBackend, path: Path, forgotten: ForgottenUsers) -> int:
    """All events but impressions, and but those of forgotten users; returns how many."""
    events = con.table("events")
    events = events.filter(events.kind != "impression")
    chosen = events.select(
        "sequence", "event_id", "kind", "user_id", "product_id", "time", "quantity", "rating", "text", "site_id",
        revenue=events.revenue_nanos.cast("float64") / NANOS,
        discount=events.discount_nanos.cast("float64") / NANOS,
    )  # fmt: skip
    rows = 0
    with pq.ParquetWriter(path, EVENTS) as writer:
        for batch in _batches(con, chosen, "sequence"):
            kept = batch.select(EVENTS.names).cast(EVENTS)
            users = pc.unique(kept["user_id"])
            gone = users.take(pa.array(forgotten.among(users.to_pylist())))
            kept = kept.filter(pc.invert(pc.is_in(kept["user_id"], gone)))
            writer.write_table(kept)
            rows += kept.num_rows
    return rows


def _batches(con: SQLBackend, table: ir.Table, number: str) -> Iterator[pa.Table]:
    """The rows of a table in the order of a column of rising numbers, some at a time."""
    last = -1
    while True:
        batch = con.to_pyarrow(table.filter(table[number] > last).order_by(number).limit(BATCH))
        if not batch.num_rows:
            return
        last = batch[number][-1].as_py()
        yield batch


def _upserted(con: SQLBackend) -> list[bytes]:
    """Products in the catalog that are not deleted, serialized, by id."""
    products = con.table("catalog_products")
    kept = products.filter(~products.deleted).order_by("product_id")
    return list(con.to_pyarrow(kept.select("product"))["product"].to_pylist())


def _decided(con: SQLBackend) -> list[dict[str, Any]]:
    """The last decision of each plan that is executed, with the question and its answer, by time."""
    decisions, answers = con.table("decisions"), con.table("answers")
    last = decisions.group_by("plan_id").agg(revision=decisions.revision.max())
    decisions = decisions.inner_join(last, ["plan_id", "revision"])
    decisions = decisions.filter(decisions.kind.isin(EXECUTED))
    joined = decisions.inner_join(answers, decisions.plan_id == answers.answer_id, rname="{name}_of_answer")
    chosen = joined.select(
        "plan_id", "product_id", "decided_at", "decision", "plan", "request", "response", asked="kind_of_answer"
    )
    return list(con.to_pyarrow(chosen.order_by("decided_at", "plan_id")).to_pylist())
