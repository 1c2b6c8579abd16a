"""Train a small network, alone or under torchrun. Run by test_loop.py and test_distributed.py.

loop_script.py FOLDER OUT [STEP] [--plain] [--fail-in RANK]

After STEP steps it kills itself by SIGKILL; --plain leaves all chance out of the task; one process may fail on purpose.
"""

import argparse
import contextlib
import os
import signal
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.training import distributed
from onshelf_exporter.training.loop import fit
from onshelf_exporter.training.recipe import LoopRecipe

SETTINGS = LoopRecipe(epochs=5, learning_rate=0.02, batch_size=8, patience=5, checkpoint_every=3)


class Regression:
    """A noisy line."""

    def __init__(self, model: nn.Module, noise: float = 0.01) -> None:
        self.noise = noise
        generator = np.random.default_rng(9)
        self.model = model
        self.x = torch.from_numpy(generator.normal(size=(60, 4)).astype(np.float32))
        self.y = self.x.sum(1, keepdim=True) + 0.1 * torch.from_numpy(generator.normal(size=(60, 1)).astype(np.float32))

    @property
    def rows(self) -> int:
        return 50

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        noise = torch.from_numpy(generator.normal(size=(len(rows), 4)).astype(np.float32)) * self.noise
        loss: Tensor = (self.model(self.x[rows] + noise) - self.y[rows]).square().mean()
        return loss

    def validate(self) -> float | None:
        return float((self.model(self.x[50:]) - self.y[50:]).square().mean())


def new_model(dropout: float = 0.2) -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(dropout), nn.Linear(8, 1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("step", type=int, nargs="?", default=-1)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--fail-in", type=int, default=-1)
    return parser.parse_args()


def after(step: int, given: argparse.Namespace) -> None:
    if step == given.step:
        os.kill(os.getpid(), signal.SIGKILL)
    if step == 3 and distributed.rank() == given.fail_in:
        raise ValueError("broken on purpose")


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    network = new_model(0.0 if given.plain else 0.2)
    task = Regression(network, 0.0 if given.plain else 0.01)
    with distributed.processes():
        result = fit(
            network,
            task,
            SETTINGS,
            seed=7,
            folder=given.folder,
            name="line",
            after_step=lambda step: after(step, given),
        )
        if distributed.leads():
            torch.save({"weights": network.state_dict(), "fit": (result.epoch, result.training_losses)}, given.out)
    if left := group_threads():
        raise SystemExit(f"threads of the process group are left: {left}; the interpreter's end would abort on them")


def group_threads() -> list[str]:
    """Names of threads of a process group that still run."""
    names = []
    for path in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ends just now
            names.append(path.read_text().strip())
    return [name for name in names if name.startswith("pt_gloo")]


if __name__ == "__main__":
    main()
