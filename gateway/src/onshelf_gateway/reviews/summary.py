"""What the reviews of a launch say together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import feedback_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.reviews import topics
from onshelf_gateway.reviews.reading import Reader
from onshelf_gateway.reviews.sentences import Review, is_question, read_reviews
from onshelf_gateway.reviews.topics import Sentence, Topic

F = feedback_pb2
Floats = NDArray[np.float64]
LEAST = 10  # reviews that were read, for a summary
SIDE = 0.25  # sentiment beyond which a review is positive or negative
CLEAR = 0.5  # sentiment beyond which words disagree with stars of the other side
COMPLAINT = 0.8  # probability of negative from which on a sentence is a complaint
OPINION = 0.5  # sentiment beyond which a phrase by itself is an opinion
LISTED = 20  # complaints, questions and disagreements each


@dataclass(frozen=True, kw_only=True)
class Read:
    """Reviews that were read, and their sentences with probabilities [n, 3]."""

    reviews: list[Review]
    sentences: list[Sentence]
    probabilities: Floats


async def summarise(
    reader: Reader, call: Call, release: ModelRelease, rows: Sequence[Any], total: int
) -> F.ReviewSummary:
    """The summary of reviews: rows of the table `events`, newest first, of `total` with a text."""
    read = await _read(reader, call, release, await asyncio.to_thread(read_reviews, rows))
    summary = F.ReviewSummary(with_text=total, read=len(read.reviews), not_read=total - len(read.reviews))
    moods = _moods(read)
    _list_sentences(summary, read, moods)
    if len(read.reviews) < LEAST:
        summary.abstained = f"{len(read.reviews)} reviews were read: a summary needs {LEAST}"
        return summary
    summary.sentiment = float(moods.mean())
    summary.negative, summary.positive = int((moods < -SIDE).sum()), int((moods > SIDE).sum())
    summary.neutral = len(moods) - summary.negative - summary.positive
    found = await asyncio.to_thread(topics.candidates, read.sentences, len(read.reviews))
    alone = await reader.read(call, release, list(found))
    opinions = (~(np.abs(alone[:, 2] - alone[:, 0]) <= OPINION)).tolist()  # those that there was no time for, too
    for topic in topics.topics(read.sentences, found, opinions):
        summary.topics.append(_topic(topic, read))
    return summary


async def _read(reader: Reader, call: Call, release: ModelRelease, reviews: Sequence[Review]) -> Read:
    strange = await reader.strange(release, [" ".join(review.sentences) for review in reviews])
    known = [review for review, is_strange in zip(reviews, strange, strict=True) if not is_strange]
    texts = [sentence for review in known for sentence in review.sentences]
    said = await reader.read(call, release, texts)
    begins = np.cumsum([0, *(len(review.sentences) for review in known)])
    whole = [not np.isnan(said[a:b]).any() for a, b in pairwise(begins.tolist())]
    kept = [review for review, is_whole in zip(known, whole, strict=True) if is_whole]
    rows = np.repeat(whole, np.diff(begins))
    probabilities = said[rows]
    moods = probabilities[:, 2] - probabilities[:, 0]
    numbers = [number for number, review in enumerate(kept) for _ in review.sentences]
    flat = [sentence for review in kept for sentence in review.sentences]
    return Read(
        reviews=kept,
        sentences=[
            Sentence(review=number, text=text, sentiment=mood)
            for number, text, mood in zip(numbers, flat, moods.tolist(), strict=True)
        ],
        probabilities=probabilities,
    )


def _moods(read: Read) -> Floats:
    """Sentiment [reviews], -1 to 1: the mean of a review's sentences by their length."""
    if not read.reviews:
        return np.zeros(0)
    review = np.array([sentence.review for sentence in read.sentences])
    weight = np.array([float(len(sentence.text)) for sentence in read.sentences])
    mood = np.array([sentence.sentiment for sentence in read.sentences])
    return np.bincount(review, weight * mood) / np.bincount(review, weight)


def _list_sentences(summary: F.ReviewSummary, read: Read, moods: Floats) -> None:
    """Complaints and questions, newest first, and reviews whose stars and words disagree."""
    for number, sentence in enumerate(read.sentences):
        if is_question(sentence.text):
            if len(summary.questions) < LISTED:
                summary.questions.append(_quote(read, number))
        elif read.probabilities[number, 0] >= COMPLAINT and len(summary.complaints) < LISTED:
            summary.complaints.append(_quote(read, number))
    for review, mood in zip(read.reviews, moods.tolist(), strict=True):
        stars = review.rating
        if stars is None or not ((stars >= 4 and mood <= -CLEAR) or (stars <= 2 and mood >= CLEAR)):
            continue
        if len(summary.disagreements) < LISTED:
            text = " ".join(review.sentences)
            summary.disagreements.append(
                F.ReviewQuote(event_id=review.event_id, day=review.day, text=text, sentiment=mood, rating=stars)
            )


def _topic(topic: Topic, read: Read) -> F.ReviewTopic:
    return F.ReviewTopic(
        topic=topic.phrase,
        reviews=len(topic.reviews),
        sentiment=topic.sentiment,
        quotes=[_quote(read, number) for number in topics.quotes_of(topic, read.sentences)],
    )


def _quote(read: Read, number: int) -> F.ReviewQuote:
    sentence = read.sentences[number]
    review = read.reviews[sentence.review]
    return F.ReviewQuote(
        event_id=review.event_id,
        day=review.day,
        text=sentence.text,
        sentiment=sentence.sentiment,
        rating=review.rating or 0.0,
    )
