"""The product that a call is about: a new one as the request describes it, or one of the catalog."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import recommendation_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError, Violation
from onshelf_gateway.catalog.shelf import Shelf
from onshelf_gateway.product.categories import Category, named_category
from onshelf_gateway.product.understanding import understand
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.checks import Checker, shown
from onshelf_gateway.requests.questions import ProductQuestion, parse_product
from onshelf_gateway.services.gateway import Gateway

Request = (
    recommendation_pb2.FindAudienceRequest
    | recommendation_pb2.FindSimilarLaunchesRequest
    | recommendation_pb2.FindRelatedProductsRequest
)


@dataclass(frozen=True)
class Subject:
    """A product as retrievals read it: embedding [128], product vector [64], category and brand ids [4]."""

    embedding: NDArray[np.float32]
    product_vector: NDArray[np.float32]
    ids: tuple[int, int, int, int]
    category: Category


def parse_subject(check: Checker, request: Request, shelf: Shelf) -> ProductQuestion | Subject:
    """The subject of a request, checked: a question to the encoder, or what it said of an upserted product.

    Raises:
        GatewayError: PRODUCT_NOT_FOUND; other violations are left with `check`.
    """
    kind = request.WhichOneof("subject")
    if kind == "product_id":
        check.text("product_id", request.product_id, 128, required=True)
        check.done()
        return _of_catalog(check, shelf, request.product_id)
    if kind is None:
        check.fail("FIELD_REQUIRED", "product", "send a product, or the product_id of one in the catalog")
    return parse_product(check, request.product, shelf.release)


async def read_subject(
    gateway: Gateway, call: Call, release: ModelRelease, parsed: ProductQuestion | Subject
) -> Subject:
    """The subject, with the encoder's help where it is not known already.

    Raises:
        GatewayError: as `understand`.
    """
    if isinstance(parsed, Subject):
        return parsed
    product = await understand(call, release, gateway.models, gateway.settings, parsed, price_matters=False)
    return Subject(product.encoded.embedding, product.encoded.product_vector, product.ids, product.category)


def _of_catalog(check: Checker, shelf: Shelf, product_id: str) -> ProductQuestion | Subject:
    release = shelf.release
    if not shelf.has(product_id):
        message = f"{shown(product_id)} is not in the catalog of model release {release.version}"
        raise GatewayError("PRODUCT_NOT_FOUND", message, [Violation("PRODUCT_NOT_FOUND", "product_id", message)])
    product = shelf.product(product_id)
    if product is None:
        return _own(release, release.product_rows[product_id])
    record = shelf.record(product_id)
    return parse_product(check, product, release) if record is None else _upserted(release, product, record)


def _upserted(release: ModelRelease, product: types_pb2.Product, record: dict[str, Any]) -> Subject:
    department, category, kind, brand = (int(number) for number in record["categorical_ids"])
    ids = (department, category, kind)
    named = named_category(release.vocabulary, tuple(name.strip() for name in product.category_path))
    path = release.vocabulary.path(named.ids if named.matched else ids)
    confidence = float(record["confidence"])
    nearest = () if named.matched and not named.unknown else named.nearest
    return Subject(
        record["embeddings"],
        record["product_vectors"],
        (*ids, brand),
        Category(ids=ids, path=tuple(path), matched=named.matched, confidence=confidence, nearest=nearest),
    )


def _own(release: ModelRelease, row: int) -> ProductQuestion:
    ids = release.product_ids[row]
    price = release.products["price"][row].as_py()
    return ProductQuestion(
        title=release.products["title"][row].as_py(),
        brand=release.vocabulary.levels["brand"].names[int(ids[3])],
        category_path=tuple(release.vocabulary.path((int(ids[0]), int(ids[1]), int(ids[2])))),
        list_price=Decimal(repr(float(price))).quantize(money.minor_unit(release.manifest.currency)) if price else None,
        private_label=_private_label(release, row),
    )


def _private_label(release: ModelRelease, row: int) -> float:
    if "private_label" not in release.products.column_names:  # not every retailer knows it
        return -1.0
    label = release.products["private_label"][row].as_py()
    return -1.0 if label is None else float(label)
