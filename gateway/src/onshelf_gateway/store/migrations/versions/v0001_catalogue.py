"""Catalogue: products that came, changed or went after a model release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the catalogue's tables; `catalogue_store` says what their columns mean."""
    op.create_table(
        "catalogue_state",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("last_change", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO catalogue_state (id, last_change, entries) VALUES (1, 0, 0)")
    op.create_table(
        "catalogue_products",
        sa.Column("product_id", sa.Text, primary_key=True),
        sa.Column("change", sa.BigInteger, nullable=False, unique=True),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("product", sa.LargeBinary, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "catalogue_encodings",
        sa.Column("product_id", sa.Text, primary_key=True),
        sa.Column("models", sa.Text, primary_key=True),
        sa.Column("model_release", sa.BigInteger, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("encoding", sa.LargeBinary, nullable=False),
    )
