"""The client for asyncio."""

import asyncio
import collections
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from onshelf import _config, _event_stream, _feedback_results, _inputs, _related_results, _results, _rpcs, _streams
from onshelf._enums import LaunchState, PowerUnit, RecommendationScope, RelationKind
from onshelf._errors import InvalidRequest
from onshelf._retry import Deadline, RetryPolicy
from onshelf._status import from_rpc_error
from onshelf.v1 import feedback_pb2, launch_pb2


class AsyncClient:
    """`Client` for asyncio: the same calls, awaited; for one event loop.

    The connection is made at the first call. See `Client` for what the arguments mean.
    """

    def __init__(
        self,
        address: str = _config.DEFAULT_ADDRESS,
        *,
        timeout: float = _config.DEFAULT_TIMEOUT,
        retries: int = _config.DEFAULT_RETRIES,
        metadata: _config.Metadata = (),
        credentials: grpc.ChannelCredentials | None = None,
        channel_options: _config.ChannelOptions = (),
    ) -> None:
        self._config = _config.ClientConfig(
            address=address,
            timeout=timeout,
            retries=retries,
            metadata=metadata,
            credentials=credentials,
            channel_options=channel_options,
        )
        self._policy = RetryPolicy(retries=retries)
        self._channel: grpc.aio.Channel | None = None
        self._stubs: dict[str, Any] = {}

    @property
    def address(self) -> str:
        """The service's address."""
        return self._config.address

    async def plan_launch(
        self,
        product: _inputs.Product,
        *,
        window: _inputs.DateWindow | None = None,
        constraints: _inputs.PlanConstraints | None = None,
        costs: _inputs.Costs | None = None,
        objective: _inputs.Objective | None = None,
        stock_policy: _inputs.StockPolicy | None = None,
        max_plans: int | None = None,
        max_candidates: int | None = None,
        audience_size: int | None = None,
        similar_launches: int | None = None,
        population_scale: float | None = None,
        time_zone: str | None = None,
        model_release: int | None = None,
        market_signals: Sequence[_inputs.MarketSignal] = (),
        calendar_events: Sequence[_inputs.CalendarEvent] = (),
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> _results.PlanLaunchResult:
        """Ranked plans for one product: when, which channels, which promotion, which price, how many units, to whom,
        and why.

        request_id makes the call idempotent; one is made up where none is given, so that a retry gives the same plan.
        """
        arguments = {
            "product": product,
            "window": window,
            "constraints": constraints,
            "costs": costs,
            "objective": objective,
            "stock_policy": stock_policy,
            "max_plans": max_plans,
            "max_candidates": max_candidates,
            "audience_size": audience_size,
            "similar_launches": similar_launches,
            "population_scale": population_scale,
            "time_zone": time_zone,
            "model_release": model_release,
            "market_signals": market_signals,
            "calendar_events": calendar_events,
            "request_id": request_id or uuid.uuid4().hex,
        }
        result: _results.PlanLaunchResult = await self._call("plan_launch", arguments, timeout)
        return result

    async def stream_plans(
        self,
        requests: Iterable[_inputs.PlanRequest],
        *,
        at_once: int = _streams.AT_ONCE,
        in_order: bool = False,
        timeout: float | None = None,
        patience: float | None = None,
    ) -> AsyncIterator[_results.StreamedPlan]:
        """Plans for many products on one stream: answers by request_id as they are ready, or in_order.

        requests is read while the stream goes on: at most at_once of its products are on the way, so that it may be as
        long as you like. A request that the service refuses is answered with its error, and the stream goes on; a
        stream that breaks raises, and what was not answered can be sent again under the same ids. timeout: seconds for
        the whole stream, patience: for the next answer while some are on the way; None for no limit. Stop reading to
        end it.
        """
        seconds = _streams.checked(at_once, timeout)
        order, slots = _streams.Order(in_order), asyncio.Semaphore(at_once)
        waiting = _streams.Waiting(patience)
        unsent: collections.deque[_results.StreamedPlan] = collections.deque()
        failures: list[BaseException] = []

        async def outgoing() -> AsyncIterator[launch_pb2.StreamPlansRequest]:
            try:
                for request in order.asked(requests):
                    try:
                        message = _streams.message(request)
                    except InvalidRequest as error:
                        unsent.append(_streams.refused(request, error))
                        continue
                    await slots.acquire()
                    waiting.sent()
                    yield message
            except Exception as error:  # noqa: BLE001  (the caller's, who gets it below)
                failures.append(error)

        stream = self._connected().stream_stream(
            _rpcs.STREAM_PLANS,
            request_serializer=launch_pb2.StreamPlansRequest.SerializeToString,
            response_deserializer=launch_pb2.StreamPlansResponse.FromString,
        )
        call = stream(outgoing(), timeout=seconds, metadata=self._config.call_metadata())
        watching = asyncio.create_task(waiting.watching(call.cancel))
        try:
            async for answer in call:
                waiting.answered()
                slots.release()
                while unsent:
                    for ready in order.ready(unsent.popleft()):
                        yield ready
                for ready in order.ready(_streams.streamed(answer, self.address)):
                    yield ready
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            late = waiting.late(self.address)
            if late is not None:
                raise late from error
            if isinstance(error, asyncio.CancelledError):
                raise
            raise from_rpc_error(error, self.address, timeout) from error
        finally:
            watching.cancel()
            call.cancel()
        while unsent:
            for ready in order.ready(unsent.popleft()):
                yield ready
        if failures:
            raise failures[0]

    async def evaluate_plan(
        self,
        product: _inputs.Product,
        action: _inputs.Action,
        *,
        costs: _inputs.Costs | None = None,
        objective: _inputs.Objective | None = None,
        stock_policy: _inputs.StockPolicy | None = None,
        population_scale: float | None = None,
        time_zone: str | None = None,
        model_release: int | None = None,
        similar_launches: int | None = None,
        timeout: float | None = None,
    ) -> _results.EvaluatePlanResult:
        """What if: the forecast of one given action, whose launch date is required."""
        arguments = {
            "product": product,
            "action": action,
            "costs": costs,
            "objective": objective,
            "stock_policy": stock_policy,
            "population_scale": population_scale,
            "time_zone": time_zone,
            "model_release": model_release,
            "similar_launches": similar_launches,
        }
        result: _results.EvaluatePlanResult = await self._call("evaluate_plan", arguments, timeout)
        return result

    async def update_forecast(
        self,
        product: _inputs.Product,
        action: _inputs.Action,
        observed_weekly_units: Sequence[int],
        *,
        stock_units: int | None = None,
        costs: _inputs.Costs | None = None,
        stock_policy: _inputs.StockPolicy | None = None,
        constraints: _inputs.PlanConstraints | None = None,
        population_scale: float | None = None,
        time_zone: str | None = None,
        model_release: int | None = None,
        timeout: float | None = None,
    ) -> _results.UpdateForecastResult:
        """After the first 1 to 7 weeks on sale: what the rest of the 8 weeks will bring.

        action is the executed one with its launch date. With stock_units, units at hand and on order, also what to
        reorder and which prices to ask, within the constraints on prices, discounts, margin and budget.
        """
        arguments = {
            "product": product,
            "action": action,
            "observed_weekly_units": observed_weekly_units,
            "stock_units": stock_units,
            "costs": costs,
            "stock_policy": stock_policy,
            "constraints": constraints,
            "population_scale": population_scale,
            "time_zone": time_zone,
            "model_release": model_release,
        }
        result: _results.UpdateForecastResult = await self._call("update_forecast", arguments, timeout)
        return result

    async def recommend_products(
        self,
        user_id: str | None = None,
        *,
        history: Sequence[_inputs.HistoryEvent] = (),
        count: int | None = None,
        scope: RecommendationScope | None = None,
        categories: Sequence[str] = (),
        excluded_product_ids: Sequence[str] = (),
        new_product_share: float | None = None,
        model_release: int | None = None,
        timeout: float | None = None,
    ) -> _results.RecommendProductsResult:
        """Products for a user, new ones included. One of user_id and history is required."""
        arguments = {
            "user_id": user_id,
            "history": history,
            "count": count,
            "scope": scope,
            "categories": categories,
            "excluded_product_ids": excluded_product_ids,
            "new_product_share": new_product_share,
            "model_release": model_release,
        }
        result: _results.RecommendProductsResult = await self._call("recommend_products", arguments, timeout)
        return result

    async def find_audience(
        self,
        product: _inputs.Product | None = None,
        *,
        product_id: str | None = None,
        count: int | None = None,
        segments: bool = False,
        model_release: int | None = None,
        timeout: float | None = None,
    ) -> _results.FindAudienceResult:
        """Users, and with segments also groups of them, for a new product or one of the catalog (product_id)."""
        arguments = _config.subject(product, product_id) | {
            "count": count,
            "segments": segments,
            "model_release": model_release,
        }
        result: _results.FindAudienceResult = await self._call("find_audience", arguments, timeout)
        return result

    async def find_similar_launches(
        self,
        product: _inputs.Product | None = None,
        *,
        product_id: str | None = None,
        count: int | None = None,
        model_release: int | None = None,
        timeout: float | None = None,
    ) -> _results.FindSimilarLaunchesResult:
        """Past launches like a new product or one of the catalog (product_id), most similar first."""
        arguments = _config.subject(product, product_id) | {"count": count, "model_release": model_release}
        result: _results.FindSimilarLaunchesResult = await self._call("find_similar_launches", arguments, timeout)
        return result

    async def find_related_products(
        self,
        product: _inputs.Product | None = None,
        *,
        product_id: str | None = None,
        kind: RelationKind | None = None,
        count: int | None = None,
        model_release: int | None = None,
        timeout: float | None = None,
    ) -> _related_results.FindRelatedProductsResult:
        """Complements and substitutes of a new product or one of the catalog (product_id), strongest first."""
        arguments = _config.subject(product, product_id) | {
            "kind": kind,
            "count": count,
            "model_release": model_release,
        }
        result: _related_results.FindRelatedProductsResult = await self._call(
            "find_related_products", arguments, timeout
        )
        return result

    async def get_user_profile(
        self, user_id: str, *, model_release: int | None = None, timeout: float | None = None
    ) -> _results.GetUserProfileResult:
        """What the model release knows of a user."""
        arguments = {"user_id": user_id, "model_release": model_release}
        result: _results.GetUserProfileResult = await self._call("get_user_profile", arguments, timeout)
        return result

    async def upsert_products(
        self, products: Sequence[_inputs.Product], *, timeout: float | None = None
    ) -> _results.UpsertProductsResult:
        """Adds or replaces 1 to 1,000 products, each with a product_id: recommended and found from now on.

        Products that break a rule are in the result's errors; the others are taken. Safe to repeat.
        """
        result: _results.UpsertProductsResult = await self._call("upsert_products", {"products": products}, timeout)
        return result

    async def delete_products(
        self, product_ids: Sequence[str], *, timeout: float | None = None
    ) -> _results.DeleteProductsResult:
        """Removes 1 to 1,000 products from retrieval, those of the model release, too. Safe to repeat."""
        arguments = {"product_ids": product_ids}
        result: _results.DeleteProductsResult = await self._call("delete_products", arguments, timeout)
        return result

    async def search_products(
        self,
        query: str,
        *,
        count: int | None = None,
        categories: Sequence[str] = (),
        model_release: int | None = None,
        timeout: float | None = None,
    ) -> _results.SearchProductsResult:
        """Products by title, category or meaning, best first."""
        arguments = {"query": query, "count": count, "categories": categories, "model_release": model_release}
        result: _results.SearchProductsResult = await self._call("search_products", arguments, timeout)
        return result

    async def list_channels(
        self, *, model_release: int | None = None, timeout: float | None = None
    ) -> _results.ListChannelsResult:
        """The channels that plans may use."""
        arguments = {"model_release": model_release}
        result: _results.ListChannelsResult = await self._call("list_channels", arguments, timeout)
        return result

    async def list_model_releases(self, *, timeout: float | None = None) -> _results.ListModelReleasesResult:
        """The model releases that can answer, newest first: currency, end of the data, which is in service."""
        result: _results.ListModelReleasesResult = await self._call("list_model_releases", {}, timeout)
        return result

    async def get_plan(self, plan_id: str, *, timeout: float | None = None) -> _feedback_results.GetPlanResult:
        """A remembered plan, with what was decided."""
        result: _feedback_results.GetPlanResult = await self._call("get_plan", {"plan_id": plan_id}, timeout)
        return result

    async def list_plans(
        self,
        *,
        product_id: str | None = None,
        state: LaunchState | None = None,
        created_from: datetime | None = None,
        created_before: datetime | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> _feedback_results.ListPlansResult:
        """A page of remembered plans, newest first; ask for the next one with its page_token and the same filters."""
        arguments = {
            "product_id": product_id,
            "state": state,
            "created_from": created_from,
            "created_before": created_before,
            "page_size": page_size,
            "page_token": page_token,
        }
        result: _feedback_results.ListPlansResult = await self._call("list_plans", arguments, timeout)
        return result

    async def decide_launch(
        self,
        plan_id: str,
        decision: _inputs.LaunchDecision,
        *,
        last_revision: int | None = None,
        timeout: float | None = None,
    ) -> _feedback_results.DecideLaunchResult:
        """Records what was decided about a plan. last_revision: refuse, if somebody has decided since that revision."""
        arguments = {"plan_id": plan_id, "decision": decision, "last_revision": last_revision}
        result: _feedback_results.DecideLaunchResult = await self._call("decide_launch", arguments, timeout)
        return result

    async def replay_plan(self, plan_id: str, *, timeout: float | None = None) -> _feedback_results.ReplayPlanResult:
        """Computes a remembered plan again, and says whether it is the same bit for bit."""
        result: _feedback_results.ReplayPlanResult = await self._call("replay_plan", {"plan_id": plan_id}, timeout)
        return result

    async def estimate_power(
        self,
        plan_id: str,
        *,
        rank: int | None = None,
        other_plan_id: str | None = None,
        other_rank: int | None = None,
        unit: PowerUnit | None = None,
        users: int | None = None,
        sites: int | None = None,
        weeks: int | None = None,
        dispersion: float | None = None,
        power: float | None = None,
        significance: float | None = None,
        timeout: float | None = None,
    ) -> _feedback_results.EstimatePowerResult:
        """How many users or sites, and weeks, until the difference between two remembered plans could be seen.

        By default the first two plans of one answer. users or sites: those that can take part.
        """
        arguments = {
            "plan_id": plan_id,
            "rank": rank,
            "other_plan_id": other_plan_id,
            "other_rank": other_rank,
            "unit": unit,
            "users": users,
            "sites": sites,
            "weeks": weeks,
            "dispersion": dispersion,
            "power": power,
            "significance": significance,
        }
        result: _feedback_results.EstimatePowerResult = await self._call("estimate_power", arguments, timeout)
        return result

    async def record_events(
        self, events: Sequence[_inputs.Event], *, timeout: float | None = None
    ) -> _feedback_results.RecordEventsResult:
        """Records 1 to 10,000 events; those that were taken are durable. Safe to repeat.

        Events that break a rule are in the result's errors; the others are taken.
        """
        result: _feedback_results.RecordEventsResult = await self._call("record_events", {"events": events}, timeout)
        return result

    async def stream_events(
        self,
        events: Iterable[_inputs.Event],
        *,
        together: int = _event_stream.TOGETHER,
        timeout: float | None = None,
    ) -> AsyncIterator[_feedback_results.StreamEventsResponse]:
        """Records events as they come from an iterable; answers say how many of them, from the start, are done with.

        What is acknowledged is durable, or refused and in the answer's errors. A stream that breaks raises; send what
        was not acknowledged again. together: events of one message, 1 to 1,000. timeout: seconds for the whole stream.
        """
        failures: list[BaseException] = []

        async def outgoing() -> AsyncIterator[feedback_pb2.StreamEventsRequest]:
            try:
                for message in _event_stream.messages(events, together):
                    yield message
            except Exception as error:  # noqa: BLE001  (the caller's, who gets it below)
                failures.append(error)

        stream = self._connected().stream_stream(
            _event_stream.PATH,
            request_serializer=feedback_pb2.StreamEventsRequest.SerializeToString,
            response_deserializer=feedback_pb2.StreamEventsResponse.FromString,
        )
        seconds = None if timeout is None else Deadline(timeout).left()
        call = stream(outgoing(), timeout=seconds, metadata=self._config.call_metadata())
        try:
            async for answer in call:
                yield _event_stream.acknowledged(answer)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self.address, timeout) from error
        finally:
            call.cancel()
        if failures:
            raise failures[0]

    async def list_events(
        self,
        *,
        product_id: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> _feedback_results.ListEventsResult:
        """A page of recorded events, in the order in which they were recorded."""
        arguments = {"product_id": product_id, "page_size": page_size, "page_token": page_token}
        result: _feedback_results.ListEventsResult = await self._call("list_events", arguments, timeout)
        return result

    async def list_refused_events(
        self, *, page_size: int | None = None, page_token: str | None = None, timeout: float | None = None
    ) -> _feedback_results.ListRefusedEventsResult:
        """A page of the events that were refused and not recorded since, newest first."""
        arguments = {"page_size": page_size, "page_token": page_token}
        result: _feedback_results.ListRefusedEventsResult = await self._call("list_refused_events", arguments, timeout)
        return result

    async def list_launches(
        self,
        *,
        state: LaunchState | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> _feedback_results.ListLaunchesResult:
        """A page of the launches that are executed, those that need attention first."""
        arguments = {"state": state, "page_size": page_size, "page_token": page_token}
        result: _feedback_results.ListLaunchesResult = await self._call("list_launches", arguments, timeout)
        return result

    async def get_launch_report(
        self, plan_id: str, *, timeout: float | None = None
    ) -> _feedback_results.GetLaunchReportResult:
        """What was planned of a launch beside what came of it, week by week, and what to change now."""
        result: _feedback_results.GetLaunchReportResult = await self._call(
            "get_launch_report", {"plan_id": plan_id}, timeout
        )
        return result

    async def get_scoreboard(
        self,
        *,
        created_from: datetime | None = None,
        created_before: datetime | None = None,
        timeout: float | None = None,
    ) -> _feedback_results.GetScoreboardResult:
        """What plans promised beside past practice and what came, and how people's changes did."""
        arguments = {"created_from": created_from, "created_before": created_before}
        result: _feedback_results.GetScoreboardResult = await self._call("get_scoreboard", arguments, timeout)
        return result

    async def forget_user(self, user_id: str, *, timeout: float | None = None) -> _feedback_results.ForgetUserResult:
        """Deletes a user's events and answers at once. Training does not leave the user out yet."""
        result: _feedback_results.ForgetUserResult = await self._call("forget_user", {"user_id": user_id}, timeout)
        return result

    async def health(self, service: str = "", *, timeout: float | None = None) -> _results.Health:
        """What the service says of itself now. service: a gRPC service name, by default the whole."""
        seconds = self._config.timeout if timeout is None else timeout
        try:
            answer = await self._health().Check(
                health_pb2.HealthCheckRequest(service=service),
                timeout=Deadline(seconds).left(),
                metadata=self._config.call_metadata(),
            )
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self.address, seconds) from error
        return _config.read_health(answer.status, service)

    async def watch_health(self, service: str = "") -> AsyncIterator[_results.Health]:
        """What the service says of itself, now and at each change, until the caller stops or the connection ends in an
        error.
        """
        call = self._health().Watch(
            health_pb2.HealthCheckRequest(service=service), metadata=self._config.call_metadata()
        )
        try:
            async for answer in call:
                yield _config.read_health(answer.status, service)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self.address) from error
        finally:
            call.cancel()

    async def close(self) -> None:
        """Ends the connection; calls still running are cancelled."""
        if self._channel is not None:
            await self._channel.close(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, method: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        rpc = _rpcs.BY_METHOD[method]
        request = _config.build_request(rpc, arguments)
        deadline = Deadline(self._config.timeout if timeout is None else timeout)
        attempt = 1
        while True:
            try:
                response = await self._stub(rpc)(
                    request, timeout=deadline.left(), metadata=self._config.call_metadata()
                )
            except grpc.aio.AioRpcError as error:
                failure = from_rpc_error(error, self.address, deadline.seconds)
                pause = self._policy.pause(rpc, failure, attempt, deadline.left())
                if pause is None:
                    raise failure from error
            else:
                return _config.read_answer(rpc, response, self.address)
            await asyncio.sleep(pause)
            attempt += 1

    def _connected(self) -> grpc.aio.Channel:
        # Made in a running loop, to which it then belongs.
        if self._channel is None:
            config, options = self._config, self._config.options()
            if config.credentials is None:
                self._channel = grpc.aio.insecure_channel(config.address, options=options)
            else:
                self._channel = grpc.aio.secure_channel(config.address, config.credentials, options=options)
        return self._channel

    def _stub(self, rpc: _rpcs.Rpc) -> Any:
        if rpc.path not in self._stubs:
            self._stubs[rpc.path] = self._connected().unary_unary(
                rpc.path,
                request_serializer=rpc.request.SerializeToString,
                response_deserializer=rpc.response.FromString,
            )
        return self._stubs[rpc.path]

    def _health(self) -> Any:
        return health_pb2_grpc.HealthStub(self._connected())
