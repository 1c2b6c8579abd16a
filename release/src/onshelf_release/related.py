"""The tables of related products: what was bought together, and what was bought instead."""

COMPLEMENT, SUBSTITUTE = 1, 2  # as RelationKind of the contract

# Rows of `products`; kind; lift with its 95 % interval; baskets: joint ones, or changes from one to the other; users
# who did so; how many chance would make (a change is shared among the products that were dropped and picked up by it).
RELATED = (
    "product_index",
    "related_index",
    "kind",
    "lift",
    "lift_low",
    "lift_high",
    "baskets",
    "users",
    "expected",
)
RELATED_PRODUCTS = ("product_index", "embedding")  # of each product in `related`
OPTIONAL = ("related", "related_products")  # a release from before there were such tables lacks them
