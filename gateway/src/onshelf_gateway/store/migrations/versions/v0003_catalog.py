"""Catalog: its tables have the contract's spelling."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename the tables of revision 0001."""
    for name in ("state", "products", "encodings"):
        op.rename_table(f"catalogue_{name}", f"catalog_{name}")
