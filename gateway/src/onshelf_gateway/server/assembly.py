"""The server, assembled: a list of its parts; start, wait, drain."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from onshelf.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    feedback_pb2,
    feedback_pb2_grpc,
    launch_pb2,
    launch_pb2_grpc,
    model_release_pb2,
    model_release_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
)
from onshelf_gateway.call import metrics
from onshelf_gateway.call.interceptor import CallInterceptor
from onshelf_gateway.call.permits import Permits
from onshelf_gateway.catalog.catalog import Catalog
from onshelf_gateway.feedback.forgotten import Forgotten
from onshelf_gateway.feedback.holdout import Holdout
from onshelf_gateway.feedback.memory import Memory
from onshelf_gateway.inference.backend import InferenceBackend
from onshelf_gateway.inference.models import Models
from onshelf_gateway.releases.release_set import ReleaseSet
from onshelf_gateway.server import heap, reflection
from onshelf_gateway.services.catalog.service import CatalogService
from onshelf_gateway.services.feedback.service import FeedbackService
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.health import Health, Monitor
from onshelf_gateway.services.kserve.service import InferenceService
from onshelf_gateway.services.launch.service import LaunchService
from onshelf_gateway.services.model_release import ModelReleaseService
from onshelf_gateway.services.recommendation.service import RecommendationService
from onshelf_gateway.settings import Settings
from onshelf_gateway.store.database import Store, StoreError

log = structlog.get_logger(__name__)
LEAST_PING_MS = 100  # callers that ping more often, on a stream that says nothing, are cut off
QUIET_SECONDS = 0.3  # calls under way to a draining server get a reason; a stopped server would cancel them


class Server:
    """A gateway on a port. `async with Server(settings, backend) as server` starts and drains it.

    Attributes:
        address: host:port in use, once started.
        metrics_address: host:port of the metrics, "" without.
    """

    def __init__(self, settings: Settings, backend: InferenceBackend) -> None:
        self.settings = settings
        self.backend = backend
        self.releases = ReleaseSet(settings.releases, settings.retry_after_ms)
        self.health = Health(settings.max_watches)
        self.models = Models(
            backend=backend,
            encoder_model=settings.encoder_model,
            retry_after_ms=settings.retry_after_ms,
            encoder_cache_entries=settings.encoder_cache_entries,
            encoder_cache_bytes=settings.encoder_cache_mib << 20,
            trial_seconds=settings.probe_interval_ms / 1000,
        )
        self.store = Store(settings.store)
        self.catalog = Catalog(settings, self.models, self.releases, self.store)
        self.memory = Memory(settings, self.store)
        self.forgotten = Forgotten(self.store, self.releases)
        self.holdout = Holdout(self.store)
        self.monitor = Monitor(
            settings=settings, backend=backend, models=self.models, releases=self.releases, health=self.health
        )
        self.interceptor = CallInterceptor(settings)
        self.address = ""
        self.metrics_address = ""
        self._tasks: list[asyncio.Task[None]] = []
        self.gateway: Any = None
        self._metrics: Any = None
        self._server: Any = None

    async def start(self) -> None:
        """Load model releases, listen, and begin to watch Triton.

        Raises:
            OSError: an address cannot be listened on, or the store cannot be used.
        """
        settings = self.settings
        await asyncio.to_thread(self.releases.refresh)
        try:
            await asyncio.to_thread(self.store.open)
            await self.catalog.start()
            await self.forgotten.refresh()
            await self.holdout.start()
        except StoreError as error:
            raise OSError(f"--store: cannot be used: {error}") from error
        gateway = self.gateway = Gateway(
            settings=settings,
            releases=self.releases,
            models=self.models,
            permits=Permits(settings.max_in_flight, settings.retry_after_ms),
            catalog=self.catalog,
            memory=self.memory,
            forgotten=self.forgotten,
            holdout=self.holdout,
        )
        size = settings.max_message_mib << 20
        self._server = server = grpc.aio.server(
            interceptors=[self.interceptor],
            options=[
                ("grpc.so_reuseport", int(settings.processes > 1)),
                ("grpc.max_concurrent_streams", settings.max_streams),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_MS),
                ("grpc.max_receive_message_length", size),
                ("grpc.max_send_message_length", size),
            ],
        )
        launch_pb2_grpc.add_LaunchServiceServicer_to_server(LaunchService(gateway), server)  # type: ignore[abstract]
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(RecommendationService(gateway), server)
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogService(gateway), server)
        feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(FeedbackService(gateway), server)
        model_release_pb2_grpc.add_ModelReleaseServiceServicer_to_server(ModelReleaseService(gateway), server)  # type: ignore[abstract]
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(InferenceService(gateway, self.health), server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        if settings.reflection:
            reflection.add(service_names(), server)
        host = settings.listen.rpartition(":")[0]
        try:
            port = server.add_insecure_port(settings.listen)
        except RuntimeError as error:
            raise OSError(f"--listen {settings.listen}: cannot listen there: {error}") from error
        self.address = f"{host}:{port}"
        if settings.metrics_port >= 0:
            self._metrics, metrics_port = metrics.serve(settings.metrics_host, settings.metrics_port)
            self.metrics_address = f"{settings.metrics_host}:{metrics_port}"
        await self.monitor.probe()
        await server.start()
        self._tasks.append(asyncio.create_task(self.monitor.run()))
        self._tasks.append(asyncio.create_task(self.catalog.run()))
        self._tasks.append(asyncio.create_task(self.memory.run()))
        self._tasks.append(asyncio.create_task(self.forgotten.run()))
        if settings.reload_seconds:
            self._tasks.append(asyncio.create_task(self.releases.watch(settings.reload_seconds)))
        if settings.address_file is not None:
            write_addresses(settings.address_file, self.address, self.metrics_address)
        log.info("listening", address=self.address, metrics=self.metrics_address, triton=settings.triton)

    async def drain(self) -> None:
        """Health NOT_SERVING, new calls refused, running ones may finish within the limit; then stop."""
        self.interceptor.draining = True
        self.gateway.draining.set()  # streams end after the rows that they have read
        self.health.close()
        log.info("draining", in_flight=self.interceptor.in_flight)
        try:
            async with asyncio.timeout(self.settings.drain_seconds):
                quiet_since = time.monotonic()
                while time.monotonic() - quiet_since < QUIET_SECONDS:
                    await asyncio.sleep(0.02)
                    if self.interceptor.in_flight:
                        quiet_since = time.monotonic()
        except TimeoutError:
            log.warning("drain_limit_reached", in_flight=self.interceptor.in_flight)
        await self._server.stop(grace=0.2)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.models.trials.close()
        await self.catalog.close()
        await self.memory.close()
        self.store.close()
        await self.backend.close()
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.shutdown)
            self._metrics.server_close()
        log.info("stopped")

    async def __aenter__(self) -> "Server":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain()


def service_names() -> list[str]:
    """Full names of all services, for reflection, but for its own."""
    modules = (launch_pb2, recommendation_pb2, catalog_pb2, feedback_pb2, model_release_pb2, service_pb2, health_pb2)
    return [service.full_name for module in modules for service in module.DESCRIPTOR.services_by_name.values()]


def write_addresses(path: Path, address: str, metrics_address: str) -> None:
    """Write the addresses in use and this process's id, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"address": address, "metrics": metrics_address, "pid": os.getpid()})
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    staging.write_text(text + "\n", encoding="utf-8")
    staging.replace(path)


async def serve(settings: Settings, backend: InferenceBackend, stop: asyncio.Event | None = None) -> None:
    """Serve until SIGTERM, SIGINT or `stop`, then drain."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Server(settings, backend) as server:
        server.releases.changed = heap.settle  # by the thread that looks for releases
        heap.settle()
        await stop.wait()
