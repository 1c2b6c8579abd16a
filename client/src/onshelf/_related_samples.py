"""Made-up related products, and what a launch did to them."""

from onshelf._enums import RelationKind
from onshelf._related_results import ProductEffect, RelatedProduct

_CHIPS, _DIPS = ("Grocery", "Bag snacks", "Potato chips"), ("Grocery", "Bag snacks", "Dips")

RELATED = (
    RelatedProduct(
        product_id="981760",
        title="onion dip 9 oz",
        category_path=_DIPS,
        kind=RelationKind.COMPLEMENT,
        lift=2.4,
        users=63,
        lift_low=1.9,
        lift_high=3.0,
        baskets=84,
        expected=29.3,
        evidence="in 84 baskets together of 63 users; chance makes 29.3",
    ),
    RelatedProduct(
        product_id="995242",
        title="potato chips sour cream 9 oz",
        category_path=_CHIPS,
        kind=RelationKind.SUBSTITUTE,
        lift=1.8,
        users=48,
        lift_low=1.3,
        lift_high=2.4,
        baskets=67,
        expected=31.2,
        evidence="48 users changed between the two 67 times",
    ),
)
CANNIBALIZED = (
    ProductEffect(
        product_id="995242",
        title="potato chips sour cream 9 oz",
        category_path=_CHIPS,
        expected_units=96.0,
        units=71.0,
        units_difference=-25.0,
        lift=0.74,
        lift_low=0.58,
        lift_high=0.93,
        clear=True,
        units_before=310.0,
    ),
)
COMPLEMENTS = (
    ProductEffect(
        product_id="981760",
        title="onion dip 9 oz",
        category_path=_DIPS,
        expected_units=40.0,
        units=46.0,
        units_difference=6.0,
        lift=1.15,
        lift_low=0.82,
        lift_high=1.6,
        units_before=150.0,
    ),
)
CANNIBALIZATION = ProductEffect(
    expected_units=96.0,
    units=71.0,
    units_difference=-25.0,
    lift=0.74,
    lift_low=0.58,
    lift_high=0.93,
    clear=True,
    units_before=310.0,
)
