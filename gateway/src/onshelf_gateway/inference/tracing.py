"""How long a traced call waited in the model server and how long it computed there, by the server's own counts."""

import asyncio

import structlog

from onshelf_gateway.call.call import Call, Stage
from onshelf_gateway.inference.backend import (
    BackendAnswerError,
    BackendTimeoutError,
    BackendUnavailableError,
    InferenceBackend,
    ModelTimes,
)
from onshelf_gateway.releases.model_release import ModelRelease

log = structlog.get_logger(__name__)
COUNT_POLLS, COUNT_POLL_S = 20, 0.005  # of a traced call, until the model server has counted it


class Tracing:
    """Splits the stages of traced calls."""

    def __init__(self, backend: InferenceBackend) -> None:
        self._backend = backend

    async def add_parts(
        self, call: Call, release: ModelRelease, model: str, before: ModelTimes | None, stage: Stage
    ) -> None:
        """Split a traced stage into waiting and computing."""
        after = await self._after(call, release, model, before) if before else None
        if before and after and after.requests > before.requests:
            requests = after.requests - before.requests
            queue = (after.queue_ns - before.queue_ns) // requests
            compute = (after.compute_ns - before.compute_ns) // requests
            call.add_parts(stage, queue, compute, round(requests / max(after.executions - before.executions, 1)))

    async def times(self, call: Call, release: ModelRelease, model: str) -> ModelTimes | None:
        """The model server's counts when the call is traced; none of them is worth failing the call."""
        if not call.trace:
            return None
        try:
            return await self._backend.times(model, release.version, call.remaining())
        except (BackendUnavailableError, BackendTimeoutError, BackendAnswerError) as error:
            log.warning("no_model_times", model=model, call_id=call.call_id, error=str(error))
            return None

    async def _after(self, call: Call, release: ModelRelease, model: str, before: ModelTimes) -> ModelTimes | None:
        """The counts with this request in them: the model server adds a request shortly after it has answered."""
        after = await self.times(call, release, model)
        for _ in range(COUNT_POLLS):
            if after is None or after.requests > before.requests:
                break
            await asyncio.sleep(COUNT_POLL_S)
            after = await self.times(call, release, model)
        return after
