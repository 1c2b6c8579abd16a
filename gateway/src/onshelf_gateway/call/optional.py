"""Parts that an answer can do without: their failure marks the answer as degraded instead of ending it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from onshelf.v1 import types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError

A = TypeVar("A")
PATIENCE = 0.5  # share of the time left that an optional part may take


async def optional(call: Call, work: Coroutine[Any, Any, A], missing: str) -> A | None:
    """The result of `work`; None, with a notice that `missing` is missing, when its model fails or is slow."""
    try:
        async with asyncio.timeout(max(0.0, call.remaining() * PATIENCE)):
            return await work
    except TimeoutError:
        why = "its model did not answer in time"
    except GatewayError as error:
        why = error.message
    call.degraded = True
    call.notice(types_pb2.NOTICE_CODE_DEGRADED, f"{missing} missing: {why}")
    return None
