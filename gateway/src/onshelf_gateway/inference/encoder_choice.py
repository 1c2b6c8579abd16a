"""Which encoder of the model repository reads products: set, or measured where it is served.

A model release has the same encoder in up to three forms. Which of them is fastest depends on Triton's machine: int8
pays only with integer dot products, a GPU has its own. So the gateway asks each that Triton serves, in turn, through
its own connection, for less than a second, before a release goes into service or reads a product. A choice stays, and
processes of one gateway take that of the first one, so that a release reads all products by one encoder.
"""

import asyncio
import hashlib
import os
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import structlog

from onshelf_gateway.call import metrics
from onshelf_gateway.inference.backend import (
    Array,
    BackendAnswerError,
    BackendTimeoutError,
    BackendUnavailableError,
    InferenceBackend,
)
from onshelf_gateway.releases.model_release import ModelRelease

log = structlog.get_logger(__name__)
AUTO = "auto"
EXACT = ("product_encoder_fp32", "product_encoder")  # the same numbers, but for rounding
INT8 = "product_encoder_int8"
USUAL = (INT8, *EXACT)  # before anything is measured
WORTH = 1.1  # times as fast as the best exact one that int8 must be
ROUNDS = 9  # the first one warms up
BUDGET_SECONDS, PATIENCE_SECONDS = 0.7, 1.0  # after which no round begins; of one answer
LOADING_SECONDS = 3.0  # that a release waits for encoders which are not served
TEXT = "kettle cooked potato chips sea salt and vinegar family size"  # as long as titles are
SHARED_FOLDER = "ONSHELF_PROCESSES_FOLDER"  # of the processes of one gateway, set by the one that starts them


class EncoderChoice:
    """The encoder of each model release.

    Args:
        wanted: a model's name, or "auto".
        backend: where it is served.
        clock: seconds, of any beginning.
        shared: folder in which processes of one gateway tell each other; None for one process alone.
    """

    def __init__(
        self,
        wanted: str,
        backend: InferenceBackend,
        clock: Callable[[], float] = time.perf_counter,
        shared: Path | None = None,
    ) -> None:
        self._wanted, self._backend, self._clock = wanted, backend, clock
        folder = os.environ.get(SHARED_FOLDER)
        self._shared = shared or (Path(folder) if folder else None)
        self._chosen: dict[str, str] = {}
        self._latest = ""
        self._seen: dict[str, float] = {}  # when the first encoder of a release was served
        self._choosing = asyncio.Lock()

    def of(self, release: ModelRelease | None) -> str:
        """The encoder of a release; of one that was not measured that of the latest which was, if it has that."""
        if self._wanted != AUTO:
            return self._wanted
        if release is None:
            return self._latest or INT8
        return self._chosen.get(release.fingerprint) or next(
            (name for name in (self._latest, *USUAL) if name in release.manifest.models), INT8
        )

    def keep(self, fingerprints: Collection[str]) -> None:
        """Forget all other releases."""
        for known in (self._chosen, self._seen):
            for fingerprint in known.keys() - set(fingerprints):
                del known[fingerprint]

    async def settle(self, release: ModelRelease, timeout: float) -> bool:
        """Choose for a release whose encoders are served, unless it is chosen already; whether one is chosen.

        Where only some are served, Triton may be loading the others: they are waited for, and left out at last. A
        release that is not for production takes the encoder of the one that is, if it has that.

        Raises:
            BackendUnavailableError, BackendTimeoutError: the server as such does not answer.
        """
        if self._wanted != AUTO:
            return True
        async with self._choosing:
            return release.fingerprint in self._chosen or await self._choose(release, timeout)

    async def _choose(self, release: ModelRelease, timeout: float) -> bool:
        there = [name for name in USUAL if name in release.manifest.models]
        if not there or (release.manifest.role != "production" and self._latest in there):
            self._chosen[release.fingerprint] = self.of(release)
            return True
        served = [name for name in there if await self._backend.ready(name, release.version, timeout)]
        if not served:
            return False
        since = self._seen.setdefault(release.fingerprint, self._clock())
        if len(served) < len(there) and self._clock() - since < LOADING_SECONDS:
            return False
        chosen = self._told(release)
        if chosen not in served:
            taken = await self._measure(release, served) if len(served) > 1 else {}
            chosen = self._tell(release, fastest(taken) if taken else served[0])
            for name, seconds in taken.items():
                metrics.encoder_seconds.labels(name).set(seconds)
            log.info(
                "encoder_chosen",
                encoder=chosen,
                version=release.version,
                milliseconds={name: round(1000 * seconds, 2) for name, seconds in taken.items()},
            )
        self._chosen[release.fingerprint] = self._latest = chosen
        return True

    async def _measure(self, release: ModelRelease, names: list[str]) -> dict[str, float]:
        """Median seconds of one text by encoder; infinite where it does not answer."""
        inputs = _inputs(release)
        taken: dict[str, list[float]] = {name: [] for name in names}
        end = self._clock() + BUDGET_SECONDS
        for place in range(ROUNDS):
            for name in names:  # in turn, so that a busy moment hits all
                taken[name].append(await self._seconds(name, release, inputs))
            if place and self._clock() > end:
                break
        return {name: statistics.median(times[1:]) for name, times in taken.items()}

    async def _seconds(self, name: str, release: ModelRelease, inputs: dict[str, Array]) -> float:
        started = self._clock()
        try:
            await self._backend.infer(name, release.version, inputs, ("embedding",), PATIENCE_SECONDS)
        except (BackendAnswerError, BackendTimeoutError, BackendUnavailableError) as error:
            await self._backend.ready(name, release.version, PATIENCE_SECONDS)  # raises where the server itself is gone
            log.warning("encoder_not_measured", encoder=name, reason=str(error))
            return float("inf")
        return self._clock() - started

    def _told(self, release: ModelRelease) -> str:
        """What another process of this gateway chose, "" for nothing."""
        path = self._place(release)
        return path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""

    def _tell(self, release: ModelRelease, chosen: str) -> str:
        """Tell the others what was chosen; the choice that holds, which is that of the first one."""
        path = self._place(release)
        if path is None:
            return chosen
        own = path.with_suffix(f".{os.getpid()}")
        own.write_text(chosen, encoding="utf-8")
        try:
            os.link(own, path)  # whole, and only where there is none
        except FileExistsError:
            return path.read_text(encoding="utf-8")
        finally:
            own.unlink()
        return chosen

    def _place(self, release: ModelRelease) -> Path | None:
        if self._shared is None:
            return None
        return self._shared / f"encoder-{hashlib.sha256(release.fingerprint.encode()).hexdigest()[:16]}"


def fastest(taken: Mapping[str, float]) -> str:
    """The encoder of the least time; int8 only where it is worth what it loses in digits."""
    exact = min((name for name in taken if name in EXACT), key=lambda name: taken[name], default="")
    if INT8 not in taken:
        return exact
    return INT8 if not exact or taken[INT8] * WORTH <= taken[exact] else exact


def _inputs(release: ModelRelease) -> dict[str, Array]:
    ids = np.array([release.tokenizer.encode(TEXT).ids], dtype=np.int64)
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "categorical_ids": np.zeros((1, 4), dtype=np.int64),
        "attributes": np.zeros((1, 2), dtype=np.float32),
    }
