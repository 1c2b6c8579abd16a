"""Events by product and day hold kind and quantity, so that a product's sales are counted in the index alone."""

from alembic import op

revision = "0004_sales"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen the index of revision 0002."""
    op.drop_index("events_by_product", "events")
    op.create_index("events_by_product", "events", ["product_id", "day", "kind", "quantity"])
