"""UpsertProducts: products read by the models, written durably, and retrievable at once."""

import dataclasses
from collections.abc import Sequence

from onshelf.v1 import catalog_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError
from onshelf_gateway.catalog.read_products import Reading, read_products
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.response import response_info
from onshelf_release.signatures import CATALOG_MODELS

C = catalog_pb2
MOST = 1_000  # products or ids of a request


async def upsert_products(gateway: Gateway, call: Call, request: C.UpsertProductsRequest) -> C.UpsertProductsResponse:
    """Answer UpsertProducts."""
    with call.stage("validate"):
        release = gateway.release(call, 0)
        check = Checker()
        if not request.products:
            check.fail("FIELD_REQUIRED", "products", "is empty and required")
        check.count("products", request.products, MOST)
        check.done()
        _check_models(release)
        gateway.catalog.check_room({product.product_id for product in request.products})
    with gateway.permits.hold(call):
        products: Sequence[types_pb2.Product] = request.products
        readings = await read_products(call, release, gateway.models, gateway.settings, products)
        rows = {
            product.product_id: (product, reading.encoding)  # of two with one id the later counts
            for product, reading in zip(products, readings, strict=True)
            if reading.problem is None
        }
        response = C.UpsertProductsResponse(errors=_errors(readings))
        if rows:
            with call.stage("store", len(rows)):
                written = await gateway.catalog.upsert(release, list(rows.values()))
            response.added, response.replaced = written.unknown, written.known
    response.info.CopyFrom(response_info(call, release))
    return response


def _check_models(release: ModelRelease) -> None:
    missing = [name for name in CATALOG_MODELS if name not in release.manifest.models]
    if missing:
        raise GatewayError(
            "MODEL_RELEASE_TOO_OLD",
            f"model release {release.version} has no {' and no '.join(missing)}, which upserted products need; publish "
            "one anew with onshelf-exporter",
        )


def _errors(readings: Sequence[Reading]) -> list[C.ProductError]:
    problems = []
    for index, reading in enumerate(readings):
        if reading.problem is not None:
            field = f"products[{index}]{reading.problem.field.removeprefix('product')}"
            problem = dataclasses.replace(reading.problem, field=field)
            problems.append(
                C.ProductError(index=index, reason=problem.reason, field=problem.field, message=problem.message)
            )
    return problems
