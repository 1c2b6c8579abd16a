"""CatalogService."""

from typing import Any

from onshelf.v1 import catalog_pb2, catalog_pb2_grpc
from onshelf_gateway.call.interceptor import current_call
from onshelf_gateway.services.catalog.delete_products import delete_products
from onshelf_gateway.services.catalog.list_channels import list_channels
from onshelf_gateway.services.catalog.search_products import search_products
from onshelf_gateway.services.catalog.upsert_products import upsert_products
from onshelf_gateway.services.gateway import Gateway

C = catalog_pb2


class CatalogService(catalog_pb2_grpc.CatalogServiceServicer):
    """The catalog, and the channels."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def UpsertProducts(self, request: C.UpsertProductsRequest, context: Any) -> C.UpsertProductsResponse:  # noqa: ARG002
        """Add or replace products."""
        return await upsert_products(self._gateway, current_call(), request)

    async def DeleteProducts(self, request: C.DeleteProductsRequest, context: Any) -> C.DeleteProductsResponse:  # noqa: ARG002
        """Remove products from retrieval."""
        return await delete_products(self._gateway, current_call(), request)

    async def ListChannels(self, request: C.ListChannelsRequest, context: Any) -> C.ListChannelsResponse:  # noqa: ARG002
        """The channels that plans may use."""
        return await list_channels(self._gateway, current_call(), request)

    async def SearchProducts(self, request: C.SearchProductsRequest, context: Any) -> C.SearchProductsResponse:  # noqa: ARG002
        """Products by title, category or meaning."""
        return await search_products(self._gateway, current_call(), request)
