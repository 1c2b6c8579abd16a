"""Permits: as many calls at once as the setting allows; the others are refused instead of waiting."""

from collections.abc import Iterator
from contextlib import contextmanager

from onshelf_gateway import metrics
from onshelf_gateway.calls import Call
from onshelf_gateway.errors import GatewayError


class Permits:
    """A bound on calls that are being answered. Used on one event loop only."""

    def __init__(self, count: int, retry_after_ms: int) -> None:
        self._count = count
        self._free = count
        self._retry_after_ms = retry_after_ms
        metrics.permits.set(count)

    @contextmanager
    def hold(self, call: Call) -> Iterator[None]:
        """Hold a permit; getting it is the stage "admit".

        Raises:
            GatewayError: OVERLOADED when none is free.
        """
        with call.stage("admit"):
            if self._free == 0:
                metrics.refused_permits.inc()
                raise GatewayError(
                    "OVERLOADED",
                    f"{self._count} requests are being answered, as many as --max-in-flight allows; retry later",
                    retry_after_ms=self._retry_after_ms,
                )
            self._free -= 1
        metrics.permits.set(self._free)
        try:
            yield
        finally:
            self._free += 1
            metrics.permits.set(self._free)
