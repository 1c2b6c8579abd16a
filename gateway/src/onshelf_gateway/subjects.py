"""The product that a call is about: a new one as the request describes it, or one of the catalogue."""

from decimal import Decimal

from onshelf.v1 import recommendation_pb2
from onshelf_gateway import money
from onshelf_gateway.checks import Checker, shown
from onshelf_gateway.errors import GatewayError, Violation
from onshelf_gateway.questions import ProductQuestion, parse_product
from onshelf_gateway.release import ModelRelease

Request = recommendation_pb2.FindAudienceRequest | recommendation_pb2.FindSimilarLaunchesRequest


def parse_subject(check: Checker, request: Request, release: ModelRelease) -> ProductQuestion:
    """The subject of a request, checked.

    Raises:
        GatewayError: PRODUCT_NOT_FOUND; other violations are left with `check`.
    """
    kind = request.WhichOneof("subject")
    if kind == "product_id":
        check.text("product_id", request.product_id, 128, required=True)
        check.done()
        return _catalogue(release, request.product_id)
    if kind is None:
        check.fail("FIELD_REQUIRED", "product", "send a product, or the product_id of one in the catalogue")
    return parse_product(check, request.product, release)


def _catalogue(release: ModelRelease, product_id: str) -> ProductQuestion:
    row = release.product_rows.get(product_id)
    if row is None:
        message = f"{shown(product_id)} is not in the catalogue of model release {release.version}"
        raise GatewayError("PRODUCT_NOT_FOUND", message, [Violation("PRODUCT_NOT_FOUND", "product_id", message)])
    ids = release.product_ids[row]
    price = release.products["price"][row].as_py()
    return ProductQuestion(
        title=release.products["title"][row].as_py(),
        brand=release.vocabulary.levels["brand"].names[int(ids[3])],
        category_path=tuple(release.vocabulary.path((int(ids[0]), int(ids[1]), int(ids[2])))),
        attributes=(),
        list_price=Decimal(repr(float(price))).quantize(money.minor_unit(release.manifest.currency)) if price else None,
        unit_cost=None,
        price_tax=0,
        private_label=_private_label(release, row),
        package_size="",
        language="",
        ignored=(),
    )


def _private_label(release: ModelRelease, row: int) -> float:
    if "private_label" not in release.products.column_names:  # not every retailer knows it
        return -1.0
    label = release.products["private_label"][row].as_py()
    return -1.0 if label is None else float(label)
