"""A folder of the canonical tables: a retailer's own data."""
