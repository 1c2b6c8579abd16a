"""Product days: events added up by product and day, and an index of the rated reviews."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KINDS = ("purchase", "view", "click", "cart", "review", "impression", "return")


def upgrade() -> None:
    """Create the table of `store/product_days.py`, which says what its columns mean, and add the events up."""
    op.create_table(
        "product_days",
        sa.Column("product_id", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        *(sa.Column(f"{kind}_events", sa.BigInteger, nullable=False) for kind in KINDS),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("units", "revenue_nanos", "paid_units", "paid_nanos")),
        sqlite_with_rowid=False,  # by product and day on the disk, too
    )
    counts = ", ".join(f"SUM(CASE WHEN kind = '{kind}' THEN 1 ELSE 0 END)" for kind in KINDS)
    sign = "CASE kind WHEN 'purchase' THEN 1.0 WHEN 'return' THEN -1.0 ELSE 0.0 END"
    nanos = "CAST(COALESCE(revenue_nanos, 0) AS DOUBLE PRECISION)"
    op.execute(
        f"INSERT INTO product_days SELECT product_id, day, {counts}, SUM({sign} * quantity), SUM({sign} * {nanos}), "
        "SUM(CASE WHEN kind = 'purchase' AND revenue_nanos IS NOT NULL THEN quantity ELSE 0.0 END), "
        f"SUM(CASE WHEN kind = 'purchase' THEN {nanos} ELSE 0.0 END) FROM events GROUP BY product_id, day"
    )
    rated = sa.text("rating IS NOT NULL")
    op.create_index("events_by_rating", "events", ["product_id", "day"], sqlite_where=rated, postgresql_where=rated)
