"""Typed calls of the models: inputs padded, answers checked, time measured."""

import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import fields
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.inference.backend import Array, Arrays, BackendUnavailableError, InferenceBackend
from onshelf_gateway.inference.encoder_choice import EncoderChoice
from onshelf_gateway.inference.encodings import Encodings, Row
from onshelf_gateway.inference.failures import GuardedBackend
from onshelf_gateway.inference.outputs import (
    EncodedProduct,
    EncodedUser,
    Floats,
    Ints,
    RawOutcomes,
    Retrieved,
    check_batch,
    check_finite,
    invalid,
    reasons_of,
    retrieved,
    wide,
)
from onshelf_gateway.inference.tracing import Tracing
from onshelf_gateway.inference.trials import Trials
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_release.candidates import CANDIDATE_COLUMNS, HORIZONS
from onshelf_release.codes import CATEGORY_LEVELS, SENTIMENTS
from onshelf_release.signatures import (
    AUDIENCE_RETRIEVAL,
    CANDIDATE_BUCKETS,
    HISTORY_BUCKETS,
    LAUNCH_OUTCOME,
    LAUNCH_RETRIEVAL,
    NEIGHBOURS_AT_ONCE,
    PRODUCT_BUCKETS,
    PRODUCT_FIT,
    PRODUCT_NEIGHBOURS,
    PRODUCT_RETRIEVAL,
    REVIEW_SENTIMENT,
    USER_ENCODER,
    asked_outputs,
    bucket,
)

A = TypeVar("A")
P = ParamSpec("P")
SETTLE_S = 1.0  # for each answer of the model server while an encoder is chosen


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
        *,
        backend: InferenceBackend,
        encoder_model: str,
        retry_after_ms: int,
        encoder_cache_entries: int = 0,
        encoder_cache_bytes: int = 0,
        trial_seconds: float = 0.5,
    ) -> None:
        self._backend = backend
        self._guarded = GuardedBackend(backend, retry_after_ms)
        self._tracing = Tracing(backend)
        self.encoders = EncoderChoice(encoder_model, backend)
        self.trials = Trials(retry_after_ms, trial_seconds)
        self._encodings = Encodings(
            encode=self._encode_batch,
            check=self._check_row,
            entries=encoder_cache_entries,
            room=encoder_cache_bytes,
            mixes=self._takes_any_lengths,
        )

    def reachable(self, answers: bool) -> None:
        """Say whether the server answers at all; while it does not, calls fail at once, waiting ones too."""
        self.trials.paused = not answers
        self._guarded.reachable(answers)

    async def encode_rows(self, call: Call, release: ModelRelease, rows: Sequence[Row]) -> list[Row]:
        """Read products, in batches with whatever else waits: the outputs of each, in order."""
        tokens = sum(len(row["input_ids"]) for row in rows)
        with self._guarded.failures(call, "product_encoder"):
            if not await self.encoders.settle(release, min(SETTLE_S, call.remaining())):
                raise BackendUnavailableError("no encoder is chosen yet")
        encoder = self.encoders.of(release)
        before = await self._tracing.times(call, release, encoder)
        with call.stage("product_encoder", tokens) as stage, self._guarded.failures(call, encoder):
            found, hits = await self._encodings.get(release, rows, call.deadline)
            stage.cached = hits == len(rows)
        if not stage.cached:
            await self._tracing.add_parts(call, release, encoder, before, stage)
        return found

    async def _encode_batch(self, release: ModelRelease, inputs: dict[str, Array], seconds: float) -> dict[str, Array]:
        metrics.encoder_batch.observe(len(inputs["input_ids"]))
        return await self._read_batch(
            Call(call_id="batch", deadline=time.monotonic() + seconds, caller_deadline=False), release, inputs
        )

    @_tried("")
    async def _read_batch(self, call: Call, release: ModelRelease, inputs: dict[str, Array]) -> dict[str, Array]:
        encoder = self.encoders.of(release)
        outputs = asked_outputs(encoder)
        out = await self._guarded.infer(encoder, release.version, inputs, outputs, call.remaining())
        for name in outputs:
            check_batch(encoder, name, out[name], len(inputs["input_ids"]))
        return {name: out[name] for name in outputs}

    def _takes_any_lengths(self, release: ModelRelease) -> bool:
        return release.manifest.models.get(self.encoders.of(release), {}).get("unpadded") is True

    def _check_row(self, row: Row) -> None:
        for name, value in row.items():
            check_finite(self.encoders.of(None), name, value)

    def encoded_product(self, release: ModelRelease, row: Row, out: Row) -> EncodedProduct:
        """What the encoder said of one `row`: one of those that `encode_rows` gives.

        Raises:
            GatewayError: MODEL_OUTPUT_INVALID.
        """
        given, ids = row["categorical_ids"][:3], out["completed_ids"][:3]
        sizes = [len(release.vocabulary.levels[level].names) for level in CATEGORY_LEVELS]
        if ((ids < 0) | (ids >= sizes) | ((given > 0) & (ids != given))).any():
            encoder = self.encoders.of(release)
            raise invalid(encoder, f"completed_ids {ids.tolist()} must keep {given.tolist()} and be known")
        department, category, kind = ids.tolist()
        return EncodedProduct(
            embedding=out["embedding"],
            product_vector=out["product_vector"],
            category_ids=(department, category, kind),
            confidence=float(out["category_confidence"][0]),
            channel_propensity=wide(out["channel_propensity"]),
            week_propensity=wide(out["week_propensity"]),
            discount_propensity=wide(out["discount_propensity"]),
        )

    async def told(self, call: Call, method: str, model: str, version: int) -> Message:
        """What the model server says of a model: ModelMetadata, ModelConfig or ModelStatistics of its protocol."""
        with self._guarded.failures(call, model):
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
        return RawOutcomes(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

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
                raise invalid(LAUNCH_OUTCOME, f"{name} has shape {out[name].shape}, expected {shape}")
        if (out["units_mean"] < 0).any() or (out["units_dispersion"] <= 0).any():
            raise invalid(LAUNCH_OUTCOME, "units_mean must not be negative, units_dispersion must be above 0")
        quantiles = np.maximum.accumulate(wide(out["units_quantiles"][:count]), axis=2)
        return RawOutcomes(
            mean=wide(out["units_mean"][:count]),
            dispersion=wide(out["units_dispersion"][:count]),
            quantiles=np.maximum(quantiles, 0.0, out=quantiles),
            buyers=wide(out["buyers_mean"][:count]),
            repeat_rate=wide(out["repeat_rate"][:count, 0]),
        )

    @_tried(PRODUCT_NEIGHBOURS)
    async def find_neighbours(
        self, call: Call, release: ModelRelease, embeddings: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `fit_products` needs of products [n, 128] besides: neighbour limits [n, 3] and closest [n]."""
        outputs = asked_outputs(PRODUCT_NEIGHBOURS)
        parts: list[dict[str, Array]] = []
        with call.stage(PRODUCT_NEIGHBOURS, len(embeddings)), self._guarded.failures(call, PRODUCT_NEIGHBOURS):
            for start in range(0, len(embeddings), NEIGHBOURS_AT_ONCE):
                rows = embeddings[start : start + NEIGHBOURS_AT_ONCE]
                inputs = {"embedding": rows}
                out = await self._guarded.infer(PRODUCT_NEIGHBOURS, release.version, inputs, outputs, call.remaining())
                for name in outputs:
                    check_batch(PRODUCT_NEIGHBOURS, name, out[name], len(rows))
                    check_finite(PRODUCT_NEIGHBOURS, name, out[name])
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
        reasons = reasons_of(PRODUCT_FIT, out["fit_reason_events"], len(user.history))
        if out["fit_scores"].shape != (count + pad,) or len(reasons) != count + pad:
            raise invalid(PRODUCT_FIT, f"{count + pad} products have scores {out['fit_scores'].shape}")
        return wide(out["fit_scores"])[:count], reasons[:count]

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
        reasons = reasons_of(AUDIENCE_RETRIEVAL, out["reason_products"], release.products.num_rows)
        return retrieved(AUDIENCE_RETRIEVAL, out["user_indices"], out["scores"], release.users.num_rows, reasons)

    @_tried(LAUNCH_RETRIEVAL)
    async def find_launches(self, call: Call, release: ModelRelease, embedding: Array) -> Retrieved:
        """Past launches most like a product: rows of launches.arrow with cosine similarity."""
        out = await self._run(call, release, LAUNCH_RETRIEVAL, {"embedding": embedding[None, :]})
        return retrieved(LAUNCH_RETRIEVAL, out["launch_indices"], out["similarities"], release.launches.num_rows)

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
        return EncodedUser(
            vector=out["user_vector"],
            repeat_weights=out["repeat_weights"],
            event_weights=out["event_weights"],
            history=history,
            profile=inputs["profile"][0],
        )

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
            positions = reasons_of(PRODUCT_RETRIEVAL, out[reasons], events)
            found.append(retrieved(PRODUCT_RETRIEVAL, out[indices], out[scores], rows, positions))
        return found[0], found[1]

    @_tried(REVIEW_SENTIMENT)
    async def read_sentences(self, call: Call, release: ModelRelease, input_ids: Ints, mask: Ints) -> Floats:
        """Sentiment of sentences [n, tokens], n at most SENTENCES_AT_ONCE: probabilities [n, 3] in the order of
        SENTIMENTS."""
        inputs: dict[str, Array] = {"input_ids": input_ids, "attention_mask": mask}
        outputs = asked_outputs(REVIEW_SENTIMENT)
        with call.stage(REVIEW_SENTIMENT, len(input_ids)), self._guarded.failures(call, REVIEW_SENTIMENT):
            out = await self._guarded.infer(REVIEW_SENTIMENT, release.version, inputs, outputs, call.remaining())
        said = wide(out["sentiment"])
        check_batch(REVIEW_SENTIMENT, "sentiment", said, len(input_ids))
        check_finite(REVIEW_SENTIMENT, "sentiment", said)
        if said.shape[1:] != (len(SENTIMENTS),) or (np.abs(said.sum(axis=1) - 1) > 1e-3).any():
            raise invalid(REVIEW_SENTIMENT, f"sentiment {said.shape} must be {len(SENTIMENTS)} shares of 1 each")
        return said

    async def _run(
        self, call: Call, release: ModelRelease, model: str, inputs: Arrays, items: int = 0
    ) -> dict[str, Array]:
        outputs = asked_outputs(model)
        before = await self._tracing.times(call, release, model)
        with call.stage(model, items) as stage, self._guarded.failures(call, model):
            out = await self._guarded.infer(model, release.version, inputs, outputs, call.remaining())
        await self._tracing.add_parts(call, release, model, before, stage)
        for name in outputs:
            check_batch(model, name, out[name], 1)
            check_finite(model, name, out[name])
        return {name: out[name][0] for name in outputs}


def encoder_row(input_ids: Ints, mask: Ints, categorical_ids: Sequence[int], attributes: Sequence[float]) -> Row:
    """The encoder's inputs of one product: ids and mask [tokens], category and brand [4], price or 0 and label [2]."""
    return {
        "input_ids": input_ids,
        "attention_mask": mask,
        "categorical_ids": np.array(categorical_ids, dtype=np.int64),
        "attributes": np.array(attributes, dtype=np.float32),
    }
