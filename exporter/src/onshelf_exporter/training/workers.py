"""Independent pieces of work side by side: one process each, as far as a recipe's threads go.

Most of what stands behind the text encoder is too small to keep several threads busy.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from onshelf_exporter.process import memory
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training import devices, distributed

Item = TypeVar("Item")
Result = TypeVar("Result")

PARENT_DEATH = 1  # PR_SET_PDEATHSIG of prctl(2)
MEMORY_EACH = 2_000_000_000  # bytes that training or exporting a release of a million purchases takes at most
BLAS_SETTING = "OPENBLAS_NUM_THREADS"  # read when a copy of OpenBLAS is loaded; numpy and scipy bring one each


def side_by_side(work: Callable[[Item], Result], items: list[Item], threads: int) -> list[Result]:
    """The results of `work` on each item, in order.

    Where there is one item or one thread, where a GPU trains, where torchrun has started several processes already, or
    where memory for two is not free, they are done one after the other in this process. The processes end with this
    one, however it ends.

    Args:
        work: a function at the top of a module, or a partial of one; it raises what it raises here.
        items: pieces of work that do not touch the same files.
        threads: shared out to the processes.

    Raises:
        ExporterError: a process was killed.
    """
    workers = min(len(items), threads)
    if workers < 2 or devices.current() != devices.CPU or distributed.together():
        return [work(item) for item in items]
    free = memory.free()
    if free < workers * MEMORY_EACH:
        workers = int(free // MEMORY_EACH)
        print(f"memory: {free / 1e9:.1f} GB are free, so {max(1, workers)} at a time", file=sys.stderr, flush=True)
        if workers < 2:
            return [work(item) for item in items]
    context = multiprocessing.get_context("spawn")
    each = max(1, threads // workers)
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(each,)) as pool:
            return list(pool.map(work, items))
    except BrokenProcessPool as error:
        raise ExporterError(
            f"one of {workers} processes was killed (out of memory?); the same command goes on at the last checkpoint"
        ) from error


def _begin(threads: int) -> None:
    """Set up a process: its threads, no progress bars that overwrite those of its siblings, and its end."""
    ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGKILL)
    os.environ["TTY_COMPATIBLE"] = "0"
    torch.set_num_threads(threads)
    # numpy's own threads spin while they wait, and each process would start as many as there are cores
    os.environ[BLAS_SETTING] = str(threads)
    threadpool_limits(threads)
