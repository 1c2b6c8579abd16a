"""The tables of remembered answers and of decisions: what was offered, and what people made of it.

    answers     one row for each plan, recommendation and audience that was given
    decisions   the revisions of what was decided about a plan

docs/feedback.md documents their columns; the exporter reads them.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

metadata = sa.MetaData()
PLAN, EVALUATION, RECOMMENDATION, AUDIENCE = "plan", "evaluation", "recommendation", "audience"
PLANS = (PLAN, EVALUATION)  # kinds that can be decided
EXECUTED = ("accepted", "changed")
WEEKS_ON_SALE = 8
AT_ONCE = 500  # ids in one statement

ANSWERS = sa.Table(
    "answers",
    metadata,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),  # in order of writing
    sa.Column("answer_id", sa.Text, nullable=False, unique=True),  # plan_id, attribution_token
    sa.Column("kind", sa.Text, nullable=False),  # plan, evaluation, recommendation, audience
    sa.Column("created_at", sa.DateTime, nullable=False),  # UTC
    sa.Column("model_release", sa.BigInteger, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),  # how the offers were chosen: best_first, near_ties, holdout
    sa.Column("today", sa.Text, nullable=False),  # the day that counted as today, ISO 8601
    sa.Column("product_id", sa.Text, nullable=False),  # planned, or asked about; may be empty
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),  # whom products were recommended to; empty otherwise
    sa.Column("offered", sa.Text, nullable=False),  # JSON: [{"position":1,"product_id":...,"probability":1.0},...]
    sa.Column("request", sa.LargeBinary, nullable=False),  # the message, serialized
    sa.Column("response", sa.LargeBinary, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),  # kind of the last one; empty while open
    sa.Column("launch_date", sa.Text, nullable=False),  # of the executed action; empty otherwise
    sa.Column("decided_product_id", sa.Text, nullable=False),
)
DECISIONS = sa.Table(
    "decisions",
    metadata,
    sa.Column("plan_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),  # from 1
    sa.Column("content", sa.Text, nullable=False),  # SHA-256 of what was decided
    sa.Column("kind", sa.Text, nullable=False),  # accepted, changed, rejected, postponed
    sa.Column("reason", sa.Text, nullable=False),  # DecisionReason in lower case; empty: none
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),  # UTC
    sa.Column("product_id", sa.Text, nullable=False),
    sa.Column("launch_date", sa.Text, nullable=False),  # ISO 8601; empty where nothing is executed
    sa.Column("decision", sa.LargeBinary, nullable=False),  # onshelf.v1.LaunchDecision, serialized
    sa.Column("plan", sa.LargeBinary, nullable=False),  # onshelf.v1.LaunchPlan of what is executed; empty: nothing
    sa.Column("weekly_units", sa.Text, nullable=False),  # JSON: units expected in each of its 8 weeks; empty likewise
    sa.Column(
        "population_scale", sa.Float, nullable=False
    ),  # that the units refer to, as a multiple of the units basis
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer as it is written; see the table."""

    answer_id: str
    kind: str
    created_at: dt.datetime
    model_release: int
    policy: str
    today: dt.date
    product_id: str
    title: str
    user_id: str
    offered: str
    request: bytes
    response: bytes


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One revision as it is written; see the table."""

    plan_id: str
    revision: int
    content: str
    kind: str
    reason: str
    decided_by: str
    decided_at: dt.datetime
    product_id: str
    launch_date: str
    decision: bytes
    plan: bytes = b""
    weekly_units: str = ""
    population_scale: float = 1.0


def add_answers(connection: sa.Connection, rows: Sequence[Answer]) -> None:
    """Write answers. One of the same id that nobody has decided about is replaced."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(ANSWERS)
    new = {
        name: statement.excluded[name] for name in ("created_at", "policy", "offered", "request", "response", "today")
    }
    undecided = {"decision": "", "launch_date": "", "decided_product_id": ""}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["answer_id"], set_=new, where=ANSWERS.c.decision == ""),
        [{**vars(row), "today": row.today.isoformat(), **undecided} for row in rows],
    )


def find_plan(connection: sa.Connection, plan_id: str, lock: bool = False) -> Any:
    """The row of a remembered plan, or None. `lock`: until the transaction ends."""
    query = sa.select(ANSWERS).where(ANSWERS.c.answer_id == plan_id, ANSWERS.c.kind.in_(PLANS))
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def decisions_of(connection: sa.Connection, plan_id: str) -> list[Any]:
    """The revisions of a plan's decision, oldest first."""
    query = sa.select(DECISIONS).where(DECISIONS.c.plan_id == plan_id).order_by(DECISIONS.c.revision)
    return list(connection.execute(query).all())


def last_decisions(connection: sa.Connection, plan_ids: Sequence[str]) -> dict[str, Any]:
    """The last revision of each plan that has one."""
    last = (
        sa.select(DECISIONS.c.plan_id, sa.func.max(DECISIONS.c.revision).label("revision"))
        .where(DECISIONS.c.plan_id.in_(plan_ids))
        .group_by(DECISIONS.c.plan_id)
        .subquery()
    )
    query = sa.select(DECISIONS).join(
        last, (DECISIONS.c.plan_id == last.c.plan_id) & (DECISIONS.c.revision == last.c.revision)
    )
    return {row.plan_id: row for row in connection.execute(query)}


def add_decision(connection: sa.Connection, decision: Decision) -> None:
    """Write a revision, and what lists filter by into the plan's row."""
    connection.execute(sa.insert(DECISIONS), vars(decision))
    executed = decision.kind in EXECUTED
    connection.execute(
        sa.update(ANSWERS)
        .where(ANSWERS.c.answer_id == decision.plan_id)
        .values(
            decision=decision.kind,
            launch_date=decision.launch_date if executed else "",
            decided_product_id=decision.product_id if executed else "",
        )
    )


def list_plans(
    connection: sa.Connection,
    *,
    most: int,
    before: int | None = None,
    product_id: str = "",
    state: str = "",
    today: dt.date,
    created_from: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
) -> list[Any]:
    """Rows of remembered plans, newest first.

    Args:
        connection: of the database.
        most: rows returned.
        before: only rows with a smaller sequence.
        product_id: only plans of a product, as it was planned or decided.
        state: only plans in this state: planned, decided, on_sale, completed, rejected, postponed.
        today: which day it is, for the state.
        created_from: UTC; only answers of this time or later.
        created_before: UTC; only earlier answers.
    """
    a = ANSWERS.c
    query = sa.select(ANSWERS).where(a.kind.in_(PLANS)).order_by(a.sequence.desc()).limit(most)
    if before is not None:
        query = query.where(a.sequence < before)
    if product_id:
        planned = (a.product_id == product_id) & (a.product_id != "")  # as the partial indexes say
        decided = (a.decided_product_id == product_id) & (a.decided_product_id != "")
        query = query.where(planned | decided)
    if state:
        query = query.where(_in_state(state, today))
    if created_from is not None:
        query = query.where(a.created_at >= created_from)
    if created_before is not None:
        query = query.where(a.created_at < created_before)
    return list(connection.execute(query).all())


def executed_launches(
    connection: sa.Connection,
    plan_id: str = "",
    created_from: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
) -> list[Any]:
    """Launches that were decided to be executed, newest plan first, or that of one plan.

    Rows of the answer's columns without its bytes, and of its last decision's: decision_blob, plan, weekly_units.
    """
    a, d, other = ANSWERS.c, DECISIONS.c, DECISIONS.alias("other").c
    last = sa.select(sa.func.max(other.revision)).where(other.plan_id == a.answer_id).scalar_subquery()
    query = (
        sa.select(
            a.sequence,
            a.answer_id,
            a.title,
            a.model_release,
            a.decision,
            a.launch_date,
            a.decided_product_id,
            d.decision.label("decision_blob"),
            d.plan,
            d.weekly_units,
            d.population_scale,
        )
        .select_from(ANSWERS)
        .join(DECISIONS, (d.plan_id == a.answer_id) & (d.revision == last))
        .where(a.decision.in_(EXECUTED))
        .order_by(a.sequence.desc())
    )
    if plan_id:
        query = query.where(a.answer_id == plan_id)
    if created_from is not None:
        query = query.where(a.created_at >= created_from)
    if created_before is not None:
        query = query.where(a.created_at < created_before)
    return list(connection.execute(query).all())


def responses_of(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Any]:
    """Kind and response of answers, by id."""
    columns = sa.select(ANSWERS.c.answer_id, ANSWERS.c.kind, ANSWERS.c.response)
    found: dict[str, Any] = {}
    for start in range(0, len(ids), AT_ONCE):
        query = columns.where(ANSWERS.c.answer_id.in_(ids[start : start + AT_ONCE]))
        found |= {row.answer_id: row for row in connection.execute(query)}
    return found


def executed_ids(connection: sa.Connection, product_ids: Sequence[str]) -> set[str]:
    """Which of these products some executed plan has."""
    a = ANSWERS.c
    query = sa.select(a.decided_product_id).where(a.decided_product_id.in_(product_ids), a.decided_product_id != "")
    return set(connection.execute(query).scalars().all())


def executed_plans(connection: sa.Connection, product_ids: Sequence[str]) -> dict[str, bytes]:
    """The plan that was decided last of those that these products execute, serialized, by product id."""
    a, d, other = ANSWERS.c, DECISIONS.c, DECISIONS.alias("other").c
    last = sa.select(sa.func.max(other.revision)).where(other.plan_id == a.answer_id).scalar_subquery()
    query = (
        sa.select(a.decided_product_id, d.plan)
        .join_from(ANSWERS, DECISIONS, (d.plan_id == a.answer_id) & (d.revision == last))
        .where(a.decided_product_id != "")  # as the partial index says
        .order_by(d.decided_at, a.sequence)
    )
    found: dict[str, bytes] = {}
    for start in range(0, len(product_ids), AT_ONCE):
        mine = query.where(a.decided_product_id.in_(product_ids[start : start + AT_ONCE]))
        found |= {row.decided_product_id: row.plan for row in connection.execute(mine)}
    return found


def state_of(row: Any, today: dt.date) -> str:
    """The state of a plan's row on a day."""
    if not row.decision:
        return "planned"
    if row.decision not in EXECUTED:
        return str(row.decision)
    if row.launch_date > today.isoformat():
        return "decided"
    return "on_sale" if row.launch_date > _ended(today) else "completed"


def forget_old(connection: sa.Connection, before: dt.datetime, most: int) -> int:
    """Delete answers without a decision that are older than a time (UTC), at most so many; returns how many."""
    a = ANSWERS.c
    old = sa.select(a.sequence).where(a.decision == "", a.created_at < before).order_by(a.sequence).limit(most)
    return connection.execute(sa.delete(ANSWERS).where(a.sequence.in_(old.scalar_subquery()))).rowcount


def utc_now() -> dt.datetime:
    """Now, as the database keeps times."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def _ended(today: dt.date) -> str:
    """A launch of this day or an earlier one is completed."""
    return (today - dt.timedelta(weeks=WEEKS_ON_SALE)).isoformat()


def _in_state(state: str, today: dt.date) -> sa.ColumnElement[bool]:
    a, executed = ANSWERS.c, ANSWERS.c.decision.in_(EXECUTED)
    return {
        "planned": a.decision == "",
        "rejected": a.decision == "rejected",
        "postponed": a.decision == "postponed",
        "decided": executed & (a.launch_date > today.isoformat()),
        "on_sale": executed & (a.launch_date <= today.isoformat()) & (a.launch_date > _ended(today)),
        "completed": executed & (a.launch_date <= _ended(today)),
    }[state]
