"""Prometheus metrics, all of them; served by HTTP on the metrics port. docs/operations.md lists each one.

With several processes (`processes`) they are added up; gauges by their `multiprocess_mode`.
"""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from onshelf_gateway.call.call import NS, Call

REGISTRY = CollectorRegistry()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

requests = Counter(
    "onshelf_requests", "Calls answered, by method and status code.", ["method", "code"], registry=REGISTRY
)
errors = Counter(
    "onshelf_errors", "Calls refused or failed, by method and reason.", ["method", "reason"], registry=REGISTRY
)
request_seconds = Histogram(
    "onshelf_request_seconds", "Time of a call.", ["method"], buckets=_SECONDS, registry=REGISTRY
)
stage_seconds = Histogram(
    "onshelf_stage_seconds",
    "Time of a stage, as in the answer.",
    ["method", "stage"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
in_flight = Gauge("onshelf_in_flight", "Calls being answered.", registry=REGISTRY, multiprocess_mode="livesum")
permits = Gauge("onshelf_permits_free", "Permits that are free.", registry=REGISTRY, multiprocess_mode="livesum")
refused_permits = Counter("onshelf_permits_refused", "Calls refused because no permit was free.", registry=REGISTRY)
candidates = Counter("onshelf_candidates_scored", "Candidate actions scored.", registry=REGISTRY)
degraded = Counter("onshelf_degraded", "Answers with a part missing, by method.", ["method"], registry=REGISTRY)
model_failures = Counter(
    "onshelf_model_failures", "Failed calls of models, by model and kind.", ["model", "kind"], registry=REGISTRY
)
serving = Gauge(
    "onshelf_serving",
    "1 while health says SERVING, by service.",
    ["service"],
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
release_version = Gauge(
    "onshelf_model_release_version",
    "Version of the model release in service.",
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
replays = Counter("onshelf_idempotent_replays", "Answers given again for a request id.", registry=REGISTRY)
shared_plans = Counter(
    "onshelf_shared_plans", "Plans answered by that of an equal request under way.", registry=REGISTRY
)
streamed_plans = Counter(
    "onshelf_streamed_plans", "Rows of streams answered, by status code.", ["code"], registry=REGISTRY
)
encoder_cache_hits = Counter(
    "onshelf_encoder_cache_hits", "Products whose encoding was kept from before.", registry=REGISTRY
)
encoder_cache_misses = Counter(
    "onshelf_encoder_cache_misses", "Products that the encoder had to read.", registry=REGISTRY
)
encoder_cache_bytes = Gauge(
    "onshelf_encoder_cache_bytes",
    "Bytes of the encodings that are kept.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
encoder_cache_entries = Gauge(
    "onshelf_encoder_cache_entries", "Encodings that are kept.", registry=REGISTRY, multiprocess_mode="livesum"
)
encoder_seconds = Gauge(
    "onshelf_encoder_measured_seconds",
    "Seconds of one text by each encoder, when one was chosen.",
    ["model"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
encoder_batch = Histogram(
    "onshelf_encoder_batch",
    "Products that went to the encoder together.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
    registry=REGISTRY,
)
catalog_entries = Gauge(
    "onshelf_catalog_entries",
    "Products upserted and not deleted.",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
catalog_missing = Gauge(
    "onshelf_catalog_missing",
    "Upserted products that the models of the release in service have not read yet.",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
catalog_bytes = Gauge(
    "onshelf_catalog_bytes",
    "Bytes of the encodings of upserted products.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
catalog_upserts = Counter("onshelf_catalog_upserts", "Products upserted by this process.", registry=REGISTRY)
catalog_deletes = Counter("onshelf_catalog_deletes", "Products deleted by this process.", registry=REGISTRY)
catalog_lag = Histogram(
    "onshelf_catalog_lag_seconds",
    "From a change by one process to its being applied by another.",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 10.0, 60.0),
    registry=REGISTRY,
)

remembered = Counter("onshelf_answers_remembered", "Answers written to the store.", registry=REGISTRY)
not_remembered = Counter(
    "onshelf_answers_not_remembered", "Answers that the store did not take; they say so.", registry=REGISTRY
)
events = Counter(
    "onshelf_events", "Events by what became of them: stored, duplicate or refused.", ["result"], registry=REGISTRY
)


def encoder_cache(hits: int, misses: int) -> None:
    """Count products that were looked up."""
    encoder_cache_hits.inc(hits)
    encoder_cache_misses.inc(misses)


def model_failed(model: str, kind: str) -> None:
    """Count a failed model call; kind is unavailable, deadline or invalid."""
    model_failures.labels(model, kind).inc()


def call_done(method: str, code: str, call: Call, seconds: float) -> None:
    """Count a finished call with its stages."""
    requests.labels(method, code).inc()
    request_seconds.labels(method).observe(seconds)
    if call.error_reason:
        errors.labels(method, call.error_reason).inc()
    if call.degraded:
        degraded.labels(method).inc()
    for stage in call.stages:
        stage_seconds.labels(method, stage.name).observe(stage.duration_ns / NS)


def serve(host: str, port: int) -> tuple[Any, int]:
    """Serve the registry by HTTP; returns the server and its port."""
    server, _ = start_http_server(port, addr=host, registry=REGISTRY)
    return server, int(server.server_port)
