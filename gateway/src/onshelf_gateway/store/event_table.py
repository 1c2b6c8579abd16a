"""The table of events: one row for each that was taken.

docs/feedback.md documents its columns; the exporter reads them.
"""

import sqlalchemy as sa

metadata = sa.MetaData()
Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

EVENTS = sa.Table(
    "events",
    metadata,
    sa.Column("sequence", Number, primary_key=True),  # in order of writing
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),  # BLAKE2b of the event, 16 bytes
    sa.Column("kind", sa.Text, nullable=False),  # purchase, view, click, cart, review, impression, return
    sa.Column("user_id", sa.Text, nullable=False),  # empty: a guest
    sa.Column("product_id", sa.Text, nullable=False),
    sa.Column("time", sa.DateTime, nullable=False),  # UTC
    sa.Column("day", sa.Text, nullable=False),  # the same as the retailer's local date, ISO 8601
    sa.Column("recorded_at", sa.DateTime, nullable=False),  # UTC
    sa.Column("attribution_token", sa.Text, nullable=False),
    sa.Column("quantity", sa.Float, nullable=False),  # units; 0 of kinds that have none
    sa.Column("revenue_nanos", sa.BigInteger),  # billionths of a unit of the currency; NULL: not stated
    sa.Column("discount_nanos", sa.BigInteger),
    sa.Column("rating", sa.Float),  # stars; NULL: none
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("site_id", sa.Text, nullable=False),
    sa.Column("channel_id", sa.Text, nullable=False),
)
