"""Typed calls of the models: shapes and numbers checked, time measured, failures as errors of the contract."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import structlog
from google.protobuf.message import Message
from numpy.typing import NDArray

from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call, Stage
from onshelf_gateway.call.errors import GatewayError, model_unavailable
from onshelf_gateway.inference.backend import (
    Array,
    Arrays,
    BackendAnswerError,
    BackendTimeoutError,
    BackendUnavailableError,
    InferenceBackend,
    ModelTimes,
)
from onshelf_gateway.inference.encoder_choice import EncoderChoice
from onshelf_gateway.inference.encodings import Encodings, Row
from onshelf_gateway.inference.trials import Trials
from onshelf_gateway.releases.manifest import CANDIDATE_COLUMNS, HORIZONS
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.releases.vocabulary import LEVELS

log = structlog.get_logger(__name__)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
A = TypeVar("A")
P = ParamSpec("P")

LAUNCH_OUTCOME = "launch_outcome"
USER_ENCODER = "user_encoder"
PRODUCT_RETRIEVAL = "product_retrieval"
PRODUCT_NEIGHBOURS = "product_neighbours"
PRODUCT_FIT = "product_fit"
CATALOGUE_MODELS = (PRODUCT_NEIGHBOURS, PRODUCT_FIT)  # what a release must have for upserted products
AUDIENCE_RETRIEVAL = "audience_retrieval"
LAUNCH_RETRIEVAL = "launch_retrieval"

CANDIDATE_BUCKETS = (64, 256, 1024, 2048, 4096, 10_240)
HISTORY_LENGTH = 256
HISTORY_BUCKETS = (16, 64, 256)
PRODUCT_BUCKETS = (16, 64, 256, 1024)  # products that product_fit scores at once
NEIGHBOURS_AT_ONCE = 32
COUNT_POLLS, COUNT_POLL_S = 20, 0.005  # of a traced call, until the model server has counted it
SETTLE_S = 1.0  # for each answer of the model server while an encoder is chosen
REASONS = 2  # products of a history named as reasons

SIGNATURES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "product_encoder": (
        ("input_ids", "attention_mask", "categorical_ids", "attributes"),
        (
            "embedding",
            "product_vector",
            "channel_propensity",
            "week_propensity",
            "discount_propensity",
            "completed_ids",
            "category_confidence",
        ),
    ),
    LAUNCH_OUTCOME: (
        ("embedding", "categorical_ids", "attributes", "candidates"),
        ("units_mean", "units_dispersion", "units_quantiles", "buyers_mean", "repeat_rate"),
    ),
    USER_ENCODER: (
        ("history_products", "history_ages", "history_quantities", "history_kinds", "profile"),
        ("user_vector", "repeat_weights", "event_weights"),
    ),
    PRODUCT_RETRIEVAL: (
        ("user_vector", "profile", "history_products", "repeat_weights", "event_weights", "new_product_share"),
        ("product_indices", "scores", "reason_events", "new_indices", "new_scores", "new_reason_events"),
    ),
    PRODUCT_NEIGHBOURS: (("embedding",), ("neighbour_limits", "closest")),
    PRODUCT_FIT: (
        (
            "user_vector",
            "profile",
            "history_products",
            "repeat_weights",
            "event_weights",
            "embeddings",
            "categorical_ids",
            "product_vectors",
            "neighbour_limits",
            "closest",
        ),
        ("fit_scores", "fit_reason_events"),
    ),
    AUDIENCE_RETRIEVAL: (
        ("embedding", "categorical_ids", "product_vector"),
        ("user_indices", "scores", "reason_products"),
    ),
    LAUNCH_RETRIEVAL: (("embedding",), ("launch_indices", "similarities")),
}
SIGNATURES |= dict.fromkeys(("product_encoder_fp32", "product_encoder_int8"), SIGNATURES["product_encoder"])


@dataclass(frozen=True)
class EncodedProduct:
    """What product_encoder says, without the batch dimension.

    Attributes:
        embedding: float32 [128], norm 1. product_vector: float32 [64].
        category_ids: department, category and type, those that were not given read from the title; 0 unknown.
        confidence: of the narrowest level that was read from the title, or of the best department where that is too
            low to be used; 1 where nothing was open.
        channel_propensity: [32]; week_propensity: [53], position 0 = week 1; discount_propensity: [5].
    """

    embedding: Array
    product_vector: Array
    category_ids: tuple[int, int, int]
    confidence: float
    channel_propensity: Floats
    week_propensity: Floats
    discount_propensity: Floats


@dataclass(frozen=True)
class RawOutcomes:
    """Of n candidates: mean, dispersion, buyers [n, 2]; quantiles [n, 2, levels]; repeat [n]."""

    mean: Floats
    dispersion: Floats
    quantiles: Floats
    buyers: Floats
    repeat_rate: Floats


@dataclass(frozen=True)
class Retrieved:
    """Rows of a table and their scores, best first; where they have reasons, [n, 2]: positions in the history or rows
    of products.arrow, -1 for none."""

    indices: Ints
    scores: Floats
    reasons: Ints | None = None

    def take(self, rows: Ints) -> "Retrieved":
        """Some of the rows."""
        reasons = None if self.reasons is None else self.reasons[rows]
        return Retrieved(self.indices[rows], self.scores[rows], reasons)


@dataclass(frozen=True)
class EncodedUser:
    """What user_encoder says, without the batch dimension, and the inputs that product_retrieval reads, too.

    Attributes:
        vector: float32 [64]. repeat_weights: float32 [events], log odds of buying again. event_weights: float32
            [events, 4].
        history: int64 [events], product rows + 1, padded with 0.
        profile: float32 [16].
    """

    vector: Array
    repeat_weights: Array
    event_weights: Array
    history: Ints
    profile: Array

    def inputs(self) -> dict[str, Array]:
        """What product_retrieval and product_fit read of the user, with the batch dimension."""
        return {
            "user_vector": self.vector[None],
            "profile": self.profile[None],
            "history_products": self.history[None],
            "repeat_weights": self.repeat_weights[None],
            "event_weights": self.event_weights[None],
        }


def bucket(length: int, buckets: Sequence[int]) -> int:
    """The smallest bucket that holds `length`; the last one where none does."""
    return next((size for size in buckets if size >= length), buckets[-1])


def _tried(
    model: str,
) -> Callable[
    [Callable[Concatenate["Models", Call, ModelRelease, P], Coroutine[Any, Any, A]]],
    Callable[Concatenate["Models", Call, ModelRelease, P], Coroutine[Any, Any, A]],
]:
    """Count what comes of a method that asks one model, "" for the encoder in use; see `Trials`."""

    def counted(
        method: Callable[Concatenate["Models", Call, ModelRelease, P], Coroutine[Any, Any, A]],
    ) -> Callable[Concatenate["Models", Call, ModelRelease, P], Coroutine[Any, Any, A]]:
        @wraps(method)
        async def ask(self: "Models", call: Call, release: ModelRelease, /, *args: P.args, **named: P.kwargs) -> A:
            def again(own: Call) -> Coroutine[Any, Any, A]:
                return method(self, own, release, *args, **named)

            return await self.trials.run(model or self.encoders.of(release), release.fingerprint, call, again)

        return ask

    return counted


class Models:
    """The models of the repository through a backend.

    Attributes:
        encoders: which model reads products.
        trials: which models answer.
    """

    def __init__(
        self,
        backend: InferenceBackend,
        encoder_model: str,
        retry_after_ms: int,
        encoder_cache_entries: int = 0,
        encoder_cache_bytes: int = 0,
        trial_seconds: float = 0.5,
    ) -> None:
        self._backend = backend
        self.encoders = EncoderChoice(encoder_model, backend)
        self._retry_after_ms = retry_after_ms
        self._reachable = True
        self._waiting: set[asyncio.Timeout] = set()
        self.trials = Trials(retry_after_ms, trial_seconds)
        self._encodings = Encodings(
            self._encode_batch, self._check_row, encoder_cache_entries, encoder_cache_bytes, self._takes_any_lengths
        )

    def reachable(self, answers: bool) -> None:
        """Say whether the server answers at all; while it does not, calls fail at once, waiting ones too."""
        self._reachable, self.trials.paused = answers, not answers
        if not answers:
            for waiting in self._waiting:
                waiting.reschedule(asyncio.get_running_loop().time())

    async def encode_rows(self, call: Call, release: ModelRelease, rows: Sequence[Row]) -> list[Row]:
        """Read products, in batches with whatever else waits: the outputs of each, in order."""
        tokens = sum(len(row["input_ids"]) for row in rows)
        with self._failures(call, "product_encoder"):
            if not await self.encoders.settle(release, min(SETTLE_S, call.remaining())):
                raise BackendUnavailableError("no encoder is chosen yet")
        encoder = self.encoders.of(release)
        before = await self._times(call, release, encoder)
        with call.stage("product_encoder", tokens) as stage, self._failures(call, encoder):
            found, hits = await self._encodings.get(release, rows, call.deadline)
            stage.cached = hits == len(rows)
        if not stage.cached:
            await self._add_parts(call, release, encoder, before, stage)
        return found

    async def _encode_batch(self, release: ModelRelease, inputs: dict[str, Array], seconds: float) -> dict[str, Array]:
        metrics.encoder_batch.observe(len(inputs["input_ids"]))
        return await self._read_batch(Call("batch", time.monotonic() + seconds, caller_deadline=False), release, inputs)

    @_tried("")
    async def _read_batch(self, call: Call, release: ModelRelease, inputs: dict[str, Array]) -> dict[str, Array]:
        encoder = self.encoders.of(release)
        outputs = SIGNATURES[encoder][1]
        out = await self._infer(encoder, release.version, inputs, outputs, call.remaining())
        for name in outputs:
            _check_batch(encoder, name, out[name], len(inputs["input_ids"]))
        return {name: out[name] for name in outputs}

    def _takes_any_lengths(self, release: ModelRelease) -> bool:
        return release.manifest.models.get(self.encoders.of(release), {}).get("unpadded") is True

    def _check_row(self, row: Row) -> None:
        for name, value in row.items():
            _check_finite(self.encoders.of(None), name, value)

    def encoded_product(self, release: ModelRelease, row: Row, out: Row) -> EncodedProduct:
        """What the encoder said of one `row`: one of those that `encode_rows` gives.

        Raises:
            GatewayError: MODEL_OUTPUT_INVALID.
        """
        given, ids = row["categorical_ids"][:3], out["completed_ids"][:3]
        sizes = [len(release.vocabulary.levels[level].names) for level in LEVELS]
        if ((ids < 0) | (ids >= sizes) | ((given > 0) & (ids != given))).any():
            encoder = self.encoders.of(release)
            raise _invalid(encoder, f"completed_ids {ids.tolist()} must keep {given.tolist()} and be known")
        department, category, kind = ids.tolist()
        return EncodedProduct(
            out["embedding"],
            out["product_vector"],
            (department, category, kind),
            float(out["category_confidence"][0]),
            _wide(out["channel_propensity"]),
            _wide(out["week_propensity"]),
            _wide(out["discount_propensity"]),
        )

    async def told(self, call: Call, method: str, model: str, version: int) -> Message:
        """What the model server says of a model: ModelMetadata, ModelConfig or ModelStatistics of its protocol."""
        with self._failures(call, model):
            return await self._backend.told(method, model, version, call.remaining())

    async def score_candidates(
        self,
        call: Call,
        release: ModelRelease,
        embedding: Array,
        categorical_ids: Sequence[int],
        attributes: Sequence[float],
        candidates: NDArray[np.float32],
    ) -> RawOutcomes:
        """Score candidate actions [n, 37], n at least 1, in one call.

        More than the last of CANDIDATE_BUCKETS take a call for each so many, one after the other: the model server's
        memory is bounded then, and it computes for other plans between them.
        """
        if candidates.shape[1] != len(CANDIDATE_COLUMNS):
            raise ValueError(f"candidates have {candidates.shape[1]} columns, expected {len(CANDIDATE_COLUMNS)}")
        inputs: dict[str, Array] = {
            "embedding": embedding[None, :],
            "categorical_ids": np.array([categorical_ids], dtype=np.int64),
            "attributes": np.array([attributes], dtype=np.float32),
        }
        most = CANDIDATE_BUCKETS[-1]
        parts = [
            await self._score(call, release, inputs, candidates[first : first + most])
            for first in range(0, len(candidates), most)
        ]
        if len(parts) == 1:
            return parts[0]
        names = [each.name for each in fields(RawOutcomes)]
        return RawOutcomes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @_tried(LAUNCH_OUTCOME)
    async def _score(
        self, call: Call, release: ModelRelease, product: Arrays, candidates: NDArray[np.float32]
    ) -> RawOutcomes:
        """Score no more candidates than fit into a bucket; padded to it by repeating the last row."""
        count = len(candidates)
        size = bucket(count, CANDIDATE_BUCKETS)
        padded = np.empty((1, size, candidates.shape[1]), dtype=np.float32)
        padded[0, :count], padded[0, count:] = candidates, candidates[-1]
        inputs = {**product, "candidates": padded}
        out = await self._run(call, release, LAUNCH_OUTCOME, inputs, items=count)
        levels = len(release.manifest.quantile_levels)
        shapes = {
            "units_mean": (size, len(HORIZONS)),
            "units_dispersion": (size, len(HORIZONS)),
            "units_quantiles": (size, len(HORIZONS), levels),
            "buyers_mean": (size, len(HORIZONS)),
            "repeat_rate": (size, 1),
        }
        for name, shape in shapes.items():
            if out[name].shape != shape:
                raise _invalid(LAUNCH_OUTCOME, f"{name} has shape {out[name].shape}, expected {shape}")
        if (out["units_mean"] < 0).any() or (out["units_dispersion"] <= 0).any():
            raise _invalid(LAUNCH_OUTCOME, "units_mean must not be negative, units_dispersion must be above 0")
        quantiles = np.maximum.accumulate(_wide(out["units_quantiles"][:count]), axis=2)
        return RawOutcomes(
            _wide(out["units_mean"][:count]),
            _wide(out["units_dispersion"][:count]),
            np.maximum(quantiles, 0.0, out=quantiles),
            _wide(out["buyers_mean"][:count]),
            _wide(out["repeat_rate"][:count, 0]),
        )

    @_tried(PRODUCT_NEIGHBOURS)
    async def find_neighbours(
        self, call: Call, release: ModelRelease, embeddings: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `fit_products` needs of products [n, 128] besides: neighbour limits [n, 3] and closest [n]."""
        outputs = SIGNATURES[PRODUCT_NEIGHBOURS][1]
        parts: list[dict[str, Array]] = []
        with call.stage(PRODUCT_NEIGHBOURS, len(embeddings)), self._failures(call, PRODUCT_NEIGHBOURS):
            for start in range(0, len(embeddings), NEIGHBOURS_AT_ONCE):
                rows = embeddings[start : start + NEIGHBOURS_AT_ONCE]
                inputs = {"embedding": rows}
                out = await self._infer(PRODUCT_NEIGHBOURS, release.version, inputs, outputs, call.remaining())
                for name in outputs:
                    _check_batch(PRODUCT_NEIGHBOURS, name, out[name], len(rows))
                    _check_finite(PRODUCT_NEIGHBOURS, name, out[name])
                parts.append(out)
        limits = np.concatenate([part["neighbour_limits"].reshape(-1, 3) for part in parts])
        return limits, np.concatenate([part["closest"].reshape(-1) for part in parts])

    @_tried(PRODUCT_FIT)
    async def fit_products(
        self, call: Call, release: ModelRelease, user: EncodedUser, products: Arrays
    ) -> tuple[Floats, Ints]:
        """How products that are not the release's fit a user: scores [n], as its new products have, and reasons [n, 2].

        Args:
            call: under way.
            release: whose models answer.
            user: from `encode_user`.
            products: `embeddings` [n, 128], `categorical_ids` [n, 4], `product_vectors` [n, 64], `neighbour_limits`
                [n, 3] and `closest` [n], n at most the last of PRODUCT_BUCKETS; padded to a bucket.
        """
        count = len(products["closest"])
        pad = bucket(count, PRODUCT_BUCKETS) - count
        inputs = user.inputs()
        for name, values in products.items():
            inputs[name] = np.pad(values, ((0, pad), *((0, 0),) * (values.ndim - 1)))[None]
        out = await self._run(call, release, PRODUCT_FIT, inputs, items=count)
        reasons = _reasons(PRODUCT_FIT, out["fit_reason_events"], len(user.history))
        if out["fit_scores"].shape != (count + pad,) or len(reasons) != count + pad:
            raise _invalid(PRODUCT_FIT, f"{count + pad} products have scores {out['fit_scores'].shape}")
        return _wide(out["fit_scores"])[:count], reasons[:count]

    @_tried(AUDIENCE_RETRIEVAL)
    async def find_audience(
        self,
        call: Call,
        release: ModelRelease,
        embedding: Array,
        product_vector: Array,
        categorical_ids: Sequence[int],
    ) -> Retrieved:
        """Users most likely to buy: rows of users.arrow, and of products.arrow as reasons."""
        inputs: dict[str, Array] = {
            "embedding": embedding[None, :],
            "categorical_ids": np.array([categorical_ids], dtype=np.int64),
            "product_vector": product_vector[None, :],
        }
        out = await self._run(call, release, AUDIENCE_RETRIEVAL, inputs)
        reasons = _reasons(AUDIENCE_RETRIEVAL, out["reason_products"], release.products.num_rows)
        return _retrieved(AUDIENCE_RETRIEVAL, out["user_indices"], out["scores"], release.users.num_rows, reasons)

    @_tried(LAUNCH_RETRIEVAL)
    async def find_launches(self, call: Call, release: ModelRelease, embedding: Array) -> Retrieved:
        """Past launches most like a product: rows of launches.arrow with cosine similarity."""
        out = await self._run(call, release, LAUNCH_RETRIEVAL, {"embedding": embedding[None, :]})
        return _retrieved(LAUNCH_RETRIEVAL, out["launch_indices"], out["similarities"], release.launches.num_rows)

    @_tried(USER_ENCODER)
    async def encode_user(
        self,
        call: Call,
        release: ModelRelease,
        products: Ints,
        ages: Array,
        quantities: Array,
        kinds: Ints,
        profile: Array,
    ) -> EncodedUser:
        """Read a history (padded to 16, 64 or 256 events) and a profile [16]."""
        pad = bucket(len(products), HISTORY_BUCKETS) - len(products)
        history = np.pad(products, (0, pad)).astype(np.int64)
        inputs: dict[str, Array] = {
            "history_products": history[None],
            "history_ages": np.pad(ages, (0, pad)).astype(np.float32)[None],
            "history_quantities": np.pad(quantities, (0, pad)).astype(np.float32)[None],
            "history_kinds": np.pad(kinds, (0, pad)).astype(np.int64)[None],
            "profile": profile.astype(np.float32)[None],
        }
        out = await self._run(call, release, USER_ENCODER, inputs, items=len(products))
        weights = (out["user_vector"], out["repeat_weights"], out["event_weights"])
        return EncodedUser(*weights, history, inputs["profile"][0])

    @_tried(PRODUCT_RETRIEVAL)
    async def find_products(
        self, call: Call, release: ModelRelease, user: EncodedUser, new_product_share: float
    ) -> tuple[Retrieved, Retrieved]:
        """Products for a user, and new products alone: rows of products.arrow, and positions in the history as
        reasons."""
        inputs = user.inputs()
        inputs["new_product_share"] = np.array([[new_product_share]], dtype=np.float32)
        out = await self._run(call, release, PRODUCT_RETRIEVAL, inputs)
        rows, events = release.products.num_rows, len(user.history)
        found = []
        for indices, scores, reasons in (
            ("product_indices", "scores", "reason_events"),
            ("new_indices", "new_scores", "new_reason_events"),
        ):
            positions = _reasons(PRODUCT_RETRIEVAL, out[reasons], events)
            found.append(_retrieved(PRODUCT_RETRIEVAL, out[indices], out[scores], rows, positions))
        return found[0], found[1]

    async def _run(
        self, call: Call, release: ModelRelease, model: str, inputs: Arrays, items: int = 0
    ) -> dict[str, Array]:
        outputs = SIGNATURES[model][1]
        before = await self._times(call, release, model)
        with call.stage(model, items) as stage, self._failures(call, model):
            out = await self._infer(model, release.version, inputs, outputs, call.remaining())
        await self._add_parts(call, release, model, before, stage)
        for name in outputs:
            _check_batch(model, name, out[name], 1)
            _check_finite(model, name, out[name])
        return {name: out[name][0] for name in outputs}

    @contextmanager
    def _failures(self, call: Call, model: str) -> Iterator[None]:
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
            raise _invalid(
                model, f"it refused its input or answered nonsense; the log has it under call id {call.call_id}"
            ) from error

    async def _add_parts(
        self, call: Call, release: ModelRelease, model: str, before: ModelTimes | None, stage: Stage
    ) -> None:
        """Split a traced stage into waiting and computing."""
        after = await self._times_after(call, release, model, before) if before else None
        if before and after and after.requests > before.requests:
            requests = after.requests - before.requests
            queue = (after.queue_ns - before.queue_ns) // requests
            compute = (after.compute_ns - before.compute_ns) // requests
            call.add_parts(stage, queue, compute, round(requests / max(after.executions - before.executions, 1)))

    async def _times(self, call: Call, release: ModelRelease, model: str) -> ModelTimes | None:
        """The model server's counts when the call is traced; none of them is worth failing the call."""
        if not call.trace:
            return None
        try:
            return await self._backend.times(model, release.version, call.remaining())
        except (BackendUnavailableError, BackendTimeoutError, BackendAnswerError) as error:
            log.warning("no_model_times", model=model, call_id=call.call_id, error=str(error))
            return None

    async def _times_after(
        self, call: Call, release: ModelRelease, model: str, before: ModelTimes
    ) -> ModelTimes | None:
        """The counts with this request in them: the model server adds a request shortly after it has answered."""
        after = await self._times(call, release, model)
        for _ in range(COUNT_POLLS):
            if after is None or after.requests > before.requests:
                break
            await asyncio.sleep(COUNT_POLL_S)
            after = await self._times(call, release, model)
        return after

    async def _infer(
        self, model: str, version: int, inputs: Arrays, outputs: Sequence[str], timeout: float
    ) -> dict[str, Array]:
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


def encoder_row(input_ids: Ints, mask: Ints, categorical_ids: Sequence[int], attributes: Sequence[float]) -> Row:
    """The encoder's inputs of one product: ids and mask [tokens], category and brand [4], price or 0 and label [2]."""
    return {
        "input_ids": input_ids,
        "attention_mask": mask,
        "categorical_ids": np.array(categorical_ids, dtype=np.int64),
        "attributes": np.array(attributes, dtype=np.float32),
    }


def _failed(call: Call, model: str, kind: str, error: Exception) -> None:
    """Count and log a failure of the backend: its text may hold addresses, so callers do not get to see it."""
    if call.trial:
        return
    metrics.model_failed(model, kind)
    log.warning("model_failed", model=model, kind=kind, call_id=call.call_id, error=str(error))


def _wide(array: Array) -> Floats:
    return array.astype(np.float64)


def _invalid(model: str, why: str) -> GatewayError:
    return GatewayError("MODEL_OUTPUT_INVALID", f"model {model} broke its contract: {why}")


def _check_batch(model: str, name: str, value: Array, rows: int) -> None:
    if value.shape[0] != rows:
        metrics.model_failed(model, "invalid")
        raise _invalid(model, f"{name} with shape {value.shape} must have a batch of {rows}")


def _check_finite(model: str, name: str, value: Array) -> None:
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        metrics.model_failed(model, "invalid")
        raise _invalid(model, f"{name} must hold finite numbers")


def _reasons(model: str, reasons: Array, rows: int) -> Ints:
    if reasons.size % REASONS or ((reasons < -1) | (reasons >= rows)).any():
        raise _invalid(model, f"reasons {reasons.shape} must be {REASONS} each and point into {rows} rows")
    return reasons.reshape(-1, REASONS).astype(np.int64)


def _retrieved(model: str, indices: Array, scores: Array, rows: int, reasons: Ints | None = None) -> Retrieved:
    if reasons is not None and len(reasons) != len(indices):
        raise _invalid(model, f"{len(indices)} indices have {len(reasons)} reasons")
    if indices.shape != scores.shape or ((indices < -1) | (indices >= rows)).any():
        raise _invalid(
            model, f"indices {indices.shape} and scores {scores.shape} must match and point into {rows} rows"
        )
    every = Retrieved(indices.astype(np.int64), scores.astype(np.float64), reasons)
    return every.take(np.flatnonzero(indices >= 0))
