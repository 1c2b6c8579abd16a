"""Structured logs: JSON lines on standard error. User ids never appear; `hashed` gives what may stand for one."""

import hashlib
import hmac
import logging
import secrets
import sys

import structlog


def configure(level: str) -> None:
    """Log JSON lines of at least `level` to standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


class UserHash:
    """Keyed hashes of user ids: an id gives the same hash as long as the key stays; without the key none goes back."""

    def __init__(self, key: str) -> None:
        self._key = key.encode() or secrets.token_bytes(32)

    def __call__(self, user_id: str) -> str:
        """HMAC-SHA-256 of an id, its first 16 hexadecimal digits."""
        return hmac.new(self._key, user_id.encode(), hashlib.sha256).hexdigest()[:16]
