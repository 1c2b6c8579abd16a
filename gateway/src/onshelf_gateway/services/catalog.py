"""CatalogService."""

from onshelf.v1 import catalog_pb2_grpc


class CatalogService(catalog_pb2_grpc.CatalogServiceServicer):
    """Part of the contract; none of its calls is served yet (UNIMPLEMENTED, NOT_IMPLEMENTED)."""
