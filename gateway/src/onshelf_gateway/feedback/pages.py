"""Page tokens: a place in a list that newer rows do not move, bound to the filters that it was made with."""

import base64
import hashlib

from google.protobuf.message import Message

from onshelf_gateway.requests.checks import Checker


def page_token(request: Message, place: int) -> str:
    """The token of the page after `place`, a sequence number."""
    return base64.urlsafe_b64encode(f"{place}:{_filters(request)}".encode()).decode()


def parse_page_token(check: Checker, request: Message) -> int | None:
    """The place that `request.page_token` names; None for the first page."""
    token = request.page_token  # type: ignore[attr-defined]
    if not token:
        return None
    try:
        place, _, filters = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if filters == _filters(request) and 0 <= int(place) < 1 << 63:
            return int(place)
        rule = "belongs to other filters; ask with those of the page before"
    except ValueError:
        rule = "is no token of this call; leave it empty for the first page"
    check.fail("PAGE_TOKEN_INVALID", "page_token", rule)
    return None


def _filters(request: Message) -> str:
    bare = type(request)()
    bare.CopyFrom(request)
    for name in ("page_token", "page_size"):
        bare.ClearField(name)
    content = request.DESCRIPTOR.full_name.encode() + bare.SerializeToString(deterministic=True)
    return hashlib.blake2b(content, digest_size=8).hexdigest()
