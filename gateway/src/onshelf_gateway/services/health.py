"""grpc.health.v1 with Check and Watch: SERVING only while Triton answers for the models of the release in service, and
they answer calls.

The library's own servicer is not used: in it, the end of one Watch stops the updates of the others of the same service.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from onshelf_gateway.call import metrics
from onshelf_gateway.inference.backend import BackendTimeoutError, BackendUnavailableError, InferenceBackend
from onshelf_gateway.inference.models import Models
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.releases.release_set import ReleaseSet
from onshelf_gateway.settings import Settings
from onshelf_release.signatures import (
    CATALOG_MODELS,
    LAUNCH_OUTCOME,
    PRODUCT_NEIGHBOURS,
    PRODUCT_RETRIEVAL,
    USER_ENCODER,
)

log = structlog.get_logger(__name__)
LAUNCH, RECOMMENDATION = "onshelf.v1.LaunchService", "onshelf.v1.RecommendationService"
CATALOG = "onshelf.v1.CatalogService"
SERVICES = ("", LAUNCH, RECOMMENDATION, CATALOG)
Status = health_pb2.HealthCheckResponse
PATIENCE = 2  # probes without an answer in time before a server counts as gone; a refused connection counts at once


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """The state of each service, for Check, for at most `max_watches` at once, and for the gateway itself."""

    def __init__(self, max_watches: int) -> None:
        self._max_watches = max_watches
        self._watches = 0
        self._states: dict[str, Any] = dict.fromkeys(SERVICES, Status.NOT_SERVING)
        self._changed = asyncio.Event()
        self._closed = False

    def set(self, service: str, serving: bool) -> None:
        """Set a state; after `close` it stays NOT_SERVING."""
        state = Status.SERVING if serving and not self._closed else Status.NOT_SERVING
        metrics.serving.labels(service or "all").set(state == Status.SERVING)
        if self._states[service] != state:
            self._states[service] = state
            log.info("health", service=service or "all", state=Status.ServingStatus.Name(state))
            self._changed.set()  # wakes all watchers; the next change gets an event of its own
            self._changed = asyncio.Event()

    def close(self) -> None:
        """NOT_SERVING from now on."""
        self._closed = True
        for service in SERVICES:
            self.set(service, False)

    def serving(self, service: str) -> bool:
        """Whether a service is SERVING."""
        return bool(self._states[service] == Status.SERVING)

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:
        """The state now; NOT_FOUND for an unknown service."""
        if request.service not in self._states:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"unknown service; known: {', '.join(filter(None, SERVICES))}"
            )
        return Status(status=self._states[request.service])

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> AsyncIterator[Any]:
        """The state now and after every change; ends when the gateway has drained. Refused beyond `max_watches`."""
        if self._watches >= self._max_watches:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._watches} watches, as many as --max-watches allows; watch from fewer places, or ask Check",
            )
        self._watches += 1
        try:
            last = None
            while True:
                changed = self._changed
                state = self._states.get(request.service, Status.SERVICE_UNKNOWN)
                if state != last:
                    last = state
                    yield Status(status=state)
                await changed.wait()
        finally:
            self._watches -= 1


def required_models(service: str, encoder: str) -> tuple[str, ...]:
    """Models that a service cannot do without; the audience and the similar launches only degrade an answer. "" stands
    for plans and recommendations: without the catalog's model both are answered.
    """
    launch = (encoder, LAUNCH_OUTCOME)
    recommendation = (USER_ENCODER, PRODUCT_RETRIEVAL)
    catalog = (encoder, PRODUCT_NEIGHBOURS)
    return {LAUNCH: launch, RECOMMENDATION: recommendation, CATALOG: catalog}.get(service, launch + recommendation)


class Monitor:
    """Asks Triton again and again; sets health, and keeps the newest model release that is ready in service."""

    def __init__(
        self, *, settings: Settings, backend: InferenceBackend, models: Models, releases: ReleaseSet, health: Health
    ) -> None:
        self._settings = settings
        self._backend = backend
        self._models = models
        self._releases = releases
        self._health = health
        self._slow = 0
        self._news = asyncio.Event()
        models.trials.changed = self._news.set

    async def run(self) -> None:
        """Probe until cancelled."""
        interval = self._settings.probe_interval_ms / 1000
        while True:
            started = time.monotonic()
            self._news.clear()
            await self.probe()
            with contextlib.suppress(TimeoutError):  # sooner when a call shows that a model is served, or is not
                await asyncio.wait_for(self._news.wait(), max(0.02, interval - (time.monotonic() - started)))

    async def probe(self) -> None:
        """Probe once; a probe that fails unexpectedly is logged and counts as one that finds nothing ready."""
        try:
            await self._probe()
        except Exception:  # whatever it is, probing must go on: health would stay as it was for good
            log.exception("probe_failed")
            for service in SERVICES:
                self._health.set(service, False)

    async def _probe(self) -> None:
        if self._releases.serving is None:
            for service in SERVICES:
                self._health.set(service, False)
            return
        try:
            ready = await self._best()
            self._slow = 0
        except BackendTimeoutError:
            self._slow += 1
            if self._slow < PATIENCE:
                return
            ready = {}
        except BackendUnavailableError:
            ready = {}
        self._models.reachable(bool(ready))
        current = self._releases.serving
        metrics.release_version.set(current.version if current is not None else 0)
        for service in SERVICES:
            serving = all(ready.get(model, False) for model in self._needed(service, current))
            if service == CATALOG and current is not None:  # of a release from before the catalog: never
                serving &= set(CATALOG_MODELS) <= set(current.manifest.models)
            self._health.set(service, serving)

    def _needed(self, service: str, release: ModelRelease | None) -> tuple[str, ...]:
        return required_models(service, self._models.encoders.of(release))

    async def _best(self) -> dict[str, bool]:
        """Put the newest production release that is ready as a whole into service; say what is ready of it."""
        loaded = {release.fingerprint for release in self._releases.loaded.values()}
        self._models.trials.keep(loaded)
        self._models.encoders.keep(loaded)
        answers: dict[int, dict[str, bool]] = {}
        for release in self._releases.production:
            answers[release.version] = await self._ready(release)
            if all(answers[release.version][model] for model in self._needed("", release)):
                self._releases.promote(release)
                break
        serving = self._releases.serving
        return answers[serving.version] if serving is not None and serving.version in answers else {}

    async def _ready(self, release: ModelRelease) -> dict[str, bool]:
        timeout = self._settings.probe_timeout_ms / 1000
        settled = await self._models.encoders.settle(release, timeout)
        models = dict.fromkeys(model for service in SERVICES for model in self._needed(service, release))
        answers = await asyncio.gather(*(self._backend.ready(model, release.version, timeout) for model in models))
        trials = self._models.trials
        return {
            model: settled and ready and not trials.failing(model, release.fingerprint)
            for model, ready in zip(models, answers, strict=True)
        }
