"""Train a small network; a third argument kills this process by SIGKILL after so many steps. Run by test_loop.py."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_exporter.recipe import LoopRecipe
from onshelf_exporter.training.loop import fit

SETTINGS = LoopRecipe(epochs=5, learning_rate=0.02, batch_size=8, patience=5, checkpoint_every=3)


class Regression:
    """A noisy line."""

    def __init__(self, model: nn.Module) -> None:
        generator = np.random.default_rng(9)
        self.model = model
        self.x = torch.from_numpy(generator.normal(size=(60, 4)).astype(np.float32))
        self.y = self.x.sum(1, keepdim=True) + 0.1 * torch.from_numpy(generator.normal(size=(60, 1)).astype(np.float32))

    @property
    def rows(self) -> int:
        return 50

    def loss(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        noise = torch.from_numpy(generator.normal(size=(len(rows), 4)).astype(np.float32)) * 0.01
        loss: Tensor = (self.model(self.x[rows] + noise) - self.y[rows]).square().mean()
        return loss

    def validate(self) -> float | None:
        return float((self.model(self.x[50:]) - self.y[50:]).square().mean())


def new_model() -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 1))


def kill(step: int, at: int) -> None:
    if step == at:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    at = int(sys.argv[3]) if len(sys.argv) > 3 else -1
    torch.set_num_threads(1)
    network = new_model()
    result = fit(
        network,
        Regression(network),
        SETTINGS,
        seed=7,
        folder=folder,
        name="line",
        after_step=lambda step: kill(step, at),
    )
    torch.save({"weights": network.state_dict(), "fit": (result.epoch, result.training_losses)}, out)
