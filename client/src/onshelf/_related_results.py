"""What the service answers about products that belong together, and about what a launch did to them."""

import dataclasses

from onshelf._enums import RelationKind
from onshelf._results import ResponseInfo

_NO_INFO = ResponseInfo()


@dataclasses.dataclass(frozen=True, kw_only=True)
class RelatedProduct:
    """A complement or substitute. lift: joint baskets, or changes between the two, over those that chance makes
    (expected), with its 95 % interval; baskets and users counted, of similar_products where these stand in.
    """

    product_id: str
    title: str
    category_path: tuple[str, ...] = ()
    kind: RelationKind = RelationKind.COMPLEMENT
    lift: float = 0.0
    users: int = 0
    lift_low: float = 0.0
    lift_high: float = 0.0
    baskets: int = 0
    expected: float = 0.0
    similar_products: int = 0
    evidence: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FindRelatedProductsResult:
    """Related products, strongest first. inferred_from_product_ids: similar products that stand in for one without
    enough sales of its own.
    """

    products: tuple[RelatedProduct, ...] = ()
    inferred_from_product_ids: tuple[str, ...] = ()
    info: ResponseInfo = _NO_INFO


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProductEffect:
    """What a related product, or several together (no product_id), sold since a launch beside what it would have sold:
    lift is units over expected_units, with its 95 % interval; clear where that leaves out 1.
    """

    product_id: str = ""
    title: str = ""
    category_path: tuple[str, ...] = ()
    expected_units: float = 0.0
    units: float = 0.0
    units_difference: float = 0.0
    lift: float = 0.0
    lift_low: float = 0.0
    lift_high: float = 0.0
    clear: bool = False
    units_before: float = 0.0
