"""What is left out of a shop's files, each loss counted in rows, revenue, users and dates."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from onshelf_exporter.data import engine

SAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One thing that is left out.

    Attributes:
        table: canonical table, or the file.
        what: what it is, and why it is left out.
        rows: how many rows.
        samples: some of them; never of users.
        revenue: what they sum to; None where rows have none.
        users: different users among them.
        first: first day.
        last: last day.
        meant: left out because their meaning is understood (a cancelled order), or because a setting says so: no loss.
    """

    table: str
    what: str
    rows: int
    samples: tuple[str, ...] = ()
    revenue: float | None = None
    users: int = 0
    first: dt.date | None = None
    last: dt.date | None = None
    meant: bool = False


@dataclass(frozen=True)
class Reason:
    """Why rows of interactions are left out.

    Attributes:
        found: rows that it applies to.
        what: in words.
        sample: a column that shows what is meant; None for none.
        meant: see Loss.
    """

    found: ir.Value
    what: str
    sample: ir.Value | None = None
    meant: bool = False


def apart(table: ir.Table, reasons: Mapping[str, Reason], name: str) -> tuple[ir.Table, list[Loss]]:
    """The rows that no reason applies to, and what the others are: each row counts for its first reason.

    Args:
        table: held by the engine, with `revenue`, `user_id`, `time` as far as they are known.
        reasons: by a key of their own.
        name: of the table.
    """
    if not reasons:
        return table, []
    which = ibis.cases(*((one.found.fill_null(False), key) for key, one in reasons.items()), else_=None)
    shown = ibis.cases(
        *(
            (one.found.fill_null(False), one.sample.cast("string"))
            for one in reasons.values()
            if one.sample is not None
        ),
        (ibis.literal(False), ibis.literal("")),
        else_=None,
    )
    marked = table.mutate(reason=which, shown=shown)
    out = marked.filter(marked.reason.notnull())
    figures = {
        "rows": out.count(),
        "revenue": out.revenue.sum() if "revenue" in table.columns else ibis.null("float64"),
        "users": out.user_id.nunique() if "user_id" in table.columns else ibis.literal(0),
        "first": out.time.min().date() if "time" in table.columns else ibis.null("date"),
        "last": out.time.max().date() if "time" in table.columns else ibis.null("date"),
    }
    counted = {row["reason"]: row for row in out.group_by("reason").agg(**figures).to_pyarrow().to_pylist()}
    if not counted:
        return table, []
    frequent = out.filter(out.shown.notnull()).group_by("reason", "shown").agg(rows=lambda t: t.count())
    frequent = frequent.order_by(ibis.desc("rows"), "shown").limit(1_000).to_pyarrow().to_pylist()
    losses = [
        Loss(
            table=name,
            what=reason.what,
            rows=counted[key]["rows"],
            samples=tuple(row["shown"] for row in frequent if row["reason"] == key)[:SAMPLES],
            revenue=counted[key]["revenue"],
            users=counted[key]["users"],
            first=counted[key]["first"],
            last=counted[key]["last"],
            meant=reason.meant,
        )
        for key, reason in reasons.items()
        if key in counted
    ]
    return marked.filter(marked.reason.isnull()).drop("reason", "shown"), losses


def total(table: ir.Table) -> int:
    """Rows of a table."""
    return engine.number(table.count())
