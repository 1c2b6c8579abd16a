"""LaunchService."""

from collections.abc import AsyncIterator
from typing import Any

from onshelf.v1 import launch_pb2, launch_pb2_grpc
from onshelf_gateway.call.interceptor import current_call
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.decide_launch import decide_launch
from onshelf_gateway.services.launch.estimate_power import estimate_power
from onshelf_gateway.services.launch.evaluate_plan import evaluate_plan
from onshelf_gateway.services.launch.get_plan import get_plan
from onshelf_gateway.services.launch.list_plans import list_plans
from onshelf_gateway.services.launch.plan_launch import plan_launch
from onshelf_gateway.services.launch.replay_plan import replay_plan
from onshelf_gateway.services.launch.stream_plans import stream_plans
from onshelf_gateway.services.launch.update_forecast import update_forecast


class LaunchService(launch_pb2_grpc.LaunchServiceServicer):
    """All calls but PlanCalendar, which is not served yet."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def PlanLaunch(self, request: launch_pb2.PlanLaunchRequest, context: Any) -> launch_pb2.PlanLaunchResponse:  # noqa: ARG002
        """Ranked plans for one product."""
        return await plan_launch(self._gateway, current_call(), request)

    async def StreamPlans(
        self,
        requests: AsyncIterator[launch_pb2.StreamPlansRequest],
        context: Any,  # noqa: ARG002
    ) -> AsyncIterator[launch_pb2.StreamPlansResponse]:
        """Plans for many products, as they are ready."""
        async for response in stream_plans(self._gateway, current_call(), requests):
            yield response

    async def EvaluatePlan(
        self,
        request: launch_pb2.EvaluatePlanRequest,
        context: Any,  # noqa: ARG002
    ) -> launch_pb2.EvaluatePlanResponse:
        """The forecast of one action."""
        return await evaluate_plan(self._gateway, current_call(), request)

    async def UpdateForecast(
        self,
        request: launch_pb2.UpdateForecastRequest,
        context: Any,  # noqa: ARG002
    ) -> launch_pb2.UpdateForecastResponse:
        """The forecast after the first weeks."""
        return await update_forecast(self._gateway, current_call(), request)

    async def GetPlan(self, request: launch_pb2.GetPlanRequest, context: Any) -> launch_pb2.GetPlanResponse:  # noqa: ARG002
        """A remembered plan."""
        return await get_plan(self._gateway, current_call(), request)

    async def ListPlans(self, request: launch_pb2.ListPlansRequest, context: Any) -> launch_pb2.ListPlansResponse:  # noqa: ARG002
        """Remembered plans."""
        return await list_plans(self._gateway, current_call(), request)

    async def DecideLaunch(
        self,
        request: launch_pb2.DecideLaunchRequest,
        context: Any,  # noqa: ARG002
    ) -> launch_pb2.DecideLaunchResponse:
        """What was decided about a plan."""
        return await decide_launch(self._gateway, current_call(), request)

    async def ReplayPlan(self, request: launch_pb2.ReplayPlanRequest, context: Any) -> launch_pb2.ReplayPlanResponse:  # noqa: ARG002
        """A remembered plan, computed again."""
        return await replay_plan(self._gateway, current_call(), request)

    async def EstimatePower(
        self,
        request: launch_pb2.EstimatePowerRequest,
        context: Any,  # noqa: ARG002
    ) -> launch_pb2.EstimatePowerResponse:
        """How large a test of two plans must be."""
        return await estimate_power(self._gateway, current_call(), request)
