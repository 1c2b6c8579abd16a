"""What real calls say of each model: one that fails all its calls is not served, whatever the model server says.

A failed call makes its model suspect. Then something is asked that it has answered before (the failed call itself where
there is none), again and again, until it answers. `ENOUGH` failures without an answer between them, and it counts as
not served; one answer, to a trial or to a caller, and it is served again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError, model_unavailable
from onshelf_gateway.inference.backend import BackendAnswerError, BackendTimeoutError, BackendUnavailableError

log = structlog.get_logger(__name__)
A = TypeVar("A")
Ask = Callable[[Call], Awaitable[Any]]
Key = tuple[str, str]  # model, fingerprint of the release

ENOUGH = 3
QUICK_SECONDS = 0.05  # between trials until it is known
TRIAL_SECONDS = 2.0  # for a trial to be answered
HANG_SECONDS = 1.0
REASONS = ("MODEL_UNAVAILABLE", "MODEL_OUTPUT_INVALID", "DEADLINE_EXCEEDED")


@dataclass(kw_only=True)
class _Trial:
    """Of one model of one release: failures since the last answer, and what to ask."""

    model: str
    failures: int = 0
    answered_at: float = 0.0
    known: Ask | None = None
    failed: Ask | None = None
    task: "asyncio.Task[None] | None" = None


class Trials:
    """Used on one event loop.

    Args:
        retry_after_ms: what callers are told who ask a model that is not served.
        interval: seconds between trials of a model that is not served.
        hang: seconds; a call that ends by its deadline sooner says more of the deadline than of the model.

    Attributes:
        paused: whether the server as such does not answer, so that no model needs to be tried.
        changed: called when a model is found to be served, or not to be.
    """

    def __init__(self, retry_after_ms: int, interval: float, hang: float = HANG_SECONDS) -> None:
        self._retry_after_ms = retry_after_ms
        self._interval, self._hang = interval, hang
        self._trials: dict[Key, _Trial] = {}
        self.paused = False
        self.changed: Callable[[], object] = lambda: None

    def failing(self, model: str, fingerprint: str) -> bool:
        """Whether a model of a release fails all its calls."""
        trial = self._trials.get((model, fingerprint))
        return trial is not None and trial.failures >= ENOUGH

    async def run(self, model: str, fingerprint: str, call: Call, ask: Callable[[Call], Awaitable[A]]) -> A:
        """What `ask` answers to a call; it is counted.

        Raises:
            BackendUnavailableError, GatewayError: MODEL_UNAVAILABLE; instead of what says that the answer made no
                sense, where the model fails all its calls.
        """
        key = model, fingerprint
        trial = self._trials.setdefault(key, _Trial(model=model))
        began = time.monotonic()
        try:
            answer = await ask(call)
        except Exception as error:
            if self._is_failure(trial, error, began):
                trial.failed = ask
                self._count(trial)
                if trial.task is None and self._trials.get(key) is trial:  # its release may be gone meanwhile
                    trial.task = asyncio.create_task(self._until_answered(trial))
            if trial.failures >= ENOUGH and isinstance(error, BackendAnswerError):
                raise BackendUnavailableError(str(error)) from error
            if trial.failures >= ENOUGH and getattr(error, "reason", "") == "MODEL_OUTPUT_INVALID":
                raise model_unavailable(model, self._retry_after_ms) from error
            raise
        self._answered(trial)
        trial.known = trial.known or ask
        return answer

    def keep(self, fingerprints: Collection[str]) -> None:
        """Forget the models of all other releases."""
        for key in [key for key in self._trials if key[1] not in fingerprints]:
            trial = self._trials.pop(key)
            if trial.task is not None:
                trial.task.cancel()

    async def settled(self) -> None:
        """Return when every model that was tried has answered."""
        await asyncio.gather(*self._tasks())

    async def close(self) -> None:
        """Try no more."""
        for task in self._tasks():
            task.cancel()
        await asyncio.gather(*self._tasks(), return_exceptions=True)

    def _tasks(self) -> "list[asyncio.Task[None]]":
        return [trial.task for trial in self._trials.values() if trial.task is not None]

    async def _until_answered(self, trial: _Trial) -> None:
        while trial.failures:
            await asyncio.sleep(QUICK_SECONDS if trial.failures < ENOUGH else self._interval)
            if not trial.failures or self.paused:
                continue
            ask, began = trial.known or trial.failed, time.monotonic()
            assert ask is not None
            try:
                await ask(Call(call_id="trial", deadline=began + TRIAL_SECONDS, caller_deadline=False, trial=True))
            except Exception as error:  # trying must go on, or the model would stay as it was for good
                if self._is_failure(trial, error, began):
                    self._count(trial)
                elif not isinstance(error, (BackendTimeoutError, GatewayError)):
                    log.exception("trial_failed", model=trial.model)
            else:
                self._answered(trial)
        trial.task = None

    def _is_failure(self, trial: _Trial, error: Exception, began: float) -> bool:
        reason = error.reason if isinstance(error, GatewayError) else ""
        if trial.answered_at >= began:  # what waited for a process that is dead may end after the next one has answered
            return False
        if isinstance(error, BackendTimeoutError) or reason == "DEADLINE_EXCEEDED":
            return time.monotonic() - began >= self._hang
        return isinstance(error, (BackendUnavailableError, BackendAnswerError)) or reason in REASONS

    def _count(self, trial: _Trial) -> None:
        trial.failures += 1
        if trial.failures == ENOUGH:
            log.warning("model_not_served", model=trial.model, failures=trial.failures)
            self.changed()

    def _answered(self, trial: _Trial) -> None:
        was, trial.failures, trial.answered_at = trial.failures, 0, time.monotonic()
        if was >= ENOUGH:
            log.info("model_served_again", model=trial.model, failures=was)
            self.changed()
