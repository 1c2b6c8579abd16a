"""ModelReleaseService."""

from onshelf.v1 import model_release_pb2_grpc


class ModelReleaseService(model_release_pb2_grpc.ModelReleaseServiceServicer):
    """Part of the contract; none of its calls is served yet (UNIMPLEMENTED, NOT_IMPLEMENTED)."""
