"""What a model may answer: with its numbers as they stand, and with each of them moved by as much as rounding moves it.

Models compare numbers: a feature with a tree's threshold, a product's score with the next one's, a place with a place.
Where two numbers are equal but for rounding, two runtimes may decide differently and both are right. PyTorch itself
decides either way when its numbers move a little; an answer within the range of its answers is no fault. Ranked rows
are compared by the score of each row, not by places.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.models.scorer import NONE

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]
DRAWS = 12  # an edge is met on both sides but once in 2,000 times
STEP = 2e-6  # share by which numbers move; float32 keeps 6e-8 of each, and sums of a hundred lose more
TIED = "prior"  # buffers in which zeros move, too: products that nobody bought are equal in all else
FAULT = np.inf
OTHER_REASONS = 1e-2  # what a row differs by that has other reasons: above every tolerance, and of a few rows no fault
EXACT = {  # ids that belong to no ranking: each is one that PyTorch answers in its place, or the row differs by this
    "completed_ids": FAULT,
    "fit_reason_events": OTHER_REASONS,
}


@dataclass(frozen=True)
class Ranking:
    """Outputs that belong together: ids, each at most once, their scores, best first, and reasons, as many of each."""

    ids: str
    scores: str
    reasons: str = ""


RANKINGS = {
    "product_retrieval": (
        Ranking("product_indices", "scores", "reason_events"),
        Ranking("new_indices", "new_scores", "new_reason_events"),
    ),
    "audience_retrieval": (Ranking("user_indices", "scores", "reason_products"),),
    "launch_retrieval": (Ranking("launch_indices", "similarities"),),
}


def moved_answers(module: nn.Module, inputs: Sequence[Tensor], seed: int = 1) -> list[tuple[Tensor, ...]]:
    """The answers of a module whose numbers, and those of its inputs, are moved by rounding; DRAWS of them."""
    generator = torch.Generator().manual_seed(seed)
    return [_answer(_moved(module, generator), [_move(value, generator) for value in inputs]) for _ in range(DRAWS)]


def _answer(module: nn.Module, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    with torch.no_grad():
        said = module(*inputs)
    return said if isinstance(said, tuple) else (said,)


def _moved(module: nn.Module, generator: torch.Generator) -> nn.Module:
    other = copy.deepcopy(module)
    with torch.no_grad():
        for name, value in (*other.named_parameters(), *other.named_buffers()):
            value.copy_(_move(value, generator, absolute=name.rpartition(".")[2] == TIED))
    return other


def _move(value: Tensor, generator: torch.Generator, absolute: bool = False) -> Tensor:
    if not value.is_floating_point():
        return value
    step = STEP * (2 * torch.rand(value.shape, generator=generator) - 1)
    return value + step * (1 + value.abs() if absolute else value)


def ranked_difference(ranking: Ranking, runs: Sequence[Arrays], got: Arrays, ordered: NDArray[np.bool_]) -> Floats:
    """By how much the scores of a ranking lie outside those of `runs`, relative to 1 + |score|, by row.

    A row that a run leaves out may have any score up to the run's last one. What `got` leaves out must not have a
    higher score than its own last one in all runs. FAULT where an id comes twice or an order is not that of the scores.

    Args:
        ranking: which outputs.
        runs: answers that are right.
        got: the answer in question.
        ordered: bool [batch], whether the row is in the order of its scores.
    """
    ids, scores = got[ranking.ids].astype(np.int64), _scores(ranking, got)
    width = 1 + max(int(one[ranking.ids].max(initial=0)) for one in (*runs, got))
    low, high = np.full((len(ids), width), np.inf), np.full((len(ids), width), -np.inf)
    for run in runs:
        given, said = np.full((len(ids), width), -np.inf), _scores(ranking, run)
        np.put_along_axis(given, run[ranking.ids].astype(np.int64), said, axis=1)
        last = said.min(axis=1, keepdims=True, initial=np.inf)
        low, high = np.minimum(low, given), np.maximum(high, np.where(np.isneginf(given), last, given))
    least, most = (np.take_along_axis(bound, ids, axis=1) for bound in (low, high))
    nearest = np.clip(scores, least, most)
    outside = np.abs(scores - nearest) / (1 + np.abs(nearest))
    np.put_along_axis(low, ids, -np.inf, axis=1)  # what is left are rows that `got` leaves out
    lowest = scores.min(axis=1, keepdims=True, initial=np.inf)
    above = np.maximum(low - lowest, 0.0) / (1 + np.abs(lowest))
    found: Floats = np.maximum(outside.max(axis=1, initial=0.0), above.max(axis=1, initial=0.0))
    rising = (np.diff(scores, axis=1) > 1e-3 * (1 + np.abs(scores[:, 1:]))).any(axis=1)
    twice = (np.diff(np.sort(ids, axis=1), axis=1) == 0).any(axis=1)
    found[twice | (rising & ordered)] = FAULT
    return found


def exact_difference(name: str, runs: Sequence[Arrays], got: Arrays) -> Floats:
    """What EXACT says in rows of an output in which a place has an id that none of `runs` has there; else 0."""
    found = np.any([run[name] == got[name] for run in runs], axis=0)
    return np.where(found.reshape(len(found), -1).all(axis=1), 0.0, EXACT[name])


def reasons_difference(ranking: Ranking, runs: Sequence[Arrays], got: Arrays) -> Floats:
    """OTHER_REASONS in rows where an id that is ranked has reasons that it has in none of `runs`; else 0.

    The order of an id's reasons does not count, and neither do ids that are no candidates or that no run ranks.
    """
    ids = got[ranking.ids].astype(np.int64)
    count, places = ids.shape
    own = np.sort(got[ranking.reasons].reshape(count, places, -1), axis=2)
    width = 1 + max(int(one[ranking.ids].max(initial=0)) for one in (*runs, got))
    known, right = np.zeros(ids.shape, dtype=bool), np.zeros(ids.shape, dtype=bool)
    for run in runs:
        theirs = np.sort(run[ranking.reasons].reshape(count, run[ranking.ids].shape[1], -1), axis=2)
        place = np.full((count, width), -1, dtype=np.int64)
        rows = np.broadcast_to(np.arange(theirs.shape[1]), theirs.shape[:2])
        np.put_along_axis(place, run[ranking.ids].astype(np.int64), rows, axis=1)
        at = np.take_along_axis(place, ids, axis=1)
        same = (np.take_along_axis(theirs, np.maximum(at, 0)[:, :, None], axis=1) == own).all(axis=2)
        known |= at >= 0
        right |= same & (at >= 0)
    candidate = _scores(ranking, got) > NONE
    return np.where((known & ~right & candidate).any(axis=1), OTHER_REASONS, 0.0)


def _scores(ranking: Ranking, run: Arrays) -> Floats:
    """Scores of a ranking. All that say "no candidate" are equal: which of these fills up a list means nothing."""
    return np.maximum(run[ranking.scores].astype(np.float64), NONE)
