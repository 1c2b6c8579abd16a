"""What reviews say, for people."""

from collections.abc import Sequence

from rich.console import RenderableType

from onshelf._cli import _words as w
from onshelf._cli._terminal import Section, bold, clean, table
from onshelf._feedback_results import ReviewQuote, ReviewSummary

FEW = 5  # quotes of a list


def review_sections(found: ReviewSummary | None) -> list[Section]:
    """Sentiment and topics, complaints, questions, and reviews whose stars and words disagree."""
    if found is None:
        return []
    lines: list[RenderableType] = [bold("What reviews say"), _read(found)]
    if found.abstained:
        lines.append(f"No summary: {clean(found.abstained)}.")
    elif found.sentiment is not None:
        lines.append(
            f"{w.counted(found.positive, 'review')} positive, {found.neutral:,} neutral, {found.negative:,} negative; "
            f"sentiment {found.sentiment:+.2f} (-1 to 1)."
        )
    if found.topics:
        rows = [
            [clean(one.topic), f"{one.reviews:,}", f"{one.sentiment:+.2f}", _said(one.quotes[0]) if one.quotes else ""]
            for one in found.topics
        ]
        lines.append(table(["topic", ">reviews", ">sentiment", "~for example"], rows))
    return [
        lines,
        _listed("Complaints", found.complaints),
        _listed("Questions", found.questions),
        _listed("Stars and words disagree", found.disagreements),
    ]


def _read(found: ReviewSummary) -> str:
    left = f"; {found.not_read:,} not read" if found.not_read else ""
    return f"{found.read:,} of {w.counted(found.with_text, 'review')} with a text were read{left}."


def _listed(title: str, quotes: Sequence[ReviewQuote]) -> Section:
    if not quotes:
        return []
    rows = [
        [w.day(one.day), f"{one.rating:.0f}" if one.rating else "", _said(one), clean(one.event_id)]
        for one in quotes[:FEW]
    ]
    more = f" (the newest {FEW} of {len(quotes)} listed)" if len(quotes) > FEW else ""
    return [bold(title + more), table(["day", ">stars", "~text", "event"], rows)]


def _said(quote: ReviewQuote) -> str:
    return f'"{clean(quote.text)}"'
