import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from loop_script import SETTINGS, Regression, new_model

from onshelf_exporter.training.loop import fit, schedule

SCRIPT = Path(__file__).with_name("loop_script.py")


def script(folder: Path, out: Path, *more: str) -> int:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), str(out), *more], check=False, timeout=120
    ).returncode


def test_a_killed_run_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    assert script(tmp_path / "whole", tmp_path / "whole.pt") == 0
    assert script(tmp_path / "killed", tmp_path / "killed.pt", "17") == -signal.SIGKILL
    assert not (tmp_path / "killed.pt").exists()
    assert (tmp_path / "killed" / "line.checkpoint.pt").exists()
    assert script(tmp_path / "killed", tmp_path / "killed.pt") == 0
    whole, killed = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("whole", "killed"))
    for name, value in whole["weights"].items():
        assert torch.equal(value, killed["weights"][name]), name
    assert whole["fit"] == killed["fit"]


def trained(folder: Path, seed: int) -> torch.Tensor:
    model = new_model()
    fit(model, Regression(model), SETTINGS, seed=seed, folder=folder, name="line")
    return torch.cat([p.detach().ravel() for p in model.parameters()])


def test_a_seed_settles_everything(tmp_path: Path) -> None:
    assert torch.equal(trained(tmp_path / "a", 1), trained(tmp_path / "b", 1))
    assert not torch.equal(trained(tmp_path / "c", 1), trained(tmp_path / "d", 2))


def test_the_best_epoch_is_kept_and_patience_ends_training(tmp_path: Path) -> None:
    model = new_model()

    class Worse(Regression):
        values = iter([3.0, 1.0, 2.0, 2.0, 2.0])

        def validate(self) -> float | None:
            return next(self.values)

    result = fit(model, Worse(model), replace(SETTINGS, patience=2), seed=1, folder=tmp_path, name="worse")
    assert result.epoch == 2
    assert result.validation_losses == [3.0, 1.0, 2.0, 2.0]


def test_a_loss_that_is_no_number_stops_with_its_name(tmp_path: Path) -> None:
    model = new_model()

    class Broken(Regression):
        def loss(self, rows: object, generator: object) -> torch.Tensor:
            return super().loss(np.arange(4), np.random.default_rng(0)) * torch.nan

    with pytest.raises(FloatingPointError, match="broken"):
        fit(model, Broken(model), SETTINGS, seed=1, folder=tmp_path, name="broken")


def test_the_schedule_warms_up_and_falls() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert int(np.argmax(rates)) in (9, 10)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[-1] < 0.05
