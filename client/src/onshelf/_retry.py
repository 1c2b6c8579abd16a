"""When a failed call is tried again: only where that is safe, never beyond the deadline, later and later, and never in
step.
"""

import dataclasses
import math
import random
import time
from collections.abc import Callable

from onshelf._errors import OnshelfError, Overloaded, Unavailable
from onshelf._rpcs import Rpc


class Deadline:
    """The moment at which a call and all its retries must be over. seconds: math.inf for never."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float | None:
        """Seconds left, at least 0; None without a deadline."""
        return None if math.isinf(self._end) else max(0.0, self._end - self._clock())


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """retries: most extra attempts. The pause before the n-th is drawn from [half, whole] of initial * 2^(n-1), at
    most longest.

    A pause that the service asks for (RetryInfo) is kept, and lengthened by up to a quarter so that callers do not
    return in step.
    """

    retries: int = 3
    initial: float = 0.1
    longest: float = 2.0

    def pause(
        self,
        rpc: Rpc,
        error: OnshelfError,
        attempt: int,
        left: float | None,
        draw: Callable[[], float] = random.random,
    ) -> float | None:
        """Seconds to wait after the attempt (1 is the first), or None: give the error to the caller."""
        if attempt > self.retries or not rpc.retry_safe or not _worth_another(error):
            return None
        pause = min(self.longest, self.initial * 2 ** (attempt - 1)) * (0.5 + draw() / 2)
        if error.retry_after is not None:
            pause = max(pause, error.retry_after * (1 + draw() / 4))
        return pause if left is None or pause < left else None


def _worth_another(error: OnshelfError) -> bool:
    # An overloaded service is asked again only when it says when: otherwise retries would add to the load.
    return isinstance(error, Unavailable) or (isinstance(error, Overloaded) and error.retry_after is not None)
