"""An event, checked: what its kind must and must not have, and its row of the store."""

import datetime as dt
import hashlib
import zoneinfo
from typing import Any

from google.type import money_pb2  # type: ignore[import-untyped]

from onshelf.v1 import feedback_pb2, recommendation_pb2
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.checks import MAX_COST, Checker

F = feedback_pb2
KINDS = {
    number: name.removeprefix("EVENT_KIND_").lower() for name, number in recommendation_pb2.EventKind.items() if number
}
NUMBERS = {name: number for number, name in KINDS.items()}
PURCHASE, REVIEW, RETURN = (
    getattr(recommendation_pb2, f"EVENT_KIND_{name}") for name in ("PURCHASE", "REVIEW", "RETURN")
)
WITH_UNITS = (PURCHASE, RETURN)
OF_GUESTS = (PURCHASE, RETURN, REVIEW)
EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC).timestamp()
AHEAD_SECONDS = 24 * 3600.0
MAX_QUANTITY = 1_000_000
MAX_TEXT = 10_000
STRIPPED = ("event_id", "user_id", "product_id", "attribution_token", "site_id", "channel_id")


def check_event(check: Checker, event: F.Event, release: ModelRelease, now: float) -> None:
    """Record what breaks a rule; paths are within the event.

    Args:
        check: takes the violations.
        event: to check.
        release: whose currency counts.
        now: seconds since 1970.
    """
    kind = event.kind
    check.text("event_id", event.event_id, 128, required=True)
    if not kind:
        check.fail("FIELD_REQUIRED", "kind", "is missing and required")
    elif kind not in KINDS:
        check.enum("kind", kind, KINDS)
    check.user_id("user_id", event.user_id, required=kind not in OF_GUESTS)
    check.text("product_id", event.product_id, 128, required=True)
    _check_time(check, event, now)
    for name in ("attribution_token", "site_id", "channel_id"):
        if value := getattr(event, name):
            check.text(name, value, 128)
    if event.quantity:
        if kind in WITH_UNITS:
            check.number("quantity", event.quantity, 0, MAX_QUANTITY, above=True)
        else:
            check.fail("FIELDS_CONFLICT", "quantity", f"belongs to purchases and returns; this is a {KINDS.get(kind)}")
    for name in ("revenue", "discount"):
        if event.HasField(name):
            check.amount(name, getattr(event, name), release.manifest.currency, MAX_COST)
        if event.HasField(name) and kind not in WITH_UNITS:
            check.fail("FIELDS_CONFLICT", name, f"belongs to purchases and returns; this is a {KINDS.get(kind)}")
    if event.rating:
        if kind == REVIEW:
            check.number("rating", event.rating, 1, 5)
        else:
            check.fail("FIELDS_CONFLICT", "rating", f"belongs to reviews; this is a {KINDS.get(kind)}")
    if event.text:
        if kind != REVIEW:
            check.fail("FIELDS_CONFLICT", "text", f"belongs to reviews; this is a {KINDS.get(kind)}")
        elif "\x00" in event.text:
            check.fail("TEXT_INVALID", "text", "holds a NUL character; send plain text")
        elif len(event.text) > MAX_TEXT:
            check.fail("TEXT_TOO_LONG", "text", f"has {len(event.text)} characters; at most {MAX_TEXT}")
    elif kind == REVIEW and not event.rating:
        check.fail("FIELD_REQUIRED", "text", "a review has stars, a text, or both")


def _check_time(check: Checker, event: F.Event, now: float) -> None:
    if not event.HasField("time"):
        check.fail("FIELD_REQUIRED", "time", "is missing and required")
        return
    seconds = event.time.seconds
    if not 0 <= event.time.nanos < 10**9 or seconds < EARLIEST:
        check.fail(
            "VALUE_OUT_OF_RANGE",
            "time",
            f"{seconds} s and {event.time.nanos} ns lie before the year 2000, or are no time",
        )
    elif seconds > now + AHEAD_SECONDS:
        later = seconds - now
        check.fail(
            "VALUE_OUT_OF_RANGE", "time", f"lies {later / 3600:,.0f} hours ahead of this service's clock; at most 24"
        )


def event_row(event: F.Event, zone: zoneinfo.ZoneInfo) -> dict[str, Any]:
    """The columns of the store's table `events` for an event that keeps the rules.

    Its fingerprint is that of what is stored: defaults filled in, times in microseconds, ids without blanks around.
    """
    given, event = event, F.Event()
    event.CopyFrom(given)
    for name in STRIPPED:
        setattr(event, name, getattr(event, name).strip())
    if event.kind in WITH_UNITS and not event.quantity:
        event.quantity = 1.0
    event.time.nanos -= event.time.nanos % 1000
    seconds, nanos = event.time.seconds, event.time.nanos
    return {
        "event_id": event.event_id,
        "fingerprint": hashlib.blake2b(event.SerializeToString(deterministic=True), digest_size=16).digest(),
        "kind": KINDS[event.kind],
        "user_id": event.user_id,
        "product_id": event.product_id,
        "time": dt.datetime.fromtimestamp(seconds, dt.UTC).replace(tzinfo=None, microsecond=nanos // 1000),
        "day": dt.datetime.fromtimestamp(seconds, zone).date().isoformat(),
        "attribution_token": event.attribution_token,
        "quantity": event.quantity if event.kind in WITH_UNITS else 0.0,
        "revenue_nanos": _nanos(event, "revenue"),
        "discount_nanos": _nanos(event, "discount"),
        "rating": event.rating or None,
        "text": event.text,
        "site_id": event.site_id,
        "channel_id": event.channel_id,
    }


def event_message(row: Any, currency: str) -> F.Event:
    """The event of a row of the store's table `events`."""
    event = F.Event(
        event_id=row.event_id,
        kind=NUMBERS[row.kind],  # type: ignore[arg-type]
        user_id=row.user_id,
        product_id=row.product_id,
        attribution_token=row.attribution_token,
        quantity=row.quantity,
        rating=row.rating or 0.0,
        text=row.text,
        site_id=row.site_id,
        channel_id=row.channel_id,
    )
    event.time.FromDatetime(row.time)
    for name in ("revenue", "discount"):
        nanos = getattr(row, f"{name}_nanos")
        if nanos is not None:
            units, rest = divmod(nanos, 10**9)
            getattr(event, name).CopyFrom(money_pb2.Money(currency_code=currency, units=units, nanos=rest))
    return event


def _nanos(event: F.Event, name: str) -> int | None:
    if not event.HasField(name):
        return None
    amount = getattr(event, name)
    return int(amount.units) * 10**9 + int(amount.nanos)
