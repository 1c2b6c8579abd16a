"""The backend, guarded: failures become errors of the contract, and no call waits for a server that is gone."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError, model_unavailable
from onshelf_gateway.inference.backend import (
    Array,
    Arrays,
    BackendAnswerError,
    BackendTimeoutError,
    BackendUnavailableError,
    InferenceBackend,
)
from onshelf_gateway.inference.outputs import invalid

log = structlog.get_logger(__name__)


class GuardedBackend:
    """A backend whose waiting calls end where the server is found to be gone.

    Args:
        backend: that is asked.
        retry_after_ms: what callers are told where it is gone.
    """

    def __init__(self, backend: InferenceBackend, retry_after_ms: int) -> None:
        self._backend, self._retry_after_ms = backend, retry_after_ms
        self._reachable = True
        self._waiting: set[asyncio.Timeout] = set()

    def reachable(self, answers: bool) -> None:
        """Say whether the server answers at all; while it does not, calls fail at once, waiting ones too."""
        self._reachable = answers
        if not answers:
            for waiting in self._waiting:
                waiting.reschedule(asyncio.get_running_loop().time())

    async def infer(
        self, model: str, version: int, inputs: Arrays, outputs: Sequence[str], timeout: float
    ) -> dict[str, Array]:
        """Ask a model; its outputs by name.

        Raises:
            BackendError: of whatever kind; `failures` turns it into one of the contract.
        """
        silent = BackendUnavailableError("the model server does not answer")
        if not self._reachable:
            raise silent
        waiting = asyncio.timeout(None)  # never by itself; `reachable` ends it
        try:
            async with waiting:
                self._waiting.add(waiting)
                return await self._backend.infer(model, version, inputs, outputs, timeout)
        except TimeoutError as error:
            if waiting.expired():
                raise silent from error
            raise
        finally:
            self._waiting.discard(waiting)

    @contextmanager
    def failures(self, call: Call, model: str) -> Iterator[None]:
        """Failures of the backend as errors of the contract."""
        try:
            yield
        except BackendUnavailableError as error:
            _failed(call, model, "unavailable", error)
            raise model_unavailable(model, self._retry_after_ms) from error
        except BackendTimeoutError as error:
            _failed(call, model, "deadline", error)
            raise GatewayError(
                "DEADLINE_EXCEEDED", f"{call.deadline_name} passed before model {model} answered"
            ) from error
        except BackendAnswerError as error:
            _failed(call, model, "invalid", error)
            raise invalid(
                model, f"it refused its input or answered nonsense; the log has it under call id {call.call_id}"
            ) from error


def _failed(call: Call, model: str, kind: str, error: Exception) -> None:
    """Count and log a failure of the backend: its text may hold addresses, so callers do not get to see it."""
    if call.trial:
        return
    metrics.model_failed(model, kind)
    log.warning("model_failed", model=model, kind=kind, call_id=call.call_id, error=str(error))
