"""The models' signatures: names, types and dimensions of inputs and outputs, as the model repository's configurations
state them.

A dimension is a number, or a name for what varies: "tokens", "candidates", "events" by request, others by the data.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from onshelf_exporter.models.launch_outcome import CANDIDATE_COLUMNS, LEVELS, SUPPORT

# beside the models in a model release, each an Arrow file
TABLES = ("vocabulary", "categories", "channels", "products", "users", "launches", "life_cycle", "familiarity")


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
CONTENT = (Tensor("categorical_ids", "INT64", (4,)), Tensor("attributes", "FP32", (2,)))
PRODUCT_ENCODER = Signature(
    (*TOKENS, *CONTENT),
    (
        Tensor("embedding", "FP32", (128,)),
        Tensor("product_vector", "FP32", (64,)),
        Tensor("category_logits", "FP32", ("types",)),
        Tensor("channel_propensity", "FP32", (32,)),
        Tensor("week_propensity", "FP32", (53,)),
        Tensor("discount_propensity", "FP32", (5,)),
        Tensor("completed_ids", "INT64", (4,)),
        Tensor("category_confidence", "FP32", (1,)),
    ),
)
CPU_ENCODERS = ("product_encoder_fp32", "product_encoder_int8")  # product_encoder, as CPUs compute it best
_SIGNATURES = {
    "product_encoder": PRODUCT_ENCODER,
    **dict.fromkeys(CPU_ENCODERS, PRODUCT_ENCODER),
    "launch_outcome": Signature(
        (
            Tensor("embedding", "FP32", (128,)),
            *CONTENT,
            Tensor("candidates", "FP32", ("candidates", len(CANDIDATE_COLUMNS))),
        ),
        (
            Tensor("units_mean", "FP32", ("candidates", 2)),
            Tensor("units_dispersion", "FP32", ("candidates", 2)),
            Tensor("units_quantiles", "FP32", ("candidates", 2, len(LEVELS))),
            Tensor("buyers_mean", "FP32", ("candidates", 2)),
            Tensor("repeat_rate", "FP32", ("candidates", 1)),
            Tensor("units_distribution", "FP32", ("candidates", 2, SUPPORT)),
            Tensor("buyers_median", "FP32", ("candidates", 2)),
        ),
    ),
    "user_encoder": Signature(
        (
            Tensor("history_products", "INT64", ("events",)),
            Tensor("history_ages", "FP32", ("events",)),
            Tensor("history_quantities", "FP32", ("events",)),
            Tensor("history_kinds", "INT64", ("events",)),
            Tensor("profile", "FP32", (16,)),
        ),
        (
            Tensor("user_vector", "FP32", (64,)),
            Tensor("repeat_weights", "FP32", ("events",)),
            Tensor("event_weights", "FP32", ("events", 4)),
        ),
    ),
    "product_retrieval": Signature(
        (
            Tensor("user_vector", "FP32", (64,)),
            Tensor("profile", "FP32", (16,)),
            Tensor("history_products", "INT64", ("events",)),
            Tensor("repeat_weights", "FP32", ("events",)),
            Tensor("event_weights", "FP32", ("events", 4)),
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
    "product_neighbours": Signature(
        (Tensor("embedding", "FP32", (128,)),),
        (Tensor("neighbour_limits", "FP32", (3,)), Tensor("closest", "FP32", (1,))),
    ),
    "product_fit": Signature(
        (
            Tensor("user_vector", "FP32", (64,)),
            Tensor("profile", "FP32", (16,)),
            Tensor("history_products", "INT64", ("events",)),
            Tensor("repeat_weights", "FP32", ("events",)),
            Tensor("event_weights", "FP32", ("events", 4)),
            Tensor("embeddings", "FP32", ("products", 128)),
            Tensor("categorical_ids", "INT64", ("products", 4)),
            Tensor("product_vectors", "FP32", ("products", 64)),
            Tensor("neighbour_limits", "FP32", ("products", 3)),
            Tensor("closest", "FP32", ("products",)),
        ),
        (Tensor("fit_scores", "FP32", ("products",)), Tensor("fit_reason_events", "INT64", ("fit_reasons",))),
    ),
    "audience_retrieval": Signature(
        (
            Tensor("embedding", "FP32", (128,)),
            Tensor("categorical_ids", "INT64", (4,)),
            Tensor("product_vector", "FP32", (64,)),
        ),
        (
            Tensor("user_indices", "INT64", ("k",)),
            Tensor("scores", "FP32", ("k",)),
            Tensor("reason_products", "INT64", ("reasons",)),
        ),
    ),
    "launch_retrieval": Signature(
        (Tensor("embedding", "FP32", (128,)),),
        (Tensor("launch_indices", "INT64", ("k",)), Tensor("similarities", "FP32", ("k",))),
    ),
}
SIGNATURES: Mapping[str, Signature] = MappingProxyType(_SIGNATURES)
BY_DATA = ("types", "k", "reasons")  # widths fixed in a graph, but different from model release to model release
