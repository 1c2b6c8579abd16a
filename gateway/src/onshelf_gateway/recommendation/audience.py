"""Audiences: the best users, and segments of at least ten that describe them."""

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.inference.outputs import Retrieved
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_release.codes import CATEGORY_LEVELS

LEAST_USERS = 10  # smaller segments are never described
MAX_SEGMENTS = 8
LEAST_LIFT = 1.1
LEAST_SHARE = 0.05  # of the audience that an interest must have to describe it


def members(release: ModelRelease, found: Retrieved, count: int) -> list[types_pb2.AudienceMember]:
    """The best `count` users by id, each with what speaks for the product in the history."""
    best = found.take(np.arange(min(count, len(found.indices))))
    return [
        types_pb2.AudienceMember(
            user_id=release.user_names[row], score=score, reason_product_ids=product_ids(release, best, number)
        )
        for number, (row, score) in enumerate(zip(best.indices.tolist(), best.scores.tolist(), strict=True))
    ]


def product_ids(release: ModelRelease, found: Retrieved, number: int) -> list[str]:
    """The ids of the products that are the reasons of one row."""
    rows = [] if found.reasons is None else found.reasons[number].tolist()
    return [release.product_names[row] for row in rows if row >= 0]


def segments(release: ModelRelease, found: Retrieved, count: int) -> list[types_pb2.AudienceSegment]:
    """Describe the audience: its best `count` users, or the best tenth of all users where that is more.

    Interests (categories that make up 5 % of purchases), price tier, promotion sensitivity and frequency, alone and
    an interest together with one of the others; those with the largest lift over all users, at least ten users each.
    """
    total = release.users.num_rows
    size = min(len(found.indices), max(count, total // 10))
    if size < LEAST_USERS:
        return []
    inside = found.indices[:size]
    users, interests = _interests(release, inside)
    in_audience = np.bincount(interests, minlength=release.user_interests.shape[1])
    lift = (in_audience / size) / np.maximum(release.interest_frequency, 1e-12)
    eligible = np.flatnonzero(in_audience >= max(LEAST_USERS, LEAST_SHARE * size))
    strongest = eligible[np.argsort(-(lift * np.sqrt(in_audience))[eligible], kind="stable")][:4]
    category = release.vocabulary.levels[CATEGORY_LEVELS[1]].readable
    words = [f"buyers of {category[n].lower()}" for n in strongest]
    words += [f"{text}, {name}" for text in words[:2] for name in release.user_traits[0]]
    words += release.user_traits[0]
    counts, everywhere = _counts(release, inside, users, interests, strongest)
    rows = []
    for text, users, usual in zip(words, counts.tolist(), everywhere.tolist(), strict=True):
        share = users / size
        ratio = share / max(usual, 1e-12)
        if users >= max(LEAST_USERS, LEAST_SHARE * size) and ratio >= LEAST_LIFT:
            rows.append(types_pb2.AudienceSegment(description=text, users=users, share=share, lift=ratio))
    return sorted(rows, key=lambda row: (-row.lift, row.description))[:MAX_SEGMENTS]


def _interests(release: ModelRelease, inside: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of a position in `inside` and a category that is an interest of that user."""
    table = release.user_interests
    start = table.indptr[inside].astype(np.int64)
    length = table.indptr[inside + 1] - start
    at = np.arange(length.sum()) + np.repeat(start - (np.cumsum(length) - length), length)
    return np.repeat(np.arange(len(inside)), length), table.indices[at].astype(np.int64)


def _counts(
    release: ModelRelease,
    inside: NDArray[np.int64],
    users: NDArray[np.int64],
    interests: NDArray[np.int64],
    strongest: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Users in the audience, and share of all users: of the interests, of the first two with each trait, of the traits.

    Args:
        inside: rows of the audience's users.
        users, interests: as `_interests`.
        strongest: the categories that are described.
    """
    marks = np.zeros((len(strongest), len(inside)), dtype=np.float32)
    for place, category in enumerate(strongest.tolist()):
        marks[place, users[interests == category]] = 1.0
    traits = release.trait_marks[:, inside]
    counts = [marks.sum(axis=1), (marks[:2] @ traits.T).reshape(-1), traits.sum(axis=1)]
    everywhere = [
        release.interest_frequency[strongest],
        release.interest_trait_frequency[strongest[:2]].reshape(-1),
        release.trait_frequency,
    ]
    return np.rint(np.concatenate(counts)).astype(np.int64), np.concatenate(everywhere)
