"""The models: names, types and dimensions of inputs and outputs, and the sizes that callers pad to.

The exporter writes graphs of these signatures and their config.pbtxt, and the gateway calls them.

A dimension is a number, or a name for what varies: "tokens", "candidates", "events" by request, others by the data.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from onshelf_release.calendar import WEEKS_OF_YEAR
from onshelf_release.candidates import CANDIDATE_COLUMNS, CHANNEL_SLOTS, HORIZONS
from onshelf_release.codes import LEVELS, SENTIMENTS, TYPICAL_DISCOUNTS

EMBEDDING_DIM = 128
VECTOR_DIM = 64
PROFILE_DIM = 16
EVENT_WEIGHTS = 4  # of each event of a history
QUANTILE_LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
UNITS_SUPPORT = 24  # counts at which distributions are described

PRODUCT_ENCODERS = ("product_encoder", "product_encoder_fp32", "product_encoder_int8")
CPU_ENCODERS = PRODUCT_ENCODERS[1:]  # product_encoder, as CPUs compute it best
LAUNCH_OUTCOME = "launch_outcome"
USER_ENCODER = "user_encoder"
PRODUCT_RETRIEVAL = "product_retrieval"
PRODUCT_NEIGHBOURS = "product_neighbours"
PRODUCT_FIT = "product_fit"
CATALOG_MODELS = (PRODUCT_NEIGHBOURS, PRODUCT_FIT)  # what a release must have for upserted products
AUDIENCE_RETRIEVAL = "audience_retrieval"
LAUNCH_RETRIEVAL = "launch_retrieval"
REVIEW_SENTIMENT = "review_sentiment"

TOKEN_BUCKETS = (16, 24, 32, 64)
CANDIDATE_BUCKETS = (64, 256, 1024, 2048, 4096, 10_240)
HISTORY_BUCKETS = (16, 64, 256)
HISTORY_LENGTH = HISTORY_BUCKETS[-1]
PRODUCT_BUCKETS = (16, 64, 256, 1024)  # products that product_fit scores at once
SENTENCES_AT_ONCE = 64
NEIGHBOURS_AT_ONCE = 32
REASONS = 2  # products of a history named as reasons


class Tensor(NamedTuple):
    """One input or output without its batch dimension."""

    name: str
    dtype: str
    dims: tuple[int | str, ...]


class Signature(NamedTuple):
    """One model."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


TOKENS = (Tensor("input_ids", "INT64", ("tokens",)), Tensor("attention_mask", "INT64", ("tokens",)))
CONTENT = (Tensor("categorical_ids", "INT64", (len(LEVELS),)), Tensor("attributes", "FP32", (2,)))
PRODUCT_ENCODER = Signature(
    (*TOKENS, *CONTENT),
    (
        Tensor("embedding", "FP32", (EMBEDDING_DIM,)),
        Tensor("product_vector", "FP32", (VECTOR_DIM,)),
        Tensor("category_logits", "FP32", ("types",)),
        Tensor("channel_propensity", "FP32", (CHANNEL_SLOTS,)),
        Tensor("week_propensity", "FP32", (WEEKS_OF_YEAR,)),
        Tensor("discount_propensity", "FP32", (len(TYPICAL_DISCOUNTS),)),
        Tensor("completed_ids", "INT64", (len(LEVELS),)),
        Tensor("category_confidence", "FP32", (1,)),
    ),
)
_SIGNATURES = {
    **dict.fromkeys(PRODUCT_ENCODERS, PRODUCT_ENCODER),
    LAUNCH_OUTCOME: Signature(
        (
            Tensor("embedding", "FP32", (EMBEDDING_DIM,)),
            *CONTENT,
            Tensor("candidates", "FP32", ("candidates", len(CANDIDATE_COLUMNS))),
        ),
        (
            Tensor("units_mean", "FP32", ("candidates", len(HORIZONS))),
            Tensor("units_dispersion", "FP32", ("candidates", len(HORIZONS))),
            Tensor("units_quantiles", "FP32", ("candidates", len(HORIZONS), len(QUANTILE_LEVELS))),
            Tensor("buyers_mean", "FP32", ("candidates", len(HORIZONS))),
            Tensor("repeat_rate", "FP32", ("candidates", 1)),
            Tensor("units_distribution", "FP32", ("candidates", len(HORIZONS), UNITS_SUPPORT)),
            Tensor("buyers_median", "FP32", ("candidates", len(HORIZONS))),
        ),
    ),
    USER_ENCODER: Signature(
        (
            Tensor("history_products", "INT64", ("events",)),
            Tensor("history_ages", "FP32", ("events",)),
            Tensor("history_quantities", "FP32", ("events",)),
            Tensor("history_kinds", "INT64", ("events",)),
            Tensor("profile", "FP32", (PROFILE_DIM,)),
        ),
        (
            Tensor("user_vector", "FP32", (VECTOR_DIM,)),
            Tensor("repeat_weights", "FP32", ("events",)),
            Tensor("event_weights", "FP32", ("events", EVENT_WEIGHTS)),
        ),
    ),
    PRODUCT_RETRIEVAL: Signature(
        (
            Tensor("user_vector", "FP32", (VECTOR_DIM,)),
            Tensor("profile", "FP32", (PROFILE_DIM,)),
            Tensor("history_products", "INT64", ("events",)),
            Tensor("repeat_weights", "FP32", ("events",)),
            Tensor("event_weights", "FP32", ("events", EVENT_WEIGHTS)),
            Tensor("new_product_share", "FP32", (1,)),
        ),
        (
            Tensor("product_indices", "INT64", ("k",)),
            Tensor("scores", "FP32", ("k",)),
            Tensor("reason_events", "INT64", ("reasons",)),
            Tensor("new_indices", "INT64", ("k",)),
            Tensor("new_scores", "FP32", ("k",)),
            Tensor("new_reason_events", "INT64", ("reasons",)),
        ),
    ),
    PRODUCT_NEIGHBOURS: Signature(
        (Tensor("embedding", "FP32", (EMBEDDING_DIM,)),),
        (Tensor("neighbour_limits", "FP32", (3,)), Tensor("closest", "FP32", (1,))),
    ),
    PRODUCT_FIT: Signature(
        (
            Tensor("user_vector", "FP32", (VECTOR_DIM,)),
            Tensor("profile", "FP32", (PROFILE_DIM,)),
            Tensor("history_products", "INT64", ("events",)),
            Tensor("repeat_weights", "FP32", ("events",)),
            Tensor("event_weights", "FP32", ("events", EVENT_WEIGHTS)),
            Tensor("embeddings", "FP32", ("products", EMBEDDING_DIM)),
            Tensor("categorical_ids", "INT64", ("products", len(LEVELS))),
            Tensor("product_vectors", "FP32", ("products", VECTOR_DIM)),
            Tensor("neighbour_limits", "FP32", ("products", 3)),
            Tensor("closest", "FP32", ("products",)),
        ),
        (Tensor("fit_scores", "FP32", ("products",)), Tensor("fit_reason_events", "INT64", ("fit_reasons",))),
    ),
    AUDIENCE_RETRIEVAL: Signature(
        (
            Tensor("embedding", "FP32", (EMBEDDING_DIM,)),
            Tensor("categorical_ids", "INT64", (len(LEVELS),)),
            Tensor("product_vector", "FP32", (VECTOR_DIM,)),
        ),
        (
            Tensor("user_indices", "INT64", ("k",)),
            Tensor("scores", "FP32", ("k",)),
            Tensor("reason_products", "INT64", ("reasons",)),
        ),
    ),
    LAUNCH_RETRIEVAL: Signature(
        (Tensor("embedding", "FP32", (EMBEDDING_DIM,)),),
        (Tensor("launch_indices", "INT64", ("k",)), Tensor("similarities", "FP32", ("k",))),
    ),
    REVIEW_SENTIMENT: Signature(TOKENS, (Tensor("sentiment", "FP32", (len(SENTIMENTS),)),)),
}
SIGNATURES: Mapping[str, Signature] = MappingProxyType(_SIGNATURES)
BY_DATA = ("types", "k", "reasons")  # widths fixed in a graph, but different from model release to model release
FOR_EVALUATION = ("category_logits", "units_distribution", "buyers_median")  # outputs that serving does not ask for


def asked_outputs(model: str) -> tuple[str, ...]:
    """Names of the outputs that serving asks of a model."""
    return tuple(tensor.name for tensor in SIGNATURES[model].outputs if tensor.name not in FOR_EVALUATION)


def bucket(length: int, buckets: Sequence[int]) -> int:
    """The smallest bucket that holds `length`; the last one where none does."""
    return next((size for size in buckets if size >= length), buckets[-1])
