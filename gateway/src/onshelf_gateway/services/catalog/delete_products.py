"""DeleteProducts: products of the catalog that are offered no more."""

from onshelf.v1 import catalog_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.catalog.upsert_products import MOST
from onshelf_gateway.services.gateway import Gateway

C = catalog_pb2


async def delete_products(gateway: Gateway, call: Call, request: C.DeleteProductsRequest) -> C.DeleteProductsResponse:
    """Answer DeleteProducts."""
    with call.stage("validate"):
        release = gateway.release(call, 0)
        check = Checker()
        if not request.product_ids:
            check.fail("FIELD_REQUIRED", "product_ids", "is empty and required")
        if check.count("product_ids", request.product_ids, MOST):
            for n, name in enumerate(request.product_ids):
                check.text(f"product_ids[{n}]", name, 128, required=True)
        check.done()
        names = list(dict.fromkeys(request.product_ids))
    with gateway.permits.hold(call), call.stage("store", len(names)):
        written = await gateway.catalog.delete(release, names)
    return C.DeleteProductsResponse(deleted=written.known, unknown=written.unknown)
