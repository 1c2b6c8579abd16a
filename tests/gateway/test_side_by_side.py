"""How work that is done side by side ends."""

import asyncio

import pytest

from onshelf_gateway.call import side_by_side


def silent() -> asyncio.Task[bool]:
    return asyncio.create_task(asyncio.Event().wait())


async def test_what_comes_back_is_not_cancelled():
    tasks = [asyncio.create_task(asyncio.sleep(0.05, n)) for n in range(3)]
    await side_by_side.end(tasks, 60)
    assert [task.result() for task in tasks] == [0, 1, 2]


async def test_what_is_silent_is_cancelled_before_the_deadline_hides_the_failure():
    task = silent()

    async def call() -> None:
        try:
            raise ValueError("what failed")
        finally:
            await side_by_side.end([task], 0.6)

    with pytest.raises(ValueError, match="what failed"):
        await asyncio.wait_for(call(), 0.6)
    assert task.cancelled()


async def test_it_is_cancelled_at_once_where_the_caller_has_left():
    task = silent()

    async def call() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await side_by_side.end([task], 60)

    caller = asyncio.create_task(call())
    await asyncio.sleep(0.01)
    caller.cancel()
    done, _ = await asyncio.wait([caller], timeout=side_by_side.GRACE / 2)
    assert done
    assert task.cancelled()
