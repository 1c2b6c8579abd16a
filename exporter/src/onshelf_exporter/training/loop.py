"""The training loop: AdamW, warm-up and cosine schedule, gradient clipping, early stopping, checkpoints that survive a
kill.

The order of the batches is a function of (seed, epoch), so a run that is killed and started again takes up where its
last checkpoint stands and ends with the same weights.

Where several processes train together (see `distributed`), each takes its share of every batch: batch size, steps and
schedule are those of one process. What a task draws at random differs between them.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from onshelf_exporter.process.progress_display import progress_bar
from onshelf_exporter.training import devices, distributed
from onshelf_exporter.training.recipe import LoopRecipe

Curve = Callable[[str, float, int], None]


class Task(Protocol):
    """What a loop trains on."""

    @property
    def rows(self) -> int:
        """How many rows an epoch has."""

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        """The loss of a batch of rows, a scalar with gradient."""

    def validate(self) -> float | None:
        """The loss on rows held out, lower is better; None where nothing is held out."""


@dataclass(frozen=True)
class Fit:
    """What came out: the epoch whose weights are kept (1..), the validation loss there and all epochs' losses."""

    epoch: int
    validation: float | None
    training_losses: list[float]
    validation_losses: list[float]


def fit(
    module: nn.Module,
    task: Task,
    settings: LoopRecipe,
    *,
    seed: int,
    folder: Path,
    name: str,
    groups: Sequence[dict[str, Any]] | None = None,
    after_step: Callable[[int], None] | None = None,
    device: torch.device = devices.CPU,
) -> Fit:
    """Train `module` in place and keep the weights of the best epoch (of the last one where nothing is validated).

    Checkpoints go to `folder/<name>.checkpoint.pt` and are taken up when they are there; curves go to
    `folder/curves/<name>`.
    `groups` are AdamW parameter groups with `lr` as a factor of the recipe's. `after_step` gets the number of steps
    done. The module trains on `device` and comes back to the CPU; a task that allows another device than the CPU makes
    its tensors by torch.as_tensor.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"{name}.checkpoint.pt"
    parameters = [p for p in module.parameters() if p.requires_grad]
    given: list[dict[str, Any]] = (
        [dict(g) for g in groups] if groups is not None else [{"params": parameters, "lr": 1.0}]
    )
    factors = [float(group["lr"]) for group in given]
    optimizer = torch.optim.AdamW(given, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    steps = max(1, math.ceil(task.rows / settings.batch_size))
    total = steps * settings.epochs
    state = _State()
    module.to(device)
    if distributed.shared(checkpoint.exists()):
        state.restore(torch.load(checkpoint, weights_only=False, map_location="cpu"), module, optimizer, seed)
    else:
        torch.manual_seed(seed + distributed.rank())
    distributed.barrier()
    module.train()
    loss_of = distributed.averaged(_Loss(module, task))
    with _curves(folder / "curves" / name) as curve, _progress(name, total, state, steps) as advance:
        while state.epoch < settings.epochs and not state.stopped:
            generator = np.random.default_rng([seed, state.epoch])
            order = generator.permutation(task.rows)
            for step in range(state.step, steps):
                batch_generator = np.random.default_rng([seed, state.epoch, step, distributed.rank()])
                done = state.epoch * steps + step
                for group, factor in zip(optimizer.param_groups, factors, strict=True):
                    group["lr"] = settings.learning_rate * factor * schedule(done, total, settings.warmup_share)
                rows = order[step * settings.batch_size : (step + 1) * settings.batch_size]
                rows, weight = distributed.share(rows)
                with devices.placed(device):
                    loss = loss_of(rows, batch_generator) * weight
                value = distributed.total(loss.item()) / distributed.world()
                if not math.isfinite(value):
                    raise FloatingPointError(f"training {name}: loss is {value} at step {done}; lower learning_rate")
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
                optimizer.step()
                state.step = step + 1
                state.sum += value
                curve("loss/train", value, done)
                advance(1)
                if (done + 1) % settings.checkpoint_every == 0:
                    state.save(checkpoint, module, optimizer)
                if after_step is not None:
                    after_step(done + 1)
            with devices.placed(device):
                _end_epoch(state, module, task, settings, steps, curve)
            state.save(checkpoint, module, optimizer)
    if state.best is not None:
        module.load_state_dict(state.best)
    module.to(devices.CPU)
    module.eval()
    distributed.barrier()
    best = state.best_epoch if state.best is not None else state.epoch
    return Fit(best, state.best_loss, state.training, state.validation)


class _Loss(nn.Module):
    """A task's loss as the forward pass of its module, which is what DistributedDataParallel watches."""

    def __init__(self, module: nn.Module, task: Task) -> None:
        super().__init__()
        self.module, self.task = module, task

    def forward(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        return self.task.loss(rows, generator)


@contextmanager
def _curves(folder: Path) -> Iterator[Curve]:
    """Writes points (name, value, step) of curves; only the leading process does."""
    if not distributed.leads():
        yield lambda _name, _value, _step: None
        return
    with SummaryWriter(str(folder)) as writer:
        yield lambda name, value, step: writer.add_scalar(name, value, step)


@contextmanager
def _progress(name: str, total: int, state: "_State", steps: int) -> Iterator[Callable[[int], None]]:
    """The progress bar; only the leading process shows one."""
    if not distributed.leads():
        yield lambda _: None
        return
    with progress_bar(name, total, state.epoch * steps + state.step) as advance:
        yield advance


def finish(folder: Path, names: Iterable[str]) -> None:
    """Remove the checkpoints of loops whose result is safely stored."""
    for name in names:
        (folder / f"{name}.checkpoint.pt").unlink(missing_ok=True)


def schedule(step: int, total: int, warmup_share: float) -> float:
    """Linear warm-up, then a cosine to 2 % (Loshchilov and Hutter 2017); a factor of the recipe's learning rate."""
    warm = max(1.0, total * warmup_share)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1.0, total - warm)))


def _end_epoch(state: "_State", module: nn.Module, task: Task, settings: LoopRecipe, steps: int, curve: Curve) -> None:
    state.training.append(state.sum / steps)
    state.epoch, state.step, state.sum = state.epoch + 1, 0, 0.0
    if settings.patience == 0:
        return
    module.eval()
    with torch.no_grad():
        value = distributed.shared(task.validate() if distributed.leads() else None)
    module.train()
    if value is None:
        return
    state.validation.append(value)
    curve("loss/validation", value, state.epoch * steps)
    if state.best_loss is None or value < state.best_loss:
        state.best_loss, state.best_epoch = value, state.epoch
        state.best = {key: tensor.detach().clone() for key, tensor in module.state_dict().items()}
    elif state.epoch - state.best_epoch >= settings.patience:
        state.stopped = True


class _State:
    """Where a loop stands, between batches."""

    def __init__(self) -> None:
        self.epoch = 0
        self.step = 0
        self.sum = 0.0
        self.stopped = False
        self.best: dict[str, Tensor] | None = None
        self.best_loss: float | None = None
        self.best_epoch = 0
        self.training: list[float] = []
        self.validation: list[float] = []

    def save(self, path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write a checkpoint; the leading process does, with the random states of all."""
        random = distributed.gathered(_random_states())
        if not distributed.leads():
            return
        content = {
            "state": dict(self.__dict__),
            "module": dict(module.state_dict()),
            "optimizer": optimizer.state_dict(),
            "random": random,
        }
        staging = path.with_suffix(".staging")
        torch.save(content, staging)
        os.replace(staging, path)

    def restore(self, content: dict[str, Any], module: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
        """Take up a checkpoint; a process that was not there when it was written has a random state of its own."""
        self.__dict__.update(content["state"])
        module.load_state_dict(content["module"])
        optimizer.load_state_dict(content["optimizer"])
        rank = distributed.rank()
        torch.manual_seed(seed + rank)
        if rank < len(content["random"]):
            cpu, gpu = content["random"][rank]
            torch.set_rng_state(cpu)
            if gpu is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(gpu)


def _random_states() -> tuple[Tensor, Tensor | None]:
    """Of the CPU, and of the GPU where one is in use."""
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None
