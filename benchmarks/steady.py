"""A closed loop while all of its callers ask: without its beginning, when all ask at once, and its end, when few do."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Span = tuple[float, float]  # when a request was sent, when it was answered
FEWEST = 4  # requests of a caller


def steady(callers: Sequence[Sequence[Span]]) -> tuple[float, NDArray[np.float64]]:
    """Answers a second, and latencies [n] in milliseconds.

    A caller's first and last answer do not count. The rate is that of the answers after all callers had their first
    and before the last request was sent; where there are none, that of all answers.
    """
    spans = [span for own in callers for span in own]
    kept = [span for own in callers for span in own[1:-1]] or spans
    begin, end = max(own[0][1] for own in callers if own), max(own[-1][0] for own in callers if own)
    counted = [answered for _, answered in spans if begin < answered <= end]
    if not counted:
        begin, end = min(sent for sent, _ in spans), max(answered for _, answered in spans)
        counted = [answered for _, answered in spans]
    return len(counted) / (end - begin), 1000 * np.array([answered - sent for sent, answered in kept])
