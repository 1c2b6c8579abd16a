"""FeedbackService."""

from onshelf.v1 import feedback_pb2_grpc


class FeedbackService(feedback_pb2_grpc.FeedbackServiceServicer):
    """Part of the contract; none of its calls is served yet (UNIMPLEMENTED, NOT_IMPLEMENTED)."""
