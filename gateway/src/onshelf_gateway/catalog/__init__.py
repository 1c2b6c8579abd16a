"""What can be recommended now: the release's own products, less the deleted, with the upserted."""
