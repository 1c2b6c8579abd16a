"""The models' names, the tensors that the gateway sends and reads, and the sizes that it pads to."""

from collections.abc import Sequence

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


def bucket(length: int, buckets: Sequence[int]) -> int:
    """The smallest bucket that holds `length`; the last one where none does."""
    return next((size for size in buckets if size >= length), buckets[-1])
