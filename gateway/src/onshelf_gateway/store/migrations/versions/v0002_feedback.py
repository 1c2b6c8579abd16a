"""Feedback: answers, decisions and events."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables of `store/answers.py` and `store/events.py`, which say what their columns mean."""
    op.create_table(
        "answers",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("answer_id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False, index=True),
        sa.Column("model_release", sa.BigInteger, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("today", sa.Text, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("offered", sa.Text, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("launch_date", sa.Text, nullable=False),
        sa.Column("decided_product_id", sa.Text, nullable=False),
    )
    for name in ("product_id", "user_id", "decided_product_id"):  # most answers have but one of them
        stated = sa.text(f"{name} <> ''")
        op.create_index(f"answers_by_{name}", "answers", [name], sqlite_where=stated, postgresql_where=stated)
    op.create_table(
        "decisions",
        sa.Column("plan_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", sa.DateTime, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("launch_date", sa.Text, nullable=False),
        sa.Column("decision", sa.LargeBinary, nullable=False),
        sa.Column("plan", sa.LargeBinary, nullable=False),
        sa.Column("weekly_units", sa.Text, nullable=False),
        sa.Column("population_scale", sa.Float, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("time", sa.DateTime, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.DateTime, nullable=False),
        sa.Column("attribution_token", sa.Text, nullable=False),
        sa.Column("quantity", sa.Float, nullable=False),
        sa.Column("revenue_nanos", sa.BigInteger),
        sa.Column("discount_nanos", sa.BigInteger),
        sa.Column("rating", sa.Float),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("site_id", sa.Text, nullable=False),
        sa.Column("channel_id", sa.Text, nullable=False),
    )
    op.create_index("events_by_product", "events", ["product_id", "day"])
    op.create_index("events_by_user", "events", ["user_id", "product_id", "time"])
    op.create_table(
        "refused_events",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False, index=True),
        sa.Column("user_id", sa.Text, nullable=False, index=True),
        sa.Column("refused_at", sa.DateTime, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "forgotten_users",
        sa.Column("receipt_id", sa.Text, primary_key=True),
        sa.Column("user_hash", sa.Text, nullable=False, index=True),
        sa.Column("forgotten_at", sa.DateTime, nullable=False),
    )
    state = op.create_table(
        "feedback_state",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("newest_day", sa.Text, nullable=False),
        sa.Column("refused_dropped", sa.BigInteger, nullable=False),
        sa.Column("user_hash_key", sa.Text, nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "newest_day": "", "refused_dropped": 0, "user_hash_key": secrets.token_hex(32)}])
