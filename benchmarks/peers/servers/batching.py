"""Dynamic batching by hand, for the servers whose framework has none."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]  # [n, 384]; or one of them


class Batcher:
    """Runs what arrived while all workers were busy as the next batch; nobody waits for a batch to fill."""

    def __init__(self, run: Callable[[list[str]], Rows], largest: int = 16, workers: int = 1) -> None:
        self.run, self.largest, self.workers = run, largest, workers
        self.waiting: list[tuple[str, asyncio.Future[Rows]]] = []
        self.working: set[asyncio.Task[None]] = set()
        self.threads = ThreadPoolExecutor(workers)

    async def __call__(self, text: str) -> Rows:
        """The row of one text."""
        future: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        self.waiting.append((text, future))
        if len(self.working) < self.workers:
            self.working.add(asyncio.create_task(self._work()))
        return await future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting:
            batch, self.waiting = self.waiting[: self.largest], self.waiting[self.largest :]
            try:
                rows = await loop.run_in_executor(self.threads, self.run, [text for text, _ in batch])
            except Exception as error:  # noqa: BLE001  the callers get it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), row in zip(batch, rows, strict=True):
                    if not future.done():
                        future.set_result(row)
        task = asyncio.current_task()
        assert task is not None
        self.working.discard(task)  # before anyone else runs: whoever comes now starts another
