"""Models in a few lines of numpy that obey the models' contract: deterministic, monotone in price and promotion."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2

from onshelf_gateway.catalog.shelf import shared
from onshelf_gateway.inference.backend import DATATYPES, Array, Arrays, BackendUnavailableError, ModelTimes
from onshelf_gateway.inference.outputs import Retrieved
from onshelf_gateway.planning.forecasts import nb_quantile
from onshelf_gateway.releases.model_release import ModelRelease, load_release
from onshelf_gateway.testing.fake_words import drawn, embed
from onshelf_release.signatures import SIGNATURES

ELASTICITY, COVERAGE, DISCOUNT, COUPON = 1.8, 0.7, 1.1, 0.15
SIZE = 1.5  # dispersion of the negative binomial
CONFIDENT = 0.3  # as the exported encoder has it
PRAISE, BLAME = {"great", "love", "fresh", "tasty"}, {"bad", "broken", "stale", "leaks"}
MOST_USERS, MOST_LAUNCHES, MOST_PRODUCTS = 3840, 50, 1000


class FakeBackend:
    """An `InferenceBackend` over the releases below a folder.

    Attributes:
        calls: (model, version, shapes of the inputs) of every inference, in order.
        delay: seconds before an inference is answered; delays: the same for models of these names alone.
        down: while true the server as such does not answer.
        failing: models that answer with this exception instead.
        praised: of these, models that the server says are ready all the same.
        blocking: models that never answer; a waiting call ends by its timeout or by cancellation only.
        cancelled: models whose call was cancelled while it waited.
        entered: set whenever a blocking model was called.
    """

    def __init__(self, releases: Path) -> None:
        self._root = releases
        self._releases: dict[int, ModelRelease] = {}
        self.calls: list[tuple[str, int, dict[str, tuple[int, ...]]]] = []
        self.delay = 0.0
        self.delays: dict[str, float] = {}
        self.down = False
        self.failing: dict[str, Exception] = {}
        self.praised: set[str] = set()
        self.blocking: set[str] = set()
        self.cancelled: list[str] = []
        self.entered = asyncio.Event()
        self._tower = drawn()[1]
        self._models: dict[str, Callable[[ModelRelease, Arrays], dict[str, Array]]] = {
            "product_encoder": self._product_encoder,
            "product_encoder_fp32": self._product_encoder,
            "product_encoder_int8": self._product_encoder,
            "launch_outcome": self._launch_outcome,
            "user_encoder": self._user_encoder,
            "product_retrieval": self._product_retrieval,
            "product_neighbours": self._product_neighbours,
            "product_fit": self._product_fit,
            "audience_retrieval": self._audience_retrieval,
            "launch_retrieval": self._launch_retrieval,
            "review_sentiment": self._review_sentiment,
        }

    def count(self, model: str) -> int:
        """How often a model was called."""
        return sum(name == model for name, _, _ in self.calls)

    async def times(self, model: str, version: int, timeout: float) -> ModelTimes:  # noqa: ARG002
        """See `InferenceBackend`: every call waited 1 ms and was computed 2 ms in a batch of its own."""
        count = sum((name, number) == (model, version) for name, number, _ in self.calls)
        return ModelTimes(count, count, 1_000_000 * count, 2_000_000 * count)

    async def told(self, method: str, model: str, version: int, timeout: float) -> Any:
        """See `InferenceBackend`: names and counts, no more."""
        if self.down or model in self.failing:
            raise BackendUnavailableError(f"{model}: UNAVAILABLE: fake backend is down")
        if method == "ModelMetadata":
            return service_pb2.ModelMetadataResponse(name=model, versions=[str(version)], platform="fake")
        if method == "ModelConfig":
            return service_pb2.ModelConfigResponse(config=model_config_pb2.ModelConfig(name=model, max_batch_size=64))
        times = await self.times(model, version, timeout)
        stats = service_pb2.ModelStatistics(
            name=model, version=str(version), inference_count=times.requests, execution_count=times.executions
        )
        stats.inference_stats.queue.count, stats.inference_stats.queue.ns = times.requests, times.queue_ns
        stats.inference_stats.success.count = times.requests
        return service_pb2.ModelStatisticsResponse(model_stats=[stats])

    async def infer(
        self,
        model: str,
        version: int,
        inputs: Arrays,
        outputs: Sequence[str],
        timeout: float,  # noqa: ARG002
    ) -> dict[str, Array]:
        """See `InferenceBackend`."""
        self.calls.append((model, version, {name: value.shape for name, value in inputs.items()}))
        if self.down:
            raise BackendUnavailableError(f"{model}: UNAVAILABLE: fake backend is down")
        if model in self.blocking:
            self.entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.append(model)
                raise
        if model in self.failing:
            raise self.failing[model]
        if delay := self.delay + self.delays.get(model, 0.0):
            try:
                await asyncio.sleep(delay)
            except asyncio.CancelledError:
                self.cancelled.append(model)
                raise
        expected = sorted(tensor.name for tensor in SIGNATURES[model].inputs)
        if sorted(inputs) != expected:
            raise ValueError(f"{model}: inputs {sorted(inputs)}, expected {expected}")
        answer = self._models.get(model, partial(_nothing, model))(self._release(version), inputs)
        return {name: answer[name] for name in outputs}

    async def ready(self, model: str, version: int, timeout: float) -> bool:  # noqa: ARG002
        """See `InferenceBackend`."""
        if self.down:
            raise BackendUnavailableError(f"{model}: UNAVAILABLE: fake backend is down")
        return (model not in self.failing or model in self.praised) and (self._root / str(version)).exists()

    async def close(self) -> None:
        """See `InferenceBackend`."""

    def _release(self, version: int) -> ModelRelease:
        if version not in self._releases:
            self._releases[version] = load_release(self._root / str(version))
        return self._releases[version]

    def _embed_titles(self, release: ModelRelease, titles: list[str]) -> Array:
        return np.concatenate(
            [
                embed(np.array([ids]), np.ones((1, len(ids))))
                for ids in (release.tokenizer.encode(t).ids for t in titles)
            ]
        )

    def _product_encoder(self, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:
        embedding = embed(inputs["input_ids"], inputs["attention_mask"])
        names = release.vocabulary.levels["type"].readable
        words = [set(release.tokenizer.encode(name, add_special_tokens=False).ids) for name in names]
        seen = [set(ids) for ids in inputs["input_ids"].tolist()]
        logits = np.array([[6.0 * len(group & ids) / max(1, len(group)) for group in words] for ids in seen])
        channels = np.zeros(32)
        for channel in release.channels.values():
            channels[channel.slot] = 0.45 / (1 + 0.4 * channel.slot)
        weeks = 1 + 0.2 * np.cos(np.arange(53) / 53 * 2 * np.pi)
        rows = (len(seen), 1)
        found = [
            complete_ids(release, given, row) for given, row in zip(inputs["categorical_ids"], logits, strict=True)
        ]
        return {
            "embedding": embedding.astype(np.float32),
            "product_vector": (embedding @ self._tower).astype(np.float32),
            "completed_ids": np.array([ids for ids, _ in found]),
            "category_confidence": np.array([[sure] for _, sure in found], dtype=np.float32),
            "channel_propensity": np.tile(channels, rows).astype(np.float32),
            "week_propensity": np.tile(weeks / weeks.sum(), rows).astype(np.float32),
            "discount_propensity": np.tile([0.2, 0.4, 0.2, 0.1, 0.1], rows).astype(np.float32),
        }

    def _launch_outcome(self, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:
        ids = inputs["categorical_ids"][0]
        facts = release.category_facts((int(ids[0]), int(ids[1]), int(ids[2])))
        rows = inputs["candidates"][0].astype(np.float64)
        season = facts.seasonality[np.clip(rows[:, 0].astype(int), 1, 53) - 1]
        lift = COVERAGE * rows[:, 5:].sum(axis=1) + DISCOUNT * rows[:, 2] + COUPON * rows[:, 3]
        base = 6.0 + 4.0 * abs(float(inputs["embedding"][0, 0]))
        mean = base * season * np.exp(lift) * (rows[:, 1] / max(facts.median_price, 0.01)) ** -ELASTICITY
        both = np.stack([0.55 * mean, mean], axis=1)
        levels = np.array(release.manifest.quantile_levels)
        size = np.full((*both.shape, len(levels)), SIZE)
        quantiles = nb_quantile(
            np.broadcast_to(levels, size.shape), np.broadcast_to(both[:, :, None], size.shape), size
        )
        return {
            "units_mean": both[None].astype(np.float32),
            "units_dispersion": np.full((1, *both.shape), SIZE, dtype=np.float32),
            "units_quantiles": quantiles[None].astype(np.float32),
            "buyers_mean": (0.8 * both)[None].astype(np.float32),
            "repeat_rate": np.full((1, len(both), 1), 0.2, dtype=np.float32),
        }

    def _product_vectors(self, release: ModelRelease) -> Array:
        return np.asarray(self._embed_titles(release, release.products["title"].to_pylist()) @ self._tower)

    def _user_encoder(self, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:
        history, ages = inputs["history_products"][0], inputs["history_ages"][0]
        weights = np.where(history > 0, 1 / (1 + ages), 0.0)
        vectors = self._product_vectors(release)
        vector = (vectors[np.maximum(history - 1, 0)] * weights[:, None]).sum(axis=0) / max(float(weights.sum()), 1e-9)
        return {
            "user_vector": vector[None].astype(np.float32),
            "repeat_weights": weights[None].astype(np.float32),
            "event_weights": np.repeat(weights[None, :, None], 4, axis=2).astype(np.float32),
        }

    def _product_retrieval(self, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:
        scores = self._product_vectors(release) @ inputs["user_vector"][0]
        history = inputs["history_products"][0]
        np.add.at(scores, history[history > 0] - 1, inputs["repeat_weights"][0][history > 0])
        best = _best("product_indices", "scores", scores, MOST_PRODUCTS)
        new = _best(
            "new_indices", "new_scores", np.where(release.new_products, scores, -1e4), release.new_products.sum()
        )
        share = float(inputs["new_product_share"][0, 0])
        listed = shared(
            Retrieved(best["product_indices"][0], best["scores"][0]),
            Retrieved(*(value[0] for value in new.values())),
            share,
        )
        best = {"product_indices": listed.indices[None], "scores": listed.scores[None].astype(np.float32)}
        best["reason_events"] = self._reasons(release, best["product_indices"][0], history)
        new["new_reason_events"] = self._reasons(release, new["new_indices"][0], history)
        return best | new

    def _product_neighbours(self, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:  # noqa: ARG002
        rows = len(inputs["embedding"])
        return {
            "neighbour_limits": np.full((rows, 3), 0.5, dtype=np.float32),
            "closest": np.ones((rows, 1), dtype=np.float32),
        }

    def _product_fit(self, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:
        """As `product_retrieval` scores new products that are not in the history."""
        vectors, history = inputs["product_vectors"][0], inputs["history_products"][0]
        return {
            "fit_scores": (vectors @ inputs["user_vector"][0])[None].astype(np.float32),
            "fit_reason_events": self._most_alike(release, vectors, history),
        }

    def _reasons(self, release: ModelRelease, rows: Array, history: Array) -> Array:
        """The most alike event of each product, and no second one."""
        return self._most_alike(release, self._product_vectors(release)[rows], history)

    def _most_alike(self, release: ModelRelease, products: Array, history: Array) -> Array:
        vectors = self._product_vectors(release)
        alike = np.where(history > 0, products @ vectors[np.maximum(history - 1, 0)].T, -np.inf)
        best = np.where((history > 0).any(), alike.argmax(axis=1), -1)
        return np.stack([best, np.full(len(products), -1)], axis=1).reshape(1, -1).astype(np.int64)

    def _audience_retrieval(self, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:
        vectors = self._product_vectors(release)
        users = np.stack(
            [vectors[np.array(row) - 1].mean(axis=0) for row in release.users["history_products"].to_pylist()]
        )
        best = _best("user_indices", "scores", users @ inputs["product_vector"][0], MOST_USERS)
        first = np.array([row[0] - 1 for row in release.users["history_products"].to_pylist()])
        named = first[best["user_indices"][0]]
        best["reason_products"] = np.stack([named, np.full(len(named), -1)], axis=1).reshape(1, -1).astype(np.int64)
        return best

    def _launch_retrieval(self, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:
        launches = self._embed_titles(release, release.launches["title"].to_pylist())
        return _best("launch_indices", "similarities", launches @ inputs["embedding"][0], MOST_LAUNCHES)

    def _review_sentiment(self, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:
        """By a few words of praise and blame."""
        texts = release.tokenizer.decode_batch(inputs["input_ids"].tolist())
        said = np.array([mood_of(text.replace(" ##", "").casefold().split()) for text in texts], dtype=np.float32)
        return {"sentiment": said / said.sum(axis=1, keepdims=True)}


def mood_of(words: Sequence[str]) -> list[float]:
    """Probabilities of negative, neutral, positive by which of a few words there are more."""
    mood = sum(word in PRAISE for word in words) - sum(word in BLAME for word in words)
    return [0.9 if mood < 0 else 0.05, 0.9 if mood == 0 else 0.05, 0.9 if mood > 0 else 0.05]


def _nothing(model: str, release: ModelRelease, inputs: Arrays) -> dict[str, Array]:  # noqa: ARG001
    """Zeros of the signature's shapes, of a model that this fake says nothing for; what varies has the length 1."""
    rows = len(next(iter(inputs.values())))
    return {
        name: np.zeros((rows, *(1 if isinstance(dim, str) else dim for dim in dims)), dtype=DATATYPES[dtype])
        for name, dtype, dims in SIGNATURES[model].outputs
    }


def complete_ids(release: ModelRelease, given: Array, logits: Array) -> tuple[list[int], float]:
    """Categorical ids with the levels that are open filled by the likeliest types, and how sure that is."""
    weights = np.exp(logits)
    weights[0] = 0.0
    types = np.arange(len(weights))
    categories = release.vocabulary.levels["type"].parents[types]
    paths = [release.vocabulary.levels["category"].parents[categories], categories, types]
    for path, number in zip(paths, given, strict=False):
        weights[(number != 0) & (path != number)] = 0.0
    total, ids, sure = float(weights.sum()), given.tolist(), 1.0
    for level, path in enumerate(paths):
        if ids[level] or total <= 0:
            continue
        sums = np.bincount(path, weights) / total
        best, share = int(sums.argmax()), float(sums.max())
        if best == 0 or share < CONFIDENT:
            return ids, share if level == 0 else sure
        ids[level], sure = best, share
        weights[path != best] = 0.0
    return ids, sure


def _best(indices: str, scores: str, values: Array, most: int) -> dict[str, Array]:
    order = np.argsort(-values, kind="stable")[:most]
    return {indices: order[None].astype(np.int64), scores: values[order][None].astype(np.float32)}
