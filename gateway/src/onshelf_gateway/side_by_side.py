"""How work that is done side by side ends where a part of it has failed."""

import asyncio
from collections.abc import Collection
from typing import Any

GRACE = 1.0  # seconds; a model that is there has answered


async def end(tasks: Collection[asyncio.Future[Any]]) -> None:
    """End tasks whose results nobody wants any more; return when none is under way.

    Triton before 25.04 can die where a request is cancelled at the moment of its answer, and a model that is away would
    cancel many. So what is under way may take GRACE to come back, and is cancelled then; at once where the caller has
    left or its time is up.
    """
    current = asyncio.current_task()
    try:
        if tasks and not (current and current.cancelling()):
            await asyncio.wait(tasks, timeout=GRACE)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
