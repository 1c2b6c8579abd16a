"""Reviews cut into sentences, each a part of the text as it was written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n")
MOST = 40  # sentences of one review
LONGEST = 400  # characters of a sentence; what is longer is cut at blanks
QUESTION = ("?", "？", "吗", "呢")
CLOSING = " \t\"'”’)）。.!！…"


@dataclass(frozen=True, kw_only=True)
class Review:
    """A review with a text.

    Attributes:
        event_id: of its event. day: the retailer's local day, ISO 8601. rating: stars; None without.
        sentences: parts of its text, in order.
    """

    event_id: str
    day: str
    rating: float | None
    sentences: tuple[str, ...]


def read_reviews(rows: Sequence[Any]) -> list[Review]:
    """Reviews of rows of the table `events` whose texts have a letter."""
    found = [
        Review(event_id=row.event_id, day=row.day, rating=row.rating, sentences=tuple(sentences_of(row.text)))
        for row in rows
    ]
    return [review for review in found if review.sentences]


def sentences_of(text: str) -> list[str]:
    """Sentences of a text, at most MOST; those without a letter or digit are left out."""
    found: list[str] = []
    for sentence in END.split(text):
        while len(sentence) > LONGEST:
            cut = sentence.rfind(" ", 1, LONGEST)
            cut = cut if cut > 0 else LONGEST
            found.append(sentence[:cut].strip())
            sentence = sentence[cut:]
        found.append(sentence.strip())
    return [sentence for sentence in found if any(letter.isalnum() for letter in sentence)][:MOST]


def is_question(sentence: str) -> bool:
    """Whether a sentence asks something."""
    return sentence.rstrip(CLOSING).endswith(QUESTION)
