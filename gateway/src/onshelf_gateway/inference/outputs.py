"""What the models answer, as types; and the checks by which an answer is believed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.call import metrics
from onshelf_gateway.call.errors import GatewayError
from onshelf_gateway.inference.backend import Array
from onshelf_release.signatures import REASONS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
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


def wide(array: Array) -> Floats:
    """The array with the precision that the gateway computes in."""
    return array.astype(np.float64)


def invalid(model: str, why: str) -> GatewayError:
    """MODEL_OUTPUT_INVALID."""
    return GatewayError("MODEL_OUTPUT_INVALID", f"model {model} broke its contract: {why}")


def check_batch(model: str, name: str, value: Array, rows: int) -> None:
    """Raises MODEL_OUTPUT_INVALID where an output has not a row for each of the input's."""
    if value.shape[0] != rows:
        metrics.model_failed(model, "invalid")
        raise invalid(model, f"{name} with shape {value.shape} must have a batch of {rows}")


def check_finite(model: str, name: str, value: Array) -> None:
    """Raises MODEL_OUTPUT_INVALID where a number is infinite or none."""
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        metrics.model_failed(model, "invalid")
        raise invalid(model, f"{name} must hold finite numbers")


def reasons_of(model: str, reasons: Array, rows: int) -> Ints:
    """Reasons [n, 2]: rows of a table, -1 for none."""
    if reasons.size % REASONS or ((reasons < -1) | (reasons >= rows)).any():
        raise invalid(model, f"reasons {reasons.shape} must be {REASONS} each and point into {rows} rows")
    return reasons.reshape(-1, REASONS).astype(np.int64)


def retrieved(model: str, indices: Array, scores: Array, rows: int, reasons: Ints | None = None) -> Retrieved:
    """Rows of a table of `rows`, less the -1 that fill up an answer.

    Raises:
        GatewayError: MODEL_OUTPUT_INVALID.
    """
    if reasons is not None and len(reasons) != len(indices):
        raise invalid(model, f"{len(indices)} indices have {len(reasons)} reasons")
    if indices.shape != scores.shape or ((indices < -1) | (indices >= rows)).any():
        raise invalid(model, f"indices {indices.shape} and scores {scores.shape} must match and point into {rows} rows")
    every = Retrieved(indices.astype(np.int64), scores.astype(np.float64), reasons)
    return every.take(np.flatnonzero(indices >= 0))
