"""Several processes train one model: torchrun starts them, PyTorch's DistributedDataParallel averages their gradients.

    torchrun --standalone --nproc-per-node 2 -m onshelf_exporter train --recipe default

The first process leads: it alone writes. All see the same folders. When one process ends with an error, torchrun ends
the others; the same command goes on at the last checkpoint, also with another number of processes.
"""

import datetime as dt
import gc
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn

from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training import devices

T = TypeVar("T")

PATIENCE = dt.timedelta(days=7)  # others may wait for the leader, which may wait for another run; torchrun ends them

_alone = False


class LostProcessError(ExporterError):
    """Another process of the same training ended."""


@contextmanager
def processes() -> Iterator[None]:
    """Join the other processes where torchrun started this one; leave them at the end.

    Raises:
        LostProcessError: another process ended before this one.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    gpu = devices.current().type == "cuda"
    if gpu:
        torch.cuda.set_device(devices.current())
    # Functions of this module have the group as a default argument, bound when it is imported, which DDP does. With a
    # group there they would hold it for good, and its threads may abort the process at the interpreter's end.
    importlib.import_module("torch.distributed.nn")
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=PATIENCE)
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise LostProcessError(
            f"process {dist.get_rank()} of {dist.get_world_size()}: another process ended, see its message; the same "
            "command goes on at the last checkpoint"
        ) from error
    finally:
        gc.collect()  # wrapped modules are cycles that hold the group, whose threads must end before the interpreter
        dist.destroy_process_group()


@contextmanager
def alone() -> Iterator[None]:
    """Within it this process works for itself, whatever the others do."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def world() -> int:
    """How many processes work together."""
    return 1 if _alone or not dist.is_initialized() else dist.get_world_size()


def together() -> bool:
    """Whether torchrun started this process beside others."""
    return dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """The number of this process among them."""
    return 0 if world() == 1 else dist.get_rank()


def leads() -> bool:
    """Whether this process writes."""
    return rank() == 0


def mine(items: list[T]) -> list[T]:
    """This process's part of some independent pieces of work."""
    return items[rank() :: world()]


def barrier() -> None:
    """Wait until all processes are here: what the leader wrote before it can be read after it."""
    shared(None)


def shared(value: T) -> T:
    """The leader's value, for all processes."""
    if world() == 1:
        return value
    box: list[Any] = [value]
    dist.broadcast_object_list(box, src=0, device=devices.CPU)
    return cast(T, box[0])


def gathered(value: T) -> list[T]:
    """Every process's value, in order."""
    if world() == 1:
        return [value]
    values: list[Any] = [None] * world()
    dist.all_gather_object(values, value)
    return cast(list[T], values)


def total(value: float) -> float:
    """The sum over all processes."""
    if world() == 1:
        return value
    tensor = torch.tensor([value], dtype=torch.float64, device=devices.CPU)
    dist.all_reduce(tensor)
    return float(tensor.item())


def added(values: NDArray[Any]) -> NDArray[Any]:
    """The sum over all processes, in place: joins arrays of which each process filled its own part."""
    if world() > 1:
        dist.all_reduce(torch.from_numpy(values))
    return values


def share(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
    """This process's rows of a batch, and the weight of their mean loss.

    The mean over processes of weight x mean loss is the mean over the whole batch. A process for which there is no row
    repeats one at weight 0, so that all take part in every step.
    """
    own = rows[rank() :: world()]
    return (own, len(own) * world() / len(rows)) if len(own) else (rows[:1], 0.0)


def averaged(module: nn.Module) -> nn.Module:
    """The module with gradients averaged over all processes, and the leader's weights to start from."""
    if world() == 1:
        return module
    return nn.parallel.DistributedDataParallel(module, forward_sync_buffers=False, find_unused_parameters=True)
