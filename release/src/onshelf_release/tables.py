"""The tables of a model release, each an Arrow IPC file beside its manifest: the columns that serving reads."""

import pyarrow as pa

from onshelf_release import channels, familiarity, life_cycle, related

COLUMNS: dict[str, tuple[str, ...]] = {
    "vocabulary": ("level", "id", "name", "readable_name", "parent_id", "n_products"),
    "categories": ("level", "id", "median_price", "price_p05", "price_p95", "seasonality"),
    "channels": channels.COLUMNS,
    "products": (
        "product_id",
        "title",
        "department_id",
        "category_id",
        "type_id",
        "brand_id",
        "price",
        "launch_date",
        "first_week",
    ),
    "users": (
        "user_id",
        "history_products",
        "history_ages",
        "history_quantities",
        "history_kinds",
        "profile",
        "purchases_per_week",
        "recency_weeks",
        "price_tier",
        "promotion_sensitivity",
        "new_product_share",
        "interests",
        "bought",
    ),
    "launches": (
        "product_id",
        "title",
        "department_id",
        "category_id",
        "type_id",
        "launch_date",
        "coverage",
        "discount",
        "coupon",
        "price",
        "price_ratio",
        "units_4w",
        "units_8w",
        "buyers_8w",
        "is_promotion_first",
    ),
    "life_cycle": life_cycle.COLUMNS,
    "familiarity": familiarity.COLUMNS,
    "related": related.RELATED,
    "related_products": related.RELATED_PRODUCTS,
}


def check_columns(name: str, table: pa.Table) -> None:
    """Raise ValueError where a table lacks a column that serving reads; it may have more."""
    missing = [wanted for wanted in COLUMNS[name] if wanted not in table.column_names]
    if missing:
        raise ValueError(f"columns missing: {', '.join(missing)}")
