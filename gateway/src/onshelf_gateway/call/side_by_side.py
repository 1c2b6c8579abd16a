"""How work that is done side by side ends where a part of it has failed."""

import asyncio
from collections.abc import Collection
from typing import Any

GRACE = 1.0  # seconds; a model that is there has answered


async def come_back(work: Collection[asyncio.Future[Any]], left: float) -> None:
    """Give work whose results nobody wants any more GRACE to end by itself, at most half of the caller's time.

    Triton before 25.04 can die where a request is cancelled at the moment of its answer, and a model that is away would
    cancel many. left: seconds until the caller's deadline.
    """
    if work:
        await asyncio.wait(work, timeout=min(GRACE, max(0.0, left) / 2))


async def end(tasks: Collection[asyncio.Task[Any]], left: float) -> None:
    """End tasks; return when none is under way. See `come_back`: those that do not are cancelled, and all at once where
    the caller has left or its time is up.
    """
    current = asyncio.current_task()
    try:
        if not (current and current.cancelling()):
            await come_back(tasks, left)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
