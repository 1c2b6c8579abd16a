"""FeedbackService."""

from collections.abc import AsyncIterator
from typing import Any

from onshelf.v1 import feedback_pb2, feedback_pb2_grpc
from onshelf_gateway.call.interceptor import current_call
from onshelf_gateway.services.feedback.forget_user import forget
from onshelf_gateway.services.feedback.get_launch_report import get_launch_report
from onshelf_gateway.services.feedback.get_scoreboard import get_scoreboard
from onshelf_gateway.services.feedback.list_events import list_recorded
from onshelf_gateway.services.feedback.list_launches import list_launches
from onshelf_gateway.services.feedback.list_refused_events import list_refused_events
from onshelf_gateway.services.feedback.record_events import record_events, stream_events
from onshelf_gateway.services.gateway import Gateway

F = feedback_pb2


class FeedbackService(feedback_pb2_grpc.FeedbackServiceServicer):
    """What users did, and what came of plans."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def RecordEvents(self, request: F.RecordEventsRequest, context: Any) -> F.RecordEventsResponse:  # noqa: ARG002
        """A batch of events."""
        return await record_events(self._gateway, current_call(), request)

    async def StreamEvents(
        self,
        requests: AsyncIterator[F.StreamEventsRequest],
        context: Any,  # noqa: ARG002
    ) -> AsyncIterator[F.StreamEventsResponse]:
        """Events as they happen."""
        async for response in stream_events(self._gateway, current_call(), requests):
            yield response

    async def ListEvents(self, request: F.ListEventsRequest, context: Any) -> F.ListEventsResponse:  # noqa: ARG002
        """Recorded events."""
        return await list_recorded(self._gateway, current_call(), request)

    async def ListRefusedEvents(
        self,
        request: F.ListRefusedEventsRequest,
        context: Any,  # noqa: ARG002
    ) -> F.ListRefusedEventsResponse:
        """Events that broke a rule."""
        return await list_refused_events(self._gateway, current_call(), request)

    async def ListLaunches(self, request: F.ListLaunchesRequest, context: Any) -> F.ListLaunchesResponse:  # noqa: ARG002
        """Launches that are executed."""
        return await list_launches(self._gateway, current_call(), request)

    async def GetLaunchReport(
        self,
        request: F.GetLaunchReportRequest,
        context: Any,  # noqa: ARG002
    ) -> F.GetLaunchReportResponse:
        """Plan against actual."""
        return await get_launch_report(self._gateway, current_call(), request)

    async def GetScoreboard(self, request: F.GetScoreboardRequest, context: Any) -> F.GetScoreboardResponse:  # noqa: ARG002
        """Plans, past practice and what came."""
        return await get_scoreboard(self._gateway, current_call(), request)

    async def ForgetUser(self, request: F.ForgetUserRequest, context: Any) -> F.ForgetUserResponse:  # noqa: ARG002
        """A user's data deleted."""
        return await forget(self._gateway, current_call(), request)
